"""Choices that images make by their pixels, wherever they stand in a batch."""

import tensorflow as tf

from keras_mixup_gan.typing import Tensor


def hashed_choices(images: Tensor, key: Tensor, num_choices: Tensor) -> Tensor:
    """A number for each image that is a function of its pixels and a key alone.

    The bits of an image are summed with random weights in 64 bits, of which the upper
    half is used (multilinear hashing): equal images choose alike, others independently.

    Args:
        images: Float32 tensor `(batch, height, width, channels)`.
        key: Seed for stateless operations `(2,)`.
        num_choices: How many numbers there are to choose from.

    Returns:
        Int64 tensor `(batch,)` of numbers from 0 to `num_choices - 1`.
    """
    images = tf.convert_to_tensor(images, tf.float32)
    keys = tf.random.stateless_uniform(
        (images.shape[1:].num_elements(),),
        key,
        minval=None,
        maxval=None,
        dtype=tf.int64,
    )
    bits = tf.reshape(tf.bitcast(images, tf.int32), (-1, tf.size(keys)))
    hashes = tf.reduce_sum(tf.cast(bits, tf.int64) * keys, axis=1)
    return tf.bitwise.right_shift(hashes, 32) % tf.cast(num_choices, tf.int64)
