"""Density attacks: DOMIAS (van Breugel et al. 2023), Gen-LRA (Ward et al. 2025)."""

from typing import Any, ClassVar

import numpy as np

from keras_mixup_gan.attacks.base import Attack, register_attack
from keras_mixup_gan.attacks.samples.feature_maps import (
    FeatureMap,
    Features,
    check_features_choice,
    describe_features,
    fit_features,
)
from keras_mixup_gan.attacks.samples.kernels import (
    KernelDensity,
    Whitening,
    gaussian_log_density,
)
from keras_mixup_gan.attacks.samples.nearest import nearest_samples
from keras_mixup_gan.attacks.samples.streaming import generated_features
from keras_mixup_gan.attacks.target import AttackTarget, Labels
from keras_mixup_gan.randomness import Stream
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_choice, check_integer

SMALLEST_SHARE = 1e-6  # of the reference's largest variance
SMALLEST_DISTANCE = 1e-12

_DOMIAS_PAPER = (
    "van Breugel, Sun, Qian, van der Schaar: Membership Inference Attacks against "
    "Synthetic Data through Overfitting Detection. AISTATS 2023, arXiv:2302.12580"
)


class DensityAttack(Attack):
    """Base class of attacks that keep the features of generated images, not these.

    Args:
        num_samples: Number of generated images, at least 2.
        features: `"pixels"`, a number of principal components of the reference, or a
            function from images to features. Densities need few dimensions.
    """

    requires = frozenset({"samples", "reference"})
    _recorded: ClassVar[tuple[str, ...]] = ("num_samples",)
    equal_sizes = False
    _map: FeatureMap  # from images to features, once the attack is fitted

    def __init__(self, num_samples: int = 20_000, features: Features = 16) -> None:
        check_integer(2, num_samples=num_samples)
        check_features_choice(features)
        self.num_samples = num_samples
        self.features = features

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers of images and what they are compared in."""
        described = describe_features(self.features, getattr(self, "_map", None))
        return {**super().settings, "features": described}

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return {
            "num_samples": len(self._generated),
            "num_reference": len(self._others),
        }

    def _fit(self, target: AttackTarget) -> None:
        known = self._reference(target, 3).images
        features = fit_features(self.features, known)
        number, num_reference = target.num_available(self.num_samples), len(known)
        if self.equal_sizes:
            number = num_reference = min(number, num_reference)
        if number < 2:
            raise ValueError(
                f"{self.title} needs at least 2 generated images. Received: {number}."
            )
        self._generated = generated_features(target, number, features)
        others = self._drawn_reference(target, num_reference, 3, Stream.DENSITIES)
        self._others = features(others)
        self._smallest = SMALLEST_SHARE * Whitening(self._others).largest
        self._map = features


@register_attack
class LogDensity(DensityAttack):
    """The log density of generated images at the query.

    Kernels have the covariance of the generated features and Scott's bandwidth. An
    image that is likely under any good model scores high too; `DOMIAS` corrects that.

    Args:
        num_samples, features: See `DensityAttack`.
    """

    name = "log_density"
    title = "Log density of samples"
    paper = f"{_DOMIAS_PAPER} (equation 1)."
    default_with = frozenset()

    def _fit(self, target: AttackTarget) -> None:
        super()._fit(target)
        self._density = KernelDensity(self._generated, self._smallest)

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        return self._density.log_density(self._map(images))


@register_attack
class DOMIAS(DensityAttack):
    """The log density of generated images at the query minus that of reference images.

    Where the model puts more mass than the population does, it has overfitted. Both
    densities are taken in log space and nothing is added to them, so that far queries
    are ordered too.

    Args:
        num_samples, features: See `DensityAttack`.
        estimator: `"kde"`: kernels with the covariance of the data and Scott's
            bandwidth. `"knn"`: distances to the k-th nearest image of either kind,
            `d (ln r_reference - ln r_generated)` plus the log ratio of their numbers.
            `"gaussian"`: one Gaussian for each.
        equal_sizes: Whether to use equally many generated and reference images, so
            that neither density is smoothed more than the other.
        k: Which neighbor `"knn"` measures.
    """

    name = "domias"
    title = "DOMIAS (density ratio)"
    paper = f"{_DOMIAS_PAPER} (equation 2)."
    default_with = frozenset()
    _recorded = ("num_samples", "estimator", "equal_sizes")

    def __init__(
        self,
        num_samples: int = 20_000,
        features: Features = 16,
        estimator: str = "kde",
        equal_sizes: bool = False,
        k: int = 5,
    ) -> None:
        super().__init__(num_samples, features)
        check_choice(estimator, ("kde", "knn", "gaussian"), "estimator")
        check_integer(1, k=k)
        self.estimator, self.equal_sizes, self.k = estimator, equal_sizes, k

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers of images, the features and the estimator."""
        settings = super().settings
        return {**settings, "k": self.k} if self.estimator == "knn" else settings

    def _fit(self, target: AttackTarget) -> None:
        super()._fit(target)
        if self.estimator == "kde":
            self._densities = [
                KernelDensity(rows, self._smallest)
                for rows in (self._generated, self._others)
            ]

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        queries = self._map(images)
        if self.estimator == "knn":
            near = nearest_distances(queries, self._generated, self.k)[:, -1]
            far = nearest_distances(queries, self._others, self.k)[:, -1]
            ratio: FloatArray = queries.shape[1] * (np.log(far) - np.log(near))
            return ratio + np.log(len(self._others) / len(self._generated))
        if self.estimator == "kde":
            generated, others = self._densities
            return generated.log_density(queries) - others.log_density(queries)
        near = gaussian_log_density(queries, self._generated, self._smallest)
        return near - gaussian_log_density(queries, self._others, self._smallest)


@register_attack
class GenLRA(DensityAttack):
    """How much likelier the nearby samples become if the query joins the reference.

    A kernel density of the reference is compared with that of the reference and the
    query, at the `k` generated images nearest to the query. The score is the log of
    `sum ln(1 + K(g - x) / (n p(g)))` over these images `g`: it orders queries as the
    log likelihood ratio `sum ln[(n p(g) + K(g - x)) / ((n + 1) p(g))]` does, from
    which it differs by a logarithm and a constant, but keeps its precision where
    samples are far. The bandwidth is fixed, so nothing is fitted anew for a query.

    Args:
        num_samples, features: See `DensityAttack`.
        k: Number of nearby samples; all of them if there are fewer.
    """

    name = "gen_lra"
    title = "Gen-LRA (local likelihood ratio)"
    paper = (
        "Ward, Lin, Wang, Cheng: Privacy Auditing Synthetic Data Release through Local "
        "Likelihood Attacks. 2025."
    )
    default_with = frozenset()
    _recorded = ("num_samples", "k")

    def __init__(
        self, num_samples: int = 20_000, features: Features = 16, k: int = 200
    ) -> None:
        super().__init__(num_samples, features)
        check_integer(1, k=k)
        self.k = k

    def _fit(self, target: AttackTarget) -> None:
        super()._fit(target)
        density = KernelDensity(self._others, self._smallest)
        self._whiten = density.whiten
        self._bandwidth = density.bandwidth
        self._at_samples = density.log_density(self._generated)
        self._samples = density.whiten(self._generated)

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        queries = self._whiten(self._map(images))
        k = min(self.k, len(self._samples))
        near = nearest_samples(queries, self._samples, k=k)
        variance = self._bandwidth**2
        kernels = -0.5 * (near.distances**2 / variance)
        kernels -= queries.shape[1] / 2 * np.log(2 * np.pi * variance)
        kernels += self._whiten.log_determinant
        ratios = kernels - self._at_samples[near.indices] - np.log(len(self._others))
        return np.asarray(np.logaddexp.reduce(_log_softplus(ratios), axis=1))


def nearest_distances(queries: FloatArray, rows: FloatArray, k: int) -> FloatArray:
    """Distances to the nearest `k` rows, as many as there are; never quite 0."""
    found = nearest_samples(queries, rows, k=min(k, len(rows)))
    return np.maximum(found.distances, SMALLEST_DISTANCE)


def _log_softplus(values: FloatArray) -> FloatArray:
    """`ln ln(1 + exp(values))`, which tends to `values` where these are small."""
    small = values < -30
    rest = np.log(np.logaddexp(0, np.where(small, 0, values)))
    return np.where(small, values, rest)
