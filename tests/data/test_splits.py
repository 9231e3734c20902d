import dataclasses
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mixup_gan.data import Images, MembershipSplit, SplitPart, load_images
from keras_mixup_gan.validation import unit_range


def distinct_images(count, seed=0, shape=(3, 2, 1)):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, *shape)).astype("float32")


def draw(images=None, **options):
    sizes = {"num_members": 5, "num_non_members": 4, "num_reference": 3} | options
    return MembershipSplit.draw(
        distinct_images(20) if images is None else images, **sizes
    )


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 9)),
    spare=st.integers(0, 5),
    seed=st.integers(0, 2**32),
)
def test_parts_are_disjoint_and_hold_what_their_indices_say(sizes, spare, seed):
    images = distinct_images(sum(sizes) + spare)
    labels = np.arange(len(images)) % 4
    names = ("num_members", "num_non_members", "num_reference")
    options = dict(zip(names, sizes, strict=True), seed=seed)
    split = MembershipSplit.draw(images, labels, **options)
    parts = split.parts()
    assert [len(part.images) for part in parts.values()] == [s for s in sizes if s]
    indices = np.concatenate([part.indices for part in parts.values()])
    assert len(set(indices.tolist())) == sum(sizes)
    for part in parts.values():
        np.testing.assert_array_equal(part.images, images[part.indices])
        np.testing.assert_array_equal(part.labels, labels[part.indices])
    assert (split.reference is None) == (sizes[2] == 0)
    again = MembershipSplit.draw(images, labels, **options)
    assert again.content_hash == split.content_hash


def test_another_seed_gives_another_split():
    assert draw(seed=0).content_hash != draw(seed=1).content_hash


def test_every_image_may_become_a_member():
    members = [draw(seed=seed).members.indices for seed in range(40)]
    counts = np.bincount(np.concatenate(members), minlength=20)
    assert counts.min() > 0
    assert counts.max() < 25  # mean 10, standard deviation 2.7


def test_more_members_keep_the_earlier_ones_and_the_non_members():
    few, many = draw(num_members=5), draw(num_members=9)
    np.testing.assert_array_equal(few.members.indices, many.members.indices[:5])
    np.testing.assert_array_equal(few.non_members.indices, many.non_members.indices)
    np.testing.assert_array_equal(few.reference.indices, many.reference.indices)


def test_a_fixed_draw_is_the_one_it_always_was():
    images = distinct_images(20)
    order = np.random.default_rng(3).permutation(20)
    split = draw(images, seed=3)
    np.testing.assert_array_equal(split.members.indices, order[:5])
    np.testing.assert_array_equal(split.non_members.indices, order[::-1][:4])
    np.testing.assert_array_equal(split.reference.indices, order[::-1][4:7])


def test_coins_share_out_the_same_pool_one_image_at_a_time():
    images = distinct_images(400)
    sizes = {"num_members": 90, "num_non_members": 210, "num_reference": 50}
    entered = np.zeros((60, 400), bool)
    for seed in range(60):
        fixed = draw(images, seed=seed, **sizes)
        split = draw(images, seed=seed, membership="coin", **sizes)
        both = [split.members.indices, split.non_members.indices]
        pool = [fixed.members.indices, fixed.non_members.indices]
        assert set(np.concatenate(both)) == set(np.concatenate(pool))
        np.testing.assert_array_equal(split.reference.indices, fixed.reference.indices)
        entered[seed, split.members.indices] = True
    counts = entered.sum(axis=1)
    spread = np.sqrt(300 * 0.3 * 0.7)
    assert abs(counts.mean() - 90) < 5 * spread / np.sqrt(60)
    assert 0.6 * spread < counts.std() < 1.5 * spread  # binomial, not fixed
    again = draw(images, seed=59, membership="coin", **sizes)
    assert again.content_hash == split.content_hash


def test_coins_on_one_side_are_refused():
    with pytest.raises(ValueError, match=r"one side.*Received: \d+ members among 2"):
        for seed in range(20):
            draw(num_members=1, num_non_members=1, seed=seed, membership="coin")


def test_drawing_leaves_global_randomness_and_the_pool_alone():
    images = distinct_images(20)
    kept = images.copy()
    np.random.seed(0)  # noqa: NPY002
    before = np.random.random()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    draw(images)
    assert np.random.random() == before  # noqa: NPY002
    np.testing.assert_array_equal(images, kept)
    assert images.flags.writeable


def test_unknown_membership_is_named():
    with pytest.raises(ValueError, match=r"`membership`.*Received: membership='coins'"):
        draw(membership="coins")


def test_loaded_images_are_drawn_with_their_labels():
    loaded = Images(distinct_images(20), np.arange(20))
    split = draw(loaded)
    np.testing.assert_array_equal(split.members.labels, split.members.indices)
    star = MembershipSplit.draw(*loaded, num_members=5, num_non_members=4)
    np.testing.assert_array_equal(star.members.images, split.members.images)


def test_digits_can_be_drawn_whole():
    split = MembershipSplit.draw(
        load_images("digits"), num_members=2000, num_non_members=2500, num_reference=500
    )
    assert split.num_duplicates == {"members": 0, "non_members": 0, "reference": 0}
    assert split.image_shape == (28, 28, 1)
    assert len(np.unique(split.members.labels)) == 10


def test_too_large_parts_are_one_sentence():
    with pytest.raises(ValueError, match=r"needs 22 images and there are 20\. "):
        draw(num_members=15)


@pytest.mark.parametrize(
    "options",
    [
        {"num_members": 0},
        {"num_non_members": 0},
        {"num_reference": -1},
        {"seed": -1},
        {"num_members": 2.5},
    ],
)
def test_sizes_and_seed_are_checked(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}` must be an integer"):
        draw(**options)


def test_images_and_labels_are_checked():
    with pytest.raises(ValueError, match="must be floating point"):
        draw(np.zeros((20, 2, 2, 1), "int32"))
    with pytest.raises(ValueError, match="must be 20 integers"):
        draw(labels=np.zeros(3, int))


def with_copies():
    images = distinct_images(20)
    images[13] = images[4]
    images[17] = images[4]
    return images


def seed_where(condition):
    """A seed whose members, as a set of indices, satisfy a condition."""
    for seed in range(1000):
        members = np.random.default_rng(seed).permutation(20)[:5].tolist()
        if condition(set(members)):
            return seed
    raise AssertionError


def test_copies_across_parts_are_refused_with_count_and_indices():
    seed = seed_where(lambda members: 4 in members and not {13, 17} & members)
    message = r"1 images occur in more than one.* at indices 4, 13, 17\. .*drop_dup"
    with pytest.raises(ValueError, match=message):
        draw(with_copies(), num_non_members=15, num_reference=0, seed=seed)


def test_copies_within_a_part_are_counted():
    seed = seed_where(lambda members: {4, 13, 17} <= members)
    split = draw(with_copies(), num_non_members=15, num_reference=0, seed=seed)
    assert split.num_duplicates == {"members": 2, "non_members": 0}


@pytest.mark.parametrize("seed", range(5))
def test_dropping_duplicates_draws_first_copies_only(seed):
    sizes = {"num_members": 10, "num_non_members": 8, "num_reference": 0}
    split = draw(with_copies(), **sizes, seed=seed, drop_duplicates=True)
    drawn = {*split.members.indices.tolist(), *split.non_members.indices.tolist()}
    assert drawn == set(range(20)) - {13, 17}
    with pytest.raises(ValueError, match="there are 18 distinct ones"):
        draw(with_copies(), num_members=19, drop_duplicates=True)


def test_zero_and_negative_zero_are_the_same_image():
    zeros = np.zeros((1, 2, 2, 1), "float32")
    with pytest.raises(ValueError, match="occur in more than one part"):
        MembershipSplit.from_parts(zeros, -zeros)


def test_given_parts_are_numbered_through():
    images = distinct_images(9)
    split = MembershipSplit.from_parts(
        (images[:4], [0, 1, 2, 3]), images[4:7], Images(images[7:], np.array([5, 6]))
    )
    np.testing.assert_array_equal(split.members.indices, [0, 1, 2, 3])
    np.testing.assert_array_equal(split.reference.indices, [7, 8])
    np.testing.assert_array_equal(split.members.labels, [0, 1, 2, 3])
    np.testing.assert_array_equal(split.reference.labels, [5, 6])
    assert split.non_members.labels is None


def test_given_parts_that_share_an_image_are_refused():
    images = distinct_images(9)
    with pytest.raises(ValueError, match=r"2 images .* at indices 2, 3, 4, 5\."):
        MembershipSplit.from_parts(images[:4], images[2:6])
    with pytest.raises(ValueError, match=r"1 images .* at indices 0, 8\."):
        MembershipSplit.from_parts(images[:4], images[4:8], images[:1])


def test_parts_that_share_an_index_are_refused():
    images = distinct_images(6)
    first = SplitPart(images[:3], None, np.array([0, 1, 2]))
    second = SplitPart(images[3:], None, np.array([2, 3, 4]))
    with pytest.raises(ValueError, match=r"overlap in 1 indices.*Received: 2 in more"):
        MembershipSplit(first, second)


def test_parts_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"`non_members` must hold images of shape"):
        MembershipSplit.from_parts(
            distinct_images(2), distinct_images(2, shape=(2, 3, 1))
        )


def test_indices_must_fit_their_images():
    part = SplitPart(distinct_images(3), None, np.array([0, 1]))
    with pytest.raises(ValueError, match=r"`members.indices` must be one integer per"):
        MembershipSplit(part, part)


def test_the_hash_sees_pixels_labels_order_roles_and_shape():
    images = distinct_images(8)
    base = MembershipSplit.from_parts(images[:4], images[4:])
    nudged = images.copy()
    nudged[7, 2, 1, 0] = np.nextafter(nudged[7, 2, 1, 0], np.float32(0))
    reshaped = images.reshape(8, 2, 3, 1)
    others = [
        MembershipSplit.from_parts(nudged[:4], nudged[4:]),
        MembershipSplit.from_parts(images[4:], images[:4]),
        MembershipSplit.from_parts(images[:4][::-1], images[4:]),
        MembershipSplit.from_parts(images[:5], images[5:]),
        MembershipSplit.from_parts(images[:4], images[4:6], images[6:]),
        MembershipSplit.from_parts((images[:4], [0, 1, 2, 3]), images[4:]),
        MembershipSplit.from_parts((images[:4], [0, 1, 2, 4]), images[4:]),
        MembershipSplit.from_parts(reshaped[:4], reshaped[4:]),
    ]
    hashes = {split.content_hash for split in [base, *others]}
    assert len(hashes) == len(others) + 1
    assert (
        base.content_hash
        == MembershipSplit.from_parts(*np.split(images, 2)).content_hash
    )
    assert base.short_hash == base.content_hash[:12]
    assert len(base.content_hash) == 64


def test_the_hash_is_the_same_on_every_machine():
    images = np.linspace(-1, 1, 24).reshape(6, 2, 2, 1)
    split = MembershipSplit.from_parts(images[:3], (images[3:], [1, 0, 2]))
    assert split.short_hash == "529d207c5f3a"


def test_a_split_is_frozen_with_its_arrays():
    split = draw()
    with pytest.raises(dataclasses.FrozenInstanceError):
        split.members = split.non_members
    with pytest.raises(ValueError, match="read-only"):
        split.members.images[0] = 0


def test_changing_the_given_arrays_does_not_change_the_split():
    images = distinct_images(8)
    split = MembershipSplit.from_parts(images[:4], images[4:])
    kept = split.members.images.copy()
    images[:] = 0
    np.testing.assert_array_equal(split.members.images, kept)


@pytest.mark.parametrize("make", [np.float32, np.uint8])
@pytest.mark.parametrize("drop_duplicates", [False, True])
def test_drawing_takes_the_memory_of_the_parts_as_they_are_given(make, drop_duplicates):
    images = np.random.default_rng(0).integers(256, size=(1600, 32, 32, 3))
    images = images.astype("uint8")
    given = images if make is np.uint8 else unit_range(images)
    tracemalloc.start()
    split = MembershipSplit.draw(
        given, num_members=800, num_non_members=800, drop_duplicates=drop_duplicates
    )
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1.1 * given.nbytes
    assert peak < kept + images.nbytes + 0.1 * given.nbytes
    inside = split.members.indices
    np.testing.assert_array_equal(split.members.images, unit_range(images[inside]))


def test_a_split_of_loaded_bytes_holds_indices_alone():
    loaded = load_images("digits")
    split = MembershipSplit.draw(loaded, num_members=9, num_non_members=8)
    assert all(p.pixels.stored is loaded.pixels.stored for p in split.parts().values())
    images, labels = load_images("digits")
    as_floats = MembershipSplit.draw(images, labels, num_members=9, num_non_members=8)
    assert split.content_hash == as_floats.content_hash
    np.testing.assert_array_equal(split.members.images, as_floats.members.images)
    np.testing.assert_array_equal(split.members.labels, as_floats.members.labels)


@pytest.mark.parametrize("make", [np.float32, np.uint8])
def test_arrays_of_a_split_are_not_copied_again(make):
    images = np.arange(240).reshape(20, 3, 2, 2).astype("uint8")
    split = draw(images if make is np.uint8 else unit_range(images))
    again = MembershipSplit.from_parts(split.members, split.non_members)
    assert again.members.images is split.members.images


def test_repr_is_short():
    text = repr(draw())
    assert text.startswith("MembershipSplit(members=5, non_members=4, reference=3, ")
    assert len(text) < 150


BYTES = np.random.default_rng(5).integers(0, 256, (12, 8, 8, 1), dtype="uint8")


@pytest.mark.parametrize(
    "as_floats",
    [
        lambda x: x / 127.5 - 1,
        lambda x: x / 255 * 2 - 1,
        lambda x: (x.astype("float32") - 127.5) / 127.5,
        unit_range,
    ],
)
def test_copies_are_found_however_bytes_became_floats(as_floats):
    floats = as_floats(BYTES).astype("float32")
    with pytest.raises(ValueError, match="5 images occur in more than one part"):
        MembershipSplit.from_parts(BYTES[:8], floats[3:8])
    twice = np.concatenate([unit_range(BYTES[:6]), floats[:6]])
    split = MembershipSplit.from_parts(twice, BYTES[6:])
    assert split.num_duplicates == {"members": 6, "non_members": 0}
    sizes = {"num_members": 3, "num_non_members": 3}
    drawn = MembershipSplit.draw(twice, **sizes, drop_duplicates=True)
    assert max(*drawn.members.indices, *drawn.non_members.indices) < 6


def test_true_floats_that_nearly_agree_are_two_images():
    floats = distinct_images(6)
    shifted = np.clip(floats + np.float32(1e-4), -1, 1)
    split = MembershipSplit.from_parts(floats, shifted)
    assert split.num_duplicates == {"members": 0, "non_members": 0}
    # A hash of contents stays one of the very bits.
    near = unit_range(BYTES), (BYTES / 127.5 - 1).astype("float32")
    hashes = {MembershipSplit.from_parts(x[:6], x[6:]).content_hash for x in near}
    assert len(hashes) == 2
