"""LOGAN without the discriminator: one's own classifier of generated images."""

from typing import Any, ClassVar

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.samples.feature_maps import (
    FeatureMap,
    Features,
    check_features_choice,
    describe_features,
    fit_features,
)
from keras_mixup_gan.attacks.samples.networks import (
    Network,
    balanced_folds,
    train_network,
)
from keras_mixup_gan.attacks.samples.streaming import (
    drawn_reference,
    equal_number,
    generated_features,
    num_available,
    reference_of,
)
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer


class ClassifierLOGAN(Attack):
    """How much like generated images, and unlike outside images, a query looks.

    Small networks (two layers of 256) learn to tell generated from reference images,
    equally many of each; the score is their mean log odds of "generated". Where the
    model has overfitted, that is higher around its training images. One network is
    trained for each fold, which it does not see: its training stops where the loss
    there is least.

    Args:
        num_samples: Number of generated images at most; as many as there are
            reference images if that is less.
        features: `"pixels"`, a number of principal components of the reference, or a
            function from images to features.
        num_folds: Number of networks, at least 2.

    Source: Hayes, Melis, Danezis and De Cristofaro, "LOGAN: Membership Inference
    Attacks Against Generative Models", PoPETs 2019: the black-box attack with
    auxiliary knowledge, where the attacker knows non-members.

    Example:
    ```python
    target = AttackTarget.from_model(model, reference=outside_images)
    scores = ClassifierLOGAN().fit(target).score(images)
    ```
    """

    name: ClassVar[str] = "logan_classifier"
    title: ClassVar[str] = "LOGAN (classifier of samples)"
    requires: ClassVar[frozenset[str]] = frozenset({"samples", "reference"})
    paper: ClassVar[str] = (
        "Hayes, Melis, Danezis, De Cristofaro: LOGAN: Membership Inference Attacks "
        "Against Generative Models. PoPETs 2019, arXiv:1705.07663 (black-box attack "
        "with auxiliary knowledge)."
    )

    def __init__(
        self,
        num_samples: int = 20_000,
        features: Features = "pixels",
        num_folds: int = 5,
    ) -> None:
        check_integer(2, num_samples=num_samples, num_folds=num_folds)
        check_features_choice(features)
        self.num_samples = num_samples
        self.features = features
        self.num_folds = num_folds
        self._map: FeatureMap | None = None
        self._networks: list[Network] = []

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers of images and networks, and how long these were trained."""
        settings: dict[str, Any] = {
            "num_samples": self.num_samples,
            "features": describe_features(self.features, self._map),
            "num_folds": self.num_folds,
        }
        if self._target is not None:
            settings["num_samples"] = self._num_each(self._target)
            settings["num_epochs"] = [net.num_epochs for net in self._networks]
        return settings

    def _num_each(self, target: AttackTarget) -> int:
        """How many images of either kind to train on."""
        available = num_available(target, self.num_samples)
        return equal_number(target, self, available, 2 * self.num_folds)

    def _fit(self, target: AttackTarget) -> None:
        number = self._num_each(target)
        if number < 2 * self.num_folds:
            raise ValueError(
                f"{self.title} needs at least {2 * self.num_folds} generated images. "
                f"Received: {number}. Draw more, or use fewer folds."
            )
        known = reference_of(target, self, 2).images
        features = fit_features(self.features, known)
        generated = generated_features(target, number, features)
        outside = features(drawn_reference(target, self, number, 2, stream=14))
        rows = np.concatenate([generated, outside])
        self._center = outside.mean(axis=0)
        self._scale = float(np.sqrt(outside.var(axis=0).mean())) or 1.0
        rows = (rows - self._center) / self._scale
        classes = np.repeat([1, 0], number)
        folds = balanced_folds(classes, self.num_folds, target.seed)
        self._networks = [
            train_network(rows, classes, folds == fold, seed=target.seed + fold)
            for fold in range(self.num_folds)
        ]
        self._map = features

    def _score(
        self, images: FloatArray, labels: FloatArray | IntArray | None
    ) -> FloatArray:
        if self._map is None:
            raise ValueError(f"{self.title} has no features. Call `fit(target)` first.")
        rows = (self._map(images) - self._center) / self._scale
        logits: FloatArray = np.mean([net.logits(rows) for net in self._networks], 0)
        return logits
