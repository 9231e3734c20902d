import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan.metrics import (
    FeatureExtractor,
    features,
    inception_features,
    pixel_features,
)


def images_of(count, shape=(4, 3, 1), seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, *shape)).astype("float32")


def test_pixels_are_flattened():
    extractor = pixel_features((4, 3, 1))
    images = images_of(5)
    np.testing.assert_array_equal(extractor(images), images.reshape(5, 12))
    assert extractor(images).dtype == np.float64
    assert extractor.name == "pixels-4x3x1"
    assert extractor.num_features == 12


def test_networks_see_batches_of_one_size_and_every_image_once():
    seen = []

    def embed(batch):
        seen.append(batch.copy())
        return batch.reshape(len(batch), -1)

    extractor = FeatureExtractor("stub", (4, 3, 1), 12, embed, batch_size=4)
    images = images_of(10)
    assert extractor(images).shape == (10, 12)
    assert [len(batch) for batch in seen] == [4, 4, 4]
    assert all(batch.dtype == np.float32 for batch in seen)
    np.testing.assert_array_equal(np.concatenate(seen)[:10], images)


def test_uint8_images_are_rescaled():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 3, 1), dtype="uint8")
    extractor = pixel_features((4, 3, 1))
    np.testing.assert_allclose(
        extractor(pixels), extractor(pixels / 127.5 - 1), atol=1e-6
    )


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (images_of(2, (3, 4, 1)), r"images of shape \(4, 3, 1\)"),
        (images_of(2) * 3, r"must lie in \[-1, 1\]"),
        (images_of(2) * np.nan, "must be finite"),
        (images_of(2)[0], "must be a batch"),
        (images_of(0), "at least one image"),
        (np.zeros((2, 4, 3, 1), int), "must be floating point"),
    ],
)
def test_unfit_images_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        pixel_features((4, 3, 1))(images)


class StubNetwork:
    """Stands in for InceptionV3: remembers its input and averages it by channel."""

    def __init__(self, **options):
        self.options = options
        self.policy = keras.config.dtype_policy().name
        self.low = tf.Variable(0.0)
        self.high = tf.Variable(0.0)
        self.shape = None

    def __call__(self, images, training):
        assert training is False
        self.shape = images.shape
        self.low.assign(tf.reduce_min(images))
        self.high.assign(tf.reduce_max(images))
        return tf.reduce_mean(images, axis=(1, 2))


def stub_extractor():
    network = StubNetwork()
    return network, features._inception_extractor(network, "stub", num_features=3)


def test_inception_sees_images_scaled_exactly_once():
    network, extractor = stub_extractor()
    pixels = np.zeros((32, 8, 8, 3), "uint8")
    pixels[:, 4:] = 255
    extractor(pixels)
    assert network.low.numpy() == -1.0
    assert network.high.numpy() == 1.0


def test_inception_sees_what_its_own_preprocessing_gives():
    _, extractor = stub_extractor()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 9, 7, 3), dtype="uint8")
    resized = np.array(tf.image.resize(pixels.astype("float32"), (299, 299)))
    expected = keras.applications.inception_v3.preprocess_input(resized)
    np.testing.assert_allclose(extractor(pixels), expected.mean(axis=(1, 2)), atol=1e-4)


def test_inception_takes_gray_images_of_any_size():
    network, extractor = stub_extractor()
    gray = images_of(3, (5, 6, 1))
    result = extractor(gray)
    assert network.shape[1:] == (299, 299, 3)
    np.testing.assert_allclose(result, extractor(np.repeat(gray, 3, axis=3)))
    np.testing.assert_allclose(result[:, 0], result[:, 2])


def test_inception_refuses_other_channels():
    with pytest.raises(ValueError, match="Expected 1 or 3 channels"):
        stub_extractor()[1](images_of(2, (4, 4, 2)))


def test_inception_is_built_in_float32_and_named_after_its_weights(
    monkeypatch, tmp_path
):
    built = []

    def build(**options):
        built.append(StubNetwork(**options))
        return built[-1]

    monkeypatch.setattr(keras.applications, "InceptionV3", build)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        assert inception_features().name == "inception-v3-keras"
        (tmp_path / "w.h5").write_bytes(b"weights")
        own = inception_features(tmp_path / "w.h5")
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert own.name == "inception-v3-9a129038d9a0"
    assert [network.policy for network in built] == ["float32", "float32"]
    assert built[0].options == {
        "include_top": False,
        "weights": "imagenet",
        "input_shape": (299, 299, 3),
        "pooling": "avg",
    }


def test_weights_that_cannot_be_had_are_one_sentence(monkeypatch, tmp_path):
    def offline(**options):
        raise RuntimeError("URL fetch failure\ndetails")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(
        ValueError, match=r"could not be loaded \(URL fetch failure\)\."
    ):
        inception_features()
    with pytest.raises(ValueError, match=r"Received: weights='.*missing\.h5'"):
        inception_features(tmp_path / "missing.h5")


def test_features_of_another_shape_are_refused():
    extractor = FeatureExtractor("x", None, 3, lambda batch: batch.mean((1, 2))[:, :1])
    message = r"Expected shape \(256, 3\)\. Received: \(256, 1\)"
    with pytest.raises(ValueError, match=message):
        extractor(np.zeros((2, 4, 4, 1)))
