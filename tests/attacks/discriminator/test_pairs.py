"""Mixed pairs: co-membership by the blends that the defense itself showed."""

import numpy as np
import pytest

from keras_mixup_gan.attacks import LOGAN, AttackTarget
from keras_mixup_gan.attacks.discriminator.pairs import MixedPairs, co_membership
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, FakeGAN, defense, images

MEMBERS, NON_MEMBERS, OUTSIDE = images(40, 1), images(40, 2), images(30, 3)


def fitted(model, attack=None, **settings):
    target = AttackTarget.from_model(model, OUTSIDE, **settings)
    return (attack or MixedPairs()).fit(target)


def test_the_score_is_the_mean_over_weights_in_units_of_reference_blends():
    model = FakeGAN(MEMBERS)
    attack = fitted(model)
    on_reference = [model.score(batch) for batch in list(model.seen)]
    scores = attack.score_pairs(MEMBERS, NON_MEMBERS)
    expected = np.zeros(40)
    for weight, yardstick in zip((0.2, 0.5, 0.8), on_reference, strict=True):
        blends = np.float32(weight) * MEMBERS + np.float32(1 - weight) * NON_MEMBERS
        level = model.score(blends)
        expected += (level - yardstick.mean()) / yardstick.std() / 3
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_the_yardstick_is_made_of_pairs_of_different_reference_images():
    model = FakeGAN()
    fitted(model, MixedPairs(weights=(0.5,)))
    (blends,) = model.seen
    assert len(blends) == 30  # each pair in both orders
    means = (OUTSIDE[:, None] + OUTSIDE[None]) / 2
    for blend in blends:
        distances = np.abs(means - blend).max(axis=(2, 3, 4))
        first, second = np.unravel_index(distances.argmin(), distances.shape)
        assert distances.min() < 1e-6
        assert first != second


def test_the_order_within_a_pair_does_not_matter():
    attack = fitted(FakeGAN(MEMBERS))
    np.testing.assert_allclose(
        attack.score_pairs(MEMBERS, NON_MEMBERS),
        attack.score_pairs(NON_MEMBERS, MEMBERS),
        rtol=1e-5,
    )


def test_a_pair_is_scored_by_itself():
    attack = fitted(FakeGAN(MEMBERS, mixup=defense(noise_stddev=0.4)))
    scores = attack.score_pairs(MEMBERS, NON_MEMBERS)
    part = attack.score_pairs(MEMBERS[5:7], NON_MEMBERS[5:7])
    np.testing.assert_array_equal(part, scores[5:7])
    assert attack.settings["noise_stddev"] == 0.4


def test_the_noise_of_the_defense_is_added_and_averaged_over():
    model = FakeGAN(mixup=defense(noise_stddev=1.0))
    attack = fitted(model, MixedPairs(weights=(0.5,), num_draws=64))
    model.seen.clear()
    attack.score_pairs(MEMBERS[:2], NON_MEMBERS[:2])
    noise = np.stack(model.seen) - (MEMBERS[:2] + NON_MEMBERS[:2]) / 2
    assert noise.shape == (64, 2, *SHAPE)
    assert noise.std() == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(noise[:, 0], noise[:, 1], atol=1e-5)


def test_an_image_alone_is_its_own_partner():
    model = FakeGAN(MEMBERS)
    attack = fitted(model, MixedPairs(weights=(0.5,)))
    alone = attack.score(NON_MEMBERS)
    np.testing.assert_allclose(
        alone, attack.score_pairs(NON_MEMBERS, NON_MEMBERS), rtol=1e-6
    )


def test_a_model_that_knows_blends_only_is_caught_by_pairs_only():
    # Scores the closeness to the half-way blends of consecutive members.
    blends = ((MEMBERS[::2] + MEMBERS[1::2]) / 2).reshape(20, -1)

    class Mixed(FakeGAN):
        def score(self, batch, labels=None, check_range=True):
            rows = batch.reshape(len(batch), -1)
            squares = ((rows[:, None] - blends[None]) ** 2).sum(axis=2)
            return np.float64(squares.min(axis=1) < 1e-6)

    model = Mixed()
    attack = fitted(model)
    both = attack.score_pairs(MEMBERS[::2], MEMBERS[1::2])
    neither = attack.score_pairs(NON_MEMBERS[::2], NON_MEMBERS[1::2])
    one = attack.score_pairs(MEMBERS[::2], NON_MEMBERS[1::2])
    assert auc(both, neither) == 1
    assert auc(both, one) == 1
    single = LOGAN().fit(AttackTarget.from_model(model))
    assert auc(single.score(MEMBERS), single.score(NON_MEMBERS)) == 0.5


def test_pairs_of_members_of_a_memorizing_model_are_found():
    pairs = co_membership(fitted(FakeGAN(MEMBERS)), MEMBERS, NON_MEMBERS, seed=1)
    assert len(pairs.both) == len(pairs.neither) == len(pairs.one) == 20
    assert pairs.auc > 0.9
    assert 0.5 < pairs.auc_hard <= pairs.auc


def test_pairs_of_a_model_of_other_data_are_alike():
    attack = fitted(FakeGAN(images(50, 4)))
    pairs = co_membership(attack, images(600, 5), images(600, 6))
    error = np.sqrt(601 / (12 * 300 * 300))
    assert abs(pairs.auc - 0.5) < 4 * error
    assert abs(pairs.auc_hard - 0.5) < 4 * error


def test_pairs_are_disjoint():
    seen = []

    class Watching(MixedPairs):
        def score_pairs(self, first, second, *labels):
            seen.append(np.concatenate([first, second]))
            return np.zeros(len(first))

    co_membership(fitted(FakeGAN(), Watching()), MEMBERS, NON_MEMBERS[:31])
    both, neither, one = ({image.tobytes() for image in part} for part in seen)
    assert both == {image.tobytes() for image in MEMBERS}
    assert [len(both), len(neither), len(one)] == [40, 30, 30]
    assert [len(part) for part in seen] == [40, 30, 30]


def test_labels_are_blended_with_the_images():
    model = FakeGAN(num_classes=3)
    target = AttackTarget.from_model(model, (OUTSIDE, np.arange(30) % 3))
    attack = MixedPairs(weights=(0.2,)).fit(target)
    model.seen_labels.clear()
    attack.score_pairs(MEMBERS[:2], NON_MEMBERS[:2], np.array([0, 1]), np.array([2, 1]))
    np.testing.assert_allclose(
        model.seen_labels[0], [[0.2, 0, 0.8], [0, 1, 0]], atol=1e-6
    )
    pairs = co_membership(
        attack, (MEMBERS, np.zeros(40, int)), (NON_MEMBERS, np.ones(40, int))
    )
    assert len(pairs.one) == 20


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MixedPairs(weights=(1.5,)), "`weights` must be"),
        (lambda: MixedPairs(weights=0.5), "`weights` must be"),
        (lambda: MixedPairs(weights="abc"), "`weights` must be"),
        (lambda: MixedPairs(num_draws=0), "`num_draws` must be"),
        (
            lambda: MixedPairs().fit(AttackTarget.from_model(FakeGAN(), OUTSIDE[:3])),
            "at least 4 reference images",
        ),
        (
            lambda: fitted(FakeGAN()).score_pairs(MEMBERS, NON_MEMBERS[:3]),
            "equally many",
        ),
        (
            lambda: co_membership(fitted(FakeGAN()), MEMBERS[:3], NON_MEMBERS),
            "at least 4 members",
        ),
    ],
)
def test_unusable_pairs_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
