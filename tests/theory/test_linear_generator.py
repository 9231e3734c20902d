import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from keras_mixup_gan import theory


def members(count, dim, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dim))


@pytest.mark.parametrize("count", [4, 9])
def test_ratio_times_population_is_a_law_of_the_right_mean(count):
    """Given the generator, the members average to its mean: so must their law."""
    moments = theory.blend_moments(members(count, 1))

    def density(x):
        ratio = theory.linear_generator_log_ratio(np.array([[x]]), *moments, count)
        return float(np.exp(ratio[0]) * stats.norm.pdf(x))

    mean, deviation = moments[0][0], np.sqrt(moments[1][0, 0])
    reach = deviation * np.sqrt(count - 1)  # no member can lie further off
    ends = (mean - reach, mean + reach)
    assert integrate.quad(density, *ends)[0] == pytest.approx(1, abs=1e-6)
    first = integrate.quad(lambda x: x * density(x), *ends)[0]
    second = integrate.quad(lambda x: (x - mean) ** 2 * density(x), *ends)[0]
    assert first == pytest.approx(mean, abs=1e-6)
    assert second == pytest.approx(deviation**2, rel=1e-6)
    assert density(mean + 1.01 * reach) == 0


@pytest.mark.parametrize(("count", "dim"), [(6, 2), (30, 15)])
def test_divergence_is_the_mean_ratio_of_members(count, dim):
    ratios = []
    for seed in range(400):
        rows = members(count, dim, seed)
        moments = theory.blend_moments(rows)
        ratios.append(theory.linear_generator_log_ratio(rows[:1], *moments, count)[0])
    error = np.std(ratios) / np.sqrt(len(ratios))
    exact = theory.linear_generator_divergence(count, dim)
    assert exact == pytest.approx(np.mean(ratios), abs=4 * error)


@settings(deadline=None, max_examples=30)
@given(
    alpha=st.floats(0.05, 50),
    dim=st.integers(1, 6),
    extra=st.integers(2, 30),
    seed=st.integers(0, 2**31),
)
def test_mixing_to_the_optimum_hides_nothing(alpha, dim, extra, seed):
    rows, queries = members(dim + extra, dim, seed), members(5, dim, seed + 1)
    queries = np.concatenate([rows, 0.1 * queries])
    plain = theory.linear_generator_log_ratio(
        queries, *theory.blend_moments(rows), len(rows)
    )
    mixed = theory.linear_generator_log_ratio(
        queries, *theory.blend_moments(rows, alpha), len(rows), alpha
    )
    assert np.isfinite(plain[: len(rows)]).all()
    np.testing.assert_allclose(mixed, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("count", "dim"), [(20, 3), (40, 10)])
def test_auc_is_that_of_the_public_ratio_and_below_its_bound(count, dim):
    ins, outs = [], []
    for seed in range(600):
        rows = members(count, dim, seed)
        moments = theory.blend_moments(rows)
        queries = np.stack([rows[0], members(1, dim, 10_000 + seed)[0]])
        ratio = theory.linear_generator_log_ratio(queries, *moments, count)
        ins.append(ratio[0])
        outs.append(ratio[1])
    measured = theory.monte_carlo_auc(ins, outs)
    estimate = theory.linear_generator_auc(count, dim)
    margin = 4 * np.hypot(measured.standard_error, estimate.standard_error)
    assert estimate.value == pytest.approx(measured.value, abs=margin)
    divergence = theory.linear_generator_divergence(count, dim)
    bound = theory.largest_auc_from_divergence(divergence)
    assert estimate.value <= bound + 4 * estimate.standard_error


def test_gives_away_more_than_its_mean_alone():
    mean_alone = theory.gaussian_mean_auc(40, 15)
    assert theory.linear_generator_auc(40, 15).value > mean_alone + 0.05
    divergence = theory.linear_generator_divergence(40, 15)
    assert divergence > theory.gaussian_mean_divergence(40, 15)


def test_gives_away_everything_up_to_one_member_more_than_dimensions():
    assert theory.linear_generator_auc(11, 10).value == 1.0
    assert theory.linear_generator_divergence(11, 10) == float("inf")
    assert theory.linear_generator_auc(12, 10, num_trials=500).value > 0.99


def test_covariance_shrinks_as_published():
    shrunk = [round(theory.covariance_factor(alpha), 4) for alpha in (0.2, 1.0, 4.0)]
    assert shrunk == [0.8571, 0.6667, 0.5556]


def test_refuses_what_does_not_fit():
    rows = members(9, 3)
    mean, covariance = theory.blend_moments(rows)
    ratio = theory.linear_generator_log_ratio
    with pytest.raises(ValueError, match="do not fit"):
        ratio(rows[:, :2], mean, covariance, 9)
    with pytest.raises(ValueError, match="num_members"):
        ratio(rows, mean, covariance, 4)
    with pytest.raises(ValueError, match="no inverse"):
        ratio(rows, mean, 0 * covariance, 9)
    with pytest.raises(ValueError, match="members"):
        theory.blend_moments(rows[:1])
