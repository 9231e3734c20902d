"""Images and their labels out of what holds both: pairs, parts, dicts, batches."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_mixup_gan.data.pixels import HoldsPixels
from keras_mixup_gan.validation import as_array

IMAGE_KEYS, LABEL_KEYS = ("images", "image"), ("labels", "label")


def split_labels(data: Any) -> tuple[Any, Any]:
    """`(images, labels)` of an array, a pair, a dict, a part of a split, or batches.

    Neither is checked; labels that are not there are `None`. Images that are held as
    `Pixels` stay so. Batches are those of a finite data set, see `batches_of`.
    """
    if isinstance(data, HoldsPixels):
        return data.held[:2]
    if hasattr(data, "images"):
        return data.images, getattr(data, "labels", None)
    if isinstance(data, dict) or (isinstance(data, tuple) and len(data) == 2):
        batch = as_batch(data)
        return batch["images"], batch.get("labels")
    if (batches := batches_of(data)) is None:
        return data, None
    if is_endless(data):
        raise ValueError(
            "All images of a data set are needed. Expected one that ends. Received: an "
            "endless one. Leave out `repeat()`, or add `take(...)`."
        )
    read = list(batches)
    parts = [
        np.concatenate([as_array(batch[name], name) for batch in read])
        for name in (read[0] if read else ())
    ]
    if not parts:
        raise ValueError(
            f"The data set holds no images. Received: an empty {type(data).__name__}. "
            "Check what it reads."
        )
    return parts[0], parts[1] if len(parts) == 2 else None


def as_batch(*element: Any) -> dict[str, Any]:
    """An element of a data set, or its spec, by `images` and, if any, `labels`."""
    parts = element[0] if len(element) == 1 else element
    if isinstance(parts, dict):
        image_keys = [key for key in IMAGE_KEYS if key in parts]
        label_keys = [key for key in LABEL_KEYS if key in parts]
        if len(image_keys) != 1 or len(parts) != 1 + len(label_keys):
            raise ValueError(
                "Elements that are dicts must hold 'images' and at most 'labels'. "
                f"Received: keys {sorted(parts)}. Drop the others with `dataset.map`."
            )
        parts = [parts[key] for key in (*image_keys, *label_keys)]
    elif not isinstance(parts, (tuple, list)):
        parts = [parts]
    elif not 1 <= len(parts) <= 2:
        raise ValueError(
            "The data set must yield images or (images, labels). Received: "
            f"tuples of {len(parts)}. Drop the others with `dataset.map`."
        )
    return dict(zip(("images", "labels"), parts, strict=False))


def batches_of(data: Any) -> Iterator[dict[str, Any]] | None:
    """The batches of a data set by `images` and `labels`; `None` of anything else.

    It is told by what it can do, so that no library is imported: a `tf.data.Dataset`, a
    Keras `PyDataset`, a torch `DataLoader`, or a generator.
    """
    if hasattr(data, "as_numpy_iterator"):
        elements = data.as_numpy_iterator()
    elif hasattr(data, "num_batches") and hasattr(data, "__getitem__"):
        elements = (
            data[n] for n in itertools.islice(itertools.count(), data.num_batches)
        )
    elif is_read_once(data) or _is_loader(data):
        elements = iter(data)
    else:
        return None
    return (as_batch(element) for element in elements)


def is_read_once(data: Any) -> bool:
    """Whether data are an iterator, such as a generator, which begins once."""
    return hasattr(data, "__next__")


def num_batches(data: Any) -> int | None:
    """How many batches a data set says that it has; `None` if unknown or endless."""
    if hasattr(data, "as_numpy_iterator"):
        length = int(data.cardinality())
        return length if length >= 0 else None
    if hasattr(data, "num_batches"):
        return None if data.num_batches is None else int(data.num_batches)
    try:
        return len(data)
    except TypeError:
        return None


def is_endless(data: Any) -> bool:
    """Whether a data set says that it has no end."""
    if hasattr(data, "as_numpy_iterator"):
        return int(data.cardinality()) == -1
    return getattr(data, "num_batches", 1) is None


def _is_loader(data: Any) -> bool:
    names = ("__iter__", "dataset", "batch_size")
    return all(hasattr(data, name) for name in names)
