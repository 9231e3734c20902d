"""GANs written as Keras' documentation shows, for comparing the cost of a step.

The networks, batches and numbers of updates are those of the zoo's models; there is no
averaged generator, no mixing and no resumable randomness.
"""

from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.data.batches import shuffled_indices


class DocumentedGAN(keras.Model):
    """Discriminator update on fakes and reals together, then a generator update."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.latent_dim = model.latent_dim
        self.generator = keras.models.clone_model(model.generator)
        self.discriminator = keras.models.clone_model(model.discriminator)
        self.noise = keras.random.SeedGenerator(1)
        self.g_tracker = keras.metrics.Mean(name="g_loss")
        self.d_tracker = keras.metrics.Mean(name="d_loss")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Running means of the losses."""
        return [self.g_tracker, self.d_tracker]

    def compile(self, g_optimizer: Any, d_optimizer: Any) -> None:
        """Sets the two optimizers."""
        super().compile(optimizer=None, jit_compile=False)
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def draw(self, reals: Any) -> Any:
        """Latents for as many images as these."""
        shape = (tf.shape(reals)[0], self.latent_dim)
        return keras.random.normal(shape, seed=self.noise)

    def train_step(self, reals: Any) -> dict[str, Any]:
        """Updates of both networks on a batch of images."""
        fakes = self.generator(self.draw(reals), training=True)
        images = tf.concat([fakes, reals], axis=0)
        is_real = tf.concat([tf.zeros_like(fakes), tf.ones_like(reals)], 0)[:, 0, 0, :1]
        with tf.GradientTape() as tape:
            scores = self.discriminator(images, training=True)
            d_loss = self.entropy(is_real, scores)
        self.descend(tape, d_loss, self.discriminator, self.d_optimizer)

        latents = self.draw(reals)
        with tf.GradientTape() as tape:
            fakes = self.generator(latents, training=True)
            scores = self.discriminator(fakes, training=True)
            g_loss = self.entropy(tf.ones_like(scores), scores)
        self.descend(tape, g_loss, self.generator, self.g_optimizer)
        return self.report(d_loss, g_loss)

    def descend(self, tape: Any, loss: Any, network: Any, optimizer: Any) -> None:
        """One update of a network."""
        weights = network.trainable_weights
        gradients = tape.gradient(loss, weights)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))

    def report(self, d_loss: Any, g_loss: Any) -> dict[str, Any]:
        """Updates the running means."""
        self.d_tracker.update_state(d_loss)
        self.g_tracker.update_state(g_loss)
        return {"d_loss": self.d_tracker.result(), "g_loss": self.g_tracker.result()}


class DocumentedWGANGP(DocumentedGAN):
    """Several critic updates with a gradient penalty, then a generator update.

    As documented, all critic updates of a step are on the same batch.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.critic_steps = model.critic_steps
        self.weight = model.gradient_penalty

    def penalty(self, reals: Any, fakes: Any) -> Any:
        """Squared distance of the slope between reals and fakes from 1."""
        shape = (tf.shape(reals)[0], 1, 1, 1)
        position = keras.random.uniform(shape, seed=self.noise)
        between = reals + position * (fakes - reals)
        with tf.GradientTape() as tape:
            tape.watch(between)
            scores = self.discriminator(between, training=True)
        [slopes] = tape.gradient(scores, [between])
        norms = tf.sqrt(tf.reduce_sum(tf.square(slopes), axis=[1, 2, 3]) + 1e-12)
        return tf.reduce_mean(tf.square(norms - 1))

    def train_step(self, reals: Any) -> dict[str, Any]:
        """Updates of both networks on a batch of images."""
        for _ in range(self.critic_steps):
            latents = self.draw(reals)
            with tf.GradientTape() as tape:
                fakes = self.generator(latents, training=True)
                fake = self.discriminator(fakes, training=True)
                real = self.discriminator(reals, training=True)
                d_loss = tf.reduce_mean(fake) - tf.reduce_mean(real)
                d_loss += self.weight * self.penalty(reals, fakes)
            self.descend(tape, d_loss, self.discriminator, self.d_optimizer)

        latents = self.draw(reals)
        with tf.GradientTape() as tape:
            fakes = self.generator(latents, training=True)
            g_loss = -tf.reduce_mean(self.discriminator(fakes, training=True))
        self.descend(tape, g_loss, self.generator, self.g_optimizer)
        return self.report(d_loss, g_loss)


def step_taker(gan: DocumentedGAN, images: Any, batch_size: int) -> Any:
    """A function that takes one step of a compiled GAN on the next batch."""
    images = tf.constant(images)
    rows = shuffled_indices(len(images), batch_size, lambda: 0, seed=0)
    batches = rows.map(lambda row: tf.gather(images, row)).prefetch(tf.data.AUTOTUNE)
    iterator = iter(batches)
    gan.make_train_function()

    def take_step() -> None:
        logs = gan.train_function(iterator)
        tf.nest.map_structure(lambda loss: loss.numpy(), logs)

    return take_step
