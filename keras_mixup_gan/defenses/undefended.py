"""No defense: the yardstick, which early stopping is read from as well."""

from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.defenses.base import Defense, factory


@dataclass(frozen=True)
class Undefended(Defense):
    """A model as its paper describes it."""

    def describe(self, family: str) -> str:
        """In words."""
        return "none"

    def _build(self, family: str, image_shape: Any, settings: dict[str, Any]) -> Any:
        return factory(family)(image_shape, **settings)
