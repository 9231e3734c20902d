"""Layers of StyleGAN 2 (Karras et al., CVPR 2020), each with what it computes.

All weights are drawn with unit variance and scaled when used ("equalized learning
rate", Karras et al., ICLR 2018), so that an Adam step moves every layer alike. Layers
say the shape of what they return: without it Keras traces each to find out.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_mixup_gan.typing import Tensor

# The leaky rectifier, and what restores the variance that it takes away.
_LEAKINESS, _GAIN = 0.2, math.sqrt(2)
_EPSILON = 1e-8


class _Equalized(keras.layers.Layer):
    """A unit-variance kernel and a bias, with or without a leaky rectifier's gain."""

    def __init__(
        self,
        *,
        activate: bool = False,
        learning_rate_multiplier: float = 1.0,
        bias: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activate = activate
        self.learning_rate_multiplier = learning_rate_multiplier
        self.initial_bias = bias
        self.seed = seed

    def _add_weights(self, kernel_shape: tuple[int, ...], units: int) -> None:
        multiplier = self.learning_rate_multiplier
        normal = keras.initializers.RandomNormal(stddev=1 / multiplier, seed=self.seed)
        constant = keras.initializers.Constant(self.initial_bias / multiplier)
        self.kernel = self.add_weight(
            shape=kernel_shape, initializer=normal, name="kernel"
        )
        self.bias = self.add_weight(shape=(units,), initializer=constant, name="bias")
        fan_in = math.prod(kernel_shape[:-1])
        self._gain = multiplier * (_GAIN if self.activate else 1.0)
        self._scale = self._gain / math.sqrt(fan_in)

    def _finished(self, outputs: Tensor) -> Tensor:
        """Adds the bias and rectifies; the gain is in the weights already."""
        outputs = outputs + self.bias * self._gain
        return ops.leaky_relu(outputs, _LEAKINESS) if self.activate else outputs


@keras.saving.register_keras_serializable("keras_mixup_gan")
class EqualizedDense(_Equalized):
    """`x W / sqrt(fan_in) + b`, for `W` of unit variance: rows to `(batch, units)`."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        """Creates the weights."""
        self._add_weights((input_shape[-1], self.units), self.units)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what `call` returns."""
        return (*input_shape[:-1], self.units)

    def call(self, inputs: Tensor) -> Tensor:
        """Applies the layer."""
        return self._finished(ops.matmul(inputs, self.kernel * self._scale))


@keras.saving.register_keras_serializable("keras_mixup_gan")
class EqualizedConv(_Equalized):
    """Padded convolution by `W / sqrt(fan_in)`, for `W` of unit variance."""

    def __init__(
        self, filters: int, kernel_size: int, strides: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides

    def build(self, input_shape: Any) -> None:
        """Creates the weights."""
        side = self.kernel_size
        self._add_weights((side, side, input_shape[-1], self.filters), self.filters)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what `call` returns."""
        batch, *sides, _ = input_shape
        return (batch, *(-(-side // self.strides) for side in sides), self.filters)

    def call(self, maps: Tensor) -> Tensor:
        """Applies the layer."""
        kernel = self.kernel * self._scale
        return self._finished(
            ops.conv(maps, kernel, self.strides, "same", "channels_last")
        )


def modulated_conv(
    maps: Tensor,
    kernel: Tensor,
    scales: Tensor,
    upsample: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Convolves each image by a kernel of its own (StyleGAN 2, equations 1 and 3).

    The kernel is `s_i w_ij / sqrt(sum_i (s_i w_ij)^2)` for input channel `i` and
    output channel `j`, the sum running over pixels too: inputs of unit variance give
    outputs of unit variance. Scaling the inputs by the styles `s`, `(batch,
    in_channels)`, and the outputs by the root is the same, and one ordinary
    convolution serves the whole batch. `upsample` doubles the sides by a transposed
    convolution, in which each output pixel meets a quarter of the kernel's.
    """
    energy = ops.sum(ops.square(ops.cast(kernel, "float32")), axis=(0, 1))
    energy = ops.matmul(ops.square(ops.cast(scales, "float32")), energy)
    root = gain * ops.rsqrt(energy / (4 if upsample else 1) + _EPSILON)
    maps = maps * scales[:, None, None]
    if upsample:
        turned = ops.transpose(kernel, (0, 1, 3, 2))
        maps = ops.conv_transpose(maps, turned, 2, "same", data_format="channels_last")
    else:
        maps = ops.conv(maps, kernel, 1, "same", "channels_last")
    return maps * ops.cast(root, maps.dtype)[:, None, None]


@keras.saving.register_keras_serializable("keras_mixup_gan")
class StyledConv(_Equalized):
    """One layer of the synthesis network: modulated convolution, noise, rectifier.

    It is called on `[maps, styles, noise]`, the noise `(batch, num_output_pixels)`.
    """

    def __init__(self, filters: int, upsample: bool = False, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "activate": True})
        self.filters = filters
        self.upsample = upsample

    def build(self, input_shape: Any) -> None:
        """Creates the weights; the noise begins without any strength."""
        maps, styles, _ = input_shape
        side, factor = (4, 2) if self.upsample else (3, 1)
        self._add_weights((side, side, maps[-1], self.filters), self.filters)
        self.strength = self.add_weight(
            shape=(), initializer="zeros", name="noise_strength"
        )
        self.affine = _affine(maps[-1], styles, self)
        self._grid = (maps[1] * factor, maps[2] * factor, 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what `call` returns."""
        return (input_shape[0][0], *self._grid[:2], self.filters)

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Applies the layer."""
        maps, styles, noise = inputs
        scales, kernel = self.affine(styles), self.kernel * self._scale
        maps = modulated_conv(maps, kernel, scales, self.upsample, self._gain)
        noise = ops.reshape(noise, (-1, *self._grid))
        return self._finished(maps + noise * (self.strength * self._gain))


@keras.saving.register_keras_serializable("keras_mixup_gan")
class ToImage(_Equalized):
    """A modulated 1 x 1 convolution of `[maps, styles]`, not demodulated."""

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = channels

    def build(self, input_shape: Any) -> None:
        """Creates the weights."""
        maps, styles = input_shape
        self._add_weights((maps[-1], self.channels), self.channels)
        self.affine = _affine(maps[-1], styles, self)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what `call` returns."""
        return (*input_shape[0][:-1], self.channels)

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Applies the layer."""
        maps, styles = inputs
        kernels = self.affine(styles)[:, :, None] * (self.kernel * self._scale)
        return self._finished(ops.einsum("bhwi,bij->bhwj", maps, kernels))


@keras.saving.register_keras_serializable("keras_mixup_gan")
class PixelNorm(keras.layers.Layer):
    """Scales each row to a mean square of 1."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what `call` returns."""
        return input_shape

    def call(self, inputs: Tensor) -> Tensor:
        """Applies the layer."""
        rows = ops.cast(inputs, "float32")
        power = ops.mean(ops.square(rows), axis=-1, keepdims=True)
        return ops.cast(rows * ops.rsqrt(power + _EPSILON), self.compute_dtype)


@keras.saving.register_keras_serializable("keras_mixup_gan")
class ConstantRows(keras.layers.Layer):
    """The same standard normal values of a shape for every row of a batch.

    They are trainable as the learned input of the synthesis network, and not as the
    noise of a trained generator.
    """

    def __init__(
        self, shape: tuple[int, ...], seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Draws the values."""
        normal = keras.initializers.RandomNormal(stddev=1.0, seed=self.seed)
        self.values = self.add_weight(
            shape=self.shape, initializer=normal, trainable=self.trainable
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what `call` returns."""
        return (input_shape[0], *self.shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Repeats the values."""
        return ops.repeat(self.values[None], ops.shape(inputs)[0], axis=0)


@keras.saving.register_keras_serializable("keras_mixup_gan")
class MinibatchStddev(keras.layers.Layer):
    """Appends how much an image's maps differ from those of a group (Karras, 2018).

    The standard deviation over the group is averaged over channels and pixels and
    appended as one constant channel. In training, the group of an image is itself and
    the following rows of the batch. In inference no image may meddle with another's
    score: there the last `group_size - 1` rows, which the caller appends, complete the
    group of every row.
    """

    def __init__(self, group_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group_size = group_size

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what `call` returns."""
        return (*input_shape[:-1], input_shape[-1] + 1)

    def call(self, maps: Tensor, training: bool = False) -> Tensor:
        """Appends the channel."""
        rows = ops.cast(maps, "float32")
        others = range(1, self.group_size)
        if training:
            group = [rows, *(ops.roll(rows, -n, axis=0) for n in others)]
        else:
            group = [rows, *(rows[-n:][:1] for n in others)]
        mean = sum(group) / self.group_size
        variance = sum(ops.square(row - mean) for row in group) / self.group_size
        stddev = ops.mean(ops.sqrt(variance + _EPSILON), axis=(1, 2, 3), keepdims=True)
        channel = ops.cast(ops.ones_like(maps[..., :1]), "float32") * stddev
        return ops.concatenate([maps, ops.cast(channel, maps.dtype)], axis=-1)


def layer_seeds(seed: int) -> Iterator[int]:
    """Seeds of layers, each of which uses its own and the one after."""
    return (number % 2**31 for number in itertools.count(1009 * seed, 2))


def mix_styles(
    styles: Tensor, others: Tensor, uniform: Tensor, probability: float
) -> Tensor:
    """Replaces later layers' styles by `others`, where `uniform` `(batch,)` says so."""
    num_styles = styles.shape[1]
    # Uniform in 1 to num_styles - 1; beyond the last style if not to be mixed.
    crossover = 1 + ops.floor(uniform / probability * (num_styles - 1))
    is_first = ops.arange(num_styles, dtype="float32") < crossover[:, None]
    return ops.where(is_first[..., None], styles, others)


def _affine(num_channels: int, styles: Any, owner: _Equalized) -> EqualizedDense:
    """The map from `w` to the scales of channels, which begin around 1."""
    seed = None if owner.seed is None else owner.seed + 1
    affine = EqualizedDense(
        num_channels, bias=1.0, seed=seed, dtype=owner.dtype_policy, name="affine"
    )
    affine.build(styles)
    return affine
