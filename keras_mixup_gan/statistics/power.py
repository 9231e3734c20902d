"""Power: what an audit of given size detects, and an attacker who holds image sets.

Arguments out of range raise a `ValueError`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.statistics.roc import (
    auc,
    check_scores,
    delong_interval,
)
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_between, check_integer

SET_SIZES = (1, 2, 5, 10, 25, 100)


@dataclass(frozen=True)
class SetResult:
    """How often sets of members score above sets of non-members.

    Attributes:
        size: Number of images of a set.
        num_member_sets: Number of disjoint sets that the members were split into.
        success: Probability that a set of members scores above a set of non-members,
            ties counted one half.
    """

    size: int
    num_member_sets: int
    num_non_member_sets: int
    success: float
    interval: tuple[float, float]


def detectable_auc(
    num_members: int,
    num_non_members: int,
    num_attacks: int = 1,
    significance: float = 0.05,
    power: float = 0.8,
) -> float:
    """The smallest AUC that an audit of this size can distinguish from .5.

    Of a model at this AUC, an audit that asks `num_attacks` attacks (two-sided tests,
    Bonferroni) finds the leak with probability `power`. From the normal approximation
    with the variance of the Mann-Whitney statistic where nothing leaks.

    `significance`, in `(0, 1)`, is the error of the whole audit. The result is 1 where
    no AUC can be distinguished from .5.

    Example:
    >>> round(detectable_auc(1000, 1000), 3), round(detectable_auc(50, 50), 3)
    (0.536, 0.663)
    """
    check_integer(1, num_members=num_members, num_non_members=num_non_members)
    check_integer(1, num_attacks=num_attacks)
    check_between(0, 1, significance=significance, power=power)
    error = error_at_chance(num_members, num_non_members)
    needed = special.ndtri(power) - special.ndtri(significance / (2 * num_attacks))
    return float(np.clip(0.5 + needed * error, 0.5, 1.0))


def error_at_chance(num_members: int, num_non_members: int) -> float:
    """Standard error of an AUC where nothing leaks (Mann and Whitney, 1947)."""
    ours, others = int(num_members), int(num_non_members)
    return float(np.sqrt((ours + others + 1) / (12 * ours * others)))


@dataclass(frozen=True)
class SetInference:
    """What scores tell of the members as a set.

    Attributes:
        p_value: Probability of scores as high as the members' in comparison with the
            non-members', had the model not seen the set, corrected for `num_tests`.
        num_needed: Number of images that a set of such an AUC must have, against as
            many others, to be recognized in four of five cases at the 1 % level;
            `None` at or below chance.
    """

    p_value: float
    num_needed: int | None


def set_inference(
    member_scores: ArrayLike, non_member_scores: ArrayLike, num_tests: int = 1
) -> SetInference:
    """Tests whether a set of images as a whole was trained on (dataset inference).

    A leak too small to find single images is enough to prove, of many together, that
    they were used. The test is Mann and Whitney's, one-sided, normal with corrections
    for ties and continuity; it does not depend on the scale of scores. It holds for
    sets that are drawn alike, as members and non-members of an audit are. The number of
    images that are needed is that of Noether, "Sample size determination for some
    common nonparametric tests", 1987.

    Source: Maini, Yaghini and Papernot, "Dataset Inference: Ownership Resolution in
    Machine Learning", ICLR 2021; Dubiński, Kowalczuk, Boenisch and Dziedzic, "CDI:
    Copyrighted Data Identification in Diffusion Models", CVPR 2025, who use Welch's t.

    Example:
    >>> found = set_inference(np.arange(50) + 10.0, np.arange(50.0))
    >>> found.p_value < 0.001, found.num_needed
    (True, 52)
    """
    check_integer(1, num_tests=num_tests)
    members, non_members = check_scores(member_scores, non_member_scores)
    m, n = len(members), len(non_members)
    area = auc(members, non_members)
    _, ties = np.unique(np.concatenate([members, non_members]), return_counts=True)
    total = m + n
    lost = (ties.astype("float64") ** 3 - ties).sum() / (total * (total - 1))
    variance = m * n / 12 * (total + 1 - lost)
    p_value = 1.0
    if variance > 0:
        excess = (area - 0.5) * m * n - 0.5
        p_value = float(special.ndtr(-excess / np.sqrt(variance)))
    return SetInference(min(1.0, num_tests * p_value), num_needed(area))


def num_needed(area: float) -> int | None:
    """Images a side by which a set of such an AUC is recognized; `None` of none."""
    if area <= 0.5:
        return None
    quantiles = special.ndtri(0.99) + special.ndtri(0.8)
    return int(np.ceil(quantiles**2 / (6 * (area - 0.5) ** 2)))


def set_membership(
    member_scores: ArrayLike,
    non_member_scores: ArrayLike,
    sizes: Sequence[int] = SET_SIZES,
    num_splits: int = 20,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[SetResult, ...]:
    """Turns scores of single images into the success against sets of them.

    An attacker who holds several images that were either all trained on or all not,
    such as those of one person, averages their scores. The images are split at random
    into disjoint sets, members and non-members apart, and every set of members is
    compared with every set of non-members. This is repeated, and the success
    averaged. For scores that are log likelihood ratios the mean orders sets as their
    sum does.

    There is one result for each of `sizes` that leaves at least two sets of either
    kind. The ends of its interval are those of DeLong's, averaged over the splits: a
    little wide, because averaging makes the success more certain than one split does.

    Source: Hilprecht, Härterich and Bernau, "Monte Carlo and Reconstruction
    Membership Inference Attacks against Generative Models", PoPETs 2019 (set
    membership); Liu, Xiao, Li and Gao, "Performing Co-Membership Attacks Against
    Deep Generative Models", ICDM 2019.

    Example:
    >>> results = set_membership([2.0, 3.0, 4.0, 1.0], [0.0, 1.0, 2.0, 0.5], (1, 2))
    >>> [result.num_member_sets for result in results]
    [4, 2]
    """
    check_integer(1, num_splits=num_splits)
    check_integer(0, seed=seed)
    members, non_members = check_scores(member_scores, non_member_scores)
    results = []
    for size in sizes:
        check_integer(1, size=size)
        numbers = len(members) // size, len(non_members) // size
        if min(numbers) < 2:
            continue
        areas, intervals = [], []
        for split in range(num_splits if size > 1 else 1):
            rng = generator(seed, Stream.SETS, size, split)
            inside = _set_means(rng, members, size)
            outside = _set_means(rng, non_members, size)
            areas.append(auc(inside, outside))
            intervals.append(delong_interval(inside, outside, confidence))
        low, high = np.mean(intervals, axis=0)
        success = float(np.mean(areas))
        results.append(SetResult(size, *numbers, success, (float(low), float(high))))
    return tuple(results)


def _set_means(rng: np.random.Generator, scores: FloatArray, size: int) -> FloatArray:
    """Mean scores of disjoint random sets; what is left over is in none."""
    number = len(scores) // size
    chosen = rng.permutation(len(scores))[: number * size]
    # Sorted, so that sets of equal scores have exactly equal means.
    sets = np.sort(scores[chosen].reshape(number, size), axis=1)
    means: FloatArray = sets.mean(axis=1)
    return means
