"""DP-SGD on the discriminator, the defense with a guarantee."""

from dataclasses import dataclass, field
from typing import Any, Self

from keras_mixup_gan import storage
from keras_mixup_gan.defenses.base import Defense
from keras_mixup_gan.privacy import DPSGD


@dataclass(frozen=True)
class DifferentialPrivacy(Defense):
    """`DPSGD` updates of the discriminator."""

    name = "dp-sgd"
    title = "DP-SGD"
    note = "Bounds every attack, by the epsilon of its noise and number of updates."
    dp: DPSGD = field(default_factory=DPSGD)

    @property
    def noise_seed(self) -> int | None:  # type: ignore[override]
        """The seed of the noise, if it was declared."""
        return self.dp.noise_seed

    @classmethod
    def from_settings(cls, **settings: Any) -> Self:
        """The defense by arguments of `DPSGD`."""
        return cls(storage.decode(DPSGD, settings))

    def describe(self, family: str) -> str:
        """In words, with the epsilon that the noise is for, if one was asked for."""
        noise = f"noise {self.dp.noise_multiplier or 0:g}"
        if self.dp.target_epsilon is not None:
            noise = f"noise for epsilon {self.dp.target_epsilon:g}"
        return f"DP-SGD (clip {self.dp.l2_norm_clip:g}, {noise})"
