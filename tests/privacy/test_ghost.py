import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD
from keras_mixup_gan.models.layers import LabelMaps
from keras_mixup_gan.privacy.ghost import GhostClipping, obstacle
from tests.models.tiny import NUM_CLASSES, make, random_images

L = keras.layers


def network(*layers, shape=(8, 8, 1)):
    """A functional model of these layers with a score at its end."""
    x = inputs = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    x = x if len(x.shape) == 2 else L.Flatten()(x)
    return keras.Model(inputs, L.Dense(1, name="scores")(x))


def wild(model, seed=0):
    """Weights none of which is zero, not even biases and offsets."""
    for n, variable in enumerate(model.trainable_variables):
        noise = tf.random.stateless_normal(variable.shape, (seed, n), stddev=0.3)
        variable.assign(variable + noise)
    return model


def by_rows(model, images):
    """One gradient for each row, by an explicit loop."""
    rows = []
    for n in range(len(images)):
        with tf.GradientTape() as tape:
            loss = tf.square(model(images[n : n + 1], training=True)[0, 0])
        parts = tape.gradient(loss, model.trainable_variables)
        rows.append(np.concatenate([np.ravel(part) for part in parts]))
    return np.array(rows, "float64")


def clipped_sum(model, images, clip, mask=None):
    mask = tf.ones(len(images), tf.bool) if mask is None else mask
    ghost = GhostClipping(model, clip)
    sums = ghost(lambda judge: tf.square(judge(images)[:, 0]), mask)
    return np.concatenate([np.ravel(part) for part in sums])


KNOWN = {
    "convolution, norm by Gram matrix": [
        L.Conv2D(40, 4, 2, "same"),
        L.Conv2D(40, 3, 1),
    ],
    "convolution, norm by product": [L.Conv2D(2, 3, (1, 2), "valid", use_bias=False)],
    "dense": [L.Flatten(), L.Dense(7), L.LeakyReLU(), L.Dense(5, use_bias=False)],
    "normalization of vectors": [L.Flatten(), L.Dense(8), L.LayerNormalization()],
    "layer normalization": [L.Conv2D(8, 3), L.LayerNormalization()],
    "without offset": [L.Conv2D(8, 3), L.LayerNormalization(center=False)],
    "without scale": [L.Conv2D(8, 3), L.GroupNormalization(4, scale=False)],
    "group normalization": [L.Conv2D(8, 3), L.GroupNormalization(groups=4)],
    "no weights": [
        L.ZeroPadding2D(1),
        L.Conv2D(4, 3, activation="linear"),
        L.Activation("tanh"),
        L.MaxPooling2D(),
        L.UpSampling2D(),
        L.AveragePooling2D(2),
        L.Reshape((2, 8, 4)),
        L.GlobalAveragePooling2D(),
    ],
    "a frozen layer": [L.Conv2D(8, 3, trainable=False), L.Conv2D(4, 3)],
}


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_layer_equals_an_explicit_loop(name):
    model = wild(network(*map(fresh, KNOWN[name])))
    assert obstacle(model) is None
    images = tf.constant(random_images(6) * np.linspace(0.3, 1, 6)[:, None, None, None])
    images = tf.cast(images, tf.float32)
    rows = by_rows(model, images)
    norms = np.linalg.norm(rows, axis=1)
    clip = float(np.median(norms))
    expected = (rows * np.minimum(1, clip / norms)[:, None]).sum(0)
    found = clipped_sum(model, images, clip)
    assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)
    # Rows one by one show norms: all are clipped to the same small length.
    tiny = norms.min() / 2
    for n in range(6):
        alone = clipped_sum(model, images, tiny, tf.range(6) == n)
        assert np.linalg.norm(alone) == pytest.approx(tiny, rel=1e-5)


def fresh(layer):
    return type(layer).from_config(layer.get_config())


def test_norms_are_not_rounded_down_where_gradients_cancel():
    # Every place holds the same patch, and slopes add up to nearly nothing.
    model = network(L.Conv2D(128, 4, 4, use_bias=False), shape=(32, 32, 32))
    weights = np.random.default_rng(0).normal(size=(64, 128))
    weights -= weights.mean(0) * (1 - 1e-4)
    scores = model.get_layer("scores")
    scores.set_weights([weights.reshape(-1, 1), np.ones(1)])
    scores.trainable = False
    images = tf.constant(np.tile(random_images(8, (4, 4, 32)), (1, 8, 8, 1)))
    rows = by_rows(model, images)
    clip = float(np.linalg.norm(rows, axis=1).min()) / 10
    for n in range(8):
        alone = clipped_sum(model, images, clip, tf.range(8) == n)
        assert np.linalg.norm(alone) <= clip * (1 + 1e-4)


def test_dropout_and_labels_are_clipped_row_by_row():
    images, labels = keras.Input((8, 8, 1)), keras.Input((3,))
    x = L.Conv2D(4, 3)(LabelMaps()([images, labels]))
    x = L.Concatenate()([L.Flatten()(L.Dropout(0.5, seed=1)(x)), labels])
    model = keras.Model([images, labels], L.Dense(1)(x))
    assert obstacle(model) is None
    rows = [tf.constant(random_images(5)), tf.one_hot(tf.range(5) % 3, 3)]
    ghost = GhostClipping(model, 0.01)
    sums = ghost(lambda judge: judge(rows)[:, 0], tf.range(5) == 2)
    length = np.sqrt(sum(np.sum(np.square(part)) for part in sums))
    assert length == pytest.approx(0.01, rel=1e-5)


def shared():
    dense, inputs = L.Dense(64, name="twice"), keras.Input((64,))
    return keras.Model(inputs, L.Dense(1)(dense(dense(inputs))))


def stacked():
    inputs = keras.Input((4,))
    return keras.Model(inputs, L.Dense(1)(L.Concatenate(axis=0)([inputs, inputs])))


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: network(L.Conv2D(4, 3, activation="relu")), "an activation built in"),
        (lambda: network(L.Conv2D(4, 3, dilation_rate=2)), "dilation"),
        (lambda: network(L.Conv2D(4, 3), L.Conv2D(4, 3, groups=2)), "groups"),
        (lambda: network(L.Dense(4)), "along an axis"),
        (lambda: network(L.LayerNormalization(axis=1)), "the last axis"),
        (lambda: network(L.Conv2D(4, 3, dtype="float16")), "float16, not float32"),
        (lambda: network(L.Conv2D(4, 3, dtype="mixed_float16")), "not float32"),
        (lambda: network(L.SeparableConv2D(4, 3)), "SeparableConv2D.*not known"),
        (lambda: network(L.PReLU()), "PReLU.*not known"),
        (lambda: network(L.Activation(lambda x: x - keras.ops.mean(x))), "not known"),
        (stacked, "Concatenate.*not known"),
        (lambda: network(L.BatchNormalization()), "BatchNormalization.*not known"),
        (lambda: network(network(L.Conv2D(4, 3))), "Functional.*not known"),
        (lambda: network(lambda x: x + 1), "Add.*not known"),
        (shared, "'twice'.*more than once"),
        (lambda: keras.Sequential([L.Dense(1)]), "functional model"),
    ],
)
def test_what_is_not_known_is_named(build, reason):
    found = obstacle(build())
    assert found is not None
    assert re.search(reason, found)


# === In a model ===


@pytest.mark.long
@pytest.mark.parametrize("num_classes", [None, NUM_CLASSES])
@pytest.mark.parametrize("norm", [None, "layer", "group"])
def test_both_engines_train_the_same_model(num_classes, norm):
    models = []
    for engine in ("ghost", "query"):
        dp = DPSGD(0.01, 0.5, noise_seed=3, engine=engine)
        model = make(image_shape=(16, 16, 1), dp=dp, norm=norm, num_classes=num_classes)
        optimizers = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)
        model.compile(*optimizers, run_eagerly=True)
        images = random_images(8, (16, 16, 1))
        labels = None if num_classes is None else np.arange(8) % num_classes
        model.fit(images, labels, batch_size=4, verbose=0)
        assert model.clipping_engine == engine
        models.append(model)
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_ghost_clipping_is_taken_where_it_can_be():
    assert make(dp=DPSGD()).clipping_engine == "ghost"
    assert make(dp=DPSGD(engine="query")).clipping_engine == "query"
    assert make(dp=DPSGD(), dtype="mixed_float16").clipping_engine == "query"
    assert make().clipping_engine is None


def test_ghost_clipping_is_refused_where_it_cannot_be():
    with pytest.raises(ValueError, match=r"layer 'conv.*float16.*engine='auto'"):
        make(dp=DPSGD(engine="ghost"), dtype="mixed_float16")
