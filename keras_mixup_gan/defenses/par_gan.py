"""PAR-GAN: several discriminators, each with a part of the members."""

from dataclasses import dataclass
from typing import Any, ClassVar

from keras_mixup_gan.defenses.base import Defense, variant_of_dcgan
from keras_mixup_gan.models.par_gan import PARGAN


@dataclass(frozen=True)
class ParGan(Defense):
    """`PARGAN` in the place of the DCGAN.

    Args:
        num_parts: Number of discriminators, at least 2.

    Source: Chen, Wang, et al., "PAR-GAN", KDD 2021.
    """

    families: ClassVar[tuple[str, ...]] = ("dcgan",)
    num_parts: int = 4

    def describe(self, family: str) -> str:
        """In words."""
        return f"PAR-GAN ({self.num_parts} parts)"

    def _build(self, family: str, image_shape: Any, settings: dict[str, Any]) -> Any:
        own = {"num_parts": self.num_parts}
        return variant_of_dcgan(PARGAN, image_shape, {**own, **settings})
