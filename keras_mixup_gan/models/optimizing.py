"""Optimizers of the two networks: checks, and loss scaling for half precision."""

from typing import Any

import keras
import tensorflow as tf

# DP-SGD clips each row's true gradient: a fixed scale, undone before clipping.
_FIXED_LOSS_SCALE = 1024.0


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
        optimizer = inner(optimizer)
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if scales_loss and not scaled and any(map(computes_in_float16, networks)):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(trainable_variables(*networks))
    return optimizer


def trainable_variables(*networks: keras.Model) -> list[Any]:
    """What training changes in networks, one after the other."""
    return [variable for one in networks for variable in one.trainable_variables]


def inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """What is inside a `LossScaleOptimizer`, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def computes_in_float16(network: keras.Model) -> bool:
    """Whether any layer of a network computes in float16."""
    return any(layer.compute_dtype == "float16" for layer in network._flatten_layers())


def fixed_loss_scale(network: keras.Model) -> float:
    """The constant by which to scale losses of one row before differentiation."""
    return _FIXED_LOSS_SCALE if computes_in_float16(network) else 1.0


def check_compile(
    g_optimizer: Any, d_optimizer: Any, kwargs: dict[str, Any], dp: Any
) -> None:
    """Raises a `ValueError` if `GAN.compile` cannot use its arguments.

    Args:
        g_optimizer: Optimizer of the generator.
        d_optimizer: Optimizer of the discriminator.
        kwargs: Further arguments of `compile`.
        dp: The model's `DPSGD` settings, or `None`.
    """
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
    if dp is not None and replicas > 1:
        raise ValueError(
            "DP-SGD draws its noise once for a whole batch. Expected one replica. "
            f"Received: {replicas}. Build and compile the model outside the strategy."
        )
