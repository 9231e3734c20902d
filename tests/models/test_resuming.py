"""A training is a function of its seed: rerun, killed and resumed, saved and loaded."""

import keras
import numpy as np
import pytest

from tests.models.tiny import (
    DEFENSES,
    NUM_CLASSES,
    assert_same_state,
    differs,
    make,
    random_images,
    random_labels,
)

CASES = [
    ("none", False),
    pytest.param("mixup", True, marks=pytest.mark.long),
    ("dp", True),
    pytest.param("paper", True, marks=pytest.mark.long),
    pytest.param("augmented", False, marks=pytest.mark.long),
    pytest.param("none", True, marks=pytest.mark.slow),
    pytest.param("mixup", False, marks=pytest.mark.slow),
    pytest.param("paper", False, marks=pytest.mark.slow),
    pytest.param("dp", False, marks=pytest.mark.slow),
]


def build(defense, conditional, **arguments):
    classes = NUM_CLASSES if conditional else None
    return plain(make(num_classes=classes, **{**DEFENSES[defense], **arguments}))


def plain(model):
    """Steps as plain Python where no mixing: sooner done than traced."""
    model.run_eagerly = model.mixup is None
    return model


def train(model, epochs, initial_epoch=0, callbacks=(), **arguments):
    labels = None if model.num_classes is None else random_labels(14)
    # 14 images in batches of 4: three steps an epoch, two images left over.
    return model.fit(
        random_images(14),
        labels,
        batch_size=4,
        epochs=epochs,
        initial_epoch=initial_epoch,
        callbacks=list(callbacks),
        verbose=0,
        **arguments,
    )


class Killed(Exception):
    pass


class KillInEpoch(keras.callbacks.Callback):
    """Stops the training in the middle of an epoch."""

    def __init__(self, fatal_epoch):
        super().__init__()
        self.fatal_epoch = fatal_epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.fatal_epoch and batch == 1:
            raise Killed


@pytest.fixture(scope="module")
def reference():
    """Models trained without interruption, each made once."""
    made = {}

    def get(defense, conditional):
        if (defense, conditional) not in made:
            model = build(defense, conditional)
            train(model, epochs=3)
            made[defense, conditional] = model
        return made[defense, conditional]

    return get


@pytest.mark.parametrize(("defense", "conditional"), CASES)
def test_interrupted_training_goes_on_to_the_bit(
    defense, conditional, reference, tmp_path
):
    uninterrupted = reference(defense, conditional)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "model-{epoch}.keras")
    killed = build(defense, conditional)
    with pytest.raises(Killed):
        train(killed, epochs=3, callbacks=[backup, checkpoint, KillInEpoch(1)])
    assert int(killed.steps) > 3

    keras.utils.set_random_seed(99)  # no part of it hangs on global state
    resumed = build(defense, conditional)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    history = train(resumed, epochs=3, callbacks=[backup])
    assert history.epoch == [1, 2]
    assert_same_state(resumed, uninterrupted)
    if defense == "none":  # and a further training is not taken for a resumed one
        assert train(resumed, epochs=1).epoch == [0]

    loaded = plain(keras.saving.load_model(tmp_path / "model-1.keras"))
    assert int(loaded.d_optimizer.iterations) == int(loaded.steps) == 3
    assert loaded.get_config() == killed.get_config()
    assert loaded.get_compile_config() == killed.get_compile_config()
    train(loaded, epochs=3, initial_epoch=1)
    assert_same_state(loaded, uninterrupted)


def test_another_seed_trains_another_model():
    models = [build("none", False, seed=seed) for seed in (0, 0, 1)]
    for model in models:
        model.compile("sgd", "sgd", run_eagerly=True)
        train(model, epochs=1)
    assert_same_state(models[0], models[1])
    assert differs(models[0], models[2])


@pytest.mark.long
def test_steps_per_execution_change_nothing(reference):
    model = build("mixup", False)
    settings = {**model.get_compile_config(), "steps_per_execution": 3}
    model.compile_from_config(settings)
    train(model, epochs=3)
    assert_same_state(model, reference("mixup", False))


def test_settings_of_the_defense_survive_saving(tmp_path):
    for number, defense in enumerate(("mixup", "paper", "dp")):
        model = build(defense, False)
        model.save(tmp_path / f"{number}.keras")
        loaded = keras.saving.load_model(tmp_path / f"{number}.keras")
        assert (loaded.mixup, loaded.dp) == (model.mixup, model.dp)


def test_weights_alone_carry_the_step_counter(reference, tmp_path):
    trained = reference("none", False)
    trained.save_weights(tmp_path / "model.weights.h5")
    fresh = build("none", False)
    fresh.load_weights(tmp_path / "model.weights.h5")
    assert int(fresh.steps) == 9
    np.testing.assert_array_equal(fresh.generate(4), trained.generate(4))
