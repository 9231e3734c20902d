import copy
import pickle

import numpy as np
import pytest

from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.data import Images, MembershipSplit, load_images
from keras_mixup_gan.data.classes import numbered_by

PIXELS = np.random.default_rng(0).uniform(-1, 1, (12, 4, 4, 1)).astype("float32")


def named(names, labels, start=0):
    labels = np.array(labels)
    return Images(PIXELS[start : start + len(labels)], labels, names)


def test_images_still_unpack_as_a_pair():
    images, labels = data = named(list("ab"), [0, 1])
    assert data == (images, labels)
    assert data.class_names == ("a", "b")
    for same in (copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        assert same.class_names == ("a", "b")
    assert Images(images, labels).class_names is None


@pytest.mark.parametrize(
    ("names", "labels"),
    [("aa", [0, 1]), ("ab", [0, 2]), (["a", 1], [0, 1]), ([], [0]), (3, [0])],
)
def test_names_must_fit_the_classes(names, labels):
    with pytest.raises(ValueError, match=r"`class_names` must"):
        named(names, labels)


def test_a_subset_is_numbered_by_name_and_an_unknown_name_refused():
    numbered = numbered_by(("a", "b", "c"), np.array([0, 1, 1]), ("a", "c"), "members")
    np.testing.assert_array_equal(numbered, [0, 2, 2])
    with pytest.raises(ValueError, match=r"among 'a', 'b'\. Received: 'z'\."):
        numbered_by(("a", "b"), np.array([1]), ("a", "z"), "members")
    unused = numbered_by(("a", "b"), np.array([0]), ("b", "z"), "members")
    np.testing.assert_array_equal(unused, [1])


def test_files_may_name_their_classes(tmp_path):
    labels, names = np.arange(2), ["b", "a"]
    np.savez(tmp_path / "d.npz", images=PIXELS[:2], labels=labels, class_names=names)
    loaded = load_images(tmp_path / "d.npz", image_shape=(2, 2, 1))
    assert loaded.class_names == ("b", "a")
    assert load_images(loaded).class_names == ("b", "a")


def test_names_follow_the_images_into_a_split():
    split = MembershipSplit.draw(
        named(list("ab"), [0, 1] * 4), num_members=4, num_non_members=2, num_reference=1
    )
    assert {part.class_names for part in split.parts().values()} == {("a", "b")}
    plain = MembershipSplit.draw(
        *named(list("ab"), [0, 1] * 4),
        num_members=4,
        num_non_members=2,
        num_reference=1,
    )
    assert plain.content_hash == split.content_hash


def test_parts_of_a_split_are_numbered_alike():
    split = MembershipSplit.from_parts(
        named(list("bc"), [0, 1]),
        named(list("abc"), [0, 1, 2], 2),
        (PIXELS[5:7], [0, 1]),
    )
    assert split.members.class_names == ("b", "c", "a")
    np.testing.assert_array_equal(split.members.labels, [0, 1])
    np.testing.assert_array_equal(split.non_members.labels, [2, 0, 1])
    np.testing.assert_array_equal(split.reference.labels, [0, 1])
    again = MembershipSplit.from_parts(*split.parts().values())
    assert again.content_hash == split.content_hash


def target(**fields):
    return AttackTarget((4, 4, 1), sampler=lambda start, stop: PIXELS, **fields)


def test_what_the_attacker_knows_is_numbered_as_the_target():
    reference = AttackTarget.from_model(PIXELS, named(list("ac"), [1, 0])).reference
    known = target(num_classes=3, class_names=("a", "b", "c"), reference=reference)
    np.testing.assert_array_equal(known.reference.labels, [2, 0])


def test_models_that_are_compared_have_the_same_classes():
    other = target(num_classes=2, class_names=("b", "a"))
    with pytest.raises(ValueError, match=r"Reference models must have the target's cl"):
        target(num_classes=2, class_names=("a", "b"), reference_models=(other,))
