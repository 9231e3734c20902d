"""Fusion learns from shadows or from other folds, never from what it scores."""

import dataclasses

import numpy as np
import pytest

from keras_mixup_gan.attacks import AttackTarget
from keras_mixup_gan.attacks.shadows.fusion import ShadowFusion, fuse
from keras_mixup_gan.attacks.shadows.lira import LiRA
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import FakeGAN, images

POOL = images(60, 5)


def scores(shifts, number, seed):
    rng = np.random.default_rng(seed)
    return {
        name: shift + scale * rng.normal(0, 1, number)
        for name, (shift, scale) in shifts.items()
    }


def test_independent_attacks_add_up():
    members = scores({"a": (1, 1), "b": (100, 100)}, 1500, 0)
    others = scores({"a": (0, 1), "b": (0, 100)}, 1500, 1)
    fused = auc(*fuse(members, others))
    singles = [auc(members[name], others[name]) for name in ("a", "b")]
    # Two shifts of 1 make one of sqrt(2): AUC Phi(1) = .841 against Phi(1 / sqrt 2).
    assert max(singles) < 0.79
    assert fused == pytest.approx(0.841, abs=0.03)


def test_useless_attacks_stay_useless():
    areas = []
    for seed in range(20):
        noise = {str(k): (0, 1) for k in range(6)}
        members, others = scores(noise, 150, seed), scores(noise, 150, 1000 + seed)
        areas.append(auc(*fuse(members, others, seed=seed)))
    error = np.sqrt(301 / (12 * 150 * 150) / 20)
    assert abs(np.mean(areas) - 0.5) < 4 * error


def test_boosting_finds_members_that_are_unusual_either_way():
    shifts = {"a": (0, 3), "b": (0, 1)}
    members, others = scores(shifts, 500, 0), scores({**shifts, "a": (0, 1)}, 500, 1)
    fused = fuse(members, others, learner="boosting")
    # The exact attack is the size of "a", whatever its sign.
    exact = auc(np.abs(members["a"]), np.abs(others["a"]))
    assert exact - 0.06 < auc(*fused) < exact + 0.01
    assert auc(*fuse(members, others)) < 0.6
    again = fuse(members, others, learner="boosting")
    np.testing.assert_array_equal(fused[0], again[0])


def test_boosting_of_useless_attacks_stays_useless():
    areas = []
    for seed in range(8):
        noise = {str(k): (0, 1) for k in range(4)}
        members, others = scores(noise, 150, seed), scores(noise, 150, 1000 + seed)
        areas.append(auc(*fuse(members, others, learner="boosting", seed=seed)))
    assert abs(np.mean(areas) - 0.5) < 4 * np.sqrt(301 / (12 * 150 * 150) / 8)


def test_one_attack_alone_keeps_its_order_within_a_fold():
    members, others = {"a": np.arange(10.0) + 3}, {"a": np.arange(10.0)}
    fused = fuse(members, others)
    assert auc(*fused) > 0.7
    assert fused[0].dtype == np.float64


def test_no_image_is_learned_from_by_the_model_that_scores_it():
    members = scores({"a": (1, 1), "b": (0, 1)}, 40, 0)
    others = scores({"a": (0, 1), "b": (0, 1)}, 40, 1)
    before = np.concatenate(fuse(members, others))
    # Changing one image changes its own score and those of the other fold alone.
    moved = {name: values.copy() for name, values in members.items()}
    moved["b"][7] += 5.0
    after = np.concatenate(fuse(moved, others))
    changed = before != after
    assert changed[7]
    own_fold = ~changed
    own_fold[7] = True
    assert 39 <= own_fold.sum() <= 41
    # And its label has no say in its own score: what learned it scores the others.
    swapped = fuse(
        {name: np.append(values, others[name][0]) for name, values in members.items()},
        {name: values[1:] for name, values in others.items()},
    )
    assert np.isfinite(np.concatenate(swapped)).all()


def test_more_folds_and_seeds_are_other_folds():
    members, others = scores({"a": (1, 1)}, 30, 0), scores({"a": (0, 1)}, 30, 1)
    first, second, third = (
        fuse(members, others, **settings)[0]
        for settings in ({}, {"seed": 1}, {"num_folds": 5})
    )
    assert (first != second).any()
    assert (first != third).any()
    np.testing.assert_array_equal(fuse(members, others)[0], first)


def test_constant_scores_tell_nothing():
    fused = fuse({"a": np.ones(10)}, {"a": np.ones(10)})
    assert auc(*fused) == 0.5


@pytest.mark.parametrize(
    ("members", "others", "message"),
    [
        ({}, {}, "at least one"),
        ({"a": np.ones(4)}, {"b": np.ones(4)}, "the same attacks"),
        ({"a": np.ones(4), "b": np.ones(3)}, {"a": np.ones(4), "b": np.ones(4)}, "one"),
        ({"a": np.ones(1)}, {"a": np.ones(4)}, "one for each fold"),
        ({"a": np.full(4, np.nan)}, {"a": np.ones(4)}, "finite"),
    ],
)
def test_unusable_scores_are_refused(members, others, message):
    with pytest.raises(ValueError, match=message):
        fuse(members, others)


# === Learned on shadows ===


@pytest.fixture(scope="module")
def shadows(tmp_path_factory):
    return train_shadows(
        lambda x, labels, seed: FakeGAN(x),
        POOL,
        folder=tmp_path_factory.mktemp("shadows"),
        num_shadows=8,
        signals=["critic", "nearest"],
        num_samples={"critic": 32, "nearest": 100},
    )


def test_fusion_finds_the_members_of_a_model_it_never_learned_from(shadows):
    target = AttackTarget.from_model(FakeGAN(POOL[:30]), shadows=shadows)
    attack = ShadowFusion().fit(target)
    fused = attack.score(POOL)
    assert auc(fused[:30], fused[30:]) > 0.9
    np.testing.assert_array_equal(attack.score(POOL[9:12]), fused[9:12])
    assert attack.settings["signal"] == ["critic", "nearest"]
    assert len(attack.settings["weights"]) == 4


def test_what_was_learned_does_not_depend_on_the_target(shadows):
    weights = [
        ShadowFusion()
        .fit(AttackTarget.from_model(FakeGAN(known), shadows=shadows))
        .settings["weights"]
        for known in (POOL[:30], POOL[30:], images(30, 9))
    ]
    assert weights[0] == weights[1] == weights[2]


def test_a_model_of_other_data_gives_nothing_away(shadows):
    target = AttackTarget.from_model(FakeGAN(images(30, 9)), shadows=shadows)
    fused = ShadowFusion().fit(target).score(POOL)
    assert abs(auc(fused[:30], fused[30:]) - 0.5) < 4 * np.sqrt(61 / (12 * 30 * 30))


def test_a_single_signal_is_enough_and_lira_shares_the_shadows(shadows):
    critic = dataclasses.replace(
        shadows, statistics={"critic": shadows.statistics["critic"]}
    )
    target = AttackTarget.from_model(FakeGAN(POOL[:30]), shadows=critic)
    fused, ratio = (attack().fit(target).score(POOL) for attack in (ShadowFusion, LiRA))
    assert auc(fused[:30], fused[30:]) > 0.9
    assert auc(ratio[:30], ratio[30:]) > 0.9


def test_too_few_shadows_are_refused(shadows):
    few = dataclasses.replace(
        shadows,
        statistics={name: v[:1] for name, v in shadows.statistics.items()},
        inside=shadows.inside[:1],
        probe_answers=shadows.probe_answers[:1],
        ids=shadows.ids[:1],
    )
    target = AttackTarget.from_model(FakeGAN(POOL[:30]), shadows=few)
    with pytest.raises(ValueError, match="at least 4"):
        ShadowFusion().fit(target)


def test_scores_are_named_by_their_attacks():
    for scores in ([1, 2], None):
        with pytest.raises(ValueError, match="by the names of their attacks"):
            fuse({"a": [1.0, 2.0]}, scores)
