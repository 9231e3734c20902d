"""privGAN: pairs on parts of the members whose images must not be told apart."""

from dataclasses import dataclass
from typing import Any, ClassVar

from keras_mixup_gan.defenses.base import Defense, variant_of_dcgan
from keras_mixup_gan.models.priv_gan import PrivGAN


@dataclass(frozen=True)
class PrivGan(Defense):
    """`PrivGAN` in the place of the DCGAN.

    Args:
        num_parts: Number of pairs, at least 2.
        privacy_ratio: Weight of the privacy term (the paper's lambda), at least 0.

    Source: Mukherjee et al., "privGAN", PETS 2021.
    """

    families: ClassVar[tuple[str, ...]] = ("dcgan",)
    num_parts: int = 2
    privacy_ratio: float = 1.0

    def describe(self, family: str) -> str:
        """In words."""
        return f"privGAN ({self.num_parts} pairs, privacy ratio {self.privacy_ratio:g})"

    def _build(self, family: str, image_shape: Any, settings: dict[str, Any]) -> Any:
        own = {"num_parts": self.num_parts, "privacy_ratio": self.privacy_ratio}
        return variant_of_dcgan(PrivGAN, image_shape, {**own, **settings})
