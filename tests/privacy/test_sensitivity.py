"""Brute force: rows are arbitrary numbers in [-1, 1], functions of who is in them."""

import math

import numpy as np
import pytest

from keras_mixup_gan import MixUp
from keras_mixup_gan.privacy.sensitivity import (
    ADJACENCIES,
    SCHEMES,
    of_mixup,
    sensitivity,
)

OTHER = 99  # who replaces an image
UNBOUNDED = ("with_replacement", "passes")
BOUNDED = [scheme for scheme in SCHEMES if scheme not in UNBOUNDED]


def mixtures(scheme, ids, draws=None):
    """The rows of a step: who is in each, by the order of the batch."""
    if scheme in ("none", "self", "real_fake"):
        return [(i,) for i in ids]
    if scheme == "disjoint_pairs":
        return list(zip(ids[::2], ids[1::2], strict=False))
    if scheme in ("permutation", "roll"):
        return list(zip(ids, ids[1:] + ids[:1], strict=True))
    if scheme == "with_replacement":
        return [(i, ids[int(draws[i] * len(ids))]) for i in ids]
    return list(zip(ids, sorted(ids, key=lambda i: draws[i]), strict=True))


def without(scheme, ids, gone):
    """The batch without one image, coupled with the one that has it."""
    if scheme != "disjoint_pairs":
        return [i for i in ids if i != gone]
    # A uniform pairing of fewer images: the widowed one takes who was left over.
    at = ids.index(gone)
    if at == len(ids) - 1 and len(ids) % 2:
        return ids[:-1]
    partner = ids[at ^ 1]
    rest = [i for i in ids if i not in (gone, partner)]
    return [*rest[:-1], partner, rest[-1]] if len(ids) % 2 else [*rest, partner]


def change(scheme, adjacency, ids, gone, value, draws=None):
    """How far the sum of the rows moves."""
    before = mixtures(scheme, ids, draws)
    if adjacency == "add-or-remove-one":
        after = mixtures(scheme, without(scheme, ids, gone), draws)
    elif adjacency == "zero-out":
        after = [row for row in before if gone not in row]
    else:
        after = [tuple(OTHER if i == gone else i for i in row) for row in before]
    return abs(sum(map(value, before)) - sum(map(value, after)))


@pytest.mark.parametrize("adjacency", ADJACENCIES)
@pytest.mark.parametrize("scheme", BOUNDED)
def test_no_image_moves_the_sum_further(scheme, adjacency):
    random = np.random.default_rng(0)
    bound, largest = sensitivity(scheme, adjacency), 0.0
    for _ in range(1500):
        size = int(random.integers(3, 9))
        values = random.choice([-1.0, 1.0, random.uniform(-1, 1)], (100, 100))
        ids = random.permutation(size).tolist()
        gone = int(random.integers(size))
        moved = change(
            scheme, adjacency, ids, gone, lambda row, v=values: v[row[0], row[-1]]
        )
        largest = max(largest, moved)
    assert largest <= bound + 1e-9
    assert largest > 0.95 * bound  # and is moved that far


@pytest.mark.parametrize("adjacency", ADJACENCIES)
@pytest.mark.parametrize("scheme", BOUNDED)
def test_some_image_moves_the_sum_as_far(scheme, adjacency):
    def value(row):  # all that has image 0 pulls one way, all else the other
        return 1.0 if 0 in row else -1.0

    ids = [1, 0, 2, 3, 4]
    moved = change(scheme, adjacency, ids, 0, value)
    if adjacency == "add-or-remove-one" and scheme == "disjoint_pairs":
        assert mixtures(scheme, without(scheme, ids, 0)) == [(2, 3), (1, 4)]
    assert moved == sensitivity(scheme, adjacency)


@pytest.mark.parametrize("scheme", UNBOUNDED)
def test_what_grows_with_the_batch_has_no_bound(scheme):
    random = np.random.default_rng(0)
    largest = []
    for size in (8, 32, 99):
        moved = []
        for _ in range(100):
            values = random.choice([-1.0, 1.0], (100, 100))
            draws, gone = random.random(size), int(random.integers(size))
            ids = list(range(size))
            moved.append(
                change(
                    scheme,
                    "add-or-remove-one",
                    ids,
                    gone,
                    lambda row, v=values: v[row],
                    draws,
                )
            )
        largest.append(max(moved))
    assert largest[0] < largest[1] < largest[2]
    assert largest[2] > 10
    assert sensitivity(scheme) == math.inf


def test_the_multiple_of_a_mixup():
    assert of_mixup(MixUp(mix_fakes=False)) == 3
    assert of_mixup(MixUp(num_samples=4, mix_fakes=False)) == 7
    assert of_mixup(MixUp()) == 6  # the fakes' weights are those of the reals
    assert of_mixup(MixUp.paper()) == math.inf
    assert of_mixup(MixUp(same_class=True)) == math.inf


def test_unknown_arguments():
    with pytest.raises(ValueError, match=r"`scheme`.*Received: scheme='pairs'"):
        sensitivity("pairs")
    with pytest.raises(ValueError, match=r"`adjacency`.*Received: adjacency='swap'"):
        sensitivity("none", "swap")
