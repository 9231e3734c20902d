"""A linear generator, whose best reconstructions are projections."""

import numpy as np

from keras_mixup_gan.attacks import AttackTarget
from tests.attacks.fakes import SHAPE

LATENT_DIM = 5


class Linear:
    """`G(z) = A z + b` as an attacker sees it, counting what it is asked."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        size = int(np.prod(SHAPE))
        self.matrix = rng.normal(0, 0.1, (size, LATENT_DIM)).astype("float32")
        self.shift = rng.normal(0, 0.1, size).astype("float32")
        self.num_queries = 0

    def queries(self, latents, labels):
        self.num_queries += len(latents)
        assert latents.dtype == np.float32
        flat = np.einsum("nk,dk->nd", latents, self.matrix) + self.shift
        return flat.reshape(len(latents), *SHAPE)

    def generator(self, latents, labels):
        import tensorflow as tf

        # No product of matrices, as it may round by where a row lies.
        flat = tf.reduce_sum(latents[:, None] * self.matrix, axis=2) + self.shift
        return tf.reshape(flat, (-1, *SHAPE))

    def target(self, gradients=False, **fields):
        return AttackTarget(
            image_shape=SHAPE,
            queries=self.queries,
            generator=self.generator if gradients else None,
            latent_dim=LATENT_DIM,
            **fields,
        )

    def best_losses(self, images):
        """The squared residual of the projection on the range, per pixel."""
        rows = images.reshape(len(images), -1).astype("float64") - self.shift
        matrix = self.matrix.astype("float64")
        latents = np.linalg.lstsq(matrix, rows.T, rcond=None)[0]
        return ((rows - (matrix @ latents).T) ** 2).mean(axis=1)
