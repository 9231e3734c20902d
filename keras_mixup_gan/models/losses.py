"""Adversarial losses of raw discriminator outputs, one value for each row."""

import tensorflow as tf

from keras_mixup_gan.typing import Tensor


def real_loss(logits: Tensor) -> Tensor:
    """`-log sigmoid(logit)`: small where the discriminator says "real"."""
    return tf.nn.softplus(-logits)


def fake_loss(logits: Tensor) -> Tensor:
    """`-log(1 - sigmoid(logit))`: small where the discriminator says "generated"."""
    return tf.nn.softplus(logits)
