"""Several numbers of an image by one discriminator, for a classifier to combine."""

import abc
from collections.abc import Callable
from typing import Self

import numpy as np

from keras_mixup_gan.attacks.discriminator.critic import CriticGap
from keras_mixup_gan.attacks.discriminator.logan import transforms
from keras_mixup_gan.attacks.discriminator.mixtures import KnownMixing
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.typing import FloatArray

NUM_VIEWS = 12  # of each image and each kind of view
WEIGHTS = (0.5, 0.7, 0.9)  # of the query in its blends
NOISE_STDDEV = 0.1  # where the defense adds none of its own


class Panel(abc.ABC):
    """What is measured of an image; the score of no attack by itself.

    As an attack it is fitted to a target and then asked about images; what it says of
    one depends on this image, its class and the target alone.
    """

    def __init__(self, num_samples: int) -> None:
        self._gap = CriticGap(num_samples)

    def fit(self, target: AttackTarget) -> Self:
        """Prepares for one target."""
        self._gap.fit(target)
        self._target = target
        self._generated = self._gap.generated(target)
        return self

    @abc.abstractmethod
    def measure(
        self, images: FloatArray, rows: FloatArray | None
    ) -> dict[str, FloatArray]:
        """Float64 arrays `(num_images,)` by the name of what is measured."""


class ScoreMoments(Panel):
    """Moments of the discriminator's scores over views of an image.

    Views are random transforms of the image, by the policy of the target where it has
    one; blends with generated images, mixed as the target's defense mixes; and noise.
    The views are drawn once and are the same for every image. Scores are less the mean
    score of generated images.

    Source: Yu, Zhang, Chen, Yin and Liu, "How Does Data Augmentation Affect Privacy in
    Machine Learning?", AAAI 2021, arXiv:2007.10567, of the losses of a classifier.
    """

    def measure(
        self, images: FloatArray, rows: FloatArray | None
    ) -> dict[str, FloatArray]:
        """Mean, spread, least and greatest score over each kind of views."""
        views = {
            "transforms": [
                self._gap.of_rows(seen, rows)
                for seen in transforms(self._target, images, NUM_VIEWS)
            ],
            "blends": [
                self._gap.of_rows(*self._blended(images, rows, number))
                for number in range(NUM_VIEWS)
            ],
            "noise": [
                self._gap.of_rows(images + self._noise(number), rows)
                for number in range(NUM_VIEWS)
            ],
        }
        return {
            f"{kind}/{name}": moment(np.stack(scores), axis=0)
            for kind, scores in views.items()
            for name, moment in _MOMENTS.items()
        }

    def _blended(
        self, images: FloatArray, rows: FloatArray | None, number: int
    ) -> tuple[FloatArray, FloatArray | None]:
        target = self._target
        mixing = KnownMixing(target.mixup, target.seed, Stream.MOMENT_BLENDS)
        made, made_rows = self._generated
        others = max(mixing.num_samples, 2) - 1
        chosen = np.arange(number * others, (number + 1) * others)[None] % len(made)
        partners = made[chosen], None if made_rows is None else made_rows[chosen]
        weight = 1.0 if mixing.num_samples == 1 else WEIGHTS[number % len(WEIGHTS)]
        which = np.zeros(len(images), "int64")
        return mixing.mixed((images, rows), partners, weight, (0, number), which)

    def _noise(self, number: int) -> FloatArray:
        target = self._target
        known = float(getattr(target.mixup, "noise_stddev", 0.0))
        rng = generator(target.seed, Stream.MOMENT_NOISE, number)
        noise = rng.standard_normal(target.image_shape, dtype="float32")
        return np.float32(known or NOISE_STDDEV) * noise


_MOMENTS: dict[str, Callable[..., FloatArray]] = {
    "mean": np.mean,
    "spread": np.std,
    "least": np.min,
    "greatest": np.max,
}


class LayerNorms(Panel):
    """Logarithms of the norms of gradients and activations, layer by layer.

    Each is less its mean over generated images, so that models can be compared.
    """

    def fit(self, target: AttackTarget) -> Self:
        """Measures generated images."""
        super().fit(target)
        self._level = self._logs(*self._generated).mean(axis=0)
        return self

    def measure(
        self, images: FloatArray, rows: FloatArray | None
    ) -> dict[str, FloatArray]:
        """Norms by number: those of gradients, then those of activations."""
        logs = self._logs(images, rows) - self._level
        half = logs.shape[1] // 2
        kinds = [
            f"{kind}/{k:02d}" for kind in ("gradient", "output") for k in range(half)
        ]
        return dict(zip(kinds, logs.T, strict=True))

    def _logs(self, images: FloatArray, rows: FloatArray | None) -> FloatArray:
        norms = self._target.norms(images, rows)
        return np.asarray(np.log(norms + 1e-12))
