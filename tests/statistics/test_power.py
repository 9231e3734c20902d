import numpy as np
import pytest
from scipy import stats

from keras_mixup_gan.statistics import power
from keras_mixup_gan.statistics.power import (
    detectable_auc,
    num_needed,
    set_inference,
    set_membership,
)
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


# === Sets as a whole ===


@pytest.mark.parametrize("decimals", [0, 9])
def test_a_set_is_tested_by_mann_and_whitney(decimals):
    rng = np.random.default_rng(0)
    inside = rng.normal(0.3, 1, 60).round(decimals)
    outside = rng.normal(0, 1, 45).round(decimals)
    expected = stats.mannwhitneyu(
        inside, outside, alternative="greater", method="asymptotic"
    ).pvalue
    found = set_inference(inside, outside)
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert set_inference(inside, outside, num_tests=3).p_value == pytest.approx(
        3 * expected, rel=1e-9
    )
    assert found.num_needed == num_needed(auc(inside, outside))


def test_sets_that_were_not_trained_on_are_rarely_claimed():
    rng = np.random.default_rng(1)
    found = [
        set_inference(rng.normal(size=20), rng.normal(size=30)).p_value
        for _ in range(3000)
    ]
    for level in (0.01, 0.05, 0.5):
        share, error = np.mean(np.array(found) <= level), level * (1 - level)
        assert share <= level + 4 * np.sqrt(error / 3000)
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)
    constant = set_inference(np.ones(5), np.ones(9))
    assert (constant.p_value, constant.num_needed) == (1.0, None)


def test_so_many_images_are_enough_in_four_of_five_cases():
    rng, area = np.random.default_rng(2), 0.6
    number, shift = num_needed(area), np.sqrt(2) * stats.norm.ppf(area)
    found = [
        set_inference(rng.normal(shift, 1, number), rng.normal(0, 1, number)).p_value
        <= 0.01
        for _ in range(1000)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)
    assert num_needed(0.5) is None


def test_what_can_be_detected_is_above_chance_and_takes_numbers_of_any_type():
    large = detectable_auc(np.int32(100_000), np.int32(100_000))
    assert large == detectable_auc(100_000, 100_000) == pytest.approx(0.50362, abs=1e-5)
    assert detectable_auc(100, 100, power=0.01) == 0.5


@pytest.mark.parametrize("name", ["significance", "power"])
def test_rates_are_checked_by_their_own_names(name):
    with pytest.raises(ValueError, match=rf"`{name}` must be a number in \(0, 1\)"):
        detectable_auc(100, 100, **{name: 80})
