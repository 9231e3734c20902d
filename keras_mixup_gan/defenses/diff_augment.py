"""Differentiable augmentation: the discriminator sees every image transformed."""

from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.defenses.base import Defense, register_defense


@register_defense
@dataclass(frozen=True)
class DiffAugment(Defense):
    """The same random transforms of reals and fakes; see `keras_mixup_gan.augment`.

    Args:
        policy: Some of `"color"`, `"translation"` and `"cutout"`, with commas between.
    """

    name = "diffaugment"
    title = "DiffAugment"
    note = "Zhao et al., NeurIPS 2020: meant against overfitting, not for privacy."
    description = "DiffAugment ({policy})"
    policy: str = "color,translation,cutout"

    def arguments(self) -> dict[str, Any]:
        """The model's `augment`."""
        return {"augment": self.policy}
