"""Images by Pillow: read from files, brought to one shape, stacked in one array."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from keras_mixup_gan.data.dicom import read_dicom
from keras_mixup_gan.data.pixels import Pixels, as_floats, frozen
from keras_mixup_gan.storage import check_memory
from keras_mixup_gan.validation import (
    ValueRange,
    check_integer,
    from_range,
    reason_of,
)

Shape: TypeAlias = tuple[int, int, int]
# A shape to bring images to; no channels for those that each image has.
WantedShape: TypeAlias = tuple[int, int, int | None]

EXTENSIONS = (".bmp", ".dcm", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# Pillow knows forty more, and starts other programs for some of them.
_FORMATS = ("BMP", "JPEG", "PNG", "WEBP")
_TIFF = (".tif", ".tiff")
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
# More than cameras make, and less than what would fill a machine's memory.
_MAX_PIXELS, _MAX_SIDE, _MAX_BYTES = 2**26, 2**16, 2**28
# ITU-R BT.601 luma, the weights that Pillow and TensorFlow use as well.
_LUMA = np.array([0.299, 0.587, 0.114], "float32")
_ROWS = 1024  # that are converted to floats at once


class DeepImageError(ValueError):
    """An image of more than 8 bits per channel, whose range nobody has told."""


class Options(NamedTuple):
    """How images are to be loaded; see `load_images`."""

    image_shape: WantedShape | None = None
    crop_to_aspect_ratio: bool = False
    data_dir: Path | None = None
    value_range: ValueRange | None = None


# === Files ===


def read_image(file: Path, value_range: ValueRange | None = None) -> NDArray[Any]:
    """Decodes one file to uint8 `(height, width, 1 or 3)`, unless it is huge.

    Gray of more bits is read with a `value_range`, as float32 in `[-1, 1]`, and DICOM
    as `read_dicom` does. Photographs are turned upright as their camera says;
    transparency shows white.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES} bytes")
        if (suffix := file.suffix.lower()) == ".dcm":
            return read_dicom(file, _MAX_PIXELS, value_range)
        formats = ("TIFF",) if suffix in _TIFF else _FORMATS
        with file.open("rb") as stream, Image.open(stream, formats=formats) as opened:
            pages = getattr(opened, "n_frames", 1) if suffix in _TIFF else 1
            if pages > 1:
                raise ValueError(f"it holds {pages} pages and not one image")
            if max(opened.size) > _MAX_SIDE or math.prod(opened.size) > _MAX_PIXELS:
                raise ValueError(
                    f"it has {opened.width} x {opened.height} pixels, and at most "
                    f"{_MAX_PIXELS} are read"
                )
            deep = _deep_mode(opened)
            is_plain = deep.startswith("I;") and not opened.has_transparency_data
            is_negative = _tag(opened, _PHOTOMETRIC, 1) == 0
            if is_read := not deep or (is_plain and value_range is not None):
                opened.load()
                ImageOps.exif_transpose(opened, in_place=True)
                pixels = np.asarray(opened if deep else _without_alpha(opened))
    except ImportError:  # an extra that is missing
        raise
    except Exception as error:  # damaged files make Pillow raise about anything
        reason = reason_of(error)
        raise ValueError(
            f"The image {file} could not be read ({reason}). Expected a complete PNG, "
            "JPEG, BMP, WebP, TIFF or DICOM file. Replace it or remove it from the "
            "folder."
        ) from error
    if not is_read:
        way = "Pass `value_range=(0, 65535)`, or what is black and white in it, or c"
        raise DeepImageError(
            f"The image {file} is not stored with 8 bits per channel. Expected gray "
            f"or RGB values of 0 to 255. Received: {deep!r}, which Pillow would cut to "
            f"8 bits. {way if is_plain else 'C'}onvert the file to 8 bits first, so "
            "that you choose how its range is mapped."
        )
    if deep and value_range is not None:
        pixels = from_range(pixels, value_range, f"the image {file}")
        if is_negative:  # which Pillow turns round at 8 bits alone
            pixels = -pixels
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _deep_mode(opened: Image.Image) -> str:
    """The mode in which a file stores more bits per channel; empty where it has 8."""
    if opened.format == "TIFF":
        bits = _tag(opened, _BITS, 1)
        if bits > 8:
            return f"{opened.mode.partition(';')[0]};{bits}"
        if _tag(opened, _SAMPLE_FORMAT, 1) != 1:
            raise ValueError(f"its {bits} bits have a sign")
    if opened.format != "PNG":  # no other can
        return ""
    stored = (np.ravel(tile[3])[0] for tile in getattr(opened, "tile", ()))
    return next((str(mode) for mode in stored if ";16" in str(mode)), "")


def _tag(opened: Image.Image, number: int, default: int) -> int:
    """The largest value of a tag of a TIFF file; the default where it has none."""
    return int(np.max(getattr(opened, "tag_v2", {}).get(number, default)))


def _without_alpha(image: Image.Image) -> Image.Image:
    """Returns the image in mode L or RGB."""
    gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    mode = "L" if gray else "RGB"
    return image if image.mode == mode else image.convert(mode)


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
    if max(height, width) > _MAX_SIDE or height * width * channels > _MAX_PIXELS:
        raise ValueError(
            f"`image_shape` must hold at most {_MAX_PIXELS} values. Received: "
            f"image_shape={image_shape!r}. Choose smaller images."
        )
    return int(height), int(width), int(channels)


def has_shape(shape: tuple[int, ...], wanted: WantedShape | None) -> bool:
    """Whether an image of this shape needs no change."""
    return wanted is None or shape == (*wanted[:2], wanted[2] or shape[2])


def fit_shape(image: NDArray[Any], options: Options, name: str) -> NDArray[Any]:
    """Returns one image `(height, width, channels)` in the shape asked for, if any.

    What has it stays as it is; others become floats. Pillow's triangle filter widens
    with the reduction (antialiasing), and unlike bicubic and Lanczos filters it never
    overshoots `[-1, 1]`. It works on floats.
    """
    shape = options.image_shape
    if shape is None or has_shape(image.shape, shape):
        return image
    height, width = shape[:2]
    channels = image.shape[2] if shape[2] is None else shape[2]
    if image.shape[2] == 3 and channels == 1:
        gray = np.empty(image.shape[:2], "float32")
        for start in range(0, len(image), _ROWS):
            rows = slice(start, start + _ROWS)
            gray[rows] = as_floats(image[rows]) @ _LUMA
        image = gray[..., None]
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
            Image.fromarray(np.ascontiguousarray(as_floats(plane), "float32")).resize(
                (width, height), Image.Resampling.BILINEAR, box=box
            )
            for plane in np.moveaxis(image, -1, 0)
        ]
        image = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    if image.shape[2] != channels:
        image = np.repeat(image, channels, axis=2)
    return np.clip(as_floats(image), -1.0, 1.0)


def stack_images(
    named_images: Iterable[tuple[str, NDArray[Any]]], count: int, options: Options
) -> Pixels:
    """Stacks `count` images, 8-bit or floats, which come with names for messages.

    They are brought to the options' shape, or must share one where that is `None`, and
    stay 8-bit if they all are so then.
    """
    stacked: NDArray[Any] = np.empty((0,), "uint8")
    first = ""
    for i, (name, image) in enumerate(named_images):
        image = fit_shape(image, options, name)
        if i == 0:
            check_memory(count * image.nbytes, f"{count} images {image.shape}")
            stacked, first = np.empty((count, *image.shape), image.dtype), name
        check_alike(image, name, stacked.shape[1:], first)
        if image.dtype != np.uint8 and stacked.dtype == np.uint8:
            stacked = as_floats(stacked)
        stacked[i] = image if stacked.dtype == np.uint8 else as_floats(image)
    return Pixels(frozen(stacked) if stacked.dtype == np.uint8 else stacked)


def check_alike(
    image: NDArray[Any], name: str, shape: tuple[int, ...], first: str
) -> None:
    """Raises unless an image has the shape of the first."""
    if image.shape != shape:
        raise ValueError(
            f"{name} has another shape than {first}. Expected images of one shape, "
            "(height, width, channels). Received: "
            f"{image.shape} after {shape}. Pass `image_shape=` to "
            "resize and convert them all."
        )


def _centered_box(
    image: NDArray[Any], aspect_ratio: float
) -> tuple[float, float, float, float]:
    """The largest centered box of `height / width` equal to `aspect_ratio`."""
    rows, columns = image.shape[:2]
    height = min(rows, columns * aspect_ratio)
    width = min(columns, rows / aspect_ratio)
    left, top = (columns - width) / 2, (rows - height) / 2
    return left, top, left + width, top + height
