import numpy as np
import pytest
from scipy import stats

from keras_mixup_gan import theory
from keras_mixup_gan.theory import kernel_density

# Exact density-ratio attack on 100 members: no mixup, then alpha .2, 1 and 4.
REFERENCE = [
    (2, 0.2, None, 0.791),
    (2, 0.2, 0.2, 0.781),
    (2, 0.2, 1.0, 0.675),
    (2, 0.2, 4.0, 0.547),
    (8, 0.5, None, 0.998),
    (8, 0.5, 4.0, 0.994),
    (32, 0.5, None, 1.0),
    (32, 0.5, 4.0, 1.0),
]


@pytest.mark.parametrize(("dim", "bandwidth", "alpha", "expected"), REFERENCE)
def test_reference_table(dim, bandwidth, alpha, expected):
    """Blends hide members of a kernel density in low dimension only."""
    estimate = theory.kernel_density_auc(
        100, dim, bandwidth, alpha, num_blends=10_000, num_releases=12
    )
    margin = 4 * estimate.standard_error + 0.005  # the table's own error
    assert estimate.value == pytest.approx(expected, abs=margin)


def test_density_is_the_mean_of_its_kernels():
    rng = np.random.default_rng(0)
    queries, centers = rng.normal(size=(7, 3)), rng.normal(size=(5_000, 3))
    expected = [
        np.log(np.mean(stats.norm(centers, 0.4).pdf(query).prod(axis=1)))
        for query in queries
    ]
    found = theory.kernel_log_density(queries, centers, 0.4)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_density_far_away_is_finite():
    far = theory.kernel_log_density(np.full((1, 3_072), 1.0), np.zeros((2, 3_072)), 0.1)
    assert np.isfinite(far).all()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_blends_have_the_moments_of_the_theory(alpha):
    members = np.random.default_rng(0).normal(size=(6, 2)) * [1.0, 3.0]
    blends = theory.blended_centers(members, alpha, 200_000)
    mean, covariance = theory.blend_moments(members, alpha)
    np.testing.assert_allclose(blends.mean(axis=0), mean, atol=0.03)
    measured = np.cov(blends.T, bias=True)
    np.testing.assert_allclose(measured, covariance, atol=0.02 * covariance.max())


def test_refuses_what_are_no_records():
    with pytest.raises(ValueError, match="members"):
        theory.blended_centers(np.zeros((1, 2)), 1.0, 5)
    with pytest.raises(ValueError, match="different spaces"):
        theory.kernel_log_density(np.zeros((1, 2)), np.zeros((1, 3)), 1.0)
    with pytest.raises(ValueError, match="bandwidth"):
        theory.kernel_density_auc(10, 2, 0.0)


def test_blocks_of_queries_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    queries, centers = random.normal(size=(50, 3)), random.normal(size=(20, 3))
    whole = theory.kernel_log_density(queries, centers, 0.5)
    monkeypatch.setattr(kernel_density, "_QUERY_BLOCK", 7)
    np.testing.assert_allclose(theory.kernel_log_density(queries, centers, 0.5), whole)
