"""Two models attacked on the same queries: how much more does one give away?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from keras_mixup_gan.attacks.bootstrap import NUM_DRAWS, resampled_aucs
from keras_mixup_gan.statistics.roc import (
    check_confidence,
    check_scores,
    clopper_pearson,
    delong_variance,
    normal_quantile,
    pair_counts,
)
from keras_mixup_gan.validation import check_integer


@dataclass(frozen=True)
class PairedDifference:
    """The AUC of one model minus that of another on the same queries.

    Attributes:
        difference: AUC of the first model minus AUC of the second.
        interval: Confidence interval of `difference`.
        p_value: Two-sided p-value of "the two AUCs are equal".
    """

    difference: float
    interval: tuple[float, float]
    p_value: float


def paired_auc_difference(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    confidence: float = 0.95,
) -> PairedDifference:
    """Compares the AUCs of two models that were attacked on the same queries.

    DeLong's test for correlated ROC curves (DeLong et al., 1988): pairing removes
    what both models find easy or hard. Where every pair of queries gives the same
    difference, the Clopper-Pearson bound on disjoint pairs replaces the zero
    variance, as in `delong_interval`.

    Args:
        first: `(member_scores, non_member_scores)` of the first model.
        second: The same for the second model, on the same images in the same order.
        confidence: Coverage of the two-sided interval, in `(0, 1)`.

    Returns:
        The difference of the AUCs with its interval and p-value.

    Raises:
        ValueError: If the scores are empty or not finite, or the two models were not
            given equally many queries.
    """
    scores_a, scores_b = check_scores(*first), check_scores(*second)
    check_confidence(confidence)
    num_members, num_non_members = map(len, scores_a)
    if [len(part) for part in scores_b] != [num_members, num_non_members]:
        raise ValueError(
            "Paired models must be scored on the same queries. Received: "
            f"{num_members} + {num_non_members} scores of the first and "
            f"{len(scores_b[0])} + {len(scores_b[1])} of the second. "
            "Pass the scores of both on the same images, in the same order."
        )
    counts_a, counts_b = pair_counts(*scores_a), pair_counts(*scores_b)
    above, below = counts_a[0] - counts_b[0], counts_a[1] - counts_b[1]
    difference = float(above.sum() / (num_members * num_non_members))
    smaller = min(num_members, num_non_members)
    if smaller == 1:
        return PairedDifference(difference, (-1.0, 1.0), 1.0)
    variance = delong_variance(above, below)
    if variance == 0:
        agree, _ = clopper_pearson(smaller, smaller, confidence)
        low, high = difference * agree - (1 - agree), difference * agree + 1 - agree
        # Values in [-1, 1] of mean 0 equal d with probability 1 / (1 + |d|) at most.
        p_value = min(1.0, 2 * (1 + abs(difference)) ** -smaller)
        return PairedDifference(difference, (low, high), p_value)
    error = float(np.sqrt(variance))
    half_width = normal_quantile(confidence) * error
    return PairedDifference(
        difference,
        (max(-1.0, difference - half_width), min(1.0, difference + half_width)),
        float(2 * stats.norm.sf(abs(difference) / error)),
    )


def paired_bootstrap_difference(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    confidence: float = 0.95,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
) -> PairedDifference:
    """Compares two models by resampling the queries that both were attacked on.

    Each draw takes the same members and the same non-members for both models. The
    interval is the percentile interval; the p-value is twice the smaller share of
    draws on either side of zero, with one draw added to both, and so never below
    `2 / (num_draws + 1)`. Where every query gives the same difference, the draws
    cannot vary and `paired_auc_difference` answers instead.

    Args:
        first: `(member_scores, non_member_scores)` of the first model.
        second: The same for the second model, on the same images in the same order.
        confidence: Coverage of the two-sided interval, in `(0, 1)`.
        num_draws: Number of draws, at least 100.
        seed: Seed of the draws.

    Returns:
        The difference of the AUCs with its interval and p-value.

    Raises:
        ValueError: As `paired_auc_difference`, or if `num_draws` is too small.
    """
    check_integer(100, num_draws=num_draws)
    exact = paired_auc_difference(first, second, confidence)
    scores = check_scores(*first), check_scores(*second)
    counts = [pair_counts(*pair) for pair in scores]
    above, below = (a - b for a, b in zip(*counts, strict=True))
    if min(map(len, scores[0])) == 1 or delong_variance(above, below) == 0:
        return exact
    areas = resampled_aucs(list(scores), num_draws, seed)
    draws = areas[0] - areas[1]
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    one_side = min((draws <= 0).sum(), (draws >= 0).sum())
    p_value = min(1.0, 2 * (1 + one_side) / (num_draws + 1))
    return PairedDifference(exact.difference, (float(low), float(high)), float(p_value))
