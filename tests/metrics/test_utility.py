import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from keras_mixup_gan import MixUp
from keras_mixup_gan.metrics import (
    Accuracy,
    covariance_shrinkage,
    mixture_shrinkage,
    train_on_generated,
)

NEAREST = KNeighborsClassifier(1)


def normal(count, width=4, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width))


def classes(count, seed=0, spread=0.1):
    """Three clusters and their labels."""
    labels = np.arange(count) % 3
    return spread * normal(count, 3, seed) + np.eye(3)[labels], labels


@settings(deadline=None, max_examples=25)
@given(num_images=st.integers(1, 5000), share=st.floats(0, 1))
def test_wilson_interval_is_the_score_test_inverted(num_images, share):
    """Its ends are the shares p with |correct - n p| = z sqrt(n p (1 - p))."""
    accuracy = Accuracy(round(share * num_images), num_images)
    low, high = accuracy.interval
    assert 0 <= low <= accuracy.value <= high <= 1
    for p in (low, high):
        distance = (accuracy.value - p) ** 2 * num_images
        # A share of exactly 0 or 1 is its own end.
        assert distance == pytest.approx(1.959964**2 * p * (1 - p), rel=1e-4, abs=1e-9)


def test_good_and_meaningless_labels():
    features, labels = classes(300, 1)
    shuffled = np.random.default_rng(0).permutation(labels)
    held_out = classes(300, 2)
    good = train_on_generated((features, labels), classes(300, 3), held_out)
    assert good.generated == good.real == Accuracy(300, 300)
    assert good.classifier == "RandomForestClassifier"
    bad = train_on_generated((features, shuffled), classes(300, 3), held_out)
    assert bad.real.value == 1.0
    assert bad.generated.interval[0] < 0.45


def test_swapped_classes_are_always_wrong():
    features, labels = classes(60, 1)
    wrong = (features, (labels + 1) % 3)
    utility = train_on_generated(wrong, classes(60, 3), classes(90, 2), NEAREST)
    assert utility.generated == Accuracy(0, 90)
    assert utility.generated.value == utility.generated.interval[0] == 0.0


@pytest.mark.parametrize(("num_generated", "num_real"), [(40, 90), (90, 40)])
def test_both_are_trained_on_as_many_images(num_generated, num_real):
    class Counting(KNeighborsClassifier):
        def fit(self, features, labels):
            counts.append((len(features), len(np.unique(features, axis=0))))
            return super().fit(features, labels)

    counts = []
    sets = classes(num_generated, 1), classes(num_real, 2), classes(30, 3)
    utility = train_on_generated(*sets, Counting())
    assert counts == [(40, 40), (40, 40)]
    assert utility.num_training == 40
    assert utility.classifier == "Counting"


def test_the_same_set_gives_the_same_accuracy():
    data, held_out = classes(90, 1, 0.6), classes(200, 2, 0.6)
    utility = train_on_generated(data, data, held_out)
    assert utility.generated == utility.real
    assert utility.generated.value < 1.0


def test_the_seed_decides_and_the_classifier_is_left_alone():
    sets = classes(60, 1, 0.6), classes(90, 2, 0.6), classes(200, 3, 0.6)
    forest = RandomForestClassifier(5)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = train_on_generated(*sets, forest, seed=1)
    assert train_on_generated(*sets, forest, seed=1) == first
    others = [train_on_generated(*sets, forest, seed=seed) for seed in range(2, 5)]
    assert any(other != first for other in others)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    own = LogisticRegression(random_state=7)
    train_on_generated(*sets, own)
    assert own.random_state == 7
    assert not hasattr(own, "coef_")


@pytest.mark.parametrize(
    ("generated", "message"),
    [
        ((np.zeros((9, 3)), np.zeros(8, int)), "labels` must be 9 integers"),
        ((np.zeros((9, 3)), np.zeros((9, 3), int)), "labels` must be shares"),
        ((np.zeros((9, 3)), np.zeros(9)), "labels` must be 9 integers"),
        ((np.zeros((9, 2)), np.zeros(9, int)), "features` must have 3 features"),
        ((np.full((9, 3), np.nan), np.zeros(9, int)), "features` must be finite"),
    ],
)
def test_unfit_images_or_labels_are_refused(generated, message):
    with pytest.raises(ValueError, match=f"`generated {message}"):
        train_on_generated(generated, classes(9), classes(9), NEAREST)


@settings(deadline=None, max_examples=20)
@given(scale=st.floats(0.1, 3), seed=st.integers(0, 2**31))
def test_shrinkage_is_the_ratio_of_the_traces_of_the_covariances(scale, seed):
    real, fake = normal(30, 5, seed), scale * normal(40, 5, seed + 1) + 9.0
    value, (low, high) = covariance_shrinkage(real, fake, num_draws=100)
    expected = np.trace(np.cov(fake.T)) / np.trace(np.cov(real.T))
    assert value == pytest.approx(expected)
    assert low < high
    moved = covariance_shrinkage(real - 3.0, fake[::-1] + 2.0, num_draws=100)
    assert moved.value == pytest.approx(value)


def test_shrinkage_of_a_set_against_itself_and_of_one_image():
    points = normal(50)
    assert covariance_shrinkage(points, points).value == 1.0
    assert covariance_shrinkage(points, np.ones((20, 4))) == (0.0, (0.0, 0.0))


def test_shrinkage_interval_covers_the_ratio_of_the_laws():
    covered = 0
    for i in range(200):
        real, fake = normal(80, 3, 2 * i), 0.8 * normal(120, 3, 2 * i + 1)
        _, (low, high) = covariance_shrinkage(real, fake, num_draws=200, seed=i)
        covered += low <= 0.64 <= high
    # A percentile interval of 80 samples falls a little short of its 95 %.
    assert 0.88 < covered / 200 < 0.99


def test_resampled_variances_are_those_of_the_drawn_rows(monkeypatch):
    from keras_mixup_gan.metrics import utility

    monkeypatch.setattr(utility, "_BLOCK_VALUES", 60)
    points = normal(20, 3) + 5.0
    found = utility._resampled_variances(points, 7, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    for variance in found:
        times = rng.multinomial(20, np.full(20, 1 / 20))
        rows = np.repeat(points, times, axis=0)
        assert variance == pytest.approx(rows.var(axis=0, ddof=1).sum())


def test_shrinkage_is_seeded():
    sets = normal(30), normal(30, seed=1)
    assert covariance_shrinkage(*sets, seed=1) == covariance_shrinkage(*sets, seed=1)
    assert covariance_shrinkage(*sets, seed=1) != covariance_shrinkage(*sets, seed=2)


def test_unfit_features_for_the_shrinkage_are_refused():
    with pytest.raises(ValueError, match="`real_features` must vary"):
        covariance_shrinkage(np.ones((20, 4)), normal(20))
    with pytest.raises(ValueError, match="`generated_features` must hold at least 10"):
        covariance_shrinkage(normal(20), normal(9))
    with pytest.raises(ValueError, match="`generated_features` must have 4 features"):
        covariance_shrinkage(normal(20), normal(20, 3))
    with pytest.raises(ValueError, match="`num_draws` must be an integer"):
        covariance_shrinkage(normal(20), normal(20), num_draws=10)


@pytest.mark.parametrize(
    ("alpha", "num_samples", "options"),
    [
        (0.3, 2, {}),
        (1.0, 3, {}),
        (1.0, 2, {"per": "batch"}),
        (8.0, 4, {"pairing": "passes"}),
    ],
)
def test_mixtures_shrink_as_the_closed_form_says(alpha, num_samples, options):
    # Batches share weights under per="batch": many small ones average them.
    batch_size = 16 if "per" in options else 512
    images = normal(8192, 16).astype("float32").reshape(-1, 4, 4, 1) / 8
    mixup = MixUp(alpha=alpha, num_samples=num_samples, seed=0, **options)
    batches = tf.data.Dataset.from_tensor_slices(images).batch(batch_size)
    mixed = np.concatenate(list(batches.apply(mixup).as_numpy_iterator()))
    found = covariance_shrinkage(
        images.reshape(len(images), -1), mixed.reshape(len(mixed), -1), num_draws=100
    )
    assert found.value == pytest.approx(mixture_shrinkage(alpha, num_samples), rel=0.04)


def test_mixtures_keep_the_shape_of_the_covariance():
    """Every entry is multiplied by the same number, not the trace alone."""
    images = normal(100_000, 2) @ np.array([[2.0, 0.5], [0.0, 1.0]])
    lam = np.random.default_rng(1).beta(2.0, 2.0, (50_000, 1))
    mixed = lam * images[:50_000] + (1 - lam) * images[50_000:]
    ratio = np.cov(mixed.T) / np.cov(images.T)
    np.testing.assert_allclose(ratio, mixture_shrinkage(2.0), rtol=0.03)


@settings(deadline=None, max_examples=30)
@given(alpha=st.floats(1e-6, 1e6), num_samples=st.integers(2, 20))
def test_mixture_shrinkage_lies_between_even_and_no_mixing(alpha, num_samples):
    assert 1 / num_samples < mixture_shrinkage(alpha, num_samples) < 1
    assert mixture_shrinkage(alpha) == pytest.approx((alpha + 1) / (2 * alpha + 1))
    assert mixture_shrinkage(alpha, num_samples + 1) < mixture_shrinkage(
        alpha, num_samples
    )


@pytest.mark.parametrize(("alpha", "num_samples"), [(0.0, 2), (np.inf, 2), (1.0, 1)])
def test_impossible_mixtures_are_refused(alpha, num_samples):
    with pytest.raises(ValueError, match="must be"):
        mixture_shrinkage(alpha, num_samples)
