"""The training of the digit network, whose weights ship with the package."""

import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import digit_network
from keras_mixup_gan.data import load_images
from keras_mixup_gan.metrics.features import digit_embedding, digit_weights


@pytest.fixture(scope="module")
def digits():
    return load_images("digits")


@pytest.fixture
def few_digits(digits, monkeypatch):
    """What the script trains on: 500 digits, in a few steps that are not compiled."""
    few = type(digits)(digits.images[::10], digits.labels[::10])
    monkeypatch.setattr(digit_network, "load_images", lambda name: few)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.long
def test_training_learns_and_exports_what_the_network_computes(digits):
    images, labels = digits.images[::10], digits.labels[::10]
    network = digit_network.train(images, labels, num_epochs=8)
    accuracy = (network.predict(images, verbose=0).argmax(axis=1) == labels).mean()
    assert accuracy > 0.7
    weights = digit_network.export_weights(network, images)
    layer = keras.Model(network.inputs, network.get_layer("features").output)
    expected = layer.predict(images, verbose=0).astype("float64")
    expected = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    np.testing.assert_allclose(digit_embedding(weights)(images), expected, atol=1e-4)


@pytest.mark.long
def test_training_is_seeded(digits):
    images, labels = digits.images[::39], digits.labels[::39]
    first, again = (digit_network.train(images, labels, num_epochs=1) for _ in "ab")
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    starts = [digit_network.build_network(seed).get_weights()[0] for seed in (0, 1)]
    assert np.abs(starts[0] - starts[1]).max() > 0.01


def test_shifts_move_by_up_to_two_pixels_and_lose_nothing():
    image = np.full((200, 28, 28, 1), -1.0, "float32")
    image[:, 14, 14] = 1.0
    shifted = digit_network._shift(image, np.random.default_rng(0))
    _, rows, columns, _ = np.nonzero(shifted > 0)
    assert len(rows) == 200
    assert set(rows) == set(columns) == {12, 13, 14, 15, 16}
    assert shifted.min() == -1.0


def test_too_few_images_to_train_on_are_refused(digits):
    with pytest.raises(
        ValueError, match="`num_images` must be an integer of at least 64"
    ):
        digit_network.train(digits.images[:63], digits.labels[:63])


@pytest.mark.filterwarnings("ignore:Even though")
def test_the_script_writes_weights(tmp_path, caplog, few_digits):
    caplog.set_level("INFO")
    path = tmp_path / "w.npz"
    digit_network.main(["--out", str(path), "--epochs", "1"])
    assert set(np.load(path)) == set(digit_weights())
    assert hashlib.sha256(path.read_bytes()).hexdigest() in caplog.text
    with pytest.raises(ValueError, match="are missing or were altered"):
        digit_weights(path)


@pytest.mark.filterwarnings("ignore:Even though")
def test_the_script_measures_accuracy(caplog, few_digits):
    caplog.set_level("INFO")
    digit_network.main(["--held-out", "400", "--epochs", "1"])
    assert "accuracy on 400 held-out digits: 0." in caplog.text
