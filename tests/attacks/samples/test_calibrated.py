"""Nearest samples against a yardstick."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from keras_mixup_gan.attacks import (
    AttackTarget,
    DataCalibratedGANLeaks,
    GANLeaks,
    ModelCalibratedGANLeaks,
)
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import images

QUERIES, SAMPLES, OUTSIDE = images(50, 1), images(400, 2), images(90, 3)


def nearest(queries, samples):
    flat = [np.float64(part).reshape(len(part), -1) for part in (queries, samples)]
    return cdist(*flat).min(axis=1)


def test_the_yardstick_of_data_is_the_distance_to_the_nearest_outside_image():
    target = AttackTarget.from_model(SAMPLES, reference=OUTSIDE)
    attack = DataCalibratedGANLeaks(equal_sizes=False).fit(target)
    expected = nearest(QUERIES, OUTSIDE) - nearest(QUERIES, SAMPLES)
    np.testing.assert_allclose(attack.score(QUERIES), expected, rtol=1e-9)
    assert attack.settings["num_samples"] == 400
    assert attack.settings["num_reference"] == 90


def test_by_default_equally_many_generated_and_outside_images_are_searched():
    target = AttackTarget.from_model(SAMPLES, reference=OUTSIDE)
    attack = DataCalibratedGANLeaks().fit(target)
    expected = nearest(QUERIES, OUTSIDE) - nearest(QUERIES, target.sampler(0, 90))
    np.testing.assert_allclose(attack.score(QUERIES), expected, rtol=1e-9)
    # With few samples the outside images are the ones that are drawn from.
    target = AttackTarget.from_model(SAMPLES[:20], reference=OUTSIDE)
    attack = DataCalibratedGANLeaks().fit(target)
    assert attack.settings["num_samples"] == attack.settings["num_reference"] == 20


def test_unequal_numbers_move_the_score_and_equal_ones_do_not():
    def mean_score(num_samples, **settings):
        target = AttackTarget.from_model(images(num_samples, 5), reference=OUTSIDE)
        return DataCalibratedGANLeaks(**settings).fit(target).score(QUERIES).mean()

    assert abs(mean_score(3000)) < 0.1
    assert mean_score(3000, equal_sizes=False) > 0.3


def test_the_yardstick_of_models_is_the_mean_over_reference_models():
    others = [images(400, 6), images(500, 7)]
    target = AttackTarget.from_model(SAMPLES, reference_models=others)
    attack = ModelCalibratedGANLeaks().fit(target)
    searched = [model.sampler(0, 400) for model in target.reference_models]
    yardstick = np.mean([nearest(QUERIES, samples) for samples in searched], axis=0)
    expected = yardstick - nearest(QUERIES, SAMPLES)
    np.testing.assert_allclose(attack.score(QUERIES), expected, rtol=1e-9)
    assert attack.settings["num_reference_models"] == 2


def test_no_model_is_searched_further_than_the_others():
    target = AttackTarget.from_model(SAMPLES, reference_models=[images(30, 6)])
    attack = ModelCalibratedGANLeaks().fit(target)
    assert attack.settings["num_samples"] == 30
    expected = nearest(QUERIES, images(30, 6)) - nearest(QUERIES, target.sampler(0, 30))
    np.testing.assert_allclose(attack.score(QUERIES), expected, rtol=1e-9)


@pytest.mark.parametrize("attack", [DataCalibratedGANLeaks, ModelCalibratedGANLeaks])
def test_calibration_finds_members_that_plain_distances_hide(attack):
    # Half of the images are nearly blank, so that everything lies near to them.
    scale = np.where(np.arange(500) % 2, 1.0, 0.05)[:, None, None, None]

    def mixed(number, seed):
        return (images(number, seed) * scale[:number]).astype("float32")

    members, non_members = mixed(100, 1), mixed(100, 2)
    noise = np.random.default_rng(0).normal(0, 0.15, (500, 4, 4, 1)) * scale
    samples = np.clip(np.tile(members, (5, 1, 1, 1)) + noise, -1, 1)
    target = AttackTarget.from_model(
        samples, reference=mixed(500, 3), reference_models=[mixed(500, 4)]
    )
    areas = [
        auc(one.score(members), one.score(non_members))
        for one in (attack().fit(target), GANLeaks().fit(target))
    ]
    assert areas[0] > areas[1] + 0.05


def test_reference_models_are_needed():
    target = AttackTarget.from_model(SAMPLES, reference=OUTSIDE)
    with pytest.raises(ValueError, match="needs access to: reference_models"):
        ModelCalibratedGANLeaks().fit(target)
