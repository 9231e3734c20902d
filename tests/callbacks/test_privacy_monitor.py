import keras
import numpy as np
import pytest

from keras_mixup_gan import DPSGD, MixUp
from keras_mixup_gan.attacks import LOGAN, Attack, GANLeaks, MixupLOGAN
from keras_mixup_gan.auditing import audit
from keras_mixup_gan.callbacks import PrivacyMonitor
from tests.models.tiny import make, random_images, random_labels

MEMBERS, OTHERS = random_images(20, seed=1), random_images(20, seed=2)
REFERENCE, LABELS = random_images(12, seed=3), random_labels(20)


class Scripted(Attack):
    """Reaches the areas of a list, one after the other, whatever the model."""

    name, title, paper, requires = "scripted", "Scripted", "None", frozenset()

    def __init__(self, areas):
        self.areas = list(areas)

    @property
    def settings(self):
        return {}

    def _score(self, images, labels):
        told = round(20 * (2 * self.areas.pop(0) - 1))
        given_away = {image.tobytes() for image in MEMBERS[:told]}
        return np.array([image.tobytes() in given_away for image in images], float)


def scripted(areas, **arguments):
    return PrivacyMonitor(MEMBERS, OTHERS, attacks=[Scripted(areas)], **arguments)


class Recorder(keras.callbacks.Callback):
    """Notes the weights after each epoch, by the number of epochs."""

    def on_train_begin(self, logs=None):
        self.weights = {0: self.model.get_weights()}

    def on_epoch_end(self, epoch, logs=None):
        self.weights[epoch + 1] = self.model.get_weights()


class Interrupt(keras.callbacks.Callback):
    """Ends the process, as far as a test can, after so many epochs."""

    def __init__(self, after, *, at_end):
        super().__init__()
        self.after, self.at_end = after, at_end

    def on_epoch_begin(self, epoch, logs=None):
        if not self.at_end and epoch == self.after:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        if self.at_end and epoch + 1 == self.after:
            raise KeyboardInterrupt


def assert_same(weights, others):
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_array_equal(a, b)


# === Figures ===


def test_the_figures_are_those_of_an_audit_with_the_same_attacks(trainer, tmp_path):
    attacks = [LOGAN(), GANLeaks(num_samples=50), MixupLOGAN(num_blends=2)]
    monitor = PrivacyMonitor(
        MEMBERS, OTHERS, attacks=attacks, reference=REFERENCE, seed=4
    )
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "{privacy_auc:.2f}.keras", monitor="privacy_auc", mode="min"
    )
    history = trainer.fit(monitor, checkpoint)
    report = audit(
        trainer.model, MEMBERS, OTHERS, REFERENCE, attacks, seed=4, blind=False
    )
    areas = {f"privacy_auc_{attack.name}": [attack.auc] for attack in report.done}
    assert len(areas) == 3 and all(history[key] == areas[key] for key in areas)
    assert history["privacy_auc"] == max(areas.values())
    assert [path.stem for path in tmp_path.iterdir()] == [
        f"{history['privacy_auc'][0]:.2f}"
    ]


def test_the_default_attacks_are_cheap_and_use_a_reference_where_there_is_one():
    without = PrivacyMonitor(MEMBERS, OTHERS)
    assert list(without.attacks) == ["logan", "gan_leaks"]
    attacks = PrivacyMonitor(MEMBERS, OTHERS, reference=REFERENCE).attacks
    assert list(attacks) == ["logan", "gan_leaks", "logan_mixup"]
    assert attacks["gan_leaks"].num_samples == 2000


def test_attacks_may_be_given_by_name_and_labels_with_the_images(conditional):
    pairs = (MEMBERS, LABELS), (OTHERS, LABELS)
    history = conditional.fit(PrivacyMonitor(*pairs, attacks=["logan"]))
    expected = audit(conditional.model, *pairs, attacks="logan", blind=False)
    assert history["privacy_auc_logan"] == [expected["logan"].auc]

    with pytest.raises(ValueError, match=r"needs the class labels.*Pass `"):
        conditional.fit(PrivacyMonitor(MEMBERS, OTHERS, attacks=["logan"]))


def test_watching_alone_measures_first_every_nth_and_last_and_never_stops(trainer):
    monitor = scripted([0.9, 0.5, 1.0], every=2)
    history = trainer.fit(monitor, epochs=3)
    assert history["privacy_auc"] == [0.9, 0.5, 1.0]
    assert monitor.safe_epoch is None and monitor.stopped_epoch is None


# === Stopping ===


def test_training_stops_at_the_limit_with_exactly_the_last_safe_weights(trainer):
    monitor = scripted([0.5, 0.55, 0.5, 0.6], stop_at_auc=0.6)
    before, after = Recorder(), Recorder()
    history = trainer.fit(before, monitor, after, epochs=9)
    assert history["privacy_auc"] == [0.55, 0.5, 0.6]
    assert (monitor.safe_epoch, monitor.stopped_epoch) == (2, 3)
    assert_same(trainer.model.get_weights(), before.weights[2])
    # Callbacks later in the list never see the weights that leak.
    assert_same(after.weights[3], before.weights[2])
    assert trainer.model.num_steps == 4
    assert int(trainer.model.d_optimizer.iterations) == 6


def test_between_measurements_weights_do_not_count_as_safe(trainer):
    monitor = scripted([0.5, 0.525, 0.55, 0.7], every=2, stop_at_auc=0.6)
    recorder = Recorder()
    history = trainer.fit(recorder, monitor, epochs=9)
    # Of the first epoch it is not the figure of the model as it began.
    assert history["privacy_auc"] == [0.525, 0.55, 0.55, 0.7]
    assert (monitor.safe_epoch, monitor.stopped_epoch) == (2, 4)
    assert_same(trainer.model.get_weights(), recorder.weights[2])


def test_training_that_never_leaks_ends_with_its_own_weights(trainer, tmp_path):
    arguments = {"every": 2, "stop_at_auc": 0.6, "folder": tmp_path}
    monitor, recorder = scripted([0.5, 0.525, 0.55, 0.5], **arguments), Recorder()
    history = trainer.fit(recorder, monitor, epochs=3)
    assert history["privacy_auc"] == [0.525, 0.55, 0.5]
    assert (monitor.safe_epoch, monitor.stopped_epoch) == (3, None)
    assert_same(trainer.model.get_weights(), recorder.weights[3])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("area", "final"), [(0.5, 3), (0.7, 2)])
def test_the_final_weights_are_measured_whatever_ended_the_training(
    trainer, area, final
):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

    monitor = scripted([0.5, 0.525, 0.55, area], every=2, stop_at_auc=0.6)
    recorder = Recorder()
    trainer.fit(recorder, monitor, Stop(), epochs=9)
    assert monitor.safe_epoch == final
    assert monitor.stopped_epoch == (None if final == 3 else 3)
    assert_same(trainer.model.get_weights(), recorder.weights[final])


def test_a_training_that_begins_at_the_limit_is_refused(trainer):
    with pytest.raises(ValueError, match=r"no weights to go back to.*Received: 0\.650"):
        trainer.fit(scripted([0.65], stop_at_auc=0.6))


# === Resumption ===


@pytest.mark.parametrize("backup_first", [False, True])
def test_a_resumed_training_goes_back_to_weights_from_before(
    trainer, tmp_path, backup_first
):
    def callbacks(areas, *others):
        monitor = scripted(areas, every=2, stop_at_auc=0.6, folder=tmp_path / "safe")
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        pair = [backup, monitor] if backup_first else [monitor, backup]
        return monitor, [*pair, *others]

    recorder = Recorder()
    _, first = callbacks([0.5, 0.525, 0.55], recorder, Interrupt(3, at_end=False))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(*first, epochs=9)
    monitor, second = callbacks([0.7])
    history = trainer.restart().fit(*second, epochs=9)
    assert history["privacy_auc"] == [0.7]
    assert (monitor.safe_epoch, monitor.stopped_epoch) == (2, 4)
    assert_same(trainer.model.get_weights(), recorder.weights[2])


@pytest.mark.parametrize(("backup_first", "epochs"), [(False, 9), (True, 9), (True, 2)])
def test_a_training_interrupted_after_it_stopped_stays_stopped(
    trainer, tmp_path, backup_first, epochs
):
    def callbacks(areas, *others):
        monitor = scripted(areas, stop_at_auc=0.6, folder=tmp_path / "safe")
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        pair = [backup, monitor] if backup_first else [monitor, backup]
        return monitor, [*others[:1], *pair, *others[1:]]

    recorder = Recorder()
    _, first = callbacks([0.5, 0.55, 0.7], recorder, Interrupt(2, at_end=True))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(*first, epochs=epochs)
    monitor, second = callbacks([])  # nothing is left to measure
    history = trainer.restart().fit(*second, epochs=epochs)
    assert history.get("privacy_auc", [0.7]) == [0.7]
    assert (monitor.safe_epoch, monitor.stopped_epoch) == (1, 2)
    assert_same(trainer.model.get_weights(), recorder.weights[1])
    assert not (tmp_path / "safe" / "safe_weights.npz").exists()


def interrupted(trainer, folder):
    """Leaves a file in a folder, and a model that was trained for an epoch."""
    monitor = scripted([0.5, 0.5], stop_at_auc=0.6, folder=folder)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(monitor, Interrupt(1, at_end=True), epochs=2)
    return folder / "safe_weights.npz"


def test_a_new_training_does_not_take_up_an_old_one(trainer, tmp_path):
    interrupted(trainer, tmp_path)
    monitor = scripted([0.55, 0.5], stop_at_auc=0.6, folder=tmp_path)
    assert trainer.restart().fit(monitor)["privacy_auc"] == [0.5]
    assert monitor.safe_epoch == 1


def test_the_file_of_another_training_is_refused(trainer, tmp_path):
    interrupted(trainer, tmp_path)
    for change in ({"stop_at_auc": 0.7}, {"seed": 1}):
        arguments = {"stop_at_auc": 0.6, "folder": tmp_path, **change}
        with pytest.raises(ValueError, match="safe weights of another training"):
            trainer.fit(scripted([], **arguments))
    monitor = PrivacyMonitor(MEMBERS, OTHERS, stop_at_auc=0.6, folder=tmp_path)
    with pytest.raises(ValueError, match="safe weights of another training"):
        trainer.fit(monitor)


def test_the_weights_of_another_model_are_refused(tmp_path):
    keys = []
    for change in (
        {},
        {},
        {"mixup": MixUp(alpha=8.0)},
        {"ema_momentum": 0.5},
    ):
        monitor = PrivacyMonitor(
            MEMBERS, OTHERS, stop_at_auc=0.6, folder=tmp_path, attacks=[LOGAN()]
        )
        monitor.set_model(make(**change))
        keys.append(monitor._key())
    assert keys[0] == keys[1]  # whatever names Keras gives them
    assert len(set(keys)) == 3
    images = random_images(6, seed=9)
    for labels in (None, random_labels(6), random_labels(6, seed=1)):
        reference = images if labels is None else (images, labels)
        monitor = PrivacyMonitor(MEMBERS, OTHERS, reference=reference)
        monitor.set_model(make())
        keys.append(monitor._key())
    assert len(set(keys)) == 6


def test_a_damaged_file_is_refused(trainer, tmp_path):
    path = interrupted(trainer, tmp_path)
    for damaged in (path.read_bytes()[:-100], b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"cannot be read.*Delete it"):
            trainer.fit(scripted([], stop_at_auc=0.6, folder=tmp_path))


# === Refusals ===


def test_with_dp_private_figures_must_be_asked_for_and_never_choose_weights():
    model = make(dp=DPSGD(noise_multiplier=1.0))
    message = "epsilon of a model with `dp` does not cover"
    for arguments in ({}, {"stop_at_auc": 0.6, "log_private_metrics": True}):
        monitor = PrivacyMonitor(MEMBERS, OTHERS, **arguments)
        monitor.set_model(model)
        monitor.set_params({"epochs": 1})
        with pytest.raises(ValueError, match=message):
            monitor.on_train_begin()
    monitor = PrivacyMonitor(MEMBERS, OTHERS, log_private_metrics=True)
    monitor.set_model(model)
    monitor.set_params({"epochs": 1})
    monitor.on_train_begin()
    logs = {}
    monitor.on_epoch_end(0, logs)
    assert 0 <= logs["privacy_auc"] <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every` must be an integer of at least 1"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"stop_at_auc": 0.4}, r"`stop_at_auc` must be a number in \[0.5, 1\]"),
        ({"folder": "safe"}, "Expected `stop_at_auc` with it"),
        ({"attacks": []}, "must name at least one attack"),
        ({"attacks": ["logam"]}, "Unknown `attacks`.*Did you mean 'logan'"),
        ({"attacks": ["logan", LOGAN()]}, "'logan' twice"),
        ({"members": MEMBERS[:1]}, "`members` must hold at least 2 .*Received: 1"),
        ({"non_members": MEMBERS}, "more than one part of the split"),
        ({"reference": OTHERS}, "more than one part of the split"),
        ({"members": MEMBERS * 3}, r"`members` must lie in \[-1, 1\]"),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PrivacyMonitor(**{"members": MEMBERS, "non_members": OTHERS, **arguments})


def test_what_does_not_fit_the_model_is_refused(trainer):
    images = random_images(8, (8, 8, 3))
    with pytest.raises(ValueError, match=r"shape \(8, 8, 1\). Received: \(8, 8, 3\)"):
        trainer.fit(PrivacyMonitor(images[:4], images[4:]))
    with pytest.raises(ValueError, match="needs access to: reference"):
        trainer.fit(PrivacyMonitor(MEMBERS, OTHERS, attacks=["logan_mixup"]))


class Rising(Attack):
    """Scores members 3 and 5 higher at each measurement, and all by a common level."""

    name, title, paper, requires = "rising", "Rising", "None", frozenset()
    calls = 0

    def _score(self, images, labels):
        self.calls += 1
        steps = {MEMBERS[3].tobytes(): 2.0, MEMBERS[5].tobytes(): 1.0}
        moved = [steps.get(image.tobytes(), 0.0) for image in images]
        return self.calls * np.array(moved) + 100 * self.calls**2


def test_members_whose_scores_move_most_are_named():
    monitor = PrivacyMonitor(MEMBERS, OTHERS, attacks=[Rising()])
    with pytest.raises(ValueError, match="at least 3 measurements"):
        monitor.spread()
    make().fit(MEMBERS, batch_size=10, epochs=5, verbose=0, callbacks=[monitor])
    # Five measurements, one step apart: the quartiles are two steps apart.
    expected = np.zeros(20)
    expected[[3, 5]] = 4.0, 2.0
    np.testing.assert_allclose(monitor.spread(), expected, atol=1e-9)
    np.testing.assert_array_equal(monitor.most_vulnerable(2), [3, 5])
    with pytest.raises(ValueError, match="Unknown `attack`"):
        monitor.most_vulnerable(attack="logan")


def test_members_and_others_of_two_ranges_are_refused():
    with pytest.raises(ValueError, match="two ranges"):
        PrivacyMonitor(MEMBERS, (OTHERS + 1) / 2)
