"""RelaxLoss (Chen, Yu, Fritz, ICLR 2022), carried over to a GAN's discriminator."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.defenses.base import Defense, register_defense
from keras_mixup_gan.models.dcgan import DCGAN, fake_loss, real_loss, refuse_together
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_not_negative


@keras.saving.register_keras_serializable("keras_mixup_gan")
class RelaxLossDCGAN(DCGAN):
    """A DCGAN whose discriminator stops short of fitting its reals.

    RelaxLoss keeps a classifier's mean loss on members at a level `alpha` that held-out
    data reach as well. This is an adaptation: the paper treats classifiers, of which
    the discriminator is one of two classes, and here only the loss on reals is held,
    for generated images are nobody's. Of Algorithm 1, for the mean loss `L` of a
    batch's reals:

    - `L > alpha`: descent on `L`, an ordinary step.
    - `L <= alpha`, even steps: ascent on `L`.
    - `L <= alpha`, odd steps: posterior flattening. An image's target keeps the
      probability `p` that it has now for its own class, and the rest goes to the other
      classes in equal parts. With two classes there is one other: the target
      `(p, 1 - p)` is the prediction itself, and the gradient zero. So the reals rest.

    The loss on generated images is descended in every step, the generator plays as
    ever, and the reported losses are the ordinary ones. Steps alternate where the paper
    has epochs, as an epoch of a small training set is but a few steps.

    Args:
        *args: Arguments of `DCGAN`.
        alpha: Level of the loss on reals, at least 0, which is the plain DCGAN. At
            chance it is `log 2 = 0.693`.
        **kwargs: Further arguments of `DCGAN`, without `mixup`, `dp` and `augment`.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Chen et al., "RelaxLoss: Defending Membership Inference Attacks without Losing
        Utility", https://arxiv.org/abs/2207.05801, Algorithm 1
    """

    fixed = DCGAN.fixed | {"alpha"}
    is_undivided = "RelaxLoss goes by the loss of a whole batch"

    def __init__(self, *args: Any, alpha: float = 0.5, **kwargs: Any) -> None:
        check_not_negative(alpha=alpha)
        refuse_together("RelaxLoss", kwargs)
        super().__init__(*args, **kwargs)
        self.alpha = alpha

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the model."""
        return {**super().get_config(), "alpha": self.alpha}

    def discriminator_objective(self, real: Tensor, fake: Tensor) -> Tensor:
        """What a discriminator update descends, for raw scores."""
        level = tf.reduce_mean(real_loss(real))
        is_even = tf.equal(self.steps.value % 2, 0)
        relaxed = tf.where(is_even, -level, tf.zeros_like(level))
        real_side = tf.where(level > self.alpha, level, relaxed)
        return real_side + tf.reduce_mean(fake_loss(fake))


@register_defense
@dataclass(frozen=True)
class RelaxLoss(Defense):
    """`RelaxLossDCGAN` in the place of the DCGAN, with its settings."""

    name = "relaxloss"
    title = "RelaxLoss"
    note = "Chen, Yu, Fritz, ICLR 2022, for classifiers; here on the reals of a GAN."
    description = "RelaxLoss (alpha {alpha:g}, on reals)"
    families = ("dcgan",)
    variant = RelaxLossDCGAN
    alpha: float = 0.5
