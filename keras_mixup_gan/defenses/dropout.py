"""Dropout in the discriminator."""

from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.defenses.base import Defense, register_defense


@register_defense
@dataclass(frozen=True)
class Dropout(Defense):
    """The discriminator drops activations in training, never when it scores.

    Args:
        rate: Part that is dropped after each LeakyReLU, in `[0, 1)`.

    Source: Srivastava et al., JMLR 15, 2014. As a defense of a GAN: Hayes et al.,
    "LOGAN", PETS 2019, who put it into the discriminator. That each layer has one rate,
    and the generator none, is decided here.
    """

    name = "dropout"
    title = "Dropout"
    note = "Hayes et al., PETS 2019: in the discriminator alone."
    description = "dropout (rate {rate:g}, discriminator)"
    families = ("dcgan",)
    rate: float = 0.5

    def arguments(self) -> dict[str, Any]:
        """The model's `dropout`."""
        return {"dropout": self.rate}
