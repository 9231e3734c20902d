"""Layers, initializers, slopes and hashes that several models of the zoo use."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.typing import Tensor

# In weights of 16 bits an average of many would not move.
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


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
    """Appends class labels `(batch, num_classes)` to images as constant channels."""

    is_row_wise = True  # for `privacy.ghost`

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Appends the labels."""
        images, labels = inputs
        _, height, breadth, _ = images.shape
        maps = keras.ops.repeat(labels[:, None, None], height, axis=1)
        maps = keras.ops.repeat(maps, breadth, axis=2)
        maps = keras.ops.cast(maps, images.dtype)
        return keras.ops.concatenate([images, maps], axis=-1)


@keras.saving.register_keras_serializable("keras_mixup_gan")
class StatelessDropout(keras.layers.Layer):
    """Dropout whose masks are a function of its seed and of how often it dropped.

    The count is a weight, so that it is saved: Keras' own dropout keeps a generator
    that a file leaves out, and a training resumed from it would take other masks.
    Every training pass draws anew, whether its gradient goes to this network or to
    the one before it. What is kept is scaled up to make up for what is dropped.

    Source: Srivastava et al., "Dropout", JMLR 15, 2014, in the inverted form.
    """

    def __init__(self, rate: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Adds the count."""
        self.passes = self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="passes",
        )
        super().build(input_shape)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Drops in training, and only then."""
        if not training:
            return inputs
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        key = tf.stack([tf.constant(self.seed, tf.int64), self.passes.value])
        key = tf.random.experimental.stateless_fold_in(key, tf.cast(replica, tf.int64))
        kept = tf.random.stateless_uniform(tf.shape(inputs), key) >= self.rate
        with tf.control_dependencies([kept]):
            self.passes.assign_add(1)
        return tf.where(kept, inputs / (1 - self.rate), tf.zeros_like(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape


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


def squared_slopes(score: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Squared norm `(batch,)` of the gradient of each image's score by its pixels."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        scores = score(images)
    slopes = tf.cast(tape.gradient(scores, images), tf.float32)
    return tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3))


@contextlib.contextmanager
def policy_scope(policy: Any) -> Iterator[None]:
    """Layers made inside have this dtype policy; `None` keeps the current one.

    Their images have channels last, whatever Keras' setting is.
    """
    before = keras.config.dtype_policy(), keras.config.image_data_format()
    keras.config.set_dtype_policy(before[0] if policy is None else policy)
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before[0])
        keras.config.set_image_data_format(before[1])


def check_precision(policy: str) -> None:
    """Raises a `ValueError` unless models of this library train under a dtype policy.

    Weights are of 32 bits, though layers may compute in 16.
    """
    if policy not in POLICIES:
        known = ", ".join(POLICIES)
        raise ValueError(
            f"The model does not train in this precision. Expected {known}. "
            f"Received: dtype={policy!r}, which `keras.config.set_floatx` and "
            "`set_dtype_policy` set too. Pass dtype='float32'."
        )


def named_network(
    name: str, make: Callable[..., keras.Model], *args: Any, **kwargs: Any
) -> keras.Model:
    """A network that, and whose weights, are told by name from others of a model."""
    with keras.name_scope(name):
        network = make(*args, **kwargs)
    network.name = name
    return network


def keyed_choices(images: Tensor, key: Tensor, num_choices: Tensor) -> Tensor:
    """`hashed_choices` by weights that a seed of stateless operations draws."""
    weights = tf.random.stateless_uniform(
        (images.shape[1:].num_elements(),), key, None, None, dtype=tf.int64
    )
    return hashed_choices(images, weights, num_choices)


def hashed_choices(images: Tensor, weights: Tensor, num_choices: Tensor) -> Tensor:
    """An integer below `num_choices` for each image, by its pixels and weights alone.

    The bits of an image are summed with random weights in 64 bits, one for each value,
    of which the upper half is used (multilinear hashing): equal images choose alike,
    others independently.
    """
    images = tf.convert_to_tensor(images, tf.float32)
    bits = tf.reshape(tf.bitcast(images, tf.int32), (-1, tf.size(weights)))
    hashes = tf.reduce_sum(tf.cast(bits, tf.int64) * weights, axis=1)
    return tf.bitwise.right_shift(hashes, 32) % tf.cast(num_choices, tf.int64)
