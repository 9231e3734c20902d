"""LOGAN (Hayes et al. 2019) relative to generated images, other models, neighbors."""

from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import Attack, register_attack
from keras_mixup_gan.attacks.target import AttackTarget, Labels
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_images, check_integer, rows_in_turn

_PAPER = (
    "Hayes, Melis, Danezis, De Cristofaro: LOGAN: Membership Inference Attacks Against "
    "Generative Models. PoPETs 2019, arXiv:1705.07663 (white-box attack)"
)


@register_attack
class CriticGap(Attack):
    """The discriminator's score of an image less its mean score of generated ones.

    On one model it ranks images as LOGAN does. What it adds is a scale with a zero:
    scores of two models become comparable, as likelihood-ratio attacks need them.

    Args:
        num_samples: Number of generated images, the same ones for every query.
    """

    name = "critic_gap"
    title = "Discriminator, real less generated"
    requires = frozenset({"discriminator", "samples"})
    paper = _PAPER + ", relative to generated images."
    _recorded = ("num_samples",)

    def __init__(self, num_samples: int = 1024):
        check_integer(1, num_samples=num_samples)
        self.num_samples = num_samples

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return {"num_samples": target.num_available(self.num_samples)}

    def _fit(self, target: AttackTarget) -> None:
        self._level = float(np.mean(target.score(*self.generated(target))))

    def generated(self, target: AttackTarget) -> tuple[FloatArray, FloatArray | None]:
        """Generated images, of known classes if the discriminator judges by class."""
        if target.num_classes is None:
            return target.generate(0, target.num_available(self.num_samples)), None
        if target.queries is None or target.latent_dim is None:
            raise ValueError(
                "The classes of generated images must be known, because the model is "
                "conditional. Received: a target that grants no queries. Grant "
                "`queries` in `AttackTarget`, or leave this attack out."
            )
        rng = generator(target.seed, Stream.CLASSES)
        latents = rng.standard_normal((self.num_samples, target.latent_dim), "float32")
        rows = rows_in_turn(self.num_samples, target.num_classes)
        images = check_images(target.decode(latents, rows), "generated images")
        return images, rows

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        target = self._fitted()
        return self.of_rows(images, self._class_rows(target, labels, "images"))

    def of_rows(self, images: FloatArray, rows: FloatArray | None) -> FloatArray:
        """The same of images, or of views that leave their range, and label rows."""
        return self._fitted().score(images, rows) - self._level


@register_attack
class CalibratedCritic(Attack):
    """The discriminator's score less that of discriminators trained on other data.

    Some images please every discriminator. What the reference models' discriminators
    say of an image is taken off, so that what remains speaks of this model's training
    set. Each discriminator is first standardized on the reference images, because
    their scales are arbitrary.

    Example:
    ```python
    target = AttackTarget.from_model(model, reference, reference_models=[other])
    scores = CalibratedCritic().fit(target).score(images)
    ```
    """

    name = "critic_calibrated"
    title = "Discriminator, calibrated by reference models"
    requires = frozenset({"discriminator", "reference", "reference_models"})
    paper = (
        _PAPER + ", calibrated by reference models after Chen, Yu, Zhang, Fritz: "
        "GAN-Leaks. CCS 2020, arXiv:1909.03935."
    )
    default_with = frozenset({"reference_models"})

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return {"num_reference_models": len(target.reference_models)}

    def _fit(self, target: AttackTarget) -> None:
        """Measures each discriminator's level and scale on the reference images."""
        reference = self._reference(target)
        self._models = (target, *target.reference_models)
        self._scales = []
        for model in self._models:
            rows = self._class_rows(model, reference.labels, "reference images")
            scores = model.score(reference.images, rows)
            self._scales.append((scores.mean(), scores.std() or 1.0))

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        standardized = []
        for model, (mean, scale) in zip(self._models, self._scales, strict=True):
            rows = self._class_rows(model, labels, "images")
            standardized.append((model.score(images, rows) - mean) / scale)
        return standardized[0] - np.mean(standardized[1:], axis=0)


@register_attack
class CriticFluctuation(Attack):
    """The discriminator's score less its mean score of the image slightly moved.

    A discriminator that memorized an image prefers it to its neighbors. Neighbors are
    the image shifted by a few pixels, with its border repeated, and mirrored. No
    reference is needed. The moves are drawn once and are the same for every query.

    Args:
        num_moves: Number of neighbors of each query.
        max_shift: Largest shift in pixels, in either direction.
        flips: Whether half of the neighbors are mirrored; `False` where a mirrored
            image is no image of the kind, as with digits and text.
    """

    name = "critic_fluctuation"
    title = "Discriminator, against the image slightly moved"
    requires = frozenset({"discriminator"})
    paper = (
        "Fu, Wang, Gao, Liu, Li, Jiang: A Probabilistic Fluctuation based Membership "
        "Inference Attack for Diffusion Models. 2023, arXiv:2308.12143, on the "
        "discriminator of a GAN."
    )
    default_with = frozenset()
    _recorded = ("num_moves", "max_shift", "flips")

    def __init__(self, num_moves: int = 10, max_shift: int = 2, flips: bool = True):
        check_integer(1, num_moves=num_moves, max_shift=max_shift)
        self.num_moves = num_moves
        self.max_shift = max_shift
        self.flips = bool(flips)

    def _fit(self, target: AttackTarget) -> None:
        rng = generator(target.seed, Stream.CRITIC_MOVES)
        side = 2 * self.max_shift + 1
        center = side * side // 2
        places = rng.integers(side * side - 1, size=self.num_moves)
        places += places >= center  # the unmoved image is no neighbor of itself
        rows, columns = np.divmod(places, side)
        mirrored = (np.arange(self.num_moves) % 2 == 1) & self.flips
        self._moves = list(zip(rows, columns, mirrored, strict=True))

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        target = self._fitted()
        rows = self._class_rows(target, labels, "images")
        moved = np.zeros(len(images))
        for move in self._moves:
            moved += target.score(self._moved(images, *move), rows)
        return target.score(images, rows) - moved / self.num_moves

    def _moved(
        self, images: FloatArray, row: int, column: int, mirrored: bool
    ) -> FloatArray:
        """The images shifted and perhaps mirrored, their borders repeated."""
        height, width = images.shape[1:3]
        pad = (self.max_shift, self.max_shift)
        padded = np.pad(images, ((0, 0), pad, pad, (0, 0)), mode="edge")
        part = padded[:, row : row + height, column : column + width]
        return np.ascontiguousarray(part[:, :, ::-1] if mirrored else part)
