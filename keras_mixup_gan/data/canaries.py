"""Canaries: unusual images, placed in or out by fair coins, that show the worst case.

A defense that hides most images may still give away the unusual ones. Source: Aerni,
Zhang and Tramer, "Evaluations of Machine Learning Privacy Defenses are Misleading",
CCS 2024, arXiv:2404.17399.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.typing import BoolArray, FloatArray, IntArray
from keras_mixup_gan.validation import check_choice, check_images, check_integer

# What each is.
KINDS = {
    "blank": "one color",
    "inverted": "an image with its colors inverted",
    "other_domain": "an image of another kind: by default a pattern of waves",
    "mislabeled": "an image with the label of another class",
    "near_duplicate": "one image, each time with other slight noise",
}
DUPLICATE_STDDEV = 0.05


@dataclass(frozen=True)
class Canaries:
    """Canaries with the coins that were thrown for them.

    Attributes:
        images: float32 array `(num_canaries, height, width, channels)`.
        labels: int64 array `(num_canaries,)`, or `None`.
        kinds: The kind of each.
        inside: Boolean array `(num_canaries,)`: whether it becomes a member.
    """

    images: FloatArray
    labels: IntArray | None
    kinds: tuple[str, ...]
    inside: BoolArray


def wanted_canaries(given: Any, has_labels: bool) -> dict[str, Any]:
    """Numbers of canaries, or images of another domain, by kind."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        check_integer(1, canaries=given)
        kinds = [kind for kind in KINDS if has_labels or kind != "mislabeled"]
        return dict.fromkeys(kinds, int(given))
    given = {
        kind: int(number) if isinstance(number, np.integer) else number
        for kind, number in given.items()
    }
    for kind, number in given.items():
        check_choice(kind, KINDS, "canaries")
        if kind != "other_domain" or isinstance(number, int):
            check_integer(1, **{f"canaries[{kind!r}]": number})
    if "mislabeled" in given and not has_labels:
        raise ValueError(
            "Canaries with a wrong label need labels. Received: labels=None and "
            "'mislabeled' among `canaries`. Pass labels, or leave this kind out."
        )
    return given


def num_spare(wanted: Mapping[str, Any]) -> int:
    """How many images of the pool canaries are made of."""
    one_each = sum(wanted.get(kind, 0) for kind in ("inverted", "mislabeled"))
    return one_each + ("near_duplicate" in wanted)


def make_canaries(
    wanted: Mapping[str, Any],
    spare: FloatArray,
    labels: IntArray | None,
    classes: IntArray | None,
    shape: tuple[int, int, int],
    seed: int,
) -> Canaries:
    """Canaries of spare images, which no part holds, and a fair coin for each.

    `labels` are those of the spare images, `classes` all that there are.
    """
    rng = generator(seed, Stream.CANARIES)
    images, own, kinds = [], [], []
    taken = 0

    def take(number: int) -> tuple[FloatArray, Any]:
        nonlocal taken
        part = slice(taken, taken + number)
        taken += number
        return spare[part], None if labels is None else labels[part]

    for kind, asked in wanted.items():
        if kind == "blank":
            made, label = _blanks(asked, shape), None
        elif kind == "other_domain":
            made, label = _other_domain(rng, asked, shape), None
        elif kind == "near_duplicate":
            one, label = take(1)
            noise = DUPLICATE_STDDEV * rng.standard_normal((asked, *shape))
            made = np.clip(one + noise, -1, 1)
            label = None if label is None else np.repeat(label, asked)
        else:
            made, label = take(asked)
            if kind == "inverted":
                made = -made
            else:
                label = _other_class(rng, label, classes)
        if classes is not None:
            own.append(rng.choice(classes, len(made)) if label is None else label)
        images.append(made.astype("float32"))
        kinds += [kind] * len(made)
    coins = generator(seed, Stream.CANARY_COINS).random(len(kinds)) < 0.5
    if coins.all() or not coins.any():
        raise ValueError(
            "All coins of the canaries fell on one side, and both are needed. "
            f"Received: {len(kinds)} canaries. Ask for more, or draw with another seed."
        )
    found = np.concatenate(own).astype("int64") if own else None
    return Canaries(np.concatenate(images), found, tuple(kinds), coins)


def _blanks(number: int, shape: tuple[int, int, int]) -> FloatArray:
    """Images of one shade each, no two alike."""
    shades = np.linspace(-1, 1, number + 2)[1:-1]
    return np.broadcast_to(shades[:, None, None, None], (number, *shape))


def _other_domain(
    rng: np.random.Generator, asked: Any, shape: tuple[int, int, int]
) -> FloatArray:
    """The images that are given, or products of waves, with phases for each channel."""
    if not isinstance(asked, int):
        return check_images(asked, "canaries['other_domain']", shape)
    height, width, channels = shape
    rows, columns = np.linspace(0, 1, height), np.linspace(0, 1, width)
    waves, phases = (
        rng.uniform(1, 4, (asked, 2)),
        rng.uniform(size=(asked, 2, channels)),
    )
    down, right = (
        np.cos(2 * np.pi * (places[:, None] * wave[:, None, None] + phase[:, None]))
        for places, wave, phase in zip(
            (rows, columns), waves.T, phases.swapaxes(0, 1), strict=True
        )
    )
    return down[:, :, None] * right[:, None]


def _other_class(
    rng: np.random.Generator, labels: Any, classes: IntArray | None
) -> IntArray:
    known = np.asarray(classes)
    if len(known) < 2:
        raise ValueError(
            "Canaries with a wrong label need at least two classes. Received: "
            f"classes {known.tolist()}. Leave out the kind 'mislabeled'."
        )
    places = np.searchsorted(known, labels)
    moved = places + rng.integers(1, len(known), len(labels))
    return known[moved % len(known)]
