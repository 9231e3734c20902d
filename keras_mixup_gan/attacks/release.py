"""What of a trained model is given away, by which an attack can be made at all."""

from collections.abc import Collection
from enum import Enum
from typing import Self

from keras_mixup_gan.validation import check_choice


class Release(Enum):
    """What an attacker is given, the least first; the value is how it is asked for."""

    SAMPLES = "samples"
    GENERATOR = "generator"
    EVERYTHING = "everything"

    @classmethod
    def named(cls, name: "str | Release") -> Self:
        """The release of a name; one is returned as it is."""
        if isinstance(name, cls):
            return name
        check_choice(name, [release.value for release in cls], "release")
        return cls(name)

    @classmethod
    def least_for(cls, accesses: Collection[str]) -> Self:
        """The least that grants these accesses, which are those of `AttackTarget`.

        What an attacker has without the model, such as reference images and models of
        his own, needs no release.
        """
        if {"discriminator", "layers"} & set(accesses):
            return cls("everything")
        if {"queries", "generator"} & set(accesses):
            return cls("generator")
        return cls("samples")

    def covers(self, other: "Release") -> bool:
        """Whether whoever is given this can do what whoever is given the other can."""
        order = list(Release)
        return order.index(self) >= order.index(other)

    def __str__(self) -> str:
        return _WORDS[self]


_WORDS = {
    Release.SAMPLES: "generated images",
    Release.GENERATOR: "the generator",
    Release.EVERYTHING: "generator and discriminator",
}
