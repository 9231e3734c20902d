"""Mixtures of images instead of images, or noise alone."""

from dataclasses import dataclass
from typing import Any

from keras_mixup_gan import zoo
from keras_mixup_gan.defenses.base import Defense, factory
from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.validation import check_choice


@dataclass(frozen=True)
class Mixing(Defense):
    """`MixUp` of the training images.

    Args:
        mixup: `True` for the recipe's choice, `"paper"` for the published rule of Ji et
            al., or a `MixUp`.

    Raises:
        ValueError: If it is none of these.
    """

    mixup: bool | str | MixUp = True

    def __post_init__(self) -> None:
        if self.mixup is not True and not isinstance(self.mixup, MixUp):
            check_choice(self.mixup, ("paper",), "mixup")

    def describe(self, family: str) -> str:
        """In words."""
        mixup = zoo.resolve_mixup(self.mixup, zoo.load_recipe(family))
        sides = "two-sided" if mixup.mix_fakes else "reals only"
        noise = f"noise {mixup.noise_stddev:g}"
        if mixup.num_samples == 1:
            return f"noise alone ({sides}, {noise})"
        law = ", ".join([f"{mixup.alpha:g}"] * mixup.num_samples)
        name = "Beta" if mixup.num_samples == 2 else "Dirichlet"
        words = [f"{name}({law}) per {mixup.per}", sides]
        if mixup.noise_stddev:
            words.append(noise)
        if mixup.max_weight < 1:
            words.append(f"weights up to {mixup.max_weight:g}")
        if mixup.same_class:
            words.append("same class")
        return f"mixup ({', '.join(words)})"

    def _build(self, family: str, image_shape: Any, settings: dict[str, Any]) -> Any:
        return factory(family)(image_shape, mixup=self.mixup, **settings)


def mixing(rule: str | None = None, **settings: Any) -> Mixing:
    """`Mixing` by settings of a TOML file: a rule, or arguments of `MixUp`, or none."""
    if rule is not None and settings:
        raise ValueError(
            "A published rule has its own settings. Expected `rule` alone, or settings "
            f"of `MixUp`. Received: rule={rule!r} and {settings}."
        )
    if rule is not None:
        return Mixing(rule)
    return Mixing(MixUp(**settings) if settings else True)


def noise(noise_stddev: float = 1.0) -> Mixing:
    """Gaussian noise on reals and fakes, without blending."""
    return Mixing(MixUp(num_samples=1, noise_stddev=noise_stddev))
