"""Balls, kernels, and the rules for their size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from keras_mixup_gan.attacks import (
    AttackTarget,
    MonteCarlo,
    MonteCarloInverse,
    MonteCarloLog,
    ParzenWindow,
)
from keras_mixup_gan.attacks.samples.kernels import (
    KernelDensity,
    RunningDensity,
    gaussian_log_density,
    likelihood_bandwidth,
)
from keras_mixup_gan.attacks.samples.nearest import Search
from tests.attacks.fakes import images

QUERIES, SAMPLES, OUTSIDE = images(50, 1), images(3000, 2), images(90, 3)
TARGET = AttackTarget.from_model(SAMPLES, reference=OUTSIDE)
MEANS = {
    MonteCarlo: lambda d, eps: np.ones_like(d),
    MonteCarloLog: lambda d, eps: -np.log(d / eps),
    MonteCarloInverse: lambda d, eps: eps / d,
}


def distances(queries, samples):
    return cdist(
        np.float64(queries).reshape(len(queries), -1),
        np.float64(samples).reshape(len(samples), -1),
    )


@pytest.mark.parametrize("attack", MEANS)
@pytest.mark.parametrize("eps", ["median", 1.0, 0.1])
@pytest.mark.parametrize("eps_from", ["reference", "queries"])
def test_scores_are_means_over_the_ball(attack, eps, eps_from):
    fitted = attack(eps=eps, eps_from=eps_from, features="pixels").fit(TARGET)
    samples = TARGET.sampler(0, 3000)  # in the order in which they are looked at
    yardstick = distances(OUTSIDE if eps_from == "reference" else QUERIES, samples)
    radius = (
        np.median(yardstick.min(axis=1))
        if eps == "median"
        else np.percentile(yardstick[:, :2000], eps)
    )
    all_distances = distances(QUERIES, SAMPLES)
    inside = all_distances < radius
    expected = np.where(inside, MEANS[attack](all_distances, radius), 0).mean(axis=1)
    np.testing.assert_allclose(fitted.score(QUERIES), expected, rtol=1e-9, atol=1e-15)
    assert fitted.transductive == (eps_from == "queries")
    assert fitted.settings["transductive"] == fitted.transductive
    if eps_from == "reference":
        assert fitted.settings["radius"] == pytest.approx(radius, rel=1e-12)


def test_only_the_transductive_rule_looks_at_the_company_of_a_query():
    for eps_from, alike in (("reference", True), ("queries", False)):
        attack = MonteCarloLog(eps=1.0, eps_from=eps_from).fit(TARGET)
        alone = attack.score(QUERIES[:5])
        assert np.array_equal(alone, attack.score(QUERIES)[:5]) == alike


def test_a_sample_just_on_the_ball_does_not_count():
    queries = np.zeros((1, 2))
    samples = np.array([[3.0, 4.0], [0.0, np.nextafter(5.0, 0)], [0.0, 5.0], [6.0, 0]])
    search = Search(queries, radius=5.0)
    search.see(samples)
    assert search.ball.counts[0] == 1


def test_a_copy_counts_as_almost_but_not_quite_at_no_distance():
    search = Search(np.ones((2, 3)), radius=0.5)
    search.see(np.ones((4, 3)))
    np.testing.assert_allclose(search.ball.logs, -4 * np.log(1e-12))
    np.testing.assert_allclose(search.ball.inverses, 4e12)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.lists(st.integers(1, 2999), max_size=8), st.floats(0.5, 3))
def test_chunks_make_no_bit_of_difference_to_a_ball(cuts, radius):
    whole, pieces = Search(QUERIES, radius=radius), Search(QUERIES, radius=radius)
    whole.see(SAMPLES)
    for piece in np.split(SAMPLES, sorted(set(cuts))):
        pieces.see(piece)
    for name in ("counts", "logs", "inverses"):
        np.testing.assert_array_equal(
            getattr(pieces.ball, name), getattr(whole.ball, name)
        )
    inside = distances(QUERIES, SAMPLES) < radius
    np.testing.assert_array_equal(whole.ball.counts, inside.sum(axis=1))
    nearest = Search(QUERIES)
    nearest.see(SAMPLES)
    np.testing.assert_array_equal(whole.squares, nearest.squares)


def test_no_radius_is_refused():
    target = AttackTarget.from_model(OUTSIDE, reference=OUTSIDE)
    with pytest.raises(ValueError, match="found no radius"):
        MonteCarlo().fit(target)


@pytest.mark.parametrize("wrong", [{"eps": 0}, {"eps": "mean"}, {"eps_from": "all"}])
def test_impossible_rules_are_refused(wrong):
    with pytest.raises(ValueError, match=r"`?eps"):
        MonteCarlo(**wrong)


# === Kernels ===


def test_the_parzen_window_is_a_mean_of_gaussians():
    attack = ParzenWindow(features="pixels").fit(TARGET)
    width = attack.settings["bandwidth"]
    exponents = -(distances(QUERIES, SAMPLES) ** 2) / (2 * width**2)
    expected = logsumexp(exponents, axis=1) - np.log(3000)
    expected -= 8 * np.log(2 * np.pi * width**2)
    np.testing.assert_allclose(attack.score(QUERIES), expected, rtol=1e-9)


def test_the_bandwidth_makes_rows_likeliest_given_the_others():
    rows = np.random.default_rng(0).normal(size=(200, 3))

    def likelihood(width):
        total = 0.0
        for at in range(200):
            others = np.delete(rows, at, axis=0)
            exponents = -((others - rows[at]) ** 2).sum(axis=1) / (2 * width**2)
            total += logsumexp(exponents) - 3 * np.log(width)
        return total

    found = likelihood_bandwidth(rows, 1.0)
    assert 0.2 < found < 0.8
    assert all(likelihood(found) > likelihood(found * f) for f in (0.95, 1.05))


def test_repeated_rows_do_not_make_the_bandwidth_vanish():
    assert likelihood_bandwidth(np.ones((50, 2)), 1.0) == pytest.approx(1e-3, rel=0.1)


@pytest.mark.parametrize("dimensions", [1, 2, 128])
def test_kernel_densities_are_those_of_scipy(dimensions):
    from scipy.stats import gaussian_kde

    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(dimensions, dimensions)) / 50 + np.eye(dimensions)
    rows = rng.normal(size=(500, dimensions)) @ mixing
    queries = rng.normal(size=(40, dimensions)) @ mixing
    expected = gaussian_kde(rows.T).logpdf(queries.T)
    np.testing.assert_allclose(
        KernelDensity(rows).log_density(queries), expected, rtol=1e-9
    )


def test_densities_far_away_are_finite_and_in_order():
    running = RunningDensity(np.array([[0.0], [1e3], [1e5]]), 0.01)
    running.see(np.array([[0.0], [1.0]]))
    scores = running.log_density()
    assert np.isfinite(scores).all()
    assert (np.diff(scores) < 0).all()


def test_the_gaussian_density_is_that_of_scipy():
    from scipy.stats import multivariate_normal

    rows = np.random.default_rng(0).normal(size=(300, 5)) * [1, 2, 3, 4, 5]
    expected = multivariate_normal(rows.mean(axis=0), np.cov(rows.T)).logpdf(rows)
    np.testing.assert_allclose(gaussian_log_density(rows, rows), expected, rtol=1e-9)
