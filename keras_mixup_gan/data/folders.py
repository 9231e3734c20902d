"""A folder of images: its files in a fixed order, and its sub-folders as classes."""

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_mixup_gan.data import cache
from keras_mixup_gan.data.classes import Images
from keras_mixup_gan.data.images import EXTENSIONS, Options, read_image
from keras_mixup_gan.data.pixels import Pixels
from keras_mixup_gan.storage import path_of
from keras_mixup_gan.typing import IntArray

# What lies beside images and says something about them is left out without a word.
_TEXTS = {
    *(".txt", ".md", ".rst", ".html", ".htm", ".pdf", ".url", ".log", ".py", ".ipynb"),
    *(".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini"),
    *(".db", ".md5", ".sha256", ".sums"),
}
_TEXTS_WITHOUT_SUFFIX = {
    *("README", "LICENSE", "LICENCE", "COPYING", "NOTICE", "CHANGELOG", "CHANGES"),
    *("AUTHORS", "VERSION", "CITATION", "MD5SUMS", "SHA256SUMS"),
}


class _Listing(NamedTuple):
    """Images by the sub-folder that they are in, `""` for none; and other files."""

    images: dict[str, list[Path]]
    left_out: list[Path]


def load_folder(source: Any, options: Options) -> Images:
    """The images of a folder, with labels and names where it has class sub-folders."""
    folder = path_of(source)
    files, labels, names = _by_class(folder)
    return Images(_pixels(folder, files, options), labels, names)


def _pixels(folder: Path, files: list[Path], options: Options) -> Pixels:
    """The images of the files, in their order."""

    def begin(start: int) -> Iterator[tuple[str, NDArray[Any]]]:
        for file in files[start:]:
            yield f"The image {file}", read_image(file, options.value_range)

    return cache.gather(folder, "", files, len(files), begin, options)


def image_names(folder: Path) -> tuple[str, ...]:
    """Where the images of a folder lie in it, in the order of `load_folder`."""
    folder = path_of(folder)
    files = (file for found in _list(folder).images.values() for file in found)
    return _names(files, folder)


def checked_names(folder: Path) -> tuple[str, ...]:
    """The same, once `load_folder` would have read them."""
    return _names(_by_class(folder)[0], folder)


def _names(files: Iterable[Path], folder: Path) -> tuple[str, ...]:
    return tuple(file.relative_to(folder).as_posix() for file in files)


def _by_class(
    folder: Path,
) -> tuple[list[Path], IntArray | None, list[str] | None]:
    """All images, and where sub-folders are classes their numbers and names."""
    try:
        listing = _list(folder)
    except OSError as error:
        raise ValueError(
            f"The folder {folder} cannot be read ({error.strerror or error}). Expected "
            "images in folders that may be opened. Change its permissions."
        ) from error
    loose = listing.images[""]
    classes = {name: files for name, files in listing.images.items() if files and name}
    if loose and classes:
        raise ValueError(
            f"The folder {folder} holds images both directly and in sub-folders. "
            "Expected either one flat folder, or one sub-folder per class. Received: "
            f"{len(loose)} loose files, the first being {loose[0].name}. Move them "
            "into a class or away."
        )
    if not loose and not classes:
        raise ValueError(
            f"The folder {folder} holds no images. Expected files ending in "
            f"{', '.join(EXTENSIONS)}, directly or in one sub-folder per class. "
            f"Received: {_counted(listing.left_out)}. Check the path."
        )
    _tell_what_is_missing(folder, listing)
    if loose:
        return loose, None, None
    sizes = [len(files) for files in classes.values()]
    labels = np.repeat(np.arange(len(classes), dtype="int64"), sizes)
    return [file for files in classes.values() for file in files], labels, [*classes]


def _tell_what_is_missing(folder: Path, listing: _Listing) -> None:
    """Warns, once for a folder, of files that are no images and of empty classes."""
    sentences = []
    if listing.left_out:
        sentences.append(
            f"Left out of the folder {folder}: {_counted(listing.left_out)}. Expected "
            f"images ending in {', '.join(EXTENSIONS)}. Convert or remove the others."
        )
    empty = [name for name, files in listing.images.items() if name and not files]
    if empty and not listing.images[""]:
        sentences.append(
            f"No images of their own are in {len(empty)} sub-folders of {folder}, the "
            f"first being {empty[0]!r}: the classes are numbered without them. Fill or "
            "remove them."
        )
    if sentences:
        warnings.warn(" ".join(sentences), stacklevel=5)  # who called `load_images`


def _counted(files: list[Path]) -> str:
    """How many files, and the first of them."""
    if not files:
        return "no files"
    broken = ", a link to nothing" if not files[0].exists() else ""
    return f"{len(files)} other files, the first being {files[0]}{broken}"


def _list(folder: Path) -> _Listing:
    """All files below a folder, where each real folder is visited once.

    Links may form circles. A sub-folder comes before links to it from elsewhere.
    """
    seen: set[tuple[int, int]] = set()
    _is_new(folder, seen)
    entries = _visible(folder)
    subs = [path for path in entries if path.is_dir()]
    own = {sub for sub in sorted(subs, key=Path.is_symlink) if _is_new(sub, seen)}
    found = {"": [path for path in entries if not path.is_dir()]}
    found |= {sub.name: [*_walk(sub, seen)] if sub in own else [] for sub in subs}
    listing = _Listing({name: [] for name in found}, [])
    for name, paths in found.items():
        for path in paths:
            if path.suffix.lower() in EXTENSIONS and path.is_file():
                listing.images[name].append(path)
            elif not _is_text(path):
                listing.left_out.append(path)
    return listing


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    waiting = _visible(folder)[::-1]
    while waiting:
        path = waiting.pop()
        if not path.is_dir():
            yield path
        elif _is_new(path, seen):
            waiting += reversed(_visible(path))


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder, by whatever path, was not visited yet; from now on it was."""
    status = folder.stat()
    identity = status.st_dev, status.st_ino
    is_new = identity not in seen
    seen.add(identity)
    return is_new


def _visible(folder: Path) -> list[Path]:
    """The entries of a folder by name, without hidden files and archive leftovers."""
    names = (path for path in folder.iterdir() if path.name != "__MACOSX")
    return sorted(path for path in names if not path.name.startswith("."))


def _is_text(path: Path) -> bool:
    return path.suffix.lower() in _TEXTS or path.name in _TEXTS_WITHOUT_SUFFIX
