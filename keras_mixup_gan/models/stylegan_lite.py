"""StyleGAN 2 (Karras et al., CVPR 2020) for small images: networks and training step.

A mapping network turns latents `z` into styles `w`; a synthesis network turns a learned
constant into an image, each of its layers modulated by a style and given fresh noise.
Path-length regularization and filtered resampling, which serve large images, are left
out.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.data.images import check_image_shape as check_sizes
from keras_mixup_gan.models.dcgan import fake_loss, real_loss, row_losses
from keras_mixup_gan.models.gan import GAN
from keras_mixup_gan.models.layers import squared_slopes
from keras_mixup_gan.models.optimizers import gradients
from keras_mixup_gan.models.style_layers import (
    ConstantRows,
    EqualizedConv,
    EqualizedDense,
    MinibatchStddev,
    PixelNorm,
    StyledConv,
    ToImage,
    layer_seeds,
    mix_styles,
)
from keras_mixup_gan.models.training_step import after_its_data, warmed_up
from keras_mixup_gan.randomness import StepStream
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_in_range, check_integer

L = keras.layers
_MAPPING_RATE = 0.01  # learning rate of the mapping network relative to the others'
_MEAN_MOMENTUM, _MEAN_BATCH = 0.995, 16
_SMALLEST_SIDE, _LARGEST_BASE = 4, 16
_OWN = (
    *("width", "max_width", "mapping_layers", "style_mixing", "r1_gamma"),
    *("r1_interval", "group_size"),
)


@keras.saving.register_keras_serializable("keras_mixup_gan")
class StyleGANLite(GAN):
    """Style-based GAN with the non-saturating loss and lazy R1.

    In inference each image has its own group for the minibatch standard deviation,
    completed with generated images, and all images share one fixed noise: scores and
    images depend on no others. With `dp` the minibatch standard deviation is left out,
    because it couples the rows whose gradients are clipped one by one, and R1 is part
    of each row's loss in every step.

    Args:
        image_shape: `(height, width, channels)`; halved as often as it goes, both
            sides must come to lie in 4 to 16, as 28, 32, 48, 64, 96 and 128 do.
        latent_dim: Number of latent dimensions, and of the styles'.
        width: Channels at full resolution; quadrupled at each halving.
        max_width: Largest number of channels.
        mapping_layers: Layers of the mapping network.
        style_mixing: Probability that an image's later layers take the style of
            another latent, in `[0, 1]`.
        r1_gamma: Weight of the gradient penalty, at least 0.
        r1_interval: Steps between two penalties, each weighted by the interval.
        group_size: Images in a group of the minibatch standard deviation, or 1.
        num_classes: Number of classes of a conditional model; an embedding of the
            label enters the mapping network, a projection the discriminator.
        **kwargs: `mixup`, `dp`, `augment`, `discriminator_steps`, `ema_momentum`,
            `seed`: see `GAN`.

    Reference:
        Karras et al., https://arxiv.org/abs/1812.04948 (StyleGAN) and
        https://arxiv.org/abs/1912.04958 (StyleGAN 2); R1: Mescheder et al.,
        https://arxiv.org/abs/1801.04406
    """

    family = "stylegan_lite"
    title = "StyleGAN-lite"
    fixed = GAN.fixed | {"style_mixing", "r1_gamma", "r1_interval", "num_references"}
    unheard = frozenset({"discriminator_objective", "generator_objective"}) | {
        "update_discriminator",
        "update_generator",
    }

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        latent_dim: int = 64,
        width: int = 8,
        max_width: int = 64,
        mapping_layers: int = 2,
        *,
        style_mixing: float = 0.9,
        r1_gamma: float = 1.0,
        r1_interval: int = 16,
        group_size: int = 4,
        num_classes: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_integer(1, latent_dim=latent_dim, width=width, max_width=max_width)
        check_integer(1, mapping_layers=mapping_layers, r1_interval=r1_interval)
        check_integer(1, group_size=group_size)
        check_in_range(0, 1, style_mixing=style_mixing)
        check_in_range(0, math.inf, r1_gamma=r1_gamma)
        image_shape = check_image_shape(image_shape)
        widths = [min(width * 4**n, max_width) for n in range(num_levels(image_shape))]
        groups = 1 if kwargs.get("dp") is not None else group_size
        super().__init__(
            lambda seed: build_generator(
                image_shape, latent_dim, widths, mapping_layers, num_classes, seed
            ),
            lambda seed: build_discriminator(
                image_shape, widths, groups, num_classes, seed
            ),
            image_shape=image_shape,
            latent_dim=latent_dim,
            num_classes=num_classes,
            **kwargs,
        )
        self.width = width
        self.max_width = max_width
        self.mapping_layers = mapping_layers
        self.style_mixing = style_mixing
        self.r1_gamma = r1_gamma
        self.r1_interval = r1_interval
        self.group_size = group_size
        self.num_references = groups - 1
        # Where truncation leads to: the mean style of each class.
        self.mean_styles = self.add_weight(
            shape=(num_classes or 1, latent_dim),
            initializer="zeros",
            trainable=False,
            aggregation="mean",
            name="mean_styles",
        )

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the model."""
        return super().get_config() | {name: getattr(self, name) for name in _OWN}

    # === Generator ===

    def synthesize(
        self,
        network: keras.Model,
        latents: Tensor,
        labels: Tensor | None = None,
        draw: Any = None,
        truncation: Any = 1.0,
    ) -> Tensor:
        """With mixed styles and fresh noise in training, and fixed noise otherwise.

        Truncation draws styles to their mean: `w' = mean + truncation * (w - mean)`.
        """
        mapping, synthesis = map(network.get_layer, ("mapping", "synthesis"))
        (_, num_styles, _), (_, num_noise) = synthesis.input_shape
        styles = mapping(_joined(latents, labels))
        if draw is None and (tf.is_tensor(truncation) or truncation != 1):
            mean = self.mean_styles if labels is None else labels @ self.mean_styles
            styles = truncation * styles + (1 - truncation) * mean
        styles = tf.repeat(styles[:, None], num_styles, axis=1)
        if draw is None:
            return synthesis([styles, network.get_layer("noise")(latents)])

        num_images = tf.shape(latents)[0]
        if self.style_mixing > 0:
            shape = (num_images, self.latent_dim)
            others = self.random.normal(shape, StepStream.MIXED_LATENTS, draw)
            others = mapping(_joined(others, labels))[:, None]
            uniform = self.random.uniform((num_images,), StepStream.CROSSOVERS, draw)
            styles = mix_styles(styles, others, uniform, self.style_mixing)
        shape = (num_images, num_noise)
        noise = self.random.normal(shape, StepStream.STYLE_NOISE, draw)
        return synthesis([styles, noise], training=True)

    def finish_step(self, d_loss: Tensor | None, g_loss: Tensor) -> dict[str, Tensor]:
        """Follows the mean styles too."""
        num_classes = self.num_classes or 1
        # The same on every replica, so that they agree on the mean.
        latents = tf.random.stateless_normal(
            (num_classes * _MEAN_BATCH, self.latent_dim),
            self.random.key(StepStream.MEAN_STYLES, draw=0),
        )
        labels = tf.repeat(tf.eye(num_classes), _MEAN_BATCH, axis=0)
        mapping = self.ema_generator.get_layer("mapping")
        styles = mapping(_joined(latents, labels if self.num_classes else None))
        styles = tf.reshape(styles, (num_classes, _MEAN_BATCH, -1))
        momentum = warmed_up(_MEAN_MOMENTUM, self.steps.value)
        means = tf.reduce_mean(styles, axis=1)
        self.mean_styles.assign(momentum * self.mean_styles + (1 - momentum) * means)
        return super().finish_step(d_loss, g_loss)

    # === Discriminator ===

    def discriminate(
        self,
        images: Tensor,
        labels: Tensor | None,
        training: bool = True,
        network: Any = None,
    ) -> Tensor:
        """In inference one by one."""
        if training or self.num_references == 0:
            return super().discriminate(images, labels, training, network)
        references = self.references(labels)
        images = tf.concat([images, references[0]], axis=0)
        if labels is not None:
            labels = tf.concat([labels, references[1]], axis=0)
        scores = super().discriminate(images, labels, training, network)
        return scores[: -self.num_references]

    def references(self, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The generated images, and labels, that complete the group of an image."""
        key = (self.seed, int(StepStream.REFERENCES))
        shape = (self.num_references, self.latent_dim)
        latents = tf.random.stateless_normal(shape, key)
        if labels is not None:
            classes = tf.range(self.num_references) % self.num_classes
            labels = tf.one_hot(classes, self.num_classes)
        return self.synthesize(self.ema_generator, latents, labels), labels

    # === Training ===

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """`-log D(x) - log(1 - D(G(z)))`, without the penalty."""
        return tf.reduce_mean(real_loss(real)) + tf.reduce_mean(fake_loss(fake))

    def generator_loss(self, fake: Tensor) -> Tensor:
        """The non-saturating `-log D(G(z))`."""
        return tf.reduce_mean(real_loss(fake))

    @after_its_data
    def train_step(self, data: Any) -> dict[str, Tensor]:
        """Discriminator updates, the last of them together with the generator's."""
        if self.dp is not None:  # the generator follows the noisy discriminator
            return super().train_step(data)
        batches = self.pipeline.prepared(data)
        g_weights = self.generator.trainable_variables
        d_weights = self.discriminator.trainable_variables
        g_gradients: list[Tensor] = []
        for n, batch in enumerate(batches):
            with tf.GradientTape(persistent=True) as tape:
                reals = self.augmented(batch.images, 2 * n)
                fakes, labels = self.counterparts(batch, n)
                real = self.discriminate(reals, labels)
                fake = self.discriminate(self.augmented(fakes, 2 * n + 1), labels)
                d_loss = self.discriminator_loss(real, fake)
                g_loss = self.generator_loss(fake)
            slopes = gradients(tape, d_loss, d_weights, self.d_optimizer)
            penalties = self.lazy_penalty_gradients(reals, labels)
            slopes = [a + b for a, b in zip(slopes, penalties, strict=True)]
            if n + 1 == len(batches):  # before the update that moves what it needs
                g_gradients = gradients(tape, g_loss, g_weights, self.g_optimizer)
            with tf.control_dependencies(g_gradients):
                self.d_optimizer.apply(slopes, d_weights)
        self.g_optimizer.apply(g_gradients, g_weights)
        return self.finish_step(d_loss, g_loss)

    def lazy_penalty_gradients(
        self, images: Tensor, labels: Tensor | None
    ) -> list[Tensor]:
        """Gradients of R1, times the interval, in every `r1_interval`-th step."""
        weights = self.discriminator.trainable_variables
        # The branch makes gradients alone: an update in it fails on several replicas.
        zeros = [tf.zeros(weight.shape) for weight in weights]
        if self.r1_gamma == 0:
            return zeros

        def due() -> list[Tensor]:
            with tf.GradientTape() as tape:
                penalty = r1_penalty(lambda x: self.discriminate(x, labels), images)
                loss = self.r1_interval * self.r1_gamma * tf.reduce_mean(penalty)
            slopes = gradients(tape, loss, weights, self.d_optimizer)
            pairs = zip(slopes, zeros, strict=True)
            return [zero if part is None else part for part, zero in pairs]

        return tf.cond(self.steps.value % self.r1_interval == 0, due, lambda: zeros)

    def row_losses(self, rows: dict[str, Tensor], discriminate: Any) -> Tensor:
        """The discriminator's losses, with the penalty where the image is real."""
        losses = row_losses(rows, discriminate)
        if self.r1_gamma == 0:
            return losses
        labels = rows.get("labels")
        penalties = r1_penalty(lambda x: discriminate(x, labels), rows["images"])
        return losses + self.r1_gamma * tf.where(rows["is_real"], penalties, 0.0)


def r1_penalty(score: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Half the squared norm of each image's score gradient (Mescheder et al.)."""
    return squared_slopes(score, images) / 2


def build_generator(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    widths: list[int],
    mapping_layers: int,
    num_classes: int | None,
    seed: int,
) -> keras.Model:
    """Latents, and labels if any, to images: mapping, then synthesis with fixed noise.

    In training the two parts, named "mapping" and "synthesis", are called one by one.
    """
    seeds = layer_seeds(seed)
    mapping = _build_mapping(latent_dim, mapping_layers, num_classes, seeds)
    synthesis = _build_synthesis(image_shape, latent_dim, widths, seeds)
    num_styles, num_noise = (part[1] for part in synthesis.input_shape)
    inputs = [keras.Input(part.shape[1:], name=part.name) for part in mapping.inputs]
    noise = ConstantRows(
        (num_noise,), next(seeds), trainable=False, dtype="float32", name="noise"
    )
    styles = L.RepeatVector(num_styles)(mapping(_single(inputs)))
    images = synthesis([styles, noise(inputs[0])])
    return keras.Model(_single(inputs), images, name="generator")


def _build_mapping(
    latent_dim: int, num_layers: int, num_classes: int | None, seeds: Iterator[int]
) -> keras.Model:
    """`w = f(z)`, in float32: it is small, and all that follows hangs on it."""
    dense = functools.partial(
        EqualizedDense,
        latent_dim,
        activate=True,
        dtype="float32",
        learning_rate_multiplier=_MAPPING_RATE,
    )
    latents = keras.Input((latent_dim,), name="latents")
    inputs, styles = [latents], PixelNorm(dtype="float32")(latents)
    if num_classes is not None:
        inputs.append(keras.Input((num_classes,), name="labels"))
        embed = EqualizedDense(latent_dim, seed=next(seeds), dtype="float32")
        embedded = PixelNorm(dtype="float32")(embed(inputs[1]))
        styles = L.Concatenate(dtype="float32")([styles, embedded])
    for _ in range(num_layers):
        styles = dense(seed=next(seeds))(styles)
    return keras.Model(_single(inputs), styles, name="mapping")


def _build_synthesis(
    image_shape: tuple[int, int, int],
    style_dim: int,
    widths: list[int],
    seeds: Iterator[int],
) -> keras.Model:
    """Styles `(num_styles, style_dim)` and flat noise to the sum of all levels."""
    height, breadth, channels = image_shape
    top = len(widths) - 1
    sizes = [(height >> n) * (breadth >> n) for n in range(top + 1)]
    num_noise = 2 * sum(sizes) - sizes[top]
    styles = keras.Input((2 * top + 2, style_dim), name="styles")
    noise = keras.Input((num_noise,), name="noise")
    layer, used, image = 0, 0, None
    base = (height >> top, breadth >> top, widths[top])
    maps = ConstantRows(base, next(seeds))(styles)
    for level in reversed(range(top + 1)):
        for upsample in (True, False)[level == top :]:
            part = noise[:, used : used + sizes[level]]
            conv = StyledConv(widths[level], upsample, seed=next(seeds))
            maps = conv([maps, styles[:, layer], part])
            layer, used = layer + 1, used + sizes[level]
        to_image = ToImage(channels, seed=next(seeds), dtype="float32")
        shown = to_image([maps, styles[:, layer]])
        if image is not None:
            shown = L.Add(dtype="float32")(
                [L.UpSampling2D(dtype="float32")(image), shown]
            )
        image = shown
    # The papers' images are unbounded; these lie in the range of the training images.
    images = L.Activation("tanh", dtype="float32", name="images")(image)
    return keras.Model([styles, noise], images, name="synthesis")


def build_discriminator(
    image_shape: tuple[int, int, int],
    widths: list[int],
    group_size: int,
    num_classes: int | None,
    seed: int,
) -> keras.Model:
    """Images, and labels if any, to one raw score through residual blocks."""
    seeds = layer_seeds(seed)
    inputs = [keras.Input(image_shape, name="images")]

    def conv(filters: int, kernel_size: int, **kwargs: Any) -> EqualizedConv:
        return EqualizedConv(filters, kernel_size, seed=next(seeds), **kwargs)

    maps = conv(widths[0], 1, activate=True)(inputs[0])
    for narrow, wide in itertools.pairwise(widths):
        skip = conv(wide, 1)(L.AveragePooling2D(2)(maps))
        maps = conv(narrow, 3, activate=True)(maps)
        maps = conv(wide, 3, strides=2, activate=True)(maps)
        maps = L.Rescaling(math.sqrt(0.5))(L.Add()([maps, skip]))
    if group_size > 1:
        maps = MinibatchStddev(group_size)(maps)
    maps = conv(widths[-1], 3, activate=True)(maps)
    hidden = EqualizedDense(widths[-1], activate=True, seed=next(seeds))
    features = hidden(L.Flatten()(maps))
    dense = functools.partial(EqualizedDense, dtype="float32")
    scores = dense(1, seed=next(seeds), name="scores")(features)
    if num_classes is not None:
        inputs.append(keras.Input((num_classes,), name="labels"))
        embedded = dense(widths[-1], seed=next(seeds))(inputs[1])
        embedded = PixelNorm(dtype="float32")(embedded)
        match = L.Dot(axes=1, dtype="float32")([features, embedded])
        match = L.Rescaling(1 / math.sqrt(widths[-1]), dtype="float32")(match)
        scores = L.Add(dtype="float32")([scores, match])
    return keras.Model(_single(inputs), scores, name="discriminator")


def num_levels(image_shape: tuple[int, int, int]) -> int:
    """Number of resolutions from the image's down to the smallest of at least 4."""
    height, breadth, count = *image_shape[:2], 1
    while height % 2 == breadth % 2 == 0 and min(height, breadth) >= 2 * _SMALLEST_SIDE:
        height, breadth, count = height // 2, breadth // 2, count + 1
    return count


def check_image_shape(image_shape: Any) -> tuple[int, int, int]:
    """The shape as a tuple, if the networks can be built for such images."""
    image_shape = check_sizes(image_shape)
    top = num_levels(image_shape) - 1
    base = [side >> top for side in image_shape[:2]]
    if top < 1 or min(base) < _SMALLEST_SIDE or max(base) > _LARGEST_BASE:
        raise ValueError(
            "`image_shape` must be (height, width, channels) with sides that halve "
            f"evenly to {_SMALLEST_SIDE} to {_LARGEST_BASE}, e.g. 28, 32, 64 or 96. "
            f"Received: image_shape={image_shape}. Resize the images, e.g. "
            "`data.load_images(..., image_shape=(32, 32, 3))`."
        )
    height, breadth, channels = map(int, image_shape)
    return height, breadth, channels


def _single(inputs: list[Tensor]) -> Any:
    """A list of one as that one, as networks without labels take it."""
    return inputs if len(inputs) > 1 else inputs[0]


def _joined(inputs: Tensor, labels: Tensor | None) -> Any:
    return inputs if labels is None else [inputs, labels]
