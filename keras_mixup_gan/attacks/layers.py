"""Norms of gradients and activations by layer: what a discriminator's weights tell."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.models.style_layers import MinibatchStddev
from keras_mixup_gan.typing import FloatArray, Tensor

_BLOCK = 256


def layer_norms(
    network: keras.Model, scores: Callable[[Tensor, Tensor | None], Tensor] | None
) -> Callable[[FloatArray, FloatArray | None], FloatArray]:
    """The norms of a functional network, image by image.

    A function `(images, labels) -> norms`, float64 `(num_images, 2 * num_layers)`: of
    each layer with weights, in the order in which they are applied, the L2 norm of the
    gradient of the image's score by these weights, and of what leaves the layer. A
    network within the network counts as one layer.

    Gradients are taken image by image, which holds for every kind of layer.
    """
    depths = sorted(network._nodes_by_depth, reverse=True)
    nodes = [node for depth in depths for node in network._nodes_by_depth[depth]]
    weighted = {id(n.operation): n for n in nodes if n.operation.trainable_variables}
    variables = [node.operation.trainable_variables for node in weighted.values()]
    left = [node.outputs[0] for node in weighted.values()]
    probe = keras.Model(network.inputs, left)
    is_coupled = any(
        isinstance(layer, MinibatchStddev) for layer in network._flatten_layers()
    )
    together = 1 if is_coupled else _BLOCK  # so that an image has no company

    def of_network(images: Tensor, labels: Tensor | None) -> Tensor:
        inputs = images if labels is None else [images, labels]
        return tf.reshape(network(inputs, training=False), (-1,))

    score = scores or of_network

    def gradient_norms(row: tuple[Tensor, ...]) -> Tensor:
        alone = [part[None] for part in row]
        with tf.GradientTape() as tape:
            value = score(alone[0], alone[1] if len(alone) > 1 else None)[0]
        by_layer = tape.gradient(value, variables)
        return tf.stack([_norm(parts) for parts in by_layer])

    def gradients_of(rows: tuple[Tensor, ...]) -> Tensor:
        return tf.map_fn(gradient_norms, rows, fn_output_signature=tf.float64)

    @functools.cache  # one graph, of whose making for each model nobody is warned
    def traced(specs: tuple[tf.TensorSpec, ...]) -> Callable[..., Tensor]:
        return tf.function(gradients_of).get_concrete_function(specs)

    def norms_of(rows: tuple[Tensor, ...]) -> FloatArray:
        # Not in a graph, whose optimizer complains of outputs of inner layers.
        lengths = [
            [_row_norms(out) for out in tf.nest.flatten(probe(part, training=False))]
            for start in range(0, len(rows[0]), together)
            for part in [[row[start : start + together] for row in rows]]
        ]
        by_layer = np.concatenate([np.stack(part, axis=1) for part in lengths])
        specs = (tf.TensorSpec((None, *row.shape[1:]), row.dtype) for row in rows)
        gradients = traced(tuple(specs))(tuple(map(tf.constant, rows)))
        return np.concatenate([gradients, by_layer], axis=1)

    def norms(images: FloatArray, labels: FloatArray | None) -> FloatArray:
        given = [part for part in (images, labels) if part is not None]
        rows = [np.asarray(part, "float32") for part in given]
        parts = [
            norms_of(tuple(part[start : start + _BLOCK] for part in rows))
            for start in range(0, len(images), _BLOCK)
        ]
        return np.concatenate(parts)

    return norms


def _norm(parts: list[Any]) -> Tensor:
    """Norm of the gradient by all weights of a layer; those without one count as 0."""
    given = [tf.cast(part, tf.float64) for part in parts if part is not None]
    squares = [tf.reduce_sum(tf.square(part)) for part in given]
    return tf.sqrt(tf.add_n([tf.zeros((), tf.float64), *squares]))


def _row_norms(activations: Tensor) -> Tensor:
    flat = tf.reshape(tf.cast(activations, tf.float64), (tf.shape(activations)[0], -1))
    return tf.norm(flat, axis=1)
