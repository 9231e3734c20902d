"""Monte-Carlo attacks (Hilprecht et al. 2019): samples in a ball, or their density."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from keras_mixup_gan.attacks.samples.feature_maps import FeatureMap, Features
from keras_mixup_gan.attacks.samples.kernels import RunningDensity, likelihood_bandwidth
from keras_mixup_gan.attacks.samples.nearest import Ball, Search
from keras_mixup_gan.attacks.samples.streaming import (
    Chunk,
    FeaturedAttack,
    Searching,
    generated_features,
    show,
)
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.randomness import Stream
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_choice, check_in_range

NUM_CALIBRATION_IMAGES = 1000
NUM_CALIBRATION_SAMPLES = 2000
NUM_BANDWIDTH_SAMPLES = 1000

_PAPER = (
    "Hilprecht, Härterich, Bernau: Monte Carlo and Reconstruction Membership "
    "Inference Attacks against Generative Models. PoPETs 2019"
)


class _HilprechtAttack(FeaturedAttack):
    """What a ball and a density have in common: the images that set their size."""

    requires = frozenset({"samples", "reference"})

    def _calibration_images(self, target: AttackTarget) -> FloatArray:
        return self._drawn_reference(
            target, NUM_CALIBRATION_IMAGES, 2, Stream.CALIBRATION_OF_RADII
        )


@dataclass
class _Nearest(Searching):
    """The distance to the nearest sample."""

    def scores(self) -> FloatArray:
        return np.sqrt(self.search.squares[:, 0])


@dataclass
class _Summed(Searching):
    """One of the sums over the samples within the ball, per sample seen."""

    attack: "MonteCarlo"

    def scores(self) -> FloatArray:
        if self.search.ball is None:
            raise ValueError(f"{self.attack.title} has no ball to count in.")
        return self.attack._sums(self.search.ball) / self.search.num_seen


class MonteCarlo(_HilprechtAttack):
    """The share of generated images that lie closer to the query than `eps`.

    A generator that overfits puts more mass around its training images. Distances
    are taken in principal components of the reference images; a sample at distance
    `d` counts if `d < eps`, strictly. Many scores are 0 or equal: ties stay ties.

    The radius is set on reference images, so that the score of a query does not
    depend on the other queries. Published results set it on the queries, which look
    at all evaluated images at once; `eps_from="queries"` does the same, for comparison
    only: the scores then depend on the company of a query, and `transductive` is True.

    Args:
        num_samples: Number of generated images to look at.
        eps: `"median"` for the median distance to the nearest generated image, or a
            number in `(0, 100]`: that percentile of all distances (published: 1, .1
            and .01). The percentile is taken over the first 2,000 generated images.
        eps_from: Images that `eps` is set on: at most 1,000 drawn from the
            `"reference"`, or all `"queries"`.
        features: `"pixels"`, a number of principal components of the reference (40 as
            published for MNIST), or a function from images to features.

    Raises:
        ValueError: If an argument is none of these.
    """

    name = "monte_carlo"
    title = "Monte Carlo (share within eps)"
    paper = f"{_PAPER} (epsilon ball)."
    default_with: ClassVar[frozenset[str] | None] = frozenset()

    def __init__(
        self,
        num_samples: int = 20_000,
        eps: str | float = "median",
        eps_from: str = "reference",
        features: Features = 40,
    ) -> None:
        super().__init__(num_samples, features)
        if isinstance(eps, str):
            check_choice(eps, ("median",), "eps")
        else:
            check_in_range(np.nextafter(0.0, 1.0), 100, eps=eps)
        check_choice(eps_from, ("reference", "queries"), "eps_from")
        self.eps, self.eps_from = eps, eps_from
        self._radius: float | None = None

    @property
    def transductive(self) -> bool:
        """Whether the score of a query depends on the other queries."""
        return self.eps_from == "queries"

    @property
    def settings(self) -> dict[str, Any]:
        """The rule for the radius, the radius itself, and the distance."""
        settings: dict[str, Any] = {
            **super().settings,
            "eps": self.eps,
            "eps_from": self.eps_from,
            "transductive": self.transductive,
            "distance": f"L2 of {self._described}",
        }
        if self._radius is not None:
            settings["radius"] = self._radius
        return settings

    def _fit(self, target: AttackTarget) -> None:
        self._radius = None
        super()._fit(target)
        if not self.transductive:
            images = self._calibration_images(target)
            self._radius = self._radius_on(target, images)

    def _radius_on(self, target: AttackTarget, images: FloatArray) -> float:
        """The radius by the rule, set on these images."""
        features, number = self._map, self._num_watched(target)
        if isinstance(self.eps, str):
            nearest = _Nearest(Search(features(images)), features)
            show(target, [(nearest, number)])
            radius = float(np.median(nearest.scores()))
        else:
            number = min(number, NUM_CALIBRATION_SAMPLES)
            samples = generated_features(target, number, features)
            radius = float(np.percentile(cdist(features(images), samples), self.eps))
        if radius <= 0:
            raise ValueError(
                f"{self.title} found no radius: generated images repeat those that it "
                "is set on. Received: a distance of 0. Use `eps` of a larger "
                "percentile, or images that the model has not memorized."
            )
        return radius

    def _watch(self, target: AttackTarget, images: FloatArray) -> _Summed:
        features, radius = self._map, self._radius
        if self.transductive or radius is None:
            radius = self._radius_on(target, images)
        return _Summed(Search(features(images), radius=radius), features, self)

    def _sums(self, ball: Ball) -> FloatArray:
        """The sum over the samples within that the score is the mean of."""
        return ball.counts.astype("float64")


class MonteCarloLog(MonteCarlo):
    """The mean of `-ln(d / eps)` over the samples within `eps`, others counting 0.

    The nearer a sample, the more it counts. Arguments and rules are those of
    `MonteCarlo`; a distance counts as at least `1e-12 * eps`.
    """

    name = "monte_carlo_log"
    title = "Monte Carlo (log distance within eps)"
    paper = f"{_PAPER} (epsilon ball, log distance)."

    def _sums(self, ball: Ball) -> FloatArray:
        return ball.logs


class MonteCarloInverse(MonteCarlo):
    """The mean of `eps / d` over the samples within `eps`, others counting 0.

    Arguments and rules are those of `MonteCarlo`; a distance counts as at least
    `1e-12 * eps`.
    """

    name = "monte_carlo_inverse"
    title = "Monte Carlo (inverse distance within eps)"
    paper = f"{_PAPER} (epsilon ball, inverse distance)."
    default_with = None

    def _sums(self, ball: Ball) -> FloatArray:
        return ball.inverses


@dataclass
class _Density:
    """Watches kernels go by."""

    running: RunningDensity
    features: FeatureMap

    def see(self, chunk: Chunk) -> None:
        self.running.see(chunk.features(self.features))

    def scores(self) -> FloatArray:
        return self.running.log_density()


class ParzenWindow(_HilprechtAttack):
    """The log density of generated images at the query, by isotropic kernels.

    The bandwidth makes generated images likeliest given one another (leave-one-out,
    on the first 1,000) and is then scaled to the number of images by
    `n ** (-1 / (num_features + 4))`.

    Args:
        num_samples: Number of generated images, at least 3.
        features: `"pixels"`, a number of principal components of the reference, or a
            function from images to features.
    """

    name = "parzen_window"
    title = "Parzen window"
    paper = f"{_PAPER} (kernel density)."
    default_with = frozenset()

    def __init__(self, num_samples: int = 20_000, features: Features = 40) -> None:
        super().__init__(num_samples, features)

    @property
    def settings(self) -> dict[str, Any]:
        """The number of images, the features, and the bandwidth once fitted."""
        settings = {**super().settings, "features": self._described}
        if self._target is not None:
            settings["bandwidth"] = self._bandwidth
        return settings

    def _fit(self, target: AttackTarget) -> None:
        super()._fit(target)
        features = self._map
        images = self._calibration_images(target)
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
        running = RunningDensity(self._map(images), self._bandwidth)
        return _Density(running, self._map)
