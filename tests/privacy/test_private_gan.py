"""DP-SGD as a user of the models meets it."""

import math
import re

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keras_mixup_gan import DPSGD, MixUp, zoo
from keras_mixup_gan.models import DCGAN, WGANGP, StyleGANLite, inputs
from keras_mixup_gan.privacy import epsilon
from keras_mixup_gan.privacy.updates import Spent, epochs_of
from tests.models.tiny import (
    NUM_CLASSES,
    differs,
    eager,
    make,
    random_images,
    random_labels,
    state,
)

DELTA = 1e-3


@pytest.fixture(scope="module")
def trained():
    model = make(dp=DPSGD(noise_multiplier=3.0))
    images = random_images(20)
    model.history_of_fit = model.fit(
        images, batch_size=5, epochs=2, validation_data=images, verbose=0
    ).history
    return model


@pytest.mark.long
def test_epsilon_counts_the_steps_and_the_rate_of_the_training(trained, tmp_path):
    assert make(dp=DPSGD()).epsilon(DELTA) == 0
    assert int(trained.d_optimizer.iterations) == 8
    for accountant in ("pld", "rdp"):
        expected = epsilon(5 / 20, 3.0, 8, DELTA, accountant)
        assert trained.epsilon(DELTA, accountant) == expected

    trained.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.epsilon(DELTA) == trained.epsilon(DELTA)
    with pytest.raises(ValueError, match=r"one sampling rate.*20 in batches of 4"):
        loaded.fit(random_images(20), batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="one sampling rate"):
        loaded.fit(random_images(25), batch_size=5, verbose=0)
    loaded.fit(random_images(20), batch_size=5, steps_per_epoch=3, verbose=0)
    assert loaded.epsilon(DELTA) == epsilon(5 / 20, 3.0, 11, DELTA)


def test_a_restored_backup_cannot_change_the_sampling_rate(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    images = random_images(20)
    model = make(dp=DPSGD())
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(images, batch_size=5, epochs=2, callbacks=[backup, Stop()], verbose=0)
    resumed = make(dp=DPSGD())
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(ValueError, match="one sampling rate"):
        resumed.fit(images, batch_size=10, epochs=2, callbacks=[backup], verbose=0)


def test_statement_repeats_the_epsilon(trained):
    statement = trained.privacy_statement(DELTA)
    assert f"{trained.epsilon(DELTA):.3g}"[:4] in statement
    assert "20 examples with 5 examples per iteration" in statement
    assert "declared seed" not in statement


def test_statement_owns_up_to_a_declared_seed():
    model = make(dp=DPSGD(noise_seed=1))
    assert "epsilon is 0" in model.privacy_statement(DELTA)
    model.privacy.begin(20, 5)
    model.privacy.recall(model.privacy.spent._replace(num_updates=4))
    assert "declared seed" in model.privacy_statement(DELTA)


def test_mixup_alone_guarantees_nothing():
    model = make(mixup=MixUp())
    assert model.epsilon(DELTA) == float("inf")
    assert "infinite" in model.privacy_statement(DELTA)


def test_private_metrics_are_not_logged(trained):
    assert set(trained.history_of_fit) == {"g_loss", "val_g_loss"}


def test_no_random_state_is_saved(trained, tmp_path):
    trained.save(tmp_path / "model.keras")
    trained.save_weights(tmp_path / "model.weights.h5")
    tf.train.Checkpoint(model=trained).write(str(tmp_path / "checkpoint"))
    # Three counters, the networks' weights, the optimizers' state, what was spent.
    known = sorted([*(value.shape for value in state(trained)), (6,)])
    with h5py.File(tmp_path / "model.weights.h5") as file:
        saved = []
        file.visititems(
            lambda name, part: (
                saved.append((name, part.shape))
                if isinstance(part, h5py.Dataset)
                else None
            )
        )
    assert sorted(shape for _, shape in saved) == known
    assert sum(name.startswith("vars/") for name, _ in saved) == 4
    for name, shape in tf.train.list_variables(str(tmp_path / "checkpoint")):
        assert "rng" not in name.lower()
        assert "_noise" not in name
        assert shape != [3]  # the state of a Philox generator


def test_noise_and_sampling_are_fresh_whatever_the_global_seed():
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        model = eager(dp=DPSGD())
        model.fit(random_images(12), batch_size=4, steps_per_epoch=1, verbose=0)
        models.append(model)
    assert differs(*models)


def test_batches_are_poisson_sampled_at_the_accounted_rate():
    model = make(dp=DPSGD(noise_seed=0), compile=False)
    batches, length, _ = model.pipeline.training_batches(random_images(40), None, 8)
    assert length == 5
    sizes = [int(batch["mask"].numpy().sum()) for [batch] in batches.take(300)]
    assert abs(np.mean(sizes) - 8) < 5 * np.sqrt(8 * 0.8 / 300)
    assert np.var(sizes) == pytest.approx(8 * 0.8, rel=0.5)


@pytest.mark.parametrize("realized", [15, 25])
def test_the_public_size_of_the_training_set_sets_rate_and_length(realized):
    model = eager(dp=DPSGD(noise_multiplier=2.0, num_examples=20))
    history = model.fit(random_images(realized), batch_size=5, verbose=0)
    assert len(history.epoch) == 1
    assert int(model.d_optimizer.iterations) == 4
    assert model.epsilon(DELTA) == epsilon(5 / 20, 2.0, 4, DELTA)
    assert "20 examples" in model.privacy_statement(DELTA)
    model.fit(random_images(realized + 1), batch_size=5, verbose=0)
    assert model.epsilon(DELTA) == epsilon(5 / 20, 2.0, 8, DELTA)

    model = make(dp=DPSGD(noise_seed=0, num_examples=20), compile=False)
    batches, *_ = model.pipeline.training_batches(random_images(realized), None, 5)
    sizes = [int(batch["mask"].numpy().sum()) for [batch] in batches.take(300)]
    spread = np.sqrt(realized * 0.25 * 0.75 / 300)
    assert abs(np.mean(sizes) - realized / 4) < 5 * spread


def test_a_public_size_below_the_batch_is_refused():
    model = make(dp=DPSGD(num_examples=4))
    with pytest.raises(ValueError, match=r"fewer images than a batch.*Received: 4"):
        model.fit(random_images(20), batch_size=5, verbose=0)


def test_a_data_set_is_sampled_image_by_image():
    images, labels = random_images(12), random_labels(12)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    model = make(dp=DPSGD(), num_classes=NUM_CLASSES)
    batches, length, sampling = model.pipeline.training_batches(dataset, None, None)
    assert length == 3
    assert sampling == (12, 4)
    of_image = {
        image.tobytes(): label for image, label in zip(images, labels, strict=True)
    }
    seen = set()
    for [batch] in batches.take(30):
        for image, label, present in zip(
            batch["images"].numpy(), batch["labels"].numpy(), batch["mask"], strict=True
        ):
            if present:
                seen.add(image.tobytes())
                assert np.argmax(label) == of_image[image.tobytes()]
    assert seen == set(of_image)


def test_without_noise_and_clipping_a_step_is_the_ordinary_one():
    # Reals and fakes are summed and divided by their expected number, twice the
    # batch: half the gradient of the two means, so the rate is doubled.
    private, ordinary = make(dp=DPSGD(1e6, noise_multiplier=0)), make()
    sgd = keras.optimizers.SGD
    private.compile(sgd(0.05), sgd(0.1))
    ordinary.compile(sgd(0.05), sgd(0.05))
    private.privacy.begin(10, 4)
    images = tf.constant(random_images(4))
    private.train_step(({"images": images, "mask": tf.ones(4, bool)},))
    ordinary.train_step({"images": images})
    for network in ("discriminator", "generator", "ema_generator"):
        ours, theirs = getattr(private, network), getattr(ordinary, network)
        for a, b in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_step_without_any_image_still_trains_on_noise():
    model = make(dp=DPSGD(noise_multiplier=1.0))
    model.privacy.begin(10, 4)
    before = [np.array(weight) for weight in model.discriminator.weights]
    empty = {"images": tf.zeros((1, 8, 8, 1)), "mask": tf.zeros(1, bool)}
    model.train_step((empty,))
    assert int(model.steps) == 1
    for weight, start in zip(model.discriminator.weights, before, strict=True):
        assert np.all(np.isfinite(weight))
        assert not np.array_equal(weight, start)


# === Refusals ===


def test_batch_normalization_is_refused():
    with pytest.raises(ValueError, match=r"batch normalization.*'batch_norm.*norm="):
        make(image_shape=(16, 16, 1), norm="batch", dp=DPSGD())


@pytest.mark.parametrize(
    ("mixup", "norms"),
    [
        (True, r"\d"),
        ("paper", "unboundedly many"),
        (MixUp(), "6"),
        (MixUp(mix_fakes=False), "3"),
        (MixUp(num_samples=3, mix_fakes=False), "5"),
    ],
)
def test_mixup_with_dp_is_refused(mixup, norms):
    message = (
        rf"`mixup` cannot be combined with `dp`.* by {norms} clipping norms.*Received: "
    )
    with pytest.raises(ValueError, match=message) as caught:
        make(mixup=mixup, dp=DPSGD())
    assert "\n" not in str(caught.value)


def test_mixtures_are_not_taken_for_examples():
    dataset = tf.data.Dataset.from_tensor_slices(random_images(8)).batch(4)
    with pytest.raises(ValueError, match="not mixtures"):
        make(dp=DPSGD()).fit(dataset.apply(MixUp()), verbose=0)


def test_an_endless_data_set_is_refused():
    dataset = tf.data.Dataset.from_tensor_slices(random_images(8)).batch(4).repeat()
    with pytest.raises(ValueError, match="endless"):
        make(dp=DPSGD()).fit(dataset, steps_per_epoch=1, verbose=0)


def test_a_sequence_without_end_is_refused_before_it_is_read():
    class Endless(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            assert index < 9
            return random_images(4, seed=index)

    with pytest.raises(ValueError, match="endless"):
        eager(dp=DPSGD()).fit(Endless(), steps_per_epoch=1, verbose=0)


@pytest.mark.long
def test_weights_from_before_training_leave_a_preset_what_was_spent(tmp_path):
    model = eager(dp=DPSGD(noise_multiplier=1.0))
    start = model.get_weights()
    model.fit(random_images(40), batch_size=8, verbose=0)
    model.set_weights(start)
    preset = zoo.from_preset(model.save_to_preset(tmp_path / "preset"))
    assert preset.epsilon(DELTA) == model.epsilon(DELTA) > 0
    assert "8 examples per iteration" in preset.privacy_statement(DELTA)
    card = (tmp_path / "preset" / "README.md").read_text("utf-8")
    assert "40 training images, 8 a batch" in card


@given(st.integers(2, 60_000), st.integers(1, 128), st.integers(1, 300))
@example(840, 8, 525)
@example(20712, 100, 14)  # of which the plain quotient has an update more
def test_epochs_are_of_as_many_updates_as_there_were(examples, batch_size, updates):
    assume(batch_size <= examples)
    rate = batch_size / examples
    epochs = epochs_of(Spent(updates, examples, batch_size, 1.0))
    assert math.ceil(epochs / rate) == updates
    assert epochs == pytest.approx(updates * rate, rel=1e-12)
    if updates * batch_size % examples == 0:  # passes over the data are counted too
        assert math.ceil(epochs) == updates * batch_size // examples


@pytest.mark.long
def test_the_statement_is_of_as_many_updates_as_there_were():
    model, delta = make(dp=DPSGD(noise_multiplier=0.5)), 1e-5
    model.privacy.recall(Spent(14, 20712, 100, 0.5))
    said = re.search(r"sampling \(\*\):\s+(\S+)", model.privacy_statement(delta))
    expected = epsilon(100 / 20712, 0.5, 14, delta)
    assert float(said[1]) == pytest.approx(expected, abs=6e-4)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "factor"), [("dcgan", 1.0), ("wgan_gp", 4.0), ("stylegan_lite", 2.0)]
)
def test_in_float16_large_gradients_are_clipped_and_not_lost(name, factor):
    """Of a penalty, whose gradients are large, and without noise that would hide it."""
    moved = {}
    for dtype in ("float32", "mixed_float16"):
        model = getattr(zoo, name)(
            (16, 16, 1),
            latent_dim=4,
            width=8,
            seed=0,
            dtype=dtype,
            dp=DPSGD(noise_multiplier=0.0, noise_seed=1),  # the same batches
        )
        sgd = keras.optimizers.SGD
        model.compile(sgd(0.1), sgd(0.1), run_eagerly=True)
        weights = [factor * one for one in model.discriminator.get_weights()]
        model.discriminator.set_weights(weights)
        model.fit(random_images(8, (16, 16, 1)), batch_size=4, verbose=0)
        after = model.discriminator.get_weights()
        steps = [(b - a).ravel() for a, b in zip(weights, after, strict=True)]
        moved[dtype] = np.concatenate(steps)
    ours, exact = moved["mixed_float16"], moved["float32"]
    assert np.linalg.norm(exact) > 0.01
    assert np.linalg.norm(ours - exact) < 0.2 * np.linalg.norm(exact)


@pytest.mark.long
def test_restored_weights_do_not_undo_what_was_spent(tmp_path):
    model = eager(dp=DPSGD(noise_multiplier=1.0, noise_seed=1))
    images, start = random_images(24), model.get_weights()
    model.fit(images, batch_size=4, verbose=0)
    spent = model.epsilon(1e-3)
    sampled = model.get_weights()
    model.set_weights(start)
    assert model.epsilon(1e-3) == spent
    with pytest.raises(ValueError, match="composes steps of one sampling rate"):
        model.fit(images, batch_size=8, verbose=0)

    model.set_weights(sampled)
    model.steps.assign(1)  # as if an earlier epoch had been restored
    assert model.epsilon(1e-3) == spent
    preset = zoo.from_preset(model.save_to_preset(tmp_path / "preset"))
    assert preset.epsilon(1e-3) == spent
    assert "declared seed" in preset.privacy_statement(1e-3)
    again = zoo.from_preset(preset.save_to_preset(tmp_path / "again"))
    assert "declared seed" in again.privacy_statement(1e-3)


def test_private_gradients_are_not_taken_for_scaled_ones():
    wrapped, plain = (eager(dp=DPSGD(noise_multiplier=1.0, noise_seed=1)) for _ in "ab")
    sgd = keras.optimizers.SGD
    scaled = keras.optimizers.LossScaleOptimizer(sgd(0.1))
    wrapped.compile(sgd(0.1), scaled, run_eagerly=True)
    plain.compile(sgd(0.1), sgd(0.1), run_eagerly=True)
    for model in (wrapped, plain):
        model.fit(random_images(8), batch_size=4, verbose=0)
    for a, b in zip(
        wrapped.discriminator.weights, plain.discriminator.weights, strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_statement_of_little_noise_does_not_take_forever():
    model = eager(dp=DPSGD(noise_multiplier=0.1))
    model.fit(random_images(20), batch_size=5, epochs=1, verbose=0)
    assert "Poisson" in model.privacy_statement(DELTA)
    assert model.privacy_report(DELTA).epsilon == model.epsilon(DELTA)


def test_an_update_before_fit_is_one_sentence():
    model = make(dp=DPSGD(target_epsilon=5.0, delta=1e-3))
    batches, _, sampling = model.pipeline.training_batches(random_images(16), None, 4)
    model.privacy.begin(*sampling)
    with pytest.raises(ValueError, match="Expected training through `fit`"):
        model.train_step(next(iter(batches)))


@pytest.mark.parametrize("family", [DCGAN, WGANGP, StyleGANLite])
def test_an_objective_that_rows_do_not_descend_is_refused(family):
    class ByRows(family):
        def discriminator_loss(self, real, fake):
            return 2 * super().discriminator_loss(real, fake)

        def row_losses(self, rows, discriminate):
            return 2 * super().row_losses(rows, discriminate)

    class Calm(ByRows):
        def discriminator_loss(self, real, fake):
            return super().discriminator_loss(real, fake) + tf.reduce_mean(real**2)

    assert ByRows((8, 8, 1), width=8, dp=DPSGD()).dp is not None
    with pytest.raises(ValueError, match=r"descends `row_losses`.*Received: dp="):
        Calm((8, 8, 1), width=8, dp=DPSGD())


def test_images_that_are_repeated_under_transforms_are_refused():
    def moved(image):
        return image + tf.random.uniform((), -0.01, 0.01)

    dataset = tf.data.Dataset.from_tensor_slices(0.9 * random_images(8))
    with pytest.raises(ValueError, match=r"without `repeat\(\)`"):
        make(dp=DPSGD()).fit(dataset.repeat(3).map(moved).batch(4), verbose=0)
    make(dp=DPSGD()).fit(dataset.repeat(1).map(moved).batch(4), verbose=0)


def test_a_data_set_whose_end_nobody_knows_is_not_read_without_bound(monkeypatch):
    def images():
        for number in range(1000):  # in place of for ever
            assert number < 100
            yield random_images(1, seed=number)[0]

    def check_memory(size, what):
        if size > 4 * random_images(2).nbytes:
            raise ValueError(f"{what} do not fit into memory")

    monkeypatch.setattr(inputs, "check_memory", check_memory)
    spec = tf.TensorSpec((8, 8, 1), tf.float32)
    dataset = tf.data.Dataset.from_generator(images, output_signature=spec).batch(2)
    with pytest.raises(ValueError, match="may have no end, do not fit"):
        make(dp=DPSGD()).fit(dataset, steps_per_epoch=2, verbose=0)


@pytest.mark.parametrize("family", [DCGAN, WGANGP, StyleGANLite])
@pytest.mark.parametrize("hook", ["update_generator", "counterparts"])
def test_hooks_that_would_see_training_images_are_refused(family, hook):
    changed = type("Changed", (family,), {hook: getattr(family, hook)})
    with pytest.raises(ValueError, match=f"Received: {hook} of its own"):
        changed((8, 8, 1), width=8, dp=DPSGD())


def test_losses_of_rows_of_ones_own_are_not_taken_for_functions_of_scores():
    class Own(DCGAN):
        def row_losses(self, rows, discriminate):
            return super().row_losses(rows, discriminate)

    class Vouched(Own):
        scores_suffice = True

    engines = [
        kind((8, 8, 1), width=8, dp=DPSGD()).privacy.engine
        for kind in (DCGAN, Own, Vouched)
    ]
    assert engines == ["ghost", "query", "ghost"]


def test_gradients_are_accumulated_with_dp_too():
    model = make(dp=DPSGD())
    model.run_eagerly = True
    slow = keras.optimizers.Adam(gradient_accumulation_steps=2)
    model.compile(keras.optimizers.Adam(), slow)
    model.fit(random_images(8), batch_size=4, verbose=0)
    assert model.num_steps == 2
