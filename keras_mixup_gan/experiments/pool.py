"""The membership game of a grid: a fixed pool, whose members are drawn by coins."""

import functools

import numpy as np

from keras_mixup_gan.data import MembershipSplit, SplitPart, load_images
from keras_mixup_gan.typing import IntArray
from keras_mixup_gan.validation import check_integer

_POOL_SEED, _COIN_STREAM = 0, 41


@functools.lru_cache(maxsize=4)
def draw_game(
    data: str,
    image_shape: tuple[int, int, int] | None,
    members: int,
    non_members: int,
    reference: int,
    seed: int,
    data_dir: str | None = None,
) -> tuple[MembershipSplit, IntArray]:
    """Members by fair coins from a pool of twice as many images, and who is outside.

    The pool, the outsiders and the reference part are the same for every seed; the
    seed only throws the coins. So one set of shadow models, trained on random halves of
    the pool, serves the targets of all seeds; and each image's membership is
    independent of all others', as the bounds that follow from an epsilon assume.

    Args:
        data: What `data.load_images` takes.
        image_shape: `(height, width, channels)` to bring the images to, cropped and not
            distorted, or `None`.
        members: Expected number of members; the pool holds twice as many images.
        non_members: Expected number of non-members, at least `members`: the rest of the
            pool and images from outside.
        reference: Number of images for attackers and for image quality.
        seed: Seed of the coins.
        data_dir: Where data sets of tfds are kept; by default where it keeps them.

    Returns:
        The split, whose parts list the images of the pool first, and for members and
        non-members how many of them are of the pool.

    Raises:
        ValueError: If there are fewer distinct images, or `non_members` are too few.
    """
    check_integer(2, members=members, reference=reference)
    if non_members < members:
        raise ValueError(
            "`non_members` include the half of the pool that the coins leave out. "
            f"Expected at least {members}, as many as members. Received: "
            f"non_members={non_members}."
        )
    loaded = load_images(
        data,
        image_shape,
        crop_to_aspect_ratio=image_shape is not None,
        data_dir=data_dir,
    )
    images, labels = loaded.images, loaded.labels
    whole = MembershipSplit.draw(
        images,
        labels,
        num_members=members + non_members,
        num_non_members=1,
        num_reference=reference,
        seed=_POOL_SEED,
        drop_duplicates=True,
    )
    queried = whole.members.indices
    pool, outsiders = queried[: 2 * members], queried[2 * members :]
    heads = np.random.default_rng([_COIN_STREAM, seed]).random(len(pool)) < 0.5
    chosen = {
        "members": pool[heads],
        "non_members": np.concatenate([pool[~heads], outsiders]),
    }
    split = MembershipSplit(
        **{
            role: SplitPart(
                images[indices],
                None if labels is None else labels[indices],
                indices,
            )
            for role, indices in chosen.items()
        },
        reference=whole.reference,
    )
    return split, np.array([heads.sum(), (~heads).sum()])
