"""Training on two devices is training on one with the whole batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD, MixUp, defenses, zoo
from tests.models.tiny import make, random_images, random_labels, state

CASES = {
    "none": {},
    "two-sided with noise": {"mixup": MixUp(alpha=1.0, noise_stddev=0.5)},
    "paper": {"mixup": "paper"},
    "several discriminator steps": {"discriminator_steps": 2},
    "transformed, by regions": {
        "mixup": MixUp(alpha=8.0, augment="color,translation,cutout", region="cutmix")
    },
    "conditional, two-sided": {"mixup": MixUp(), "num_classes": 3},
}


def two_devices():
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


FAMILIES = {
    "wgan_gp": {"critic_steps": 2, "num_classes": 3},
    # Its groups are of a replica's images, so there must be none.
    "stylegan_lite": {"group_size": 1, "num_classes": 3},
}


def trained(strategy, arguments, images, build=make, rate=0.5):
    with strategy.scope():
        model = build(compile=False, **arguments)
        model.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate))
        labels = random_labels(len(images)) if model.num_classes else None
        model.fit(images, labels, batch_size=16, epochs=2, verbose=0)
    return model


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_two_devices_give_the_weights_of_one(case):
    images = random_images(32)
    one = trained(tf.distribute.get_strategy(), CASES[case], images)
    two = trained(two_devices(), CASES[case], images)
    start = make(compile=False, **CASES[case])
    for ours, theirs in zip(state(two), state(one), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    moved = np.abs(
        one.discriminator.get_weights()[0] - start.discriminator.get_weights()[0]
    )
    assert moved.max() > 1e-3  # far more than the tolerance
    np.testing.assert_array_equal(two.generate(3, seed=1), one.generate(3, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_two_devices_give_the_weights_of_one_in_every_family(name):
    def build(**arguments):
        factory = getattr(zoo, name)
        return factory((8, 8, 1), latent_dim=4, width=8, seed=0, **arguments)

    images = random_images(32)
    settings = (FAMILIES[name], images, build, 0.01)
    one = trained(tf.distribute.get_strategy(), *settings)
    two = trained(two_devices(), *settings)
    for ours, theirs in zip(state(two), state(one), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_each_device_draws_noise_of_its_own():
    strategy = two_devices()
    with strategy.scope():
        model = make()
        draws = strategy.run(lambda: model.latents(4, draw=0)).values
        keys = strategy.run(lambda: model.random.key(0, 0, per_replica=True)).values
    whole = make().latents(8, draw=0)
    np.testing.assert_array_equal(np.concatenate(draws), whole)
    assert not np.array_equal(*[key.numpy() for key in keys])


@pytest.mark.parametrize(
    ("defense", "reason"),
    [
        (defenses.DifferentialPrivacy(), "draws its noise once for a whole batch"),
        (defenses.PARGANDefense(), "its part of a whole batch"),
        (defenses.PrivGANDefense(), "its part of a whole batch"),
        (defenses.RelaxLoss(), "the loss of a whole batch"),
    ],
)
def test_steps_that_need_the_whole_batch_keep_to_one_device(defense, reason):
    with two_devices().scope(), pytest.raises(ValueError, match=f"{reason}.*: 2. Buil"):
        defense.build("dcgan", (8, 8, 1), width=4)


def test_a_private_model_is_not_mirrored_on_one_device_either():
    one = tf.distribute.MirroredStrategy(["CPU:0"])
    with one.scope(), pytest.raises(ValueError, match=r"noise once .* of one device"):
        make(dp=DPSGD())
    with two_devices().scope():
        model = make(dp=DPSGD(), compile=False)
    with pytest.raises(ValueError, match="noise once for a whole batch"):
        model.compile("adam", "adam")


def test_a_batch_that_cannot_be_shared_equally():
    with two_devices().scope():
        model = make()
    # As Keras has it, `fit` may be called outside.
    with pytest.raises(ValueError, match="Expected a `batch_size` that 2 divides"):
        model.fit(random_images(30), batch_size=15, verbose=0)


def test_a_data_set_whose_batches_cannot_be_shared_equally():
    dataset = tf.data.Dataset.from_tensor_slices(random_images(11)).batch(8)
    with two_devices().scope():
        model = make()
    with pytest.raises(ValueError, match="must come in batches that 2 replicas"):
        model.fit(dataset, verbose=0)


def test_a_last_batch_that_leaves_a_device_nothing():
    images = random_images(33)
    losses = []
    for strategy in (tf.distribute.get_strategy(), two_devices()):
        with strategy.scope():
            model = make()
        losses.append(model.evaluate(images, batch_size=32, verbose=0))
    assert np.isfinite(losses).all()
    # Of an untrained model: a mean over batches, of which the last has one image.
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.01)


def test_batches_that_keras_would_not_share_out_are_refused():
    with two_devices().scope():
        model = make()
    for door in (model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match="every replica the whole batch"):
            door(random_images(8))
