"""DCGAN (Radford, Metz, Chintala, ICLR 2016): networks, losses and an update."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.data.images import check_image_shape as check_sizes
from keras_mixup_gan.models.gan import GAN
from keras_mixup_gan.models.inputs import Batch
from keras_mixup_gan.models.layers import (
    LabelMaps,
    StatelessDropout,
    batch_normalization,
    normal_initializers,
    normalization,
)
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_choice, check_in_range, check_integer

L = keras.layers


@keras.saving.register_keras_serializable("keras_mixup_gan")
class DCGAN(GAN):
    """Deep convolutional GAN with the non-saturating loss.

    Args:
        image_shape: `(height, width, channels)`; both sides at least 8 and divisible
            by 4.
        width: Channels of the discriminator's first block; doubled at each halving.
        norm: Normalization of the discriminator, `"layer"`, `"group"`, `"batch"` or
            `None`. The generator uses batch normalization, as in the paper.
        dropout: Part of the discriminator's activations that a training pass drops
            after each LeakyReLU, in `[0, 1)`; not with `dp`.
        num_classes: Number of classes, for a conditional model; labels enter the
            generator beside the latents and the discriminator as constant channels.
        **kwargs: `mixup`, `dp`, `augment`, `discriminator_steps`, `ema_momentum`,
            `seed`: see `GAN`.

    Reference:
        Radford et al., https://arxiv.org/abs/1511.06434
    """

    family = "dcgan"
    title = "DCGAN"
    scores_suffice = True

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        latent_dim: int = 64,
        width: int = 32,
        norm: str | None = "layer",
        *,
        dropout: float = 0.0,
        num_classes: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_choice(norm, ("layer", "group", "batch", None), "norm")
        check_integer(1, latent_dim=latent_dim, width=width)
        check_dropout(dropout, kwargs.get("dp"))
        image_shape = check_image_shape(image_shape)
        super().__init__(
            lambda seed: build_generator(
                image_shape, latent_dim, width, num_classes, seed
            ),
            lambda seed: self.make_discriminator(
                image_shape, width, norm, num_classes, seed, dropout=dropout
            ),
            image_shape=image_shape,
            latent_dim=latent_dim,
            num_classes=num_classes,
            **kwargs,
        )
        self.width = width
        self.norm = norm
        self.dropout = dropout

    def make_discriminator(self, *args: Any, **kwargs: Any) -> keras.Model:
        """The discriminator, before anything else of the model is there."""
        return build_discriminator(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the model."""
        own = {"width": self.width, "norm": self.norm, "dropout": self.dropout}
        return {**super().get_config(), **own}

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """`-log D(x) - log(1 - D(G(z)))`."""
        return tf.reduce_mean(real_loss(real)) + tf.reduce_mean(fake_loss(fake))

    def generator_loss(self, fake: Tensor) -> Tensor:
        """The non-saturating `-log D(G(z))`."""
        return tf.reduce_mean(real_loss(fake))

    def discriminator_objective(self, real: Tensor, fake: Tensor) -> Tensor:
        """What a discriminator update descends; with `dp` that is `row_losses`."""
        return self.discriminator_loss(real, fake)

    def update_discriminator(
        self, batch: Batch, fakes: Any, labels: Tensor | None, draw: int
    ) -> Tensor:
        """One step on reals and fakes, scored in one pass."""
        reals = self.augmented(batch.images, 2 * draw)
        fakes = self.augmented(fakes, 2 * draw + 1)
        with tf.GradientTape() as tape:
            if self.norm == "batch":  # whose statistics must not mix the two
                real = self.discriminate(reals, labels)
                fake = self.discriminate(fakes, labels)
            else:
                real, fake = self.discriminate_both(reals, fakes, labels)
            objective = self.discriminator_objective(real, fake)
            d_loss = self.discriminator_loss(real, fake)
        self.minimize(tape, objective, self.discriminator, self.d_optimizer)
        return d_loss

    def row_losses(self, rows: dict[str, Tensor], discriminate: Any) -> Tensor:
        """The same losses, of each row by itself."""
        return row_losses(rows, discriminate)


def real_loss(logits: Tensor) -> Tensor:
    """`-log sigmoid(logit)`: small where the discriminator says "real"."""
    return tf.nn.softplus(-logits)


def fake_loss(logits: Tensor) -> Tensor:
    """`-log(1 - sigmoid(logit))`: small where the discriminator says "generated"."""
    return tf.nn.softplus(logits)


def row_losses(rows: dict[str, Tensor], discriminate: Callable[..., Tensor]) -> Tensor:
    """The discriminator's loss of each row, by whether its image is real."""
    scores = discriminate(rows["images"], rows.get("labels"))
    return tf.where(rows["is_real"], real_loss(scores), fake_loss(scores))


def build_generator(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    width: int,
    num_classes: int | None,
    seed: int,
) -> keras.Model:
    """Latents, and labels if any, to images through transposed convolutions."""
    height, breadth, channels = image_shape
    halvings = num_halvings(height, breadth)
    initializer = normal_initializers(seed)
    inputs = latents = keras.Input((latent_dim,), name="latents")
    if num_classes is not None:
        labels = keras.Input((num_classes,), name="labels")
        inputs, latents = [latents, labels], L.Concatenate()([latents, labels])

    def doubled(filters: int, **kwargs: Any) -> keras.layers.Layer:
        kernel = initializer()
        return L.Conv2DTranspose(
            filters, 4, 2, "same", kernel_initializer=kernel, **kwargs
        )

    base = (height >> halvings, breadth >> halvings, width << (halvings - 1))
    x = L.Dense(
        base[0] * base[1] * base[2], use_bias=False, kernel_initializer=initializer()
    )(latents)
    x = L.Reshape(base)(x)
    x = L.ReLU()(batch_normalization()(x))
    for level in reversed(range(halvings - 1)):
        x = doubled(width << level, use_bias=False)(x)
        x = L.ReLU()(batch_normalization()(x))
    images = doubled(channels, activation="tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="generator")


def build_discriminator(
    image_shape: tuple[int, int, int],
    width: int,
    norm: str | None,
    num_classes: int | None,
    seed: int,
    *,
    dropout: float = 0.0,
    outputs: int = 1,
) -> keras.Model:
    """Images, and labels if any, to raw scores through strided convolutions."""
    initializer = normal_initializers(seed)
    inputs = images = keras.Input(image_shape, name="images")
    if num_classes is not None:
        labels = keras.Input((num_classes,), name="labels")
        inputs, images = [images, labels], LabelMaps()([images, labels])

    x, channels = images, width
    while min(x.shape[1:3]) > 4:
        x = L.Conv2D(channels, 4, 2, "same", kernel_initializer=initializer())(x)
        if channels > width and norm is not None:
            x = normalization(norm, channels)(x)
        x = L.LeakyReLU(0.2)(x)
        if dropout > 0:
            x = StatelessDropout(dropout, (seed * 1009 + channels) % 2**31)(x)
        channels *= 2
    x = L.Flatten()(x)
    scores = L.Dense(
        outputs, kernel_initializer=initializer(), dtype="float32", name="scores"
    )(x)
    return keras.Model(inputs, scores, name="discriminator")


def num_halvings(height: int, breadth: int) -> int:
    """How often both sides can be halved before one is odd or at most 4."""
    count = 0
    while min(height, breadth) > 4 and height % 2 == 0 and breadth % 2 == 0:
        height, breadth, count = height // 2, breadth // 2, count + 1
    return count


def check_image_shape(image_shape: Any) -> tuple[int, int, int]:
    """The shape as a tuple, if the networks can be built for such images."""
    image_shape = check_sizes(image_shape)
    if any(side < 8 or side % 4 for side in image_shape[:2]):
        raise ValueError(
            "`image_shape` must be (height, width, channels) with sides of at least 8 "
            f"that 4 divides. Received: image_shape={image_shape}. Resize the images, "
            "e.g. `data.load_images(..., image_shape=(32, 32, 3))`."
        )
    height, breadth, channels = map(int, image_shape)
    return height, breadth, channels


def refuse_together(name: str, settings: dict[str, Any]) -> None:
    """Raises a `ValueError` if a variant of the DCGAN is given a second defense."""
    for key in ("mixup", "dp", "augment"):
        if settings.get(key) is not None:
            raise ValueError(
                f"{name} cannot be combined with `{key}`. Expected {key}=None. "
                f"Received: {key}={settings[key]!r}. Leave it out, or take a `DCGAN`."
            )


def check_dropout(dropout: float, dp: Any) -> None:
    """Raises a `ValueError` unless the discriminator can drop this part."""
    check_in_range(0, 1, dropout=dropout)
    if dropout == 1:
        raise ValueError(
            "Dropout of everything leaves no score. Expected `dropout` below 1. "
            f"Received: dropout={dropout}. Take 0.5."
        )
    if dropout > 0 and dp is not None:
        raise ValueError(
            "`dropout` cannot be combined with `dp`: an image's mask depends on its "
            "place in the batch, so that one image more or less would change the "
            "others' gradients. Expected one of the two. Received: "
            f"dropout={dropout}, dp={dp}."
        )
