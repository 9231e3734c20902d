import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD, MixUp, zoo
from keras_mixup_gan.models import StyleGANLite
from keras_mixup_gan.models.dcgan import fake_loss, real_loss
from keras_mixup_gan.models.inputs import Batch
from keras_mixup_gan.models.portions import latents_and_classes
from keras_mixup_gan.models.recipes import load_recipe
from keras_mixup_gan.models.style_layers import MinibatchStddev
from keras_mixup_gan.models.stylegan_lite import num_levels, r1_penalty
from tests.models.tiny import (
    NUM_CLASSES,
    assert_same_state,
    random_images,
    random_labels,
)


def build(**arguments):
    """A compiled model for images of 8 x 8 pixels, with 4 styles and 3 noise maps."""
    settings = {"image_shape": (8, 8, 1), "latent_dim": 4, "width": 4, "seed": 0}
    return zoo.stylegan_lite(**{**settings, **arguments})


def eager(**arguments):
    """A model whose steps run as plain Python: sooner done than compiled."""
    model = build(**arguments)
    model.run_eagerly = True
    return model


def train(model, epochs=1, **arguments):
    """Three steps an epoch."""
    labels = None if model.num_classes is None else random_labels(12)
    images = random_images(12)
    return model.fit(
        images, labels, batch_size=4, epochs=epochs, verbose=0, **arguments
    )


@pytest.fixture(scope="module")
def trained():
    """A conditional model after three steps, the noise in it made audible."""
    model = eager(num_classes=NUM_CLASSES)
    train(model)
    for weight in model.ema_generator.trainable_weights:
        if weight.name == "noise_strength":
            weight.assign(0.5)
    return model


class Recorder:
    """Stands for a generator network and keeps what its synthesis part is given."""

    def __init__(self, network):
        self.network = network
        self.input_shape = network.get_layer("synthesis").input_shape

    def get_layer(self, name):
        return self if name == "synthesis" else self.network.get_layer(name)

    def __call__(self, inputs, training=False):
        self.styles, self.noise = (np.array(part) for part in inputs)


# === Networks ===


@pytest.mark.parametrize(
    ("shape", "levels"),
    [
        ((8, 8, 1), 2),
        ((28, 28, 1), 3),
        ((32, 64, 3), 4),
        ((96, 96, 3), 5),
        ((128, 128, 3), 6),
    ],
)
def test_sides_are_halved_down_to_4_or_more(shape, levels):
    assert num_levels(shape) == levels


@pytest.mark.parametrize("shape", [(7, 7, 1), (33, 33, 1), (50, 50, 1), (8, 64, 1)])
def test_sides_that_do_not_halve(shape):
    with pytest.raises(ValueError, match=r"`image_shape`.*Received: image_shape="):
        build(image_shape=shape)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"mapping_layers": 0},
        {"r1_gamma": -1},
        {"r1_interval": 0},
        {"style_mixing": 1.5},
        {"group_size": 0},
    ],
)
def test_arguments_out_of_range(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        build(**wrong)


def test_every_weight_of_both_networks_gets_a_gradient(trained):
    images = tf.constant(random_images(4))
    labels = tf.one_hot(random_labels(4), NUM_CLASSES)
    batch = Batch(images, labels)
    with tf.GradientTape(persistent=True) as tape:
        real = trained.discriminate(images, labels)
        fakes, _ = trained.counterparts(batch, draw=0)
        fake = trained.discriminate(fakes, labels)
        d_loss = trained.discriminator_loss(real, fake)
        g_loss = trained.generator_loss(fake)
    networks = {"generator": g_loss, "discriminator": d_loss}
    for name, loss in networks.items():
        weights = getattr(trained, name).trainable_variables
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            assert np.isfinite(gradient).all(), weight.path
            assert np.abs(gradient).max() > 0, weight.path


def test_networks_survive_saving_by_themselves(trained):
    for network in (trained.generator, trained.discriminator):
        copy = keras.Model.from_config(network.get_config())
        copy.set_weights(network.get_weights())
        inputs = [
            tf.random.stateless_normal((3, *x.shape[1:]), (0, 1))
            for x in network.inputs
        ]
        np.testing.assert_array_equal(copy(inputs), network(inputs))


# === Styles and noise ===


def test_style_mixing_switches_styles_once_for_its_share_of_images():
    model = build(style_mixing=0.6, image_shape=(16, 16, 1), compile=False)
    network, latents = Recorder(model.generator), model.latents(600)
    model.synthesize(network, latents, draw=0)
    first = np.array(network.get_layer("mapping")(latents))
    is_first = (network.styles == first[:, None]).all(axis=-1)
    crossovers = is_first.sum(axis=1)
    for row, crossover in zip(is_first, crossovers, strict=True):
        assert row[:crossover].all()
    for row, crossover in zip(network.styles, crossovers, strict=True):
        assert (row[crossover:] == row[-1]).all()
    counts = np.bincount(crossovers, minlength=7) / 600
    assert counts[0] == 0  # six styles: five places to switch, or none
    np.testing.assert_allclose(counts[1:6], 0.6 / 5, atol=0.06)
    np.testing.assert_allclose(counts[6], 0.4, atol=0.08)


def test_without_style_mixing_each_image_has_one_style():
    model = build(style_mixing=0.0, compile=False)
    network = Recorder(model.generator)
    model.synthesize(network, model.latents(20), draw=0)
    assert (network.styles == network.styles[:, :1]).all()


def test_noise_is_drawn_in_training_and_fixed_afterwards():
    model = build(compile=False)
    network = Recorder(model.generator)

    def noise(draw):
        model.synthesize(network, model.latents(5), draw=draw)
        return network.noise

    assert noise(0).shape == (5, 16 + 2 * 64)
    np.testing.assert_array_equal(noise(0), noise(0))
    assert not np.isin(noise(0), noise(1)).any()
    assert len(np.unique(noise(0))) == noise(0).size
    fixed = noise(None)
    np.testing.assert_array_equal(fixed, np.broadcast_to(fixed[0], fixed.shape))


def test_truncation_leads_to_the_mean_image_of_each_class(trained):
    labels = random_labels(8)
    images = trained.generate(8, labels, truncation=0.0, dtype="float32")
    for a in range(8):
        for b in range(8):
            assert np.allclose(images[a], images[b]) == (labels[a] == labels[b])


def test_truncation_of_one_is_none(trained):
    images = [trained.generate(8, seed=1, truncation=t) for t in (1.0, 0.5, 0.0)]
    np.testing.assert_array_equal(images[0], trained.generate(8, seed=1))
    latents, classes = latents_and_classes(8, 1, 0, trained.latent_dim, NUM_CLASSES)
    labels = np.eye(NUM_CLASSES, dtype="float32")[classes]
    plain = trained.ema_generator([latents, labels], training=False)
    unrounded = trained.generate(8, seed=1, dtype="float32")
    np.testing.assert_allclose(unrounded, plain, atol=1e-5)
    spreads = [np.std(part, axis=0).mean() for part in images]
    assert spreads[0] > spreads[1] > 0


def test_mean_styles_are_those_of_many_latents():
    model = build(num_classes=NUM_CLASSES)
    for _ in range(24):
        model.finish_step(tf.constant(0.0), tf.constant(0.0))
    mapping = model.ema_generator.get_layer("mapping")
    latents = np.random.default_rng(0).standard_normal((2000, 4)).astype("float32")
    for label in range(NUM_CLASSES):
        rows = np.eye(NUM_CLASSES, dtype="float32")[[label] * 2000]
        styles = np.array(mapping([latents, rows]))
        error = np.array(model.mean_styles)[label] - styles.mean(axis=0)
        # 24 steps of 16 latents, the early ones counting less.
        assert np.abs(error / styles.std(axis=0)).max() < 5 / np.sqrt(16 * 24)


# === What depends on what ===


def test_images_do_not_depend_on_portions(trained):
    whole = trained.generate(9, seed=3, dtype="float32")
    parts = [
        trained.generate(4, seed=3, dtype="float32"),
        trained.generate(5, seed=3, start=4, batch_size=2, dtype="float32"),
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_scores_do_not_depend_on_batch_mates(trained):
    images, labels = random_images(9), random_labels(9)
    scores = trained.score(images, labels)
    assert np.ptp(scores) > 1e-3
    singly = [trained.score(images[n : n + 1], labels[n : n + 1]) for n in range(9)]
    np.testing.assert_allclose(np.concatenate(singly), scores, rtol=1e-4, atol=1e-5)
    order = np.random.default_rng(0).permutation(9)
    again = trained.score(images[order], labels[order], batch_size=4)
    np.testing.assert_allclose(again, scores[order], rtol=1e-4, atol=1e-5)
    repeated = trained.score(images[[0] * 9], labels[[0] * 9])
    np.testing.assert_allclose(repeated, scores[0], rtol=1e-4, atol=1e-5)


def test_scores_in_training_use_the_batch(trained):
    images = tf.constant(random_images(6))
    labels = tf.one_hot(random_labels(6), NUM_CLASSES)
    scores = np.array(trained.discriminate(images, labels))
    part = np.array(trained.discriminate(images[:3], labels[:3]))
    assert np.abs(scores[:3] - part).max() > 1e-4


def test_references_are_generated_from_fixed_latents(trained):
    images, labels = trained.references(tf.eye(NUM_CLASSES))
    assert images.shape == (3, 8, 8, 1)
    np.testing.assert_array_equal(labels, np.eye(NUM_CLASSES))
    again, _ = trained.references(tf.eye(NUM_CLASSES))
    np.testing.assert_array_equal(images, again)


# === Penalty ===


def test_penalty_of_a_linear_score_is_half_its_squared_slope():
    slope = np.random.default_rng(0).standard_normal((4, 4, 2)).astype("float32")
    images = tf.constant(random_images(3, (4, 4, 2)))
    penalty = r1_penalty(lambda x: tf.reduce_sum(x * slope, axis=(1, 2, 3)), images)
    assert penalty.dtype == tf.float32
    np.testing.assert_allclose(penalty, [np.square(slope).sum() / 2] * 3, rtol=1e-5)


def test_penalty_fires_in_due_steps_alone():
    model = build(r1_gamma=2.0, r1_interval=3)
    images = tf.constant(random_images(4))
    kernel = model.discriminator.trainable_variables[0]
    with tf.GradientTape() as tape:
        penalty = r1_penalty(lambda x: model.discriminate(x, None), images)
        loss = tf.reduce_mean(penalty)
    expected = 3 * 2.0 * np.array(tape.gradient(loss, kernel))

    @tf.function
    def gradients():
        return model.lazy_penalty_gradients(images, None)

    for step in range(7):
        model.steps.assign(step)
        found = gradients()
        assert len(found) == len(model.discriminator.trainable_variables)
        if step % 3 == 0:
            np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-7)
        else:
            assert all(not np.any(part) for part in found)


def test_penalty_enters_training():
    def kernel(**arguments):
        model = build(**arguments, compile=False)
        model.compile("sgd", "sgd", run_eagerly=True)
        model.train_on_batch(tf.constant(random_images(4)))
        return np.array(model.discriminator.weights[0])

    assert not np.array_equal(kernel(r1_gamma=0.0), kernel(r1_gamma=1.0))


# === Training ===


@pytest.mark.long
def test_resumed_training_goes_on_to_the_bit(tmp_path):
    settings = {
        "mixup": MixUp(alpha=8.0, noise_stddev=1.0),
        "augment": "translation",
        "num_classes": NUM_CLASSES,
        "r1_interval": 2,
    }
    uninterrupted = eager(**settings)
    train(uninterrupted, epochs=2)
    model = eager(**settings)
    train(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    images, labels = random_images(4), random_labels(4)
    np.testing.assert_array_equal(
        loaded.score(images, labels), model.score(images, labels)
    )
    np.testing.assert_array_equal(
        loaded.generate(4, truncation=0.5), model.generate(4, truncation=0.5)
    )
    loaded.run_eagerly = True
    train(loaded, epochs=2, initial_epoch=1)
    assert_same_state(loaded, uninterrupted)


def test_several_discriminator_updates_a_step():
    model = eager(discriminator_steps=2)
    train(model)
    assert int(model.d_optimizer.iterations) == 2 * int(model.g_optimizer.iterations)


@pytest.mark.long
def test_private_rows_carry_their_own_loss_and_penalty():
    private = {"dp": DPSGD(noise_multiplier=0.5, noise_seed=5), "r1_gamma": 2.0}
    model = eager(num_classes=NUM_CLASSES, **private)
    layers = model.discriminator.layers
    assert not any(isinstance(layer, MinibatchStddev) for layer in layers)
    images = tf.constant(random_images(2))
    labels = tf.one_hot(random_labels(2), NUM_CLASSES)
    logits = model.discriminate(images, labels)
    penalty = r1_penalty(lambda x: model.discriminate(x, labels), images)
    for is_real in (True, False):
        losses = real_loss(logits) + 2 * penalty if is_real else fake_loss(logits)
        rows = {"images": images, "labels": labels, "is_real": tf.fill(2, is_real)}
        found = model.row_losses(rows, model.discriminate)
        np.testing.assert_allclose(found, losses, rtol=1e-4)
    before = model.discriminator.get_weights()
    assert np.isfinite(train(model, steps_per_epoch=1).history["g_loss"]).all()
    after = model.discriminator.get_weights()
    assert all(np.isfinite(weight).all() for weight in after)
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert 0 < model.epsilon(1e-3) < float("inf")


def test_defaults_are_the_recipe():
    recipe = load_recipe("stylegan_lite")
    model = zoo.stylegan_lite(mixup=True)
    assert isinstance(model, StyleGANLite)
    assert model.image_shape == (28, 28, 1)
    for name, value in recipe["model"].items():
        assert getattr(model, name) == value, name
    assert model.mixup == MixUp(**recipe[recipe["mixup"]])
    for optimizer in (model.g_optimizer, model.d_optimizer):
        settings = dict(recipe["optimizer"])
        assert type(optimizer).__name__.lower() == settings.pop("name")
        for name, value in settings.items():
            assert optimizer.get_config()[name] == pytest.approx(value), name
