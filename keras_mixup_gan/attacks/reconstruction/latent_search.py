"""GAN-Leaks by reconstruction (Chen et al. 2020): from queries or from gradients.

The score says how well the best latents of a generator repeat a query.
"""

import abc
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from keras_mixup_gan.attacks.base import Attack, register_attack
from keras_mixup_gan.attacks.reconstruction.optimizers import adam, lbfgs, least_squares
from keras_mixup_gan.attacks.samples.nearest import nearest_samples
from keras_mixup_gan.attacks.target import AttackTarget, Labels
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_in_range, check_integer, check_positive

# Of arrays, and of tensors where gradients are taken.
FeatureFunction: TypeAlias = Callable[[Any], Any]

BLOCK = 32  # queries worked on at a time; always as many, so that none matters
_MOST_NUMBERS = 2**25  # in their derivatives by latents
_PAPER = (
    "Chen, Yu, Zhang, Fritz: GAN-Leaks: A Taxonomy of Membership Inference Attacks "
    "Against Generative Models. CCS 2020, arXiv:1909.03935"
)


@dataclass(frozen=True)
class Reconstruction:
    """The best that a generator can do for each query.

    Attributes:
        latents: Float64 array `(num_images, latent_dim)`.
        losses: Float64 array `(num_images,)`: mean squared difference of pixels, plus
            that of features times its weight.
        num_iterations: Integer array `(num_images,)`: images generated for a query
            after the first search, or steps of the gradient methods.
        gradient_norms: Float64 array `(num_images,)` at the end, or None.
    """

    latents: FloatArray
    losses: FloatArray
    num_iterations: IntArray
    gradient_norms: FloatArray | None = None


class ReconstructingAttack(Attack):
    """Minus the loss of the best reconstruction; subclasses find it.

    Args:
        num_samples: Generated images to start from the nearest of.
        features: Function from images `(n, height, width, channels)` to features
            `(n, num_features)`, compared along with the pixels; None for pixels alone.
        feature_weight: Weight of the features.
        prior_weight: Weight of the squared distance of `|z|^2` from its expectation;
            it guides the search and is no part of the score.
    """

    _recorded: ClassVar[tuple[str, ...]] = (
        "num_samples",
        "feature_weight",
        "prior_weight",
    )

    def __init__(
        self,
        num_samples: int,
        features: FeatureFunction | None,
        feature_weight: float,
        prior_weight: float,
    ) -> None:
        check_integer(1, num_samples=num_samples)
        check_in_range(0, float("inf"), feature_weight=feature_weight)
        check_in_range(0, float("inf"), prior_weight=prior_weight)
        self.num_samples = num_samples
        self.features = features
        self.feature_weight = feature_weight if features is not None else 0.0
        self.prior_weight = prior_weight

    @property
    def settings(self) -> dict[str, Any]:
        """The search and what it minimizes."""
        settings = {**super().settings, "features": None}
        if self.features is not None:
            settings["features"] = getattr(self.features, "name", "given")
        return settings

    def reconstruct(self, images: FloatArray, labels: Labels = None) -> Reconstruction:
        """Finds the latents that come closest to each image.

        Args:
            images: Float array `(num_images, height, width, channels)` in `[-1, 1]`.
            labels: Class labels, for a conditional model.
        """
        target = self._fitted()
        rows = self._class_rows(target, labels, "images")
        start = self._nearest_latents(target, images, rows)
        parts = []
        numbers = images[0].size * start.shape[1]
        size = max(1, min(BLOCK, _MOST_NUMBERS // numbers))
        for block in _blocks(len(images), size):
            block_rows = None if rows is None else rows[block]
            found = self._search(target, images[block], block_rows, start[block])
            parts.append(found)
        return _joined(parts, len(images))

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        return np.negative(self.reconstruct(images, labels).losses)

    @abc.abstractmethod
    def _search(
        self,
        target: AttackTarget,
        images: FloatArray,
        rows: FloatArray | None,
        start: FloatArray,
    ) -> Reconstruction:
        """Reconstructs a block of images, from their nearest samples' latents."""

    def _nearest_latents(
        self, target: AttackTarget, images: FloatArray, rows: FloatArray | None
    ) -> FloatArray:
        """Latents of the nearest of `num_samples` images, of the query's class."""
        latents = self._candidates
        classes = np.zeros(len(images), int) if rows is None else rows.argmax(axis=1)
        nearest = np.empty((len(images), latents.shape[1]))
        for label in np.unique(classes):
            chosen = classes == label
            given = None
            if target.num_classes is not None:
                row = np.eye(target.num_classes, dtype="float32")[label]
                given = np.tile(row, (len(latents), 1))

            def generated(start: int, stop: int, given: Any = given) -> FloatArray:
                part = None if given is None else given[start:stop]
                return target.decode(latents[start:stop], part)

            found = nearest_samples(images[chosen], generated, len(latents))
            nearest[chosen] = latents[found.indices[:, 0]]
        return nearest

    def _fit(self, target: AttackTarget) -> None:
        rng = generator(target.seed, Stream.RECONSTRUCTION)
        shape: Any = (self.num_samples, target.latent_dim)
        self._candidates = rng.standard_normal(shape, dtype="float32")


@register_attack
class LatentSearch(ReconstructingAttack):
    """Minus the loss of the best reconstruction that queries alone can find.

    The attacker chooses latents and sees images, without gradients. The search starts
    at the nearest of `num_samples` generated images and spends the same number of
    further queries on every image. Since images are seen and not only losses, it is a
    least-squares problem: the images of slightly moved latents tell in which direction
    to go. Levenberg-Marquardt steps with Broyden's updates replace the paper's method.

    Args:
        budget: Further images generated for each query, at least the number of latent
            dimensions plus 3.
        num_samples, features, feature_weight, prior_weight: See
            `ReconstructingAttack`.

    Example:
    ```python
    attack = LatentSearch(budget=500).fit(target)
    losses = attack.reconstruct(images).losses
    ```
    """

    name = "latent_search"
    title = "GAN-Leaks (reconstruction by queries)"
    requires = frozenset({"queries"})
    paper = _PAPER + " (partial black-box attack)."
    _recorded = (*ReconstructingAttack._recorded, "budget")

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

    def _fit(self, target: AttackTarget) -> None:
        super()._fit(target)
        # The start, the slopes, one step, and what came of it.
        least = self._candidates.shape[1] + 3
        if self.budget < least:
            raise ValueError(
                f"`budget` must be at least {least}, the latent dimensions and 3. "
                f"Received: budget={self.budget}. Allow more queries."
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


@register_attack
class LatentGradient(ReconstructingAttack):
    """Minus the loss of the best reconstruction that gradients can find.

    The attacker has the generator's weights. Each query is reconstructed from the
    latents of the nearest of `num_samples` generated images, from zero and from random
    latents, by Adam; the best is polished by L-BFGS. Queries are computed
    together, but none influences another.

    Args:
        num_steps: Steps of Adam from each start.
        learning_rate: Of Adam.
        num_restarts: Number of random starts, the same for every query.
        num_polish_steps: Largest number of iterations of L-BFGS.
        num_samples, features, feature_weight, prior_weight: See
            `ReconstructingAttack`. The features must be differentiable, as those of a
            Keras network are.
    """

    name = "latent_gradient"
    title = "GAN-Leaks (reconstruction by gradients)"
    requires = frozenset({"generator"})
    paper = _PAPER + " (white-box attack)."
    _recorded = (
        *ReconstructingAttack._recorded,
        "num_steps",
        "learning_rate",
        "num_restarts",
        "num_polish_steps",
    )

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

    def _fit(self, target: AttackTarget) -> None:
        super()._fit(target)
        rng = generator(target.seed, Stream.LATENT_GRADIENT)
        shape = (self.num_restarts, self._candidates.shape[1])
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


@register_attack
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
    attack = CalibratedReconstruction(LatentSearch(budget=200)).fit(target)
    scores = attack.score(images)
    ```
    """

    name = "latent_calibrated"
    title = "GAN-Leaks (reconstruction, calibrated)"
    requires = frozenset({"queries", "reference_models"})
    paper = _PAPER + " (calibrated attack)."

    def __init__(self, attack: LatentSearch | LatentGradient | None = None) -> None:
        self.attack = LatentSearch() if attack is None else attack
        if not isinstance(self.attack, ReconstructingAttack):
            raise ValueError(
                "`attack` must be one that reconstructs. Expected e.g. LatentSearch() "
                f"or LatentGradient(). Received: {attack!r:.80}."
            )

    @property
    def settings(self) -> dict[str, Any]:
        """The reconstruction, and the number of reference models."""
        return {
            "attack": self.attack.name,
            **self.attack.settings,
            **super().settings,
        }

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return {"num_reference_models": len(target.reference_models)}

    def _fit(self, target: AttackTarget) -> None:
        models = (target, *target.reference_models)
        self._attacks = [copy.copy(self.attack).fit(model) for model in models]

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        scores = [attack.score(images, labels) for attack in self._attacks]
        return scores[0] - np.mean(scores[1:], axis=0)


def _blocks(num_images: int, size: int) -> Iterator[IntArray]:
    """Indices in blocks of one size, the last filled up with its own last image."""
    for start in range(0, num_images, size):
        yield np.minimum(np.arange(start, start + size), num_images - 1)


def _joined(parts: list[Reconstruction], num_images: int) -> Reconstruction:
    """One reconstruction of many blocks, without what filled up the last."""

    def together(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else np.concatenate(values)[:num_images]

    return Reconstruction(**{name: together(name) for name in vars(parts[0])})
