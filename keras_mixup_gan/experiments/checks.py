"""Checks of what the TOML file of a suite says."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from keras_mixup_gan import defenses
from keras_mixup_gan.attacks import ATTACKS
from keras_mixup_gan.validation import check_choice, check_in_range, check_integer

Setting: TypeAlias = str | bool | int | float
BASELINE = "undefended"  # the arm that others are compared with, and its defense


def check_arm(arm: str, settings: Mapping[str, Setting], delta: float) -> None:
    """Raises unless an arm is a defense with settings that it takes, and named so."""
    own: dict[str, Any] = dict(settings)
    for label in ("title", "group"):
        check_text(label, own.pop(label, arm))
    name = own.pop("defense", arm)
    for set_here in own.keys() & {"noise_seed", "num_examples", "delta"}:
        raise ValueError(
            f"`{set_here}` follows from the suite. Expected an arm without it. "
            f"Received: {set_here}={own[set_here]!r} in the arm {arm!r}. Leave it out."
        )
    if "target_epsilon" in own:
        own["delta"] = delta
    defenses.make(str(name), **own)
    if (arm == BASELINE) != (name == BASELINE):
        raise ValueError(
            f"The arm {BASELINE!r} is what all others are compared with. Expected that "
            "name of the arm without a defense, and of no other. Received: an arm "
            f"{arm!r} with defense={name!r}. Rename it."
        )
    if arm != name and arm in defenses.DEFENSES and "title" not in settings:
        raise ValueError(
            "An arm would be called like a defense that it has not. Expected another "
            f"name or a `title`. Received: an arm {arm!r} with defense={name!r}."
        )


def check_attacks(names: Iterable[str]) -> None:
    """Raises unless these are attacks that can be made at every checkpoint."""
    seen: set[str] = set()
    for name in names:
        check_choice(name, ATTACKS, "attacks")
        needs = ATTACKS[name].requires & {"shadows", "reference_models"}
        if needs or name in seen:
            why = "needs models of its own" if needs else "is there twice"
            raise ValueError(
                "Attacks of a suite are made once at every checkpoint. Expected names "
                "of attacks that need no other models. Received: "
                f"attacks={name!r}, which {why}. Leave it out; `shadows` of a block "
                "adds those with shadow models."
            )
        seen.add(name)


def check_text(name: str, text: Setting) -> None:
    """Raises unless this is a line of text."""
    if not (isinstance(text, str) and text.isprintable() and text.strip()):
        raise ValueError(
            f"`{name}` must be text without control characters. Received: "
            f"{name}={text!r:.80}. Write it in quotation marks, in one line."
        )


def check_filled(**given: Any) -> None:
    """Raises unless everything given names something."""
    for name, value in given.items():
        if not value:
            raise ValueError(
                f"`{name}` must name at least one. Received: {name}={value!r}. Add "
                "one, or leave the block out."
            )


def check_seeds(**given: tuple[int, ...]) -> None:
    """Raises unless all seeds are numbers that every generator takes."""
    for name, seeds in given.items():
        for seed in seeds:
            check_integer(0, **{name: seed})
            check_in_range(0, 2**31 - 1, **{name: seed})
