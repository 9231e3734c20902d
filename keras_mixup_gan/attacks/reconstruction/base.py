"""Reconstruction attacks: how well the best latents of a generator repeat a query."""

import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.samples.nearest import nearest_samples
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_in_range, check_integer

# Of arrays, and of tensors where gradients are taken.
FeatureFunction: TypeAlias = Callable[[Any], Any]

BLOCK = 32  # queries worked on at a time; always that many, so that none matters
PAPER = (
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
        return {
            "num_samples": self.num_samples,
            "features": None
            if self.features is None
            else getattr(self.features, "name", "given"),
            "feature_weight": self.feature_weight,
            "prior_weight": self.prior_weight,
        }

    def reconstruct(
        self, images: FloatArray, labels: FloatArray | IntArray | None = None
    ) -> Reconstruction:
        """Finds the latents that come closest to each image.

        Args:
            images: Float array `(num_images, height, width, channels)` in `[-1, 1]`.
            labels: Class labels, for a conditional model.

        Returns:
            The reconstructions.
        """
        target = self._fitted()
        rows = self._class_rows(target, labels, "images")
        start = self._nearest_latents(target, images, rows)
        parts = []
        for block in _blocks(len(images)):
            block_rows = None if rows is None else rows[block]
            found = self._search(target, images[block], block_rows, start[block])
            parts.append(found)
        return _joined(parts, len(images))

    def _score(
        self, images: FloatArray, labels: FloatArray | IntArray | None
    ) -> FloatArray:
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
        shape = (self.num_samples, latent_dim_of(target))
        self._candidates = rng.standard_normal(shape, dtype="float32")


def _blocks(num_images: int) -> Iterator[IntArray]:
    """Indices in blocks of one size, the last filled up with its own last image."""
    for start in range(0, num_images, BLOCK):
        yield np.minimum(np.arange(start, start + BLOCK), num_images - 1)


def _joined(parts: list[Reconstruction], num_images: int) -> Reconstruction:
    """One reconstruction of many blocks, without what filled up the last."""

    def together(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else np.concatenate(values)[:num_images]

    return Reconstruction(**{name: together(name) for name in vars(parts[0])})


def latent_dim_of(target: AttackTarget) -> int:
    """The number of latent dimensions, which a target that can be queried has."""
    if target.latent_dim is None:
        raise ValueError("The target does not tell its `latent_dim`.")
    return target.latent_dim
