import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from keras_mixup_gan.attacks import bootstrap, paired
from keras_mixup_gan.attacks.bootstrap import bootstrap_interval
from keras_mixup_gan.attacks.paired import (
    paired_auc_difference,
    paired_bootstrap_difference,
)
from keras_mixup_gan.attacks.samples import nearest
from keras_mixup_gan.statistics import epsilon_bounds, held_out, power, roc
from keras_mixup_gan.statistics.held_out import (
    cross_fitted_advantage,
    strongest_held_out,
)
from keras_mixup_gan.statistics.power import detectable_auc
from keras_mixup_gan.statistics.roc import (
    WithheldPoint,
    auc,
    clopper_pearson,
    delong_interval,
    operating_points,
    roc_curve,
    tpr_at_fpr,
)

few = settings(deadline=None, max_examples=60, derandomize=True)
# A small grid of values, so that ties are frequent.
score_lists = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=25)
rates = st.floats(0, 0.99)


def normal_scores(shift, num_members, num_non_members, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, num_members), rng.normal(0, 1, num_non_members)


def labeled(members, non_members):
    labels = np.r_[np.ones(len(members)), np.zeros(len(non_members))]
    return labels, np.r_[members, non_members]


def pair_values(members, non_members):
    """1 where the member is higher, .5 for a tie, for all pairs."""
    difference = np.subtract.outer(np.asarray(members), np.asarray(non_members))
    return (np.sign(difference) + 1) / 2


def delong_by_all_pairs(members, non_members, confidence):
    """The interval written down from the definition, in quadratic time."""
    values = pair_values(members, non_members)
    area = values.mean()
    error = np.sqrt(
        values.mean(axis=1).var(ddof=1) / len(members)
        + values.mean(axis=0).var(ddof=1) / len(non_members)
    )
    half_width = stats.norm.ppf((1 + confidence) / 2) * error / (area * (1 - area))
    logit = np.log(area / (1 - area))
    return tuple(1 / (1 + np.exp(-(logit + np.array([-1, 1]) * half_width))))


@pytest.mark.parametrize(
    "module", [roc, nearest, bootstrap, held_out, epsilon_bounds, paired, power]
)
def test_examples_in_the_documentation_are_true(module):
    assert doctest.testmod(module).failed == 0


# === AUC ===


@few
@given(score_lists, score_lists)
def test_auc_agrees_with_scikit_learn_and_scipy(members, non_members):
    expected = metrics.roc_auc_score(*labeled(members, non_members))
    u = stats.mannwhitneyu(members, non_members).statistic
    assert auc(members, non_members) == pytest.approx(expected, abs=1e-12)
    assert auc(members, non_members) == pytest.approx(
        u / (len(members) * len(non_members)), abs=1e-12
    )


@few
@given(score_lists, score_lists, st.integers(0, 100))
def test_order_and_monotone_maps_change_nothing(members, non_members, seed):
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(members), rng.permutation(non_members)
    mapped = np.exp(shuffled[0]) * 7 - 2, np.exp(shuffled[1]) * 7 - 2
    assert auc(*shuffled) == auc(*mapped) == auc(members, non_members)
    if len(members) > 1 and len(non_members) > 1:
        assert delong_interval(*shuffled) == pytest.approx(
            delong_interval(members, non_members), abs=1e-12
        )
    point, mapped_point = tpr_at_fpr(*shuffled, 0.2), tpr_at_fpr(*mapped, 0.2)
    assert point.true_positives == mapped_point.true_positives
    assert point.false_positives == mapped_point.false_positives


def test_exchanging_the_sides_mirrors_the_auc():
    members, non_members = normal_scores(0.7, 40, 30, seed=0)
    assert auc(non_members, members) == pytest.approx(1 - auc(members, non_members))


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_auc_of_shifted_normal_scores_matches_the_closed_form(shift):
    area = auc(*normal_scores(shift, 20_000, 20_000, seed=1))
    assert area == pytest.approx(stats.norm.cdf(shift / np.sqrt(2)), abs=4 * 0.0029)


def test_tpr_of_shifted_normal_scores_matches_the_closed_form():
    point = tpr_at_fpr(*normal_scores(2.0, 20_000, 20_000, seed=2), 0.01)
    expected = stats.norm.sf(stats.norm.isf(0.01) - 2.0)
    assert point.tpr == pytest.approx(expected, abs=0.02)


def test_constant_scores_are_worth_one_half():
    members, non_members = np.full(50, 3.0), np.full(40, 3.0)
    assert auc(members, non_members) == 0.5
    point = tpr_at_fpr(members, non_members, 0.01)
    assert (point.true_positives, point.false_positives) == (0, 0)


# === DeLong ===


@pytest.mark.parametrize("seed", range(5))
def test_delong_agrees_with_its_definition(seed):
    rng = np.random.default_rng(seed)
    members = rng.integers(0, 6, 31).astype(float)
    non_members = rng.integers(0, 5, 17).astype(float)
    assert delong_interval(members, non_members, 0.9) == pytest.approx(
        delong_by_all_pairs(members, non_members, 0.9), abs=1e-9
    )


@pytest.mark.parametrize(
    ("shift", "num_members", "num_non_members"),
    [(0.0, 100, 100), (1.0, 60, 150), (2.5, 50, 50)],
)
def test_delong_covers_the_truth_as_often_as_it_says(
    shift, num_members, num_non_members
):
    truth = stats.norm.cdf(shift / np.sqrt(2))
    covered = 0
    for seed in range(600):
        low, high = delong_interval(
            *normal_scores(shift, num_members, num_non_members, seed), 0.95
        )
        covered += low <= truth <= high
    # Four standard errors of 600 draws below 95 %.
    assert covered / 600 >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 600)
    assert covered / 600 <= 0.99


@pytest.mark.parametrize("number", [10, 100, 1000])
def test_perfect_separation_does_not_collapse_the_interval(number):
    members, non_members = np.arange(number) + 2.0 * number, np.arange(number + 5.0)
    assert auc(members, non_members) == 1
    low, high = delong_interval(members, non_members)
    assert high == 1
    # The pairs that all agree are a binomial count of successes without a failure.
    assert low == pytest.approx(0.025 ** (1 / number))
    mirrored = delong_interval(non_members, members)
    assert mirrored == pytest.approx((1 - high, 1 - low))


def test_constant_scores_give_a_wide_interval_around_one_half():
    low, high = delong_interval(np.zeros(100), np.zeros(80))
    agree = 0.025 ** (1 / 80)
    assert (low, high) == pytest.approx((agree / 2, 1 - agree / 2))
    assert low < 0.49
    assert high > 0.51


def test_one_score_on_a_side_says_nothing():
    assert delong_interval([1.0], [0.0, 2.0, 3.0]) == (0.0, 1.0)


@few
@given(score_lists, score_lists)
def test_the_interval_contains_the_auc_and_never_collapses(members, non_members):
    low, high = delong_interval(members, non_members)
    assert 0 <= low <= auc(members, non_members) <= high <= 1
    assert high - low > 0.01


# === Bootstrap ===


@few
@given(score_lists, score_lists, st.integers(0, 50))
def test_resampled_aucs_are_those_of_the_resampled_scores(members, non_members, seed):
    members, non_members = np.array(members), np.array(non_members)
    draws = bootstrap.resampled_aucs([(members, non_members)], 3, seed)[0]
    rng = np.random.default_rng([seed, 0])
    rows = rng.integers(len(members), size=(3, len(members)))
    others = rng.integers(len(non_members), size=(3, len(non_members)))
    for draw, chosen, other in zip(draws, rows, others, strict=True):
        expected = auc(members[chosen], non_members[other])
        assert draw == pytest.approx(expected, abs=1e-12)


def test_blocks_of_draws_are_all_used(monkeypatch):
    scores = normal_scores(0.5, 30, 20, seed=0)
    monkeypatch.setattr(bootstrap, "_BLOCK_VALUES", 50 * 7)
    draws = bootstrap.resampled_aucs([scores], 100, 0)[0]
    assert draws.shape == (100,)
    assert len(np.unique(draws)) > 60


def test_bootstrap_agrees_with_delong():
    for shift in (0.0, 0.5, 1.5):
        scores = normal_scores(shift, 500, 400, seed=1)
        assert bootstrap_interval(*scores) == pytest.approx(
            delong_interval(*scores), abs=0.006
        )


def test_bootstrap_covers_the_truth_as_often_as_it_says():
    truth = stats.norm.cdf(0.5 / np.sqrt(2))
    covered = 0
    for seed in range(300):
        scores = normal_scores(0.5, 100, 80, seed)
        low, high = bootstrap_interval(*scores, num_draws=500, seed=seed)
        covered += low <= truth <= high
    assert abs(covered / 300 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 300)


def test_bootstrap_does_not_collapse_where_draws_cannot_differ():
    separated = np.arange(50) + 100.0, np.arange(60.0)
    for scores in (separated, (np.zeros(30), np.zeros(40))):
        assert bootstrap_interval(*scores) == delong_interval(*scores)
    assert bootstrap_interval([1.0], [0.0, 2.0]) == (0.0, 1.0)


def test_bootstrap_is_a_function_of_its_seed():
    scores = normal_scores(0.5, 60, 50, seed=0)
    assert bootstrap_interval(*scores, seed=3) == bootstrap_interval(*scores, seed=3)
    assert bootstrap_interval(*scores, seed=3) != bootstrap_interval(*scores, seed=4)


# === Thresholds and attacks chosen elsewhere ===


def test_cross_fitted_advantage_is_that_of_the_definition():
    members, non_members = normal_scores(1.0, 41, 30, seed=5)
    found = cross_fitted_advantage(members, non_members, seed=2)
    folds = []
    for scores in (members, non_members):
        order = np.random.default_rng([2, len(scores)]).permutation(len(scores))
        folds.append(
            (scores[order[: len(scores) // 2]], scores[order[len(scores) // 2 :]])
        )
    true = false = 0
    for here, there in ((0, 1), (1, 0)):
        a, b = folds[0][here], folds[1][here]
        values = np.unique(np.r_[a, b])
        cuts = np.r_[-np.inf, (values[1:] + values[:-1]) / 2, np.inf]
        gains = [(a > cut).mean() - (b > cut).mean() for cut in cuts]
        best = max(gains)
        # Of several best thresholds the highest.
        cut = max(c for c, g in zip(cuts, gains, strict=True) if g == best)
        true += (folds[0][there] > cut).sum()
        false += (folds[1][there] > cut).sum()
    assert (found.true_positives, found.false_positives) == (true, false)
    assert found.advantage == pytest.approx(true / 41 - false / 30)
    assert found.balanced_accuracy == pytest.approx((1 + found.advantage) / 2)


def test_a_model_that_leaks_nothing_has_no_advantage():
    found = [
        cross_fitted_advantage(*normal_scores(0.0, 100, 100, seed), seed=seed)
        for seed in range(300)
    ]
    advantages = np.array([each.advantage for each in found])
    # The best threshold of the same scores would give .12 on average.
    assert abs(advantages.mean()) < 4 * advantages.std() / np.sqrt(300)
    assert np.mean(advantages > found[0].null_quantile) < 0.05 + 4 * 0.0126
    covered = [each.interval[0] <= 0 <= each.interval[1] for each in found]
    assert np.mean(covered) > 0.95 - 4 * 0.0126


def test_advantage_of_clear_and_of_constant_scores():
    clear = cross_fitted_advantage(np.arange(40) + 100.0, np.arange(30.0))
    assert (clear.advantage, clear.balanced_accuracy) == (1, 1)
    assert clear.interval[0] < 1
    constant = cross_fitted_advantage(np.zeros(40), np.zeros(30))
    assert (constant.advantage, constant.balanced_accuracy) == (0, 0.5)


def test_the_best_of_many_useless_attacks_is_not_flattered():
    held, naive = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        scores = {str(k): (rng.normal(size=60), rng.normal(size=60)) for k in range(8)}
        held.append(strongest_held_out(scores, seed=seed).auc)
        naive.append(max(auc(*pair) for pair in scores.values()))
    assert np.mean(naive) > 0.55
    assert abs(np.mean(held) - 0.5) < 4 * np.std(held) / np.sqrt(150)


def test_the_strongest_attack_is_chosen_and_judged_on_different_halves():
    rng = np.random.default_rng(0)
    order = np.random.default_rng([7, 100]).permutation(100)
    first, second = order[:50], order[50:]
    members, others = np.zeros(100), rng.normal(size=100)
    members[first], members[second] = 9.0, -9.0  # strong where attacks are chosen
    honest = rng.normal(0.5, 1, 100), others
    found = strongest_held_out({"a": honest, "b": (members, others)}, seed=7)
    assert (found.name, found.auc) == ("b", 0)
    assert found.operating_point.num_members == 50
    assert found.interval == delong_interval(members[second], others[second])


def test_attacks_on_different_queries_are_not_compared():
    with pytest.raises(ValueError, match="same queries"):
        strongest_held_out({"a": ([1.0, 2.0], [0.0, 1.0]), "b": ([1.0] * 3, [0.0] * 2)})
    with pytest.raises(ValueError, match="same queries"):
        strongest_held_out({})
    with pytest.raises(ValueError, match="at least 2 members"):
        cross_fitted_advantage([1.0], [0.0, 1.0])


# === TPR at an FPR ===


def test_low_rates_are_withheld_until_ten_false_positives_are_expected():
    members, non_members = normal_scores(1.0, 300, 9_999, seed=4)
    points = operating_points(members, non_members)
    assert points[:2] == tuple(
        tpr_at_fpr(members, non_members, fpr) for fpr in (0.1, 0.01)
    )
    assert points[2] == WithheldPoint(
        0.001, "needs 10,000 non-members, there are 9,999"
    )
    enough = np.r_[non_members, 0.0]
    assert operating_points(members, enough)[2] == tpr_at_fpr(members, enough, 0.001)


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


@few
@given(score_lists, score_lists, rates)
def test_tpr_equals_the_best_of_all_thresholds_by_counting(members, non_members, fpr):
    members, non_members = np.array(members), np.array(non_members)
    thresholds = np.r_[-np.inf, members, non_members]
    allowed = [t for t in thresholds if (non_members > t).mean() <= fpr]
    point = tpr_at_fpr(members, non_members, fpr)
    assert point.tpr == max((members > t).mean() for t in allowed)
    assert point.realized_fpr == (non_members > point.threshold).mean() <= fpr
    assert point.true_positives == (members > point.threshold).sum()
    # No lower threshold is allowed.
    below = np.nextafter(point.threshold, -np.inf)
    assert (non_members > below).mean() > fpr


def test_nothing_is_interpolated():
    # Between 0 and 1 of 4 false positives lies no operating point.
    point = tpr_at_fpr([2.5, 3.5, 5.0], [1.0, 2.0, 3.0, 4.0], 0.2)
    assert (point.tpr, point.realized_fpr) == (pytest.approx(1 / 3), 0.0)


@pytest.mark.parametrize(("number", "fpr"), [(100, 0.29), (100, 0.07), (1000, 0.001)])
def test_rounding_of_the_rate_costs_no_false_positive(number, fpr):
    # 100 * .29 is 28.999999999999996 in floating point.
    point = tpr_at_fpr(np.arange(number), np.arange(number), fpr)
    assert point.false_positives == round(number * fpr)


def test_ties_at_the_threshold_are_left_out_together():
    point = tpr_at_fpr([1.0, 1.0, 2.0], [0.0, 1.0, 1.0, 1.0], 0.5)
    assert (point.true_positives, point.false_positives) == (1, 0)


def test_tpr_interval_is_that_of_its_counts():
    point = tpr_at_fpr(*normal_scores(1.0, 200, 300, seed=3), 0.05)
    assert point.tpr_interval == clopper_pearson(point.true_positives, 200)
    assert (point.num_members, point.num_non_members) == (200, 300)


# === ROC, Clopper-Pearson ===


@few
@given(score_lists, score_lists)
def test_roc_agrees_with_scikit_learn_and_encloses_the_auc(members, non_members):
    fpr, tpr = roc_curve(members, non_members)
    expected_fpr, expected_tpr, _ = metrics.roc_curve(
        *labeled(members, non_members), drop_intermediate=False
    )
    np.testing.assert_allclose(fpr, expected_fpr, atol=1e-12)
    np.testing.assert_allclose(tpr, expected_tpr, atol=1e-12)
    assert metrics.auc(fpr, tpr) == pytest.approx(auc(members, non_members))


@few
@given(st.integers(1, 200), st.data())
def test_clopper_pearson_agrees_with_scipy(trials, data):
    successes = data.draw(st.integers(0, trials))
    expected = stats.binomtest(successes, trials).proportion_ci(0.9, method="exact")
    assert clopper_pearson(successes, trials, 0.9) == pytest.approx(
        (expected.low, expected.high), abs=1e-10
    )


# === Two models ===


def test_paired_difference_agrees_with_its_definition():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=60)
    shared[:30] += 1
    first = shared + rng.normal(size=60) * 0.3
    second = shared + rng.normal(size=60)
    values = pair_values(first[:30], first[30:]) - pair_values(second[:30], second[30:])
    error = np.sqrt(
        values.mean(axis=1).var(ddof=1) / 30 + values.mean(axis=0).var(ddof=1) / 30
    )
    found = paired_auc_difference((first[:30], first[30:]), (second[:30], second[30:]))
    assert found.difference == pytest.approx(values.mean(), abs=1e-12)
    assert found.interval == pytest.approx(
        (values.mean() - 1.959964 * error, values.mean() + 1.959964 * error), abs=1e-6
    )
    assert found.p_value == pytest.approx(
        2 * stats.norm.sf(abs(values.mean()) / error), abs=1e-9
    )


def test_paired_comparison_is_sharper_than_separate_intervals():
    rng = np.random.default_rng(1)
    shared = np.r_[rng.normal(1, 1, 300), rng.normal(0, 1, 300)]
    first, second = (shared + rng.normal(size=600) * 0.2 for _ in range(2))
    found = paired_auc_difference(
        (first[:300], first[300:]), (second[:300], second[300:])
    )
    low, high = delong_interval(first[:300], first[300:])
    assert found.interval[1] - found.interval[0] < 0.5 * (high - low)


def test_paired_difference_of_equals_covers_zero_in_95_percent():
    covered = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        shared = np.r_[rng.normal(0.5, 1, 80), rng.normal(0, 1, 60)]
        first, second = (shared + rng.normal(size=140) * 0.5 for _ in range(2))
        found = paired_auc_difference(
            (first[:80], first[80:]), (second[:80], second[80:])
        )
        covered += found.interval[0] <= 0 <= found.interval[1]
    assert abs(covered / 400 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400)


def test_paired_difference_without_variance_does_not_collapse():
    members, non_members = np.arange(50) + 100.0, np.arange(60.0)
    both_perfect = paired_auc_difference(
        (members, non_members), (members * 2, non_members)
    )
    agree = 0.025 ** (1 / 50)
    assert both_perfect.interval == pytest.approx((agree - 1, 1 - agree))
    assert both_perfect.p_value == 1
    perfect_and_constant = paired_auc_difference(
        (members, non_members), (np.zeros(50), np.zeros(60))
    )
    low, high = perfect_and_constant.interval
    assert low < perfect_and_constant.difference == 0.5 < high
    assert perfect_and_constant.p_value < 1e-6


def test_paired_bootstrap_agrees_with_delong():
    rng = np.random.default_rng(2)
    shared = np.r_[rng.normal(0.7, 1, 300), rng.normal(0, 1, 200)]
    noisy = shared + rng.normal(size=500)
    models = (shared[:300], shared[300:]), (noisy[:300], noisy[300:])
    exact, drawn = paired_auc_difference(*models), paired_bootstrap_difference(*models)
    assert drawn.difference == exact.difference
    assert drawn.interval == pytest.approx(exact.interval, abs=0.006)
    assert drawn.p_value < 0.05
    assert drawn == paired_bootstrap_difference(*models)


def test_paired_bootstrap_of_equals_is_rarely_significant():
    significant = covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shared = np.r_[rng.normal(0.5, 1, 80), rng.normal(0, 1, 60)]
        first, second = (shared + rng.normal(size=140) * 0.5 for _ in range(2))
        found = paired_bootstrap_difference(
            (first[:80], first[80:]), (second[:80], second[80:]), num_draws=400
        )
        significant += found.p_value < 0.05
        covered += found.interval[0] <= 0 <= found.interval[1]
    error = 4 * np.sqrt(0.05 * 0.95 / 200)
    assert significant / 200 < 0.05 + error
    assert covered / 200 > 0.95 - error


def test_paired_bootstrap_without_variance_does_not_collapse():
    perfect = np.arange(50) + 100.0, np.arange(60.0)
    assert paired_bootstrap_difference(perfect, perfect) == paired_auc_difference(
        perfect, perfect
    )


# === Refusals ===


@pytest.mark.parametrize("function", [auc, delong_interval, roc_curve])
@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "at least one score"),
        ([1.0, np.nan], "must be finite"),
        ([np.inf], "must be finite"),
        ([[1.0]], "one-dimensional"),
    ],
)
def test_unusable_scores_are_refused_on_either_side(function, members, message):
    with pytest.raises(ValueError, match=f"`member_scores` .*{message}"):
        function(members, [0.0, 1.0])
    with pytest.raises(ValueError, match=f"`non_member_scores` .*{message}"):
        function([0.0, 1.0], members)


def test_rates_out_of_range_are_refused():
    with pytest.raises(ValueError, match="`fpr` must be a rate"):
        tpr_at_fpr([1.0], [0.0], 1.0)
    with pytest.raises(ValueError, match="`confidence` must lie"):
        delong_interval([1.0, 2.0], [0.0, 1.0], 95)
    with pytest.raises(ValueError, match="`successes` must not exceed"):
        clopper_pearson(5, 4)
    with pytest.raises(ValueError, match="same queries"):
        paired_auc_difference(([1.0, 2.0], [0.0]), ([1.0], [0.0]))
