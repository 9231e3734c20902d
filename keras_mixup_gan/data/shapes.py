"""Brings single images to one shape, and many images into one array."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer

Shape: TypeAlias = tuple[int, int, int]

# ITU-R BT.601 luma, the weights that Pillow and TensorFlow use as well.
_LUMA = np.array([0.299, 0.587, 0.114], "float32")


def check_image_shape(image_shape: Any) -> Shape:
    """Returns `(height, width, channels)` as integers, or raises a `ValueError`."""
    sizes = tuple(np.atleast_1d(np.asarray(image_shape, dtype=object)))
    if len(sizes) != 3:
        raise ValueError(
            "`image_shape` must be (height, width, channels). Received: "
            f"image_shape={image_shape!r}. Write (28, 28, 1) for gray images of "
            "28 by 28 pixels."
        )
    height, width, channels = sizes
    check_integer(1, height=height, width=width, channels=channels)
    return int(height), int(width), int(channels)


def unit_range(images: Any) -> FloatArray:
    """Maps 8-bit values 0..255 to float32 values in `[-1, 1]`."""
    scaled = np.asarray(images).astype("float32")
    scaled /= 127.5
    scaled -= 1.0
    return scaled


def fit_shape(
    image: FloatArray, image_shape: Shape, crop_to_aspect_ratio: bool, name: str
) -> FloatArray:
    """Returns one image `(height, width, channels)` in the shape asked for.

    Pillow's triangle filter widens with the reduction (antialiasing), where
    TensorFlow's default samples single pixels and leaves moire in the images; unlike
    bicubic and Lanczos filters it never overshoots `[-1, 1]`. It works on floats, so
    that nothing is rounded to 8 bits.
    """
    if image.shape == image_shape:
        return image
    height, width, channels = image_shape
    if image.shape[2] == 3 and channels == 1:
        image = (image @ _LUMA)[..., None]
    elif image.shape[2] not in (1, channels) or channels not in (1, 3, image.shape[2]):
        raise ValueError(
            f"{name} has {image.shape[2]} channels and cannot become {channels}. "
            "Expected the same number, or a conversion between 1 (gray) and 3 (RGB). "
            f"Received: image_shape={image_shape}."
        )
    if image.shape[:2] != (height, width):
        box = _centered_box(image, height / width) if crop_to_aspect_ratio else None
        planes = [
            Image.fromarray(np.ascontiguousarray(image[..., c], "float32")).resize(
                (width, height), Image.Resampling.BILINEAR, box=box
            )
            for c in range(image.shape[2])
        ]
        image = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    if image.shape[2] != channels:
        image = np.repeat(image, channels, axis=2)
    return np.clip(image, -1.0, 1.0)


def stack_images(
    named_images: Iterable[tuple[str, FloatArray]],
    count: int,
    image_shape: Shape | None,
    crop_to_aspect_ratio: bool,
) -> FloatArray:
    """Stacks images that share a shape, or are brought to `image_shape`.

    Args:
        named_images: Pairs of how a message calls the image and the image, float32
            `(height, width, channels)` in `[-1, 1]`.
        count: How many pairs there are.
        image_shape: The shape to bring them to, or `None` to require one shape.
        crop_to_aspect_ratio: Whether to crop before resizing.

    Raises:
        ValueError: Naming the first image whose shape differs or cannot be converted.
    """
    stacked = np.empty((0,), "float32")
    first = ""
    for i, (name, image) in enumerate(named_images):
        if image_shape is not None:
            image = fit_shape(image, image_shape, crop_to_aspect_ratio, name)
        if i == 0:
            stacked, first = np.empty((count, *image.shape), "float32"), name
        elif image.shape != stacked.shape[1:]:
            raise ValueError(
                f"{name} has another shape than {first}. Expected images of one shape, "
                "(height, width, channels). Received: "
                f"{image.shape} after {stacked.shape[1:]}. Pass `image_shape=` to "
                "resize and convert them all."
            )
        stacked[i] = image
    return stacked


def _centered_box(
    image: FloatArray, aspect_ratio: float
) -> tuple[float, float, float, float]:
    """The largest centered box of `height / width` equal to `aspect_ratio`."""
    rows, columns = image.shape[:2]
    height = min(rows, columns * aspect_ratio)
    width = min(columns, rows / aspect_ratio)
    left, top = (columns - width) / 2, (rows - height) / 2
    return left, top, left + width, top + height
