import dataclasses
import math

import numpy as np
import pytest
import scipy.stats

from keras_mixup_gan import DPSGD
from keras_mixup_gan.privacy import PrivacyReport, epsilon, privacy_profile
from keras_mixup_gan.rounding import upper_text
from tests.models.tiny import make, random_images


def report(steps, rate=128 / 60_000, noise=1.0, delta=1e-5, **arguments):
    return PrivacyReport.of_training(
        sampling_rate=rate,
        noise_multiplier=noise,
        d_steps=steps,
        delta=delta,
        l2_norm_clip=1.0,
        statement="",
        **arguments,
    )


# Batches of 128 out of 60,000 images with noise 1, worked out independently.
@pytest.mark.parametrize(
    ("steps", "advantage", "tpr", "auc", "rdp", "shuffled"),
    [
        (10_000, 0.111, 0.021, 0.579, 1.28, 32.1),
        (50_000, 0.244, 0.045, 0.671, 2.83, 101.4),
    ],
)
def test_what_epsilon_says_of_attacks(steps, advantage, tpr, auc, rdp, shuffled):
    found = report(steps)
    assert advantage - 0.002 < found.max_advantage <= advantage + 0.0005
    assert tpr - 0.002 < found.tpr_bound(0.01) <= tpr
    assert auc - 0.002 < found.auc_bound <= auc
    assert found.epsilon == epsilon(128 / 60_000, 1.0, steps, 1e-5)
    assert found.epsilon_rdp == pytest.approx(rdp, abs=0.01)
    assert found.epsilon_no_amplification == pytest.approx(shuffled, rel=0.01)


def test_bounds_of_a_gaussian_are_its_trade_off_curve():
    # One full-batch release: telling N(0, 1) from N(1 / z, 1) is all there is.
    noise = 1.5
    found = report(1, rate=1.0, noise=noise)
    rates = np.array([0.001, 0.01, 0.1, 0.3, 0.5, 0.8, 0.99])
    normal = scipy.stats.norm
    exact = normal.sf(normal.isf(rates) - 1 / noise)
    bounds = found.tpr_bound(rates)
    assert np.all(bounds >= exact)
    np.testing.assert_allclose(bounds, exact, rtol=0.01)
    auc = normal.cdf(1 / noise / np.sqrt(2))
    assert auc <= found.auc_bound < auc + 0.003
    advantage = 2 * normal.cdf(1 / (2 * noise)) - 1
    assert advantage <= found.max_advantage < advantage + 0.001


def test_bounds_are_concave_symmetric_and_never_below_guessing():
    found = report(2000, rate=0.064, noise=3.9, delta=1e-4)
    rates = np.linspace(0, 1, 501)
    bounds = found.tpr_bound(rates)
    assert bounds.shape == rates.shape
    assert np.all(bounds >= rates)
    assert np.all(np.diff(bounds) >= 0)
    assert np.all(np.diff(bounds, 2) < 1e-9)
    # Who takes non-members for members and the reverse meets the same bound.
    mirrored = 1 - np.interp(1 - rates, bounds, rates)
    np.testing.assert_allclose(mirrored[5:-5], bounds[5:-5], atol=0.01)
    assert isinstance(found.tpr_bound(0.1), float)
    assert 0.5 < found.auc_bound < 1


def test_without_noise_there_is_no_bound():
    found = report(10, noise=0.0)
    assert found.epsilon == found.epsilon_rdp == math.inf
    assert found.max_advantage == found.auc_bound == found.tpr_bound(0.0) == 1


@pytest.mark.parametrize("noise", [0.25, 1.0])
def test_profile_agrees_with_epsilon(noise):
    spent = epsilon(0.1, noise, 20, 1e-4)
    deltas = privacy_profile(0.1, noise, 20, [0.0, spent, 2 * spent])
    assert deltas[1] == pytest.approx(1e-4, rel=0.02)
    assert 1 >= deltas[0] > deltas[1] > deltas[2] >= 0
    np.testing.assert_array_equal(privacy_profile(0.1, noise, 0, [0.0, 1.0]), 0)
    unsorted = privacy_profile(0.1, noise, 20, [[2 * spent, 0.0], [spent, 0.0]])
    np.testing.assert_array_equal(unsorted, deltas[[[2, 0], [1, 0]]])


# === Of a model ===


def test_a_model_reports_its_own_training():
    model = make(dp=DPSGD(0.5, 3.0), discriminator_steps=2)
    model.run_eagerly = True
    model.fit(random_images(20), batch_size=5, verbose=0)
    found = model.privacy_report(1e-3)
    assert isinstance(found, PrivacyReport)
    assert found.epsilon == model.epsilon(1e-3)
    assert found.epsilon_rdp == model.epsilon(1e-3, "rdp")
    assert found.statement == model.privacy_statement(1e-3)
    assert (found.d_steps, found.sampling_rate) == (4, 0.25)
    assert (found.noise_multiplier, found.l2_norm_clip) == (3.0, 0.5)
    assert found.sensitivity_multiplier == 1
    assert found.unit == "one training image"
    assert (found.sampling, found.adjacency) == ("poisson", "add-or-remove-one")
    assert found.noise_source == "operating-system entropy"
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.epsilon = 0
    text = str(found)
    for words in (
        f"epsilon {upper_text(found.epsilon)}",
        "4 discriminator",
        "Not covered",
    ):
        assert words in text
    assert all(sentence in text for sentence in found.not_covered)
    assert model.privacy_report().delta == 1e-5


def test_default_delta_is_below_one_over_the_number_of_images():
    model = make(dp=DPSGD(num_examples=50_000))
    model.run_eagerly = True
    model.fit(random_images(20), batch_size=5, steps_per_epoch=1, verbose=0)
    assert model.privacy_report().delta == pytest.approx(0.1 / 50_000)


@pytest.mark.long
def test_a_report_owns_up_to_a_declared_seed():
    model = make(dp=DPSGD(noise_seed=1))
    model.run_eagerly = True
    model.fit(random_images(20), batch_size=5, steps_per_epoch=1, verbose=0)
    found = model.privacy_report()
    assert found.noise_source == "a declared seed"
    assert any("declared seed" in sentence for sentence in found.not_covered)


@pytest.mark.parametrize(
    ("defense", "words"),
    [({}, "epsilon is infinite"), ({"dp": DPSGD()}, "epsilon is 0")],
)
def test_no_report_without_a_private_training(defense, words):
    with pytest.raises(ValueError, match=f"no guarantee to report.*{words}") as caught:
        make(**defense).privacy_report()
    assert "\n" not in str(caught.value)
