"""Bounds on every attack from the distance between the release's two laws.

With total variation TV between the law of the release with a record and without it, no
attack has an advantage (true- minus false-positive rate) above TV at any threshold. A
function of blends alone is no easier to attack than the blends (data processing), and
divergences of independent releases add up: so a bound grows with their number, and
mixing once does not bound a training that mixes afresh in every step.
"""

import numpy as np

from keras_mixup_gan.validation import check_in_range


def largest_auc(total_variation: float) -> float:
    r"""The largest AUC of any attack: $1 - (1 - \mathrm{TV})^2 / 2$.

    Source: the area below the curve $\min(1, \mathrm{fpr} + \mathrm{TV})$, which no
    ROC curve exceeds. Laws that reach it exist for each TV.

    Args:
        total_variation: Total variation between the two laws, in `[0, 1]`.

    Returns:
        The bound, in `[.5, 1]`.

    Raises:
        ValueError: If `total_variation` is not in `[0, 1]`.

    Example:
        >>> largest_auc(0.2)
        0.6799999999999999
    """
    check_in_range(0, 1, total_variation=total_variation)
    return 1.0 - (1.0 - total_variation) ** 2 / 2.0


def smallest_auc(total_variation: float) -> float:
    r"""What the likelihood-ratio attack reaches at least: $(1 + \mathrm{TV}) / 2$.

    Source: its ROC curve is concave and passes through a point with advantage TV; the
    two segments from there to the corners enclose this area.

    Args:
        total_variation: Total variation between the two laws, in `[0, 1]`.

    Returns:
        The bound, in `[.5, 1]`.

    Raises:
        ValueError: If `total_variation` is not in `[0, 1]`.

    Example:
        >>> smallest_auc(0.2)
        0.6
    """
    check_in_range(0, 1, total_variation=total_variation)
    return (1.0 + total_variation) / 2.0


def pinsker(divergence: float) -> float:
    r"""Total variation is at most $\sqrt{\mathrm{KL} / 2}$.

    Source: Pinsker's inequality; Tsybakov, "Introduction to Nonparametric Estimation",
    2009, Lemma 2.5.

    Args:
        divergence: Kullback-Leibler divergence in nats, in either direction, at least
            0; may be infinite.

    Returns:
        The bound, in `[0, 1]`; 1 says nothing.

    Raises:
        ValueError: If `divergence` is negative or not a number.

    Example:
        >>> pinsker(0.02)
        0.1
    """
    check_in_range(0, float("inf"), divergence=divergence)
    return float(min(1.0, np.sqrt(divergence / 2.0)))


def bretagnolle_huber(divergence: float) -> float:
    r"""Total variation is at most $\sqrt{1 - e^{-\mathrm{KL}}}$.

    Weaker than `pinsker` for small divergences, but still below 1 where that says
    nothing any more, from two nats on.

    Source: Bretagnolle and Huber 1979; Tsybakov 2009, proof of Lemma 2.6.

    Args:
        divergence: As for `pinsker`.

    Returns:
        The bound, in `[0, 1]`.

    Raises:
        ValueError: If `divergence` is negative or not a number.

    Example:
        >>> round(bretagnolle_huber(2.0), 3)
        0.93
    """
    check_in_range(0, float("inf"), divergence=divergence)
    return float(np.sqrt(-np.expm1(-divergence)))


def largest_auc_from_divergence(divergence: float) -> float:
    """The largest AUC that a Kullback-Leibler divergence leaves room for.

    `largest_auc` of the smaller of `pinsker` and `bretagnolle_huber`. Divergences of
    independent releases add: sum them first.

    Args:
        divergence: Kullback-Leibler divergence in nats, in either direction (the
            smaller one bounds better), at least 0; may be infinite.

    Returns:
        The bound, in `[.5, 1]`.

    Raises:
        ValueError: If `divergence` is negative or not a number.

    Example:
        >>> round(largest_auc_from_divergence(0.02), 3)
        0.595
    """
    return largest_auc(min(pinsker(divergence), bretagnolle_huber(divergence)))
