"""Settings of Keras and TensorFlow that hold for a whole process."""

import runpy

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import tiny

IMAGES, LABELS = tiny.random_images(8), tiny.random_labels(8)


@pytest.fixture
def restored():
    """Everything as it was, afterwards."""
    policy = keras.config.dtype_policy()
    yield
    tf.config.run_functions_eagerly(False)
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format("channels_last")


@pytest.fixture(scope="module")
def usual():
    """What a model does while nothing is set."""
    return use()


def use():
    """What a conditional model makes and says after a step."""
    model = tiny.make(num_classes=tiny.NUM_CLASSES, dtype="float32")
    model.fit(IMAGES, LABELS, batch_size=8, verbose=0)
    return model.generate(4), model.score(IMAGES, LABELS)


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
@pytest.mark.parametrize(
    "change",
    [
        lambda: tf.config.run_functions_eagerly(True),
        lambda: keras.config.set_image_data_format("channels_first"),
        lambda: keras.config.set_floatx("float64"),
    ],
    ids="eager channels_first floatx".split(),
)
def test_models_do_the_same_whatever_is_set(usual, restored, change):
    images, scores = usual
    change()
    changed_images, changed_scores = use()
    np.testing.assert_array_equal(changed_images, images)
    np.testing.assert_allclose(changed_scores, scores, rtol=1e-4, atol=1e-6)


def test_the_setting_of_channels_is_given_back(restored):
    keras.config.set_image_data_format("channels_first")
    tiny.make(compile=False)
    assert keras.config.image_data_format() == "channels_first"


@pytest.mark.parametrize("policy", ["float64", "float16", "bfloat16"])
def test_precisions_that_do_not_train_are_refused_at_construction(restored, policy):
    with pytest.raises(ValueError, match=f"dtype='{policy}'"):
        tiny.make(dtype=policy)
    keras.config.set_dtype_policy(policy)
    with pytest.raises(ValueError, match=f"dtype='{policy}'"):
        tiny.make()


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_another_backend_is_one_sentence_where_models_are_imported(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ImportError, match="backend='jax'"):
        runpy.run_module("keras_mixup_gan.mixup")  # which all models import
