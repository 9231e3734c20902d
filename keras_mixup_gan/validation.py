"""Checks of what users pass in: each failure says in one sentence how to mend it."""

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_mixup_gan.typing import FloatArray, IntArray

# Of which one-hot rows still fit into memory.
MAX_CLASSES = 2**16


def check_images(
    images: Any,
    name: str = "images",
    image_shape: tuple[int, int, int] | None = None,
) -> FloatArray:
    """Returns a batch of images in `[-1, 1]` as float32, copied only if need be.

    Messages call it `name`; where `image_shape` is given, its images must have it.
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(
            f"`{name}` must be a batch of images of shape (num_images, height, "
            f"width, channels). Received: shape={images.shape}. Add the missing "
            "axes, e.g. `images[..., None]` for gray images without a channel axis."
        )
    if image_shape is not None and images.shape[1:] != tuple(image_shape):
        raise ValueError(
            f"`{name}` must hold images of shape {tuple(image_shape)}. Received: "
            f"{images.shape[1:]}. Resize the images, or build the model with "
            "`image_shape=` of the data."
        )
    if images.size == 0:
        raise ValueError(
            f"`{name}` must hold at least one image. Received: an empty array of "
            f"shape {images.shape}. Check the folder or the filter it came from."
        )
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"`{name}` must be floating point in [-1, 1]. Received: "
            f"dtype={images.dtype}. Convert 8-bit images with `images / 127.5 - 1`."
        )
    low, high = float(images.min()), float(images.max())
    if not np.isfinite(low + high):
        raise ValueError(
            f"`{name}` must be finite. Received: {int((~np.isfinite(images)).sum())} "
            "values that are NaN or infinite. Remove or repair those images."
        )
    if low < -1 or high > 1:
        raise ValueError(
            f"`{name}` must lie in [-1, 1]. Received: values in [{low:g}, {high:g}]. "
            "Rescale them, e.g. `images / 127.5 - 1` for a 0-255 range."
        )
    return images.astype("float32", copy=False)


def check_labels(labels: Any, num_images: int, name: str = "labels") -> IntArray | None:
    """Returns class labels, if any, as int64 `(num_images,)`."""
    if labels is None:
        return None
    try:
        labels = np.asarray(labels)
    except ValueError:  # nested sequences of unequal lengths
        labels = np.empty(0, dtype=object)
    # Keras ships the labels of CIFAR as a column.
    column = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    is_integer = np.issubdtype(labels.dtype, np.integer)
    if column.shape != (num_images,) or not is_integer or column.min() < 0:
        raise ValueError(
            f"`{name}` must be one non-negative integer per image. Expected shape "
            f"({num_images},). Received: dtype={labels.dtype}, shape={labels.shape}. "
            "Convert one-hot rows with `labels.argmax(axis=1)`."
        )
    if column.max() >= MAX_CLASSES:
        raise ValueError(
            f"`{name}` must be classes numbered from 0. Expected at most {MAX_CLASSES} "
            f"classes. Received: labels up to {column.max()}. Number them with "
            "`np.unique(labels, return_inverse=True)[1]`."
        )
    return column.astype("int64")


def class_rows(
    labels: Any, num_classes: int | None, num_images: int
) -> FloatArray | None:
    """Class labels as float32 rows `(num_images, num_classes)`.

    They may be integers or (soft) one-hot rows; without classes there are none.
    """
    if num_classes is None:
        if labels is not None:
            raise ValueError(
                "The model is unconditional. Expected no labels. Received: labels. "
                "Build it with `num_classes=` to make it conditional."
            )
        return None
    if labels is None:
        raise ValueError(
            f"The model is conditional. Expected class labels below {num_classes}. "
            "Received: images alone. Pass the labels too."
        )
    labels = np.asarray(labels)
    if labels.shape == (num_images, num_classes):
        return labels.astype("float32")
    is_integer = np.issubdtype(labels.dtype, np.integer)
    if labels.shape != (num_images,) or not is_integer:
        raise ValueError(
            f"Labels must be {num_images} integers, or rows of shape ({num_images}, "
            f"{num_classes}). Received: shape={labels.shape}, dtype={labels.dtype}."
        )
    if num_images and not (0 <= labels.min() and labels.max() < num_classes):
        raise ValueError(
            f"Labels must lie in 0 to {num_classes - 1}. Received: values from "
            f"{labels.min()} to {labels.max()}. Build the model with `num_classes=`."
        )
    rows = np.zeros((num_images, num_classes), "float32")
    rows[np.arange(num_images), labels] = 1.0
    return rows


def register(registry: dict[str, Any], name: str, kind: type) -> None:
    """Enters a class by its name, unless that of another module has taken it."""
    taken = registry.get(name)
    if taken is not None and taken.__module__ != kind.__module__:
        raise ValueError(
            f"The name {name!r} is taken by {taken.__module__}.{taken.__qualname__}. "
            "Expected a name of its own. Received: "
            f"{kind.__module__}.{kind.__qualname__}. Choose another."
        )
    registry[name] = kind


def check_choice(value: Any, choices: Iterable[str | None], name: str) -> None:
    """Raises an error that names the nearest choices unless `value` is one."""
    choices = list(choices)
    if value in choices:
        return
    names = [choice for choice in choices if choice is not None]
    raise ValueError(
        f"Unknown `{name}`. Expected one of {', '.join(map(repr, choices))}. "
        f"Received: {name}={value!r}.{did_you_mean(str(value), names)}"
    )


def did_you_mean(value: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """The end of a message that names the nearest choices, if any is near."""
    nearest = difflib.get_close_matches(value, list(names), n=3, cutoff=cutoff)
    return f" Did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""


def check_positive(**named: float) -> None:
    """Raises a `ValueError` unless every named value is finite and above zero."""
    for name, value in named.items():
        if not (_is_number(value) and np.isfinite(value) and value > 0):
            raise ValueError(
                f"`{name}` must be a finite number above 0. Received: {name}={value!r}."
            )


def check_in_range(low: float, high: float, **named: float) -> None:
    """Raises a `ValueError` unless every named value is a number in `[low, high]`."""
    for name, value in named.items():
        if not (_is_number(value) and low <= value <= high):
            raise ValueError(
                f"`{name}` must be a number in [{low:g}, {high:g}]. "
                f"Received: {name}={value!r}."
            )


def check_integer(minimum: int, **named: int) -> None:
    """Raises a `ValueError` unless every named value is an integer >= `minimum`."""
    for name, value in named.items():
        is_integer = _is_number(value) and isinstance(value, (int, np.integer))
        if not (is_integer and value >= minimum):
            raise ValueError(
                f"`{name}` must be an integer of at least {minimum}. "
                f"Received: {name}={value!r}."
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
