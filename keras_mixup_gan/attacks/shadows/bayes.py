"""RMIA, and a Bayesian form of LiRA with shrunk variances, for few shadow models.

Both take the signals that LiRA takes, from the same shadow models.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from keras_mixup_gan.attacks.base import register_attack
from keras_mixup_gan.attacks.shadows.comparison import centers, common_deviation
from keras_mixup_gan.attacks.shadows.lira import LiRA
from keras_mixup_gan.attacks.shadows.store import Shadows
from keras_mixup_gan.typing import BoolArray, FloatArray

MOST_CERTAIN = 1e6  # observations that a prior may be worth
_FRAMEWORK = (
    "Brännvall: Exponential-Family Membership Inference: From LiRA and RMIA to "
    "BaVarIA. 2026, arXiv:2603.11799"
)


@register_attack
class RMIA(LiRA):
    """How much likelier an image is under the target than under models on average.

    With a signal `t` in units of its deviation over shadow models, taken as a log
    likelihood, the score is `t - ln((mean_in exp(t_k) + mean_out exp(t_k)) / 2)`, over
    the shadows that saw the image and those that did not. RMIA compares this with the
    same of images of the population, and scores by the share of these that the image
    exceeds; that share orders the images of one target as the score here does, but for
    ties. Only one deviation is estimated, so it does with very few shadows.
    """

    name = "rmia"
    title = "RMIA (shadow models)"
    paper = (
        "Zarifzadeh, Liu, Shokri: Low-Cost High-Power Membership Inference Attacks. "
        f"ICML 2024, arXiv:2312.03262; without its population, as in {_FRAMEWORK}."
    )
    default_with = frozenset({"shadows", "critic"})
    _recorded = ("signal",)

    def __init__(self) -> None:
        super().__init__()

    def _compare(
        self, scores: FloatArray, values: FloatArray, inside: BoolArray
    ) -> FloatArray:
        scale = np.hypot(self._common["in"], self._common["out"]) / np.sqrt(2)
        scale = max(scale, 1e-9 * max(1.0, float(np.abs(values).max())))
        levels = values / scale
        means = [
            special.logsumexp(np.where(chosen, levels, -np.inf), axis=0)
            - np.log(chosen.sum(axis=0))
            for chosen in (inside, ~inside)
        ]
        return np.asarray(scores / scale - np.logaddexp(*means) + np.log(2))


@dataclass(frozen=True)
class Prior:
    """What all records together say of one record's mean and variance.

    A normal-inverse-gamma distribution: the variance is about `variance`, as certain
    as after `freedom` observations, and the mean as after `weight` of them.
    """

    variance: float
    freedom: float
    weight: float


@register_attack
class BayesianLiRA(LiRA):
    """`LiRA` whose means and variances are shrunk toward those of all images.

    The scores of an image under the models that saw it are normal, with a mean and a
    variance of which a normal-inverse-gamma prior is learned from all images; so are
    those under the others. The score is the log ratio of both posterior predictive
    densities, which are Student's t. The prior mean of either group lies half of the
    common gap above or below the middle between the image's own means. With many
    shadows this is `LiRA` with a variance for each record, with few it becomes
    `OffsetLiRA`; there is no threshold in between.

    Variances are shrunk as in Smyth, "Linear models and empirical Bayes methods",
    2004: the prior has the moments of the records' log variances.
    """

    name = "lira_bayes"
    title = "LiRA (shadow models, Bayesian)"
    paper = f"{_FRAMEWORK} (Student-t predictive)."
    default_with = frozenset({"shadows", "critic"})
    _recorded = ("signal",)

    def __init__(self) -> None:
        super().__init__()

    def _learn(self, shadows: Shadows) -> None:
        values, inside = shadows.statistics[self.signal], shadows.inside
        self._gap, self._priors = learn_priors(values, inside)

    def _compare(
        self, scores: FloatArray, values: FloatArray, inside: BoolArray
    ) -> FloatArray:
        middle = (centers(values, inside) + centers(values, ~inside)) / 2
        ends = middle + self._gap / 2, middle - self._gap / 2
        known, unknown = (
            _log_predictive(scores, values, chosen, end, prior)
            for chosen, end, prior in zip(
                (inside, ~inside), ends, self._priors, strict=True
            )
        )
        return known - unknown


def learn_priors(
    values: FloatArray, inside: BoolArray
) -> tuple[float, tuple[Prior, Prior]]:
    """The mean gap between records' means with and without them, and both priors.

    `values` are `(num_shadows, num_records)`. The gaps of records scatter by more than
    the noise of their means accounts for; a quarter of that excess is the variance of
    each mean about its end of the common gap.
    """
    groups = inside, ~inside
    gaps = centers(values, inside) - centers(values, ~inside)
    gap = float(gaps.mean())
    fitted = [_prior_variance(values, chosen) for chosen in groups]
    noise = sum(
        variance / chosen.sum(axis=0)
        for (variance, _), chosen in zip(fitted, groups, strict=True)
    )
    excess = max(float(gaps.var(ddof=1) - np.mean(noise)), 0.0) / 4
    priors = [
        Prior(
            variance,
            freedom,
            MOST_CERTAIN if excess * MOST_CERTAIN <= variance else variance / excess,
        )
        for variance, freedom in fitted
    ]
    return gap, (priors[0], priors[1])


def _prior_variance(values: FloatArray, chosen: BoolArray) -> tuple[float, float]:
    """The variance that records share, and how many degrees of freedom that is worth.

    Sample variances scatter about their own by a chi-squared law; what their logarithms
    scatter beyond it is the prior's.
    """
    floor = 1e-9 * max(1.0, float(np.abs(values).max()))
    common = max(common_deviation(values, chosen), floor) ** 2
    freedom = chosen.sum(axis=0) - 1
    squares = np.where(chosen, values - centers(values, chosen), 0) ** 2
    variances = squares.sum(axis=0) / np.maximum(freedom, 1)
    known = (freedom > 0) & (variances > 1e-12 * common)
    if known.sum() < 2:
        return common, MOST_CERTAIN
    half = freedom[known] / 2
    logs = np.log(variances[known]) - special.digamma(half) + np.log(half)
    excess = logs.var(ddof=1) - special.polygamma(1, half).mean()
    if excess <= special.polygamma(1, MOST_CERTAIN / 2):
        return common, MOST_CERTAIN
    prior = optimize.brentq(
        lambda log_half: special.polygamma(1, np.exp(log_half)) - excess,
        *np.log([1e-9, MOST_CERTAIN]),
        xtol=1e-14,
    )
    half_prior = float(np.exp(prior))
    level = logs.mean() + special.digamma(half_prior) - np.log(half_prior)
    return float(np.exp(level)), 2 * half_prior


def _log_predictive(
    scores: FloatArray,
    values: FloatArray,
    chosen: BoolArray,
    prior_mean: FloatArray,
    prior: Prior,
) -> FloatArray:
    """Log of Student's t: a new score given those of a group and the prior."""
    number = chosen.sum(axis=0)
    mean = centers(values, chosen)
    squares = (np.where(chosen, values - mean, 0) ** 2).sum(axis=0)
    weight = prior.weight + number
    center = (prior.weight * prior_mean + number * mean) / weight
    freedom = prior.freedom + number
    pull = prior.weight * number / weight * (mean - prior_mean) ** 2
    variance = (prior.freedom * prior.variance + squares + pull) / freedom
    scale = np.sqrt(variance * (1 + 1 / weight))
    return np.asarray(stats.t.logpdf(scores, freedom, center, scale))
