"""privGAN: several pairs and a privacy discriminator among them."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import defenses
from keras_mixup_gan.models.inputs import Batch
from tests.defenses.tiny import assert_resumes, build, train
from tests.models.tiny import random_images


def weights(networks):
    return [np.array(weight) for network in networks for weight in network.weights]


def trained_with_privacy_at(scale, ratio):
    model = build(defenses.PrivGANDefense(privacy_ratio=ratio))
    for weight in model.privacy_discriminator.trainable_variables:
        weight.assign(scale * weight)
    return train(model, 1)


@pytest.mark.long
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_generators_heed_the_privacy_discriminator_by_its_ratio(ratio):
    models = [trained_with_privacy_at(scale, ratio) for scale in (1, 30)]
    pairs = zip(*(weights(model.generators) for model in models), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs) == (ratio == 0)


def test_the_privacy_loss_is_low_where_generators_are_mistaken():
    model = build(defenses.PrivGANDefense(3))
    fakes, _ = model.counterparts(Batch(random_images(5)), draw=0)
    own, other = model.log_probabilities(fakes, None)
    assert own.shape == other.shape == (5, 3)
    np.testing.assert_allclose(tf.exp(own) + tf.exp(other), 1, rtol=1e-5)
    expected = -np.mean(np.array(other), axis=0)
    np.testing.assert_allclose(model.privacy_losses(fakes, None), expected)


def test_pairs_do_not_learn_from_each_other():
    model = build(defenses.PrivGANDefense(privacy_ratio=0.0))
    with tf.GradientTape(persistent=True) as tape:
        fakes, _ = model.counterparts(Batch(random_images(4)), draw=0)
        losses = model.generator_losses(fakes, None)
        first, second = losses[0], losses[1]
    for of, loss in ((0, second), (1, first)):
        network = model.generators[of]
        found = tape.gradient(loss, network.trainable_variables)
        assert all(one is None or not np.any(np.array(one)) for one in found)


def test_all_networks_learn_and_the_first_is_released():
    model = build(defenses.PrivGANDefense())
    everything = [
        *model.trained_generators,
        *model.trained_discriminators,
        model.ema_generator,
    ]
    before = [weights([network]) for network in everything]
    train(model, 1)
    for network, old in zip(everything, before, strict=True):
        new = weights([network])
        assert all(
            not np.array_equal(a, b)
            for a, b, weight in zip(old, new, network.weights, strict=True)
            if weight.trainable
        )
    # Statistics are copied, not averaged: they tell whose average it is.
    pairs = zip(model.generator.weights, model.ema_generator.weights, strict=True)
    copied = [(ours, theirs) for ours, theirs in pairs if not ours.trainable]
    assert copied
    for ours, theirs in copied:
        np.testing.assert_array_equal(np.array(ours), np.array(theirs))


@pytest.mark.long
@pytest.mark.parametrize("num_classes", [3, pytest.param(None, marks=pytest.mark.slow)])
def test_training_goes_on_to_the_bit(num_classes, tmp_path):
    defense = defenses.PrivGANDefense(privacy_ratio=0.5)
    loaded = assert_resumes(defense, tmp_path / "m.keras", num_classes=num_classes)
    assert (loaded.num_parts, loaded.privacy_ratio) == (2, 0.5)


def test_a_second_defense_and_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="PrivGAN cannot be combined with `aug"):
        build(defenses.PrivGANDefense(), augment="color")
    with pytest.raises(ValueError, match="privacy_ratio"):
        defenses.PrivGAN(privacy_ratio=-1.0)
    with pytest.raises(ValueError, match="num_parts"):
        defenses.PrivGAN(num_parts=1)
