"""Membership of sets: several images of one person, all in or all out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from keras_mixup_gan.statistics.roc import auc, delong_interval
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer

SET_SIZES = (1, 2, 5, 10, 25, 100)


@dataclass(frozen=True)
class SetResult:
    """How often a set of members is told from a set of non-members.

    Attributes:
        size: Number of images of a set.
        num_member_sets: Number of disjoint sets that the members were split into.
        num_non_member_sets: The same for the non-members.
        success: Probability that a set of members scores above a set of non-members,
            ties counted one half.
        interval: Confidence interval of `success`.
    """

    size: int
    num_member_sets: int
    num_non_member_sets: int
    success: float
    interval: tuple[float, float]


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

    Args:
        member_scores: Array `(num_members,)`, finite.
        non_member_scores: Array `(num_non_members,)`, finite.
        sizes: Numbers of images of a set. Sizes that leave fewer than two sets of
            either kind are left out.
        num_splits: Number of random splits to average over, at least 1.
        seed: Seed of the splits.
        confidence: Coverage of the intervals. The ends are those of DeLong's
            interval, averaged over the splits: a little wide, because averaging
            makes the success more certain than one split does.

    Returns:
        One result for each size that fits.

    Raises:
        ValueError: If the scores are empty or not finite, or an argument is out of
            its range.

    Source: Hilprecht, Härterich and Bernau, "Monte Carlo and Reconstruction
    Membership Inference Attacks against Generative Models", PoPETs 2019 (set
    membership); Liu, Xiao, Li and Zheng, "Performing Co-Membership Attacks Against
    Deep Generative Models", ICDM 2019.

    Example:
    >>> results = set_membership([2.0, 3.0, 4.0, 1.0], [0.0, 1.0, 2.0, 0.5], (1, 2))
    >>> [result.num_member_sets for result in results]
    [4, 2]
    """
    check_integer(1, num_splits=num_splits)
    check_integer(0, seed=seed)
    auc(member_scores, non_member_scores)  # refuses what is no array of scores
    members = np.asarray(member_scores, dtype="float64")
    non_members = np.asarray(non_member_scores, dtype="float64")
    results = []
    for size in sizes:
        check_integer(1, size=size)
        numbers = len(members) // size, len(non_members) // size
        if min(numbers) < 2:
            continue
        areas, intervals = [], []
        for split in range(num_splits if size > 1 else 1):
            rng = np.random.default_rng([seed, 30, size, split])
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
