"""Mixup of the training images, and Gaussian noise without mixing."""

from dataclasses import dataclass
from typing import Any, Self

from keras_mixup_gan import storage
from keras_mixup_gan.defenses.base import Defense, register_defense
from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.models.recipes import load_recipe, resolve_mixup
from keras_mixup_gan.validation import check_choice


@register_defense
@dataclass(frozen=True)
class Mixing(Defense):
    """`MixUp` of the training images.

    Args:
        mixup: `"augmented"` to transform images first and add a little noise, `"noisy"`
            for blends and strong noise, `True` for the recipe's choice of the two,
            `"paper"` for the published rule of Ji et al., or a `MixUp`.
    """

    name = "mixup"
    title = "Mixup"
    note = "The discriminator is trained on mixtures; carries no epsilon."
    mixup: bool | str | MixUp = True

    def __post_init__(self) -> None:
        if self.mixup is not True and not isinstance(self.mixup, MixUp):
            check_choice(self.mixup, ("augmented", "noisy", "paper"), "mixup")

    @classmethod
    def from_settings(cls, rule: str | None = None, **settings: Any) -> Self:
        """The defense by a rule, by arguments of `MixUp`, or by the recipe."""
        if rule is not None and settings:
            raise ValueError(
                "A published rule has its own settings. Expected `rule` alone, or "
                f"settings of `MixUp`. Received: rule={rule!r} and {settings}."
            )
        if rule is not None:
            return cls(rule)
        return cls(storage.decode(MixUp, settings) if settings else True)

    def describe(self, family: str) -> str:
        """The law of the weights, and what else matters."""
        mixup = resolve_mixup(self.mixup, load_recipe(family))
        sides = "two-sided" if mixup.mix_fakes else "reals only"
        noise = f"noise {mixup.noise_stddev:g}"
        first = "" if mixup.augment is None else f"augment ({mixup.augment}), then "
        if mixup.noise == "once":
            noise += ", drawn once"
        if mixup.num_samples == 1:
            return f"{first}noise alone ({sides}, {noise})"
        concentrations = ", ".join([f"{mixup.alpha:g}"] * mixup.num_samples)
        law = "Beta" if mixup.num_samples == 2 else "Dirichlet"
        words = [f"{law}({concentrations}) per {mixup.per}", sides]
        if mixup.noise_stddev:
            words.append(noise)
        if mixup.region is not None:
            words.append("by regions")
        if mixup.max_weight < 1:
            words.append(f"weights up to {mixup.max_weight:g}")
        if mixup.same_class:
            words.append("same class")
        return f"{first}mixup ({', '.join(words)})"


@register_defense
@dataclass(frozen=True)
class Noise(Defense):
    """Gaussian noise on reals and fakes, without mixing.

    Args:
        noise_stddev: Standard deviation of the noise on each value, above 0.
    """

    name = "noise"
    title = "Noise alone"
    note = "What the noise of mixup does without the mixing."
    noise_stddev: float = 1.0

    def __post_init__(self) -> None:
        self.arguments()

    def arguments(self) -> dict[str, Any]:
        """The model's `mixup`: a transform that only adds noise."""
        return {"mixup": MixUp(num_samples=1, noise_stddev=self.noise_stddev)}

    def describe(self, family: str) -> str:
        """As `Mixing` tells it."""
        return Mixing(self.arguments()["mixup"]).describe(family)


@register_defense
@dataclass(frozen=True)
class NoiseOnce(Noise):
    """Gaussian noise that each real image gets before training, and keeps.

    Generated images get fresh noise, so that the generator can learn clean ones.
    `theory.noisy_image_guarantee` is what it proves while its seed stays secret; a
    benchmark's seed does not. For noise and then blends, `MixUp(noise="once")`.

    Args:
        noise_stddev: Standard deviation of the noise on each value, above 0.
    """

    name = "noise-once"
    title = "Noise drawn once"
    note = "Post-processing of noisy images; epsilon is huge while they can be seen."

    def arguments(self) -> dict[str, Any]:
        """The model's `mixup`: a transform that only adds noise, before all else."""
        stddev = self.noise_stddev
        return {"mixup": MixUp(num_samples=1, noise_stddev=stddev, noise="once")}
