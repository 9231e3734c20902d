"""Images as they are stored, in 8 bits or as floats, and floats of them by rows."""

import mmap
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import ValueRange, check_images, eight_bits, unit_range

_BLOCK_BYTES = 2**20  # of floats that are made at once
LEVELS = unit_range(np.arange(256, dtype="uint8"))  # what 8 bits are as floats
ROUNDING = 1e-5  # by which floats that were 8 bits may differ; levels are .008 apart


class Pixels:
    """Rows of stored images: nothing is copied or converted before it is asked for.

    Indexing gives float32 images in `[-1, 1]`, and so does `np.asarray`, of all.

    Args:
        stored: Array `(num_stored, height, width, channels)` in memory or in a file:
            uint8 of 0..255, or floats in `[-1, 1]`.
        rows: Which of them, in which order; by default all.
    """

    ndim, dtype = 4, np.dtype("float32")

    def __init__(self, stored: NDArray[Any], rows: IntArray | None = None) -> None:
        self.stored, self.rows = stored, rows

    @property
    def shape(self) -> tuple[int, ...]:
        """`(num_images, height, width, channels)`."""
        return len(self), *self.stored.shape[1:]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        height, width, channels = self.stored.shape[1:]
        return height, width, channels

    @property
    def is_bytes(self) -> bool:
        """Whether 8 bits are stored."""
        return self.stored.dtype == np.uint8

    @property
    def is_fixed(self) -> bool:
        """Whether nobody can change what is stored."""
        array = self.stored
        is_own = array.flags.owndata or isinstance(array.base, mmap.mmap)
        return is_own and array.flags.c_contiguous and not array.flags.writeable

    def __len__(self) -> int:
        return len(self.stored if self.rows is None else self.rows)

    def __getitem__(self, rows: Any) -> FloatArray:
        return as_floats(self.as_stored(rows))

    def __iter__(self) -> Iterator[FloatArray]:
        for block in self.blocks():
            yield from block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        images: FloatArray = vars(self).get("floats")  # type: ignore[assignment]
        images = self[:] if images is None else images
        return images if dtype is None else images.astype(dtype, copy=False)

    def __reduce__(self) -> Any:
        return Pixels, (np.array(self.as_stored(slice(None))),)

    @cached_property
    def floats(self) -> FloatArray:
        """All images as a float32 array, which is kept and cannot be changed."""
        return np.asarray(frozen(self.kept()[:]))

    def as_stored(self, rows: Any) -> NDArray[Any]:
        """Images as they are stored; no copy of all or of a slice."""
        if self.rows is not None:
            return self.stored[self.rows[rows]]
        is_all = isinstance(rows, slice) and rows == slice(None)
        return self.stored if is_all else self.stored[rows]

    def take(self, rows: Any) -> "Pixels":
        """Some of the images, without a copy of them."""
        every = np.arange(len(self)) if self.rows is None else self.rows
        return Pixels(self.stored, every[rows])

    def kept(self, rows: IntArray | None = None) -> "Pixels":
        """All or some of the images, which from now on nobody can change.

        They are copied, as they are stored, only where somebody could.
        """
        if self.is_fixed:
            return self if rows is None else self.take(rows)
        chosen = self.as_stored(slice(None) if rows is None else rows)
        is_copy = not np.may_share_memory(chosen, self.stored)
        own = np.ascontiguousarray(chosen) if is_copy else np.array(chosen, order="C")
        return Pixels(frozen(own))

    def blocks(self) -> Iterator[FloatArray]:
        """All images in order, so many at once as take little memory."""
        size = max(1, _BLOCK_BYTES // (4 * int(np.prod(self.shape[1:])) or 1))
        for start in range(0, len(self), size):
            yield self[start : start + size]


def as_floats(image: NDArray[Any]) -> FloatArray:
    """Maps 8-bit images to `[-1, 1]`, where floats are already."""
    return unit_range(image) if image.dtype == np.uint8 else image


def settled(image: FloatArray) -> FloatArray:
    """An image of 8 bits as `as_floats` makes it, if other arithmetic made it floats.

    `bytes / 127.5 - 1` in float64 gives every second value another last bit, by which
    copies of an image would go unnoticed. Other images stay as they are.
    """
    made = unit_range(eight_bits(image))
    return made if np.abs(made - image).max(initial=0) < ROUNDING else image


def frozen(array: Any) -> Any:
    """The array, which from now on cannot be changed."""
    array.flags.writeable = False
    return array


def range_of(data: Any, value_range: ValueRange | None) -> ValueRange | None:
    """The range of images as they were given; `Pixels` are in `[-1, 1]` already."""
    first = data.given[0] if isinstance(data, HoldsPixels) else data
    return None if isinstance(first, Pixels) else value_range


def as_pixels(
    images: Any,
    name: str = "images",
    image_shape: tuple[int, int, int] | None = None,
    value_range: ValueRange | None = None,
) -> Pixels:
    """Images that are checked as `check_images` does, and stay as they are stored."""
    if not isinstance(images, Pixels):
        checked = check_images(images, name, image_shape, value_range, keep_bytes=True)
        return Pixels(checked)
    check_images(images[:1], name, image_shape)
    return images


class HoldsPixels:
    """Mixed into a tuple whose first field are images: `Pixels`, or a plain array.

    They become floats when these are asked for, which then take their place.
    """

    @cached_property
    def images(self) -> Any:
        """Float32 array `(num_images, height, width, channels)` in `[-1, 1]`."""
        images = self.held[0]
        return images[:] if isinstance(images, Pixels) else images

    @property
    def given(self) -> tuple[Any, ...]:
        """The fields as they were given; a plain array of images is not checked."""
        fields: Any = tuple.__getitem__(self, slice(None))  # type: ignore[call-overload]
        return tuple(fields)

    @property
    def held(self) -> tuple[Any, ...]:
        """The fields, with floats that were made of the images in their place."""
        return vars(self).get("images", self.given[0]), *self.given[1:]

    @property
    def pixels(self) -> Pixels:
        """The images, read by rows."""
        images = self.held[0]
        return images if isinstance(images, Pixels) else Pixels(np.asarray(images))

    def __iter__(self) -> Iterator[Any]:
        yield self.images
        yield from self.held[1:]

    def __getitem__(self, key: Any) -> Any:
        is_rest = isinstance(key, int) and key % len(self.held) != 0
        return self.held[key] if is_rest else tuple(self)[key]

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.held
