import numpy as np
import pytest

from keras_mixup_gan.data import MembershipSplit
from keras_mixup_gan.data.canaries import DUPLICATE_STDDEV, KINDS
from tests.data.test_splits import distinct_images

IMAGES = distinct_images(300, shape=(6, 5, 3))
LABELS = np.arange(300) % 4
SIZES = {"num_members": 40, "num_non_members": 30, "num_reference": 10}


def draw(canaries, labels=LABELS, **options):
    return MembershipSplit.draw(IMAGES, labels, canaries=canaries, **SIZES | options)


def canaries_of(split, kind):
    """Images and labels of the canaries of a kind, members' first."""
    found = []
    for part in (split.members, split.non_members):
        start = len(part.images) - len(part.canary_kinds)
        chosen = [start + k for k, each in enumerate(part.canary_kinds) if each == kind]
        found.append((part.images[chosen], part.labels[chosen], part.indices[chosen]))
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


@pytest.fixture(scope="module")
def split():
    return draw(12)


def test_canaries_come_last_and_the_rest_is_the_draw_without_them(split):
    plain = draw(None)
    ordinary = split.without_canaries()
    assert ordinary.content_hash == plain.content_hash
    assert plain.without_canaries() is plain
    assert not ordinary.members.canary_kinds
    kinds = split.members.canary_kinds + split.non_members.canary_kinds
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(KINDS, 12)
    assert len(split.members.images) == 40 + len(split.members.canary_kinds)
    assert not split.reference.canary_kinds
    again = draw(dict.fromkeys(KINDS, np.int64(12)))
    assert again.content_hash == split.content_hash
    assert again.members.canary_kinds == split.members.canary_kinds


def test_each_kind_is_what_it_says(split):
    blank, _, _ = canaries_of(split, "blank")
    assert np.ptp(blank, axis=(1, 2, 3)).max() == 0
    assert len(np.unique(blank[:, 0, 0, 0])) == 12
    parts = np.concatenate([part.indices for part in draw(None).parts().values()])
    spare = np.setdiff1d(np.arange(300), parts)
    known = {IMAGES[k].tobytes(): LABELS[k] for k in spare}
    inverted, labels, _ = canaries_of(split, "inverted")
    assert [known[(-image).tobytes()] for image in inverted] == labels.tolist()
    wrong, labels, _ = canaries_of(split, "mislabeled")
    assert all(known[i.tobytes()] != n for i, n in zip(wrong, labels, strict=True))
    twins, labels, _ = canaries_of(split, "near_duplicate")
    assert len(set(labels.tolist())) == 1
    gaps = np.sqrt(((twins[:, None] - twins[None]) ** 2).mean(axis=(2, 3, 4)))
    assert 0 < gaps[np.triu_indices(12, 1)].min()
    assert gaps.max() < 2 * DUPLICATE_STDDEV
    waves, _, indices = canaries_of(split, "other_domain")
    assert np.abs(waves).max() <= 1
    assert np.ptp(waves, axis=(1, 2)).min() > 0.2
    assert indices.min() >= 300


def test_a_fair_coin_decides_on_each_canary():
    inside = np.zeros(60)
    for seed in range(50):
        split = draw({"blank": 60}, seed=seed)
        shades = np.unique(np.concatenate([canaries_of(split, "blank")[0][:, 0, 0, 0]]))
        members = split.members.images[40:, 0, 0, 0]
        inside += np.isin(shades, members)
    assert abs(inside.mean() - 25) < 4 * np.sqrt(50 / 4 / 60)
    assert inside.min() > 25 - 5 * np.sqrt(50 / 4)
    assert inside.max() < 25 + 5 * np.sqrt(50 / 4)


def test_images_of_another_domain_are_taken_as_they_are():
    own = distinct_images(8, seed=9, shape=(6, 5, 3))
    split = draw({"other_domain": own, "inverted": 3})
    found, _, _ = canaries_of(split, "other_domain")
    assert {image.tobytes() for image in found} == {image.tobytes() for image in own}


@pytest.mark.parametrize(
    ("canaries", "options", "message"),
    [
        (0, {}, "`canaries` must be"),
        ({"odd": 3}, {}, "Unknown `canaries`"),
        ({"blank": 0}, {}, "must be an integer of at least 1"),
        ({"mislabeled": 3}, {"labels": None}, "need labels"),
        ({"mislabeled": 3}, {"labels": np.zeros(300, int)}, "at least two classes"),
        ({"blank": 1}, {}, "fell on one side"),
        ({"inverted": 230}, {}, "and canaries. Ask for fewer"),
        ({"other_domain": np.zeros((3, 2, 2, 1))}, {}, "other_domain"),
    ],
)
def test_canaries_that_cannot_be_made_are_refused(canaries, options, message):
    with pytest.raises(ValueError, match=message):
        draw(canaries, **options)


def test_a_split_knows_whether_its_coins_were_fair():
    equal = {"num_members": 30, "num_non_members": 30}
    assert draw(None, membership="coin", **equal).by_fair_coins
    assert not draw(None, membership="coin").by_fair_coins
    assert not draw(5, **equal).by_fair_coins
    split = draw(5, membership="coin", **equal)
    given = MembershipSplit.from_parts(split.members, split.non_members)
    assert given.by_fair_coins
    assert given.members.canary_kinds == split.members.canary_kinds
