"""What all membership-inference attacks share: declared access, checked scores."""

import abc
import inspect
import re
from collections.abc import Collection, Iterator
from typing import Any, ClassVar, Self, TypeVar

from keras_mixup_gan.attacks.target import (
    ACCESSES,
    AttackTarget,
    Labels,
    ReferenceData,
)
from keras_mixup_gan.data.classes import names_of, numbered_by
from keras_mixup_gan.data.labeled import split_labels
from keras_mixup_gan.randomness import Stream, some_rows
from keras_mixup_gan.registry import (
    check_attributes,
    check_name,
    lacks_text,
    register,
)
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import (
    check_classes,
    check_images,
    class_rows,
    finite_scores,
)

DISCRIMINATOR_BLOCK = 1024

# All attacks by name, as `register_attack` entered them.
ATTACKS: dict[str, type["Attack"]] = {}
_Kind = TypeVar("_Kind", bound="type[Attack]")


class Attack(abc.ABC):
    """Base class of membership-inference attacks.

    An attack is told about a model by `fit(target)` and then scores images by
    `score(images)`. It never learns who is a member. The score of an image depends on
    the image, its class label and the target alone: not on the other images of the
    call, their order, or their number.

    Subclasses set the class attributes and define `_fit` and `_score`. One that can be
    made without arguments can be asked for by its name after `register_attack`.

    Attributes:
        name: Short name, used by `audit(attacks=...)` and as a key in reports.
        title: Name to show.
        requires: Names of the accesses it needs, as in `AttackTarget.access`.
        paper: Where the attack comes from.
        default_with: What an audit must be given for the attack to run by default:
            nothing, or some of `"augmentation"` (of the model, by which it is known to
            be trained), `"reference_models"`, `"shadows"`, and the names of signals
            that these shadows have. None, where a class does not define it, for an
            attack that is run only by its name, as those are that take minutes, or
            order images as another one does.
        knows: Defenses that the attack takes into account where the target was trained
            with them, of `"mixup"` and `"augment"`.

    Example:
    ```python
    target = AttackTarget.from_model(model, reference)
    scores = keras_mixup_gan.attacks.DOMIAS(num_samples=5000).fit(target).score(images)
    ```
    """

    name: ClassVar[str]
    title: ClassVar[str]
    requires: ClassVar[frozenset[str]]
    paper: ClassVar[str]
    default_with: ClassVar[frozenset[str] | None] = None
    knows: ClassVar[frozenset[str]] = frozenset()

    # Attributes that scores depend on, for `settings`.
    _recorded: ClassVar[tuple[str, ...]] = ()
    _target: AttackTarget | None = None

    def __init_subclass__(cls) -> None:
        if "default_with" not in vars(cls):
            cls.default_with = None  # what a base class says of audits holds for it

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that scores depend on, as plain JSON values."""
        settings = {name: getattr(self, name) for name in self._recorded}
        if self._target is not None:
            settings |= self._found(self._target)
        return settings

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        """Settings that are known once the attack is fitted."""
        return {}

    def fit(self, target: AttackTarget) -> Self:
        """Prepares the attack on one target, and returns it.

        Raises:
            ValueError: If the target does not grant an access that is required.
        """
        missing = sorted(self.requires - target.access)
        if missing:
            granted = ", ".join(sorted(target.access)) or "nothing"
            raise ValueError(
                f"{self.title} needs access to: {', '.join(missing)}. "
                f"Received: a target that grants {granted}. "
                "Grant it in `AttackTarget`, or leave this attack out."
            )
        self._target = None  # a refit that fails must not leave the old target
        self._fit(target)
        self._target = target
        return self

    def score(self, images: FloatArray, labels: Labels = None) -> FloatArray:
        """Scores images by how likely they were in the training set.

        Args:
            images: Array `(num_images, height, width, channels)`, floats in `[-1, 1]`
                or uint8; or `(images, labels)`, as a pair or a part of a split.
            labels: Class labels, for attacks on the discriminator of a conditional
                model: integers `(num_images,)` or rows `(num_images, num_classes)`.

        Returns:
            Float64 array `(num_images,)`, finite, higher = more likely a member.

        Raises:
            ValueError: If the attack was not fitted, the images or labels are not as
                described, or the model returns scores that are not finite.
        """
        target = self._fitted()
        if labels is None:
            names = names_of(images)
            images, labels = split_labels(images)
            labels = numbered_by(target.class_names, labels, names, "images")
        images = check_images(images, "images", target.image_shape)
        if labels is not None:
            labels = check_classes(labels, len(images), "labels", target.num_classes)
        scores = self._score(images, labels)
        return finite_scores(scores, f"scores of {self.title}", len(images))

    def _fitted(self) -> AttackTarget:
        if self._target is None:
            raise ValueError(
                f"{self.title} does not know its target yet. Expected: a fitted "
                "attack. Received: score() before fit(). Call `fit(target)` first."
            )
        return self._target

    def _fit(self, target: AttackTarget) -> None:  # noqa: B027
        """Prepares the attack; the access has been checked."""

    @abc.abstractmethod
    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        """Scores checked images."""

    def _class_rows(
        self, target: AttackTarget, labels: Labels, what: str
    ) -> FloatArray | None:
        """Label rows for a conditional discriminator, None for any other."""
        if target.num_classes is None:
            return None
        if labels is None:
            raise ValueError(
                f"{self.title} needs the class labels of the {what}, because the model "
                f"is conditional. Received: labels=None, num_classes="
                f"{target.num_classes}. Pass `(images, labels)`."
            )
        return class_rows(labels, target.num_classes, len(labels))

    def _reference(self, target: AttackTarget, minimum: int = 1) -> ReferenceData:
        """The reference images of a target, at least so many."""
        if target.reference is None:
            raise ValueError(f"{self.title} needs access to: reference.")
        if len(target.reference.images) < minimum:
            raise ValueError(
                f"{self.title} needs at least {minimum} reference images. Received: "
                f"{len(target.reference.images)}. Pass more of them."
            )
        return target.reference

    def _drawn_reference(
        self, target: AttackTarget, number: int, minimum: int, stream: Stream
    ) -> FloatArray:
        """At most `number` reference images, drawn by the target's seed if of more."""
        images = self._reference(target, minimum).images
        if len(images) <= number:
            return images
        return images[some_rows(len(images), number, target.seed, stream)]


def register_attack(kind: _Kind) -> _Kind:
    """Enters an attack, so that audits and suites find it by its `name`.

    Args:
        kind: A subclass of `Attack` that can be made without arguments, with all class
            attributes that it asks for.

    Returns:
        The class, so that this can be written above it.

    Raises:
        ValueError: If its name is taken or cannot be one, or the class is incomplete.

    Example:
    ```python
    @keras_mixup_gan.attacks.register_attack
    class Brightness(keras_mixup_gan.attacks.Attack):
        name, title = "brightest", "Brightness"
        paper = "None: bright images are called members."
        requires = frozenset()

        def _score(self, images, labels):
            return images.mean(axis=(1, 2, 3))
    ```
    """
    check_attributes(kind, Attack, _missing)
    check_name(kind.name, "default", "list")
    register(ATTACKS, kind.name, kind)
    return kind


def _missing(kind: Any) -> Iterator[str]:
    """What stands in the way of an attack that is to be found by its name."""
    yield from lacks_text(kind, "name", "title", "paper")
    requires = getattr(kind, "requires", None)
    if not (isinstance(requires, frozenset) and requires <= ACCESSES.keys()):
        yield f"requires={requires!r}, which is no frozenset of {', '.join(ACCESSES)}"
    if inspect.isabstract(kind):
        yield f"no {' and no '.join(sorted(kind.__abstractmethods__))}"
    needed = [
        name
        for name, one in inspect.signature(kind).parameters.items()
        if one.default is one.empty
        and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if needed:
        yield f"arguments without defaults: {', '.join(needed)}"
    if re.search(r"_\d+$", str(getattr(kind, "name", ""))):
        yield "a name that ends as those of attacks do that are asked for twice"


def default_attacks(given: Collection[str] = ()) -> tuple[str, ...]:
    """Names of the attacks that an audit runs by default, the least demanding first.

    What it is given is said in the words of `Attack.default_with`.
    """
    found = [
        (len(kind.default_with), name)
        for name, kind in ATTACKS.items()
        if kind.default_with is not None and kind.default_with <= set(given)
    ]
    return tuple(name for _, name in sorted(found, key=lambda pair: pair[0]))
