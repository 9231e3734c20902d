import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from keras_mixup_gan import theory


def test_mu_is_that_of_the_simulated_attack():
    """An attacker who knows all else tests a shift of the blends along a line."""
    rng = np.random.default_rng(0)
    noise, blends, weight, trials = 2.0, 9, 0.5, 20_000
    record, other = np.array([1.0, -1.0]), np.array([-1.0, 1.0])
    shift = weight * (record - other)
    noises = noise * rng.normal(size=(2, trials, blends, 2))
    ins, outs = (noises[0] + shift) @ shift, noises[1] @ shift
    measured = theory.monte_carlo_auc(ins.sum(axis=1), outs.sum(axis=1))
    mu = theory.noisy_blends_mu(noise, blends, np.sqrt(8), weight)
    exact = theory.gaussian_shift_auc(mu)
    assert exact == pytest.approx(measured.value, abs=4 * measured.standard_error)


@settings(deadline=None, max_examples=40)
@given(mu=st.floats(0.01, 30), log_delta=st.floats(-12, -0.5))
def test_exact_epsilon_solves_its_equation(mu, log_delta):
    delta = 10**log_delta
    epsilon = theory.gaussian_epsilon(mu, delta)
    tail = np.exp(epsilon + special.log_ndtr(-epsilon / mu - mu / 2))
    reached = special.ndtr(-epsilon / mu + mu / 2) - tail
    if epsilon == 0:
        assert reached <= delta * (1 + 1e-6)
    else:
        assert reached == pytest.approx(delta, rel=1e-3)


@pytest.mark.parametrize("mu", [0.2, 1.0, 8.0])
def test_no_power_exceeds_what_epsilon_allows(mu):
    for delta in (1e-5, 0.01):
        epsilon = theory.gaussian_epsilon(mu, delta)
        for fpr in (1e-6, 1e-3, 0.1):
            power = theory.gaussian_shift_tpr(mu, fpr)
            assert power <= np.exp(epsilon) * fpr + delta * (1 + 1e-6)


@pytest.mark.parametrize(
    ("noise", "blends", "weight"), [(4.0, 1, 1.0), (4.0, 16, 0.5), (1.0, 2, 0.75)]
)
def test_accountant_agrees_with_the_closed_form(noise, blends, weight):
    mu = theory.noisy_blends_mu(noise, blends, 2.0, weight)
    exact = theory.gaussian_epsilon(mu, 1e-5)
    tight = theory.noisy_blends_epsilon(noise, blends, 2.0, 1e-5, weight)
    renyi = theory.noisy_blends_epsilon(noise, blends, 2.0, 1e-5, weight, "rdp")
    assert tight == pytest.approx(exact, rel=1e-3)
    assert exact <= renyi <= 1.2 * exact


def test_epsilon_is_given_however_large():
    """Blends of 28 x 28 images under noise of half the pixel range, seen 200 times."""
    diameter = 2 * np.sqrt(784)
    mu = theory.noisy_blends_mu(1.0, 200, diameter, 0.5)
    exact = theory.gaussian_epsilon(mu, 1e-5)
    assert exact > 70_000
    assert exact <= theory.noisy_blends_epsilon(1.0, 200, diameter, 1e-5, 0.5)
    assert theory.noisy_blends_epsilon(1.0, 200, diameter, 1e-5, 0.5) < 1.15 * exact


def test_without_noise_there_is_no_epsilon():
    assert theory.noisy_blends_mu(0.0, 5, 1.0) == float("inf")
    assert theory.noisy_blends_epsilon(0.0, 5, 1.0, 1e-5) == float("inf")
    assert theory.gaussian_epsilon(float("inf"), 1e-5) == float("inf")


def test_what_was_not_released_gives_nothing_away():
    assert theory.noisy_blends_mu(0.0, 0, 1.0) == 0
    assert theory.noisy_blends_epsilon(1.0, 0, 1.0, 1e-5) == 0
    assert theory.gaussian_epsilon(0.0, 1e-5) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_stddev": -1.0},
        {"num_blends": -1},
        {"diameter": 0.0},
        {"max_weight": 0.0},
        {"max_weight": 1.5},
        {"delta": 0.0},
    ],
)
def test_refuses_settings_out_of_range(wrong):
    given_settings = {
        "noise_stddev": 1.0,
        "num_blends": 5,
        "diameter": 1.0,
        "delta": 1e-5,
        **wrong,
    }
    with pytest.raises(ValueError, match=next(iter(wrong))):
        theory.noisy_blends_epsilon(**given_settings)


# === Noise that each image gets once ===


@pytest.mark.parametrize("noise", [10.0, 50.0, 200.0])
def test_guarantee_of_noisy_images_is_that_of_other_implementations(noise):
    """Normal laws of SciPy, and the privacy loss distribution of dp-accounting."""
    from dp_accounting.pld import privacy_loss_distribution

    delta, fpr, diameter = 1e-5, 0.01, 56.0
    found = theory.noisy_image_guarantee(noise, diameter, delta, fpr)
    losses = privacy_loss_distribution.from_gaussian_mechanism(
        noise, sensitivity=diameter, value_discretization_interval=1e-3
    )
    assert found.mu == pytest.approx(diameter / noise)
    assert found.epsilon == pytest.approx(losses.get_epsilon_for_delta(delta), rel=1e-4)
    without, with_it = stats.norm(0, noise), stats.norm(diameter, noise)
    assert found.largest_tpr == pytest.approx(with_it.sf(without.isf(fpr)))
    difference = stats.norm(diameter, noise * np.sqrt(2))
    assert found.largest_auc == pytest.approx(difference.sf(0))


def test_the_bound_is_reached_by_the_best_attack_and_by_none_on_clipped_images():
    """Two images in opposite corners; clipping is post-processing."""
    rng = np.random.default_rng(0)
    noise, shape = 2.0, (20_000, 4)
    inside, outside = rng.normal(1, noise, shape), rng.normal(-1, noise, shape)
    bound = theory.noisy_image_guarantee(noise, 2 * np.sqrt(4), 1e-5).largest_auc
    best = theory.monte_carlo_auc(inside.sum(axis=1), outside.sum(axis=1))
    assert best.value == pytest.approx(bound, abs=4 * best.standard_error)
    clipped = [rows.clip(-1, 1).sum(axis=1) for rows in (inside, outside)]
    assert theory.monte_carlo_auc(*clipped).value < bound


@settings(deadline=None, max_examples=40)
@given(
    noise=st.floats(0.3, 1e3),
    diameter=st.floats(0.1, 100),
    more=st.floats(1.1, 3),
    log_delta=st.floats(-12, -1),
)
def test_more_noise_and_nearer_images_never_guarantee_less(
    noise, diameter, more, log_delta
):
    delta = 10**log_delta
    found, noisier, nearer = (
        np.array(theory.noisy_image_guarantee(*terms, delta))
        for terms in (
            (noise, diameter),
            (noise * more, diameter),
            (noise, diameter / more),
        )
    )
    assert np.all(noisier <= found)
    np.testing.assert_allclose(noisier, nearer, rtol=1e-6, atol=1e-12)


def test_guarantees_at_the_ends():
    assert theory.noisy_image_guarantee(0.0, 1.0, 1e-5) == (np.inf, np.inf, 1, 1)
    nothing_left = theory.noisy_image_guarantee(1e12, 1.0, 1e-5, fpr=0.03)
    np.testing.assert_allclose(nothing_left, (0, 0, 0.5, 0.03), atol=1e-9)
    with pytest.raises(ValueError, match="`fpr`"):
        theory.noisy_image_guarantee(1.0, 1.0, 1e-5, fpr=0.0)


def test_no_noise_and_no_shift_are_the_ends_of_epsilon():
    assert theory.gaussian_epsilon(1e155, 1e-5) == math.inf
    assert theory.noisy_blends_epsilon(1e-200, 1, 56.0, 1e-5) == math.inf
    assert theory.noisy_blends_epsilon(math.inf, 1, 56.0, 1e-5) == 0.0
