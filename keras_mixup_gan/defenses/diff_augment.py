"""Differentiable augmentation: the discriminator sees every image otherwise."""

from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.defenses.base import Defense, factory


@dataclass(frozen=True)
class DiffAugment(Defense):
    """The same random transforms of reals and fakes; see `models.augment`.

    Args:
        policy: Some of `"color"`, `"translation"` and `"cutout"`, with commas between.

    Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training",
    NeurIPS 2020. Meant against overfitting, not as a privacy defense.
    """

    policy: str = "color,translation,cutout"

    def describe(self, family: str) -> str:
        """In words."""
        return f"DiffAugment ({self.policy})"

    def _build(self, family: str, image_shape: Any, settings: dict[str, Any]) -> Any:
        return factory(family)(image_shape, augment=self.policy, **settings)
