"""GAN-Leaks by reconstruction (Chen et al. 2020): from queries or from gradients."""

import copy
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.reconstruction.base import (
    PAPER,
    FeatureFunction,
    ReconstructingAttack,
    Reconstruction,
    latent_dim_of,
)
from keras_mixup_gan.attacks.reconstruction.optimizers import adam, lbfgs, least_squares
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer, check_positive


class LatentSearch(ReconstructingAttack):
    """Minus the loss of the best reconstruction that queries alone can find.

    The attacker chooses latents and sees images, without gradients. The search starts
    at the nearest of `num_samples` generated images and spends the same number of
    further queries on every image. Since images are seen and not only losses, it is a
    least-squares problem: the images of slightly moved latents tell in which direction
    to go. Levenberg-Marquardt steps with Broyden's updates replace the paper's method.

    Args:
        num_samples: Generated images to start from the nearest of.
        budget: Further images generated for each query, at least the number of latent
            dimensions plus 2.
        features: Function from images `(n, height, width, channels)` to features
            `(n, num_features)`, compared along with the pixels; None for pixels alone.
        feature_weight: Weight of the features.
        prior_weight: Weight of the squared distance of `|z|^2` from its expectation;
            it guides the search and is no part of the score.

    Example:
    ```python
    attack = LatentSearch(budget=500).fit(target)
    losses = attack.reconstruct(images).losses
    ```
    """

    name = "latent_search"
    title = "GAN-Leaks (reconstruction by queries)"
    requires = frozenset({"queries"})
    paper = PAPER + " (partial black-box attack)."

    def __init__(
        self,
        num_samples: int = 5000,
        budget: int = 500,
        features: FeatureFunction | None = None,
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
            made = self._weighted(target.decode(flat, given))
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


class LatentGradient(ReconstructingAttack):
    """Minus the loss of the best reconstruction that gradients can find.

    The attacker has the generator's weights. Each query is reconstructed from the
    latents of the nearest of `num_samples` generated images, from zero and from random
    latents, by Adam; the best is polished by L-BFGS. Queries are computed
    together, but none influences another.

    Args:
        num_samples: Generated images to start from the nearest of.
        num_steps: Steps of Adam from each start.
        learning_rate: Of Adam.
        num_restarts: Number of random starts, the same for every query.
        num_polish_steps: Largest number of iterations of L-BFGS.
        features: Differentiable function from images to features `(n, num_features)`,
            such as a Keras network; None for pixels alone.
        feature_weight: Weight of the features.
        prior_weight: As for `LatentSearch`.
    """

    name = "latent_gradient"
    title = "GAN-Leaks (reconstruction by gradients)"
    requires = frozenset({"generator"})
    paper = PAPER + " (white-box attack)."

    def __init__(
        self,
        num_samples: int = 5000,
        num_steps: int = 500,
        learning_rate: float = 0.05,
        num_restarts: int = 2,
        num_polish_steps: int = 50,
        features: FeatureFunction | None = None,
        feature_weight: float = 0.2,
        prior_weight: float = 0.001,
    ) -> None:
        super().__init__(num_samples, features, feature_weight, prior_weight)
        check_integer(
            0,
            num_steps=num_steps,
            num_restarts=num_restarts,
            num_polish_steps=num_polish_steps,
        )
        check_positive(learning_rate=learning_rate)
        self.num_steps = num_steps
        self.learning_rate = learning_rate
        self.num_restarts = num_restarts
        self.num_polish_steps = num_polish_steps

    @property
    def settings(self) -> dict[str, Any]:
        """The search and what it minimizes."""
        return {
            **super().settings,
            "num_steps": self.num_steps,
            "learning_rate": self.learning_rate,
            "num_restarts": self.num_restarts,
            "num_polish_steps": self.num_polish_steps,
        }

    def _fit(self, target: AttackTarget) -> None:
        super()._fit(target)
        rng = generator(target.seed, Stream.LATENT_GRADIENT)
        shape = (self.num_restarts, latent_dim_of(target))
        zero = np.zeros((1, shape[1]))
        self._other_starts = np.concatenate([zero, rng.standard_normal(shape)])
        self._compiled = self._compile(target)

    def _search(
        self,
        target: AttackTarget,
        images: FloatArray,
        rows: FloatArray | None,
        start: FloatArray,
    ) -> Reconstruction:
        others = np.repeat(self._other_starts[:, None], len(images), axis=1)
        starts = np.concatenate([start[None], others])  # (starts, queries, dims)
        number = len(starts)
        every = None if rows is None else np.tile(rows, (number, 1))
        objective = self._objective(np.tile(images, (number, 1, 1, 1)), every)
        flat = starts.reshape(-1, starts.shape[2])
        points, values = adam(objective, flat, self.num_steps, self.learning_rate)
        best = values.reshape(number, -1).argmin(axis=0)
        chosen = points.reshape(starts.shape)[best, np.arange(len(images))]
        objective = self._objective(images, rows)
        minimum = lbfgs(objective, chosen, self.num_polish_steps)
        losses = self._compiled(minimum.points.astype("float32"), images, rows)[0]
        iterations = minimum.num_iterations + self.num_steps
        return Reconstruction(
            minimum.points,
            np.asarray(losses, "float64"),
            iterations,
            minimum.gradient_norms,
        )

    def _objective(self, images: FloatArray, rows: FloatArray | None) -> Any:
        """Penalized losses of latents and their gradients, as float64 arrays."""

        def objective(points: FloatArray) -> tuple[FloatArray, FloatArray]:
            found = self._compiled(points.astype("float32"), images, rows)
            penalized, gradients = (np.asarray(part, "float64") for part in found[1:])
            if not (np.isfinite(penalized).all() and np.isfinite(gradients).all()):
                raise ValueError(
                    "The generator returned values or gradients that are not finite. "
                    "Look for a model that diverged."
                )
            return penalized, gradients

        return objective

    def _compile(self, target: AttackTarget) -> Any:
        """A TensorFlow function of losses, penalized losses and their gradients."""
        import tensorflow as tf

        generate: Any = target.generator

        def mean_square(first: Any, second: Any) -> Any:
            # The difference of near-equal images would drown in float32.
            change = tf.cast(first, tf.float64) - tf.cast(second, tf.float64)
            change = tf.reshape(change, (tf.shape(change)[0], -1))
            return tf.reduce_mean(change**2, axis=1)

        @tf.function(autograph=False, reduce_retracing=True)
        def losses_and_gradients(latents: Any, images: Any, rows: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(latents)
                made = generate(latents, rows)
                losses = mean_square(made, images)
                if self.features is not None:
                    change = mean_square(self.features(made), self.features(images))
                    losses += self.feature_weight * change
                square = tf.reduce_sum(tf.cast(latents, tf.float64) ** 2, axis=1)
                excess = square - tf.cast(tf.shape(latents)[1], tf.float64)
                penalized = losses + self.prior_weight * excess**2
            return losses, penalized, tape.gradient(penalized, latents)

        def compiled(latents: Any, images: Any, rows: Any) -> Any:
            given = None if rows is None else tf.constant(rows, tf.float32)
            return losses_and_gradients(
                tf.constant(latents), tf.constant(images, tf.float32), given
            )

        return compiled


class CalibratedReconstruction(Attack):
    """How much better the target reconstructs an image than reference models do.

    Plain images are reconstructed well by every model. The loss under the target is
    compared with the mean loss under models trained on other data.

    Args:
        attack: How to reconstruct: a `LatentSearch`, by default, or a
            `LatentGradient`, for which all models must grant their generator.

    Example:
    ```python
    target = AttackTarget.from_model(model, reference_models=[other])
    scores = CalibratedReconstruction(LatentGradient()).fit(target).score(images)
    ```
    """

    name = "latent_calibrated"
    title = "GAN-Leaks (reconstruction, calibrated)"
    requires = frozenset({"queries", "reference_models"})
    paper = PAPER + " (calibrated attack)."

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
