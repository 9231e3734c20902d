"""Layers and initializers that several networks of the zoo use."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.typing import Tensor


def normal_initializers(seed: int, stddev: float = 0.02) -> Callable[[], Any]:
    """A function that returns a fresh normal initializer at each call, by one seed."""
    counter = itertools.count()

    def fresh() -> Any:
        return keras.initializers.RandomNormal(
            stddev=stddev, seed=(seed * 1009 + next(counter)) % (2**31)
        )

    return fresh


@keras.saving.register_keras_serializable("keras_mixup_gan")
class LabelMaps(keras.layers.Layer):
    """Appends class labels to images as constant channels.

    Call arguments:
        inputs: `[images, labels]` of shapes `(batch, height, width, channels)` and
            `(batch, num_classes)`.

    Returns:
        Tensor `(batch, height, width, channels + num_classes)`.
    """

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Appends the labels."""
        images, labels = inputs
        _, height, width, _ = images.shape
        maps = keras.ops.repeat(labels[:, None, None], height, axis=1)
        maps = keras.ops.repeat(maps, width, axis=2)
        maps = keras.ops.cast(maps, images.dtype)
        return keras.ops.concatenate([images, maps], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The images' shape with the classes added to the channels."""
        images, labels = input_shape
        return (*images[:-1], images[-1] + labels[-1])


def normalization(kind: str, channels: int) -> keras.layers.Layer:
    """A `"layer"`, `"group"` or `"batch"` normalization for so many channels."""
    if kind == "layer":
        return keras.layers.LayerNormalization()
    if kind == "group":
        return keras.layers.GroupNormalization(groups=math.gcd(8, channels))
    return batch_normalization()


def batch_normalization() -> keras.layers.Layer:
    """Batch normalization over the whole batch, on however many replicas."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return keras.layers.BatchNormalization(momentum=0.9, synchronized=replicas > 1)


@contextlib.contextmanager
def policy_scope(policy: Any) -> Iterator[None]:
    """Layers made inside have this dtype policy; `None` keeps the current one."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if policy is None else policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
