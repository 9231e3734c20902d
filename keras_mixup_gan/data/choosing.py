"""Which images of a pool become members, non-members and reference."""

from collections.abc import Sequence

import numpy as np

from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.typing import IntArray
from keras_mixup_gan.validation import check_choice, check_integer


def choose(
    pool: IntArray,
    *,
    num_members: int,
    num_non_members: int,
    num_reference: int,
    num_spare: int = 0,
    seed: int,
    membership: str,
    is_distinct: bool = False,
) -> dict[str, IntArray]:
    """Indices of each part that has some, and of `spare` ones that belong to none."""
    check_choice(membership, ("fixed", "coin"), "membership")
    check_integer(1, num_members=num_members, num_non_members=num_non_members)
    check_integer(0, num_reference=num_reference, seed=seed)
    num_drawn = num_members + num_non_members + num_reference + num_spare
    if num_drawn > len(pool):
        raise ValueError(
            f"The split needs {num_drawn} images and there are {len(pool)}"
            f"{' distinct ones' if is_distinct else ''}. Received: num_members="
            f"{num_members}, num_non_members={num_non_members}, num_reference="
            f"{num_reference}{', and canaries' if num_spare else ''}. Ask for fewer "
            "or load more images."
        )
    order = np.random.default_rng(seed).permutation(pool)
    back, rest = order[::-1], num_non_members + num_reference
    chosen = {
        "members": order[:num_members],
        "non_members": back[:num_non_members],
        "reference": back[num_non_members:rest],
        "spare": back[rest:][:num_spare],
    }
    if membership == "coin":
        chosen |= _by_coins(chosen["members"], chosen["non_members"], seed)
    return {role: indices for role, indices in chosen.items() if len(indices)}


def _by_coins(
    members: IntArray, non_members: IntArray, seed: int
) -> dict[str, IntArray]:
    """The same pool shared out by a coin for each image, as likely heads as before."""
    pool = np.concatenate([members, non_members])
    rate = len(members) / len(pool)
    heads = generator(seed, Stream.MEMBERSHIP_COINS).random(len(pool)) < rate
    if heads.all() or not heads.any():
        raise ValueError(
            "All coins fell on one side, and an attack needs both. Expected members "
            f"and non-members. Received: {heads.sum()} members among {len(pool)} "
            "images. Draw from more images, or with another seed."
        )
    return {"members": pool[heads], "non_members": pool[~heads]}


def first_copies(digests: Sequence[bytes]) -> IntArray:
    """Rows of the images, by their hashes, that repeat no earlier one."""
    first = dict(zip(reversed(digests), reversed(range(len(digests))), strict=True))
    return np.array(sorted(first.values()))
