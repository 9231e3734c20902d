"""A local GAN learns from generated images alone."""

import numpy as np
import pytest

from keras_mixup_gan.attacks import AttackTarget
from keras_mixup_gan.attacks.shadows.local_gan import LocalLOGAN
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, FakeGAN, images
from tests.models.tiny import make, random_images

MEMBERS, NON_MEMBERS = images(60, 1), images(60, 2)


def train(samples, labels, seed):
    assert labels is None
    return FakeGAN(samples)


def fitted(model, **settings):
    return LocalLOGAN(train, **settings).fit(AttackTarget.from_model(model, seed=3))


def test_the_score_is_that_of_a_discriminator_trained_on_generated_images():
    model = FakeGAN()
    samples = model.generate(150, seed=3, dtype="float32")
    scores = fitted(model, num_samples=150).score(MEMBERS)
    np.testing.assert_array_equal(scores, FakeGAN(samples).score(MEMBERS))


def test_members_that_the_target_repeats_are_found_from_its_images():
    attack = fitted(FakeGAN(MEMBERS), num_samples=400)
    assert auc(attack.score(MEMBERS), attack.score(NON_MEMBERS)) > 0.9
    np.testing.assert_array_equal(
        attack.score(MEMBERS[3:5]), attack.score(MEMBERS)[3:5]
    )


def test_a_target_of_other_data_leaks_nothing():
    attack = fitted(FakeGAN(images(50, 4)), num_samples=200)
    area = auc(attack.score(images(300, 5)), attack.score(images(300, 6)))
    assert abs(area - 0.5) < 4 * np.sqrt(601 / (12 * 300 * 300))


def test_an_array_of_samples_is_all_there_is():
    attack = fitted(images(70, 9), num_samples=1000)
    assert attack.settings["num_samples"] == 70


def test_a_model_of_the_zoo_is_trained_afresh_and_repeatably():
    local = make(seed=8)
    before = [np.array(weight) for weight in local.weights]
    target = AttackTarget.from_model(random_images(16))
    scores = [
        LocalLOGAN(local, fit={"batch_size": 8, "epochs": 1})
        .fit(target)
        .score(random_images(5, seed=1))
        for _ in range(2)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    for ours, theirs in zip(local.weights, before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_unusable_local_models_are_refused():
    with pytest.raises(ValueError, match="is needed to train"):
        LocalLOGAN(make())
    with pytest.raises(ValueError, match="trained like one with"):
        LocalLOGAN("dcgan")
    classes = LocalLOGAN(lambda x, labels, seed: FakeGAN(x, num_classes=3))
    with pytest.raises(ValueError, match="needs an unconditional model"):
        classes.fit(AttackTarget.from_model(FakeGAN()))
    other = LocalLOGAN(lambda x, labels, seed: FakeGAN(shape=(5, 5, 1)))
    with pytest.raises(ValueError, match=r"of images \(4, 4, 1\)"):
        other.fit(AttackTarget.from_model(FakeGAN()))
    with pytest.raises(ValueError, match="needs access to: samples"):
        LocalLOGAN(train).fit(AttackTarget(image_shape=SHAPE))
