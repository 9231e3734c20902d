"""Clipped gradient sums that never hold one example's gradient ("ghost clipping").

The gradient of one example by a layer's kernel is a product of what entered the layer
and of the loss's slope at what left it. Both are known after one backward pass, and
give the norms that clipping needs (Goodfellow, "Efficient per-example gradient
computations", 2015; Li et al., "Large language models can be strong differentially
private learners", ICLR 2022). With the slopes of each example scaled by its clipping
weight they then give the clipped sum itself, without a second pass (Bu et al.,
"Differentially private optimization on large model at small cost", ICML 2023).
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_mixup_gan.privacy import tfp
from keras_mixup_gan.typing import Tensor

L = keras.layers

# Layers without weights that treat each row by itself; others may say so of themselves,
# in an attribute `is_row_wise` of their class.
_PLAIN = {
    L.InputLayer,
    L.ReLU,
    L.LeakyReLU,
    L.ELU,
    L.Flatten,
    L.Reshape,
    L.Dropout,
    L.SpatialDropout2D,
    L.MaxPooling2D,
    L.AveragePooling2D,
    L.GlobalMaxPooling2D,
    L.GlobalAveragePooling2D,
    L.ZeroPadding2D,
    L.Cropping2D,
    L.UpSampling2D,
}
_ACTIVATIONS = {
    getattr(keras.activations, name)
    for name in ("linear", "relu", "leaky_relu", "tanh", "sigmoid", "silu", "gelu")
}
# A Gram matrix forgets digits where its terms cancel: norms are rounded up by this.
_ROUNDING = 2.0**-22


class GhostClipping:
    """Sums of clipped gradients of a network for which `obstacle` returns `None`."""

    def __init__(self, network: keras.Model, l2_norm_clip: float) -> None:
        self._network = network
        clipping = tfp.load("fast_gradient_clipping.clip_grads")
        self._clip_weights = functools.partial(
            clipping.compute_clip_weights, l2_norm_clip
        )
        nodes = [n for n in _nodes(network) if n.operation.trainable_variables]
        self._layers = [node.operation for node in nodes]
        seen = [(node.input_tensors[0], node.outputs[0]) for node in nodes]
        self._probe = keras.Model(network.inputs, [network.outputs[0], seen])

    def __call__(
        self, row_losses: Callable[[Callable[..., Tensor]], Tensor], mask: Tensor
    ) -> list[Tensor]:
        """The sum over rows of clipped gradients by the trainable variables.

        `row_losses` takes the network, calls it once and returns losses `(num_rows,)`,
        each a function of its own row's score alone. Rows that the boolean mask leaves
        out, or with a gradient that is not finite, count as absent.
        """
        calls: list[Any] = []

        def record(inputs: Any, training: bool = True) -> Tensor:
            outputs, seen = self._probe(inputs, training=training)
            calls.append(seen)
            return outputs

        with tf.GradientTape() as tape:
            total = tf.reduce_sum(row_losses(record))
        [seen] = calls
        slopes = tape.gradient(total, [output for _, output in seen])
        parts = [
            part
            for layer, (entered, _), slope in zip(
                self._layers, seen, slopes, strict=True
            )
            for part in _PARTS[type(layer)](layer, entered, slope)
            if part.variable.trainable
        ]
        norms = tf.sqrt(tf.add_n([part.squared_norms for part in parts]))
        keep = mask & tf.math.is_finite(norms)
        norms = tf.where(keep, norms, 0.0)
        weights = tf.where(keep, self._clip_weights(norms), 0.0)
        sums = {id(part.variable): part.weighted_sum(weights) for part in parts}
        return [sums[id(v)] for v in self._network.trainable_variables]


def obstacle(network: keras.Model) -> str | None:
    """Why a discriminator cannot be clipped by `GhostClipping`, or `None` if it can."""
    if not isinstance(network, keras.Function) or len(network.outputs) != 1:
        return f"network {network.name!r} is not a functional model of one output"
    used: set[int] = set()
    for node in _nodes(network):
        layer = node.operation
        reason = _obstacle(layer, node)
        if reason is None and id(layer) in used:
            reason = "is used more than once"
        if reason is not None:
            return f"layer {layer.name!r} ({type(layer).__name__}) {reason}"
        used.add(id(layer))
    return None


def _nodes(network: keras.Model) -> list[Any]:
    """The places of a functional model where a layer is applied."""
    return [node for nodes in network._nodes_by_depth.values() for node in nodes]


def _obstacle(layer: Any, node: Any) -> str | None:
    """Why the gradients of one layer are not known, if they are not."""
    kind = type(layer)
    if kind in _PLAIN or vars(kind).get("is_row_wise", False):
        return None
    if kind is L.Activation and layer.activation in _ACTIVATIONS:
        return None
    if kind is L.Concatenate and layer.axis != 0:
        return None
    if kind not in _PARTS:
        return "is of a kind whose gradients are not known"
    if {layer.compute_dtype, layer.variable_dtype} != {"float32"}:
        return f"computes in {layer.compute_dtype}, not float32"
    if getattr(layer, "activation", None) not in (None, keras.activations.linear):
        return "has an activation built in; make it a layer of its own"
    if any(
        getattr(layer, name, None) for name in ("lora_enabled", "quantization_mode")
    ):
        return "is not stored plainly"
    rank = len(node.outputs[0].shape)
    if kind is L.Dense and rank != 2:
        return "is applied along an axis"
    if kind is L.Conv2D and (
        layer.groups != 1
        or tuple(layer.dilation_rate) != (1, 1)
        or layer.data_format != "channels_last"
        or None in node.outputs[0].shape[1:]
    ):
        return "has groups, dilation, leading channels or no fixed size"
    if kind in (L.LayerNormalization, L.GroupNormalization):
        axes = layer.axis if isinstance(layer.axis, list) else [layer.axis]
        if getattr(layer, "rms_scaling", False) or axes not in ([-1], [rank - 1]):
            return "does not normalize the last axis"
    return None


# === Layers ===


class _Part(NamedTuple):
    """What one variable adds to the norms, and its sum once the weights are known."""

    variable: Any
    squared_norms: Tensor
    weighted_sum: Callable[[Tensor], Tensor]


def _small(variable: Any, gradients: Tensor) -> _Part:
    """A variable so small that one gradient for each row does no harm."""
    axes = range(1, len(gradients.shape))

    def weighted_sum(weights: Tensor) -> Tensor:
        return tf.tensordot(weights, _kept(weights, gradients), 1)

    return _Part(variable, tf.reduce_sum(tf.square(gradients), axes), weighted_sum)


def _dense(layer: Any, entered: Tensor, slopes: Tensor) -> Iterator[_Part]:
    lengths = [tf.reduce_sum(tf.square(part), 1) for part in (entered, slopes)]

    def weighted_sum(weights: Tensor) -> Tensor:
        weighted = _kept(weights, weights[:, None] * slopes)
        return tf.matmul(_kept(weights, entered), weighted, transpose_a=True)

    yield _Part(layer.kernel, lengths[0] * lengths[1], weighted_sum)
    if layer.use_bias:
        yield _small(layer.bias, slopes)


def _conv(layer: Any, entered: Tensor, slopes: Tensor) -> Iterator[_Part]:
    height, breadth, _, channels = shape = layer.kernel.shape
    strides, padding = (1, *layer.strides, 1), layer.padding.upper()
    patches = tf.image.extract_patches(
        entered, (1, height, breadth, 1), strides, (1, 1, 1, 1), padding
    )
    places, size = math.prod(slopes.shape[1:3]), patches.shape[-1]
    patches = tf.reshape(patches, (-1, places, size))
    at_places = tf.reshape(slopes, (-1, places, channels))
    if size * channels <= places * (size + channels):
        products = tf.matmul(patches, at_places, transpose_a=True)
        yield _small(layer.kernel, tf.reshape(products, (-1, *shape)))
    else:

        def weighted_sum(weights: Tensor) -> Tensor:
            weighted = _kept(weights, weights[:, None, None, None] * slopes)
            return tf.raw_ops.Conv2DBackpropFilter(
                input=_kept(weights, entered),
                filter_sizes=shape,
                out_backprop=weighted,
                strides=strides,
                padding=padding,
            )

        yield _Part(layer.kernel, _gram_norms(patches, at_places), weighted_sum)
    if layer.use_bias:
        yield _small(layer.bias, tf.reduce_sum(at_places, 1))


def _gram_norms(patches: Tensor, slopes: Tensor) -> Tensor:
    """Squared norms of `patches^T slopes`, row by row, without the product itself."""
    grams = [tf.matmul(part, part, transpose_b=True) for part in (patches, slopes)]
    lengths = [tf.linalg.trace(gram) for gram in grams]
    squares = tf.reduce_sum(grams[0] * grams[1], (1, 2))
    return tf.maximum(squares, 0.0) + _ROUNDING * lengths[0] * lengths[1]


def _normalization(layer: Any, entered: Tensor, slopes: Tensor) -> Iterator[_Part]:
    places = range(1, len(slopes.shape) - 1)
    if layer.scale:
        settings = {**layer.get_config(), "center": False, "scale": False}
        normalized = type(layer).from_config(settings)(entered)
        yield _small(layer.gamma, tf.reduce_sum(slopes * normalized, places))
    if layer.center:
        yield _small(layer.beta, tf.reduce_sum(slopes, places))


def _kept(weights: Tensor, rows: Tensor) -> Tensor:
    """Rows with those of weight 0 replaced by zeros: 0 times NaN would be NaN."""
    shape = (-1, *[1] * (len(rows.shape) - 1))
    return tf.where(tf.reshape(weights > 0, shape), rows, 0.0)


_PARTS: dict[Any, Callable[[Any, Tensor, Tensor], Iterator[_Part]]] = {
    L.Conv2D: _conv,
    L.Dense: _dense,
    L.GroupNormalization: _normalization,
    L.LayerNormalization: _normalization,
}
