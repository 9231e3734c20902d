"""Images by Pillow: read from files, brought to one shape, stacked in one array."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageOps

from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer

Shape: TypeAlias = tuple[int, int, int]

EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
# ITU-R BT.601 luma, the weights that Pillow and TensorFlow use as well.
_LUMA = np.array([0.299, 0.587, 0.114], "float32")


class Options(NamedTuple):
    """How images are to be loaded; see `load_images`."""

    image_shape: Shape | None = None
    crop_to_aspect_ratio: bool = False
    data_dir: Path | None = None


# === Files ===


def load_folder(source: Any, options: Options) -> tuple[FloatArray, IntArray | None]:
    """Returns the images of a folder, and labels where it has class sub-folders."""
    files, labels = _list_files(Path(source).expanduser())
    named_images = ((f"The image {file}", read_image(file)) for file in files)
    return stack_images(named_images, len(files), options), labels


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


# === Shapes ===


def check_image_shape(image_shape: Any) -> Shape:
    """Returns `(height, width, channels)` as integers, if they are sizes."""
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


def fit_shape(image: FloatArray, options: Options, name: str) -> FloatArray:
    """Returns one image `(height, width, channels)` in the shape asked for, if any.

    Pillow's triangle filter widens with the reduction (antialiasing), and unlike
    bicubic and Lanczos filters it never overshoots `[-1, 1]`. It works on floats.
    """
    shape = options.image_shape
    if shape is None or image.shape == shape:
        return image
    height, width, channels = shape
    if image.shape[2] == 3 and channels == 1:
        image = (image @ _LUMA)[..., None]
    elif image.shape[2] not in (1, channels) or channels not in (1, 3, image.shape[2]):
        raise ValueError(
            f"{name} has {image.shape[2]} channels and cannot become {channels}. "
            "Expected the same number, or a conversion between 1 (gray) and 3 (RGB). "
            f"Received: image_shape={shape}."
        )
    if image.shape[:2] != (height, width):
        crop = options.crop_to_aspect_ratio
        box = _centered_box(image, height / width) if crop else None
        planes = [
            Image.fromarray(np.ascontiguousarray(plane, "float32")).resize(
                (width, height), Image.Resampling.BILINEAR, box=box
            )
            for plane in np.moveaxis(image, -1, 0)
        ]
        image = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    if image.shape[2] != channels:
        image = np.repeat(image, channels, axis=2)
    return np.clip(image, -1.0, 1.0)


def stack_images(
    named_images: Iterable[tuple[str, FloatArray]], count: int, options: Options
) -> FloatArray:
    """Stacks `count` images, which come with names for messages.

    They are brought to the options' shape, or must share one where that is `None`.
    """
    stacked = np.empty((0,), "float32")
    first = ""
    for i, (name, image) in enumerate(named_images):
        image = fit_shape(image, options, name)
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
