import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from keras_mixup_gan.metrics import frechet_distance


def normal(count, width, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).normal(size=(count, width))


def with_moments(mean, root, count=200, seed=0):
    """Samples with exactly this mean and the covariance `root @ root.T`."""
    centered = normal(count, len(mean), seed)
    centered -= centered.mean(axis=0)
    factor = np.linalg.cholesky(np.cov(centered, rowvar=False))
    return centered @ np.linalg.inv(factor).T @ root.T + mean


def oracle(x, y):
    sigma_x, sigma_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(sigma_x @ sigma_y)
    shift = x.mean(axis=0) - y.mean(axis=0)
    return shift @ shift + np.trace(sigma_x + sigma_y - 2 * root.real)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31), width=st.integers(2, 12))
def test_agrees_with_the_matrix_square_root(seed, width):
    x = normal(50, width, seed) @ normal(width, width, seed + 1)
    y = normal(70, width, seed + 2) @ normal(width, width, seed + 3) + 1.0
    assert frechet_distance(x, y) == pytest.approx(oracle(x, y), rel=1e-7)


def test_identical_sets_are_at_distance_zero():
    for x in (normal(300, 20), normal(10, 40), np.ones((5, 3))):
        assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-10)
        assert frechet_distance(x, x[::-1]) == pytest.approx(0.0, abs=1e-10)


def test_a_shift_costs_its_squared_length():
    x, shift = normal(500, 6), np.arange(6.0)
    assert frechet_distance(x, x + shift) == pytest.approx(shift @ shift)


def test_a_scale_costs_the_squared_difference_of_deviations():
    x = with_moments(np.zeros(4), np.eye(4))
    assert frechet_distance(x, 3 * x) == pytest.approx(4 * (3 - 1) ** 2)


def test_closed_form_of_two_gaussians():
    root = np.array([[2.0, 0.0], [1.0, 1.0]])
    x = with_moments(np.array([1.0, 0.0]), np.diag([1.0, 3.0]))
    y = with_moments(np.array([0.0, 2.0]), root, seed=1)
    product = np.diag([1.0, 9.0]) @ root @ root.T
    # tr sqrt(M) of a 2 x 2 matrix is sqrt(tr M + 2 sqrt(det M)).
    cross = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    expected = 1 + 4 + 10 + np.trace(root @ root.T) - 2 * cross
    assert frechet_distance(x, y) == pytest.approx(expected)


def test_singular_covariances_lose_no_accuracy():
    direction = np.linspace(-1, 1, 40)
    line = np.outer(normal(30, 1)[:, 0], direction)
    deviation = line.std(axis=0, ddof=1)
    expected = float(np.square(deviation).sum())
    assert frechet_distance(line, 2 * line - line.mean(axis=0)) == pytest.approx(
        expected, rel=1e-12
    )


def test_fewer_samples_than_features():
    x, y = normal(10, 30), normal(12, 30, seed=1)
    sigma_x, sigma_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    eigenvalues = np.linalg.eigvals(sigma_x @ sigma_y).real
    cross = np.sqrt(np.maximum(eigenvalues, 0)).sum()
    shift = x.mean(axis=0) - y.mean(axis=0)
    expected = shift @ shift + np.trace(sigma_x + sigma_y) - 2 * cross
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31))
def test_is_symmetric_nonnegative_and_blind_to_rotation(seed):
    x, y = normal(40, 5, seed), normal(30, 5, seed + 1, scale=2.0)
    rotation = np.linalg.qr(normal(5, 5, seed + 2))[0]
    distance = frechet_distance(x, y)
    assert distance >= 0
    assert frechet_distance(y, x) == pytest.approx(distance)
    assert frechet_distance(x @ rotation, y @ rotation) == pytest.approx(distance)


def test_is_biased_upwards_in_small_samples():
    x = normal(4000, 10)
    assert frechet_distance(x[:50], x[50:100]) > 5 * frechet_distance(
        x[:2000], x[2000:]
    )


def test_float32_features_are_summed_in_float64():
    x = (normal(2000, 8) + 1000).astype("float32")
    y = (normal(2000, 8, seed=1) + 1000).astype("float32")
    expected = oracle(x.astype("float64"), y.astype("float64"))
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros(5), r"one row of numbers per image.*shape=\(5,\)"),
        (np.zeros((2, 4, 4, 1)), "Pass the output of a `FeatureExtractor`"),
        (np.array([["a", "b"]]), "one row of numbers"),
        (np.zeros((1, 3)), "at least 2 samples"),
        (np.zeros((5, 0)), "at least 2 samples"),
        (np.zeros((5, 4)), "have 3 features.*Received: 4"),
        (np.array([[0, 1, np.nan], [0, np.inf, 0]]), "2 values that are NaN or inf"),
    ],
)
def test_unfit_features_are_refused(features, message):
    with pytest.raises(ValueError, match=f"`generated_features` must .*{message}"):
        frechet_distance(normal(5, 3), features)


def test_features_whose_squares_overflow_are_no_perfect_score():
    features = normal(20, 3)
    with pytest.raises(ValueError, match="too large"):
        frechet_distance(features * 1e155, features * 3e155)
