"""Quantile attack (Bertran et al. 2023): how unusual a score is for such an image."""

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from keras_mixup_gan.attacks.base import register_attack
from keras_mixup_gan.attacks.samples.feature_maps import PrincipalComponents, pixels
from keras_mixup_gan.attacks.samples.nearest import Search, nearest_samples
from keras_mixup_gan.attacks.samples.streaming import StreamedAttack, Watcher, show
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.randomness import Stream, derived_seed
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer

MIDDLE, HIGH = 0.5, 0.9
MIN_REFERENCE = 50
SMALLEST_SHARE = 0.1  # of the typical distance between both quantiles


@register_attack
class QuantileGANLeaks(StreamedAttack):
    """The nearest-sample distance, rated by what is usual for images of this kind.

    On reference images, which are outside the training set, two quantiles of the score
    of `GANLeaks` are learned as functions of an image: the median and that of 90 %,
    by boosted trees. What an image is described by are principal components of the
    reference and its distance to the nearest other reference image. The score is how
    far an image's own lies above its median, in units of the distance between its
    quantiles. One model is attacked and no shadow model is trained.

    Args:
        num_samples: See `GANLeaks`.
        num_components: Number of principal components.

    Example:
    ```python
    target = AttackTarget.from_model(model, reference)
    scores = QuantileGANLeaks(num_samples=5000).fit(target).score(images)
    ```
    """

    name = "gan_leaks_quantile"
    title = "GAN-Leaks, calibrated by quantile regression"
    requires = frozenset({"samples", "reference"})
    paper = (
        "Bertran, Tang, Roth, Kearns, Morgenstern, Wu: Scalable Membership Inference "
        "Attacks via Quantile Regression. NeurIPS 2023, arXiv:2307.03694, of the "
        "distance of Chen, Yu, Zhang, Fritz: GAN-Leaks. CCS 2020."
    )
    default_with = frozenset()
    _recorded = ("num_samples", "num_components")

    def __init__(self, num_samples: int = 20_000, num_components: int = 16) -> None:
        super().__init__(num_samples)
        check_integer(1, num_components=num_components)
        self.num_components = num_components

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        number = len(self._reference(target).images)
        return {**super()._found(target), "num_reference": number}

    def _fit(self, target: AttackTarget) -> None:
        self._others = pixels(self._reference(target, MIN_REFERENCE).images)
        self._components = PrincipalComponents(self._others, self.num_components)
        others = self._reference(target).images
        search = Search(others)
        watched = Watcher(search, np.asarray, lambda: search.squares[:, 0])
        show(target, [(watched, self._num_watched(target))])
        scores = -np.sqrt(search.squares[:, 0])
        nearest = nearest_samples(self._others, self._others, k=2).distances[:, 1]
        inputs = self._inputs(others, nearest)
        seed = target.seed
        self._models = [_boosting(quantile, seed) for quantile in (MIDDLE, HIGH)]
        # So few rows are not worth threads, which on a busy machine take far longer.
        with threadpool_limits(1, "openmp"):
            for model in self._models:
                model.fit(inputs, scores)
        middle, high = self._quantiles(inputs)
        typical = float(np.median(np.maximum(high - middle, 0)))
        self._least = max(SMALLEST_SHARE * typical, 1e-9)

    def _inputs(self, images: FloatArray, nearest: FloatArray) -> FloatArray:
        return np.column_stack([self._components(images), nearest])

    def _quantiles(self, inputs: FloatArray) -> list[FloatArray]:
        with threadpool_limits(1, "openmp"):
            return [model.predict(inputs) for model in self._models]

    def _watch(self, target: AttackTarget, images: FloatArray) -> Watcher:
        search = Search(images)

        def scores() -> FloatArray:
            nearest = nearest_samples(pixels(images), self._others).distances[:, 0]
            middle, high = self._quantiles(self._inputs(images, nearest))
            spread = np.maximum(high - middle, self._least)
            return np.asarray((-np.sqrt(search.squares[:, 0]) - middle) / spread)

        return Watcher(search, np.asarray, scores)


def _boosting(quantile: float, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor  # which takes long

    return HistGradientBoostingRegressor(
        loss="quantile",
        quantile=quantile,
        max_depth=3,
        max_iter=100,
        learning_rate=0.05,
        min_samples_leaf=20,
        early_stopping=False,
        random_state=derived_seed(seed, Stream.QUANTILES),
    )
