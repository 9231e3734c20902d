"""A first look: fewer attacks, queries and generated images."""

from collections.abc import Iterable
from dataclasses import replace

from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.randomness import Stream, some_rows
from keras_mixup_gan.typing import IntArray

NUM_QUERIES, NUM_SAMPLES = 1000, 2000
# The quickest of each kind: discriminator, nearest sample (calibrated or not), density.
_FAST = ("logan", "gan_leaks", "gan_leaks_data", "log_density")


def fast_attacks(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the default attacks that a first look has the time for."""
    return tuple(name for name in names if name in _FAST)


def looked_at(number: int, seed: int) -> IntArray:
    """Which of so many images are looked at: all, or some drawn without regard."""
    return some_rows(number, NUM_QUERIES, seed, Stream.FIRST_LOOK)


def first_look(
    target: AttackTarget, split: MembershipSplit
) -> tuple[AttackTarget, MembershipSplit]:
    """A target that gives a bounded number of images, and parts of bounded size."""
    parts = {}
    for role, part in split.parts().items():
        parts[role] = part.at(looked_at(len(part.pixels), target.seed))
    fewer = target.num_available(NUM_SAMPLES)
    known = target.reference
    if known is not None:  # as many as the part of the split
        rows = looked_at(len(known.images), target.seed)
        labels = None if known.labels is None else known.labels[rows]
        known = replace(known, images=known.images[rows], labels=labels)
    seen = replace(target, num_samples=fewer, reference=known)
    return seen, MembershipSplit(**parts)
