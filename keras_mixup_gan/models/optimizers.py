"""Two optimizers of a model: the gradients they expect, and their learning rates."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.typing import Tensor

# DP-SGD clips each row's true gradient: a fixed scale, undone before clipping.
_FIXED_LOSS_SCALE = 1024.0


def gradients(
    tape: tf.GradientTape,
    loss: Tensor,
    variables: list[Any],
    optimizer: keras.optimizers.Optimizer,
) -> list[Tensor]:
    """Gradients of a replica's mean loss as the optimizer's `apply` expects them.

    They are scaled up where the optimizer scales its loss, and down by the number of
    replicas, whose gradients it will sum.
    """
    replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    scale = optimizer.scale_loss(tf.ones_like(loss) / replicas)
    return tape.gradient(loss, variables, output_gradients=scale)


def fixed_loss_scale(network: keras.Model) -> float:
    """The constant by which to scale losses of one row before differentiation."""
    return _FIXED_LOSS_SCALE if _computes_in_float16(network) else 1.0


def prepared(
    optimizer: Any, networks: list[keras.Model], scales_loss: bool = True
) -> keras.optimizers.Optimizer:
    """An optimizer with its state, scaling the loss of a float16 network."""
    optimizer = keras.optimizers.get(optimizer or "adam")
    if not scales_loss:
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if (factor := optimizer.loss_scale_factor) is not None:
            raise ValueError(
                "DP-SGD clips gradients of the loss as it is. Expected an optimizer "
                f"that scales none. Received: loss_scale_factor={factor}. Leave it out."
            )
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if scales_loss and not scaled and any(map(_computes_in_float16, networks)):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    if not optimizer.built:
        optimizer.build(trainable_variables(networks))
    return optimizer


def trainable_variables(networks: Iterable[keras.Model]) -> list[Any]:
    """What an optimizer of several networks trains, in one order."""
    return [variable for one in networks for variable in one.trainable_variables]


def _computes_in_float16(network: keras.Model) -> bool:
    return any(layer.compute_dtype == "float16" for layer in network._flatten_layers())


class LearningRates:
    """What stands in `model.optimizer`, where callbacks of Keras set learning rates.

    Those that know of several optimizers treat each of `optimizers` by itself. Older
    ones set one `learning_rate`: it is the generator's, and the discriminator's keeps
    its ratio to it.
    """

    built = True

    def __init__(self, **optimizers: keras.optimizers.Optimizer) -> None:
        self.optimizers = [_LearningRate(*named) for named in optimizers.items()]
        self._rates = [1.0] * len(self.optimizers)  # the last above zero

    @property
    def variables(self) -> list[Any]:
        """The state of all optimizers."""
        return [v for one in self.optimizers for v in one.optimizer.variables]

    @property
    def iterations(self) -> Any:
        """How many updates the generator has had."""
        return self.optimizers[0].optimizer.iterations

    @property
    def learning_rate(self) -> float:
        """The generator's, which is named first."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if self.learning_rate > 0:
            self._rates = [one.learning_rate for one in self.optimizers]
        ratio = value / self._rates[0]
        for one, rate in zip(self.optimizers, self._rates, strict=True):
            one.learning_rate = rate * ratio


class _LearningRate:
    """An optimizer's learning rate, under a name that tells of the network."""

    def __init__(self, name: str, optimizer: keras.optimizers.Optimizer) -> None:
        self.name = name
        self.optimizer = optimizer

    @property
    def learning_rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.optimizer.learning_rate))

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.optimizer.learning_rate = value
