"""Random numbers of a training step, a function of the seed, the step and a purpose."""

from typing import Any

import tensorflow as tf

from keras_mixup_gan.randomness import StepStream
from keras_mixup_gan.typing import Tensor


class StepRandom:
    """Numbers that are a function of the seed, the step and what they are for."""

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
        """A seed `(2,)` for stateless operations, unique to step, stream and draw."""
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
