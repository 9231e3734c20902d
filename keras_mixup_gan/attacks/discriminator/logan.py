"""LOGAN (Hayes et al. 2019): the score of a discriminator that the attacker has."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.access import Discriminator
from keras_mixup_gan.attacks.base import DISCRIMINATOR_BLOCK, Attack, register_attack
from keras_mixup_gan.attacks.discriminator.mixtures import (
    KnownMixing,
    Standard,
    blend_weights,
)
from keras_mixup_gan.attacks.target import AttackTarget, Labels
from keras_mixup_gan.randomness import Stream, generator, sequence
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer

NUM_CALIBRATION_IMAGES = 256
# Of a discriminator that is not known to have seen augmented images.
ANY_POLICY = "color,translation,cutout"


@register_attack
class LOGAN(Attack):
    """The discriminator's raw score: higher for what it was trained to call real."""

    name = "logan"
    title = "LOGAN (discriminator score)"
    requires = frozenset({"discriminator"})
    paper = (
        "Hayes, Melis, Danezis, De Cristofaro: LOGAN: Membership Inference Attacks "
        "Against Generative Models. PoPETs 2019, arXiv:1705.07663 (white-box attack)."
    )
    default_with = frozenset()

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        target = self._fitted()
        return target.score(images, self._class_rows(target, labels, "images"))


@register_attack
class MixupLOGAN(Attack):
    """LOGAN as an attacker would run it who knows that training images were blended.

    A discriminator trained on blends is sharpest on blends. So the query is blended
    with reference images, as the defense did it: with `num_samples - 1` partners that
    share the remaining weight, with the defense's noise on top, and with labels
    blended by the same weights where the model is conditional. Where the defense is
    noise alone, the query is not blended and gets that noise. Where the defense
    transforms images before it blends them, the query and its partners are, each in a
    way of its own; where it blends by regions, so does the attack. The discriminator's
    scores are averaged over blends; the averages at the several weights are
    standardized on blends of reference images and then averaged too, so that nothing
    is chosen on the evaluated data.

    Partners, transforms, regions and noise are drawn once, from the target's seed, and
    are the same for every query. Against a model trained without mixup this is LOGAN,
    smoothed.

    Args:
        num_blends: Number of blends of a query at each weight.
        weights: Weights of the query in its blends, each in `(0, 1]`.
    """

    name = "logan_mixup"
    title = "LOGAN on blends (knows mixup)"
    requires = frozenset({"discriminator", "reference"})
    paper = (
        "The white-box attack of Hayes et al. (PoPETs 2019) on queries blended with "
        "reference images, in the manner of the mixed queries of Ji, Hu, Xiang, Zhou: "
        "Mixup Training for Generative Models to Defend Membership Inference Attacks. "
        "INFOCOM 2023."
    )
    default_with = frozenset()
    knows = frozenset({"mixup"})
    _recorded = ("num_blends", "weights")

    def __init__(
        self, num_blends: int = 16, weights: Sequence[float] = (0.5, 0.7, 0.9)
    ):
        check_integer(1, num_blends=num_blends)
        self.num_blends = num_blends
        self.weights = blend_weights(weights)

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return {
            "weights": self._weights,
            "num_partners": self._num_partners,
            **self._mixing.settings,
            "same_class": len(self._classes) > 0,
        }

    def _fit(self, target: AttackTarget) -> None:
        mixup = target.mixup
        self._mixing = KnownMixing(mixup, target.seed, Stream.BLENDS)
        num_samples = self._mixing.num_samples
        self._num_partners = max(num_samples, 2) - 1
        self._weights = self.weights if num_samples > 1 else [1.0]
        reference = self._reference(target, max(4, 2 * self._num_partners))
        self._images = reference.images
        self._rows = self._class_rows(target, reference.labels, "reference images")
        by_class = getattr(mixup, "same_class", False) and self._rows is not None
        rng = generator(target.seed, Stream.BLEND_PARTNERS)
        order = rng.permutation(len(self._images))
        num_calibration = min(NUM_CALIBRATION_IMAGES, len(order) // 2)
        calibration, pool = order[:num_calibration], order[num_calibration:]
        self._draw_partners(rng, pool, by_class)
        rows = None if self._rows is None else self._rows[calibration]
        blends = self._images[calibration]
        self._standard = Standard(self._blended_scores(target, blends, rows))

    def _draw_partners(
        self, rng: np.random.Generator, pool: IntArray, by_class: bool
    ) -> None:
        """Draws the partners of every blend; for each class if the defense did so."""
        shape = (len(self._weights), self.num_blends, self._num_partners)
        pools = [pool]
        self._classes = np.empty(0, dtype="int64")
        if by_class and self._rows is not None:
            classes = self._rows[pool].argmax(axis=1)
            self._classes = np.unique(classes)
            pools += [pool[classes == label] for label in self._classes]
        draws = range(shape[0] * shape[1])
        drawn = [_choose(rng, some, shape[2]) for some in pools for _ in draws]
        self._partners = np.stack(drawn).reshape(len(pools), *shape)

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        target = self._fitted()
        rows = self._class_rows(target, labels, "images")
        return self._standard(self._blended_scores(target, images, rows))

    def _blended_scores(
        self, target: AttackTarget, images: FloatArray, rows: FloatArray | None
    ) -> FloatArray:
        """Mean score over the blends of each image, `(num_weights, num_images)`."""
        scores = np.zeros((len(self._weights), len(images)))
        for start in range(0, len(images), DISCRIMINATOR_BLOCK):
            part = slice(start, start + DISCRIMINATOR_BLOCK)
            part_rows = None if rows is None else rows[part]
            for at in range(len(self._weights)):
                for number in range(self.num_blends):
                    blend = self._blend(images[part], part_rows, at, number)
                    scores[at, part] += target.score(*blend)
        return scores / self.num_blends

    def _blend(
        self, images: FloatArray, rows: FloatArray | None, at: int, number: int
    ) -> tuple[FloatArray, FloatArray | None]:
        which = self._pool_of(rows, len(images))
        partners = self._partners[:, at, number]
        partner_rows = None if self._rows is None else self._rows[partners]
        others = self._images[partners], partner_rows
        weight = self._weights[at]
        return self._mixing.mixed((images, rows), others, weight, (at, number), which)

    def _pool_of(self, rows: FloatArray | None, num_images: int) -> IntArray:
        """The pool that partners come from: that of the query's class, or the first."""
        if rows is None or len(self._classes) == 0:
            return np.zeros(num_images, dtype="int64")
        same = rows.argmax(axis=1)[:, None] == self._classes
        return np.where(same.any(axis=1), same.argmax(axis=1) + 1, 0)


@register_attack
class AugmentedLOGAN(Attack):
    """LOGAN as an attacker would run it who knows that images were augmented.

    A discriminator trained with differentiable augmentation hardly ever saw an
    original, but random transforms of it, and may remember those. So the query is
    transformed as the training images were, and the discriminator's scores of the
    results are averaged.

    The transforms are drawn once, from the target's seed, and are the same for every
    query. They are those of the target's own policy; all there are, where none is
    known.

    Args:
        num_draws: Number of random transforms of a query.

    Example:
    ```python
    model = keras_mixup_gan.zoo.dcgan(augment="color,translation")
    model.fit(images, epochs=50)
    scores = AugmentedLOGAN().fit(AttackTarget.from_model(model)).score(images)
    ```
    """

    name = "logan_augmented"
    title = "LOGAN on transforms (knows augmentation)"
    requires = frozenset({"discriminator"})
    paper = (
        "The white-box attack of Hayes et al. (PoPETs 2019), averaged over augmented "
        "queries as in Yu, Zhang, Chen, Yin, Liu: How Does Data Augmentation Affect "
        "Privacy in Machine Learning? AAAI 2021, arXiv:2007.10567."
    )
    default_with = frozenset({"augmentation"})
    knows = frozenset({"augment"})
    _recorded = ("num_draws",)

    def __init__(self, num_draws: int = 32):
        check_integer(1, num_draws=num_draws)
        self.num_draws = num_draws

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return {"policy": target.augment or ANY_POLICY}

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        target = self._fitted()
        rows = self._class_rows(target, labels, "images")
        return mean_scores(target, self.num_draws)(images, rows)


def transforms(
    target: AttackTarget, images: FloatArray, num_draws: int
) -> Iterator[FloatArray]:
    """Images, all transformed in one way, by random draws of the target's policy."""
    from keras_mixup_gan.augment import augment

    policy = target.augment or ANY_POLICY
    for draw in range(num_draws):
        stream = sequence(target.seed, Stream.TRANSFORMS, draw)
        key = stream.generate_state(2).astype("int64")
        seen = [
            augment(
                images[start : start + DISCRIMINATOR_BLOCK], policy, key, shared=True
            )
            for start in range(0, len(images), DISCRIMINATOR_BLOCK)
        ]
        yield np.concatenate(seen)


def mean_scores(target: AttackTarget, num_draws: int) -> Discriminator:
    """The target's discriminator, averaged over random transforms of each image."""

    def means(images: FloatArray, rows: FloatArray | None) -> FloatArray:
        total = np.zeros(len(images))
        for seen in transforms(target, images, num_draws):
            total += target.score(seen, rows)
        return total / num_draws

    return means


def _choose(rng: np.random.Generator, pool: IntArray, number: int) -> IntArray:
    """Draws distinct images from a pool, again from the start if it is too small."""
    return np.resize(rng.permutation(pool)[:number], number)
