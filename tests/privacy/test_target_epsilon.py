"""DP-SGD that is told what it may spend."""

import keras
import numpy as np
import pytest

from keras_mixup_gan import DPSGD, zoo
from keras_mixup_gan.privacy import noise_multiplier_for
from tests.models.tiny import make, random_images

DELTA = 1e-3
IMAGES = random_images(20)


def target(**arguments):
    return DPSGD(target_epsilon=2.0, delta=DELTA, noise_seed=1, **arguments)


def train(model, **arguments):
    return model.fit(IMAGES, **{"batch_size": 5, "verbose": 0, **arguments})


@pytest.mark.long
def test_noise_is_calibrated_to_the_updates_that_fit_is_asked_for():
    model = make(dp=target(), discriminator_steps=2)
    assert model.noise_multiplier is None
    assert model.epsilon(DELTA) == 0
    train(model, epochs=3)  # two steps an epoch, two updates a step
    assert int(model.d_optimizer.iterations) == 12
    assert model.noise_multiplier == noise_multiplier_for(2.0, DELTA, 5 / 20, 12)
    assert 0.998 * 2 < model.epsilon(DELTA) <= 2
    assert model.epsilon(DELTA) < model.epsilon(DELTA, "rdp")
    assert f"multiplier {model.noise_multiplier} " in model.privacy_statement(DELTA)


@pytest.mark.long
def test_the_noise_is_what_a_given_multiplier_would_add():
    model = make(dp=target())
    train(model, steps_per_epoch=3)
    noise = noise_multiplier_for(2.0, DELTA, 5 / 20, 3)
    same = make(dp=DPSGD(noise_multiplier=noise, noise_seed=1))
    train(same, steps_per_epoch=3)
    networks = [(m.discriminator, m.generator) for m in (model, same)]
    for ours, theirs in zip(*networks, strict=True):
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_no_update_beyond_the_plan(tmp_path):
    model = make(dp=target())
    train(model, epochs=2)
    noise, spent = model.noise_multiplier, model.epsilon(DELTA)
    message = r"calibrated to 8 .* 8 are done.*at most 0 .*Received: 4"
    with pytest.raises(ValueError, match=message) as caught:
        train(model)
    assert "\n" not in str(caught.value)
    assert int(model.d_optimizer.iterations) == 8
    assert (model.noise_multiplier, model.epsilon(DELTA)) == (noise, spent)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (loaded.noise_multiplier, loaded.epsilon(DELTA)) == (noise, spent)
    with pytest.raises(ValueError, match="calibrated to 8"):
        train(loaded, steps_per_epoch=1)


@pytest.mark.long
def test_a_training_may_be_made_in_parts(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = make(dp=target())
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(model, epochs=3, callbacks=[backup, Stop()])
    resumed = make(dp=target())
    train(resumed, epochs=3, callbacks=[keras.callbacks.BackupAndRestore(tmp_path)])
    train(model, epochs=3, initial_epoch=1)
    for part in (model, resumed):
        assert int(part.d_optimizer.iterations) == 12
        assert part.noise_multiplier == noise_multiplier_for(2.0, DELTA, 5 / 20, 12)
        assert 1.99 < part.epsilon(DELTA) <= 2


def test_restored_weights_do_not_buy_another_budget():
    model = make(dp=target())
    start = model.get_weights()
    train(model)
    model.set_weights(start)
    with pytest.raises(ValueError, match=r"calibrated to 4 .* 4 are done"):
        train(model)
    assert 1.99 < model.epsilon(DELTA) <= 2


def test_a_preset_says_the_noise_that_was_calibrated(tmp_path):
    model = make(dp=target(num_examples=20))
    train(model)
    preset = zoo.from_preset(model.save_to_preset(tmp_path / "preset"))
    assert preset.dp == DPSGD(1.0, model.noise_multiplier, num_examples=20)
    assert preset.epsilon(DELTA) == model.epsilon(DELTA)
    fresh = make(dp=target())
    preset = zoo.from_preset(fresh.save_to_preset(tmp_path / "fresh"))
    assert preset.dp.target_epsilon == 2.0
    assert preset.noise_multiplier is None


@pytest.mark.long
def test_a_plan_that_was_never_begun_binds_nothing():
    class Refuse(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            raise KeyboardInterrupt

    model = make(dp=target())
    with pytest.raises(KeyboardInterrupt):
        train(model, callbacks=[Refuse()])
    planned = model.noise_multiplier
    model.fit(random_images(20), batch_size=10, epochs=1, verbose=0)
    assert int(model.d_optimizer.iterations) == 2
    assert model.noise_multiplier == noise_multiplier_for(2.0, DELTA, 10 / 20, 2)
    assert model.noise_multiplier != planned
    assert 1.99 < model.epsilon(DELTA) <= 2
    assert model.privacy._private_gradients.noise_multiplier == model.noise_multiplier
