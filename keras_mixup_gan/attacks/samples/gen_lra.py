"""Gen-LRA: do the samples nearby speak for the query being known?"""

from typing import Any, ClassVar

import numpy as np

from keras_mixup_gan.attacks.samples.density import DensityAttack
from keras_mixup_gan.attacks.samples.feature_maps import Features
from keras_mixup_gan.attacks.samples.kernels import KernelDensity
from keras_mixup_gan.attacks.samples.nearest import nearest_samples
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer


class GenLRA(DensityAttack):
    """How much likelier the nearby samples become if the query joins the reference.

    A kernel density of the reference is compared with that of the reference and the
    query, at the `k` generated images nearest to the query. The score is the log of
    `sum ln(1 + K(g - x) / (n p(g)))` over these images `g`: it orders queries as the
    log likelihood ratio `sum ln[(n p(g) + K(g - x)) / ((n + 1) p(g))]` does, from
    which it differs by a logarithm and a constant, but keeps its precision where
    samples are far. The bandwidth is fixed, so nothing is fitted anew for a query.

    Args:
        num_samples: Number of generated images, at least 2; their features are kept.
        features: `"pixels"`, a number of principal components of the reference, or a
            function from images to features.
        k: Number of nearby samples; all of them if there are fewer.

    Source: Ward, Lin, Wang and Cheng, "Privacy Auditing Synthetic Data Release
    through Local Likelihood Attacks", 2025.

    Example:
    ```python
    target = AttackTarget.from_model(model, reference=outside_images)
    scores = GenLRA().fit(target).score(images)
    ```
    """

    name: ClassVar[str] = "gen_lra"
    title: ClassVar[str] = "Gen-LRA (local likelihood ratio)"
    paper: ClassVar[str] = (
        "Ward, Lin, Wang, Cheng: Privacy Auditing Synthetic Data Release through Local "
        "Likelihood Attacks. 2025."
    )

    def __init__(
        self, num_samples: int = 20_000, features: Features = 16, k: int = 200
    ) -> None:
        super().__init__(num_samples, features)
        check_integer(1, k=k)
        self.k = k

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers of images, the features and the number of nearby samples."""
        return {**super().settings, "k": self.k}

    def _fit(self, target: AttackTarget) -> None:
        super()._fit(target)
        density = KernelDensity(self._outside, self._smallest)
        self._whiten = density.whiten
        self._bandwidth = density.bandwidth
        self._at_samples = density.log_density(self._generated)
        self._samples = density.whiten(self._generated)

    def _score(
        self, images: FloatArray, labels: FloatArray | IntArray | None
    ) -> FloatArray:
        queries = self._whiten(self._queries(images))
        k = min(self.k, len(self._samples))
        near = nearest_samples(queries, self._samples, k=k)
        variance = self._bandwidth**2
        kernels = -0.5 * (near.distances**2 / variance)
        kernels -= queries.shape[1] / 2 * np.log(2 * np.pi * variance)
        kernels += self._whiten.log_determinant
        ratios = kernels - self._at_samples[near.indices] - np.log(len(self._outside))
        gains = _log_softplus(ratios)
        score: FloatArray = np.logaddexp.reduce(gains, axis=1)
        return score


def _log_softplus(values: FloatArray) -> FloatArray:
    """`ln ln(1 + exp(values))`, which tends to `values` where these are small."""
    small = values < -30
    rest = np.log(np.logaddexp(0, np.where(small, 0, values)))
    return np.where(small, values, rest)
