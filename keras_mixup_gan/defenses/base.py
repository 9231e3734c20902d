"""What all defenses have in common: they build a model and say what they are."""

import abc
import dataclasses
from typing import Any, ClassVar

from keras_mixup_gan import zoo
from keras_mixup_gan.zoo.factories import from_recipe
from keras_mixup_gan.zoo.folder import list_models


class Defense(abc.ABC):
    """How a model is kept from telling its members; subclasses are frozen dataclasses.

    Attributes:
        families: Factories of the zoo that the defense goes with.
        noise_seed: Seed of DP-SGD's noise in a benchmark; `None` for all others.
    """

    families: ClassVar[tuple[str, ...]] = tuple(list_models())
    noise_seed: int | None = None

    def build(
        self, family: str, image_shape: tuple[int, int, int], **settings: Any
    ) -> Any:
        """A fresh model with this defense, compiled and ready to `fit`.

        Args:
            family: Name of a factory of the zoo, such as `"dcgan"`.
            image_shape: `(height, width, channels)`.
            **settings: Further arguments of the factory: `num_classes`, `width`,
                `seed`.

        Returns:
            The model.

        Raises:
            ValueError: If the defense does not go with the family.
            ImportError: If an extra is missing.
        """
        if family not in self.families:
            raise ValueError(
                f"{type(self).__name__} is not defined for every family. Expected "
                f"{' or '.join(map(repr, self.families))}. Received: {family!r}."
            )
        return self._build(family, image_shape, settings)

    @abc.abstractmethod
    def describe(self, family: str) -> str:
        """The defense in words, with every setting that matters."""

    @abc.abstractmethod
    def _build(
        self, family: str, image_shape: tuple[int, int, int], settings: dict[str, Any]
    ) -> Any:
        """The model, once the family is known to fit."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            one.name: getattr(self, one.name)
            for one in dataclasses.fields(self)  # type: ignore[arg-type]
        }


def factory(family: str) -> Any:
    """The factory of the zoo by that name."""
    return getattr(zoo, family)


def variant_of_dcgan(
    kind: Any, image_shape: tuple[int, int, int], settings: dict[str, Any]
) -> Any:
    """A model of a subclass of `DCGAN` with the recipe of `zoo.dcgan`.

    Args:
        kind: The subclass.
        image_shape: `(height, width, channels)`.
        settings: Arguments of `zoo.dcgan` and of the subclass.

    Returns:
        The model, compiled unless the settings say otherwise.
    """
    rest = {"seed": None, **settings}
    mixup, compile = rest.pop("mixup", False), rest.pop("compile", True)
    sizes = {name: rest.pop(name, None) for name in ("latent_dim", "width")}
    return from_recipe(kind, "dcgan", image_shape, mixup, compile, sizes, rest)
