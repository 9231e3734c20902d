"""GAN-Leaks, alone and calibrated by other images or other models."""

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
from tests.attacks.fakes import SHAPE, FakeGAN, images

QUERIES, SAMPLES, OUTSIDE = images(50, 1), images(400, 2), images(90, 3)


def nearest(queries, samples):
    flat = [np.float64(part).reshape(len(part), -1) for part in (queries, samples)]
    return cdist(*flat).min(axis=1)


def test_gan_leaks_is_minus_the_distance_to_the_nearest_sample():
    model = FakeGAN()
    attack = GANLeaks(num_samples=300).fit(AttackTarget.from_model(model, seed=5))
    samples = model.generate(300, seed=5, dtype="float32").reshape(300, -1)
    rows = np.float64(QUERIES).reshape(50, -1)
    distances = np.linalg.norm(rows[:, None] - samples[None], axis=2).min(axis=1)
    np.testing.assert_allclose(attack.score(QUERIES), -distances, rtol=1e-12)


def test_samples_are_generated_in_chunks_and_none_is_dropped():
    model = FakeGAN()
    attack = GANLeaks(num_samples=250, chunk_size=100)
    attack.fit(AttackTarget.from_model(model)).score(QUERIES)
    assert model.batch_sizes == [100, 100, 50]


def test_an_array_of_samples_is_searched_as_far_as_it_goes():
    samples = images(70, 11)
    attack = GANLeaks(num_samples=1000).fit(AttackTarget.from_model(samples))
    assert attack.score(samples[60:61])[0] == 0
    assert attack.settings["num_samples"] == 70


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda n: np.zeros((n, *SHAPE), "int64"), "`generated images` must be float"),
        (lambda n: np.full((n, *SHAPE), 3.0), "`generated images` must lie in"),
        (lambda n: np.zeros((n, 2, 2, 1)), "`generated images` must hold images of"),
        (lambda n: np.zeros((n + 1, *SHAPE)), "must return `stop - start`"),
        (lambda n: images(n, 0), "returned the same images twice"),
    ],
)
def test_unusable_samples_are_refused(draw, message):
    target = AttackTarget.from_model(draw, image_shape=SHAPE)
    attack = GANLeaks(num_samples=30, chunk_size=10).fit(target)
    with pytest.raises(ValueError, match=message):
        attack.score(QUERIES)


def test_a_collapsed_generator_is_not_mistaken_for_a_repeating_one():
    target = AttackTarget.from_model(lambda n: np.zeros((n, *SHAPE)), image_shape=SHAPE)
    scores = GANLeaks(num_samples=30, chunk_size=10).fit(target).score(QUERIES)
    np.testing.assert_allclose(scores, -np.linalg.norm(QUERIES.reshape(50, -1), axis=1))


# === Calibrated ===


def test_the_score_is_compared_with_the_distance_to_the_nearest_outside_image():
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
