"""Real trainings: a memorized set is found, and nothing where nothing was learned."""

import keras
import numpy as np
import pytest

from keras_mixup_gan import zoo
from keras_mixup_gan.attacks import AttackTarget
from keras_mixup_gan.attacks.base import default_attacks
from keras_mixup_gan.attacks.shadows.signals import default_signals
from keras_mixup_gan.auditing import Leak, audit
from keras_mixup_gan.data import load_images

pytestmark = pytest.mark.slow

SHAPE = (16, 16, 1)
NUM_MEMORIZED, NUM_OTHERS, NUM_REFERENCE = 32, 300, 500


@pytest.fixture(scope="module")
def digits():
    """Digits in random order: memorized ones, two halves of others, outside ones."""
    images = load_images("digits", image_shape=SHAPE).images
    images = images[np.random.default_rng(0).permutation(len(images))]
    sizes = [NUM_MEMORIZED, NUM_OTHERS, NUM_OTHERS, NUM_REFERENCE, NUM_OTHERS]
    return np.split(images, np.cumsum(sizes))[:-1]


def trained(images, steps, seed):
    """A DCGAN after some steps on batches of few images, each seen many times."""
    batch_size = min(len(images), 32)
    model = zoo.dcgan(
        SHAPE, width=32, latent_dim=32, norm=None, ema_momentum=0.99, seed=seed
    )
    optimizers = (keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2))
    model.compile(*optimizers)
    # One long epoch, because there is a fixed cost to each.
    repeats = steps * batch_size // len(images)
    model.fit(
        np.tile(images, (repeats, 1, 1, 1)), batch_size=batch_size, epochs=1, verbose=0
    )
    return model


@pytest.fixture(scope="module")
def memorizer(digits):
    return trained(digits[0], steps=3600, seed=0)


def areas_of(target, members, non_members, attacks):
    report = audit(target, members, non_members, attacks=attacks, blind=False)
    return {name: report[name].auc for name in attacks}


def test_a_gan_that_memorized_its_digits_is_found_out(memorizer, digits):
    members, non_members, _, reference, _ = digits
    target = AttackTarget.from_model(memorizer, reference=reference)
    attacks = ["logan", "gan_leaks", "domias"]
    areas = areas_of(target, members, non_members, attacks)
    assert areas["logan"] > 0.9 and areas["domias"] > 0.9, areas
    # A GAN never draws some of its digits, and these lie near to no sample.
    assert areas["gan_leaks"] > 0.8, areas


def test_a_generator_that_reproduces_its_digits_is_found_out(digits):
    members, non_members, _, reference, _ = digits
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((NUM_MEMORIZED,)),
        keras.layers.Dense(NUM_MEMORIZED, activation="softmax"),
        keras.layers.Dense(int(np.prod(SHAPE)), activation="tanh"),
        keras.layers.Reshape(SHAPE),
    ]
    generator = keras.Sequential(layers)
    generator.compile(keras.optimizers.Adam(0.01), "mse")
    # The largest of the latents says which digit is to be drawn.
    latents = np.random.default_rng(1).standard_normal((192_000, NUM_MEMORIZED))
    generator.fit(latents, members[latents.argmax(axis=1)], batch_size=64, verbose=0)
    target = AttackTarget.from_networks(generator, reference=reference)
    areas = areas_of(target, members, non_members, ["gan_leaks", "domias"])
    assert min(areas.values()) > 0.9, areas


def test_a_gan_of_other_digits_is_accused_by_no_attack(memorizer, digits, tmp_path):
    _, members, non_members, reference, outside = digits
    report = audit(
        memorizer,
        members,
        non_members,
        reference,
        reference_models=[trained(outside, steps=100, seed=1)],
        shadows=4,
        shadow_fit={"epochs": 3, "batch_size": 32},
        folder=tmp_path,
    )
    given = ["reference_models", "shadows", *default_signals(None, ["layers"])]
    names = set(default_attacks(given))
    assert {result.name for result in report.done} == names
    error = np.sqrt((2 * NUM_OTHERS + 1) / (12 * NUM_OTHERS**2))
    areas = {result.name: result.auc for result in report.done}
    assert max(abs(area - 0.5) for area in areas.values()) < 4 * error, areas
    assert report.verdict.leak is Leak.NOT_FOUND


def test_the_memorizer_is_a_null_target_for_other_digits(memorizer, digits):
    _, members, non_members, *_ = digits
    report = audit(
        members, members[:200], non_members, attacks="gan_leaks", null_target=memorizer
    )
    assert report["gan_leaks"].auc > 0.99
    assert report.null_target.deviating == ()
