"""PAR-GAN (Chen et al., KDD 2021): discriminators that see disjoint parts."""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.data.pixels import LEVELS, ROUNDING
from keras_mixup_gan.defenses.base import Defense, register_defense
from keras_mixup_gan.models.dcgan import (
    DCGAN,
    build_discriminator,
    fake_loss,
    real_loss,
    refuse_together,
)
from keras_mixup_gan.models.inputs import Batch
from keras_mixup_gan.models.layers import hashed_choices, named_network
from keras_mixup_gan.randomness import Stream, derived_seed, generator
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_integer

_DIVISION = "division"  # its name in a file of weights


@keras.saving.register_keras_serializable("keras_mixup_gan")
class PARGAN(DCGAN):
    """One generator against `num_parts` discriminators, each with its own members.

    No discriminator sees more than its part of the training images, and the generator
    descends the mean of its losses against all of them, which pulls it to what the
    parts have in common. An image's part is a hash of its pixels under the model's
    seed: it goes to the same discriminator in every epoch, and after a resumption with
    this seed, and so do its copies; parts are equal up to chance. The paper splits the
    set by index.

    Decided here: a discriminator's loss on reals is the mean over its own images of a
    batch, and zero where the batch has none; all see all generated images; their losses
    are summed, so that each learns as the DCGAN's does, and reported as a mean. Every
    discriminator computes every score of a batch, so that a step costs up to
    `num_parts` times the DCGAN's.

    Losses of `evaluate` and `val_*` are those of the largest of the scores, and not the
    means that are trained.

    `score`, which attacks go by, is the score of the discriminator that an image's part
    falls to, less the mean of the others': who holds the model can compute the part,
    and the others, which never saw the image, tell how it looks to those that did not.

    Args:
        *args: Arguments of `DCGAN`.
        num_parts: Number of parts and of discriminators, at least 2.
        **kwargs: Further arguments of `DCGAN`, without `mixup`, `dp`, `augment` and
            `norm="batch"`, by which a discriminator would see the others' images.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Chen, Wang, et al., "PAR-GAN: Improving the Generalization of Generative
        Adversarial Networks Against Membership Inference Attacks", KDD 2021,
        https://doi.org/10.1145/3447548.3467445
    """

    fixed = DCGAN.fixed | {"num_parts"}
    is_undivided = "A discriminator's loss is a mean over its part of a whole batch"

    def __init__(self, *args: Any, num_parts: int = 4, **kwargs: Any) -> None:
        check_integer(2, num_parts=num_parts)
        refuse_together(type(self).__name__, kwargs)
        self.num_parts = num_parts  # which building the networks reads
        super().__init__(*args, **kwargs)

    def make_discriminator(
        self,
        image_shape: tuple[int, int, int],
        width: int,
        norm: str | None,
        num_classes: int | None,
        seed: int,
        dropout: float,
    ) -> keras.Model:
        """All discriminators as one network with a score of each."""
        if norm == "batch":
            raise ValueError(
                "Batch normalization would show a discriminator the images of all "
                "parts. Expected a discriminator without it. Received: norm='batch'. "
                "Use norm='layer'."
            )
        inputs: Any = keras.Input(image_shape, name="images")
        if num_classes is not None:
            inputs = [inputs, keras.Input((num_classes,), name="labels")]
        settings = (image_shape, width, norm, num_classes)
        scores = [
            named_network(
                f"part_{part}",
                build_discriminator,
                *(*settings, seed + part),
                dropout=dropout,
            )(inputs)
            for part in range(self.num_parts)
        ]
        joined = keras.layers.Concatenate(dtype="float32", name="scores")(scores)
        return keras.Model(inputs, joined, name="discriminator")

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the model."""
        return {**super().get_config(), "num_parts": self.num_parts}

    def part_of(self, images: Tensor) -> Tensor:
        """The part, an int64 number below `num_parts`, of each image `(batch, ...)`."""
        # By NumPy: TensorFlow's numbers may depend on how a function is compiled.
        random = generator(self.seed, Stream.PARTITIONS)
        size = math.prod(self.image_shape)
        limits = tf.int64.min, tf.int64.max
        weights = random.integers(*limits, size, "int64", endpoint=True)
        return hashed_choices(_settled(images), tf.constant(weights), self.num_parts)

    def save_own_variables(self, store: Any) -> None:
        """Writes also which division the weights belong to, which hangs on the seed."""
        super().save_own_variables(store)
        store[_DIVISION] = self._division()

    def load_own_variables(self, store: Any) -> None:
        """Reads them; those of another division are refused."""
        entries = {key: store[key] for key in store.keys()}
        carried = entries.pop(_DIVISION, None)
        if carried is not None and int(np.asarray(carried)) != self._division():
            raise ValueError(
                "The weights are of a model that divides the images otherwise, so that "
                "each discriminator would be shown the parts of others. Expected the "
                f"model's seed, {self.seed}, as theirs. Received: weights of another "
                "seed. Pass `seed=` whenever the model is built."
            )
        super().load_own_variables(entries)

    def _division(self) -> Any:
        """A number by which divisions are told apart."""
        return np.int64(derived_seed(self.seed, Stream.PARTITIONS))

    def discriminate(
        self,
        images: Tensor,
        labels: Tensor | None,
        training: bool = True,
        network: Any = None,
    ) -> Tensor:
        """The highest score `(batch,)` that any discriminator gives."""
        scores = self.logits(images, labels, training, network)
        return tf.reduce_max(scores, axis=1)

    def inference_scores(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """The score of an image's own discriminator, less the mean of the others'."""
        scores = self.logits(images, labels, training=False)
        own = tf.one_hot(self.part_of(images), self.num_parts)
        others = tf.reduce_sum((1 - own) * scores, axis=1) / (self.num_parts - 1)
        return tf.reduce_sum(own * scores, axis=1) - others

    def real_losses(self, scores: Tensor, images: Tensor) -> Tensor:
        """Each discriminator's mean loss on the reals of its own part, `(num_parts,)`.

        It is zero where a part has no image. `scores` are the raw scores of the images
        by all discriminators, `(batch, num_parts)`.
        """
        own = tf.one_hot(self.part_of(images), self.num_parts)
        totals = tf.reduce_sum(own * real_loss(scores), axis=0)
        return totals / tf.maximum(tf.reduce_sum(own, axis=0), 1)

    def update_discriminator(
        self, batch: Batch, fakes: Any, labels: Tensor | None, draw: int
    ) -> Tensor:
        """One step of all discriminators; returns their mean loss."""
        images = batch.images
        both = None if labels is None else tf.concat([labels, labels], 0)
        with tf.GradientTape() as tape:
            scores = self.logits(tf.concat([images, fakes], 0), both)
            real, fake = tf.split(scores, 2)
            losses = self.real_losses(real, images)
            losses += tf.reduce_mean(fake_loss(fake), axis=0)
            objective = tf.reduce_sum(losses)
        self.minimize(tape, objective, self.discriminator, self.d_optimizer)
        return tf.reduce_mean(losses)

    def generator_objective(self, fakes: Tensor, labels: Tensor | None) -> Tensor:
        """The mean of the non-saturating losses against all discriminators."""
        return tf.reduce_mean(real_loss(self.logits(fakes, labels)))


def _settled(images: Tensor) -> Tensor:
    """Images of 8 bits as the library makes them floats, whatever made these."""
    images = tf.convert_to_tensor(images, tf.float32)
    table = tf.constant(LEVELS)
    levels = tf.clip_by_value(tf.round((images + 1) * 127.5), 0, 255)
    known = tf.where(tf.math.is_finite(levels), levels, 0)
    made = tf.gather(table, tf.cast(known, tf.int32))
    off = tf.reduce_max(tf.abs(made - images), axis=(1, 2, 3), keepdims=True)
    return tf.where(off < ROUNDING, made, images)


@register_defense
@dataclass(frozen=True)
class PARGANDefense(Defense):
    """`PARGAN` in the place of the DCGAN, with its settings."""

    name = "par-gan"
    title = "PAR-GAN"
    note = "Chen et al., KDD 2021: each discriminator sees a part of the members."
    description = "PAR-GAN ({num_parts} parts)"
    families = ("dcgan",)
    variant = PARGAN
    num_parts: int = 4
