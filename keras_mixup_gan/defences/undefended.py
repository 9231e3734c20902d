"""No defence: the yardstick, which early stopping is read from as well."""

from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.defences.base import Defence, factory


@dataclass(frozen=True)
class Undefended(Defence):
    """A model as its paper describes it."""

    def describe(self, family: str) -> str:
        """In words."""
        return "none"

    def _build(self, family: str, image_shape: Any, settings: dict[str, Any]) -> Any:
        return factory(family)(image_shape, **settings)
