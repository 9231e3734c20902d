"""Losses of raw scores, their gradients, and the optimizers of the two networks."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.typing import Tensor

# DP-SGD clips each row's true gradient: a fixed scale, undone before clipping.
_FIXED_LOSS_SCALE = 1024.0

# === Losses, one value for each row ===


def real_loss(logits: Tensor) -> Tensor:
    """`-log sigmoid(logit)`: small where the discriminator says "real"."""
    return tf.nn.softplus(-logits)


def fake_loss(logits: Tensor) -> Tensor:
    """`-log(1 - sigmoid(logit))`: small where the discriminator says "generated"."""
    return tf.nn.softplus(logits)


def real_and_generated(
    batch: Any, fakes: Tensor, labels: Tensor | None
) -> tuple[dict[str, Tensor], Tensor]:
    """Rows of a masked batch and of its counterparts, and which of them are present."""
    is_fake = tf.ones(tf.shape(fakes)[0], bool)
    rows = {
        "images": tf.concat([batch.images, fakes], 0),
        "is_real": tf.concat([tf.ones_like(batch.mask), ~is_fake], 0),
    }
    if labels is not None:
        rows["labels"] = tf.concat([batch.labels, labels], 0)
    return rows, tf.concat([batch.mask, is_fake], 0)


def row_losses(rows: dict[str, Tensor], discriminate: Callable[..., Tensor]) -> Tensor:
    """The discriminator's loss of each row, by whether its image is real."""
    scores = discriminate(rows["images"], rows.get("labels"))
    return tf.where(rows["is_real"], real_loss(scores), fake_loss(scores))


def squared_slopes(score: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Squared norm of the gradient of each image's score.

    Args:
        score: Maps images to scores `(batch,)`.
        images: Float32 tensor `(batch, height, width, channels)`.

    Returns:
        Float32 tensor `(batch,)`, differentiable by what scores the images.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        scores = score(images)
    slopes = tf.cast(tape.gradient(scores, images), tf.float32)
    return tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3))


def r1_penalty(score: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Half the squared norm of each image's score gradient (Mescheder et al.)."""
    return squared_slopes(score, images) / 2


# === Gradients and averages ===


def gradients(
    tape: tf.GradientTape,
    loss: Tensor,
    variables: list[Any],
    optimizer: keras.optimizers.Optimizer,
) -> list[Tensor]:
    """Gradients as the optimizer's `apply` expects them.

    They are scaled up where the optimizer scales its loss, and down by the number of
    replicas, whose gradients it will sum.

    Args:
        tape: Has seen the loss.
        loss: Mean loss of this replica's batch.
        variables: What to differentiate by.
        optimizer: Will apply the gradients.

    Returns:
        One gradient for each variable.
    """
    replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    scale = tf.ones_like(loss) / replicas
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        scale = optimizer.scale_loss(scale)
    return tape.gradient(loss, variables, output_gradients=scale)


def warmed_up(momentum: float, steps: Tensor) -> Tensor:
    """The momentum of an average that forgets its beginning faster than its end."""
    done = tf.cast(steps, tf.float32)
    return tf.minimum(momentum, (1 + done) / (10 + done))


def follow(average: keras.Model, network: keras.Model, momentum: Tensor) -> None:
    """Moves a network's average on; statistics of its layers are copied."""
    for mean, weight in zip(average.weights, network.weights, strict=True):
        if weight.trainable:
            mean.assign(momentum * mean + (1 - momentum) * weight)
        else:
            mean.assign(weight)


# === Optimizers ===


def prepared(
    optimizer: Any, *networks: keras.Model, scales_loss: bool = True
) -> keras.optimizers.Optimizer:
    """An optimizer with its state, scaling the loss of a float16 network.

    Args:
        optimizer: A name or an instance.
        *networks: What it will train.
        scales_loss: `False` if gradients arrive unscaled; a `LossScaleOptimizer` is
            then unwrapped.

    Returns:
        The optimizer, inside a `LossScaleOptimizer` where that is needed.
    """
    optimizer = keras.optimizers.get(optimizer)
    if not scales_loss:
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if scales_loss and not scaled and any(map(_computes_in_float16, networks)):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(trainable_variables(*networks))
    return optimizer


def trainable_variables(*networks: keras.Model) -> list[Any]:
    """What training changes in networks, one after the other."""
    return [variable for one in networks for variable in one.trainable_variables]


def fixed_loss_scale(network: keras.Model) -> float:
    """The constant by which to scale losses of one row before differentiation."""
    return _FIXED_LOSS_SCALE if _computes_in_float16(network) else 1.0


def _computes_in_float16(network: keras.Model) -> bool:
    return any(layer.compute_dtype == "float16" for layer in network._flatten_layers())


def check_compile(
    g_optimizer: Any, d_optimizer: Any, kwargs: dict[str, Any], is_private: bool
) -> None:
    """Raises a `ValueError` if `NetworkPair.compile` cannot use its arguments."""
    if "optimizer" in kwargs:
        raise ValueError(
            "A GAN has two optimizers. Expected `g_optimizer` and `d_optimizer`. "
            "Received: `optimizer`. Pass one for each network."
        )
    if g_optimizer is d_optimizer and not isinstance(g_optimizer, str):
        raise ValueError(
            "The two networks cannot share an optimizer, which keeps state for each "
            f"weight. Received: {g_optimizer} twice. Create two."
        )
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if is_private and replicas > 1:
        raise ValueError(
            "DP-SGD draws its noise once for a whole batch. Expected one replica. "
            f"Received: {replicas}. Build and compile the model outside the strategy."
        )
