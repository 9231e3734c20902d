"""What streamed attacks share that compare images by features of them."""

from dataclasses import dataclass
from typing import ClassVar

from keras_mixup_gan.attacks.samples.feature_maps import (
    FeatureMap,
    Features,
    check_features_choice,
    describe_features,
    fit_features,
)
from keras_mixup_gan.attacks.samples.nearest import Search
from keras_mixup_gan.attacks.samples.streaming import (
    Chunk,
    StreamedAttack,
    reference_of,
)
from keras_mixup_gan.attacks.target import AttackTarget


@dataclass
class Searching:
    """Watches for the samples whose features are nearest."""

    search: Search
    features: FeatureMap

    def see(self, chunk: Chunk) -> None:
        """Takes in the next generated images."""
        self.search.see(chunk.features(self.features))


class FeaturedAttack(StreamedAttack):
    """Base class of streamed attacks that compare images in a space of features.

    Args:
        num_samples: Number of generated images to look at, at least 1.
        features: `"pixels"`, a number of principal components of the reference, or a
            function from images to features.
    """

    _least_reference: ClassVar[int] = 2

    def __init__(self, num_samples: int, features: Features) -> None:
        super().__init__(num_samples)
        check_features_choice(features)
        self.features = features
        self._map: FeatureMap | None = None

    @property
    def _described(self) -> str:
        """What images are compared in, in a few words."""
        return describe_features(self.features, self._map)

    @property
    def _fitted_map(self) -> FeatureMap:
        """The map from images to features, once there is one."""
        if self._map is None:
            raise ValueError(f"{self.title} has no features. Call `fit(target)` first.")
        return self._map

    def _fit(self, target: AttackTarget) -> None:
        known = None
        if target.reference is not None or "reference" in self.requires:
            known = reference_of(target, self, self._least_reference).images
        self._map = fit_features(self.features, known)
