"""What was spent never goes back, and no update is made that the plan does not hold.

Both are held against draws of noise that the step's graph itself counts.
"""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD, zoo
from keras_mixup_gan.privacy import epsilon
from keras_mixup_gan.privacy.dpsgd import _NoiseSource
from keras_mixup_gan.privacy.updates import OVERRUN
from tests.models.tiny import make, random_images

DELTA = 1e-3
IMAGES = random_images(20)
GIVEN = DPSGD(noise_multiplier=3.0)
TARGET = DPSGD(target_epsilon=2.0, delta=DELTA)


@pytest.fixture(scope="module")
def drawn():
    """How often noise was drawn."""
    count = tf.Variable(0, dtype=tf.int64)
    draw = _NoiseSource.add

    def counted(self, total, stddev):
        count.assign_add(1)
        return draw(self, total, stddev)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_NoiseSource, "add", counted)
        yield count


def train(model, **arguments):
    return model.fit(IMAGES, **{"batch_size": 5, "verbose": 0, **arguments})


def eager(dp=GIVEN):
    model = make(dp=dp)
    model.run_eagerly = True
    return model


# === The count ===


@pytest.fixture(scope="module")
def gone_back(drawn, tmp_path_factory):
    """A model of 8 noisy updates, with the weights of its fourth, and their file."""
    drawn.assign(0)
    file = tmp_path_factory.mktemp("early") / "early.weights.h5"
    model = eager()
    train(model)
    model.save_weights(file)
    train(model)
    model.load_weights(file)
    assert (int(drawn), model.num_steps) == (8, 4)
    return model, file


def saved_whole(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def saved_weights(model, folder):
    model.save_weights(folder / "late.weights.h5")
    other = eager()
    other.load_weights(folder / "late.weights.h5")
    return other


def kept_by_a_callback(model, folder, callback):
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, {"g_loss": 1.0})
    return callback


def checkpoint(model, folder):
    file = folder / "kept.weights.h5"
    kept_by_a_callback(
        model, folder, keras.callbacks.ModelCheckpoint(file, save_weights_only=True)
    )
    other = eager()
    other.load_weights(file)
    return other


def backup(model, folder):
    kept_by_a_callback(model, folder, keras.callbacks.BackupAndRestore(folder))
    other = eager()
    restoring = keras.callbacks.BackupAndRestore(folder)
    restoring.set_model(other)
    restoring.on_train_begin()
    return other


def preset(model, folder):
    return zoo.from_preset(model.save_to_preset(folder / "preset"))


def arrays(model, folder):
    other = keras.models.clone_model(model)
    assert other.epsilon(DELTA) == 0  # a new model
    other.set_weights(model.get_weights())
    return other


ROUTES = {
    "the same object": lambda model, folder: model,
    ".keras": saved_whole,
    "load_weights": saved_weights,
    "ModelCheckpoint": checkpoint,
    "BackupAndRestore": backup,
    "preset": preset,
    "set_weights": arrays,
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, folder: copy.deepcopy(model),
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_no_route_takes_the_accountant_back(gone_back, route, tmp_path):
    model, early = gone_back
    other = route(model, tmp_path)
    spent = epsilon(5 / 20, 3.0, 8, DELTA)
    assert other.privacy_report(DELTA).d_steps == 8
    assert other.epsilon(DELTA) == spent
    other.load_weights(early)
    assert other.num_steps == 4
    assert other.epsilon(DELTA) == spent


def forget(model):
    model.compile("adam", "adam", run_eagerly=True)
    model.d_optimizer.iterations.assign(0)
    model.steps.assign(0)


def test_neither_optimizers_nor_counters_hold_the_count(drawn):
    model = eager()
    start = model.get_weights()
    train(model)
    forget(model)
    assert model.epsilon(DELTA) == epsilon(5 / 20, 3.0, 4, DELTA)
    model.set_weights(start)
    drawn.assign(0)
    train(model, steps_per_epoch=1)
    assert int(drawn) == 1
    assert model.epsilon(DELTA) == epsilon(5 / 20, 3.0, 5, DELTA)
    assert (int(model.num_examples), int(model.expected_batch_size)) == (20, 5)


def test_a_checkpoint_of_tensorflow_does_not_take_it_back(tmp_path):
    model = eager()
    early = tf.train.Checkpoint(model=model).write(str(tmp_path / "early"))
    train(model)
    tf.train.Checkpoint(model=model).read(early)
    assert model.num_steps == 0
    assert model.epsilon(DELTA) == epsilon(5 / 20, 3.0, 4, DELTA)


def test_models_of_files_without_a_count_are_counted_by_steps(tmp_path, monkeypatch):
    model = eager()
    train(model)
    with monkeypatch.context() as patch:
        patch.delattr(type(model).__mro__[2], "save_own_variables")
        model.save(tmp_path / "old.keras")
        model.save_weights(tmp_path / "old.weights.h5")
    other = keras.saving.load_model(tmp_path / "old.keras")
    assert other.epsilon(DELTA) == model.epsilon(DELTA) > 0
    path = tmp_path / "old.weights.h5"
    assert_unknown(without_terms(lambda other: other.load_weights(path)))
    assert_unknown(without_terms(lambda o: keras.saving.load_weights(o, path)))


# === Terms that are not known ===


def without_terms(restore):
    """A model whose own noise is far more than that of the weights it was given."""
    other = eager(DPSGD(noise_multiplier=30.0))
    restore(other)
    return other


def assert_unknown(model):
    for use in (model.epsilon, model.privacy_statement, model.privacy_report):
        with pytest.raises(ValueError, match=r"went with the weights.*num_examples=0"):
            use(DELTA)
    with pytest.raises(ValueError, match="went with the weights"):
        train(model)


def test_arrays_and_checkpoints_without_terms_are_not_charged_at_ones_own(
    gone_back, tmp_path
):
    model, early = gone_back
    copied = [np.array(weight) for weight in model.get_weights()]
    assert_unknown(without_terms(lambda other: other.set_weights(copied)))
    kept = tf.train.Checkpoint(model=model).write(str(tmp_path / "kept"))
    assert_unknown(without_terms(lambda o: tf.train.Checkpoint(model=o).read(kept)))
    used = without_terms(lambda other: other.load_weights(early))
    tf.train.Checkpoint(model=used).read(kept)
    assert used.epsilon(DELTA) == epsilon(5 / 20, 3.0, 4, DELTA)
    used.steps.assign(5)
    assert_unknown(used)


def test_arrays_that_fit_nowhere_change_nothing(gone_back):
    model, _ = gone_back
    before = model.epsilon(DELTA)
    plain = [np.array(weight) for weight in model.get_weights()]
    for arrays in (plain[:-1], [np.zeros(3), *plain[1:]]):
        with pytest.raises(ValueError, match="arrays of the model's shapes"):
            model.set_weights(arrays)
    assert model.epsilon(DELTA) == before


def test_weights_that_fit_in_part_are_charged(gone_back):
    model, _ = gone_back
    store = {}
    model.save_own_variables(store)
    del store["0"]
    other = eager()
    with pytest.raises(ValueError, match="expected 3 variables"):
        other.load_own_variables(store)
    assert other.epsilon(DELTA) == model.epsilon(DELTA)


@pytest.fixture(scope="module")
def mixed(gone_back):
    """A model of little noise that was given weights of another's."""
    _, early = gone_back
    model = eager()
    model.fit(IMAGES, batch_size=10, verbose=0)
    model.load_weights(early)
    return model


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_no_route_joins_terms_that_differ(mixed, route, tmp_path):
    other = route(mixed, tmp_path)
    with pytest.raises(ValueError, match=r"batches of 10|went with the weights"):
        other.epsilon(DELTA)
    assert mixed.privacy.spent.num_updates == 4


def test_the_noise_and_the_seed_of_a_file_go_with_its_count(gone_back, tmp_path):
    _, early = gone_back
    other = eager(DPSGD(noise_multiplier=30.0))
    other.load_weights(early)
    assert other.epsilon(DELTA) == epsilon(5 / 20, 3.0, 4, DELTA)
    with pytest.raises(ValueError, match=r"one noise.*=3, 20 images.*Received.*=30,"):
        train(other)
    seeded = eager(DPSGD(noise_multiplier=3.0, noise_seed=1))
    train(seeded)
    seeded.save_weights(tmp_path / "seeded.weights.h5")
    other = eager()
    other.load_weights(tmp_path / "seeded.weights.h5")
    assert "declared seed" in other.privacy_statement(DELTA)


def test_updates_on_other_terms_are_not_mixed(mixed):
    for use in (mixed.epsilon, mixed.privacy_statement, mixed.privacy_report):
        with pytest.raises(ValueError, match=r"in batches of 10, .*batches of 5,"):
            use(DELTA)


def test_the_card_of_a_preset_on_several_terms_says_so(mixed, tmp_path):
    folder = mixed.save_to_preset(tmp_path / "preset")
    for card in (folder / "README.md", zoo.write_card(folder)):
        assert "not known: it carries no epsilon" in card.read_text()


# === The plan ===


def learned(model):
    """What updates change: not the generator's statistics, which latents alone make."""
    optimizers = (*model.g_optimizer.variables, *model.d_optimizer.variables)
    weights = [one for one in model.weights if "moving" not in one.path]
    return [np.array(variable) for variable in (*weights, *optimizers)]


@pytest.mark.parametrize("steps", [0, -1, 2.5, True])
@pytest.mark.parametrize("dp", [None, TARGET])
def test_epochs_of_less_than_a_step_are_refused(steps, dp):
    with pytest.raises(ValueError, match="`steps_per_epoch` must be an integer of at"):
        train(make(dp=dp, compile=False), steps_per_epoch=steps)


@pytest.mark.long
@pytest.mark.parametrize(
    "how", [{}, {"steps_per_execution": 4}, {"run_eagerly": True}], ids=str
)
def test_an_update_beyond_the_plan_is_not_made(drawn, how, monkeypatch):
    model = make(dp=TARGET, discriminator_steps=2)
    model.compile("adam", "adam", **how)
    train(model)
    before = learned(model)
    spent = model.epsilon(DELTA)
    drawn.assign(0)
    monkeypatch.setattr(model.privacy, "plan", lambda num_updates: None)
    with pytest.raises(ValueError, match=f"^{OVERRUN}.*most 4 of them") as caught:
        train(model, epochs=2)
    assert "\n" not in str(caught.value)
    assert int(drawn) == 0
    assert model.epsilon(DELTA) == spent <= 2
    for now, then in zip(learned(model), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.long
def test_a_loop_of_ones_own_is_held_to_the_plan(drawn):
    model = make(dp=TARGET)
    batches, _, sampling = model.pipeline.training_batches(IMAGES, None, 5)
    model.privacy.begin(*sampling)
    batch = next(iter(batches))
    model.privacy.plan(2)
    step = tf.function(model.train_step, autograph=False)
    by_xla = tf.function(model.train_step, autograph=False, jit_compile=True)
    drawn.assign(0)
    step(batch)
    model.train_step(batch)
    assert int(drawn) == 2
    before = learned(model)
    with pytest.raises(tf.errors.InvalidArgumentError, match=OVERRUN):
        step(batch)
    with pytest.raises(ValueError, match=OVERRUN):
        model.train_step(batch)
    assert int(drawn) == 2
    for now, then in zip(learned(model), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert model.privacy.num_updates == 2
    # XLA drops assertions: the gradients are of zeros.
    model.d_optimizer = keras.optimizers.SGD(1.0)
    model.d_optimizer.build(model.discriminator.trainable_variables)
    discriminator = [np.array(weight) for weight in model.discriminator.weights]
    by_xla(batch)
    for weight, earlier in zip(model.discriminator.weights, discriminator, strict=True):
        np.testing.assert_array_equal(weight, earlier)


def test_early_weights_buy_no_further_updates(drawn, tmp_path):
    drawn.assign(0)
    model = eager(TARGET)
    train(model, epochs=2)
    kept = tmp_path / "early.weights.h5"
    model.save_weights(kept)
    early = eager(TARGET)
    start = early.get_weights()
    for restore in (lambda: model.load_weights(kept), lambda: model.set_weights(start)):
        restore()
        with pytest.raises(ValueError, match=r"calibrated to 8 .*of which 8 are done"):
            train(model)
    forget(model)
    with pytest.raises(ValueError, match=r"calibrated to 8 .*of which 8 are done"):
        train(model)
    assert int(drawn) == 8


def test_executions_of_several_steps_are_planned_whole(drawn):
    model = make(dp=TARGET)
    model.compile("adam", "adam", steps_per_execution=4)
    drawn.assign(0)
    train(model, steps_per_epoch=6)  # Keras makes two executions of four
    assert int(drawn) == model.privacy.num_updates == 8
    assert model.epsilon(DELTA) <= 2


@pytest.mark.parametrize("dp", [TARGET, None])
@pytest.mark.parametrize("name", ["dp", "discriminator_steps", "mixup", "augment"])
def test_what_others_rely_on_is_fixed(name, dp):
    model = make(dp=dp, compile=False)
    before = getattr(model, name)
    with pytest.raises(AttributeError, match=f"`{name}` is fixed"):
        setattr(model, name, None)
    assert getattr(model, name) == before
    with pytest.raises(AttributeError, match="`dp` is fixed"):
        make(compile=False).dp = TARGET
