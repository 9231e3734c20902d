"""RelaxLoss: the discriminator's loss on reals is held at a level."""

from dataclasses import dataclass
from typing import Any, ClassVar

from keras_mixup_gan.defenses.base import Defense, variant_of_dcgan
from keras_mixup_gan.models.relax_loss import RelaxLossDCGAN


@dataclass(frozen=True)
class RelaxLoss(Defense):
    """`RelaxLossDCGAN` in the place of the DCGAN; see there how it adapts the paper.

    Args:
        alpha: Level of the mean loss on reals, above 0.

    Source: Chen, Yu, Fritz, "RelaxLoss", ICLR 2022, for classifiers.
    """

    families: ClassVar[tuple[str, ...]] = ("dcgan",)
    alpha: float = 0.5

    def describe(self, family: str) -> str:
        """In words."""
        return f"RelaxLoss (alpha {self.alpha:g}, on reals)"

    def _build(self, family: str, image_shape: Any, settings: dict[str, Any]) -> Any:
        own = {"alpha": self.alpha}
        return variant_of_dcgan(RelaxLossDCGAN, image_shape, {**own, **settings})
