import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from keras_mixup_gan import theory
from keras_mixup_gan.theory import gaussian


def simulated(num_members, dim, noise, trials=10_000, seed=0):
    """The attack as its definition writes it, on releases that are really drawn."""
    rng = np.random.default_rng(seed)
    ratios = []
    for is_member in (True, False):
        members = rng.normal(size=(trials, num_members, dim))
        release = members.mean(axis=1) + noise * rng.normal(size=(trials, dim))
        x = members[:, 0] if is_member else rng.normal(size=(trials, dim))
        n = num_members
        inside = stats.norm(x / n, np.sqrt((n - 1) / n**2 + noise**2))
        outside = stats.norm(0, np.sqrt(1 / n + noise**2))
        ratios.append((inside.logpdf(release) - outside.logpdf(release)).sum(axis=1))
    return ratios


@pytest.mark.parametrize(
    ("num_members", "dim", "noise"), [(2, 1, 0.0), (5, 3, 0.2), (6, 20, 0.0)]
)
def test_closed_forms_are_those_of_the_simulated_attack(num_members, dim, noise):
    ins, outs = simulated(num_members, dim, noise)
    measured = theory.monte_carlo_auc(ins, outs)
    exact = theory.gaussian_mean_auc(num_members, dim, noise)
    assert exact == pytest.approx(measured.value, abs=4 * measured.standard_error)
    divergence = theory.gaussian_mean_divergence(num_members, dim, noise)
    error = ins.std() / np.sqrt(len(ins))
    assert divergence == pytest.approx(ins.mean(), abs=4 * error)


@pytest.mark.parametrize(
    ("dim", "num_members", "noise", "inner_product"),
    [
        (50, 100, 0.0, 0.6907),
        (200, 100, 0.0, 0.8423),
        (200, 100, 0.1, 0.758),
        (200, 100, 0.3, 0.621),
    ],
)
def test_best_attack_is_near_the_inner_product_and_not_below(
    dim, num_members, noise, inner_product
):
    """Simulated AUCs of the inner product, which is nearly optimal here."""
    exact = theory.gaussian_mean_auc(num_members, dim, noise)
    assert exact == pytest.approx(inner_product, abs=0.005)


@settings(deadline=None, max_examples=20)
@given(
    num_members=st.integers(2, 500),
    dim=st.integers(1, 2_000),
    noise=st.floats(0, 2),
)
def test_a_mean_stays_below_the_bound_of_its_divergence(num_members, dim, noise):
    area = theory.gaussian_mean_auc(num_members, dim, noise)
    divergence = theory.gaussian_mean_divergence(num_members, dim, noise)
    assert 0.5 <= area <= theory.largest_auc_from_divergence(divergence) + 1e-6
    assert area <= theory.gaussian_mean_auc(num_members, dim + 1, noise) + 1e-6
    assert theory.gaussian_mean_auc(num_members, dim, noise + 0.1) <= area + 1e-6


def test_many_blends_hide_nothing():
    exact = theory.gaussian_mean_auc(5, 10)
    few = theory.mixed_mean_auc(5, 10, 1.0, 2, num_trials=500)
    many = theory.mixed_mean_auc(5, 10, 1.0, 300, num_trials=1_000)
    assert few.value < exact - 0.1
    assert many.value == pytest.approx(exact, abs=4 * many.standard_error)


def test_one_blend_of_two_distinct_members_holds_a_record_with_chance_two_in_n():
    """In high dimension that record is recognized, all others are at chance."""
    estimate = theory.mixed_mean_auc(10, 1_000, 8.0, 1, num_trials=800)
    expected = 0.2 + 0.8 / 2
    assert estimate.value == pytest.approx(expected, abs=4 * estimate.standard_error)


def test_noise_hides_a_blended_record_too():
    plain = theory.mixed_mean_auc(20, 30, 1.0, 50, num_trials=500)
    noisy = theory.mixed_mean_auc(20, 30, 1.0, 50, noise_stddev=1.0, num_trials=500)
    assert noisy.value < plain.value - 0.1


def test_same_seed_same_estimate():
    runs = [
        theory.mixed_mean_auc(5, 3, 0.01, 2, num_trials=50, seed=s) for s in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    "wrong", [{"num_members": 1}, {"dim": 0}, {"noise_stddev": -1.0}]
)
def test_a_mean_refuses_settings_out_of_range(wrong):
    given_settings = {"num_members": 5, "dim": 2, "noise_stddev": 0.0, **wrong}
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=name):
        theory.gaussian_mean_auc(**given_settings)
    with pytest.raises(ValueError, match=name):
        theory.mixed_mean_auc(alpha=1.0, num_blends=5, **given_settings)


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


def test_a_linear_generator_gives_away_more_than_its_mean_alone():
    mean_alone = theory.gaussian_mean_auc(40, 15)
    assert theory.linear_generator_auc(40, 15).value > mean_alone + 0.05
    divergence = theory.linear_generator_divergence(40, 15)
    assert divergence > theory.gaussian_mean_divergence(40, 15)


def test_a_linear_generator_of_few_members_gives_away_everything():
    assert theory.linear_generator_auc(11, 10).value == 1.0
    assert theory.linear_generator_divergence(11, 10) == float("inf")
    assert theory.linear_generator_auc(12, 10, num_trials=500).value > 0.99


def test_covariance_shrinks_as_published():
    shrunk = [round(theory.covariance_factor(alpha), 4) for alpha in (0.2, 1.0, 4.0)]
    assert shrunk == [0.8571, 0.6667, 0.5556]


def test_a_linear_generator_refuses_what_does_not_fit():
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


@pytest.mark.parametrize(
    ("num_members", "dim"), [(2, 10**9), (3, 10**9), (3, 10**7), (10, 3 * 10**8)]
)
def test_so_many_coordinates_tell_every_member(num_members, dim):
    assert theory.gaussian_mean_auc(num_members, dim) == 1.0


def test_certainty_is_reached_without_a_jump():
    near, far = (theory.gaussian_mean_auc(100, dim) for dim in (1_900_000, 2_100_000))
    assert near == pytest.approx(far, abs=1e-9)


def test_members_are_simulated_in_blocks_that_fit_into_memory(monkeypatch):
    whole = theory.linear_generator_auc(30, 10, num_trials=600)
    monkeypatch.setattr(gaussian, "_MOST_NUMBERS", 30 * 10 * 7)
    parts = theory.linear_generator_auc(30, 10, num_trials=600)
    assert parts.value == pytest.approx(whole.value, abs=4 * whole.standard_error)


def test_moments_of_other_shapes_or_that_are_none_are_refused():
    members = np.random.default_rng(0).normal(size=(8, 2))
    mean, covariance = theory.blend_moments(members)
    skewed = covariance + np.array([[0, 99.0], [0, 0]])
    for passed, message in [
        ((members, mean[:, None], covariance), "do not fit together"),
        ((members, 0.0, covariance), "do not fit together"),
        ((members, mean, skewed), "equal its transpose"),
        ((members, mean * np.nan, covariance), "must be finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            theory.linear_generator_log_ratio(*passed, 8)
    with pytest.raises(ValueError, match="`num_members` must be an integer"):
        theory.linear_generator_log_ratio(members, mean, covariance, "8")
