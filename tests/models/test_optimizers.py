import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD
from tests.models.tiny import eager, make, random_images

IMAGES = random_images(8)


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture
def fit(model):
    """Trains from set learning rates, two epochs of one step."""
    model.g_optimizer.learning_rate = 0.02
    model.d_optimizer.learning_rate = 0.08

    def run(*callbacks):
        done = model.fit(
            IMAGES, batch_size=8, epochs=2, callbacks=list(callbacks), verbose=0
        )
        return done.history

    return run


def rates(model):
    optimizers = (model.g_optimizer, model.d_optimizer)
    return [pytest.approx(float(one.learning_rate)) for one in optimizers]


def test_a_schedule_sets_both_learning_rates(model, fit):
    logs = fit(keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2))
    assert rates(model) == [0.005, 0.02]
    if "learning_rate_generator" in logs:  # not with Keras before 3.15
        assert logs["learning_rate_generator"] == pytest.approx([0.01, 0.005])
        assert logs["learning_rate_discriminator"] == pytest.approx([0.04, 0.02])


def test_a_plateau_lowers_both_learning_rates(model, fit):
    fit(
        keras.callbacks.ReduceLROnPlateau(
            monitor="g_loss", mode="min", factor=0.5, patience=1, min_delta=100
        )
    )
    assert rates(model) == [0.01, 0.04]


def test_a_callback_that_knows_one_optimizer_keeps_the_ratio(model, fit):
    model.optimizer.learning_rate = model.optimizer.learning_rate / 2
    assert rates(model) == [0.01, 0.04]
    model.optimizer.learning_rate = 0.0
    assert rates(model) == [0, 0]
    model.optimizer.learning_rate = 0.01
    assert rates(model) == [0.01, 0.04]
    updates = int(model.optimizer.iterations)
    fit()
    assert int(model.optimizer.iterations) == updates + 2


def test_networks_and_weights_are_told_apart_by_name(model):
    assert model.get_layer("generator") is model.generator
    assert model.get_layer("ema_generator") is model.ema_generator
    paths = [weight.path for weight in model.weights]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("kind", ["par-gan", "privgan"])
def test_networks_of_variants_are_told_apart(kind):
    from keras_mixup_gan import defenses

    model = defenses.make(kind).build("dcgan", (8, 8, 1), seed=0)
    paths = [weight.path for weight in model.weights]
    assert len(set(paths)) == len(paths)


def test_weights_go_to_h5_files_and_whole_models_do_not(model, tmp_path):
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    other = make(seed=1)
    other.load_weights(path)
    assert (other.generate(2) == model.generate(2)).all()
    with pytest.raises(ValueError, match=r"ends in \.keras"):
        model.save(tmp_path / "model.h5")


def test_exported_is_the_averaged_generator(model, tmp_path):
    weight = model.ema_generator.weights[0]
    weight.assign(2 * weight)
    model.export(tmp_path / "model", verbose=False)
    latents = np.ones((2, 4), "float32")
    served = tf.saved_model.load(tmp_path / "model")
    found = served.serve(latents).numpy()
    np.testing.assert_allclose(found, model.decode(latents), atol=1e-6)
    assert np.abs(found - model.generator(latents)).max() > 0.01


def test_a_loss_that_the_optimizer_scales_moves_weights_as_far():
    moved = []
    for factor in (None, 1024.0):
        model = eager(compile=False)
        start = model.discriminator.get_weights()[0]
        sgd = [keras.optimizers.SGD(0.1, loss_scale_factor=factor) for _ in range(2)]
        model.compile(*sgd, run_eagerly=True)
        model.train_on_batch(IMAGES)
        moved.append(model.discriminator.get_weights()[0] - start)
    assert np.abs(moved[0]).max() > 1e-4
    np.testing.assert_allclose(moved[1], moved[0], rtol=0, atol=1e-7)


def test_clipped_gradients_are_not_scaled():
    sgd = keras.optimizers.SGD(0.1, loss_scale_factor=1024.0)
    with pytest.raises(ValueError, match=r"Received: loss_scale_factor=1024\.0"):
        make(dp=DPSGD(), compile=False).compile("adam", sgd)
