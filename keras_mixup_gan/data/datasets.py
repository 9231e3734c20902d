"""Data sets of batches: those of other libraries, their elements, their values."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.data.labeled import (
    as_batch,
    batches_of,
    is_read_once,
    num_batches,
)
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import (
    LABEL_TOLERANCE,
    ROUNDING,
    as_array,
    warn_of_range,
)

# What the assertions that run inside a data set begin with.
IMAGE_ERROR, LABEL_ERROR = "Images of the data set ", "Labels of the data set "
EMPTY = (
    f"{IMAGE_ERROR}must fill at least one batch. Received: an empty data set. "
    "Check the filter or `drop_remainder=True` that it came from."
)


@contextlib.contextmanager
def plain_data_errors(*others: str) -> Iterator[None]:
    """Turns an assertion that failed inside a data set into one sentence.

    It knows those of this library, and what begins as `others` do.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        message = str(error.message)
        known = (IMAGE_ERROR, LABEL_ERROR, "Mixing ", *others)
        start = max(message.find(begin) for begin in known)
        if start < 0:
            raise
        sentence = message[start:].split("\n")[0].replace("] [", " ")
        raise ValueError(sentence.removesuffix("]")) from None


def first_batch_size(dataset: tf.data.Dataset) -> int:
    """How many images the first batch of a data set holds, which may need reading."""
    size: int | None = dataset.element_spec["images"].shape[0]
    if size is None:
        with plain_data_errors():
            batch = next(iter(dataset.take(1)), None)
        if batch is None:
            raise ValueError(EMPTY)
        size = len(batch["images"])
    return size


def as_dataset(data: Any) -> tf.data.Dataset | None:
    """A data set of batches as `tf.data`; `None` for what does not come in batches.

    Besides `tf.data.Dataset` that is a Keras `PyDataset`, a torch `DataLoader`, whose
    channels may be first, or a generator, which can be read once.
    """
    if data is None or isinstance(data, tf.data.Dataset):
        return data
    batches = batches_of(data)
    if batches is None:
        return None
    first = next(batches, None)
    if first is None:
        raise ValueError(
            f"{IMAGE_ERROR}must fill at least one batch. Received: a "
            f"{type(data).__name__} without a batch. Check what it reads."
        )
    signature = {
        name: tf.TensorSpec((None, *array.shape[1:]), array.dtype)
        for name, array in _arrays(first).items()
    }
    read = _once(batches, first) if is_read_once(data) else _again(data)
    dataset = tf.data.Dataset.from_generator(read, output_signature=signature)
    if (length := num_batches(data)) is None:
        return dataset
    return dataset.apply(tf.data.experimental.assert_cardinality(length))


def changes_by_epoch(data: Any) -> bool:
    """Whether data are told when an epoch begins or ends, as a `PyDataset` may be."""
    kind, base = type(data), keras.utils.PyDataset
    return any(
        hasattr(kind, name) and getattr(kind, name) is not getattr(base, name, None)
        for name in ("on_epoch_begin", "on_epoch_end")
    )


_Reader: TypeAlias = Callable[[], Iterator[dict[str, Any]]]


def _again(data: Any) -> _Reader:
    """Reads a data set from its beginning, and tells a `PyDataset` so."""

    def read() -> Iterator[dict[str, Any]]:
        getattr(data, "on_epoch_begin", bool)()
        yield from map(_arrays, batches_of(data) or ())
        getattr(data, "on_epoch_end", bool)()

    return read


def _once(batches: Iterator[Any], first: dict[str, Any]) -> _Reader:
    """Reads an iterator on, of which the first batch was taken already."""
    taken = [first]

    def read() -> Iterator[dict[str, Any]]:
        batch = taken.pop() if taken else next(batches, None)
        if batch is None:
            raise ValueError(
                f"{IMAGE_ERROR}came to an end: a generator can be read once. Expected "
                "one without end, with `steps_per_epoch`. Received: a finite one. Pass "
                "a `tf.data.Dataset`, which begins anew."
            )
        yield _arrays(batch)
        yield from map(_arrays, batches)

    return read


def _arrays(batch: dict[str, Any]) -> dict[str, Any]:
    """A batch as arrays of few types: images uint8 or float, labels integer or not."""
    arrays = {name: as_array(part, name) for name, part in batch.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"{IMAGE_ERROR}and their labels must be numbers. Received: {name} of "
                f"dtype={array.dtype}. Convert them before."
            )
        if name == "labels":
            kind = "int64" if array.dtype.kind in "iu" else "float32"
            arrays[name] = array.astype(kind)
        elif array.dtype.kind == "f":
            arrays[name] = array.astype("float32")
    return arrays


def check_elements(spec: Any) -> dict[str, Any]:
    """The spec of a batch by `images` and `labels`, if it is one of images."""
    batch = as_batch(spec)
    images = batch["images"]
    if images.shape.rank is None:
        raise ValueError(
            "The data set does not tell the shape of its images. Expected elements of "
            "shape (batch, height, width, channels). Received: an unknown shape. Pass "
            "`output_signature=` to `Dataset.from_generator`, or use `ensure_shape`."
        )
    if images.shape.rank != 4:
        raise ValueError(
            "The data set must yield batches of images of shape (batch, height, width, "
            f"channels). Received: elements of shape {images.shape}. Call "
            "`dataset.batch(batch_size)` first."
        )
    if not (images.dtype.is_floating or images.dtype == tf.uint8):
        raise ValueError(
            "The data set's images must be floating point in [-1, 1], or uint8. "
            f"Received: dtype={images.dtype.name}. Convert them with "
            "`dataset.map(lambda x: tf.cast(x, tf.uint8))` for values of 0 to 255."
        )
    return batch


def in_unit_range(
    batch: dict[str, Tensor], *, is_raw: bool = True
) -> dict[str, Tensor]:
    """A batch whose images lie in `[-1, 1]`, uint8 ones mapped from 0..255.

    It stops at others as they are read, and at rows that are no shares of classes;
    what rounding put just outside is clipped.
    Mixtures may have noise, which leaves the range: they need only be finite.
    """
    images = batch["images"]
    if images.dtype == tf.uint8:
        return {**batch, "images": tf.cast(images, tf.float32) / 127.5 - 1}
    wide = images if images.dtype.size > 2 else tf.cast(images, tf.float32)
    # NaN compares to nothing, and the largest of some values may leave it out.
    fits = tf.math.is_finite(tf.reduce_sum(wide))
    if is_raw:
        most = 1 + ROUNDING
        fits &= (tf.reduce_max(wide) <= most) & (tf.reduce_min(wide) >= -most)

    def told() -> Any:
        ends = "lie in [-1, 1]" if is_raw else "be numbers"
        message = f"{IMAGE_ERROR}must be finite and {ends}. Received: values up to"
        advice = "in size. Rescale 0..255 by `x / 127.5 - 1`."
        largest = tf.reduce_max(tf.abs(images))
        tf.debugging.Assert(fits, [message, largest, advice])
        return True

    tf.cond(fits, lambda: True, told)
    return {**batch, "images": tf.clip_by_value(images, -1, 1)} if is_raw else batch


def watch_range(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same batches; warns once, while they are read, if they look like [0, 1]."""
    told: list[bool] = []

    def tell(images: Any) -> Any:
        if not told:
            told.append(True)
            warn_of_range(images, "Images of the data set")
        return np.True_

    def watched(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        images = batch["images"]
        # Python is called for what is suspicious alone: it would take its time.
        looked = tf.cond(
            tf.reduce_min(images) >= 0,
            lambda: tf.ensure_shape(tf.numpy_function(tell, [images], tf.bool), ()),
            lambda: True,
        )
        with tf.control_dependencies([looked]):
            return {**batch, "images": tf.identity(images)}

    return dataset.map(watched)


def check_rows(labels: Tensor) -> None:
    """Stops a data set at rows `(batch, num_classes)` that are no shares of classes."""
    sums = tf.reduce_sum(tf.cast(labels, tf.float32), axis=1)
    is_share = tf.reduce_all(labels >= 0) & tf.reduce_all(
        tf.abs(sums - 1) <= LABEL_TOLERANCE
    )
    message = (
        f"{LABEL_ERROR}must be non-negative rows of sum 1 to within {LABEL_TOLERANCE}. "
        "Received: a sum of"
    )
    farthest = tf.gather(sums, tf.argmax(tf.abs(sums - 1)))
    tf.debugging.Assert(is_share, [message, farthest])


def keep_cardinality(
    dataset: tf.data.Dataset, source: tf.data.Dataset
) -> tf.data.Dataset:
    """Tells `dataset` that it is as long as `source`, so `fit` can show progress."""
    length = int(source.cardinality())
    if length < 0:
        return dataset
    return dataset.apply(tf.data.experimental.assert_cardinality(length))
