"""The clipped gradient of tensorflow-privacy's own model, made by older Keras."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD
from keras_mixup_gan.models.dcgan import real_loss
from keras_mixup_gan.privacy.dpsgd import PrivateGradients
from keras_mixup_gan.privacy.ghost import GhostClipping
from tests.models.tiny import random_images

NUM_IMAGES = 8
LAYERS = """
    L.Conv2D(6, 4, 2, "same"),
    L.LeakyReLU(0.2),
    L.Conv2D(8, 3, 1, "valid"),
    L.LayerNormalization(),
    L.LeakyReLU(0.2),
    L.Flatten(),
    L.Dense(1),
"""
STOCK = f"""
import sys

sys.skip_tf_privacy_import = True
import numpy as np
import tensorflow as tf
from tensorflow_privacy.privacy.keras_models import dp_keras_model

given = np.load(sys.argv[1])
L = tf.keras.layers
model = dp_keras_model.DPSequential(
    l2_norm_clip=float(given["clip"]),
    noise_multiplier=0.0,
    use_xla=False,
    layers=[{LAYERS}],
)
model.compile(
    tf.keras.optimizers.legacy.SGD(1.0),
    loss=tf.keras.losses.BinaryCrossentropy(from_logits=True, reduction="none"),
)
images = given["images"]
model.build(images.shape)
weights = [given[f"weight{{n}}"] for n in range(len(model.get_weights()))]
model.set_weights(weights)
model.fit(images, np.ones((len(images), 1), "float32"), len(images), verbose=0)
moved = [a - b for a, b in zip(weights, model.get_weights(), strict=True)]
np.savez(sys.argv[2], *moved)
"""


@pytest.mark.long
@pytest.mark.skipif(
    importlib.util.find_spec("tf_keras") is None, reason="needs tf-keras"
)
def test_clipped_gradients_are_those_of_the_stock_model(tmp_path):
    L = keras.layers
    x = inputs = keras.Input((8, 8, 1))
    for layer in eval(f"[{LAYERS}]", {"L": L}):
        x = layer(x)
    model = keras.Model(inputs, x)
    weights = [
        value + np.random.default_rng(n).normal(scale=0.2, size=value.shape)
        for n, value in enumerate(model.get_weights())
    ]
    model.set_weights(weights)
    images = tf.constant(random_images(NUM_IMAGES))
    norms = []
    for n in range(NUM_IMAGES):
        with tf.GradientTape() as tape:
            loss = real_loss(model(images[n : n + 1])[0, 0])
        norms.append(tf.linalg.global_norm(tape.gradient(loss, model.weights)))
    clip = float(np.median(norms))
    assert min(norms) < 0.98 * clip < 1.02 * clip < max(norms)

    named = {f"weight{n}": value for n, value in enumerate(model.get_weights())}
    np.savez(tmp_path / "given.npz", clip=clip, images=images, **named)
    subprocess.run(
        [sys.executable, "-c", STOCK, tmp_path / "given.npz", tmp_path / "moved.npz"],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    moved = np.load(tmp_path / "moved.npz")
    expected = np.concatenate([np.ravel(moved[name]) for name in moved.files])

    step, mask = tf.constant(0, tf.int64), tf.ones(NUM_IMAGES, tf.bool)
    private = PrivateGradients(DPSGD(clip, 0.0), NUM_IMAGES)
    sums = GhostClipping(model, clip)(lambda d: real_loss(d(images)[:, 0]), mask)
    by_ghost = private.noised(sums, step)

    def row_loss(image):
        return real_loss(model(image[None])[0, 0])

    by_query = private(row_loss, images, mask, model.trainable_variables, step)
    for gradients in (by_ghost, by_query):
        found = np.concatenate([np.ravel(part) for part in gradients])
        error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        assert error < 1e-5
