"""Random numbers of training steps, and latents and outputs in portions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mixup_gan.randomness import StepStream
from keras_mixup_gan.typing import FloatArray, IntArray, Tensor

_LATENT_BLOCK = 256


class StepRandom:
    """Numbers that are a function of the seed, the step and what they are for.

    Args:
        seed: Integer seed.
        steps: Variable that counts training steps.
    """

    def __init__(self, seed: int, steps: Any) -> None:
        self._seed = seed
        self._steps = steps

    def normal(self, shape: Any, stream: StepStream, draw: Any) -> Tensor:
        """Standard normal numbers; the first axis counts this replica's examples."""
        return self._share(tf.random.stateless_normal, shape, stream, draw)

    def uniform(self, shape: Any, stream: StepStream, draw: Any) -> Tensor:
        """Uniform numbers in `[0, 1)`; the first axis as in `normal`."""
        return self._share(tf.random.stateless_uniform, shape, stream, draw)

    def key(
        self, stream: StepStream, draw: Any, *, per_replica: bool = False
    ) -> Tensor:
        """A seed for stateless operations, unique to step, stream and draw.

        Args:
            stream: What the numbers are for.
            draw: Which of the step's draws from the stream.
            per_replica: Whether each replica gets a seed of its own.

        Returns:
            Int64 tensor `(2,)`.
        """
        replica = 0
        if per_replica:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        key = tf.stack([tf.constant(self._seed, tf.int64), self._steps.value])
        for part in (replica, int(stream), draw):
            key = tf.random.experimental.stateless_fold_in(key, tf.cast(part, tf.int64))
        return key

    def _share(self, sample: Any, shape: Any, stream: StepStream, draw: Any) -> Tensor:
        """This replica's rows of what one device would draw for the whole batch."""
        key = self.key(stream, draw)
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync
        if replicas == 1:
            return sample(shape, key)
        rows, *rest = tf.unstack(tf.convert_to_tensor(shape))
        whole = sample(tf.stack([rows * replicas, *rest]), key)
        start = rows * tf.cast(context.replica_id_in_sync_group, rows.dtype)
        return whole[start : start + rows]


def latents_and_classes(
    num_images: int, seed: int, start: int, latent_dim: int, num_classes: int | None
) -> tuple[FloatArray, IntArray]:
    """Latents and classes, drawn in fixed blocks so that portions fit together."""
    first, last = start // _LATENT_BLOCK, (start + num_images) // _LATENT_BLOCK
    blocks, classes = [], []
    for block in range(first, last + 1):
        random = np.random.default_rng([seed, block])
        blocks.append(random.standard_normal((_LATENT_BLOCK, latent_dim)))
        classes.append(random.integers(num_classes or 1, size=_LATENT_BLOCK))
    window = slice(start - first * _LATENT_BLOCK, None)
    latents = np.concatenate(blocks)[window][:num_images].astype("float32")
    return latents, np.concatenate(classes)[window][:num_images]


def in_portions(
    function: Callable[[list[FloatArray]], Tensor],
    inputs: list[FloatArray],
    batch_size: int,
) -> FloatArray:
    """A function's outputs for arrays of equal length, computed so many at once."""
    outputs = [
        function([part[at : at + batch_size] for part in inputs]).numpy()
        for at in range(0, len(inputs[0]), batch_size)
    ]
    return np.concatenate(outputs) if outputs else np.zeros(0, "float32")
