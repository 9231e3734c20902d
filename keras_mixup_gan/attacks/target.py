"""What an attacker may touch of a trained model, and nothing more."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_images, check_integer

Sampler: TypeAlias = Callable[[int, int], FloatArray]
Discriminator: TypeAlias = Callable[[FloatArray, FloatArray | None], FloatArray]


@dataclass(frozen=True)
class ReferenceData:
    """Outside images that the attacker knows: neither members nor queries.

    Attributes:
        images: Float array `(num_images, height, width, channels)` in `[-1, 1]`.
        labels: Class labels: integers `(num_images,)`, rows
            `(num_images, num_classes)`, or None.
    """

    images: FloatArray
    labels: FloatArray | IntArray | None = None

    def __post_init__(self) -> None:
        images = check_images(self.images, "reference")
        object.__setattr__(self, "images", images)
        if self.labels is not None:
            labels = check_labels(self.labels, len(images), "reference")
            object.__setattr__(self, "labels", labels)


@dataclass(frozen=True)
class AttackTarget:
    """A trained model as one kind of attacker sees it.

    Each field that is not None is an access the attacker has; see `access`. Attacks
    are given a target and never the model, so that no attack can use more than it
    declares.

    Attributes:
        image_shape: `(height, width, channels)` of the images.
        sampler: Function `(start, stop) -> images`: generated images `start` to
            `stop` of one endless sequence, float `(stop - start, height, width,
            channels)` in `[-1, 1]`.
        discriminator: Function `(images, labels) -> scores` with the raw score of
            each image, `(num_images,)`. Images may leave `[-1, 1]`, as noisy blends
            do; labels are rows `(num_images, num_classes)`, or None for a model
            without classes.
        reference: Outside images known to the attacker.
        name: What reports call the model.
        mixup: The defence that the attacker knows was used (a `MixUp`), if any.
        num_classes: Number of classes of a conditional model, else None.
        num_samples: How many images `sampler` can give; None if any number.
        seed: Seed of everything that attacks draw at random.

    Raises:
        ValueError: If the reference images have another shape, or `seed` is not a
            non-negative integer.
    """

    image_shape: tuple[int, int, int]
    sampler: Sampler | None = None
    discriminator: Discriminator | None = None
    reference: ReferenceData | None = None
    name: str = "target"
    mixup: Any = None
    num_classes: int | None = None
    num_samples: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_integer(0, seed=self.seed)
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        if self.reference is not None:
            check_images(self.reference.images, "reference", self.image_shape)

    @property
    def access(self) -> frozenset[str]:
        """The accesses granted, of `"samples"`, `"discriminator"`, `"reference"`."""
        granted = {
            "samples": self.sampler,
            "discriminator": self.discriminator,
            "reference": self.reference,
        }
        return frozenset(name for name, means in granted.items() if means is not None)

    @classmethod
    def from_model(
        cls,
        model: Any,
        reference: Any = None,
        mixup: Any = "own",
        seed: int = 0,
        image_shape: tuple[int, int, int] | None = None,
    ) -> "AttackTarget":
        """Grants full access to a model, or access to nothing but samples.

        Args:
            model: A model with `generate` and `score` (full access); an array of
                generated images in `[-1, 1]`; or a function `num_images -> images`
                that draws fresh ones, also of a model that this library never
                trained (access to samples).
            reference: Outside images `(num_images, height, width, channels)` in
                `[-1, 1]`, a pair `(images, labels)`, a part of a `MembershipSplit`,
                or None.
            mixup: The defence that the attacker knows of; by default the one the
                model was trained with, if it has any.
            seed: Seed of the attacks and of the generated images.
            image_shape: `(height, width, channels)`; needed only for a function
                (it is not called to find out).

        Returns:
            The target.

        Raises:
            ValueError: If `model` is none of these, or shapes do not fit.

        Example:
        ```python
        target = AttackTarget.from_model(model, reference=(images, labels), seed=1)
        target = AttackTarget.from_model(lambda n: other.sample(n), image_shape=shape)
        ```
        """
        shape: Any
        reference = as_reference(reference)
        if isinstance(mixup, str) and mixup == "own":
            mixup = getattr(model, "mixup", None)
        if callable(getattr(model, "generate", None)) and callable(
            getattr(model, "score", None)
        ):
            return cls(
                image_shape=tuple(model.image_shape),
                sampler=_model_sampler(model, seed),
                discriminator=_model_discriminator(model),
                reference=reference,
                name=type(model).__name__,
                mixup=mixup,
                num_classes=getattr(model, "num_classes", None),
                seed=seed,
            )
        if callable(model):
            if image_shape is None:
                raise ValueError(
                    "`image_shape` is needed if the target is a function. Received: "
                    "image_shape=None. Pass `(height, width, channels)`."
                )
            sampler, num_samples = _function_sampler(model), None
            shape = image_shape
            name = "sampling function"
        elif hasattr(model, "__array__"):
            images = check_images(model, "model", image_shape)
            num_samples, *shape = images.shape
            sampler, name = _array_sampler(images), "sample array"
        else:
            raise ValueError(
                "The target must be a model with `generate` and `score`, an array of "
                "generated images, or a function `num_images -> images`. Received: "
                f"model={model!r:.80}."
            )
        return cls(
            image_shape=shape,
            sampler=sampler,
            reference=reference,
            name=name,
            mixup=mixup,
            num_samples=num_samples,
            seed=seed,
        )


def as_reference(reference: Any) -> ReferenceData | None:
    """Returns images, or `(images, labels)`, as `ReferenceData`; None stays None."""
    if reference is None or isinstance(reference, ReferenceData):
        return reference
    images, labels = split_labels(reference)
    return ReferenceData(images, labels)


def split_labels(data: Any) -> tuple[Any, Any]:
    """Returns `(images, labels)` of an array, a pair, or a part of a split."""
    if hasattr(data, "images"):
        return data.images, getattr(data, "labels", None)
    if isinstance(data, tuple) and len(data) == 2:
        return data[0], data[1]
    return data, None


def check_labels(labels: Any, num_images: int, name: str) -> FloatArray | IntArray:
    """Returns class labels, integers or rows, after checking number and range."""
    labels = np.asarray(labels)
    integers = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if not (integers or labels.ndim == 2) or len(labels) != num_images:
        raise ValueError(
            f"Labels of `{name}` must be integers ({num_images},) or rows "
            f"({num_images}, num_classes). Received: shape={labels.shape}, "
            f"dtype={labels.dtype}."
        )
    return labels


def class_rows(labels: FloatArray | IntArray, num_classes: int) -> FloatArray:
    """Returns class labels as rows `(num_images, num_classes)` of weights.

    Raises:
        ValueError: If an integer label or the width of the rows does not fit.
    """
    if labels.ndim == 2:
        if labels.shape[1] != num_classes:
            raise ValueError(
                f"Label rows must have {num_classes} columns, one for each class. "
                f"Received: shape={labels.shape}."
            )
        return labels.astype("float32")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"Labels must lie in 0 ... {num_classes - 1}. "
            f"Received: labels from {labels.min()} to {labels.max()}."
        )
    return np.eye(num_classes, dtype="float32")[labels]


def _model_sampler(model: Any, seed: int) -> Sampler:
    """Image i of the sequence is image i that the model generates under `seed`."""
    return lambda start, stop: model.generate(
        stop - start, seed=seed, start=start, dtype="float32"
    )


def _model_discriminator(model: Any) -> Discriminator:
    """Raw scores in inference mode; blends with noise may leave `[-1, 1]`."""
    return lambda images, labels: model.score(images, labels, check_range=False)


def _array_sampler(images: FloatArray) -> Sampler:
    return lambda start, stop: images[start:stop]


def _function_sampler(draw: Callable[[int], Any]) -> Sampler:
    """Draws fresh images range by range; notices a function that repeats itself."""
    previous: list[FloatArray] = []

    def sampler(start: int, stop: int) -> FloatArray:
        images = np.asarray(draw(stop - start))
        repeated = (
            start > 0
            and previous
            and np.array_equal(previous[0], images)
            and not np.array_equal(images[:-1], images[1:])
        )
        if repeated:
            raise ValueError(
                "The function that draws samples returned the same images twice. "
                f"Received: a repeated batch of {stop - start}. Let it draw fresh "
                "images at each call, or pass the images as one array."
            )
        previous[:] = [images]
        return images

    return sampler
