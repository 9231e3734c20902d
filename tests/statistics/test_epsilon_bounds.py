import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from keras_mixup_gan.rounding import rounded_up, upper_text
from keras_mixup_gan.statistics.epsilon_bounds import (
    epsilon_clopper_pearson,
    epsilon_one_run,
)

BOUNDS = {
    "Clopper-Pearson": epsilon_clopper_pearson,
    "split": lambda *a, **k: epsilon_clopper_pearson(*a, method="split", **k),
    "one run": epsilon_one_run,
}


def shifted(mu, number, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(mu, 1, number), rng.normal(0, 1, number)


def gaussian_epsilon(mu, delta):
    """Epsilon of the Gaussian mechanism with sensitivity mu, exactly."""
    low, high = 0.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        spent = stats.norm.cdf(mu / 2 - middle / mu) - np.exp(middle) * stats.norm.cdf(
            -mu / 2 - middle / mu
        )
        low, high = (middle, high) if spent > delta else (low, middle)
    return high


# Values of other implementations, which try more thresholds and pay more for them.
@pytest.mark.parametrize(
    ("mu", "expected"), [(1, (1.34, 1.19, 1.47)), (2, (2.84, 3.12, 2.69))]
)
def test_bounds_on_shifted_normal_scores_are_the_known_ones(mu, expected):
    for (name, bound), value in zip(BOUNDS.items(), expected, strict=True):
        found = [bound(*shifted(mu, 1000, seed), delta=1e-5) for seed in range(8)]
        assert abs(np.mean(found) - value) < 0.55, name
        assert np.mean(found) < gaussian_epsilon(mu, 1e-5)


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("mu", [1, 2, 3])
def test_a_bound_above_the_truth_is_rare(name, mu):
    truth = gaussian_epsilon(mu, 1e-5)
    found = [BOUNDS[name](*shifted(mu, 200, s), delta=1e-5) for s in range(10)]
    assert max(found) <= truth


def randomized_response(rng, epsilon, sizes):
    """Each answer is true with probability e^epsilon / (1 + e^epsilon)."""
    true = [rng.random(size) < 1 / (1 + np.exp(-epsilon)) for size in sizes]
    return true[0].astype("float64"), 1.0 - true[1]


def laplace_noise(rng, epsilon, sizes):
    """A count that one canary moves by one, and Laplace noise."""
    noise = [rng.laplace(0, 1 / epsilon, size) for size in sizes]
    return noise[0] + 1, noise[1]


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("mechanism", [randomized_response, laplace_noise])
@pytest.mark.parametrize("epsilon", [1.0, 3.0])
def test_a_bound_above_the_truth_is_rare_where_it_is_within_reach(
    name, mechanism, epsilon
):
    """Here every epsilon below the truth is told apart by enough trials.

    Gaussian noise has its epsilon in tails that no audit sees: there a bound that is
    wrong too often may pass unnoticed.
    """
    found = []
    for seed in range(100):
        rng = np.random.default_rng([seed, 9])
        included = rng.binomial(800, 0.5) if name == "one run" else 400
        scores = mechanism(rng, epsilon, (included, 800 - included))
        found.append(BOUNDS[name](*scores))
    assert np.mean(np.array(found) > epsilon) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
    assert np.mean(found) > 0.02 * epsilon
    assert max(found) > 0.5 * epsilon


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("number", [30, 200])
def test_models_that_leak_nothing_are_rarely_accused(name, number):
    accused = [BOUNDS[name](*shifted(0, number, seed)) > 0 for seed in range(200)]
    assert np.mean(accused) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)


def test_the_largest_log_ratio_accuses_almost_everyone():
    """What these bounds are for: the naive estimate fails the test above."""
    accused = 0
    for seed in range(50):
        ins, outs = shifted(0, 200, seed)
        cuts = np.sort(outs)[-20:-1]
        ratios = [(ins > cut).mean() / (outs > cut).mean() for cut in cuts]
        accused += max(ratios) > 1
    assert accused > 40


@pytest.mark.parametrize(
    ("number", "ceiling"), [(10, 1.05), (50, 2.78), (100, 3.49), (1000, 5.81)]
)
def test_all_guesses_right_give_the_published_ceiling(number, ceiling):
    ins, outs = np.arange(number) + 1e6, np.arange(float(number))
    found = epsilon_one_run(ins, outs, num_guesses=number)
    assert found == pytest.approx(ceiling, abs=0.006)
    # P[Bin(r, q) = r] = significance
    q = 0.05 ** (1 / number)
    assert found == pytest.approx(np.log(q / (1 - q)), abs=1e-4)


def test_one_fixed_rank_is_the_textbook_clopper_pearson_bound():
    ins, outs = np.full(3, 5.0), np.array([1.0, 2.0, 3.0])
    # One rank (of three non-members): 3 of 3 above, the highest of 3 below.
    low = 0.025 ** (1 / 3)
    high = stats.beta.isf(0.025, 1, 3)
    expected = max(0.0, np.log(low / high))
    assert epsilon_clopper_pearson(ins, outs) == pytest.approx(expected)
    many = epsilon_clopper_pearson(np.full(400, 5.0), np.arange(2.0).repeat(200))
    ranks = 8  # 1, 2, 4 ... 128 share the error
    error = 0.05 / (2 * ranks)
    rate = error ** (1 / 400)
    assert many == pytest.approx(np.log(rate / stats.beta.isf(error, 1, 400)), abs=1e-9)


@pytest.mark.parametrize("name", BOUNDS)
def test_constant_scores_prove_nothing(name):
    assert BOUNDS[name](np.zeros(100), np.zeros(100)) == 0


@pytest.mark.parametrize("name", BOUNDS)
def test_a_larger_delta_and_a_smaller_error_give_a_smaller_bound(name):
    scores = shifted(2, 300, 0)
    plain = BOUNDS[name](*scores)
    assert BOUNDS[name](*scores, delta=1e-3) < plain
    assert BOUNDS[name](*scores, significance=0.001) < plain
    assert BOUNDS[name](*scores, delta=1.0) == 0
    assert BOUNDS[name](*scores) == plain


def test_several_numbers_of_guesses_are_paid_for():
    scores = shifted(2, 500, 0)
    alone = epsilon_one_run(*scores, num_guesses=100)
    shared = epsilon_one_run(*scores, num_guesses=[100, 999])
    assert 0 < shared < alone
    assert shared == pytest.approx(
        epsilon_one_run(*scores, num_guesses=100, significance=0.025)
    )


def test_ties_are_broken_by_lot():
    # Ten tied canaries at the top, half of them in: no guess is better than a coin.
    ins, outs = np.ones(100), np.ones(100)
    found = [epsilon_one_run(ins, outs, num_guesses=20, seed=s) for s in range(100)]
    assert np.mean(np.array(found) > 0) <= 0.05 + 4 * 0.022


def test_unusable_arguments_are_refused():
    with pytest.raises(ValueError, match="fair coins"):
        epsilon_one_run(np.zeros(500), np.zeros(100))
    with pytest.raises(ValueError, match="`delta`"):
        epsilon_one_run([1.0, 2.0], [0.0, 1.0], delta=-1)
    with pytest.raises(ValueError, match="`significance`"):
        epsilon_clopper_pearson([1.0, 2.0], [0.0, 1.0], significance=0)
    with pytest.raises(ValueError, match="Unknown `method`"):
        epsilon_clopper_pearson([1.0, 2.0], [0.0, 1.0], method="holm")
    for guesses, message in (
        (0, "at least 1"),
        (5, "not exceed"),
        ([], "at least one"),
    ):
        with pytest.raises(ValueError, match=message):
            epsilon_one_run([1.0, 2.0], [0.0, 1.0], num_guesses=guesses)


@pytest.mark.parametrize(
    ("bound", "printed"), [(0.57847, 0.579), (0.5, 0.5), (1.0, 1.0), (0.0203, 0.021)]
)
def test_a_bound_is_printed_never_below_itself(bound, printed):
    assert rounded_up(bound) == printed >= bound


@given(st.floats(1e-9, 1e9))
@example(9.1812)
@example(999.9)
def test_an_epsilon_is_printed_in_three_digits_never_below_itself(bound):
    printed = float(upper_text(bound).replace(",", ""))
    assert bound * (1 - 1e-11) <= printed <= bound * 1.0101


@pytest.mark.parametrize("short", [0.0003, 0.9, 10.0, 1e-5, 1_000_000.0, 0.0])
def test_an_epsilon_of_few_digits_is_printed_as_it_is(short):
    assert float(upper_text(short).replace(",", "")) == short


def test_no_guarantee_is_printed_as_infinite():
    assert upper_text(float("inf")) == "inf"


@pytest.mark.parametrize("bound", [epsilon_one_run, epsilon_clopper_pearson])
def test_scores_are_named_as_they_are_passed(bound):
    with pytest.raises(ValueError, match="`in_scores` must be finite"):
        bound([float("nan")], [0.0])
