"""What an audit of a given size can see at all."""

import numpy as np
from scipy import stats

from keras_mixup_gan.statistics.roc import check_confidence
from keras_mixup_gan.validation import check_integer


def detectable_auc(
    num_members: int,
    num_non_members: int,
    num_attacks: int = 1,
    significance: float = 0.05,
    power: float = 0.8,
) -> float:
    """The smallest AUC that an audit of this size could have told from .5.

    Of a model at this AUC, an audit that asks `num_attacks` attacks (two-sided tests,
    Bonferroni) finds the leak with probability `power`. From the normal approximation
    with the variance of the Mann-Whitney statistic where nothing leaks.

    Args:
        num_members: Number of members, at least 1.
        num_non_members: Number of non-members, at least 1.
        num_attacks: Number of attacks that share the error.
        significance: Error of the whole audit, in `(0, 1)`.
        power: Probability of finding the leak, in `(0, 1)`.

    Returns:
        An AUC; 1 where no AUC could have been told from .5.

    Raises:
        ValueError: If a number is not a positive integer or a rate out of range.

    Example:
    >>> round(detectable_auc(1000, 1000), 3), round(detectable_auc(50, 50), 3)
    (0.536, 0.663)
    """
    check_integer(
        1,
        num_members=num_members,
        num_non_members=num_non_members,
        num_attacks=num_attacks,
    )
    check_confidence(1 - significance)
    check_confidence(power)
    pairs = num_members * num_non_members
    error = np.sqrt((num_members + num_non_members + 1) / (12 * pairs))
    needed = stats.norm.isf(significance / (2 * num_attacks)) + stats.norm.ppf(power)
    return float(min(1.0, 0.5 + needed * error))
