"""What a trained model gives: truncated images, and files for serving and sharing."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD, zoo
from tests.models.tiny import (
    NUM_CLASSES,
    assert_same_state,
    eager,
    make,
    random_images,
    random_labels,
)


def test_truncation_draws_latents_toward_their_mean():
    model = make()
    whole = model.generate(6, seed=1, dtype="float32")
    latents = np.random.default_rng([1, 0]).standard_normal((256, 4))[:6]
    half = model.generate(6, seed=1, truncation=0.5, dtype="float32")
    np.testing.assert_allclose(whole, model.decode(latents), atol=1e-6)
    np.testing.assert_allclose(half, model.decode(latents / 2), atol=1e-6)
    none = model.generate(6, seed=1, truncation=0.0)
    assert (none == none[:1]).all()
    for bad in (-0.1, 1.5):
        with pytest.raises(ValueError, match=r"`truncation` must be a number in"):
            model.generate(1, truncation=bad)


@pytest.mark.parametrize("num_classes", [None, NUM_CLASSES])
def test_the_exported_generator_gives_the_models_images(tmp_path, num_classes):
    model = make(num_classes=num_classes)
    latents = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    labels = None if num_classes is None else random_labels(3)
    model.export_generator(tmp_path / "generator")
    inputs = [latents]
    if labels is not None:
        inputs.append(np.eye(NUM_CLASSES, dtype="float32")[labels])
    loaded = tf.saved_model.load(tmp_path / "generator")
    np.testing.assert_allclose(
        loaded.serve(*inputs), model.decode(latents, labels), atol=1e-6
    )
    exported = sum(int(np.prod(v.shape)) for v in loaded.variables)
    assert exported == model.ema_generator.count_params()  # nothing else is in the file


def test_a_model_saves_itself_as_a_preset(tmp_path):
    model = make()
    assert model.save_to_preset(tmp_path / "mine") == tmp_path / "mine"
    loaded = zoo.from_preset(tmp_path / "mine")
    np.testing.assert_array_equal(loaded.generate(3, seed=2), model.generate(3, seed=2))


@pytest.mark.long
@pytest.mark.parametrize("mixup", [False, True, "paper"])
def test_every_discriminator_update_has_a_batch_of_its_own(mixup):
    images = random_images(24)
    one, three = eager(mixup=mixup), eager(mixup=mixup, discriminator_steps=3)
    one.fit(images, batch_size=4, verbose=0)
    three.fit(images, batch_size=4, verbose=0)
    # An epoch is one pass over the images for both.
    assert (one.num_steps, three.num_steps) == (6, 2)
    for model in (one, three):
        assert int(model.d_optimizer.iterations) == 6
        assert int(model.g_optimizer.iterations) == model.num_steps


@pytest.mark.long
def test_private_updates_of_a_step_are_counted_one_by_one():
    private = {"dp": DPSGD(noise_multiplier=1.0, noise_seed=1)}
    one, two = eager(**private), eager(**private, discriminator_steps=2)
    for model in (one, two):
        model.fit(random_images(24), batch_size=4, verbose=0)
    assert (one.num_steps, two.num_steps) == (6, 3)
    assert one.epsilon(1e-3) == two.epsilon(1e-3) > 0


@pytest.mark.long
def test_a_step_of_several_updates_resumes_to_the_bit(tmp_path):
    images = random_images(24)
    whole = eager(mixup=True, discriminator_steps=3)
    whole.fit(images, batch_size=4, epochs=2, verbose=0)
    part = eager(mixup=True, discriminator_steps=3)
    part.fit(images, batch_size=4, epochs=1, verbose=0)
    part.save(tmp_path / "part.keras")
    resumed = keras.saving.load_model(tmp_path / "part.keras")
    resumed.run_eagerly = True
    resumed.fit(images, batch_size=4, epochs=1, verbose=0)
    assert_same_state(resumed, whole)


def test_too_few_batches_for_a_step():
    dataset = tf.data.Dataset.from_tensor_slices(random_images(8)).batch(4)
    with pytest.raises(ValueError, match="must fill 3 batches"):
        make(discriminator_steps=3).fit(dataset, verbose=0)


def test_half_precision_is_kept_in_the_file(tmp_path):
    model = eager(dtype="mixed_float16")
    assert isinstance(model.d_optimizer, keras.optimizers.LossScaleOptimizer)
    model.fit(random_images(8), batch_size=4, verbose=0)
    model.save(tmp_path / "half.keras")
    loaded = keras.saving.load_model(tmp_path / "half.keras")
    assert keras.config.dtype_policy().name == "float32"
    assert loaded.generator.layers[1].compute_dtype == "float16"
    assert_same_state(loaded, model)
    loaded.run_eagerly = True
    for one in (model, loaded):
        one.fit(random_images(8), batch_size=4, verbose=0)
    assert_same_state(loaded, model)


@pytest.mark.parametrize(
    "arguments", [{}, {"mixup": True, "num_classes": NUM_CLASSES}], ids=str
)
def test_a_last_batch_may_be_smaller_than_the_others_of_its_step(arguments):
    model = eager(discriminator_steps=2, **arguments)
    element = random_images(30)
    if model.num_classes is not None:
        element = (element, random_labels(30))
    dataset = tf.data.Dataset.from_tensor_slices(element).batch(8)
    model.fit(dataset, verbose=0)  # 8, 8, 8 and 6 images
    assert model.num_steps == 2
    assert int(model.d_optimizer.iterations) == 4


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_images_of_other_precisions_are_taken(dtype):
    images = random_images(8).astype(dtype)
    model, twin = eager(), eager()
    model.fit(tf.data.Dataset.from_tensor_slices(images).batch(4), verbose=0)
    same = images.astype("float32")
    twin.fit(tf.data.Dataset.from_tensor_slices(same).batch(4), verbose=0)
    assert_same_state(model, twin)


def test_optimizer_settings_of_loss_scaling_are_kept(tmp_path):
    def scaled():
        return keras.optimizers.LossScaleOptimizer(
            keras.optimizers.Adam(1e-3), initial_scale=64.0
        )

    model = make()
    model.compile(scaled(), scaled())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert float(loaded.g_optimizer.dynamic_scale) == 64.0
    assert isinstance(loaded.g_optimizer.inner_optimizer, keras.optimizers.Adam)


def test_a_model_that_is_not_compiled_is_saved_and_copied(tmp_path):
    model = make(compile=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for other in (loaded, copy.deepcopy(model)):
        np.testing.assert_array_equal(other.generate(2), model.generate(2))


def test_compiling_anew_keeps_the_state_of_optimizers():
    model = eager(dtype="mixed_float16")
    model.fit(random_images(8), batch_size=4, verbose=0)
    model.g_optimizer.dynamic_scale.assign(64.0)
    before = [np.array(one) for one in model.g_optimizer.variables]
    model.compile(model.g_optimizer, model.d_optimizer)
    for one, other in zip(before, model.g_optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)
