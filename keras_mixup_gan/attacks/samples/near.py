"""Nearness of generated images in spaces that are the same for every model.

Shadow models are compared by it, so nothing here is fitted on reference images.
"""

from typing import ClassVar

import numpy as np
from scipy.special import logsumexp

from keras_mixup_gan.attacks.samples.feature_maps import pixels, row_products
from keras_mixup_gan.attacks.samples.nearest import Search, nearest_samples
from keras_mixup_gan.attacks.samples.streaming import StreamedAttack, Watcher
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray

NUM_WAVES = 8  # along each side of an image
NUM_SPACING_SAMPLES = 1000
WIDTH_SHARE = 0.1  # of the squared spacing of samples, for a squared bandwidth


class Neighbors(StreamedAttack):
    """Minus the mean L2 distance to the 10 nearest generated images.

    The nearest alone is a matter of luck; the mean of several says the same of a model
    with less noise, so that models can be compared with fewer others.

    Args:
        num_samples: Number of generated images.
    """

    name = "neighbors"
    title = "Nearest samples"
    requires = frozenset({"samples"})
    paper = "Chen, Yu, Zhang, Fritz: GAN-Leaks. CCS 2020 (full black-box attack)."
    num_neighbors: ClassVar[int] = 10

    def _watch(self, target: AttackTarget, images: FloatArray) -> Watcher:
        number = min(self.num_neighbors, self._num_watched(target))
        search = Search(self._map(images), number)
        return Watcher(search, self._map, lambda: self._rated(search.squares))

    def _map(self, images: FloatArray) -> FloatArray:
        return np.asarray(images)

    def _rated(self, squares: FloatArray) -> FloatArray:
        return np.negative(np.sqrt(squares).mean(axis=1))


class FeatureNeighbors(Neighbors):
    """`Neighbors` in low frequencies, where noise and fine texture do not count."""

    name = "feature_neighbors"
    title = "Nearest samples in low frequencies"
    requires = frozenset({"samples"})
    paper = Neighbors.paper

    def _map(self, images: FloatArray) -> FloatArray:
        return low_frequencies(images)


class NeighborDensity(Neighbors):
    """The log density of generated images at the query, by narrow isotropic kernels.

    The squared bandwidth is a tenth of the square of the median distance from generated
    images, a quarter of some, to the nearest of the others. Of so narrow kernels only
    those of the 32 nearest images are added up; a constant factor is left out.
    """

    name = "neighbor_density"
    title = "Density of nearest samples"
    requires = frozenset({"samples"})
    paper = (
        "Hilprecht, Härterich, Bernau: Monte Carlo and Reconstruction Membership "
        "Inference Attacks against Generative Models. PoPETs 2019 (kernel density)."
    )
    num_neighbors = 32

    def _fit(self, target: AttackTarget) -> None:
        number = min(NUM_SPACING_SAMPLES, self._num_watched(target))
        images = target.generate(0, number)
        spacing = 1.0
        if number > 1:
            some = max(1, number // 4)
            nearest = nearest_samples(images[:some], images[some:]).distances
            spacing = float(np.median(nearest)) or 1.0  # samples may repeat each other
        self._variance = WIDTH_SHARE * spacing**2

    def _rated(self, squares: FloatArray) -> FloatArray:
        return np.asarray(logsumexp(-squares / (2 * self._variance), axis=1))


def low_frequencies(images: FloatArray) -> FloatArray:
    """The lowest 8 x 8 frequencies of each channel, by an orthonormal cosine transform.

    Principal components of natural images are close to them, but they are fitted to
    nothing.
    """
    height, width = images.shape[1:3]
    waves = np.einsum("ah,bw->abhw", _waves(height), _waves(width))
    axes = np.ascontiguousarray(waves.reshape(-1, height * width))
    planes = pixels(np.moveaxis(images, 3, 1).reshape(-1, height * width))
    return row_products(planes, axes).reshape(len(images), -1)


def _waves(size: int) -> FloatArray:
    """Orthonormal cosines `(num_waves, size)`, as of the discrete cosine transform."""
    number = np.arange(min(size, NUM_WAVES))
    places = (np.arange(size) + 0.5) / size
    waves: FloatArray = np.cos(np.pi * np.outer(number, places)) * np.sqrt(2 / size)
    waves[0] /= np.sqrt(2)
    return waves
