"""`.npz` archives of images: read whole, or by rows where the images are many."""

import math
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_mixup_gan.data import cache, dpimagebench
from keras_mixup_gan.data.images import Options
from keras_mixup_gan.data.pixels import Pixels
from keras_mixup_gan.storage import (
    PackedArray,
    check_memory,
    path_of,
    read_arrays,
    reading,
)
from keras_mixup_gan.validation import check_choice, check_images

_WRITTEN = "plain arrays written by `np.savez(path, images=..., labels=...)`"
_REMEDY = "Write it again."
_BLOCK_BYTES = 2**20  # that are read at once


def npz_part(source: str | os.PathLike[str]) -> tuple[Path, str]:
    """The path of an archive and the part of it that is meant, if one is."""
    path = path_of(source)
    name, colon, part = path.name.rpartition(":")
    if not colon or not name.lower().endswith(".npz"):
        return path, ""
    return path.with_name(name), part


def is_npz(source: Any) -> bool:
    """Whether this is the path of an archive that is there, or of a part of one."""
    path, _ = npz_part(source)
    return path.suffix.lower() == ".npz" and os.path.isfile(path)


def npz_names(source: Any) -> tuple[str, ...] | None:
    """Names of the files that the images of a part of an archive were."""
    path, part = npz_part(source)
    if not part:
        return None
    arrays = read_arrays(path, "a split", _REMEDY, cache.LIMIT)
    names = _unpacked(path, arrays.get(f"{part}_names"))
    return None if names is None else tuple(map(str, names.tolist()))


def read_npz(source: Any, options: Options) -> tuple[Pixels, Any, Any]:
    """Images, which are checked, and labels and names of classes, which are not."""
    path, part = npz_part(source)
    arrays = read_arrays(path, _WRITTEN, _REMEDY, cache.LIMIT)
    if part:  # of `keras-mixup-gan split`
        check_choice(part, arrays, f"part of {path}")
        arrays |= {"images": arrays[part]}
        arrays.pop("labels", None)
        if f"{part}_labels" in arrays:
            arrays["labels"] = arrays[f"{part}_labels"]
    if is_bench := dpimagebench.is_one(arrays):
        arrays = dpimagebench.renamed(arrays, f" of {path}")
    if "images" not in arrays:
        raise ValueError(
            f"The file {path} has no array called 'images'. Expected 'images' and, "
            f"optionally, 'labels'. Received: {list(arrays)}. Write it with "
            "`np.savez(path, images=..., labels=...)`."
        )

    def check(images: NDArray[Any]) -> NDArray[Any]:
        if is_bench:
            return dpimagebench.to_images(images, f" of {path}")
        ends = options.value_range
        return check_images(images, f"images of {path}", None, ends, keep_bytes=True)

    def begin(start: int) -> Iterator[tuple[str, NDArray[Any]]]:
        for block in _blocks(path, images, start):
            for number, image in enumerate(check(block), start):
                yield f"Image {number}", image
            start += len(block)

    images = arrays["images"]
    if _has_rows(images):
        pixels = cache.gather(path, part, [path], images.shape[0], begin, options)
    else:
        pixels = Pixels(check(_unpacked(path, images)))
    labels, names = (_unpacked(path, arrays.get(n)) for n in ("labels", "class_names"))
    return pixels, labels, None if names is None else names.tolist()


def _unpacked(path: Path, array: Any) -> Any:
    """An array that was left packed, or what else there is."""
    if not isinstance(array, PackedArray):
        return array
    with reading(path, _WRITTEN, _REMEDY), zipfile.ZipFile(path) as archive:
        check_memory(array.info.file_size, "its arrays")
        return array.unpack(archive)


def _has_rows(array: Any) -> bool:
    """Whether these are packed images, one after the other."""
    if not isinstance(array, PackedArray) or array.is_fortran:
        return False
    return len(array.shape) == 4 and 0 not in array.shape


def _blocks(path: Path, array: PackedArray, start: int) -> Iterator[NDArray[Any]]:
    """The rows of a packed array from one on, some at a time.

    Those before it are read too, since the checksum at the end is that of all.
    """
    size = array.dtype.itemsize * math.prod(array.shape[1:])
    step = max(1, _BLOCK_BYTES // size)
    with (
        reading(path, _WRITTEN, _REMEDY),
        zipfile.ZipFile(path) as archive,
        archive.open(array.info) as stream,
    ):
        check_memory(size, "its images")
        stream.read(array.start)
        for row in range(0, array.shape[0], step):
            rows = min(step, array.shape[0] - row)
            values = np.frombuffer(stream.read(rows * size), array.dtype)
            block = values.reshape(rows, *array.shape[1:])
            if row + rows > start:
                yield block[max(0, start - row) :]
