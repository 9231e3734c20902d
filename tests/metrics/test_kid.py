import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import polynomial_kernel

from keras_mixup_gan.metrics import KernelDistance, kernel_distance, kid


def normal(count, width, seed, shift=0.0):
    return np.random.default_rng(seed).normal(size=(count, width)) + shift


def oracle(x, y):
    """The estimate as the definition writes it, pair by pair."""
    n, m = len(x), len(y)
    xx, yy, xy = (
        polynomial_kernel(a, b, degree=3, coef0=1) for a, b in [(x, x), (y, y), (x, y)]
    )
    within_x = (xx.sum() - np.trace(xx)) / (n * (n - 1))
    within_y = (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return within_x + within_y - 2 * xy.mean()


@settings(deadline=None, max_examples=20)
@given(
    n=st.integers(4, 30),
    m=st.integers(4, 30),
    width=st.integers(1, 9),
    seed=st.integers(0, 2**31),
)
def test_agrees_with_the_definition(n, m, width, seed):
    x, y = normal(n, width, seed), normal(m, width, seed + 1, shift=0.5)
    estimate = kernel_distance(x, y)
    assert estimate.value == pytest.approx(oracle(x, y), rel=1e-9, abs=1e-12)
    assert estimate.standard_error >= 0
    assert kernel_distance(y, x) == pytest.approx(estimate)


def test_blocks_do_not_change_the_result(monkeypatch):
    x, y = normal(37, 5, 0), normal(53, 5, 1)
    whole = kernel_distance(x, y)
    monkeypatch.setattr(kid, "_BLOCK", 8)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-9)


def test_closed_form_of_two_points():
    """Constant sets at a and b: k(a, a) + k(b, b) - 2 k(a, b), without error."""
    x, y = np.full((4, 2), 1.0), np.full((5, 2), 2.0)
    expected = 2.0**3 + 5.0**3 - 2 * 3.0**3
    assert kernel_distance(x, y) == pytest.approx((expected, 0.0), abs=1e-6)


def replicate(n, m, shift, num=400):
    """Values and standard errors over fresh draws of both sets."""
    return np.array(
        [
            kernel_distance(normal(n, 4, 2 * i), normal(m, 4, 2 * i + 1, shift))
            for i in range(num)
        ]
    ).T


@pytest.mark.parametrize(
    ("n", "m", "shift"), [(60, 60, 0.0), (30, 120, 0.0), (60, 60, 0.7), (120, 40, 0.7)]
)
def test_standard_error_is_the_spread_over_draws(n, m, shift):
    values, errors = replicate(n, m, shift)
    ratio = np.sqrt(np.square(errors).mean()) / values.std(ddof=1)
    # 400 draws know their deviation to 3.5 %, worse in the heavy tails of a cubic.
    # Between equal laws the estimate is cautious, as documented.
    assert 0.87 < ratio < (1.15 if shift else 1.35)


def test_unbiased_when_both_sets_follow_one_law():
    values, _ = replicate(30, 50, 0.0)
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))
    assert 0.3 < (values < 0).mean() < 0.8


def test_expectation_does_not_depend_on_the_sample_count():
    few, _ = replicate(20, 20, 0.7)
    many, _ = replicate(80, 80, 0.7, num=100)
    error = np.hypot(few.std() / 20, many.std() / 10)
    assert abs(few.mean() - many.mean()) < 4 * error


def test_interval_is_two_standard_errors_wide():
    assert KernelDistance(1.0, 0.5).interval == pytest.approx((0.02, 1.98))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((3, 2)), "at least 4 samples"),
        (np.zeros((9, 3)), "have 2 features"),
        (np.full((9, 2), np.nan), "be finite"),
        (np.zeros(9), "one row of numbers"),
    ],
)
def test_unfit_features_are_refused(features, message):
    with pytest.raises(ValueError, match=f"`generated_features` must .*{message}"):
        kernel_distance(normal(9, 2, 0), features)
