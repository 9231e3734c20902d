"""Reads a folder of image files; its sub-folders are the classes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from keras_mixup_gan.data.shapes import Shape, stack_images, unit_range
from keras_mixup_gan.typing import FloatArray, IntArray

EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


def load_folder(
    folder: Path, image_shape: Shape | None, crop_to_aspect_ratio: bool
) -> tuple[FloatArray, IntArray | None]:
    """Returns the images of a folder, and labels where it has class sub-folders."""
    files, labels = _list_files(folder)
    named_images = ((f"The image {file}", read_image(file)) for file in files)
    images = stack_images(named_images, len(files), image_shape, crop_to_aspect_ratio)
    return images, labels


def read_image(file: Path) -> FloatArray:
    """Decodes one file to float32 `(height, width, 1 or 3)` in `[-1, 1]`.

    Photographs are turned upright as their camera says; transparency shows white.
    """
    try:
        with Image.open(file) as opened:
            opened.load()
            image = _without_alpha(ImageOps.exif_transpose(opened))
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"The image {file} could not be read ({error}). Expected a complete PNG, "
            "JPEG, BMP or WebP file. Replace it or remove it from the folder."
        ) from error
    if image.mode not in ("L", "RGB"):
        raise ValueError(
            f"The image {file} is not stored with 8 bits per channel. Expected gray "
            f"or RGB values of 0 to 255. Received: Pillow mode {image.mode!r}. Convert "
            "the file first, so that you choose how its range is mapped."
        )
    pixels = unit_range(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _without_alpha(image: Image.Image) -> Image.Image:
    """Returns the image in mode L or RGB, or unchanged where it is not 8-bit."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return image
    gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("L" if gray else "RGB")


def _list_files(folder: Path) -> tuple[list[Path], IntArray | None]:
    """The image files in a fixed order, with the index of their sub-folder if any."""
    loose = [path for path in _visible(folder) if _is_image(path)]
    classes = [
        files
        for sub in _visible(folder)
        if sub.is_dir() and (files := [path for path in _walk(sub) if _is_image(path)])
    ]
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
            "Check the path."
        )
    if loose:
        return loose, None
    sizes = [len(files) for files in classes]
    labels = np.repeat(np.arange(len(classes), dtype="int64"), sizes)
    return [file for files in classes for file in files], labels


def _walk(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def _visible(folder: Path) -> list[Path]:
    """The entries of a folder by name, without hidden files and archive leftovers."""
    names = (path for path in folder.iterdir() if path.name != "__MACOSX")
    return sorted(path for path in names if not path.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and path.is_file()
