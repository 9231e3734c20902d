"""Membership as a hypothesis test: the AUC of its best attack, and bounds on any.

A release is computed from `n` members drawn from a population. An attacker sees the
release and a record, and decides between two hypotheses: the record is one of the
members, or it is a fresh draw. By the lemma of Neyman and Pearson no test has more
power at any false-positive rate than a threshold on the likelihood ratio
`p(release | member) / p(release | non-member)`; its AUC is what this package computes
where that ratio can be written down.

Where it cannot, a distance between the release's two laws bounds it. With total
variation TV between the law of the release with a record and without it, no attack has
an advantage (true- minus false-positive rate) above TV at any threshold. A function of
blends alone is no easier to attack than the blends (data processing), and divergences
of independent releases add up: so a bound grows with their number, and mixing once does
not bound a training that mixes afresh in every step.

Everywhere `mu` is the distance of two means in standard deviations, at least 0,
`total_variation` lies in `[0, 1]`, and `divergence` is a Kullback-Leibler divergence in
nats, in either direction, at least 0 and perhaps infinite. Arguments out of range raise
a `ValueError`.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from keras_mixup_gan.statistics.roc import num_below
from keras_mixup_gan.validation import check_in_range


class MonteCarloAUC(NamedTuple):
    """An area under the ROC curve estimated by simulation.

    Attributes:
        value: The estimate, in `[0, 1]`.
        standard_error: Its standard deviation over repetitions of the simulation.
    """

    value: float
    standard_error: float


def monte_carlo_auc(
    member_ratios: ArrayLike, non_member_ratios: ArrayLike
) -> MonteCarloAUC:
    """The AUC of simulated scores, ties counted one half, with its error.

    Source: the Mann-Whitney statistic; the error is that of DeLong et al., Biometrics
    1988, which takes the scores to be independent.

    Args:
        member_ratios: Array `(num_members,)`: log likelihood ratios simulated under
            "member", at least two. Infinite values are ordered like all others.
        non_member_ratios: Array `(num_non_members,)`, the same under "non-member".

    Example:
        >>> monte_carlo_auc([2.0, 3.0], [1.0, 2.0]).value
        0.875
    """
    ins = np.asarray(member_ratios, dtype=np.float64)
    outs = np.asarray(non_member_ratios, dtype=np.float64)
    for name, ratios in (("member_ratios", ins), ("non_member_ratios", outs)):
        if ratios.ndim != 1 or len(ratios) < 2 or np.isnan(ratios).any():
            raise ValueError(
                f"`{name}` cannot be ranked. Expected a one-dimensional array of at "
                f"least two numbers without NaN. Received: shape={ratios.shape}."
            )
    below = num_below(ins, outs) / len(outs)
    above = 1.0 - num_below(outs, ins) / len(ins)
    variance = below.var(ddof=1) / len(ins) + above.var(ddof=1) / len(outs)
    return MonteCarloAUC(float(below.mean()), float(np.sqrt(variance)))


def gaussian_shift_auc(mu: float) -> float:
    r"""The exact AUC between $N(\mu, 1)$ and $N(0, 1)$: $\Phi(\mu / \sqrt 2)$.

    Source: the likelihood ratio is increasing, so the AUC is the probability that one
    draw exceeds another. It bounds every attack on a release that is `mu`-GDP (Dong,
    Roth and Su, "Gaussian Differential Privacy", JRSS-B 2022).

    Example:
        >>> round(gaussian_shift_auc(1.0), 4)
        0.7602
    """
    check_in_range(0, float("inf"), mu=mu)
    return float(special.ndtr(mu / np.sqrt(2.0)))


def gaussian_shift_tpr(mu: float, fpr: float) -> float:
    r"""The exact power between $N(\mu, 1)$ and $N(0, 1)$ at a false-positive rate.

    Source: Neyman-Pearson, $\Phi(\mu - \Phi^{-1}(1 - \mathrm{fpr}))$.

    Example:
        >>> round(gaussian_shift_tpr(1.0, 0.01), 4)
        0.0924
    """
    check_in_range(0, float("inf"), mu=mu)
    check_in_range(0, 1, fpr=fpr)
    if math.isinf(mu):  # found all, even by who accuses nobody else
        return 1.0
    return float(special.ndtr(mu + special.ndtri(fpr)))


def largest_auc(total_variation: float) -> float:
    r"""The largest AUC of any attack: $1 - (1 - \mathrm{TV})^2 / 2$.

    Source: the area below the curve $\min(1, \mathrm{fpr} + \mathrm{TV})$, which no
    ROC curve exceeds. Laws that reach it exist for each TV.

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

    Example:
        >>> smallest_auc(0.2)
        0.6
    """
    check_in_range(0, 1, total_variation=total_variation)
    return (1.0 + total_variation) / 2.0


def pinsker(divergence: float) -> float:
    r"""Total variation is at most $\sqrt{\mathrm{KL} / 2}$.

    Source: Pinsker's inequality; Tsybakov, "Introduction to Nonparametric Estimation",
    2009, Lemma 2.5. Cut at 1, which says nothing.

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

    Example:
        >>> round(bretagnolle_huber(2.0), 3)
        0.93
    """
    check_in_range(0, float("inf"), divergence=divergence)
    return float(np.sqrt(-np.expm1(-divergence)))


def largest_auc_from_divergence(divergence: float) -> float:
    """The largest AUC that a Kullback-Leibler divergence leaves room for.

    `largest_auc` of the smaller of `pinsker` and `bretagnolle_huber`. Of the two
    directions the smaller divergence bounds better; those of independent releases add:
    sum them first.

    Example:
        >>> round(largest_auc_from_divergence(0.02), 3)
        0.595
    """
    return largest_auc(min(pinsker(divergence), bretagnolle_huber(divergence)))
