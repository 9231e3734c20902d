"""The blind baseline finds shifted splits, and nothing else."""

import numpy as np
import pytest

from keras_mixup_gan.auditing import blind_baseline
from tests.attacks.fakes import images


def test_two_halves_of_one_set_cannot_be_told_apart():
    for seed in range(3):
        baseline = blind_baseline(images(150, 2 * seed), images(150, 2 * seed + 1))
        error = np.sqrt(301 / (12 * 150 * 150))
        assert abs(baseline.auc - 0.5) < 4 * error
        low, high = baseline.interval
        assert low < baseline.auc < high


def test_a_shift_of_the_pixels_is_found():
    brighter = np.clip(images(150, 2) + 0.3, -1, 1)
    baseline = blind_baseline(images(150, 1), brighter)
    assert baseline.auc > 0.8
    assert baseline.is_shifted


def test_a_difference_in_contrast_is_found_too():
    baseline = blind_baseline(images(150, 1), images(150, 2) * 0.5)
    assert baseline.auc > 0.7
    assert baseline.is_shifted


def test_unequal_numbers_are_no_hint():
    baseline = blind_baseline(images(300, 1), images(60, 2))
    assert abs(baseline.auc - 0.5) < 4 * np.sqrt(361 / (12 * 300 * 60))
    assert (baseline.num_members, baseline.num_non_members) == (300, 60)


def test_the_seed_alone_decides():
    first = blind_baseline(images(40, 1), images(40, 2), seed=3)
    assert blind_baseline(images(40, 1), images(40, 2), seed=3) == first


def test_any_seed_will_do():
    assert 0 <= blind_baseline(images(12, 1), images(12, 2), seed=2**40).auc <= 1


def test_memorizing_its_training_images_does_not_help_the_classifier():
    # With more pixels than images a classifier can learn any labels by heart; scored
    # on those images it would be perfect.
    members, non_members = images(60, 1, (12, 12, 1)), images(60, 2, (12, 12, 1))
    error = np.sqrt(121 / (12 * 60 * 60))
    assert abs(blind_baseline(members, non_members).auc - 0.5) < 4 * error


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="at least 10"):
        blind_baseline(images(9, 1), images(50, 2))
    with pytest.raises(ValueError, match="images of shape"):
        blind_baseline(images(20, 1), images(20, 2, (5, 5, 1)))
