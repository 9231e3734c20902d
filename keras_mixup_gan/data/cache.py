"""A cache of many images: read once into one file, of which rows are then read.

It holds `images.npy` and `about.json`, which is written after the rows that it counts,
with their digest. A file that is not as it says is written anew.
"""

import hashlib
import io
import itertools
import json
import math
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_mixup_gan.data.images import (
    Options,
    check_alike,
    fit_shape,
    stack_images,
)
from keras_mixup_gan.data.pixels import Pixels, as_floats
from keras_mixup_gan.storage import (
    DamagedFileError,
    digest_json,
    locked,
    path_of,
    read_json,
    reading,
    unseal,
    write_sealed,
)
from keras_mixup_gan.versions import versions_of

VARIABLE = "KERAS_MIXUP_GAN_CACHE"
LIMIT = 2**27  # bytes of images that are kept in memory
READER = 2  # raised by whoever changes what is read from a file
_NOTE_BYTES = 2**26  # that may have to be written again
_CHUNK_BYTES = 2**20
_npy: Any = np.lib.format


def cache_folder() -> Path:
    """Where images are kept: as the environment says, or where the system keeps such.

    That is the folder in `KERAS_MIXUP_GAN_CACHE`, or `keras-mixup-gan` in the user's
    cache directory.
    """
    if given := os.environ.get(VARIABLE):
        return path_of(given)
    home = path_of("~")
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = home / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return root / "keras-mixup-gan"


def gather(
    root: Path,
    part: str,
    files: Sequence[Path],
    count: int,
    begin: Callable[[int], Iterator[tuple[str, NDArray[Any]]]],
    options: Options,
) -> Pixels:
    """So many images in the shape asked for: in memory or, if they are many, in a file.

    `begin` is called with the number of an image, and gives it and those after it, each
    with a name for messages. They come from the `files` at or below the `root`, by
    whose sizes and dates changes are noticed, and are a `part` of what these hold.
    """
    named = begin(0)
    first_name, image = next(named)
    first = fit_shape(image, options, first_name)
    if count * first.nbytes <= LIMIT:
        named = itertools.chain([(first_name, first)], named)
        return stack_images(named, count, options)
    del named  # what it has open

    def fitted(start: int) -> Iterator[NDArray[Any]]:
        for name, image in begin(start):
            image = fit_shape(image, options, name)
            check_alike(image, name, first.shape, first_name)
            yield image

    listed = hashlib.sha256()
    for file in files:
        about, name = file.stat(), file.relative_to(root).as_posix()
        dates = f"{about.st_mtime_ns}\0{about.st_ctime_ns}"
        line = f"{name}\0{about.st_size}\0{dates}\n"
        listed.update(line.encode("utf-8", "surrogateescape"))
    source = f"{root.resolve()}:{part}" if part else str(root.resolve())
    readers = versions_of("pillow", "pydicom")
    known = {"files": listed.hexdigest(), "reader": READER, **readers}
    shape, crop, _, value_range = options
    chosen = [shape, crop, value_range]
    return Pixels(_cached(source, chosen, known, count, first, fitted))


def _cached(
    source: str,
    options: Sequence[Any],
    files: Mapping[str, Any],
    count: int,
    first: NDArray[Any],
    begin: Callable[[int], Iterator[NDArray[Any]]],
) -> NDArray[Any]:
    """So many images as one read-only array in a file, uint8 or float32.

    `begin` is called with the number of the first that is not there yet; all have the
    shape of the `first`. Each source and options have a file of their own, and `files`
    tells whether it is out of date. Killed at any moment, the same call goes on; while
    one writes, others wait.
    """
    about: dict[str, Any] = {"source": source, "options": options, **files}
    about = json.loads(json.dumps({**about, "shape": [count, *first.shape]}))
    folder = cache_folder() / digest_json([source, options])[:32]
    if _written(folder, about).rows < count:
        with locked(folder, wait=True):
            written = _written(folder, about)  # by another, meanwhile
            dtype = written.dtype or first.dtype.name
            size = math.prod(about["shape"]) * np.dtype(dtype).itemsize
            try:
                if written.rows < count:
                    _tell(folder, about, size, written.rows)
                    _write(folder, about, written, dtype, begin)
            except OSError as error:
                raise ValueError(
                    f"The cache of images cannot be written: {error.strerror or error}."
                    f" Expected room for {size / 1e9:.2f} GB. Received: {folder}. Set "
                    f"{VARIABLE} to a folder that has it."
                ) from error
    array: NDArray[Any] = np.load(
        folder / "images.npy", mmap_mode="r", allow_pickle=False
    )
    return array


class _Written(NamedTuple):
    """Rows of a file, their type and their digest so far, header included."""

    rows: int
    dtype: str
    digest: Any


def _tell(folder: Path, about: Mapping[str, Any], size: int, rows: int) -> None:
    """Warns of what is about to be written, once there is room for it."""
    count, free = about["shape"][0], shutil.disk_usage(folder).free
    if size > free + rows * size // count:
        raise OSError(f"{free / 1e9:.2f} GB are free")
    before = f"; {rows:,} are there" if rows else ""
    warnings.warn(
        f"The {count:,} images of {about['source']} are read once and kept in {folder},"
        f" which takes {size / 1e9:.2f} GB{before}. Delete it at any time, or set "
        f"{VARIABLE} to keep such elsewhere.",
        stacklevel=7,  # who called `load_images`
    )


def _header(about: Mapping[str, Any], dtype: str) -> bytes:
    """What an `.npy` file begins with."""
    stream: Any = io.BytesIO()
    content = {"descr": np.dtype(dtype).str, "fortran_order": False}
    _npy.write_array_header_1_0(stream, {**content, "shape": tuple(about["shape"])})
    return bytes(stream.getvalue())


def _written(folder: Path, about: Mapping[str, Any]) -> _Written:
    """What is in the file, if it is as it was noted and of the same images."""
    nothing = _Written(0, "", None)
    state, file = folder / "about.json", folder / "images.npy"
    if not (state.is_file() and file.is_file()):
        return nothing
    try:
        with reading(state, "what a cache holds", "Delete it."):
            noted = unseal(read_json(state, "what a cache holds", "Delete it."))
            rows, dtype, sha256 = map(noted.pop, ("rows", "dtype", "sha256"))
            if noted != about:
                return nothing
            size = rows * math.prod(about["shape"][1:]) * np.dtype(dtype).itemsize
            digest, left = hashlib.sha256(), len(_header(about, dtype)) + size
            with file.open("rb") as stream:
                while chunk := stream.read(min(left, _CHUNK_BYTES)):
                    digest.update(chunk)
                    left -= len(chunk)
    except DamagedFileError:
        return nothing
    intact = left == 0 and digest.hexdigest() == sha256
    return _Written(rows, dtype, digest) if intact else nothing


def _write(
    folder: Path,
    about: Mapping[str, Any],
    written: _Written,
    dtype: str,
    begin: Callable[[int], Iterator[NDArray[Any]]],
) -> None:
    """Writes the rows that are missing, and notes now and then how many there are."""
    file, state = folder / "images.npy", folder / "about.json"
    count, rows, digest = about["shape"][0], written.rows, written.digest
    header = _header(about, dtype)
    if not rows:
        for path in (state, file):  # others may still read the old file: not in place
            path.unlink(missing_ok=True)
        file.touch(0o600)  # the images may be private
        digest = hashlib.sha256(header)
        file.write_bytes(header)
    size = math.prod(about["shape"][1:]) * np.dtype(dtype).itemsize
    with file.open("r+b") as stream:
        stream.truncate(len(header) + rows * size)
        stream.seek(0, os.SEEK_END)

        def note(rows: int) -> None:
            stream.flush()
            os.fsync(stream.fileno())
            content = {"rows": rows, "dtype": dtype, "sha256": digest.hexdigest()}
            write_sealed(state, {**about, **content})

        noted = rows
        for row, image in zip(range(rows, count), begin(rows), strict=True):
            if dtype != "uint8":
                image = as_floats(image)
            elif image.dtype != np.uint8:
                break
            values = np.ascontiguousarray(image, dtype).data
            stream.write(values)
            digest.update(values)
            if (row + 1 - noted) * size >= _NOTE_BYTES and row + 1 < count:
                note(noted := row + 1)
        else:  # read to the end, which may tell that all were damaged
            note(count)
            return
    # An image that is not of 8 bits: all become floats.
    _write(folder, about, _Written(0, "", None), "float32", begin)
