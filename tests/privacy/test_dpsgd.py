import subprocess
import sys

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_mixup_gan.models.dcgan import build_discriminator, row_losses
from keras_mixup_gan.privacy import DPSGD, tfp
from keras_mixup_gan.privacy.dpsgd import PrivateGradients
from keras_mixup_gan.privacy.ghost import GhostClipping
from tests.models.tiny import random_images

STEP = tf.constant(0, tf.int64)
ENGINES = ["ghost", "query"]


def network(norm, num_classes=None, gain=5):
    """A discriminator whose gradients differ in length, as after some training."""
    discriminator = build_discriminator(
        image_shape=(16, 16, 1), width=4, norm=norm, num_classes=num_classes, seed=0
    )
    for variable in discriminator.trainable_variables:
        variable.assign(gain * variable)
    return discriminator


def rows_of(images, num_real=None, num_classes=None):
    num_real = len(images) // 2 if num_real is None else num_real
    is_real = np.arange(len(images)) < num_real
    rows = {"images": tf.constant(images), "is_real": tf.constant(is_real)}
    if num_classes is not None:
        classes = np.arange(len(images)) % num_classes
        rows["labels"] = tf.one_hot(classes, num_classes)
    return rows


def losses_of(discriminator, rows):
    def discriminate(images, labels):
        inputs = images if labels is None else [images, labels]
        return discriminator(inputs, training=True)[:, 0]

    return row_losses(rows, discriminate)


def summed(settings, discriminator, engine, expected_rows=8):
    """The private sum as a compiled function of rows and mask."""
    private = PrivateGradients(settings, expected_rows)
    variables = discriminator.trainable_variables
    ghost = GhostClipping(discriminator, settings.l2_norm_clip)

    @tf.function
    def total(rows, mask):
        if engine == "ghost":
            sums = ghost(lambda network: losses_of(network, rows), mask)
            gradients = private.noised(sums, STEP)
        else:

            def row_loss(row):
                single = tf.nest.map_structure(lambda part: part[None], row)
                return losses_of(discriminator, single)[0]

            gradients = private(row_loss, rows, mask, variables, STEP)
        return [expected_rows * gradient for gradient in gradients]

    return lambda rows, mask: flat(total(rows, tf.constant(mask)))


def flat(gradients):
    return np.concatenate([np.ravel(part) for part in gradients]).astype("float64")


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def gradient_of_row(discriminator, rows, at):
    with tf.GradientTape() as tape:
        single = {name: part[at : at + 1] for name, part in rows.items()}
        loss = losses_of(discriminator, single)[0]
    return flat(tape.gradient(loss, discriminator.trainable_variables))


def rows_of_many_lengths(num_classes=None):
    scales = np.geomspace(0.02, 1, 8)[:, None, None, None]
    images = (random_images(8, (16, 16, 1)) * scales).astype("float32")
    return rows_of(images, num_classes=num_classes)


# === Clipping ===


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("norm", [None, "layer", "group"])
@pytest.mark.parametrize("num_classes", [None, 3])
def test_clipped_sum_equals_an_explicit_loop(engine, norm, num_classes):
    discriminator = network(norm, num_classes)
    rows = rows_of_many_lengths(num_classes)
    gradients = [gradient_of_row(discriminator, rows, at) for at in range(8)]
    norms = np.array([np.linalg.norm(gradient) for gradient in gradients])
    clip = float(np.median(norms))
    assert norms.max() > 1.02 * clip
    assert norms.min() < 0.98 * clip
    expected = sum(
        gradient * min(1, clip / length)
        for gradient, length in zip(gradients, norms, strict=True)
    )
    settings = DPSGD(clip, noise_multiplier=0)
    total = summed(settings, discriminator, engine)(rows, np.ones(8, bool))
    assert relative_error(total, expected) < 1e-5


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("norm", [None, "group"])
def test_clipped_sum_equals_the_one_that_tensorflow_privacy_documents(engine, norm):
    discriminator = network(norm)
    rows = rows_of_many_lengths()
    norms = [np.linalg.norm(gradient_of_row(discriminator, rows, n)) for n in range(8)]
    clip = float(np.median(norms))
    library = tfp.load("optimizers.clip_and_aggregate_gradients")

    @tf.function
    def documented():
        with tf.GradientTape(persistent=True) as tape:
            losses = losses_of(discriminator, rows)
        return library.clip_and_aggregate_gradients(
            tape,
            losses,
            discriminator.trainable_variables,
            l2_norm_clip=clip,
            aggregate_method="sum",
            keep_sparse_threshold=-1,
        )

    settings = DPSGD(clip, noise_multiplier=0)
    total = summed(settings, discriminator, engine)(rows, np.ones(8, bool))
    assert relative_error(total, flat(documented())) < 1e-5


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("norm", [None, "layer", "group"])
def test_no_row_moves_the_sum_by_more_than_the_clipping_norm(engine, norm):
    clip = 0.01
    images = random_images(6, (16, 16, 1))
    images[1] = np.nan
    images[2] = 1e30
    images[4] = images[3]  # a duplicate pulls in the same direction
    rows = rows_of(images, num_real=6)
    total = summed(DPSGD(clip, noise_multiplier=0), network(norm), engine)
    everyone = np.ones(6, bool)
    whole = total(rows, everyone)
    assert np.all(np.isfinite(whole))
    for row in range(6):
        moved = np.linalg.norm(whole - total(rows, everyone & (np.arange(6) != row)))
        if row == 1:
            assert moved == 0
        elif row == 2:  # its gradient overflows in some networks, and then is absent
            assert moved <= clip * (1 + 1e-4)
        else:
            assert 0.99 * clip < moved <= clip * (1 + 1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_denominator_is_constant_and_an_empty_batch_counts(engine):
    discriminator = network(None)
    total = summed(DPSGD(noise_multiplier=0), discriminator, engine)
    images = random_images(3, (16, 16, 1))
    once = total(rows_of(images, 3), np.ones(3, bool))
    twice = total(rows_of(np.concatenate([images, images]), 6), np.ones(6, bool))
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-6)
    # Absent rows change nothing: not the sum, and not what it is divided by.
    padded = total(rows_of(np.concatenate([images, images]), 6), np.arange(6) < 3)
    np.testing.assert_allclose(padded, once, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(total(rows_of(images, 3), np.zeros(3, bool)), 0)
    noisy = summed(DPSGD(noise_multiplier=1.0), discriminator, engine)
    empty = noisy(rows_of(images, 3), np.zeros(3, bool))
    assert 0.9 < empty.std() < 1.1


# === Noise ===


def noise_sampler(settings, expected_rows=10, jit_compile=False):
    """Draws of pure noise for two variables of the same shape."""
    variables = [tf.Variable(tf.zeros((250, 240))) for _ in range(2)]
    private = PrivateGradients(settings, expected_rows)

    def row_loss(row):
        return row * tf.add_n([tf.reduce_sum(variable) for variable in variables])

    @tf.function(jit_compile=jit_compile)
    def draw(step):
        absent = tf.zeros(1, bool)
        return private(row_loss, tf.zeros(1), absent, variables, step)

    return lambda step: [
        part.numpy().ravel() for part in draw(tf.constant(step, tf.int64))
    ]


@pytest.mark.parametrize("noise_seed", [None, 3])
def test_noise_is_gaussian_of_the_stated_size_and_never_repeats(noise_seed):
    clip, multiplier, rows = 0.7, 1.3, 10
    draw = noise_sampler(DPSGD(clip, multiplier, noise_seed), rows)
    stddev = clip * multiplier / rows
    draws = [part for step in (0, 1) for part in draw(step)]
    for noise in draws:
        squares = np.sum((noise.astype("float64") / stddev) ** 2)
        assert 1e-5 < scipy.stats.chi2.cdf(squares, noise.size) < 1 - 1e-5
        normal = scipy.stats.norm(0, stddev).cdf
        assert scipy.stats.kstest(noise, normal).pvalue > 1e-5
    correlations = np.corrcoef(draws)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(draws[0].size)
    # Neither within a draw: no number occurs next to itself in the other ones.
    lagged = [np.corrcoef(a[1:], b[:-1])[0, 1] for a in draws for b in draws]
    assert np.abs(lagged).max() < 5 / np.sqrt(draws[0].size)


def test_a_noise_seed_repeats_the_noise_of_a_step():
    first = noise_sampler(DPSGD(noise_seed=4))
    second = noise_sampler(DPSGD(noise_seed=4))
    steps = [first(0), first(1), first(2)]
    np.testing.assert_array_equal(second(2), steps[2])
    np.testing.assert_array_equal(second(0), steps[0])
    assert not np.array_equal(steps[0], steps[1])
    assert not np.array_equal(noise_sampler(DPSGD(noise_seed=5))(0), steps[0])


def test_one_example_shows_in_the_noise_as_the_multiplier_says():
    # The mechanism's mean moves by C and its noise is z C: a shift of 1 / z. A slip in
    # clip, noise or denominator shows here.
    multiplier, draws = 1.3, 4000
    variable = tf.Variable(tf.zeros(5))
    direction = np.array([1.0, -2.0, 0.5, 3.0, 0.0], "float32")
    private = PrivateGradients(DPSGD(0.4, multiplier), 6)

    @tf.function
    def projected(present):
        def once(step):
            [gradient] = private(
                lambda row: tf.reduce_sum(variable * row),
                tf.constant(direction)[None],
                present[None],
                [variable],
                step,
            )
            return tf.reduce_sum(gradient * direction)

        steps = tf.range(draws, dtype=tf.int64)
        return tf.map_fn(once, steps, tf.float32, parallel_iterations=1)

    out = projected(tf.constant(False)).numpy().astype("float64")
    inside = projected(tf.constant(True)).numpy().astype("float64")
    spread = np.sqrt((out.var() + inside.var()) / 2)
    shift = (inside.mean() - out.mean()) / spread
    assert abs(shift - 1 / multiplier) < 5 * np.sqrt(2 / draws)


NOISE_OF_A_PROCESS = """
import keras, tensorflow as tf
from keras_mixup_gan.privacy import DPSGD
from keras_mixup_gan.privacy.dpsgd import PrivateGradients

def draw(jit_compile):
    variable = tf.Variable(tf.zeros(3))
    private = PrivateGradients(DPSGD(), 1)
    @tf.function(jit_compile=jit_compile)
    def noise():
        rows, absent = tf.zeros(1), tf.zeros(1, bool)
        loss = lambda row: row * tf.reduce_sum(variable)
        step = tf.constant(0, tf.int64)
        return private(loss, rows, absent, [variable], step)[0]
    return noise().numpy().tolist()

for set_seed in (False, True):
    for jit_compile in (False, True):
        if set_seed:
            keras.utils.set_random_seed(0)
        print("noise", draw(jit_compile))
"""


@pytest.mark.long
def test_noise_differs_between_processes_whatever_seed_is_set():
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", NOISE_OF_A_PROCESS],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    lines = [
        line for text in outputs for line in text.splitlines() if line[:5] == "noise"
    ]
    assert len(lines) == 8
    assert len(set(lines)) == 8


# === Settings ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"l2_norm_clip": 0}, "l2_norm_clip"),
        ({"l2_norm_clip": float("inf")}, "l2_norm_clip"),
        ({"noise_multiplier": -1}, "noise_multiplier"),
        ({"noise_multiplier": "much"}, "noise_multiplier"),
        ({"noise_multiplier": float("inf")}, "noise_multiplier"),
        ({"noise_seed": 2**63}, "noise_seed"),
        ({"noise_seed": -1}, "noise_seed"),
        ({"noise_seed": 1.5}, "noise_seed"),
        ({"num_examples": 0}, "num_examples"),
        ({"engine": "fast"}, "engine"),
        ({"target_epsilon": 0, "delta": 1e-5}, "target_epsilon"),
        ({"target_epsilon": 1.0, "delta": 1.5}, "delta"),
        ({"target_epsilon": 1.0}, "noise_multiplier"),
        ({"delta": 1e-5}, "noise_multiplier"),
        ({"noise_multiplier": 1, "delta": 1e-5}, "noise_multiplier"),
        (
            {"noise_multiplier": 1, "target_epsilon": 1, "delta": 0.1},
            "target_epsilon",
        ),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=rf"`{message}`.*Received: "):
        DPSGD(**arguments)


def test_noise_is_given_or_follows_from_a_target():
    assert DPSGD().noise_multiplier == 1.0
    assert DPSGD(1.0, 3.0) == DPSGD(l2_norm_clip=1.0, noise_multiplier=3.0)
    target = DPSGD(target_epsilon=3.0, delta=1e-4)
    assert target.noise_multiplier is None
    assert target.with_noise(2.0) == DPSGD(1.0, 2.0)
    with pytest.raises(ValueError, match="not known before training begins"):
        PrivateGradients(target, 8)


@pytest.mark.parametrize(
    "target",
    [{}, {"target_epsilon": 3.0, "delta": 1e-4}, {"augmentation_multiplicity": 4}],
)
def test_config_round_trip(target):
    settings = DPSGD(
        0.5,
        None if "delta" in target else 1.1,
        noise_seed=3,
        num_examples=50,
        engine="query",
        **target,
    )
    config = keras.saving.serialize_keras_object(settings)
    assert config["registered_name"] == "keras_mixup_gan>DPSGD"
    assert keras.saving.deserialize_keras_object(config) == settings


def test_an_older_config_is_still_read():
    config = {"l2_norm_clip": 0.5, "noise_multiplier": 1.1, "noise_seed": None}
    assert DPSGD.from_config(config) == DPSGD(0.5, 1.1)
