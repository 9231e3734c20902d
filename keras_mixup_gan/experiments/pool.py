"""The images of a suite: who is a member, a non-member, or of the reference part."""

import functools
from dataclasses import dataclass

import numpy as np

from keras_mixup_gan.data import Images, MembershipSplit, SplitPart, load_images
from keras_mixup_gan.data.images import check_image_shape
from keras_mixup_gan.typing import IntArray
from keras_mixup_gan.validation import check_choice, check_integer

_POOL_SEED, _COIN_STREAM = 0, 41
COINS, FIXED = "coins", "fixed"


@dataclass(frozen=True)
class Data:
    """Images, and how many of them play which part.

    Args:
        data: What `data.load_images` takes.
        image_shape: `(height, width, channels)` to crop and resize the images to.
        non_members: Number of non-members that are queried; expected number with coins.
        reference: Number of images for attackers and for image quality.
        data_dir: Where data sets of tfds are kept.
        draw: `"coins"`: a fair coin for each image of a fixed pool decides who is a
            member, so that one set of shadow models serves all seeds and what epsilon
            says of attacks holds. `"fixed"`: a fixed number of members, another
            permutation of all images for each seed.
    """

    data: str = "digits"
    image_shape: tuple[int, int, int] | None = None
    non_members: int = 1_000
    reference: int = 2_000
    data_dir: str | None = None
    draw: str = COINS

    def __post_init__(self) -> None:
        check_choice(self.draw, (COINS, FIXED), "draw")
        check_integer(2, non_members=self.non_members, reference=self.reference)
        if self.image_shape is not None:
            check_image_shape(self.image_shape)

    def split(self, members: int, seed: int) -> MembershipSplit:
        """Members, non-members and reference of a cell."""
        return _draw(self, members, seed)[0]

    def num_pool(self, members: int, seed: int) -> tuple[int, int] | None:
        """How many members and non-members coins decided on; `None` without coins."""
        return _draw(self, members, seed)[1]

    def pool(self, members: int, seed: int) -> tuple[SplitPart, SplitPart]:
        """The members and the non-members that coins decided on."""
        split, num_pool = _draw(self, members, seed)
        num_members, num_non_members = num_pool or (0, 0)
        return (
            _first(split.members, num_members),
            _first(split.non_members, num_non_members),
        )


def _first(part: SplitPart, number: int) -> SplitPart:
    """The images of the pool, which come first in a part."""
    return part.at(slice(number))


@functools.lru_cache(maxsize=4)
def _draw(
    data: Data, members: int, seed: int
) -> tuple[MembershipSplit, tuple[int, int] | None]:
    check_integer(2, members=members)
    if data.draw == COINS:
        return draw_by_coins(data, members, seed)
    split = MembershipSplit.draw(
        _load(data),
        num_members=members,
        num_non_members=data.non_members,
        num_reference=data.reference,
        seed=seed,
        drop_duplicates=True,
    )
    return split, None


@functools.lru_cache(maxsize=1)  # for all draws of it
def _load(data: Data) -> Images:
    return load_images(
        data.data,
        data.image_shape,
        crop_to_aspect_ratio=data.image_shape is not None,
        data_dir=data.data_dir,
    )


def draw_by_coins(
    data: Data, members: int, seed: int
) -> tuple[MembershipSplit, tuple[int, int]]:
    """Members by fair coins from a pool of twice as many images.

    The pool, the non-members from outside of it and the reference part are the same for
    every seed, which only throws the coins: so one set of shadow models, trained on
    random halves of the pool, serves all targets.
    """
    if data.non_members < members:
        raise ValueError(
            "`non_members` include the half of the pool that the coins leave out. "
            f"Expected at least {members}, as many as members. Received: "
            f"non_members={data.non_members}."
        )
    loaded = _load(data)
    whole = MembershipSplit.draw(
        loaded.pixels,
        loaded.labels,
        num_members=members + data.non_members,
        num_non_members=1,
        num_reference=data.reference,
        seed=_POOL_SEED,
        drop_duplicates=True,
    )
    queried = whole.members.indices
    pool, outside = queried[: 2 * members], queried[2 * members :]
    heads = np.random.default_rng([_COIN_STREAM, seed]).random(len(pool)) < 0.5

    def part(indices: IntArray) -> SplitPart:
        labels = None if loaded.labels is None else loaded.labels[indices]
        return SplitPart(loaded.pixels.kept(indices), labels, indices)

    split = MembershipSplit(
        members=part(pool[heads]),
        non_members=part(np.concatenate([pool[~heads], outside])),
        reference=whole.reference,
    )
    return split, (int(heads.sum()), int((~heads).sum()))
