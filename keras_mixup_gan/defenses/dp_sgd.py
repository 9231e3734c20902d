"""DP-SGD on the discriminator, the defense with a guarantee."""

from dataclasses import dataclass, field
from typing import Any

from keras_mixup_gan.defenses.base import Defense, factory
from keras_mixup_gan.privacy import DPSGD


@dataclass(frozen=True)
class DifferentialPrivacy(Defense):
    """`DPSGD` updates of the discriminator.

    Args:
        dp: Its settings.
    """

    dp: DPSGD = field(default_factory=DPSGD)

    @property
    def noise_seed(self) -> int | None:  # type: ignore[override]
        """The seed of the noise, if it was declared."""
        return self.dp.noise_seed

    def describe(self, family: str) -> str:
        """In words."""
        noise = f"noise {self.dp.noise_multiplier or 0:g}"
        if self.dp.target_epsilon is not None:
            noise = f"noise for epsilon {self.dp.target_epsilon:g}"
        return f"DP-SGD (clip {self.dp.l2_norm_clip:g}, {noise})"

    def _build(self, family: str, image_shape: Any, settings: dict[str, Any]) -> Any:
        return factory(family)(image_shape, dp=self.dp, **settings)


def dp_sgd(**settings: Any) -> DifferentialPrivacy:
    """`DifferentialPrivacy` by arguments of `DPSGD`, as a TOML file gives them."""
    return DifferentialPrivacy(DPSGD(**settings))
