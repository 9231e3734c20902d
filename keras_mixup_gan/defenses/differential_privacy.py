"""DP-SGD on the discriminator, the defense with a guarantee."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

from keras_mixup_gan import storage
from keras_mixup_gan.defenses.base import Defense, register_defense
from keras_mixup_gan.models.gan import GAN
from keras_mixup_gan.privacy import DPSGD


@register_defense
@dataclass(frozen=True)
class DifferentialPrivacy(Defense):
    """`DPSGD` updates of the discriminator.

    Args:
        dp: The settings of the updates.
        augment: Policy of differentiable augmentation, as of `DiffAugment`; each real
            image is transformed by itself, so that the sensitivity stays.
        discriminator_steps: Updates of the discriminator for each of the generator,
            where the family's recipe is to be left; several help private GANs (Bie et
            al. 2023).
    """

    name = "dp-sgd"
    title = "DP-SGD"
    note = "Bounds every attack, by the epsilon of its noise and number of updates."
    dp: DPSGD = field(default_factory=DPSGD)
    augment: str | None = None
    discriminator_steps: int | None = None

    @property
    def noise_seed(self) -> int | None:  # type: ignore[override]
        """The seed of the noise, if it was declared."""
        return self.dp.noise_seed

    @classmethod
    def from_settings(cls, **settings: Any) -> Self:
        """The defense by arguments of `DPSGD`, beside its own."""
        own = {
            name: settings.pop(name)
            for name in ("augment", "discriminator_steps")
            if name in settings
        }
        return cls(storage.decode(DPSGD, settings), **own)

    def arguments(self) -> dict[str, Any]:
        """The model's `dp`, and what else is given."""
        return {k: v for k, v in self.get_config().items() if v is not None}

    def build(
        self, family: str, image_shape: tuple[int, int, int], **settings: Any
    ) -> GAN:
        """As of any defense; a WGAN-GP has another name for its critic's steps."""
        steps = self.discriminator_steps
        if family == "wgan_gp" and steps is not None:
            plain = replace(self, discriminator_steps=None)
            return plain.build(family, image_shape, critic_steps=steps, **settings)
        return super().build(family, image_shape, **settings)

    def describe(self, family: str) -> str:
        """In words, with the epsilon that the noise is for, if one was asked for."""
        noise = f"noise {self.dp.noise_multiplier or 0:g}"
        if self.dp.target_epsilon is not None:
            noise = f"noise for epsilon {self.dp.target_epsilon:g}"
        words = [f"clip {self.dp.l2_norm_clip:g}", noise]
        if self.augment is not None:
            words.append(f"augment {self.augment}")
        if self.dp.augmentation_multiplicity > 1:
            words.append(f"{self.dp.augmentation_multiplicity} transforms averaged")
        if self.discriminator_steps is not None:
            words.append(f"{self.discriminator_steps} discriminator steps")
        return f"DP-SGD ({', '.join(words)})"
