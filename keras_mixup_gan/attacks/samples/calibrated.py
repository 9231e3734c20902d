"""GAN-Leaks against a yardstick: how near samples come by the model's own doing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from keras_mixup_gan.attacks.samples.feature_maps import FeatureMap, Features
from keras_mixup_gan.attacks.samples.featured import FeaturedAttack, Searching
from keras_mixup_gan.attacks.samples.nearest import Search, nearest_samples
from keras_mixup_gan.attacks.samples.streaming import (
    drawn_reference,
    equal_number,
    generated_images,
    num_available,
    reference_of,
)
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray


@dataclass
class _Calibrated(Searching):
    """Watches for the nearest sample; the yardstick's distances are known."""

    yardstick: FloatArray

    def scores(self) -> FloatArray:
        return self.yardstick - np.sqrt(self.search.squares[:, 0])


class DataCalibratedGANLeaks(FeaturedAttack):
    """How much nearer the generated images come than outside images do.

    The score is the distance to the nearest reference image minus the distance to the
    nearest generated one. Plain images lie near to everything; what counts is that a
    generated image lies nearer than chance would have it.

    The nearest of more images is nearer. By default as many generated as reference
    images are searched, so that the difference does not depend on their numbers.

    Args:
        num_samples: Number of generated images to search if `equal_sizes` is False,
            and the most otherwise.
        features: `"pixels"`, a number of principal components of the reference, or a
            function from images to features.
        equal_sizes: Whether to search equally many generated and reference images.

    Source: the full black-box attack of Chen et al., "GAN-Leaks", CCS 2020, calibrated
    by data instead of a model, as the density ratios of van Breugel et al., "Membership
    Inference Attacks against Synthetic Data through Overfitting Detection", AISTATS
    2023, are.

    Example:
    ```python
    target = AttackTarget.from_model(model, reference=outside_images)
    scores = DataCalibratedGANLeaks().fit(target).score(images)
    ```
    """

    name: ClassVar[str] = "gan_leaks_data"
    title: ClassVar[str] = "GAN-Leaks, calibrated by data"
    requires: ClassVar[frozenset[str]] = frozenset({"samples", "reference"})
    paper: ClassVar[str] = (
        "The full black-box attack of Chen, Yu, Zhang, Fritz: GAN-Leaks. CCS 2020, "
        "arXiv:1909.03935, minus the same distance to outside images, after van "
        "Breugel, Sun, Qian, van der Schaar: Membership Inference Attacks against "
        "Synthetic Data through Overfitting Detection. AISTATS 2023, arXiv:2302.12580."
    )
    _least_reference: ClassVar[int] = 1

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
        settings = {
            **super().settings,
            "distance": f"L2 of {self._described}",
            "equal_sizes": self.equal_sizes,
        }
        if self._target is not None:
            settings["num_reference"] = len(self._yardstick_images(self._target))
        return settings

    def _num_watched(self, target: AttackTarget) -> int:
        number = super()._num_watched(target)
        if not self.equal_sizes:
            return number
        return equal_number(target, self, number, 1)

    def _yardstick_images(self, target: AttackTarget) -> FloatArray:
        if not self.equal_sizes:
            return reference_of(target, self, 1).images
        return drawn_reference(target, self, self._num_watched(target), 1, stream=10)

    def _watch(self, target: AttackTarget, images: FloatArray) -> _Calibrated:
        features = self._fitted_map
        queries = features(images)
        outside = features(self._yardstick_images(target))
        yardstick = nearest_samples(queries, outside).distances[:, 0]
        return _Calibrated(Search(queries), features, yardstick)


class ModelCalibratedGANLeaks(FeaturedAttack):
    """How much nearer this model's images come than those of reference models do.

    The score is the mean distance to the nearest image of each reference model, minus
    the distance to the nearest image of the target. Reference models are trained on
    other data, best with the target's own recipe; none may have seen members or
    queries.

    Args:
        num_samples: Number of images to search of the target and of each reference
            model; as many as the smallest of them holds if that is less.
        features: `"pixels"`, a number of principal components of the reference (the
            target then needs reference images), or a function from images to features.

    Source: Chen, Yu, Zhang and Fritz, "GAN-Leaks: A Taxonomy of Membership Inference
    Attacks against Generative Models", CCS 2020: the full black-box attack, calibrated.

    Example:
    ```python
    target = AttackTarget.from_model(model, reference_models=[model_of_other_images])
    scores = ModelCalibratedGANLeaks().fit(target).score(images)
    ```
    """

    name: ClassVar[str] = "gan_leaks_models"
    title: ClassVar[str] = "GAN-Leaks, calibrated by models"
    requires: ClassVar[frozenset[str]] = frozenset({"samples", "reference_models"})
    paper: ClassVar[str] = (
        "Chen, Yu, Zhang, Fritz: GAN-Leaks: A Taxonomy of Membership Inference Attacks "
        "against Generative Models. CCS 2020, arXiv:1909.03935 (attack calibration)."
    )
    _least_reference: ClassVar[int] = 1

    def __init__(
        self, num_samples: int = 20_000, features: Features = "pixels"
    ) -> None:
        super().__init__(num_samples, features)

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers of images and of reference models, and the distance."""
        settings = {**super().settings, "distance": f"L2 of {self._described}"}
        if self._target is not None:
            settings["num_reference_models"] = len(self._target.reference_models)
        return settings

    def _num_watched(self, target: AttackTarget) -> int:
        number = super()._num_watched(target)
        return min(
            [num_available(source, number) for source in target.reference_models]
        )

    def _watch(self, target: AttackTarget, images: FloatArray) -> _Calibrated:
        features = self._fitted_map
        queries = features(images)
        number = self._num_watched(target)
        yardstick = np.zeros(len(queries))
        for source in target.reference_models:
            nearest = nearest_samples(
                queries,
                _generated(source, features),
                number,
            )
            yardstick += nearest.distances[:, 0] / len(target.reference_models)
        return _Calibrated(Search(queries), features, yardstick)


def _generated(
    source: AttackTarget, features: FeatureMap
) -> Callable[[int, int], FloatArray]:
    """The features of generated images, range by range."""
    return lambda start, stop: features(generated_images(source, start, stop))
