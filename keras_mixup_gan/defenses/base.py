"""Defenses by name: what all have in common, and how each is found."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from keras_mixup_gan import storage
from keras_mixup_gan.models.gan import GAN
from keras_mixup_gan.models.recipes import family_class
from keras_mixup_gan.registry import check_attributes, lacks_text, register
from keras_mixup_gan.validation import check_choice

# All defenses by name, as `register_defense` entered them.
DEFENSES: dict[str, type["Defense"]] = {}
_Kind = TypeVar("_Kind", bound="type[Defense]")


class Defense:
    """How a model is kept from leaking its members; subclasses are frozen dataclasses.

    The fields of a subclass are its settings, and by default arguments of the model.
    `register_defense` makes it known by its name.

    Attributes:
        name: What a suite's TOML file calls it.
        title: What pages call it.
        description: What `describe` fills the settings into.
        note: Where it is from or what is particular to it, in a sentence; may be empty.
        families: Names of the families that it is defined for; `None` for all.
        variant: The class that is built in place of the family's, if any.
        noise_seed: Seed of DP-SGD's noise in a benchmark; `None` for all others.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    note: ClassVar[str] = ""
    families: ClassVar[tuple[str, ...] | None] = None
    variant: ClassVar[type[GAN] | None] = None
    noise_seed: ClassVar[int | None] = None

    @classmethod
    def from_settings(cls, **settings: Any) -> Self:
        """The defense by settings as a TOML file gives them."""
        defense: Self = storage.decode(cls, settings)
        return defense

    def build(
        self, family: str, image_shape: tuple[int, int, int], **settings: Any
    ) -> GAN:
        """A fresh model with this defense, compiled and ready to `fit`.

        Args:
            family: Name of a family of the zoo, such as `"dcgan"`.
            image_shape: `(height, width, channels)`.
            **settings: Further arguments of `GAN.from_recipe`, such as `seed`.

        Raises:
            ValueError: If there is no such family, or the defense is not defined for
                it.
        """
        if self.families is not None and family not in self.families:
            raise ValueError(
                f"{self.title} is not defined for every family. Expected "
                f"{' or '.join(map(repr, self.families))}. Received: {family!r}."
            )
        kind = self.variant or family_class(family)
        return kind.from_recipe(image_shape, **{**self.arguments(), **settings})

    def arguments(self) -> dict[str, Any]:
        """Arguments of the model that make up the defense."""
        return self.get_config()

    def describe(self, family: str) -> str:
        """The defense in words, with every setting that matters."""
        return self.description.format(**self.get_config())

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            one.name: getattr(self, one.name)
            for one in dataclasses.fields(self)  # type: ignore[arg-type]
        }


def register_defense(kind: _Kind) -> _Kind:
    """Enters a defense, so that suites and `make` find it by its `name`.

    Args:
        kind: A subclass of `Defense` and frozen dataclass, with a title and either a
            description or a method `describe`.

    Returns:
        The class, so that this can be written above `@dataclass(frozen=True)`.

    Raises:
        ValueError: If its name is taken or cannot be one, or the class is incomplete.

    Example:
    ```python
    @keras_mixup_gan.defenses.register_defense
    @dataclasses.dataclass(frozen=True)
    class Averaging(keras_mixup_gan.defenses.Defense):
        name, title = "slow-averaging", "Slow averaging"
        description = "averaging (momentum {ema_momentum:g})"
        ema_momentum: float = 0.9999
    ```
    """
    check_attributes(kind, Defense, _missing)
    register(DEFENSES, kind.name, kind)
    return kind


def _missing(kind: Any) -> Iterator[str]:
    """What stands in the way of a defense that is to be found by its name."""
    yield from lacks_text(kind, "name", "title")
    if kind.describe is Defense.describe:
        yield from lacks_text(kind, "description")
    settings = vars(kind).get("__dataclass_params__")
    if not (settings and settings.frozen and settings.eq):
        yield "no `@dataclass(frozen=True)`"


@register_defense
@dataclass(frozen=True)
class Undefended(Defense):
    """A model as its paper describes it: the baseline, early stopping included."""

    name = "undefended"
    title = "Undefended"
    description = "none"


def make(name: str, **settings: Any) -> Defense:
    """A defense by its name.

    Args:
        name: A key of `DEFENSES`.
        **settings: Its arguments; for `"mixup"` a `rule` such as `"paper"`, or
            arguments of `MixUp`; for `"dp-sgd"` arguments of `DPSGD`.

    Raises:
        ValueError: If there is no such defense, or it takes no such settings.

    Example:
    ```python
    make("mixup", alpha=8.0, noise_stddev=1.0).build("dcgan", (28, 28, 1), seed=0)
    ```
    """
    check_choice(name, DEFENSES, "defense")
    try:
        return DEFENSES[name].from_settings(**settings)
    except TypeError as error:
        raise ValueError(
            f"The defense {name!r} takes other settings. Received: {settings} "
            f"({error})."
        ) from error
