"""Checks of what users pass in: each failure says in one sentence how to mend it."""

import difflib
import warnings
from collections.abc import Collection, Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_mixup_gan.storage import blocks_of
from keras_mixup_gan.typing import FloatArray, IntArray

# Of which one-hot rows still fit into memory.
MAX_CLASSES = 2**16
# So many images tell whether pixels that are never negative are of another range,
_MANY_IMAGES = 16
# unless that were so by chance, for images like the others, with this probability.
_BY_CHANCE = 1e-3
# How far pixels of [-1, 1] may be outside, as rounding puts them.
ROUNDING = 1e-3
# How far a row of labels may be from a sum of 1; half precision is that coarse.
LABEL_TOLERANCE = 0.01

ValueRange: TypeAlias = tuple[float, float]


# === Images ===


def reason_of(error: BaseException, most: int = 200) -> str:
    """What another library says of an error, in one line of so many characters."""
    return " ".join(str(error).split())[:most] or type(error).__name__


def check_images(
    images: Any,
    name: str = "images",
    image_shape: tuple[int, int, int] | None = None,
    value_range: ValueRange | None = None,
    *,
    keep_bytes: bool = False,
) -> FloatArray:
    """Returns a batch of images in `[-1, 1]` as float32, copied only if need be.

    uint8 images are mapped from 0..255, and all others from `value_range`, by default
    `[-1, 1]` of floating point. Messages call them `name`; where `image_shape` is
    given, they must have it. With `keep_bytes` uint8 images stay as they are.
    """
    images = as_array(images, name)
    if images.ndim != 4:
        raise ValueError(
            f"`{name}` must be a batch of images of shape (num_images, height, "
            f"width, channels). Received: shape={images.shape}. Add the missing "
            "axes, e.g. `images[..., None]` for gray images without a channel axis."
        )
    if image_shape is not None and images.shape[1:] != tuple(image_shape):
        raise ValueError(
            f"`{name}` must hold images of shape {tuple(image_shape)}. Received: "
            f"{images.shape[1:]}. Resize the images, or build the model with "
            "`image_shape=` of the data."
        )
    if images.size == 0:
        raise ValueError(
            f"`{name}` must hold at least one image. Received: an empty array of "
            f"shape {images.shape}. Check the folder or the filter it came from."
        )
    if images.dtype == np.uint8:
        return images if keep_bytes else unit_range(images)
    kind = images.dtype.kind
    if kind not in ("f" if value_range is None else "fiu"):
        raise ValueError(
            f"`{name}` must be floating point in [-1, 1], or uint8. Received: "
            f"dtype={images.dtype}. Pass `value_range=(low, high)`, the values that "
            "are to become -1 and 1, such as (0, 65535), to `data.load_images`, or "
            "convert values of 0 to 255 by `images / 127.5 - 1`."
        )
    if not np.isfinite(float(images.min()) + float(images.max())):
        raise ValueError(
            f"`{name}` must be finite. Received: {int((~np.isfinite(images)).sum())} "
            "values that are NaN or infinite. Remove or repair those images."
        )
    ends = (-1, 1) if value_range is None else check_value_range(value_range)
    return from_range(images, ends, f"`{name}`")


def from_range(values: NDArray[Any], value_range: ValueRange, what: str) -> FloatArray:
    """Values that are checked to lie in a range as float32 values in `[-1, 1]`.

    Those of `[-1, 1]` are copied only if need be; floats that rounding put just outside
    are clipped.
    """
    low, high = value_range
    least, most = float(values.min()), float(values.max())
    is_mapped = (low, high) != (-1, 1)
    slack = ROUNDING * (high - low) / 2 if values.dtype.kind == "f" else 0
    if least < low - slack or most > high + slack:
        mend = "Rescale them, e.g. `images / 127.5 - 1` for a 0-255 range."
        if is_mapped:
            mend = "Pass what is to become -1 and 1 as `value_range`."
        raise ValueError(
            f"{what} must lie in [{low:g}, {high:g}]. Received: values in "
            f"[{least:g}, {most:g}]. {mend}"
        )
    if is_mapped:
        values = unit_range(values, value_range)
    values = values.astype("float32", copy=False)
    return np.clip(values, -1, 1) if least < low or most > high else values


def unit_range(images: Any, value_range: ValueRange = (0, 255)) -> FloatArray:
    """Maps values of a range, by default 8 bits, to float32 values in `[-1, 1]`."""
    low, high = value_range
    scaled = np.asarray(images).astype("float32")
    if low:
        scaled -= low
    scaled /= (high - low) / 2
    scaled -= 1.0
    return np.clip(scaled, -1, 1, out=scaled) if low else scaled


def eight_bits(images: FloatArray) -> NDArray[np.uint8]:
    """Maps values in `[-1, 1]` to the nearest of 8 bits, 0..255."""
    return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype("uint8")


def check_value_range(value_range: Any) -> ValueRange:
    """Returns the two ends of a range of pixels as numbers."""
    ends = value_range if isinstance(value_range, (tuple, list)) else ()
    is_pair = len(ends) == 2 and all(map(_is_number, ends))
    if not (is_pair and -np.inf < ends[0] < ends[1] < np.inf):
        raise ValueError(
            "`value_range` must be two finite numbers in ascending order. Received: "
            f"value_range={value_range!r}. Write e.g. (0, 1), or leave it out for "
            "images in [-1, 1]."
        )
    return float(ends[0]), float(ends[1])


def as_array(values: Any, name: str) -> np.ndarray[Any, Any]:
    """An array of what may be a list, a tensor or a torch tensor; the latter as NHWC.

    A batch of torch images has its channels first: 1 or 3, where the last axis is not.
    """
    is_torch = hasattr(values, "detach")
    try:
        array = plain_array(values)
    except ValueError:  # nested sequences of unequal lengths
        array = np.empty((), dtype=object)
    if array.dtype == object and array.ndim == 0:
        raise ValueError(
            f"`{name}` must be an array. Expected numbers of one shape. Received: a "
            f"{type(values).__name__}. Stack them in one array first."
        )
    if is_torch and array.ndim == 4:
        if array.shape[1] in (1, 3) and array.shape[3] not in (1, 3):
            array = np.moveaxis(array, 1, 3)
    return array


def plain_array(values: Any) -> np.ndarray[Any, Any]:
    """An array of a tensor of any library, with or without gradients, on any device."""
    if not hasattr(values, "detach"):
        return np.asarray(values)
    values = values.detach().cpu()
    try:
        return np.asarray(values.numpy())
    except TypeError:  # bfloat16, which NumPy does not know
        return np.asarray(values.float().numpy())


def warn_of_range(images: Any, name: str, stacklevel: int = 3) -> None:
    """Warns of many images in `[-1, 1]` that look like images of another range."""
    least, most = np.inf, -np.inf
    for block in blocks_of(images):
        least, most = min(least, float(block.min())), max(most, float(block.max()))
        if least < 0 and most >= -0.99:
            return
    if len(images) >= _MANY_IMAGES and least < most:
        warnings.warn(
            range_warning(name, len(images), least, most), stacklevel=stacklevel
        )


def range_warning(name: str, num_images: int, least: float, most: float) -> str:
    """What is said of images whose range is suspicious."""
    looks, mend = "[0, 1]", "Rescale them, `images * 2 - 1`"
    if most < 0:
        looks, mend = "0 and 1 in uint8", "Pass them as `images * 255`"
    return (
        f"`{name}` look like images of the range {looks}. Expected [-1, 1], where -1 "
        f"is black and 1 is white. Received: {num_images} images with values in "
        f"[{least:g}, {most:g}]. {mend}, unless they are as they should be."
    )


def check_same_range(stated: Collection[str] = (), /, **sides: Any) -> None:
    """Raises a `ValueError` if only one of two sides looks like images in `[0, 1]`.

    That is one without a negative value, as no image of the other side is by nature,
    unless its range is `stated`, as eight bits do.
    """
    bright = {
        name: np.concatenate(
            [(part >= 0).reshape(len(part), -1).all(axis=1) for part in blocks_of(side)]
        )
        for name, side in sides.items()
    }
    for name, images in sides.items():
        if name in stated or not bright[name].all() or _is_flat(images):
            continue
        for other, are_bright in bright.items():
            # The rule of succession: how often an image of the other side is bright.
            rate = (are_bright.sum() + 1) / (len(are_bright) + 2)
            if rate ** len(images) < _BY_CHANCE:
                raise ValueError(
                    f"`{name}` and `{other}` look like images of two ranges. Expected "
                    f"[-1, 1] of both. Received: no negative value in `{name}`, and "
                    f"some in `{other}`. Rescale `{name}`, e.g. `images * 2 - 1` for "
                    "[0, 1], or pass `value_range=(0, 1)`; or pass "
                    "`value_range=(-1, 1)` if they are as they should be."
                )


def _is_flat(images: Any) -> bool:
    ends = [(part.min(), part.max()) for part in blocks_of(images)]
    return bool(min(low for low, _ in ends) == max(high for _, high in ends))


# === Labels ===


def check_classes(
    labels: Any,
    num_images: int,
    name: str = "labels",
    num_classes: int | None = None,
) -> FloatArray | IntArray:
    """Returns class labels as int64 `(num_images,)`, or as float32 rows.

    Rows are non-negative and sum to 1, to within `LABEL_TOLERANCE`. A column of
    integers, as Keras ships the labels of CIFAR, is taken for a vector.
    """
    labels = as_array(labels, name)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    is_rows = labels.ndim == 2 and labels.shape[1] == (num_classes or labels.shape[1])
    kinds = "biuf" if is_rows else "iu"
    if (
        not (is_rows or labels.ndim == 1)
        or len(labels) != num_images
        or labels.dtype.kind not in kinds
    ):
        raise ValueError(
            f"`{name}` must be {num_images} integers, or rows of shape ({num_images}, "
            f"{num_classes or 'num_classes'}). Received: shape={labels.shape}, "
            f"dtype={labels.dtype}."
        )
    if not is_rows:
        last = (num_classes or MAX_CLASSES) - 1
        # Before the conversion, which wraps numbers of 64 bits without a sign.
        if num_images and not (0 <= labels.min() and labels.max() <= last):
            raise ValueError(
                f"`{name}` must lie in 0 to {last}. Received: values from "
                f"{labels.min()} to {labels.max()}. Number them from 0, e.g. by "
                "`np.unique(labels, return_inverse=True)[1]`, or build the model with "
                "`num_classes=`."
            )
        return labels.astype("int64")
    rows = labels.astype("float32")
    error = np.abs(rows.sum(axis=1) - 1)
    if not (np.all(rows >= 0) and np.all(error <= LABEL_TOLERANCE)):
        raise ValueError(
            f"`{name}` must be shares of classes: rows, non-negative and of sum 1 to "
            f"within {LABEL_TOLERANCE}. Received: values from {rows.min():g} to "
            f"{rows.max():g}, sums from {rows.sum(axis=1).min():g} to "
            f"{rows.sum(axis=1).max():g}. Divide each row by its sum."
        )
    return rows


def check_labels(labels: Any, num_images: int, name: str = "labels") -> IntArray | None:
    """Returns class labels, if any, as int64 `(num_images,)`, also of one-hot rows."""
    if labels is None:
        return None
    classes: Any = check_classes(labels, num_images, name)
    if classes.ndim == 1:
        return np.asarray(classes)
    if np.any(classes.max(axis=1) != 1):
        raise ValueError(
            f"`{name}` must name one class for each image. Expected integers "
            f"({num_images},), or one-hot rows. Received: rows that are mixtures. Take "
            "`labels.argmax(axis=1)`."
        )
    return np.asarray(classes.argmax(axis=1))


def class_rows(
    labels: Any, num_classes: int | None, num_images: int, name: str = "labels"
) -> FloatArray | None:
    """Class labels as float32 rows `(num_images, num_classes)`.

    They may be integers or (soft) one-hot rows; without classes there are none.
    """
    if num_classes is None:
        if labels is not None:
            raise ValueError(
                "The model is unconditional. Expected no labels. Received: labels. "
                "Build it with `num_classes=` to make it conditional."
            )
        return None
    if labels is None:
        raise ValueError(
            f"The model is conditional. Expected class labels below {num_classes}. "
            "Received: images alone. Pass the labels too."
        )
    classes: Any = check_classes(labels, num_images, name, num_classes)
    if classes.ndim == 1:
        rows = np.zeros((num_images, num_classes), "float32")
        rows[np.arange(num_images), classes] = 1.0
        return rows
    return np.asarray(classes)


def rows_in_turn(number: int, num_classes: int) -> FloatArray:
    """One-hot rows, float32 `(number, num_classes)`, of all classes again and again."""
    return np.eye(num_classes, dtype="float32")[np.arange(number) % num_classes]


# === Scores ===


def finite_scores(scores: Any, name: str, num_images: int | None = None) -> FloatArray:
    """Returns scores as a float64 vector, one for each image, after checking them."""
    scores = np.asarray(scores, dtype="float64")
    if num_images is not None and scores.size == num_images:
        scores = scores.reshape(num_images)
    if scores.ndim != 1 or len(scores) != (num_images or max(1, len(scores))):
        expected = num_images or "one or more"
        raise ValueError(
            f"`{name}` must be a one-dimensional array of {expected} scores. "
            f"Received: shape={scores.shape}."
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            f"`{name}` must be finite. Received: {int((~np.isfinite(scores)).sum())} "
            f"of {len(scores)} scores that are NaN or infinite. Look for a model that "
            "diverged."
        )
    return scores


# === Names and numbers ===


def check_choice(value: Any, choices: Iterable[str | None], name: str) -> None:
    """Raises an error that names the nearest choices unless `value` is one."""
    choices = list(choices)
    if value in choices:
        return
    names = [choice for choice in choices if choice is not None]
    raise ValueError(
        f"Unknown `{name}`. Expected one of {', '.join(map(repr, choices))}. "
        f"Received: {name}={value!r}.{did_you_mean(str(value), names)}"
    )


def did_you_mean(value: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """The end of a message that names the nearest choices, if any is near."""
    nearest = difflib.get_close_matches(value, list(names), n=3, cutoff=cutoff)
    return f" Did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""


def check_positive(**named: float) -> None:
    """Raises a `ValueError` unless every named value is finite and above zero."""
    for name, value in named.items():
        if not (_is_number(value) and np.isfinite(value) and value > 0):
            raise ValueError(
                f"`{name}` must be a finite number above 0. Received: {name}={value!r}."
            )


def check_not_negative(**named: float) -> None:
    """Raises a `ValueError` unless every named value is finite and at least zero."""
    for name, value in named.items():
        if not (_is_number(value) and np.isfinite(value) and value >= 0):
            raise ValueError(
                f"`{name}` must be a finite number of at least 0. "
                f"Received: {name}={value!r}."
            )


def check_in_range(low: float, high: float, **named: float) -> None:
    """Raises a `ValueError` unless every named value is a number in `[low, high]`."""
    for name, value in named.items():
        if not (_is_number(value) and low <= value <= high):
            raise ValueError(
                f"`{name}` must be a number in [{low:g}, {high:g}]. "
                f"Received: {name}={value!r}."
            )


def check_between(low: float, high: float, **named: float) -> None:
    """Raises a `ValueError` unless every named value is a number in `(low, high)`."""
    for name, value in named.items():
        if not (_is_number(value) and low < value < high):
            raise ValueError(
                f"`{name}` must be a number in ({low:g}, {high:g}). "
                f"Received: {name}={value!r}."
            )


def check_integer(minimum: int, **named: int) -> None:
    """Raises a `ValueError` unless every named value is an integer >= `minimum`."""
    for name, value in named.items():
        is_integer = _is_number(value) and isinstance(value, (int, np.integer))
        if not (is_integer and value >= minimum):
            raise ValueError(
                f"`{name}` must be an integer of at least {minimum}. "
                f"Received: {name}={value!r}."
            )


def plain_number(value: Any) -> Any:
    """A NumPy number as Python's, which Keras and JSON take; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def plain_fields(settings: Any) -> None:
    """Makes numbers in the fields of a frozen dataclass plain ones."""
    for name, value in vars(settings).items():
        object.__setattr__(settings, name, plain_number(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
