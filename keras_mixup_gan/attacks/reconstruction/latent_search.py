"""GAN-Leaks by reconstruction from queries, alone and against reference models."""

import copy
from typing import Any, ClassVar

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.reconstruction.base import (
    PAPER,
    Features,
    ReconstructingAttack,
    Reconstruction,
    latent_dim_of,
)
from keras_mixup_gan.attacks.reconstruction.latent_gradient import LatentGradient
from keras_mixup_gan.attacks.reconstruction.latent_optimizers import least_squares
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer


class LatentSearch(ReconstructingAttack):
    """Minus the loss of the best reconstruction that queries alone can find.

    The attacker chooses latents and sees images, without gradients. The search starts
    at the nearest of `num_samples` generated images and spends the same number of
    further queries on every image. Since images are seen and not only losses, it is a
    least-squares problem: the images of slightly moved latents tell in which direction
    to go.

    Args:
        num_samples: Generated images to start from the nearest of.
        budget: Further images generated for each query, at least the number of latent
            dimensions plus 2.
        features: Function from images `(n, height, width, channels)` to features
            `(n, num_features)`, compared beside the pixels; None for pixels alone.
        feature_weight: Weight of the features.
        prior_weight: Weight of the squared distance of `|z|^2` from its expectation;
            it guides the search and is no part of the score.

    Source: Chen, Yu, Zhang and Fritz, GAN-Leaks, CCS 2020: the partial black-box
    attack, with Levenberg-Marquardt and Broyden's updates in place of Powell's method.

    Example:
    ```python
    attack = LatentSearch(budget=500).fit(target)
    losses = attack.reconstruct(images).losses
    ```
    """

    name: ClassVar[str] = "latent_search"
    title: ClassVar[str] = "GAN-Leaks (reconstruction by queries)"
    requires: ClassVar[frozenset[str]] = frozenset({"queries"})
    paper: ClassVar[str] = PAPER + " (partial black-box attack)."

    def __init__(
        self,
        num_samples: int = 5000,
        budget: int = 500,
        features: Features | None = None,
        feature_weight: float = 0.2,
        prior_weight: float = 0.001,
    ) -> None:
        super().__init__(num_samples, features, feature_weight, prior_weight)
        check_integer(3, budget=budget)
        self.budget = budget

    @property
    def settings(self) -> dict[str, Any]:
        """The search and what it minimizes."""
        return {**super().settings, "budget": self.budget}

    def _fit(self, target: AttackTarget) -> None:
        super()._fit(target)
        if self.budget < latent_dim_of(target) + 2:
            raise ValueError(
                f"`budget` must be at least {latent_dim_of(target) + 2}, the latent "
                f"dimensions and 2. Received: budget={self.budget}. Allow more queries."
            )

    def _search(
        self,
        target: AttackTarget,
        images: FloatArray,
        rows: FloatArray | None,
        start: FloatArray,
    ) -> Reconstruction:
        wanted = self._weighted(images)

        def differences(points: FloatArray) -> FloatArray:
            num_rows, num_points, num_dims = points.shape
            given = None if rows is None else np.repeat(rows, num_points, axis=0)
            flat = points.reshape(-1, num_dims)
            made = self._weighted(self._generate(target, flat, given))
            return made.reshape(num_rows, num_points, -1) - wanted[:, None]

        def residuals(points: FloatArray) -> FloatArray:
            excess = (points**2).sum(axis=2, keepdims=True) - points.shape[2]
            penalty = np.sqrt(self.prior_weight) * excess
            return np.concatenate([differences(points), penalty], axis=2)

        points = least_squares(residuals, start, self.budget - 1)
        losses = (differences(points[:, None])[:, 0] ** 2).sum(axis=1)
        number = np.full(len(images), self.budget)
        return Reconstruction(points, losses, number)

    def _weighted(self, images: FloatArray) -> FloatArray:
        """Pixels and features, scaled so that a loss is a plain sum of squares."""
        pixels = np.asarray(images, "float64").reshape(len(images), -1)
        scaled = pixels / np.sqrt(pixels.shape[1])
        if self.features is None:
            return scaled
        features = np.asarray(self.features(images), "float64")
        features = features.reshape(len(images), -1)
        weight = np.sqrt(self.feature_weight / features.shape[1])
        return np.concatenate([scaled, weight * features], axis=1)


class CalibratedReconstruction(Attack):
    """How much better the target reconstructs an image than reference models do.

    Plain images are reconstructed well by every model. The loss under the target is
    compared with the mean loss under models trained on other data.

    Args:
        attack: How to reconstruct: a `LatentSearch`, by default, or a
            `LatentGradient`, for which all models must grant their generator.

    Source: Chen, Yu, Zhang and Fritz, GAN-Leaks, CCS 2020 (attack calibration).

    Example:
    ```python
    target = AttackTarget.from_model(model, reference_models=[other])
    scores = CalibratedReconstruction(LatentGradient()).fit(target).score(images)
    ```
    """

    name: ClassVar[str] = "latent_calibrated"
    title: ClassVar[str] = "GAN-Leaks (reconstruction, calibrated)"
    requires: ClassVar[frozenset[str]] = frozenset({"queries", "reference_models"})
    paper: ClassVar[str] = PAPER + " (calibrated attack)."

    def __init__(self, attack: LatentSearch | LatentGradient | None = None) -> None:
        self.attack = LatentSearch() if attack is None else attack

    @property
    def settings(self) -> dict[str, Any]:
        """The reconstruction, and the number of reference models."""
        target = self._target
        return {
            "attack": self.attack.name,
            **self.attack.settings,
            "num_reference_models": len(target.reference_models) if target else 0,
        }

    def _fit(self, target: AttackTarget) -> None:
        models = (target, *target.reference_models)
        self._attacks = [copy.copy(self.attack).fit(model) for model in models]

    def _score(
        self, images: FloatArray, labels: FloatArray | IntArray | None
    ) -> FloatArray:
        scores = [attack.score(images, labels) for attack in self._attacks]
        return scores[0] - np.mean(scores[1:], axis=0)
