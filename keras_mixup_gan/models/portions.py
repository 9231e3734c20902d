"""Latents that are drawn in fixed blocks, and a network's outputs so many at once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mixup_gan.models.divergence import check_finite
from keras_mixup_gan.typing import FloatArray, IntArray, Tensor

_LATENT_BLOCK = 256


def latents_and_classes(
    num_images: int, seed: int, start: int, latent_dim: int, num_classes: int | None
) -> tuple[FloatArray, IntArray]:
    """Latents and classes, drawn in fixed blocks so that portions fit together."""
    first, last = start // _LATENT_BLOCK, (start + num_images) // _LATENT_BLOCK
    blocks, classes = [], []
    for block in range(first, last + 1):
        random = np.random.default_rng([seed, block])
        normal = random.standard_normal((_LATENT_BLOCK, latent_dim))
        blocks.append(normal.astype("float32"))
        classes.append(random.integers(num_classes or 1, size=_LATENT_BLOCK))
    window = slice(start - first * _LATENT_BLOCK, None)
    latents = np.concatenate(blocks)[window][:num_images]
    return latents, np.concatenate(classes)[window][:num_images]


def in_portions(
    function: Callable[[list[FloatArray]], Tensor],
    inputs: list[FloatArray],
    batch_size: int,
    what: str,
    convert: Callable[[FloatArray], np.ndarray[Any, Any]] = np.asarray,
) -> np.ndarray[Any, Any]:
    """A function's outputs for arrays of equal length, computed so many at once.

    They must be finite, and are converted before the next are computed.
    """
    outputs = convert(np.zeros(0, "float32"))
    for at in range(0, len(inputs[0]), batch_size):
        portion = [tf.constant(part[at : at + batch_size]) for part in inputs]
        output = function(portion).numpy()
        check_finite(output, what)
        if at == 0:
            shape = len(inputs[0]), *output.shape[1:]
            outputs = np.empty(shape, outputs.dtype)
        outputs[at : at + batch_size] = convert(output)
    return outputs
