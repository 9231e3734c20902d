"""LiRA: likelihood-ratio attack by shadow models (Carlini et al., S&P 2022)."""

from typing import ClassVar

import numpy as np
from scipy import stats

from keras_mixup_gan.attacks.base import register_attack
from keras_mixup_gan.attacks.shadows.comparison import (
    ShadowAttack,
    Statistics,
    centers,
    common_deviation,
    same_defense,
)
from keras_mixup_gan.attacks.shadows.store import PER_RECORD, Shadows
from keras_mixup_gan.attacks.target import AttackTarget, defense_of
from keras_mixup_gan.typing import BoolArray, FloatArray, IntArray
from keras_mixup_gan.validation import check_choice

SMALLEST_SHARE = 1e-6  # of the common deviation, for one of a record's own
_PAPER = (
    "Carlini, Chien, Nasr, Song, Terzis, Tramer: Membership Inference Attacks From "
    "First Principles. IEEE S&P 2022, arXiv:2112.03570"
)


@register_attack
class LiRA(ShadowAttack):
    """The likelihood ratio of a score under models that saw the image and others.

    For each image the scores of the shadow models form two groups, of those trained
    on the image and of the others; each is fitted by a normal distribution, and the
    target's score `t` is rated by `ln N(t; in) - ln N(t; out)`. The score is the
    discriminator's, less its mean score of generated images.

    Means are of the image's own. Standard deviations are too where at least 32 shadows
    saw the image and 32 did not; with fewer they are common to all images: that of the
    scores about their image's mean, for each group apart. So sixteen shadows are enough
    to find a strong leak. They are not enough to deny a weak one, and the true-positive
    rate at a low false-positive rate is then a lower bound on what 64 or 256 would
    show. Shadows must be trained as the target was, defense included: `settings` say
    whether mixup and augmentation were alike.

    Args:
        variance: `"auto"` as described, `"record"` or `"common"`.
        center: `"mean"` or `"median"` of the scores of a group, which is less moved by
            a shadow that failed.

    Raises:
        ValueError: When fitted, if the target is among the shadows. When scoring, if an
            image is not one of their records, or lacks shadows on one side.

    Example:
    ```python
    target = AttackTarget.from_model(model, shadows=shadows)
    scores = LiRA().fit(target).score(images)
    ```
    """

    name = "lira"
    title = "LiRA (shadow models, online)"
    requires = frozenset({"shadows", "discriminator", "samples"})
    paper = _PAPER + " (online attack)."
    default_with = frozenset({"shadows", "critic"})
    signal: ClassVar[str] = "critic"

    _recorded: ClassVar[tuple[str, ...]] = ("variance", "center", "signal")

    def __init__(self, variance: str = "auto", center: str = "mean"):
        check_choice(variance, ("auto", "record", "common"), "variance")
        check_choice(center, ("mean", "median"), "center")
        self.variance = variance
        self.center = center

    def _signals(self, shadows: Shadows) -> tuple[str, ...]:
        return (self.signal,)

    def _learn(self, shadows: Shadows) -> None:
        values = shadows.statistics[self.signal]
        self._common = {
            group: common_deviation(values, chosen, self.center)
            for group, chosen in (("in", shadows.inside), ("out", ~shadows.inside))
        }

    def _rate(
        self, own: Statistics, others: Statistics, inside: BoolArray
    ) -> FloatArray:
        return self._compare(own[self.signal], others[self.signal], inside)

    def _compare(
        self, scores: FloatArray, values: FloatArray, inside: BoolArray
    ) -> FloatArray:
        """Rates the target's scores by those of the shadows, image by image."""
        counts = np.minimum(inside.sum(axis=0), (~inside).sum(axis=0))
        known = self._normal(values, inside, counts, "in")
        unknown = self._normal(values, ~inside, counts, "out")
        ratio = stats.norm.logpdf(scores, *known) - stats.norm.logpdf(scores, *unknown)
        return np.asarray(ratio)

    def _normal(
        self, values: FloatArray, chosen: BoolArray, counts: IntArray, group: str
    ) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of a group, given the counts that decide."""
        common = self._common[group]
        least_count = {"auto": PER_RECORD, "record": 0, "common": np.inf}
        own = counts >= least_count[self.variance]
        own &= chosen.sum(axis=0) > 1  # one score has no deviation
        mean = centers(values, chosen, self.center)
        squares = (np.where(chosen, values - mean, 0) ** 2).sum(axis=0)
        deviation = np.sqrt(squares / np.maximum(chosen.sum(axis=0) - 1, 1))
        deviation = np.where(own, deviation, common)
        # Shadows that all agree must not make a density infinite.
        least = np.maximum(SMALLEST_SHARE * common, 1e-9 * np.maximum(1, np.abs(mean)))
        return mean, np.maximum(deviation, least)


@register_attack
class OfflineLiRA(LiRA):
    """How improbably high a score is among models that never saw the image.

    Rates the target's score by `ln Phi((t - mean) / deviation)` of the shadows that
    were not trained on the image. So it also works with shadows trained on other
    images only, where `LiRA` cannot; it is weaker where both work. For a deviation of
    its own 32 shadows that did not see the image are enough.

    Example:
    ```python
    shadows = keras_mixup_gan.attacks.train_shadows(
        model, reference, queries=images, folder="shadows",
        num_shadows=64, fit={"epochs": 50},
    )
    target = AttackTarget.from_model(model, shadows=shadows)
    scores = OfflineLiRA().fit(target).score(images)
    ```
    """

    name = "lira_offline"
    title = "LiRA (shadow models, offline)"
    paper = _PAPER + " (offline attack)."
    _least_inside = 0

    def _compare(
        self, scores: FloatArray, values: FloatArray, inside: BoolArray
    ) -> FloatArray:
        counts = (~inside).sum(axis=0)
        mean, deviation = self._normal(values, ~inside, counts, "out")
        return np.asarray(stats.norm.logcdf(scores, mean, deviation))


@register_attack
class OffsetLiRA(LiRA):
    """A score less the middle between models that saw the image and others.

    `t - (mean_in + mean_out) / 2` needs no variances and is the steadiest form with
    few shadows. The `variance` has no influence.
    """

    name = "lira_offset"
    title = "LiRA (shadow models, offset)"
    paper = _PAPER + " (means only)."
    default_with = frozenset({"shadows", "critic"})

    def _compare(
        self, scores: FloatArray, values: FloatArray, inside: BoolArray
    ) -> FloatArray:
        known = centers(values, inside, self.center)
        unknown = centers(values, ~inside, self.center)
        return scores - (known + unknown) / 2


@register_attack
class AdaptiveLiRA(LiRA):
    """`LiRA` that insists on shadows trained with the target's mixup and augmentation.

    Other defenses, such as DP-SGD, are not compared: see to them yourself.

    An attack by undefended shadows understates what a defended model gives away.
    """

    name = "lira_adaptive"
    title = "LiRA (shadow models with the defense)"
    paper = (
        _PAPER + ", adaptive after Aerni, Zhang, Tramer: Evaluations of Machine "
        "Learning Privacy Defenses are Misleading. CCS 2024, arXiv:2404.17399."
    )
    knows = frozenset({"mixup", "augment"})

    def _fit(self, target: AttackTarget) -> None:
        shadows = self._shadows(target)
        if not same_defense(target, shadows):
            raise ValueError(
                f"{self.title} needs shadow models trained with the target's defense, "
                f"{defense_of(target)}. Received: shadows trained with "
                f"{shadows.defense}. Train them like the target."
            )
        super()._fit(target)


@register_attack
class AugmentedLiRA(LiRA):
    """`LiRA` on the mean score over random transforms of the image.

    With shadow models that were trained with the target's augmentation it is the
    adaptive attack on such a model, as `AugmentedLOGAN` is without shadow models. The
    transforms are those of the shadow models; `settings` say whether the target's
    mixup and augmentation are theirs. Carlini et al. fit a joint normal distribution to
    the scores of the transforms instead. It takes
    `train_shadows(..., signals=["augmented"])`.
    """

    name = "lira_augmented"
    title = "LiRA (shadow models, on transforms)"
    paper = _PAPER + " (online attack), on augmented queries."
    default_with = frozenset({"augmentation", "shadows", "augmented"})
    knows = frozenset({"augment"})
    signal = "augmented"


@register_attack
class BlackBoxLiRA(LiRA):
    """`LiRA` on the distance to the nearest generated image: samples alone suffice.

    It takes `train_shadows(..., signals=["nearest"])`.
    """

    name = "lira_black_box"
    title = "LiRA (shadow models, nearest sample)"
    requires = frozenset({"shadows", "samples"})
    paper = _PAPER + ", on the distance of Chen, Yu, Zhang, Fritz: GAN-Leaks. CCS 2020."
    signal = "nearest"
