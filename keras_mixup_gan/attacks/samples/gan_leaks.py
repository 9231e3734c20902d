"""GAN-Leaks, full black-box (Chen et al. 2020): distance to the nearest sample."""

from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import register_attack
from keras_mixup_gan.attacks.samples.feature_maps import FeatureMap, Features
from keras_mixup_gan.attacks.samples.nearest import (
    SAMPLE_BLOCK,
    Search,
    nearest_samples,
)
from keras_mixup_gan.attacks.samples.streaming import (
    FeaturedAttack,
    StreamedAttack,
    Watcher,
)
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.randomness import Stream
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer


@register_attack
class GANLeaks(StreamedAttack):
    """Minus the L2 distance from an image to the nearest generated one.

    A generator that memorized an image comes closer to it than to images it has not
    seen. The attacker needs generated images only. They are streamed: nothing is kept
    but the nearest distance of each query, which is exact in float64.

    Args:
        num_samples: Number of generated images. More find nearer neighbors and never
            worse ones. A target that holds fewer is searched as far as it goes.
        chunk_size: Number of images generated at a time; no influence on the scores.
    """

    name = "gan_leaks"
    title = "GAN-Leaks (nearest sample)"
    requires = frozenset({"samples"})
    paper = (
        "Chen, Yu, Zhang, Fritz: GAN-Leaks: A Taxonomy of Membership Inference Attacks "
        "against Generative Models. CCS 2020, arXiv:1909.03935 (full black-box attack)."
    )
    default_with = frozenset()

    def __init__(self, num_samples: int = 20_000, chunk_size: int = SAMPLE_BLOCK):
        super().__init__(num_samples)
        check_integer(1, chunk_size=chunk_size)
        self.chunk_size = chunk_size

    @property
    def settings(self) -> dict[str, Any]:
        """The number of images searched and the distance."""
        return {**super().settings, "distance": "L2 in [-1, 1]"}

    def _watch(self, target: AttackTarget, images: FloatArray) -> Watcher:
        search = Search(images)
        return Watcher(
            search, np.asarray, lambda: np.negative(np.sqrt(search.squares[:, 0]))
        )


def _nearer(queries: FloatArray, features: FeatureMap, expected: FloatArray) -> Watcher:
    """Scores by how much nearer than expected the nearest sample is."""
    search = Search(queries)
    return Watcher(search, features, lambda: expected - np.sqrt(search.squares[:, 0]))


@register_attack
class DataCalibratedGANLeaks(FeaturedAttack):
    """How much nearer the generated images come than reference images do.

    The score is the distance to the nearest reference image minus the distance to the
    nearest generated one. Plain images lie near to everything; what counts is that a
    generated image lies nearer than chance would have it.

    The nearest of more images is nearer. By default as many generated as reference
    images are searched, so that the difference does not depend on their numbers.

    Args:
        num_samples: Number of generated images to search if `equal_sizes` is False,
            and the most otherwise.
        features: See `FeaturedAttack`.
        equal_sizes: Whether to search equally many generated and reference images.
    """

    name = "gan_leaks_data"
    title = "GAN-Leaks, calibrated by data"
    requires = frozenset({"samples", "reference"})
    paper = (
        "The full black-box attack of Chen, Yu, Zhang, Fritz: GAN-Leaks. CCS 2020, "
        "arXiv:1909.03935, minus the same distance to reference images, after van "
        "Breugel, Sun, Qian, van der Schaar: Membership Inference Attacks against "
        "Synthetic Data through Overfitting Detection. AISTATS 2023, arXiv:2302.12580."
    )
    default_with = frozenset()
    _recorded = ("num_samples", "equal_sizes")
    _least_reference = 1

    def __init__(
        self,
        num_samples: int = 20_000,
        features: Features = "pixels",
        equal_sizes: bool = True,
    ) -> None:
        super().__init__(num_samples, features)
        self.equal_sizes = equal_sizes

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers of images searched and the distance."""
        return {**super().settings, "distance": f"L2 of {self._described}"}

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        number = len(self._compared_images(target))
        return {**super()._found(target), "num_reference": number}

    def _num_watched(self, target: AttackTarget) -> int:
        number = super()._num_watched(target)
        if not self.equal_sizes:
            return number
        return min(number, len(self._reference(target).images))

    def _compared_images(self, target: AttackTarget) -> FloatArray:
        if not self.equal_sizes:
            return self._reference(target).images
        number = self._num_watched(target)
        return self._drawn_reference(target, number, 1, Stream.CALIBRATION)

    def _watch(self, target: AttackTarget, images: FloatArray) -> Watcher:
        features = self._map
        queries = features(images)
        others = features(self._compared_images(target))
        expected = nearest_samples(queries, others).distances[:, 0]
        return _nearer(queries, features, expected)


@register_attack
class ModelCalibratedGANLeaks(FeaturedAttack):
    """How much nearer this model's images come than those of reference models do.

    The score is the mean distance to the nearest image of each reference model, minus
    the distance to the nearest image of the target. Reference models are trained on
    other data, best with the target's own recipe; none may have seen members or
    queries.

    Args:
        num_samples: Number of images to search of the target and of each reference
            model; as many as the smallest of them holds if that is less.
        features: See `FeaturedAttack`. For principal components the target needs
            reference images.

    Example:
    ```python
    target = AttackTarget.from_model(model, reference_models=[other])
    scores = ModelCalibratedGANLeaks(num_samples=5000).fit(target).score(images)
    ```
    """

    name = "gan_leaks_models"
    title = "GAN-Leaks, calibrated by models"
    requires = frozenset({"samples", "reference_models"})
    paper = (
        "Chen, Yu, Zhang, Fritz: GAN-Leaks: A Taxonomy of Membership Inference Attacks "
        "against Generative Models. CCS 2020, arXiv:1909.03935 (attack calibration)."
    )
    default_with = frozenset({"reference_models"})
    _least_reference = 1

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers of images and of reference models, and the distance."""
        return {**super().settings, "distance": f"L2 of {self._described}"}

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        number = len(target.reference_models)
        return {**super()._found(target), "num_reference_models": number}

    def _num_watched(self, target: AttackTarget) -> int:
        number = super()._num_watched(target)
        return min(model.num_available(number) for model in target.reference_models)

    def _watch(self, target: AttackTarget, images: FloatArray) -> Watcher:
        features = self._map
        queries = features(images)
        number = self._num_watched(target)
        expected = np.zeros(len(queries))
        for model in target.reference_models:

            def generated(start: int, stop: int, model: Any = model) -> FloatArray:
                return features(model.generate(start, stop))

            nearest = nearest_samples(queries, generated, number)
            expected += nearest.distances[:, 0] / len(target.reference_models)
        return _nearer(queries, features, expected)
