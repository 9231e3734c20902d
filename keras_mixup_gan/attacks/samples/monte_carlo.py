"""Monte-Carlo attacks (Hilprecht et al. 2019): samples in a ball, or their density."""

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from keras_mixup_gan.attacks.base import register_attack
from keras_mixup_gan.attacks.samples.feature_maps import Features
from keras_mixup_gan.attacks.samples.kernels import RunningDensity, likelihood_bandwidth
from keras_mixup_gan.attacks.samples.nearest import Ball, Search, nearest_samples
from keras_mixup_gan.attacks.samples.streaming import (
    FeaturedAttack,
    Watcher,
    generated_features,
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


@register_attack
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
        num_samples, features: See `FeaturedAttack`. The paper takes 40 components of
            MNIST.
        eps: `"median"` for the median distance to the nearest generated image, or a
            number in `(0, 100]`: that percentile of all distances (published: 1, .1
            and .01). The percentile is taken over the first 2,000 generated images.
        eps_from: Images that `eps` is set on: at most 1,000 drawn from the
            `"reference"`, or all `"queries"`.
    """

    name = "monte_carlo"
    title = "Monte Carlo (share within eps)"
    paper = f"{_PAPER} (epsilon ball)."
    default_with = frozenset()
    _recorded = ("num_samples", "eps", "eps_from", "transductive")

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
        settings = {**super().settings, "distance": f"L2 of {self._described}"}
        return settings if self._radius is None else settings | {"radius": self._radius}

    def _fit(self, target: AttackTarget) -> None:
        self._radius = None
        super()._fit(target)
        if not self.transductive:
            images = self._calibration_images(target)
            self._radius = self._radius_on(target, images)

    def _radius_on(self, target: AttackTarget, images: FloatArray) -> float:
        features, number = self._map, self._num_watched(target)
        if isinstance(self.eps, str):

            def generated(start: int, stop: int) -> FloatArray:
                return features(target.generate(start, stop))

            nearest = nearest_samples(features(images), generated, number)
            radius = float(np.median(nearest.distances))
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

    def _watch(self, target: AttackTarget, images: FloatArray) -> Watcher:
        radius = self._radius
        if self.transductive or radius is None:
            radius = self._radius_on(target, images)
        search = Search(self._map(images), radius=radius)
        ball: Any = search.ball
        return Watcher(search, self._map, lambda: self._sums(ball) / search.num_seen)

    def _sums(self, ball: Ball) -> FloatArray:
        return ball.counts.astype("float64")


@register_attack
class MonteCarloLog(MonteCarlo):
    """The mean of `-ln(d / eps)` over the samples within `eps`, others counting 0.

    The nearer a sample, the more it counts. Arguments and rules are those of
    `MonteCarlo`; a distance counts as at least `1e-12 * eps`.
    """

    name = "monte_carlo_log"
    title = "Monte Carlo (log distance within eps)"
    paper = f"{_PAPER} (epsilon ball, log distance)."
    default_with = frozenset()

    def _sums(self, ball: Ball) -> FloatArray:
        return ball.logs


@register_attack
class MonteCarloInverse(MonteCarlo):
    """The mean of `eps / d` over the samples within `eps`, others counting 0.

    Arguments and rules are those of `MonteCarlo`; a distance counts as at least
    `1e-12 * eps`.
    """

    name = "monte_carlo_inverse"
    title = "Monte Carlo (inverse distance within eps)"
    paper = f"{_PAPER} (epsilon ball, inverse distance)."

    def _sums(self, ball: Ball) -> FloatArray:
        return ball.inverses


@register_attack
class ParzenWindow(_HilprechtAttack):
    """The log density of generated images at the query, by isotropic kernels.

    The bandwidth makes generated images likeliest given one another (leave-one-out,
    on the first 1,000) and is then scaled to the number of images by
    `n ** (-1 / (num_features + 4))`.

    Args:
        num_samples: Number of generated images, at least 3.
        features: See `FeaturedAttack`.
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
        return {**super().settings, "features": self._described}

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return {**super()._found(target), "bandwidth": self._bandwidth}

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

    def _watch(self, target: AttackTarget, images: FloatArray) -> Watcher:
        running = RunningDensity(self._map(images), self._bandwidth)
        return Watcher(running, self._map, running.log_density)
