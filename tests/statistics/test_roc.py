from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from keras_mixup_gan.statistics.roc import (
    WithheldPoint,
    auc,
    clopper_pearson,
    delong_interval,
    operating_points,
    roc_curve,
    top_n_accuracy,
    tpr_at_fpr,
)
from tests.statistics.scores import normal_scores

few = settings(deadline=None, max_examples=60, derandomize=True)
# A small grid of values, so that ties are frequent.
score_lists = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=25)
rates = st.floats(0, 0.99)


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


# === Accuracy of the highest scores ===


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_ties_are_worth_the_mean_over_all_orders(n):
    scores = np.array([2.0, 1.0, 1.0, 1.0, 0.0])
    inside = np.array([False, True, False, True, True])
    shares = []
    for order in permutations(range(5)):
        ranked = sorted(order, key=lambda i: -scores[i])  # stable: ties as they came
        shares.append(inside[ranked[:n]].mean())
    found = top_n_accuracy(scores[inside], scores[~inside], n)
    assert found == pytest.approx(np.mean(shares), abs=1e-12)


def test_constant_scores_are_worth_the_share_of_members():
    assert top_n_accuracy(np.zeros(30), np.zeros(10)) == 0.75
    assert top_n_accuracy(np.zeros(50), np.zeros(50), n=7) == 0.5


def test_without_ties_it_is_counted():
    rng = np.random.default_rng(0)
    members, others = rng.normal(1, 1, 40), rng.normal(0, 1, 60)
    highest = np.argsort(-np.concatenate([members, others]))[:40]
    assert top_n_accuracy(members, others) == (highest < 40).mean()
    assert top_n_accuracy(np.ones(5), np.zeros(5)) == 1
    assert top_n_accuracy(np.zeros(5), np.ones(5)) == 0


# === Refusals ===


@pytest.mark.parametrize("function", [auc, delong_interval, roc_curve])
@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "one or more scores"),
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


@pytest.mark.parametrize("n", [0, 11])
def test_impossible_numbers_are_refused(n):
    with pytest.raises(ValueError, match="`n`"):
        top_n_accuracy(np.zeros(5), np.zeros(5), n)
