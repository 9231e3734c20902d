"""GAN-Leaks by reconstruction from the generator's gradients."""

from typing import Any, ClassVar

import numpy as np

from keras_mixup_gan.attacks.reconstruction.base import (
    PAPER,
    Features,
    ReconstructingAttack,
    Reconstruction,
    latent_dim_of,
)
from keras_mixup_gan.attacks.reconstruction.latent_optimizers import adam, lbfgs
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer, check_positive


class LatentGradient(ReconstructingAttack):
    """Minus the loss of the best reconstruction that gradients can find.

    The attacker has the generator's weights. Each query is reconstructed from the
    latents of the nearest of `num_samples` generated images, from zero and from random
    latents, by Adam; the best is polished by L-BFGS. Queries are computed side by side,
    but none influences another.

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

    Source: Chen, Yu, Zhang and Fritz, GAN-Leaks, CCS 2020: the white-box attack.

    Example:
    ```python
    scores = LatentGradient(num_steps=200).fit(target).score(images)
    ```
    """

    name: ClassVar[str] = "latent_gradient"
    title: ClassVar[str] = "GAN-Leaks (reconstruction by gradients)"
    requires: ClassVar[frozenset[str]] = frozenset({"generator"})
    paper: ClassVar[str] = PAPER + " (white-box attack)."

    def __init__(
        self,
        num_samples: int = 5000,
        num_steps: int = 500,
        learning_rate: float = 0.05,
        num_restarts: int = 2,
        num_polish_steps: int = 50,
        features: Features | None = None,
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
        rng = np.random.default_rng([target.seed, 41])
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

        generator = target.generator
        if generator is None:
            raise ValueError(f"{self.title} needs access to: generator.")

        def mean_square(first: Any, second: Any) -> Any:
            # The difference of near-equal images would drown in float32.
            change = tf.cast(first, tf.float64) - tf.cast(second, tf.float64)
            change = tf.reshape(change, (tf.shape(change)[0], -1))
            return tf.reduce_mean(change**2, axis=1)

        @tf.function(autograph=False, reduce_retracing=True)
        def losses_and_gradients(latents: Any, images: Any, rows: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(latents)
                made = generator(latents, rows)
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
