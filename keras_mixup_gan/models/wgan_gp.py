"""WGAN-GP (Gulrajani et al., NeurIPS 2017): penalty and training step.

The networks are those of the DCGAN, so that only the game differs between the two.
"""

import secrets
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.models import feeding
from keras_mixup_gan.models.dcgan import (
    build_discriminator,
    build_generator,
    check_image_shape,
)
from keras_mixup_gan.models.gan import GAN
from keras_mixup_gan.models.layers import policy_scope
from keras_mixup_gan.models.partitions import hashed_choices
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_choice, check_in_range, check_integer

L = keras.layers

# Streams of random numbers: positions of interpolates, partners of private rows.
_POSITIONS, _PARTNERS = 10, 11


@keras.saving.register_keras_serializable("keras_mixup_gan")
class WGANGP(GAN):
    """Wasserstein GAN whose critic is held to slope 1 by a gradient penalty.

    In each training step the critic takes `critic_steps` updates, each on a batch of
    its own, and the generator one. The losses that are reported leave the penalty
    out: `d_loss` is the negative estimate of the Wasserstein distance, at the last of
    these updates.

    Args:
        image_shape: `(height, width, channels)`; both sides at least 8 and divisible
            by 4.
        latent_dim: Number of latent dimensions.
        width: Channels of the critic's first block; doubled at each halving.
        norm: Normalization of the critic, `"layer"`, `"group"` or `None`; batch
            normalization would give images a common slope. The generator uses it.
        critic_steps: Critic updates for one generator update.
        gradient_penalty: Weight of the penalty, at least 0.
        num_classes: Number of classes, for a conditional model; labels enter the
            generator beside the latents and the critic as constant channels.
        mixup: A `MixUp`, or `None`. Labels are mixed as the images are, and both
            networks take the mixed ones.
        dp: A `DPSGD`, or `None`.
        augment: Policy of differentiable augmentation, or `None`; not with `dp`.
        ema_momentum: Momentum of the generator's moving average, in `[0, 1)`.
        seed: Integer seed of weights, batches and latents; `None` draws one.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Gulrajani et al., https://arxiv.org/abs/1704.00028, Algorithm 1
    """

    # Of a DP-SGD update: a real image, a generated one and the penalty between them.
    family = "wgan_gp"
    title = "WGAN-GP"
    rows_per_image = 1

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        latent_dim: int = 64,
        width: int = 32,
        norm: str | None = "layer",
        *,
        critic_steps: int = 5,
        gradient_penalty: float = 10.0,
        num_classes: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if norm == "batch":
            raise ValueError(_no_batch_norm("norm='batch'"))
        check_choice(norm, ("layer", "group", None), "norm")
        check_integer(1, latent_dim=latent_dim, width=width, critic_steps=critic_steps)
        check_in_range(0, float("inf"), gradient_penalty=gradient_penalty)
        check_image_shape(image_shape)
        seed = secrets.randbits(31) if seed is None else seed
        height, breadth, channels = image_shape
        image_shape = (height, breadth, channels)
        with policy_scope(kwargs.get("dtype")):
            networks = (
                build_generator(image_shape, latent_dim, width, num_classes, seed),
                build_discriminator(image_shape, width, norm, num_classes, seed + 1),
                build_generator(image_shape, latent_dim, width, num_classes, seed),
            )
        super().__init__(
            *networks,
            image_shape=image_shape,
            latent_dim=latent_dim,
            num_classes=num_classes,
            discriminator_steps=critic_steps,
            seed=seed,
            **kwargs,
        )
        self.width = width
        self.norm = norm
        self.gradient_penalty = gradient_penalty

    @property
    def critic(self) -> keras.Model:
        """The discriminator, by the name it has in a Wasserstein GAN."""
        return self.discriminator

    @property
    def critic_steps(self) -> int:
        """Critic updates for one generator update."""
        return self.discriminator_steps

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the model."""
        config = super().get_config()
        critic_steps = config.pop("discriminator_steps")
        return {
            **config,
            "width": self.width,
            "norm": self.norm,
            "critic_steps": critic_steps,
            "gradient_penalty": self.gradient_penalty,
        }

    def compile(
        self, g_optimizer: Any = "adam", d_optimizer: Any = "adam", **kwargs: Any
    ) -> None:
        """Sets the two optimizers; see `GAN.compile`.

        Raises:
            ValueError: If a layer of the critic does not go with the penalty.
        """
        check_critic(self.critic)
        super().compile(g_optimizer, d_optimizer, **kwargs)

    def losses(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """`D(G(z)) - D(x)`, without the penalty, and `-D(G(z))`."""
        return tf.reduce_mean(fake) - tf.reduce_mean(real), -tf.reduce_mean(fake)

    def train_step(self, data: Any) -> dict[str, Tensor]:
        """Algorithm 1: `critic_steps` critic updates, then one of the generator.

        Args:
            data: Prepared batches; their images are mixtures where the model mixes.

        Returns:
            Running means of the losses.
        """
        batches = feeding.prepared_batches(self, data)
        if self.dp is not None:
            return self.private_train_step(batches)

        for n, batch in enumerate(batches):
            labels = batch.get("labels")
            reals = _labeled(self.augmented(batch["images"], 2 * n), labels)
            fakes = _labeled(self.augmented(self.fakes(batch, n), 2 * n + 1), labels)
            between = interpolate(fakes, reals, self.positions(reals, n))
            with tf.GradientTape() as tape:
                real, fake = self.judge(reals, fakes)
                d_loss, _ = self.losses(real, fake)
                loss = d_loss + tf.reduce_mean(self.penalties(**between))
            self.minimize(tape, loss, self.critic, self.d_optimizer)

        n, batch = len(batches), batches[-1]
        with tf.GradientTape() as tape:
            fakes = self.augmented(self.fakes(batch, n), 2 * n)
            g_loss = -tf.reduce_mean(self.discriminate(fakes, batch.get("labels")))
        self.minimize(tape, g_loss, self.generator, self.g_optimizer)
        return self.finish_step(d_loss, g_loss)

    def judge(
        self, reals: dict[str, Tensor], fakes: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Scores of as many real as generated images, in one pass of the critic."""
        both = {name: tf.concat([reals[name], fakes[name]], 0) for name in reals}
        scores = self.discriminate(both["images"], both.get("labels"))
        real, fake = tf.split(scores, 2)
        return real, fake

    def penalties(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """`gradient_penalty * (|grad_x D(x)| - 1)^2` of each image, in float32.

        Args:
            images: Float32 tensor `(batch, height, width, channels)`.
            labels: Their labels `(batch, num_classes)`, or `None`.

        Returns:
            Tensor `(batch,)`, differentiable by the critic's weights.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            scores = self.discriminate(images, labels)
        slopes = tf.cast(tape.gradient(scores, images), tf.float32)
        # The root has no derivative at 0, where a critic may start.
        norms = tf.sqrt(tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3)) + 1e-12)
        return self.gradient_penalty * tf.square(norms - 1)

    def positions(self, rows: dict[str, Tensor], draw: int) -> Tensor:
        """Where on their lines interpolates lie: a uniform number for each row."""
        num_rows = tf.shape(rows["images"])[0]
        return self.random_uniform((num_rows,), _POSITIONS, draw)

    # === With DP-SGD ===

    def private_train_step(self, batches: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The same with DP-SGD: a row is an image, a fake and the penalty between.

        Their gradients are clipped as one, so that an image counts once. Labels of
        generated images are drawn uniformly, not taken from the batch.
        """
        num_fakes = tf.cast(self.expected_batch_size.value, tf.int32)
        for n, batch in enumerate(batches):
            rows = self.private_rows(batch, num_fakes, n)
            self.private_update(rows, batch["mask"], self.row_losses, n)

        n = len(batches)
        labels = self.random_labels(num_fakes, n)
        with tf.GradientTape() as tape:
            fakes = self.clean_fakes(num_fakes, labels, n)
            g_loss = -tf.reduce_mean(self.discriminate(fakes, labels))
        self.minimize(tape, g_loss, self.generator, self.g_optimizer)
        return self.finish_step(None, g_loss)

    def row_losses(self, rows: dict[str, Any], discriminate: Any) -> Tensor:
        """`D(fake) - D(real)` and the penalty between them, labels too, of each row."""
        real, fake = self.judge(rows["real"], rows["fake"])
        between = interpolate(rows["fake"], rows["real"], rows["position"])
        return fake - real + self.penalties(**between)

    def private_rows(
        self, batch: dict[str, Tensor], num_fakes: Tensor, draw: int
    ) -> dict[str, Any]:
        """The rows of a critic update, each a function of its own image alone.

        The fakes and positions to choose from do not depend on the batch, and an
        image's choice depends on its pixels, not on its place: were it paired with
        the fake at its place, one more image would shift the others' partners, and
        their gradients with them.
        """
        real = _labeled(batch["images"], batch.get("labels"))
        images = real["images"]
        weights = tf.random.stateless_uniform(
            (images.shape[1:].num_elements(),),
            self.random_key(_PARTNERS, draw),
            minval=None,
            maxval=None,
            dtype=tf.int64,
        )
        partners = hashed_choices(images, weights, num_fakes)

        labels = self.random_labels(num_fakes, draw)
        fake = _labeled(self.clean_fakes(num_fakes, labels, draw), labels)
        choices = {"fake": fake, "position": self.positions(fake, draw)}
        chosen = tf.nest.map_structure(lambda part: tf.gather(part, partners), choices)
        return {"real": real, **chosen}


def _labeled(images: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
    """Images, with their labels where the model is conditional, in float32."""
    rows = {"images": images, "labels": labels}
    return {
        name: tf.cast(part, tf.float32)
        for name, part in rows.items()
        if part is not None
    }


def interpolate(start: Any, end: Any, positions: Tensor) -> Any:
    """Points between two structures of tensors, row by row.

    Args:
        start: Tensor or structure of tensors `(batch, ...)`.
        end: The same for the other ends.
        positions: Tensor `(batch,)`, 0 at the start and 1 at the end.

    Returns:
        `start + position * (end - start)`, exact where both ends are equal.
    """

    def between(first: Tensor, last: Tensor) -> Tensor:
        shape = (-1, *[1] * (len(first.shape) - 1))
        return first + tf.reshape(positions, shape) * (last - first)

    return tf.nest.map_structure(between, start, end)


def check_critic(network: keras.Model) -> None:
    """Checks that the gradient penalty means what it should for every layer.

    Args:
        network: A critic.

    Raises:
        ValueError: If a layer couples the images of a batch, or has no second
            derivative.
    """
    for layer in network._flatten_layers():
        if isinstance(layer, L.BatchNormalization):
            raise ValueError(_no_batch_norm(f"layer {layer.name!r}"))
        if getattr(layer, "interpolation", "nearest") != "nearest":
            raise ValueError(
                "The gradient penalty needs second derivatives, which TensorFlow does "
                f"not have for {layer.interpolation} resizing. Expected a critic "
                f"without it. Received: layer {layer.name!r}. Use "
                "interpolation='nearest'."
            )


def _no_batch_norm(received: str) -> str:
    return (
        "The gradient penalty holds the slope at each image by itself, but batch "
        "normalization makes every score depend on the whole batch. Expected a critic "
        f"without it. Received: {received}. Use norm='layer'."
    )
