"""Nearness in spaces that are the same for every model."""

import numpy as np
import pytest
from scipy.fft import dctn
from scipy.special import logsumexp

from keras_mixup_gan.attacks import AttackTarget, LatentGradient
from keras_mixup_gan.attacks.samples.near import (
    FeatureNeighbors,
    NeighborDensity,
    Neighbors,
    low_frequencies,
)
from keras_mixup_gan.attacks.shadows.signals import (
    SAMPLE_SIGNALS,
    SIGNALS,
    default_signals,
    measure,
)
from tests.attacks.fakes import FakeGAN, images
from tests.attacks.linear import Linear

QUERIES = images(30, 1, (12, 10, 3))
SAMPLES = images(70, 2, (12, 10, 3))


@pytest.fixture(scope="module")
def target():
    return AttackTarget.from_model(SAMPLES)


def test_low_frequencies_are_those_of_a_cosine_transform():
    expected = dctn(QUERIES.astype("float64"), axes=(1, 2), norm="ortho")[:, :8, :8]
    expected = np.moveaxis(expected, 3, 1).reshape(30, -1)
    found = low_frequencies(QUERIES)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(low_frequencies(QUERIES[7:9]), found[7:9])
    assert low_frequencies(images(2, 3)).shape == (2, 16)  # all that 4 x 4 pixels have


def test_scores_are_those_of_all_distances(target):
    pixels = QUERIES.reshape(30, -1), SAMPLES.reshape(70, -1)
    waves = low_frequencies(QUERIES), low_frequencies(SAMPLES)
    nearest = [
        np.sort(((np.float64(queries)[:, None] - samples) ** 2).sum(axis=2), axis=1)
        for queries, samples in (pixels, waves)
    ]
    for attack, squares in zip((Neighbors, FeatureNeighbors), nearest, strict=True):
        expected = -np.sqrt(squares[:, :10]).mean(axis=1)
        found = attack(70).fit(target).score(QUERIES)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    samples = np.float64(target.generate(0, 70).reshape(70, -1))
    gaps = ((samples[:17, None] - samples[17:]) ** 2).sum(axis=2).min(axis=1)
    variance = 0.1 * np.median(np.sqrt(gaps)) ** 2
    expected = logsumexp(-nearest[0][:, :32] / (2 * variance), axis=1)
    density = NeighborDensity(70).fit(target).score(QUERIES)
    np.testing.assert_allclose(density, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("attack", [Neighbors, FeatureNeighbors, NeighborDensity])
@pytest.mark.parametrize("samples", [SAMPLES[:1], SAMPLES[:3], SAMPLES[[0] * 40]])
def test_few_samples_and_samples_that_repeat_are_compared_too(attack, samples):
    few = attack().fit(AttackTarget.from_model(samples))
    assert np.isfinite(few.score(QUERIES)).all()


def test_one_pass_over_the_samples_serves_all_signals_of_samples():
    model = FakeGAN(images(20, 4))
    asked = AttackTarget.from_model(model)
    sizes = {name: 50 for name in SAMPLE_SIGNALS}
    found = measure(sizes, asked, images(9, 5), None)
    assert sum(model.batch_sizes) == 50 + 50  # and those that set a bandwidth
    for name, size in sizes.items():
        alone = SIGNALS[name].attack(size).fit(asked).score(images(9, 5))
        np.testing.assert_array_equal(found[name], alone)


def test_signals_by_default_are_those_of_samples_and_of_the_discriminator():
    assert default_signals(None) == ("critic", *SAMPLE_SIGNALS, "moments")
    assert default_signals(None, ["layers"])[-1] == "layers"
    assert set(default_signals("color")) == {*default_signals(None), "augmented"}


def test_reconstruction_is_a_signal_of_the_generator():
    linear = Linear()
    queries = images(6, 7)
    target = linear.target(gradients=True)
    found = measure({"reconstruction": 40}, target, queries, None)["reconstruction"]
    attack = LatentGradient(40, num_steps=100, num_restarts=0).fit(target)
    np.testing.assert_array_equal(found, attack.score(queries))
    assert (found <= -linear.best_losses(queries) + 1e-9).all()
