"""Held-out statistics: thresholds and attacks chosen on other queries than judged.

Scores are as in `roc`; fewer than two a side raise a `ValueError`. `seed` draws the
halves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from keras_mixup_gan.statistics.leaks import threat
from keras_mixup_gan.statistics.roc import (
    OperatingPoint,
    auc,
    check_confidence,
    check_scores,
    clopper_pearson,
    delong_interval,
    roc_curve,
    tpr_at_fpr,
)
from keras_mixup_gan.typing import FloatArray


@dataclass(frozen=True)
class Advantage:
    """How well one threshold separates members and non-members, cross-fitted.

    Attributes:
        balanced_accuracy: `(1 + tpr - fpr) / 2`; .5 for a guess.
        advantage: `tpr - fpr`; 0 for a guess.
        interval: Confidence interval of `advantage`.
        null_quantile: The advantage that a model which leaks nothing exceeds in 5 %
            of audits of this size, at most.
        true_positives: Members called members by the threshold of the other half.
        false_positives: Non-members called members.
    """

    balanced_accuracy: float
    advantage: float
    interval: tuple[float, float]
    null_quantile: float
    true_positives: int
    false_positives: int


@dataclass(frozen=True)
class HeldOutStrongest:
    """The strongest attack, chosen on one half of the queries, judged on the other.

    Its AUC with DeLong's interval and its operating point are of the other half.
    """

    name: str
    auc: float
    interval: tuple[float, float]
    operating_point: OperatingPoint


def cross_fitted_advantage(
    member_scores: ArrayLike,
    non_member_scores: ArrayLike,
    confidence: float = 0.95,
    seed: int = 0,
) -> Advantage:
    """Balanced accuracy and advantage at thresholds chosen on other queries.

    Members and non-members are each cut into two random halves. The threshold of the
    largest advantage on one half is applied to the other, and the other way round; no
    query is judged by a threshold it helped to choose. So a model that leaks nothing
    has an expected advantage of 0, while the largest advantage over all thresholds of
    the same queries would be above 0.

    The interval combines Clopper-Pearson intervals of both rates, each at half the
    error, and is conservative.

    Example:
    >>> found = cross_fitted_advantage([5.0, 6.0, 7.0, 8.0], [1.0, 2.0, 3.0, 4.0])
    >>> found.true_positives, found.false_positives, found.balanced_accuracy
    (4, 0, 1.0)
    """
    members, non_members = check_scores(member_scores, non_member_scores)
    check_confidence(confidence)
    folds = [_halves(scores, seed) for scores in (members, non_members)]
    true_positives = false_positives = 0
    for chosen_on, judged_on in ((0, 1), (1, 0)):
        threshold = _best_threshold(folds[0][chosen_on], folds[1][chosen_on])
        true_positives += int((folds[0][judged_on] > threshold).sum())
        false_positives += int((folds[1][judged_on] > threshold).sum())
    num_members, num_non_members = len(members), len(non_members)
    each = 1 - (1 - confidence) / 2
    tpr_low, tpr_high = clopper_pearson(true_positives, num_members, each)
    fpr_low, fpr_high = clopper_pearson(false_positives, num_non_members, each)
    advantage = true_positives / num_members - false_positives / num_non_members
    error = 0.5 * np.sqrt(1 / num_members + 1 / num_non_members)
    # The advantage moves in steps of one over the number.
    quantile = -special.ndtri(0.05) * error + 0.5 / min(num_members, num_non_members)
    return Advantage(
        balanced_accuracy=(1 + advantage) / 2,
        advantage=advantage,
        interval=(tpr_low - fpr_high, tpr_high - fpr_low),
        null_quantile=float(min(1.0, quantile)),
        true_positives=true_positives,
        false_positives=false_positives,
    )


def strongest_held_out(
    scores: Mapping[str, tuple[ArrayLike, ArrayLike]],
    fpr: float = 0.01,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    by_area: bool = False,
) -> HeldOutStrongest:
    """Chooses the most threatening attack on one half and reports it on the other.

    That is the one of the largest `leaks.threat`, and of those that are not above
    chance, or of all with `by_area`, the one of the largest AUC. The best of many on
    the same queries overstates what it would do on others; on the half that did not
    choose it, it does not.

    `scores` holds `(member_scores, non_member_scores)` of each attack by name, all on
    the same queries in the same order; `fpr` is the false-positive rate of the
    operating point.
    """
    checked = {name: check_scores(*pair) for name, pair in scores.items()}
    sizes = {tuple(map(len, pair)) for pair in checked.values()}
    if len(sizes) != 1:
        raise ValueError(
            "The strongest attack is chosen among attacks on the same queries. "
            f"Received: {len(checked)} attacks with (members, non-members)="
            f"{sorted(sizes)}. Pass scores of the same images for all."
        )
    halves = {
        name: [_halves(part, seed) for part in pair] for name, pair in checked.items()
    }

    def reached(name: str) -> tuple[float, float]:
        chosen_on = halves[name][0][0], halves[name][1][0]
        if by_area:
            return 0.0, auc(*chosen_on)
        interval = delong_interval(*chosen_on, confidence)
        point = tpr_at_fpr(*chosen_on, fpr, confidence)
        return threat(interval, point, confidence), auc(*chosen_on)

    name = max(halves, key=reached)
    judged = halves[name][0][1], halves[name][1][1]
    return HeldOutStrongest(
        name=name,
        auc=auc(*judged),
        interval=delong_interval(*judged, confidence),
        operating_point=tpr_at_fpr(*judged, fpr, confidence),
    )


def _halves(scores: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """Two random halves; which queries they hold depends on seed and number alone."""
    if len(scores) < 2:
        raise ValueError(
            "Halves need at least 2 members and 2 non-members. Received: "
            f"{len(scores)} on one side."
        )
    order = np.random.default_rng([seed, len(scores)]).permutation(len(scores))
    middle = len(scores) // 2
    return scores[order[:middle]], scores[order[middle:]]


def _best_threshold(members: FloatArray, non_members: FloatArray) -> float:
    """Threshold of the largest advantage, half-way to the next score below it."""
    fpr, tpr = roc_curve(members, non_members)
    values = np.unique(np.concatenate([members, non_members]))[::-1]
    best = int(np.argmax(tpr - fpr))
    if best == 0:
        return float("inf")
    lowest_called = values[best - 1]
    if best == len(values):
        return float("-inf")
    middle = float(lowest_called / 2 + values[best] / 2)
    return middle if middle < lowest_called else float(values[best])
