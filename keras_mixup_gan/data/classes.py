"""Labeled images, and classes by name: a number means the same class everywhere."""

import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np

from keras_mixup_gan.data.pixels import HoldsPixels, Pixels
from keras_mixup_gan.typing import FloatArray, IntArray

ClassNames: TypeAlias = tuple[str, ...] | None


class _Labeled(NamedTuple):
    images: Any
    labels: IntArray | None


class Images(HoldsPixels, _Labeled):
    """Images and their labels; unpacks as `images, labels`.

    Images of 8 bits stay so until `images` is asked for, by name, by place or in
    unpacking: `fit`, `audit` and splits take the whole and need no floats of all.

    Attributes:
        images: float32 array `(num_images, height, width, channels)` in `[-1, 1]`.
        labels: int64 array `(num_images,)`, or `None` where they are unknown.
        class_names: Names of the classes in the order of their numbers, or `None`.
            Models, splits and audits match classes by them.
    """

    class_names: ClassNames

    def __new__(
        cls,
        images: FloatArray | Pixels,
        labels: IntArray | None,
        class_names: Iterable[str] | None = None,
    ) -> Self:
        """Images, with their labels and the names of their classes."""
        self = super().__new__(cls, images, labels)
        self.class_names = check_class_names(class_names, labels=labels)
        return self


def check_class_names(
    names: Any,
    name: str = "class_names",
    labels: Any = None,
    num_classes: int | None = None,
) -> ClassNames:
    """Names of classes as a tuple, if any, after checking that they fit the numbers."""
    if names is None:
        return None
    is_list = isinstance(names, Iterable) and not isinstance(names, (str, bytes))
    given = list(names) if is_list else []
    if not given or not all(isinstance(one, str) for one in given):
        raise ValueError(
            f"`{name}` must be the names of the classes in the order of their numbers. "
            f"Received: {names!r:.200}. Pass a list such as ['cat', 'dog']."
        )
    # File systems differ in how they write accents.
    known = tuple(unicodedata.normalize("NFC", str(one)) for one in given)
    expected = len(known) if num_classes is None else num_classes
    if labels is not None and len(labels):
        expected = max(expected, int(np.max(labels)) + 1)
    if len(set(known)) < len(known) or len(known) != expected:
        raise ValueError(
            f"`{name}` must name each class once. Expected {expected} different names. "
            f"Received: {_listed(known)}."
        )
    return known


def numbered_by(
    class_names: ClassNames, labels: Any, own_names: ClassNames, what: str
) -> IntArray | None:
    """Labels numbered as `class_names` says, from the order of the data's own names.

    Where either is unknown they stay as they are.
    """
    if class_names is None or own_names in (None, class_names) or labels is None:
        return labels
    used = [own_names[label] for label in np.unique(labels)]
    unknown = [name for name in used if name not in class_names]
    if unknown:
        raise ValueError(
            f"The {what} have a class of another name. Expected classes among "
            f"{_listed(class_names)}. Received: {_listed(unknown)}. Rename it, or "
            "leave its images out."
        )
    places = {name: place for place, name in enumerate(class_names)}
    numbers = np.array([places.get(name, -1) for name in own_names], "int64")
    return numbers[labels]


def renumbered(data: Any, class_names: ClassNames, what: str) -> Any:
    """`Images` or a part of a split with its classes numbered as `class_names` says.

    Anything else, and what has no names, stays as it is.
    """
    own = names_of(data)
    if own is None or class_names in (None, own) or not isinstance(data, tuple):
        return data
    images, labels, *rest = getattr(data, "held", data)
    labels = numbered_by(class_names, labels, own, what)
    return type(data)(images, labels, *rest, class_names=class_names)  # type: ignore[call-arg]


def names_of(data: Any) -> ClassNames:
    """Names of the classes of data, if they have any; data sets of Keras do too."""
    names = getattr(data, "class_names", None)
    return None if names is None else tuple(names)


def check_same_classes(names: ClassNames, others: ClassNames, what: str) -> None:
    """Raises if what is asked about the same images numbers their classes otherwise."""
    if names is not None and others not in (None, names):
        raise ValueError(
            f"{what} must have the target's classes, in its order. Expected "
            f"{_listed(names)}. Received: {_listed(others or ())}. Train with "
            "`class_names=` of the target."
        )


def merged_names(*each: ClassNames) -> ClassNames:
    """All names, those of the first first; `None` if there are none."""
    return tuple(dict.fromkeys(name for names in each for name in names or ())) or None


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    rest = f", ... ({len(names)} in all)" if len(names) > 8 else ""
    return ", ".join(map(repr, names[:8])) + rest
