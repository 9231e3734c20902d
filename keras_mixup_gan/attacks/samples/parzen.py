"""The Monte-Carlo attack with a kernel density instead of a ball."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from keras_mixup_gan.attacks.samples.feature_maps import FeatureMap, Features
from keras_mixup_gan.attacks.samples.featured import FeaturedAttack
from keras_mixup_gan.attacks.samples.kernels import RunningDensity, likelihood_bandwidth
from keras_mixup_gan.attacks.samples.monte_carlo import NUM_CALIBRATION_IMAGES, PAPER
from keras_mixup_gan.attacks.samples.streaming import (
    Chunk,
    drawn_reference,
    generated_features,
)
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray

NUM_BANDWIDTH_SAMPLES = 1000


@dataclass
class _Density:
    """Watches kernels go by."""

    running: RunningDensity
    features: FeatureMap

    def see(self, chunk: Chunk) -> None:
        self.running.see(chunk.features(self.features))

    def scores(self) -> FloatArray:
        return self.running.log_density()


class ParzenWindow(FeaturedAttack):
    """The log density of generated images at the query, by isotropic kernels.

    The bandwidth makes generated images likeliest given one another (leave-one-out,
    on the first 1,000) and is then scaled to the number of images by
    `n ** (-1 / (num_features + 4))`.

    Args:
        num_samples: Number of generated images, at least 3.
        features: `"pixels"`, a number of principal components of the reference, or a
            function from images to features.

    Source: Hilprecht, Härterich and Bernau, PoPETs 2019: the Monte-Carlo attack with a
    kernel density instead of a ball.

    Example:
    ```python
    scores = ParzenWindow(num_samples=50_000).fit(target).score(images)
    ```
    """

    name: ClassVar[str] = "parzen_window"
    title: ClassVar[str] = "Parzen window"
    requires: ClassVar[frozenset[str]] = frozenset({"samples", "reference"})
    paper: ClassVar[str] = f"{PAPER} (kernel density)."

    def __init__(self, num_samples: int = 20_000, features: Features = 40) -> None:
        super().__init__(num_samples, features)
        self._bandwidth: float | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The number of images, the features, and the bandwidth once fitted."""
        settings = {**super().settings, "features": self._described}
        if self._bandwidth is not None:
            settings["bandwidth"] = self._bandwidth
        return settings

    def _fit(self, target: AttackTarget) -> None:
        super()._fit(target)
        features = self._fitted_map
        images = drawn_reference(target, self, NUM_CALIBRATION_IMAGES, 2, stream=11)
        number = self._num_watched(target)
        few = min(number, NUM_BANDWIDTH_SAMPLES)
        if few < 3:
            raise ValueError(
                f"{self.title} needs at least 3 generated images. Received: {few}."
            )
        samples = generated_features(target, few, features)
        scale = float(np.sqrt(features(images).var(axis=0).mean()))
        bandwidth = likelihood_bandwidth(samples, scale)
        self._bandwidth = bandwidth * (few / number) ** (1 / (samples.shape[1] + 4))

    def _watch(self, target: AttackTarget, images: FloatArray) -> _Density:
        features = self._fitted_map
        if self._bandwidth is None:
            raise ValueError(f"{self.title} has no width. Call `fit(target)` first.")
        return _Density(RunningDensity(features(images), self._bandwidth), features)
