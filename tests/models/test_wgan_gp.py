import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD, MixUp, zoo
from keras_mixup_gan.models import WGANGP
from keras_mixup_gan.models.inputs import Batch
from keras_mixup_gan.models.wgan_gp import check_critic, interpolate
from keras_mixup_gan.privacy import accounting
from tests.models.tiny import (
    DEFENSES,
    NUM_CLASSES,
    assert_same_state,
    random_images,
    random_labels,
)


def make(**arguments):
    """A compiled WGAN-GP for images of 8 x 8 pixels, two critic updates a step."""
    settings = {"image_shape": (8, 8, 1), "latent_dim": 4, "width": 8, "seed": 0}
    return zoo.wgan_gp(**{**settings, "critic_steps": 2, **arguments})


def eager(**arguments):
    """A model whose steps run as plain Python."""
    model = make(compile=False, **arguments)
    sgd = keras.optimizers.SGD
    model.compile(sgd(0.01), sgd(0.01), run_eagerly=True)
    return model


def prepared(model, num_images=8, batch_size=4):
    """The batches of a model's first training step."""
    labels = None if model.num_classes is None else random_labels(num_images)
    images = random_images(num_images)
    data, _, sampling = model.pipeline.training_batches(images, labels, batch_size)
    if sampling is not None:
        model.privacy.begin(*sampling)
    return next(iter(data))


def batches_of(model, data):
    """The same as a step reads them."""
    return model.pipeline.prepared(data)


def with_linear_critic(weights):
    """A model whose critic is a scalar product with fixed weights, plus 3."""
    model = make(compile=False)
    critic = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    critic.set_weights([np.reshape(weights, (64, 1)), np.array([3.0])])
    model.discriminator = critic
    return model


# === The penalty ===


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic_is_known(norm):
    weights = np.random.default_rng(1).standard_normal(64)
    model = with_linear_critic(norm * weights / np.linalg.norm(weights))
    penalties = model.penalties(tf.constant(random_images(5)))
    assert penalties.dtype == tf.float32
    # Two-sided: too gentle a slope is penalized as too steep a one.
    np.testing.assert_allclose(penalties, np.full(5, 10 * (norm - 1) ** 2), atol=1e-5)


def test_the_penalty_pulls_a_linear_critic_to_slope_one():
    weights = np.random.default_rng(1).standard_normal(64)
    model = with_linear_critic(weights)
    with tf.GradientTape() as tape:
        penalty = tf.reduce_mean(model.penalties(tf.constant(random_images(3))))
    norm = np.linalg.norm(weights)
    np.testing.assert_allclose(
        tape.gradient(penalty, model.critic.trainable_variables[0]),
        (20 * (norm - 1) * weights / norm)[:, None],
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_critic_without_slope_has_a_finite_penalty_and_gradient():
    model = with_linear_critic(np.zeros(64))
    kernel = model.critic.trainable_variables[0]
    with tf.GradientTape() as tape:
        penalties = model.penalties(tf.constant(random_images(3)))
    np.testing.assert_allclose(penalties, np.full(3, 10.0), rtol=1e-5)
    assert np.all(np.isfinite(tape.gradient(penalties, kernel)))


def test_the_penalty_has_the_weight_that_was_asked_for():
    images = tf.constant(random_images(3))
    usual, light = make(), make(gradient_penalty=2.5)
    np.testing.assert_allclose(
        light.penalties(images), usual.penalties(images) / 4, rtol=1e-5
    )


def test_every_image_has_a_position_of_its_own():
    model = make()
    images = tf.zeros((2000, 8, 8, 1))
    positions = np.array(model.positions(images, 0))
    assert positions.shape == (2000,)
    assert 0 <= positions.min() < 0.01
    assert 0.99 < positions.max() < 1
    assert abs(positions.mean() - 0.5) < 0.03
    assert len(np.unique(positions)) > 1900
    assert not np.array_equal(positions, model.positions(images, 1))
    model.steps.assign_add(1)
    assert not np.array_equal(positions, model.positions(images, 0))


def test_interpolates_lie_on_the_line_and_keep_a_common_label():
    start, end = random_images(3), random_images(3, seed=1)
    labels = tf.nn.softmax(np.random.default_rng(2).standard_normal((3, 4)))
    positions = tf.constant([0.0, 0.25, 1.0], tf.float64)
    points = interpolate(start, end, positions)
    np.testing.assert_array_equal(points[0], start[0])
    np.testing.assert_allclose(points[1], 0.75 * start[1] + 0.25 * end[1], atol=1e-6)
    np.testing.assert_allclose(points[2], end[2], atol=1e-6)
    np.testing.assert_array_equal(interpolate(labels, labels, positions), labels)


@pytest.mark.parametrize("num_classes", [None, NUM_CLASSES])
@pytest.mark.parametrize("norm", ["layer", "group", None])
def test_the_penalty_reaches_every_kernel_of_the_critic(norm, num_classes):
    model = make(
        image_shape=(16, 16, 1), norm=norm, num_classes=num_classes, compile=False
    )
    labels = None if num_classes is None else tf.eye(3)
    kernels = [v for v in model.critic.trainable_variables if len(v.shape) > 1]
    with tf.GradientTape() as tape:
        images = tf.constant(random_images(3, (16, 16, 1)))
        penalty = tf.reduce_mean(model.penalties(images, labels))
    gradients = tape.gradient(penalty, kernels)
    assert len(kernels) == 3
    for kernel, gradient in zip(kernels, gradients, strict=True):
        assert np.all(np.isfinite(gradient)), kernel.path
        assert np.abs(gradient).max() > 0, kernel.path


# === The step ===


@pytest.mark.parametrize("num_classes", [None, NUM_CLASSES])
def test_a_step_is_algorithm_1(num_classes):
    model, twin = (eager(num_classes=num_classes) for _ in range(2))
    logs = model.train_step(prepared(model))

    def update(network, tape, loss):
        variables = network.trainable_variables
        gradients = tape.gradient(loss, variables)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(0.01 * gradient)

    def join(inputs, labels):
        return inputs if labels is None else [inputs, labels]

    for n, batch in enumerate(batches_of(twin, prepared(twin))):
        labels = batch.labels
        reals, latents = batch.images, twin.latents(4, n)
        fakes = twin.generator(join(latents, labels), training=True)
        positions, losses, distances = twin.positions(reals, n), [], []
        with tf.GradientTape() as tape:
            for i in range(4):
                label = None if labels is None else labels[i : i + 1]
                real, fake = reals[i : i + 1], fakes[i : i + 1]
                point = positions[i] * real + (1 - positions[i]) * fake
                with tf.GradientTape() as inner:
                    inner.watch(point)
                    score = twin.critic(join(point, label))
                slope = tf.norm(inner.gradient(score, point))
                distance = twin.critic(join(fake, label)) - twin.critic(
                    join(real, label)
                )
                losses.append(distance + 10 * (slope - 1) ** 2)
                distances.append(float(distance[0, 0]))
            loss = tf.reduce_mean(losses)
        update(twin.critic, tape, loss)
    with tf.GradientTape() as tape:
        fakes = twin.generator(join(twin.latents(4, 2), labels), training=True)
        loss = -tf.reduce_mean(twin.critic(join(fakes, labels)))
    update(twin.generator, tape, loss)

    for ours, theirs in zip(
        [*model.critic.weights, *model.generator.weights],
        [*twin.critic.weights, *twin.generator.weights],
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(logs["d_loss"], np.mean(distances), rtol=1e-3)
    np.testing.assert_allclose(logs["g_loss"], loss, rtol=1e-3)


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_the_critic_takes_its_steps(critic_steps):
    model = eager(critic_steps=critic_steps)
    model.fit(random_images(26), batch_size=4, verbose=0)
    assert int(model.g_optimizer.iterations) == 6 // critic_steps
    assert int(model.d_optimizer.iterations) == 6
    assert model.num_steps == 6 // critic_steps
    assert model.critic_steps == critic_steps
    assert model.critic is model.discriminator


def test_evaluate_reports_the_distance_without_the_penalty():
    images = random_images(6)
    model = make()
    result = model.evaluate(images, batch_size=6, verbose=0, return_dict=True)
    fakes = model.ema_generator(model.latents(6), training=False)
    fake = np.mean(model.critic(fakes, training=False))
    np.testing.assert_allclose(
        result["d_loss"], fake - np.mean(model.score(images)), rtol=1e-4
    )
    np.testing.assert_allclose(result["g_loss"], -fake, rtol=1e-4)


# === Mixing ===


@pytest.mark.parametrize("mixup", ["paper", MixUp(seed=1, noise_stddev=0.5)])
def test_both_networks_take_the_mixed_labels(mixup, monkeypatch):
    model = eager(num_classes=NUM_CLASSES, mixup=mixup)
    judged, generated = [], []
    discriminate, synthesize = model.discriminate, model.synthesize

    def judge(images, labels, training=True):
        judged.append(np.array(labels))
        return discriminate(images, labels, training)

    def generate(network, latents, labels=None, draw=None, truncation=1.0):
        generated.append(np.array(labels))
        return synthesize(network, latents, labels, draw, truncation)

    monkeypatch.setattr(model, "discriminate", judge)
    monkeypatch.setattr(model, "synthesize", generate)
    batches = prepared(model)
    model.train_step(batches)

    # Two critic updates of two passes each, then the generator's.
    assert len(judged) == 5
    assert len(generated) == 3
    for n, batch in enumerate(batches):
        mixed = np.array(batch["labels"])
        assert mixed.max() < 1 or len(np.unique(mixed)) > 2
        np.testing.assert_array_equal(judged[2 * n], np.concatenate([mixed, mixed]))
        np.testing.assert_array_equal(judged[2 * n + 1], mixed)
        # Fakes that are mixed themselves are made under the labels that were mixed.
        own = "source_labels" if model.mixup.mix_fakes else "labels"
        np.testing.assert_array_equal(generated[n], batch[own])
    np.testing.assert_array_equal(judged[-1], batches[-1]["labels"])


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_data_sets_of_any_floating_type_train(dtype):
    arrays = random_images(8), np.eye(3)[random_labels(8)]
    model = eager(num_classes=NUM_CLASSES)
    parts = tuple(part.astype(dtype) for part in arrays)
    model.fit(tf.data.Dataset.from_tensor_slices(parts).batch(4), verbose=0)
    assert model.num_steps == 1


# === Saving and resuming ===


@pytest.mark.long
@pytest.mark.parametrize(
    "defense", ["none", "dp", pytest.param("paper", marks=pytest.mark.slow)]
)
def test_training_goes_on_to_the_bit(defense, tmp_path):
    def train(model, epochs, **arguments):
        images, labels = random_images(18), random_labels(18)
        settings = {"batch_size": 4, "epochs": epochs, "verbose": 0, **arguments}
        return model.fit(images, labels, **settings)

    norm = "group" if defense == "none" else None

    def build():
        model = make(num_classes=NUM_CLASSES, norm=norm, **DEFENSES[defense])
        model.run_eagerly = defense == "none"  # which is sooner done
        return model

    backups = {"backup_dir": tmp_path / "backup", "delete_checkpoint": False}
    model = build()
    callbacks = [keras.callbacks.BackupAndRestore(**backups)]
    history = train(model, 1, callbacks=callbacks if defense == "none" else [])
    model.save(tmp_path / "model.keras")
    config = model.get_config()
    train(model, 2, initial_epoch=1)
    assert model.num_steps == 4
    assert int(model.d_optimizer.iterations) == 8
    if defense == "dp":  # the accountant counts every critic update
        assert set(history.history) == {"g_loss"}
        assert model.epsilon(1e-3) == accounting.epsilon(4 / 18, 0.5, 8, 1e-3)

    keras.utils.set_random_seed(99)  # no part of it hangs on global state
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = defense == "none"
    assert loaded.get_config() == config
    assert (loaded.critic_steps, loaded.gradient_penalty) == (2, 10)
    assert (loaded.norm, loaded.width) == (norm, 8)
    train(loaded, 2, initial_epoch=1)
    assert_same_state(loaded, model)
    if defense == "none":
        resumed = build()
        callbacks = [keras.callbacks.BackupAndRestore(**backups)]
        history = train(resumed, 2, callbacks=callbacks)
        assert history.epoch == [1]
        assert_same_state(resumed, model)


# === DP-SGD ===


def private(**arguments):
    """A model that clips nothing and adds no noise."""
    dp = DPSGD(l2_norm_clip=1e6, noise_multiplier=0.0, noise_seed=3)
    return eager(dp=dp, **arguments)


@pytest.mark.parametrize("num_classes", [None, NUM_CLASSES])
def test_private_rows_add_up_to_the_loss_of_the_batch(num_classes):
    model = private(num_classes=num_classes)
    batch = batches_of(model, prepared(model))[0]
    fakes, labels = model.counterparts(batch, 0)
    rows, mask = model.private_rows(batch, fakes, labels, 0)
    weights = model.critic.trainable_variables
    with tf.GradientTape() as tape:
        real = model.discriminate(rows["images"], rows.get("labels"))
        fake = model.discriminate(rows["fakes"], rows.get("fake_labels"))
        ends = [(rows["fakes"], rows["images"])]
        if num_classes is not None:
            ends.append((rows["fake_labels"], rows["labels"]))
        between = [interpolate(*pair, rows["positions"]) for pair in ends]
        losses = fake - real + model.penalties(*between)
        total = tf.reduce_sum(tf.boolean_mask(losses, mask))
    gradients = tape.gradient(total, weights)
    one_by_one = [
        model.row_losses(
            tf.nest.map_structure(lambda part, i=i: part[i][None], rows),
            model.discriminate,
        )[0]
        for i in range(len(losses))
    ]
    np.testing.assert_allclose(one_by_one, losses, rtol=1e-4)

    before = [np.array(weight) for weight in weights]
    model.privately_update(batch, fakes, labels, 0)
    for weight, start, gradient in zip(weights, before, gradients, strict=True):
        # Per expected image: one row holds the image, its fake and the penalty.
        np.testing.assert_allclose(
            weight, start - 0.01 * gradient / 4, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("num_classes", [None, NUM_CLASSES])
def test_an_image_more_changes_no_other_row(num_classes):
    model = make(dp=DPSGD(noise_seed=3), num_classes=num_classes)
    model.privacy.begin(30, 16)
    images = random_images(30)
    labels = np.eye(3, dtype="float32")[random_labels(30)]

    def rows_of(chosen):
        rows_of_labels = tf.constant(labels[chosen]) if num_classes else None
        batch = Batch(tf.constant(images[chosen]), rows_of_labels)
        rows, _ = model.private_rows(batch, *model.counterparts(batch, 0), 0)
        return rows

    everyone = rows_of(np.arange(30))
    without = rows_of(np.delete(np.arange(30), 3)[::-1])
    tf.nest.map_structure(
        lambda whole, part: np.testing.assert_array_equal(
            np.delete(whole, 3, axis=0)[::-1], part
        ),
        everyone,
        without,
    )
    # Partners differ from image to image, and from step to step.
    assert len(np.unique(everyone["positions"])) > 8
    model.steps.assign_add(1)
    assert not np.array_equal(everyone["positions"], rows_of(range(30))["positions"])


# === Mistakes ===


def test_batch_normalization_is_refused():
    with pytest.raises(ValueError, match=r"depend on the whole batch.*norm='batch'"):
        make(norm="batch")
    with pytest.raises(ValueError, match=r"norm.*'layer'"):
        make(norm="layr")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (keras.layers.BatchNormalization(name="bn"), "whole batch.*'bn'"),
        (
            keras.layers.UpSampling2D(interpolation="bilinear", name="up"),
            "second derivatives.*bilinear.*'up'",
        ),
        (keras.layers.Resizing(16, 16, name="resize"), "bilinear.*'resize'"),
    ],
)
def test_critics_that_the_penalty_cannot_treat_are_refused(layer, message):
    inner = keras.Sequential([keras.Input((8, 8, 1)), layer])
    network = keras.Sequential([inner, keras.layers.Flatten(), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=message) as caught:
        check_critic(network)
    assert "Expected" in str(caught.value)
    model = make(compile=False)
    model.discriminator = network
    with pytest.raises(ValueError, match=message):
        model.compile()


def test_suitable_critics_are_not_refused():
    for norm in ("layer", "group", None):
        check_critic(make(norm=norm, num_classes=NUM_CLASSES, compile=False).critic)
    nearest = keras.layers.UpSampling2D(interpolation="nearest")
    check_critic(keras.Sequential([keras.Input((8, 8, 1)), nearest]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"critic_steps": 0}, "critic_steps"),
        ({"critic_steps": 1.5}, "critic_steps"),
        ({"gradient_penalty": -1}, "gradient_penalty"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"width": 0}, "width"),
        ({"image_shape": (10, 10, 1)}, "image_shape"),
    ],
)
def test_unsuitable_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


# === The factory ===


def test_the_factory_reads_the_recipe():
    recipe = zoo.load_recipe("wgan_gp")
    model = zoo.wgan_gp((8, 8, 1), mixup=True, seed=0)
    assert isinstance(model, WGANGP)
    assert model.critic_steps == recipe["model"]["critic_steps"] == 5
    assert model.gradient_penalty == recipe["model"]["gradient_penalty"] == 10
    assert model.mixup == MixUp(**recipe[recipe["mixup"]])
    for optimizer in (model.g_optimizer, model.d_optimizer):
        assert optimizer.beta_2 == recipe["optimizer"]["beta_2"]
    assert zoo.wgan_gp((8, 8, 1), mixup="paper").mixup == MixUp.paper()
