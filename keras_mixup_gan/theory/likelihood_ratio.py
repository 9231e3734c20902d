"""Membership as a hypothesis test, and the area under the curve of its best attack.

A release is computed from `n` members drawn from a population. An attacker sees the
release and a record, and decides between two hypotheses: the record is one of the
members, or it is a fresh draw. By the lemma of Neyman and Pearson no test has more
power at any false-positive rate than a threshold on the likelihood ratio
`p(release | member) / p(release | non-member)`; its AUC is what this package computes
where that ratio can be written down.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

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

    Source: the Mann-Whitney statistic from midranks; the error is that of DeLong et
    al., Biometrics 1988, which takes the scores to be independent.

    Args:
        member_ratios: Array `(num_members,)`: log likelihood ratios simulated under
            "member", at least two. Infinite values are ordered like all others.
        non_member_ratios: Array `(num_non_members,)`, the same under "non-member".

    Returns:
        `MonteCarloAUC(value, standard_error)`.

    Raises:
        ValueError: If an array is not one-dimensional, has fewer than two values, or
            holds NaN.

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
    ranks = stats.rankdata(np.concatenate([ins, outs]))
    below = (ranks[: len(ins)] - stats.rankdata(ins)) / len(outs)
    above = 1.0 - (ranks[len(ins) :] - stats.rankdata(outs)) / len(ins)
    variance = below.var(ddof=1) / len(ins) + above.var(ddof=1) / len(outs)
    return MonteCarloAUC(float(below.mean()), float(np.sqrt(variance)))


def gaussian_shift_auc(mu: float) -> float:
    r"""The exact AUC between $N(\mu, 1)$ and $N(0, 1)$: $\Phi(\mu / \sqrt 2)$.

    Source: the likelihood ratio is increasing, so the AUC is the probability that one
    draw exceeds another. It bounds every attack on a release that is `mu`-GDP (Dong,
    Roth and Su, "Gaussian Differential Privacy", JRSS-B 2022).

    Args:
        mu: Distance of the means in standard deviations, at least 0.

    Returns:
        The AUC, in `[.5, 1]`.

    Raises:
        ValueError: If `mu` is negative or not a number.

    Example:
        >>> round(gaussian_shift_auc(1.0), 4)
        0.7602
    """
    check_in_range(0, float("inf"), mu=mu)
    return float(special.ndtr(mu / np.sqrt(2.0)))


def gaussian_shift_tpr(mu: float, fpr: float) -> float:
    r"""The exact power between $N(\mu, 1)$ and $N(0, 1)$ at a false-positive rate.

    Source: Neyman-Pearson, $\Phi(\mu - \Phi^{-1}(1 - \mathrm{fpr}))$.

    Args:
        mu: Distance of the means in standard deviations, at least 0.
        fpr: False-positive rate, in `[0, 1]`.

    Returns:
        The true-positive rate, at least `fpr`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> round(gaussian_shift_tpr(1.0, 0.01), 4)
        0.0924
    """
    check_in_range(0, float("inf"), mu=mu)
    check_in_range(0, 1, fpr=fpr)
    return float(special.ndtr(mu + special.ndtri(fpr)))
