import numpy as np
import pytest

import keras_mixup_gan
from keras_mixup_gan.attacks import AttackTarget, GANLeaks
from keras_mixup_gan.auditing import Leak
from keras_mixup_gan.auditing.copies import check_copies
from keras_mixup_gan.data.splits import MembershipSplit
from tests.attacks.fakes import images

SHAPE = (6, 6, 1)
MEMBERS, NON_MEMBERS = (images(1000, seed, SHAPE) for seed in (1, 2))


def samples(copied, number=4000, repeats=20):
    """Images of another draw, and so many copies of each of some real ones."""
    return np.concatenate([images(number, 3, SHAPE), np.repeat(copied, repeats, 0)])


def report_of(generated, **options):
    return keras_mixup_gan.audit(
        generated,
        MEMBERS,
        NON_MEMBERS,
        attacks=GANLeaks(5000),
        blind=False,
        **options,
    )


@pytest.mark.long
def test_members_among_the_samples_are_found_counted_and_named():
    report = report_of(samples(MEMBERS[100:150]))
    found = report.copies
    assert report.verdict.leak is Leak.COPIED
    assert "50 of 1,000 members" in str(report.verdict)
    assert (found.members_copied, found.non_members_copied) == (50, 0)
    assert (found.samples_of_members, found.num_samples) == (1000, 5000)
    assert {pair.member for pair in found.copied} == set(range(100, 150))
    assert max(pair.distance for pair in found.copied) == 0
    shown = found.nearest_images[100:150] / 127.5 - 1
    assert np.abs(shown - MEMBERS[100:150]).max() <= 1 / 127.5
    assert report.to_dict()["copies"]["members_copied"] == 50


@pytest.mark.long
def test_copies_of_non_members_are_not_held_against_the_model():
    report = report_of(samples(NON_MEMBERS[:50]))
    assert report.copies.non_members_copied == 50
    assert not report.copies.found
    assert report.verdict.leak is Leak.NOT_FOUND


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (lambda x: x[:0], 0),
        (lambda x: np.clip(x + 0.05, -1, 1), 40),  # a shade lighter
        (lambda x: np.rint((x + 1) * 127.5) / 127.5 - 1, 40),  # 8 bits
        (lambda x: x[:, ::-1], 0),  # no copy, pixel by pixel
    ],
)
def test_near_copies_count_and_ordinary_images_do_not(change, number):
    generated = np.concatenate([images(2000, 3, SHAPE), change(MEMBERS[:40])])
    found = copies_of(generated)
    assert found.members_copied == number
    assert found.found == (number > 0)


def copies_of(generated):
    split = MembershipSplit.from_parts(MEMBERS, NON_MEMBERS)
    return check_copies(AttackTarget.from_model(generated), split)


def test_the_test_is_fishers():
    from scipy.stats import fisher_exact

    found = copies_of(np.concatenate([MEMBERS[:9], NON_MEMBERS[:2]]))
    table = [[9, 991], [2, 998]]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert found.p_value == pytest.approx(expected, rel=1e-9)


def test_without_samples_nothing_is_said():
    split = MembershipSplit.from_parts(MEMBERS[:9], NON_MEMBERS[:9])
    assert check_copies(AttackTarget(image_shape=SHAPE), split) is None


def test_what_a_function_draws_once_is_counted_once_and_for_all():
    calls = []

    def draws(number):
        calls.append(number)
        drawn = images(number, 10 + len(calls), SHAPE)
        if len(calls) == 2:  # and never again
            drawn[:20] = MEMBERS[:20]
            drawn[20:23] = NON_MEMBERS[:3]
        return drawn

    split = MembershipSplit.from_parts(MEMBERS, NON_MEMBERS)
    found = check_copies(AttackTarget.from_model(draws, image_shape=SHAPE), split)
    assert (found.members_copied, found.samples_of_members) == (20, 20)
    assert (found.non_members_copied, found.samples_of_non_members) == (3, 3)
    assert found.found and "20 of the 1,000 members" in str(found)


def test_an_image_that_members_hold_many_times_can_be_copied():
    members = np.concatenate([MEMBERS[:200], np.repeat(MEMBERS[:1], 7, axis=0)])
    split = MembershipSplit.from_parts(members, NON_MEMBERS)
    found = check_copies(AttackTarget.from_model(samples(MEMBERS[:1], 2000)), split)
    assert (found.num_members, found.members_copied) == (200, 1)
    assert found.samples_of_members == 20
    assert [pair.member for pair in found.copied] == [0]
    assert len(found.distances) == len(found.nearest_images) == 207
    assert np.flatnonzero(found.distances == 0).tolist() == [0, *range(200, 207)]
