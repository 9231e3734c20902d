import numpy as np
import pytest
from scipy import optimize, stats
from scipy.spatial.distance import cdist

from keras_mixup_gan.auditing.feature_likelihood import (
    BASE_SHARE,
    fitted_variances,
    fld_gap,
    log_likelihoods,
)

RNG = np.random.default_rng(0)


def drawn(number, seed, features=3):
    return np.random.default_rng(seed).normal(size=(number, features))


def test_likelihoods_are_those_of_scipy():
    points, centers, variances = drawn(5, 0), drawn(4, 1), RNG.normal(size=4)
    expected = np.mean(
        [
            stats.multivariate_normal(center, np.exp(variance)).pdf(points)
            for center, variance in zip(centers, variances, strict=True)
        ],
        axis=0,
    )
    found = log_likelihoods(points, centers, variances)
    np.testing.assert_allclose(found, np.log(expected), rtol=1e-9)


def test_no_other_optimizer_finds_likelier_variances():
    train, centers = drawn(60, 2), drawn(6, 3)

    def loss(logs):
        squares = np.concatenate(
            [
                cdist(train, centers) ** 2,
                BASE_SHARE**2 * cdist(train, train.mean(axis=0)[None]) ** 2,
            ],
            axis=1,
        )
        each = -0.5 * (squares / np.exp(logs) + 3 * (logs + np.log(2 * np.pi)))
        each[:, :-1] -= np.log(6)
        return -np.log(np.exp(each).sum(axis=1)).mean()

    found = fitted_variances(train, centers)
    start = np.append(found, 0.0)
    base = optimize.minimize_scalar(lambda x: loss(np.append(found, x))).x
    best = optimize.minimize(loss, start, method="L-BFGS-B", bounds=[(-40, 20)] * 7)
    assert loss(np.append(found, base)) <= best.fun + 1e-4


@pytest.mark.long
def test_samples_of_the_same_law_have_no_gap_and_copies_have_a_large_one():
    train, others = drawn(500, 4, 8), drawn(500, 5, 8)
    # Widths are fitted to the training images, which makes them a little likelier.
    fresh = drawn(500, 6, 8)
    assert -10 < fld_gap(train, others, fresh) < 0
    assert -10 < fld_gap(others, train, fresh) < 0
    half = np.concatenate([train[:250], drawn(250, 7, 8)])
    assert fld_gap(train, others, half) < -100
    # Copies of non-members say nothing of members.
    half = np.concatenate([others[:250], drawn(250, 7, 8)])
    assert fld_gap(train, others, half) > -10


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_the_gap_has_no_units(scale):
    parts = drawn(80, 8), drawn(80, 9), drawn(80, 10)
    scaled = fld_gap(*(scale * part + 3 for part in parts))
    assert scaled == pytest.approx(fld_gap(*parts), rel=1e-6)


def test_a_feature_that_never_changes_counts_nothing_apart():
    parts = [np.pad(part, ((0, 0), (0, 1))) for part in (drawn(50, 1), drawn(50, 2))]
    assert np.isfinite(fld_gap(*parts, parts[1][::-1]))
