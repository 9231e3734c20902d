import numpy as np
import pytest
from scipy import stats

from keras_mixup_gan.statistics import power
from keras_mixup_gan.statistics.power import detectable_auc, set_membership
from keras_mixup_gan.statistics.roc import auc, delong_interval
from tests.statistics.scores import normal_scores


def test_the_smallest_auc_that_is_found_is_found_in_four_of_five_audits():
    area = detectable_auc(200, 150)
    shift = np.sqrt(2) * stats.norm.ppf(area)
    found = [
        delong_interval(*normal_scores(shift, 200, 150, seed))[0] > 0.5
        for seed in range(400)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=4 * 0.02)
    assert detectable_auc(200, 150, num_attacks=20) > area
    assert detectable_auc(2, 2) == 1


# === Sets of images ===


def test_sets_of_one_are_single_images():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(0.5, 1, 200), rng.normal(0, 1, 150)
    (result,) = set_membership(inside, outside, sizes=(1,))
    assert result.success == auc(inside, outside)
    assert result.interval == pytest.approx(delong_interval(inside, outside))
    assert (result.num_member_sets, result.num_non_member_sets) == (200, 150)


def test_success_grows_with_the_size_as_for_gaussian_scores():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(0.2, 1, 20_000), rng.normal(0, 1, 20_000)
    results = set_membership(inside, outside)
    assert [result.size for result in results] == [1, 2, 5, 10, 25, 100]
    for result in results:
        expected = stats.norm.cdf(0.2 * np.sqrt(result.size / 2))
        assert result.success == pytest.approx(expected, abs=0.012)
        low, high = result.interval
        assert low < result.success < high


def test_constant_scores_say_nothing_about_any_set():
    for constant in (0.0, 0.1, 1 / 3):
        results = set_membership(np.full(100, constant), np.full(90, constant))
        assert [result.success for result in results] == [0.5] * 5


def test_sets_of_the_same_few_scores_tie_exactly():
    # In any order .1 + .2 + .3 is one set mean: rounding must not break the tie.
    scores = np.array([0.1, 0.2, 0.3])
    rng = np.random.default_rng(0)
    means = {float(power._set_means(rng, scores, 3)[0]) for _ in range(20)}
    assert len(means) == 1


def test_sizes_that_leave_less_than_two_sets_are_left_out():
    results = set_membership(np.arange(60.0), np.arange(49.0))
    assert [result.size for result in results] == [1, 2, 5, 10]
    assert results[-1].num_member_sets == 6
    assert results[-1].num_non_member_sets == 4


def test_the_seed_alone_decides_the_sets():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(size=(2, 100))
    first = set_membership(inside, outside, (5,), seed=1)
    assert set_membership(inside, outside, (5,), seed=1) == first
    assert set_membership(inside, outside, (5,), seed=2) != first


def test_intervals_cover_a_half_where_nothing_leaks():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(40):
        inside, outside = rng.normal(size=(2, 200))
        (result,) = set_membership(inside, outside, (10,), num_splits=5)
        covered += result.interval[0] <= 0.5 <= result.interval[1]
    assert covered >= 36


@pytest.mark.parametrize("wrong", [{"sizes": (0,)}, {"num_splits": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="integer of at least 1"):
        set_membership([1.0, 2.0], [0.0, 1.0], **wrong)
