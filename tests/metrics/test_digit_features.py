import keras
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from keras_mixup_gan.data import load_images
from keras_mixup_gan.metrics import (
    EXTRACTORS,
    FeatureExtractor,
    digit_features,
    extractor_for,
    frechet_distance,
)
from keras_mixup_gan.metrics.features import (
    DIGIT_WEIGHTS,
    digit_embedding,
    digit_weights,
)


@pytest.fixture(scope="module")
def extractor():
    return digit_features()


@pytest.fixture(scope="module")
def digits():
    return load_images("digits")


@pytest.fixture(scope="module")
def halves(digits):
    """Two random halves of the digits, and the features of the second."""
    order = np.random.default_rng(0).permutation(5000)
    return digits.images[order[:2500]], digits.images[order[2500:]]


def test_features_are_standardized_over_the_digits(extractor, digits):
    features = extractor(digits.images)
    assert features.shape == (5000, 64)
    assert features.dtype == np.float64
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-3)


def test_features_do_not_depend_on_batch_mates(extractor, digits):
    images = digits.images[::17]
    features = extractor(images)
    np.testing.assert_allclose(extractor(images[::-1])[::-1], features, atol=1e-5)
    for count in (1, 3, 257):
        np.testing.assert_allclose(
            extractor(images[:count]), features[:count], atol=1e-5
        )
    direct = digit_embedding(digit_weights())(images)
    np.testing.assert_allclose(direct, features, atol=1e-5)


def test_features_are_reproducible(extractor, digits):
    images = digits.images[:300]
    np.testing.assert_array_equal(extractor(images), digit_features()(images))


def test_features_ignore_a_global_precision_policy(extractor, digits):
    images = digits.images[:20]
    expected = extractor(images)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        np.testing.assert_array_equal(digit_features()(images), expected)
    finally:
        keras.config.set_dtype_policy("float32")


def test_features_tell_classes_apart(extractor, digits):
    from sklearn.neighbors import KNeighborsClassifier

    features = extractor(digits.images)
    classifier = KNeighborsClassifier(5).fit(features[::2], digits.labels[::2])
    assert classifier.score(features[1::2], digits.labels[1::2]) > 0.97


def test_two_halves_of_real_digits_are_close(extractor, halves):
    first, second = map(extractor, halves)
    assert frechet_distance(first, second) < 0.3


def noisy(images, amount):
    noise = np.random.default_rng(1).normal(size=images.shape)
    return np.clip(images + amount * noise, -1, 1)


def blurred(images, amount):
    return gaussian_filter(images, (0, amount, amount, 0))


def blended(images, amount):
    return (1 - amount) * images + amount * np.roll(images, 1, axis=0)


def repeated(images, amount):
    return np.repeat(images[: int(1 / amount)], int(amount * len(images)), axis=0)


@pytest.mark.parametrize(
    ("damage", "amounts"),
    [
        (noisy, (0.1, 0.3, 1.0)),
        (blurred, (0.5, 1.0, 2.0)),
        (blended, (0.1, 0.2, 0.5)),
        (repeated, (0.002, 0.01, 0.05)),
    ],
)
def test_distance_grows_with_damage(extractor, halves, damage, amounts):
    real = extractor(halves[1])
    distances = [frechet_distance(real, extractor(halves[0]))]
    distances += [
        frechet_distance(real, extractor(damage(halves[0], amount)))
        for amount in amounts
    ]
    assert distances == sorted(distances)
    assert distances[-1] > 10 * distances[0]


def test_a_missing_class_is_seen(extractor, halves, digits):
    real = extractor(halves[1])
    without = extractor(digits.images[digits.labels != 9])
    assert frechet_distance(real, without) > 4 * frechet_distance(
        real, extractor(halves[0])
    )


@pytest.mark.parametrize("where", [0, 1000, -1])
def test_altered_weights_are_refused_before_they_are_read(tmp_path, monkeypatch, where):
    content = bytearray(DIGIT_WEIGHTS.read_bytes())
    content[where] ^= 1
    (tmp_path / "w.npz").write_bytes(content)

    def parsed(*args, **kwargs):
        raise AssertionError("the file was parsed")

    monkeypatch.setattr(np, "load", parsed)
    with pytest.raises(
        ValueError, match=r"w\.npz are missing or were altered.*Reinstall the package"
    ):
        digit_weights(tmp_path / "w.npz")


def test_truncated_and_missing_weights_are_refused(tmp_path):
    content = DIGIT_WEIGHTS.read_bytes()
    (tmp_path / "w.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="were altered"):
        digit_weights(tmp_path / "w.npz")
    with pytest.raises(ValueError, match=r"missing\.npz are missing.*no such file"):
        digit_weights(tmp_path / "missing.npz")


def test_the_weight_file_is_small_and_plain():
    weights = digit_weights()
    assert sum(array.size for array in weights.values()) < 60_000
    assert all(array.dtype == np.float32 for array in weights.values())
    assert DIGIT_WEIGHTS.stat().st_size < 250_000


def test_extractors_are_found_by_name_or_by_shape(monkeypatch):
    assert extractor_for((28, 28, 1)).name == "digits-cnn-v1"
    assert extractor_for((8, 8, 3)).name == "pixels-8x8x3"
    assert extractor_for((28, 28, 1), "pixels").name == "pixels-28x28x1"
    with pytest.raises(ValueError, match=r"another shape.*image_shape=\(8, 8, 1\)"):
        extractor_for((8, 8, 1), "digits")
    with pytest.raises(ValueError, match="Unknown `extractor`"):
        extractor_for((8, 8, 1), "digit")
    means = FeatureExtractor("means-v1", None, 1, lambda batch: batch.mean((1, 2)))
    monkeypatch.setitem(EXTRACTORS, "means", lambda shape: means)
    assert extractor_for((8, 8, 1), "means") is means
