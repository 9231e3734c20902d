import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keras_mixup_gan.statistics.over_seeds import (
    direction,
    directions,
    holm,
    mean_over_seeds,
    paired_difference,
)

p_lists = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def test_the_t_interval_of_three_seeds_in_closed_form():
    found = paired_difference([0.1, 0.2, 0.3], [0.0] * 3)
    reach = 4.302652729911275 * 0.1 / 3**0.5
    assert found.mean == pytest.approx(0.2)
    assert found.t_interval == pytest.approx((0.2 - reach, 0.2 + reach))
    assert found.p_value == pytest.approx(stats.ttest_1samp([0.1, 0.2, 0.3], 0).pvalue)


def test_the_bootstrap_of_agreeing_seeds_is_the_error_of_their_queries():
    found = paired_difference([0.1] * 4, [0.02] * 4, num_draws=100_000)
    reach = 1.959964 * 0.02 / 2  # the mean of four
    assert found.bootstrap_interval == pytest.approx(
        (0.1 - reach, 0.1 + reach), abs=3e-4
    )
    assert found.t_interval == pytest.approx((0.1, 0.1))
    assert found.interval == found.bootstrap_interval


def test_the_bootstrap_without_query_error_stays_within_the_seeds():
    found = paired_difference([0.1, 0.2, 0.3], [0.0] * 3)
    assert found.bootstrap_interval == pytest.approx((0.1, 0.3))


def test_the_interval_reaches_as_far_as_either():
    found = paired_difference([0.0, 0.01, 0.02], [0.05] * 3)
    assert found.interval[0] == min(found.t_interval[0], found.bootstrap_interval[0])
    assert found.interval[1] == max(found.t_interval[1], found.bootstrap_interval[1])


def test_a_single_seed_has_the_interval_of_its_queries_and_no_verdict():
    found = paired_difference([0.2], [0.01])
    assert (found.t_interval, found.p_value) == (None, None)
    assert found.interval == pytest.approx((0.18, 0.22), abs=2e-3)


@given(
    st.lists(
        st.tuples(st.floats(-0.5, 0.5), st.floats(0, 0.1)), min_size=1, max_size=5
    ).flatmap(lambda pairs: st.tuples(st.just(pairs), st.permutations(pairs)))
)
def test_the_order_of_the_seeds_does_not_matter(pair_of_lists):
    first, second = (
        paired_difference(*zip(*pairs, strict=True), num_draws=200)
        for pairs in pair_of_lists
    )
    assert first.bootstrap_interval == second.bootstrap_interval
    assert first.mean == pytest.approx(second.mean, abs=1e-15)


def test_students_interval_covers_95_times_in_100_and_the_bootstrap_far_less():
    """Why the verdict looks at both: three seeds, no error of the queries."""
    random = np.random.default_rng(2)
    covered = {"t": 0, "bootstrap": 0, "union": 0}
    trials = 1500
    for _ in range(trials):
        values = random.normal(0.1, 0.03, 3)
        found = paired_difference(values, [0.0] * 3, num_draws=400)
        for name, (low, high) in {
            "t": found.t_interval,
            "bootstrap": found.bootstrap_interval,
            "union": found.interval,
        }.items():
            covered[name] += low <= 0.1 <= high
    assert covered["t"] / trials == pytest.approx(0.95, abs=0.02)
    assert 0.65 < covered["bootstrap"] / trials < 0.85
    assert covered["union"] >= covered["t"]


def test_queries_and_seeds_together_are_covered_at_least_as_often_as_claimed():
    """Each seed's value is off by its queries, too: the spread of seeds contains it."""
    random = np.random.default_rng(3)
    covered = {"t": 0, "union": 0}
    trials = 1500
    for _ in range(trials):
        values = random.normal(0.1, 0.02, 3) + random.normal(0, 0.02, 3)
        found = paired_difference(values, [0.02] * 3, num_draws=400)
        low, high = found.t_interval
        covered["t"] += low <= 0.1 <= high
        low, high = found.interval
        covered["union"] += low <= 0.1 <= high
    assert covered["t"] / trials == pytest.approx(0.95, abs=0.02)
    assert covered["union"] / trials > 0.95


def test_seldom_a_verdict_where_there_is_no_difference():
    random = np.random.default_rng(4)
    trials, wrong = 1000, 0
    for _ in range(trials):
        found = [
            paired_difference(random.normal(0, 0.02, 3), [0.01] * 3, num_draws=200)
            for _ in range(4)
        ]
        adjusted = holm([one.p_value for one in found])
        pairs = zip(found, adjusted, strict=True)
        wrong += any(direction(one.interval, p_value) for one, p_value in pairs)
    assert wrong / trials < 0.06


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


@given(p_lists)
def test_holm_never_helps_and_never_exceeds_bonferroni(p_values):
    adjusted = holm(p_values)
    for before, after in zip(p_values, adjusted, strict=True):
        assert before <= after <= min(1.0, len(p_values) * before)


@given(p_lists)
def test_holm_keeps_the_order(p_values):
    adjusted = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    assert [adjusted[at] for at in order] == sorted(adjusted)


def test_which_differences_count():
    assert direction((0.01, 0.2), 0.04) == 1
    assert direction((-0.2, -0.01), 0.04) == -1
    assert direction((-0.01, 0.2), 0.04) == 0
    assert direction((0.01, 0.2), 0.06) == 0  # after the correction


def test_a_mean_is_cut_where_the_figure_ends():
    found = mean_over_seeds([0.9, 0.99, 1.0], (0, 1))
    assert found.interval[1] == 1
    assert (found.low, found.high, found.num_seeds) == (0.9, 1.0, 3)
    assert mean_over_seeds([0.7]).interval is None


def test_no_seeds_are_refused():
    with pytest.raises(ValueError, match="at least one seed"):
        paired_difference([], [])
    with pytest.raises(ValueError, match="as many standard errors"):
        paired_difference([0.1], [])


@pytest.mark.parametrize(
    "judge",
    [
        lambda: directions([[np.nan, 0.1, 0.2], [0.1, 0.1, 0.11]]),
        lambda: paired_difference([np.nan, 0.1, 0.2], [0.1] * 3),
        lambda: paired_difference([0.3, 0.1, 0.2], [-0.1, 0.1, 0.1]),
        lambda: mean_over_seeds([np.nan, 0.1]),
        lambda: holm([-1.0, 2.0]),
    ],
)
def test_what_is_no_number_gets_no_verdict(judge):
    with pytest.raises(ValueError, match=r"must be (a )?(finite|number)"):
        judge()
