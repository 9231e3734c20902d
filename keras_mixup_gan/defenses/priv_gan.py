"""privGAN (Mukherjee et al., PETS 2021): several pairs and a privacy discriminator."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.defenses.base import Defense, register_defense
from keras_mixup_gan.defenses.par_gan import PARGAN
from keras_mixup_gan.models.dcgan import (
    build_discriminator,
    build_generator,
    fake_loss,
    real_loss,
)
from keras_mixup_gan.models.inputs import Batch
from keras_mixup_gan.models.layers import named_network, policy_scope
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_not_negative


@keras.saving.register_keras_serializable("keras_mixup_gan")
class PrivGAN(PARGAN):
    """`num_parts` pairs on disjoint members, with a privacy discriminator among them.

    Pair `k` plays the DCGAN's game on part `k` of the members. The privacy
    discriminator tells from a generated image which generator made it, and each
    generator is rewarded, with weight `privacy_ratio`, for being taken for another: a
    generator that repeats its own part's members gives itself away. The released
    generator is the first; it alone is averaged, sampled and exported.

    Decided here:

    - Parts are those of `PARGAN`, by a hash of the pixels.
    - Generator `k` descends `-log D_k(G_k(z)) - privacy_ratio log(1 - p_k(G_k(z)))`,
      where `p_k` is the privacy discriminator's probability of `k`. In the paper's game
      it descends `privacy_ratio log p_k`; the form here has the same aim and, like the
      non-saturating loss, a gradient where that has none. With two pairs it is the
      cross-entropy of the other generator's index.
    - The privacy discriminator has the DCGAN's architecture without its `dropout`,
      starts with all others and learns from generated images alone, in every
      discriminator update.
    - A step gives every pair as many generated images as the batch has, and its part
      of the batch. One optimizer trains all generators, one all discriminators.
    - `score`, which attacks go by, is that of `PARGAN`.
    - Reported are the mean discriminator loss and the mean adversarial loss of the
      generators, without the privacy terms.

    Args:
        *args: Arguments of `DCGAN`.
        num_parts: Number of pairs, at least 2.
        privacy_ratio: Weight of the privacy term (the paper's lambda), at least 0.
        **kwargs: Further arguments of `DCGAN`, as for `PARGAN`.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Mukherjee, Xu, Trivedi, Patowary, Ferres, "privGAN: Protecting GANs from
        membership inference attacks at low cost", PETS 2021,
        https://arxiv.org/abs/2001.00071
    """

    fixed = PARGAN.fixed | {"privacy_ratio"}

    def __init__(
        self,
        *args: Any,
        num_parts: int = 2,
        privacy_ratio: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_not_negative(privacy_ratio=privacy_ratio)
        super().__init__(*args, num_parts=num_parts, **kwargs)
        self.privacy_ratio = privacy_ratio
        shape, width, num_classes = self.image_shape, self.width, self.num_classes
        # The discriminators took the seeds from `seed + 1` on.
        first = self.seed + 1 + num_parts
        with policy_scope(kwargs.get("dtype")):
            self.privacy_discriminator = named_network(
                "privacy_discriminator",
                build_discriminator,
                *(shape, width, self.norm, num_classes, first),
                outputs=num_parts,
            )
            self.unreleased = [
                named_network(
                    f"generator_{part}",
                    build_generator,
                    *(shape, self.latent_dim, width, num_classes, first + part),
                )
                for part in range(1, num_parts)
            ]

    @property
    def generators(self) -> list[keras.Model]:
        """All generators, the released one first."""
        return [self.generator, *self.unreleased]

    @property
    def trained_generators(self) -> list[keras.Model]:
        """What the generators' optimizer trains."""
        return self.generators

    @property
    def trained_discriminators(self) -> list[keras.Model]:
        """What the discriminators' optimizer trains."""
        return [self.discriminator, self.privacy_discriminator]

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the model."""
        return {**super().get_config(), "privacy_ratio": self.privacy_ratio}

    def counterparts(
        self, batch: Batch, draw: int, noise_draw: int | None = None
    ) -> tuple[list[Tensor], Tensor | None]:
        """A batch of every generator, each from latents of its own."""
        num_images = tf.shape(batch.images)[0]
        images = []
        for part, network in enumerate(self.generators):
            own_draw = draw * self.num_parts + part
            latents = self.latents(num_images, own_draw)
            images.append(self.synthesize(network, latents, batch.labels, own_draw))
        return images, batch.labels

    def update_discriminator(
        self, batch: Batch, fakes: Any, labels: Tensor | None, draw: int
    ) -> Tensor:
        """One step of all discriminators; returns the mean loss of the pairs'."""
        images = batch.images
        with tf.GradientTape() as tape:
            losses = self.real_losses(self.logits(images, labels), images)
            scores = self.scores_of_pairs(fakes, labels)
            losses += tf.reduce_mean(fake_loss(scores), axis=0)
            own = self.log_probabilities(fakes, labels)[0]
            objective = tf.reduce_sum(losses) - tf.reduce_mean(own)
        networks = self.trained_discriminators
        self.minimize(tape, objective, networks, self.d_optimizer)
        return tf.reduce_mean(losses)

    def update_generator(
        self,
        tape: tf.GradientTape,
        batch: Batch,
        fakes: Any,
        labels: Tensor | None,
        draw: int,
    ) -> Tensor:
        """One step of all generators; returns their mean adversarial loss."""
        with tape:
            losses = self.generator_losses(fakes, labels)
            objective = tf.reduce_sum(losses)
            if self.privacy_ratio > 0:
                terms = self.privacy_losses(fakes, labels)
                objective += self.privacy_ratio * tf.reduce_sum(terms)
        self.minimize(tape, objective, self.trained_generators, self.g_optimizer)
        return tf.reduce_mean(losses)

    def generator_losses(self, fakes: list[Tensor], labels: Any) -> Tensor:
        """Each generator's loss `(num_parts,)` against its own discriminator."""
        return tf.reduce_mean(real_loss(self.scores_of_pairs(fakes, labels)), axis=0)

    def privacy_losses(self, fakes: list[Tensor], labels: Any) -> Tensor:
        """Each generator's `-log(1 - p_k)`, a mean over its images, `(num_parts,)`."""
        return -tf.reduce_mean(self.log_probabilities(fakes, labels)[1], axis=0)

    def scores_of_pairs(self, fakes: list[Tensor], labels: Any) -> Tensor:
        """Scores `(batch, num_parts)` of generator k's images by discriminator k."""
        scores = []
        for part, images in enumerate(fakes):
            branch = self.discriminator.get_layer(f"part_{part}")
            scores.append(self.logits(images, labels, network=branch)[:, 0])
        return tf.stack(scores, axis=1)

    def log_probabilities(
        self, fakes: list[Tensor], labels: Any
    ) -> tuple[Tensor, Tensor]:
        """How likely the privacy discriminator takes an image for its own generator's.

        Two tensors `(batch, num_parts)`: the log-probabilities of that and of another.
        """
        own, other = [], []
        for part, images in enumerate(fakes):
            network = self.privacy_discriminator
            logs = tf.nn.log_softmax(self.logits(images, labels, network=network))
            own.append(logs[:, part])
            rest = tf.concat([logs[:, :part], logs[:, part + 1 :]], axis=1)
            other.append(tf.reduce_logsumexp(rest, axis=1))
        return tf.stack(own, axis=1), tf.stack(other, axis=1)


@register_defense
@dataclass(frozen=True)
class PrivGANDefense(Defense):
    """`PrivGAN` in the place of the DCGAN, with its settings."""

    name = "privgan"
    title = "privGAN"
    note = "Mukherjee et al., PETS 2021: pairs on disjoint parts of the members."
    description = "privGAN ({num_parts} pairs, privacy ratio {privacy_ratio:g})"
    families = ("dcgan",)
    variant = PrivGAN
    num_parts: int = 2
    privacy_ratio: float = 1.0
