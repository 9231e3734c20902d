"""From what users pass to `fit` to the batches that a training step takes.

A prepared batch is a dict with `images`, `labels` where the model is conditional, what
`MixUp.mix_batch` adds where the model mixes, and `mask` where DP-SGD samples.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_mixup_gan.data.batches import (
    poisson_batches,
    shuffled_indices,
    step_counter,
)
from keras_mixup_gan.mixup import as_batch, check_batches, is_mixed, keep_cardinality
from keras_mixup_gan.typing import FloatArray, Tensor
from keras_mixup_gan.validation import check_images, check_integer

if TYPE_CHECKING:
    from keras_mixup_gan.models.gan import GAN

# What the assertions that run inside a data set begin with.
_DATA_ERRORS = ("Images of the data set ", "Labels of the data set ", "Mixing ")
_SHUFFLE_STREAM = 0x5EED


def training_batches(
    model: "GAN", x: Any, y: Any, batch_size: int | None
) -> tuple[tf.data.Dataset, int | None]:
    """Prepared batches for `fit`, and how many make an epoch (`None`: all there are).

    Args:
        model: The model to be trained.
        x: Images, or a batched data set.
        y: Labels of an array `x`.
        batch_size: Images in a batch of an array.

    Returns:
        A data set of prepared batches and the length of an epoch.

    Raises:
        ValueError: If the data do not fit the model.
    """
    if isinstance(x, tf.data.Dataset):
        if y is not None or batch_size is not None:
            raise ValueError(
                "A data set brings its own labels and batches. Expected `fit(dataset)`."
                " Received: `y` or `batch_size` beside it. Leave them out."
            )
        _check_dataset(model, x)
        if model.dp is None:
            return _from_dataset(model, x), None
        x, y, batch_size = _collect(model, x)
    images = check_images(x, "x", model.image_shape)
    batch_size = 64 if batch_size is None else batch_size
    check_integer(1, batch_size=batch_size)
    num_examples = len(images)
    if model.dp is not None and model.dp.num_examples is not None:
        num_examples = model.dp.num_examples  # the public size, not the true one
    if num_examples < batch_size:
        raise ValueError(
            f"The data hold fewer images than a batch. Expected at least {batch_size}. "
            f"Received: {num_examples} images. Lower `batch_size` or add images."
        )
    arrays = {"images": images}
    if model.num_classes is not None:
        arrays["labels"] = one_hot(y, model.num_classes, len(images))
    elif y is not None:
        refuse_labels()
    _check_replicas(batch_size)
    length = max(1, num_examples // (batch_size * model.discriminator_steps))
    if model.dp is None:
        return _from_arrays(model, arrays, batch_size), length
    return _from_private_arrays(model, arrays, num_examples, batch_size), length


def prepared_batches(model: "GAN", data: Any) -> list[dict[str, Tensor]]:
    """The batches that a training step was given, if it may see them.

    Args:
        model: The model in training.
        data: Prepared batches, one for each discriminator update; raw images from
            `train_on_batch` where the model neither mixes nor samples privately.

    Returns:
        One prepared batch for each discriminator update.

    Raises:
        ValueError: If raw images would reach a model that must not see them.
    """
    is_group = isinstance(data, tuple) and all(isinstance(one, dict) for one in data)
    # Raw images of one batch, from `train_on_batch`, serve all updates of the step.
    batches = data if is_group else (data,) * model.discriminator_steps
    return [_prepared(model, batch, n) for n, batch in enumerate(batches)]


def _prepared(model: "GAN", data: Any, draw: int) -> dict[str, Tensor]:
    if isinstance(data, dict) and ("weights" in data or "mask" in data):
        return model.with_fake_noise(data, draw)
    if model.mixup is not None:
        raise ValueError(
            "A model with `mixup` must not see raw images. Expected training through "
            "`fit`, which mixes them. Received: a raw batch. Call `model.fit(x)`."
        )
    if model.dp is not None:
        raise ValueError(
            "DP-SGD samples the training set itself. Expected training through `fit`. "
            "Received: a batch from elsewhere. Call `model.fit(x)`."
        )
    return raw_batch(model, data)


def raw_batch(model: "GAN", data: Any) -> dict[str, Tensor]:
    """An unmixed batch with one-hot labels where the model is conditional."""
    if isinstance(data, tuple):
        data = tuple(part for part in data if part is not None)
    batch = as_batch(*_as_tuple(data))
    batch["images"] = tf.cast(batch["images"], tf.float32)
    if model.num_classes is None:
        return {"images": batch["images"]}
    if "labels" not in batch:
        one_hot(None, model.num_classes, 0)
    if batch["labels"].shape.rank == 1:
        classes = tf.cast(batch["labels"], tf.int64)
        batch["labels"] = tf.one_hot(classes, model.num_classes)
    batch["labels"] = tf.cast(batch["labels"], tf.float32)
    return batch


def one_hot(labels: Any, num_classes: int, num_images: int) -> FloatArray:
    """Class labels as float32 rows.

    Args:
        labels: Integers `(num_images,)` or (soft) one-hot rows.
        num_classes: Number of classes.
        num_images: How many labels there must be.

    Returns:
        Float32 array `(num_images, num_classes)`.

    Raises:
        ValueError: If labels are missing, too many or too few, or out of range.
    """
    if labels is None:
        raise ValueError(
            f"The model is conditional. Expected class labels below {num_classes}. "
            "Received: images alone. Pass the labels too."
        )
    labels = np.asarray(labels)
    if labels.shape == (num_images, num_classes):
        return labels.astype("float32")
    is_integer = np.issubdtype(labels.dtype, np.integer)
    if labels.shape != (num_images,) or not is_integer:
        raise ValueError(
            f"Labels must be {num_images} integers, or rows of shape ({num_images}, "
            f"{num_classes}). Received: shape={labels.shape}, dtype={labels.dtype}."
        )
    if num_images and not (0 <= labels.min() and labels.max() < num_classes):
        raise ValueError(
            f"Labels must lie in 0 to {num_classes - 1}. Received: values from "
            f"{labels.min()} to {labels.max()}. Build the model with `num_classes=`."
        )
    return np.eye(num_classes, dtype="float32")[labels]


def refuse_labels() -> None:
    """Raises: an unconditional model was given labels."""
    raise ValueError(
        "The model is unconditional. Expected no labels. Received: labels. Build it "
        "with `num_classes=` to make it conditional."
    )


@contextlib.contextmanager
def plain_data_errors() -> Iterator[None]:
    """Turns an assertion that failed inside a data set into one sentence."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        message = str(error.message)
        start = max(message.find(begin) for begin in _DATA_ERRORS)
        if start < 0:
            raise
        sentence = message[start:].split("\n")[0].replace("] [", " ")
        raise ValueError(sentence.removesuffix("]")) from None


def _from_arrays(
    model: "GAN", arrays: dict[str, FloatArray], batch_size: int
) -> tf.data.Dataset:
    tensors = {name: tf.constant(array) for name, array in arrays.items()}
    mixup = model.mixup
    num_passes = 1
    if mixup is not None and mixup.pairing == "passes":
        num_passes = mixup.num_samples

    start = _next_batch(model)
    passes = [
        shuffled_indices(
            len(arrays["images"]), batch_size, start, model.seed + _SHUFFLE_STREAM + n
        )
        for n in range(num_passes)
    ]
    seed = _mixing_seed(model)

    def prepare(step: Tensor, *indices: Tensor) -> dict[str, Tensor]:
        batches = tuple(
            {name: tf.gather(tensor, rows) for name, tensor in tensors.items()}
            for rows in indices
        )
        return batches[0] if mixup is None else mixup.mix_batch(batches, (seed, step))

    indexed = tf.data.Dataset.zip(step_counter(start), *passes)
    batches = indexed.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    return _grouped(model, batches).prefetch(tf.data.AUTOTUNE)


def _from_private_arrays(
    model: "GAN", arrays: dict[str, FloatArray], num_examples: int, batch_size: int
) -> tf.data.Dataset:
    model.begin_private_training(num_examples, batch_size)
    batches = poisson_batches(
        arrays,
        batch_size / num_examples,
        _next_batch(model),
        model.dp.noise_seed if model.dp is not None else None,
    )
    return _grouped(model, batches).prefetch(tf.data.AUTOTUNE)


def _from_dataset(model: "GAN", dataset: tf.data.Dataset) -> tf.data.Dataset:
    ready = dataset.map(as_batch).map(_shared_equally())
    if not is_mixed(dataset):
        ready = ready.map(_checked(model))
    ready = ready.map(lambda batch: raw_batch(model, batch))
    if model.mixup is None:
        batches = ready.map(as_batch, num_parallel_calls=tf.data.AUTOTUNE)
    else:
        steps = step_counter(_next_batch(model))
        batches = model.mixup.mixed_batches(ready, steps, _mixing_seed(model))
    batches = _grouped(model, keep_cardinality(batches, dataset))
    return batches.prefetch(tf.data.AUTOTUNE)


def _next_batch(model: "GAN") -> Callable[[], int]:
    """A function that tells how many batches training has used."""
    return lambda: model.num_steps * model.discriminator_steps


def _grouped(model: "GAN", batches: tf.data.Dataset) -> tf.data.Dataset:
    """Tuples of as many batches as a training step has discriminator updates."""
    size = model.discriminator_steps
    if size == 1:
        return batches
    if 0 <= batches.cardinality() < size:
        raise ValueError(
            f"{_DATA_ERRORS[0]}must fill {size} batches, one for each discriminator "
            f"update of a step. Received: {batches.cardinality()}. Repeat the data "
            "set, `dataset.repeat()`, or make its batches smaller."
        )
    spec = batches.element_spec

    def separate(stacked: Any, shapes: Any) -> tuple[dict[str, Tensor], ...]:
        def part(name: str, n: int) -> Tensor:
            shape = shapes[name][n]
            rows = tf.slice(stacked[name][n], tf.zeros_like(shape), shape)
            return tf.ensure_shape(rows, spec[name].shape)

        return tuple({name: part(name, n) for name in stacked} for n in range(size))

    # Batches may differ in size: with DP-SGD, and at the end of a data set.
    shaped = batches.map(lambda batch: (batch, tf.nest.map_structure(tf.shape, batch)))
    return shaped.padded_batch(size, drop_remainder=True).map(separate)


def _shared_equally() -> Any:
    """A map that stops at batches of which replicas cannot have equal shares."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync

    def check(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        rows = tf.shape(batch["images"])[0]
        message = (
            f"{_DATA_ERRORS[0]}must come in batches that {replicas} replicas divide. "
            "Received: a batch of"
        )
        tf.debugging.Assert(rows % replicas == 0, [message, rows])
        return batch

    return check


def _check_replicas(batch_size: int) -> None:
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if batch_size % replicas:
        raise ValueError(
            "Every replica takes an equal share of a batch. Expected a `batch_size` "
            f"that {replicas} divides. Received: batch_size={batch_size}."
        )


def _checked(model: "GAN") -> Any:
    """A map that stops at images outside `[-1, 1]` or classes out of range."""

    def check(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        extent = tf.abs(batch["images"])
        message = f"{_DATA_ERRORS[0]}must be finite and lie in [-1, 1]. Received: up to"
        tf.debugging.Assert(
            tf.reduce_all(extent <= 1), [message, tf.reduce_max(extent)]
        )
        if model.num_classes is not None and batch["labels"].shape.rank == 1:
            labels, last = tf.cast(batch["labels"], tf.int64), model.num_classes - 1
            message = f"{_DATA_ERRORS[1]}must lie in 0 to {last}. Received: up to"
            tf.debugging.Assert(
                tf.reduce_all((labels >= 0) & (labels <= last)),
                [message, tf.reduce_max(labels)],
            )
        return batch

    return check


def _check_dataset(model: "GAN", dataset: tf.data.Dataset) -> None:
    """Raises a `ValueError` unless the data set's elements suit the model."""
    spec = dataset.element_spec
    check_batches(spec)
    if dataset.cardinality() == 0:
        raise ValueError(
            f"{_DATA_ERRORS[0]}must fill at least one batch. Received: an empty data "
            "set. Check the filter or `drop_remainder=True` that it came from."
        )
    if model.dp is not None and is_mixed(dataset):
        raise ValueError(
            "DP-SGD must count images, not mixtures of them. Expected raw images. "
            "Received: a data set to which MixUp was applied. Leave one of the two out."
        )
    batch = as_batch(*_as_tuple(spec))
    shape = batch["images"].shape[1:]
    if not shape.is_compatible_with(model.image_shape):
        raise ValueError(
            f"{_DATA_ERRORS[0]}must be of shape {model.image_shape}. Received: "
            f"{shape}. Resize them, or build the model with `image_shape=` of the data."
        )
    if model.num_classes is None:
        return
    if "labels" not in batch:
        one_hot(None, model.num_classes, 0)
    labels = batch["labels"]
    is_classes = labels.shape.rank == 1 and labels.dtype.is_integer
    is_rows = labels.shape.rank == 2 and labels.dtype.is_floating
    if is_rows:
        is_rows = labels.shape[1:].is_compatible_with((model.num_classes,))
    if not (is_classes or is_rows):
        raise ValueError(
            f"{_DATA_ERRORS[1]}must be integers of shape (batch,) or floating-point "
            f"rows of shape (batch, {model.num_classes}). Received: "
            f"shape={labels.shape}, dtype={labels.dtype.name}."
        )


def _collect(model: "GAN", dataset: tf.data.Dataset) -> tuple[Any, Any, int]:
    """A data set as arrays and its batch size, for Poisson sampling."""
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "DP-SGD samples from a finite training set. Expected a data set without "
            "`repeat()`. Received: an endless one. Pass each image once."
        )
    batches = [as_batch(*_as_tuple(element)) for element in dataset.as_numpy_iterator()]
    if not batches:
        raise ValueError(
            f"{_DATA_ERRORS[0]}must fill at least one batch. Received: an empty "
            "data set. Check the filter that it came from."
        )
    parts = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    num_distinct = len({image.tobytes() for image in parts["images"]})
    if num_distinct < len(parts["images"]):
        raise ValueError(
            "DP-SGD counts each image of the data set as one record. Expected each "
            f"image once. Received: {len(parts['images'])} images, {num_distinct} of "
            "them distinct. Remove `repeat()`, or pass an array."
        )
    labels = parts.get("labels") if model.num_classes is not None else None
    return parts["images"], labels, len(batches[0]["images"])


def _as_tuple(element: Any) -> tuple[Any, ...]:
    return element if isinstance(element, tuple) else (element,)


def _mixing_seed(model: "GAN") -> int:
    own = model.mixup.seed if model.mixup is not None else None
    return int(model.seed if own is None else own)
