"""What Keras users try first and these models cannot do is refused in a sentence."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD, MixUp, zoo
from keras_mixup_gan.models.recipes import family_class
from tests.models.tiny import make, random_images


def test_one_optimizer_is_not_enough():
    with pytest.raises(ValueError, match="two optimizers"):
        make().compile(optimizer="adam")


def test_the_networks_cannot_share_an_optimizer():
    shared = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="cannot share an optimizer"):
        make().compile(shared, shared)


def test_shuffle_is_accepted_as_keras_users_write_it():
    model = make()
    model.fit(random_images(20), batch_size=10, shuffle=True, verbose=0)
    assert int(model.steps) == 2


def test_a_negative_number_of_epochs_is_no_training():
    with pytest.raises(ValueError, match="`epochs` must be an integer"):
        make().fit(random_images(8), batch_size=4, epochs=-1)


@pytest.mark.parametrize("seed", [-1, 2**31, 10**20])
def test_seeds_out_of_range(seed):
    with pytest.raises(ValueError, match="`seed` must be"):
        make(seed=seed)


def test_one_class_is_no_condition():
    with pytest.raises(ValueError, match="`num_classes` must be an integer"):
        make(num_classes=1)


def test_evaluate_checks_its_images():
    images = (random_images(8) + 1) * 127.5
    with pytest.raises(ValueError, match=r"must lie in \[-1, 1\]"):
        make().evaluate(images, verbose=0)


def test_evaluate_meets_each_batch_with_other_fakes():
    model, same = make(), np.repeat(random_images(1), 4, axis=0)
    one = model.evaluate(same, batch_size=4, verbose=0, return_dict=True)
    two = model.evaluate(
        np.repeat(same, 2, axis=0), batch_size=4, verbose=0, return_dict=True
    )
    assert one["g_loss"] != two["g_loss"]
    assert one == model.evaluate(same, batch_size=4, verbose=0, return_dict=True)


def test_passes_over_unequal_batches_are_refused():
    ds = tf.data.Dataset.from_tensor_slices(random_images(7)).batch(4).repeat(2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="batches of one size"):
        list(ds.apply(MixUp.paper(seed=0)))
    with pytest.raises(ValueError, match="batches of one size"):
        make(mixup="paper").fit(ds, verbose=0)


def test_repeated_images_are_not_counted_as_records():
    images = random_images(20)
    ds = tf.data.Dataset.from_tensor_slices(images).repeat(10).batch(5)
    with pytest.raises(ValueError, match="each image is one record"):
        make(dp=DPSGD(1.0, 1.0)).fit(ds, verbose=0)
    ds = tf.data.Dataset.from_tensor_slices(np.tile(images, (10, 1, 1, 1))).batch(5)
    with pytest.raises(ValueError, match=r"each image once.*200 images, 20 of them"):
        make(dp=DPSGD(1.0, 1.0)).fit(ds, verbose=0)


def test_restored_weights_do_not_refund_epsilon():
    model = make(dp=DPSGD(1.0, 2.0))
    images = random_images(20)
    model.fit(images, batch_size=5, epochs=1, verbose=0)
    early = model.get_weights()
    model.fit(images, batch_size=5, epochs=1, verbose=0)
    spent = model.epsilon(1e-3)
    model.set_weights(early)
    assert int(model.steps) == 4
    assert model.epsilon(1e-3) == spent


@pytest.mark.parametrize("name", ["loss", "metrics", "loss_weights"])
def test_losses_and_metrics_of_targets_are_refused_by_name(name):
    with pytest.raises(ValueError, match=f"no `{name}`"):
        make().compile("adam", "adam", **{name: ["mse"]})


@pytest.mark.parametrize(
    "optimizers", [("sgd",), (keras.optimizers.Adam(1e-3),), (None, "sgd")]
)
@pytest.mark.parametrize("family", ["dcgan", "wgan_gp", "stylegan_lite"])
def test_a_lone_optimizer_is_not_enough(family, optimizers):
    model = getattr(zoo, family)((8, 8, 1), width=4, compile=False)
    with pytest.raises(ValueError, match="two optimizers"):
        model.compile(*optimizers)
    model.compile()
    assert isinstance(model.d_optimizer, keras.optimizers.Adam)


def test_averages_that_nobody_reads_are_refused():
    with pytest.raises(ValueError, match="use_ema"):
        make().compile(keras.optimizers.Adam(use_ema=True), "adam")
    with pytest.raises(ValueError, match="ema_momentum"):
        make().fit(random_images(8), callbacks=keras.callbacks.SwapEMAWeights())


@pytest.mark.parametrize("name", ["class_weight", "sample_weight"])
def test_weights_of_examples_are_refused_by_name(name):
    model, images = make(), random_images(4)
    for method in (model.fit, model.train_on_batch):
        with pytest.raises(ValueError, match=f"`{name}` has no meaning"):
            method(images, **{name: np.ones(4)})


def test_places_of_other_arguments_in_keras_are_not_taken():
    model, images = make(compile=False), random_images(4)
    for method, given in (
        (model.fit, (images, None, 4, 1, 0)),
        (model.train_on_batch, (images, None, np.ones(4))),
        (model.test_on_batch, (images, None, np.ones(4))),
    ):
        with pytest.raises(TypeError, match="positional"):
            method(*given)


def test_validation_data_may_be_a_triple_as_in_keras_but_without_weights():
    model, images = make(compile=False), random_images(4)
    for data, message in (
        ((images, None, np.ones(4)), "`sample_weight` has no meaning"),
        ((images, None, None), "call `compile"),  # it came that far
        ((images * 9, None, None), "`validation_data` must lie in"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(images, batch_size=4, validation_data=data)


@pytest.mark.parametrize("setting", [{"dp": True}, {"dp": False}, {"dp": "yes"}])
def test_defenses_are_settings(setting):
    with pytest.raises(ValueError, match="`dp` must be settings"):
        make(**setting)


def test_unshuffled_arrays_are_refused():
    with pytest.raises(ValueError, match="shuffle=False"):
        make().fit(random_images(8), shuffle=False)


def test_numpy_numbers_are_settings(tmp_path):
    size = np.int64(8)
    model = make(
        image_shape=(size, size, np.int32(1)),
        latent_dim=np.int64(4),
        width=np.int64(8),
        num_classes=np.int64(3),
        seed=np.int64(1),
        ema_momentum=np.float32(0.5),
        mixup=MixUp(alpha=np.float32(8), seed=np.int64(1), mix_fakes=np.bool_(True)),
    )
    model.save_to_preset(tmp_path / "preset")
    assert [type(side) for side in model.image_shape] == [int] * 3
    private = DPSGD(np.float32(1), np.float64(2), num_examples=np.int64(9))
    json.dumps(private.get_config())


def test_a_critic_s_steps_have_one_name():
    with pytest.raises(ValueError, match=r"`critic_steps`.*discriminator_steps=2"):
        zoo.wgan_gp((8, 8, 1), discriminator_steps=2)


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("dcgan", "ema_momentum"),
        ("dcgan", "seed"),
        ("wgan_gp", "gradient_penalty"),
        ("stylegan_lite", "r1_gamma"),
    ],
)
def test_what_a_traced_step_would_not_heed_is_fixed(family, name):
    sizes = {"width": 4, "latent_dim": 4}
    model = getattr(zoo, family)((8, 8, 1), compile=False, **sizes)
    with pytest.raises(AttributeError, match=f"`{name}` is fixed"):
        setattr(model, name, 0.0)


def test_images_and_scores_are_asked_for_in_whole_portions():
    model = make()
    latents = np.zeros((3, 4), "float32")
    for ask in (model.score, model.decode):
        with pytest.raises(ValueError, match="`batch_size` must be an integer of at"):
            ask(random_images(3) if ask == model.score else latents, batch_size=-1)
    for truncation in (-2.0, 3.0):
        with pytest.raises(ValueError, match=r"`truncation` must be a number in"):
            model.decode(latents, truncation=truncation)


def test_a_copy_is_compiled_as_the_model_was():
    model = make()
    assert "run_eagerly" not in model.get_compile_config()
    model.compile(model.g_optimizer, model.d_optimizer, run_eagerly=True)
    assert keras.models.clone_model(model).run_eagerly


@pytest.mark.parametrize(
    ("family", "hook"),
    [
        ("stylegan_lite", "generator_objective"),
        ("stylegan_lite", "update_discriminator"),
        ("wgan_gp", "discriminator_objective"),
    ],
)
def test_what_a_family_never_calls_is_not_changed_in_vain(family, hook):
    kind = family_class(family)
    changed = type("Changed", (kind,), {hook: lambda self, *args: None})
    with pytest.raises(ValueError, match=f"Received: {hook}"):
        changed((8, 8, 1), width=8)
    own_step = type("Changed", (changed,), {"train_step": kind.train_step})
    own_step((8, 8, 1), width=8)


@pytest.mark.parametrize("name", ["kernel_regularizer", "activity_regularizer"])
def test_losses_that_layers_add_are_refused(name):
    model, layer = make(), keras.layers.Dense(1, name="mine", **{name: "l2"})
    model.discriminator = keras.Sequential([keras.Input((4,)), layer])
    with pytest.raises(ValueError, match="a regularizer of the layer 'mine'"):
        model.compile()
