"""Dropout in the discriminator: a regularizer that attacks are often set against."""

from dataclasses import dataclass
from typing import Any, ClassVar

from keras_mixup_gan.defenses.base import Defense, factory


@dataclass(frozen=True)
class Dropout(Defense):
    """The discriminator drops activations in training, never when it scores.

    Args:
        rate: Part that is dropped after each LeakyReLU, in `[0, 1)`.

    Source: Srivastava et al., JMLR 15, 2014. As a defense of a GAN: Hayes et al.,
    "LOGAN", PETS 2019, who put it into the discriminator. That each layer has one rate,
    and the generator none, is decided here.
    """

    families: ClassVar[tuple[str, ...]] = ("dcgan",)
    rate: float = 0.5

    def describe(self, family: str) -> str:
        """In words."""
        return f"dropout (rate {self.rate:g}, discriminator)"

    def _build(self, family: str, image_shape: Any, settings: dict[str, Any]) -> Any:
        return factory(family)(image_shape, dropout=self.rate, **settings)
