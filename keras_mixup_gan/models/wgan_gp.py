"""WGAN-GP (Gulrajani et al., NeurIPS 2017): penalty and training step.

The networks are those of the DCGAN, so that only the game differs between the two.
"""

from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.models.dcgan import (
    build_discriminator,
    build_generator,
    check_image_shape,
)
from keras_mixup_gan.models.gan import GAN
from keras_mixup_gan.models.inputs import Batch
from keras_mixup_gan.models.layers import keyed_choices, squared_slopes
from keras_mixup_gan.randomness import StepStream
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_choice, check_integer, check_not_negative

L = keras.layers


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
        width: Channels of the critic's first block; doubled at each halving.
        norm: Normalization of the critic, `"layer"`, `"group"` or `None`; batch
            normalization would give images a common slope. The generator uses it.
        critic_steps: Critic updates for one generator update.
        gradient_penalty: Weight of the penalty, at least 0.
        num_classes: Number of classes, for a conditional model; labels enter the
            generator beside the latents and the critic as constant channels.
        **kwargs: `mixup`, `dp`, `augment`, `ema_momentum`, `seed`: see `GAN`. Labels
            are mixed as the images are, and both networks take the mixed ones.

    Reference:
        Gulrajani et al., https://arxiv.org/abs/1704.00028, Algorithm 1
    """

    family = "wgan_gp"
    title = "WGAN-GP"
    fixed = GAN.fixed | {"gradient_penalty"}
    unheard = frozenset({"discriminator_objective"})
    rows_per_image = 1  # a real image, a generated one and the penalty between them

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
        **kwargs: Any,
    ) -> None:
        if "discriminator_steps" in kwargs:
            raise ValueError(
                "A Wasserstein GAN's discriminator is its critic. Expected "
                "`critic_steps`. Received: discriminator_steps="
                f"{kwargs['discriminator_steps']!r:.40}. Call it `critic_steps`."
            )
        if norm == "batch":
            raise ValueError(_no_batch_norm("norm='batch'"))
        check_choice(norm, ("layer", "group", None), "norm")
        check_integer(1, latent_dim=latent_dim, width=width, critic_steps=critic_steps)
        check_not_negative(gradient_penalty=gradient_penalty)
        image_shape = check_image_shape(image_shape)
        super().__init__(
            lambda seed: build_generator(
                image_shape, latent_dim, width, num_classes, seed
            ),
            lambda seed: build_discriminator(
                image_shape, width, norm, num_classes, seed
            ),
            image_shape=image_shape,
            latent_dim=latent_dim,
            num_classes=num_classes,
            discriminator_steps=critic_steps,
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
        self, g_optimizer: Any = None, d_optimizer: Any = None, **kwargs: Any
    ) -> None:
        """Checks that the critic goes with the penalty, and compiles."""
        check_critic(self.critic)
        super().compile(g_optimizer, d_optimizer, **kwargs)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """`D(G(z)) - D(x)`, without the penalty."""
        return tf.reduce_mean(fake) - tf.reduce_mean(real)

    def generator_loss(self, fake: Tensor) -> Tensor:
        """`-D(G(z))`."""
        return -tf.reduce_mean(fake)

    def update_discriminator(
        self, batch: Batch, fakes: Any, labels: Tensor | None, draw: int
    ) -> Tensor:
        """Lines 3 to 9 of Algorithm 1: one update of the critic."""
        reals = self.augmented(batch.images, 2 * draw)
        fakes = self.augmented(fakes, 2 * draw + 1)
        between = interpolate(fakes, reals, self.positions(reals, draw))
        with tf.GradientTape() as tape:
            real, fake = self.discriminate_both(reals, fakes, labels)
            d_loss = self.discriminator_loss(real, fake)
            loss = d_loss + tf.reduce_mean(self.penalties(between, labels))
        self.minimize(tape, loss, self.critic, self.d_optimizer)
        return d_loss

    def update_generator(
        self,
        tape: tf.GradientTape,
        batch: Batch,
        fakes: Any,
        labels: Tensor | None,
        draw: int,
    ) -> Tensor:
        """Lines 11 and 12, on latents that the critic has not met.

        Noise of mixing is that of the critic's last update.
        """
        with tf.GradientTape() as tape:
            fakes, labels = self.counterparts(batch, draw + 1, noise_draw=draw)
        return super().update_generator(tape, batch, fakes, labels, draw)

    def penalties(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """`gradient_penalty * (|grad_x D(x)| - 1)^2` of each image, in float32."""
        squares = squared_slopes(lambda x: self.discriminate(x, labels), images)
        # The root has no derivative at 0, where a critic may start.
        return self.gradient_penalty * tf.square(tf.sqrt(squares + 1e-12) - 1)

    def positions(self, images: Tensor, draw: int) -> Tensor:
        """Where on their lines interpolates lie: a uniform number for each image."""
        num_images = tf.shape(images)[0]
        return self.random.uniform((num_images,), StepStream.INTERPOLATES, draw)

    # === With DP-SGD ===

    def private_rows(
        self, batch: Batch, fakes: Tensor, labels: Tensor | None, draw: int
    ) -> tuple[dict[str, Tensor], Tensor]:
        """A row is an image, a fake and where the penalty lies between them.

        Their gradients are clipped as one, so that an image counts once. The fakes and
        positions to choose from do not depend on the batch, and an image's choice
        depends on its pixels, not on its place: were it paired with the fake at its
        place, one more image would shift the others' partners, and their gradients
        with them.
        """
        key = self.random.key(StepStream.PARTNERS, draw)
        partners = keyed_choices(batch.images, key, tf.shape(fakes)[0])
        choices = {"fakes": fakes, "positions": self.positions(fakes, draw)}
        rows = {"images": batch.images}
        if labels is not None:
            rows["labels"], choices["fake_labels"] = batch.labels, labels
        chosen = {name: tf.gather(part, partners) for name, part in choices.items()}
        return rows | chosen, batch.mask

    def row_losses(self, rows: dict[str, Any], discriminate: Any) -> Tensor:
        """`D(fake) - D(real)` and the penalty between them, labels too, of each row."""
        images, labels = rows["images"], rows.get("labels")
        fakes, fake_labels = rows["fakes"], rows.get("fake_labels")
        both = None if labels is None else tf.concat([labels, fake_labels], 0)
        scores = discriminate(tf.concat([images, fakes], 0), both)
        real, fake = tf.split(scores, 2)
        images, labels = (
            None if end is None else interpolate(start, end, rows["positions"])
            for start, end in ((fakes, images), (fake_labels, labels))
        )
        return fake - real + self.penalties(images, labels)


def interpolate(start: Tensor, end: Tensor, positions: Tensor) -> Tensor:
    """Points between two batches, row by row: 0 is the start and 1 the end."""
    shape = (-1, *[1] * (len(start.shape) - 1))
    return start + tf.reshape(positions, shape) * (end - start)


def check_critic(network: keras.Model) -> None:
    """Raises a `ValueError` if a layer of a critic does not go with the penalty."""
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
