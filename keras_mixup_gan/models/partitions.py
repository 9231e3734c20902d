"""Choices that images make by their pixels, wherever they stand in a batch."""

import tensorflow as tf

from keras_mixup_gan.typing import Tensor


def hashed_choices(images: Tensor, weights: Tensor, num_choices: Tensor) -> Tensor:
    """A number for each image that is a function of its pixels and the weights alone.

    The bits of an image are summed with random weights in 64 bits, of which the upper
    half is used (multilinear hashing): equal images choose alike, others independently.

    Args:
        images: Float32 tensor `(batch, height, width, channels)`.
        weights: Random int64 numbers of all 64 bits, one for each value of an image.
        num_choices: How many numbers there are to choose from.

    Returns:
        Int64 tensor `(batch,)` of numbers from 0 to `num_choices - 1`.
    """
    images = tf.convert_to_tensor(images, tf.float32)
    bits = tf.reshape(tf.bitcast(images, tf.int32), (-1, tf.size(weights)))
    hashes = tf.reduce_sum(tf.cast(bits, tf.int64) * weights, axis=1)
    return tf.bitwise.right_shift(hashes, 32) % tf.cast(num_choices, tf.int64)
