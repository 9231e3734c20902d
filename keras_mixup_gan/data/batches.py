"""Endless streams of training batches whose n-th batch is a pure function of n."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_mixup_gan.data.pixels import LEVELS, Pixels
from keras_mixup_gan.randomness import StepStream
from keras_mixup_gan.storage import digest_arrays
from keras_mixup_gan.typing import FloatArray, Tensor


def count_from(start: Tensor) -> tf.data.Dataset:
    """Counts without end; `Dataset.counter` calls a function for each number."""
    return tf.data.Dataset.range(start, tf.int64.max)


def step_counter(start: Callable[[], int]) -> tf.data.Dataset:
    """Counts training steps, from what `start` returns when iteration begins.

    An interrupted training that continues sees the batches it would have seen.
    """

    def first(_: Tensor) -> tf.data.Dataset:
        # Read by Python: on a GPU machine the variable is where tf.data cannot be.
        step = tf.numpy_function(lambda: np.int64(int(start())), [], tf.int64)
        return count_from(tf.ensure_shape(step, ()))

    return tf.data.Dataset.range(1).flat_map(first)


def shuffled_indices(
    num_examples: int, batch_size: int, start: Callable[[], int], seed: int
) -> tf.data.Dataset:
    """Batches of indices `(batch_size,)` without end.

    Epoch `e` is permuted by `(seed, e)`; what fills no batch is left out.
    """
    per_epoch = num_examples // batch_size

    def epoch_order(epoch: Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(num_examples, dtype=tf.int64), seed=tf.stack([seed, epoch])
        )
        batches = tf.data.Dataset.from_tensor_slices(order)
        return batches.batch(batch_size, drop_remainder=True)

    def resumed(step: Tensor) -> tf.data.Dataset:
        epochs = count_from(step // per_epoch)
        return epochs.flat_map(epoch_order).skip(step % per_epoch)

    return step_counter(start).take(1).flat_map(resumed)


def pixel_reader(pixels: Pixels) -> Callable[[Tensor], Tensor]:
    """A function from rows to images as floats, for use within a data set.

    Bytes are looked up in a table, as arithmetic in a graph may be rewritten: images
    are to the last bit those that NumPy makes.
    """
    with tf.device("CPU:0"):  # where data sets run
        stored = tf.constant(_Shared(pixels.stored))
        places = None if pixels.rows is None else tf.constant(pixels.rows)
        table = tf.constant(LEVELS)

    def read(rows: Tensor) -> Tensor:
        rows = rows if places is None else tf.gather(places, rows)
        images = tf.gather(stored, rows)
        if stored.dtype != tf.uint8:
            return images
        return tf.gather(table, tf.cast(images, tf.int32))

    return read


def noisy_reader(
    read: Callable[[Tensor], Tensor], pixels: Pixels, stddev: float, seed: int
) -> Callable[[Tensor], Tensor]:
    """A reader of images with Gaussian noise that is the same whenever a row is read.

    It is a function of the seed, the row and all images together: by equal noise on
    copies of an image one would know that they are copies, and by that of a row in two
    arrays the difference of two images.
    """
    array = int(digest_arrays([pixels])[:15], 16)

    def noise(row: Tensor) -> Tensor:
        key = tf.stack([tf.constant(seed, tf.int64), int(StepStream.IMAGE_NOISE)])
        for part in (tf.constant(array, tf.int64), row):
            key = tf.random.fold_in(key, part)
        return tf.random.stateless_normal(pixels.image_shape, key)

    def read_noisy(rows: Tensor) -> Tensor:
        drawn = tf.map_fn(noise, rows, fn_output_signature=tf.float32)
        return read(rows) + stddev * drawn

    return read_noisy


class _Shared:
    """An array that TensorFlow reads where it lies; of a plain one it makes a copy."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._array


def as_they_lie(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The data set without rewriting, which would copy all tensors that it reads."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.with_options(options)


def poisson_batches(
    arrays: dict[str, FloatArray | Pixels],
    sampling_rate: float,
    start: Callable[[], int],
    seed: int | None,
) -> tf.data.Dataset:
    """Batches of rows without end: each example enters each step by its own coin.

    This is the sampling that the accountant assumes. Batches differ in size; one
    that would be empty holds a zero example that `mask` leaves out. A guarantee needs
    the operating system's entropy, which `seed=None` takes.
    """
    num_examples = len(next(iter(arrays.values())))

    def draw() -> Iterator[dict[str, Any]]:
        step = int(start())
        while True:
            random = np.random.default_rng(None if seed is None else [seed, step])
            chosen = np.flatnonzero(random.random(num_examples) < sampling_rate)
            batch = {name: array[chosen] for name, array in arrays.items()}
            if not len(chosen):
                batch = {name: array[:1] * 0 for name, array in arrays.items()}
            yield {**batch, "mask": np.full(len(batch["images"]), len(chosen) > 0)}
            step += 1

    signature = {
        name: tf.TensorSpec((None, *array.shape[1:]), array.dtype)
        for name, array in arrays.items()
    }
    signature["mask"] = tf.TensorSpec((None,), tf.bool)
    return tf.data.Dataset.from_generator(draw, output_signature=signature)
