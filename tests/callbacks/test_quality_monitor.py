import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan.callbacks import QualityMonitor
from keras_mixup_gan.data import Images
from keras_mixup_gan.metrics import (
    digit_features,
    frechet_distance,
    kernel_distance,
    pixel_features,
)
from tests.models.tiny import make, random_images, random_labels

HELD_OUT, LABELS = random_images(12, seed=1), random_labels(12)


class Scripted(QualityMonitor):
    """Reports figures from a list instead of measuring them."""

    def __init__(self, figures, **arguments):
        super().__init__(HELD_OUT, kid=False, **arguments)
        self.script = iter(figures)

    def measure(self):
        return {"fid": next(self.script)}


def test_the_history_holds_the_distances_of_the_averaged_generator(trainer):
    history = trainer.fit(QualityMonitor(HELD_OUT, num_generated=20, seed=4))
    features = pixel_features((8, 8, 1))
    real, fake = features(HELD_OUT), features(trainer.model.generate(20, seed=4))
    assert history["fid"] == [frechet_distance(real, fake)]
    assert history["kid"] == [kernel_distance(real, fake).value]


def test_without_kid_only_fid_is_logged(trainer):
    history = trainer.fit(QualityMonitor(HELD_OUT, kid=False))
    assert "fid" in history and "kid" not in history


def test_measuring_does_not_change_the_training(trainer):
    trainer.fit(QualityMonitor(HELD_OUT), epochs=2)
    watched = trainer.model.get_weights()
    trainer.restart().fit(epochs=2)
    for a, b in zip(watched, trainer.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_digits_are_compared_in_digit_features_and_others_in_pixels(trainer):
    digits = random_images(4, (28, 28, 1))
    assert QualityMonitor(digits).extractor.name == digit_features().name
    assert QualityMonitor(HELD_OUT).extractor.name == "pixels-8x8x1"
    as_bytes = np.rint((HELD_OUT + 1) * 127.5).astype("uint8")
    assert trainer.fit(QualityMonitor(as_bytes))["fid"][0] > 0


def test_generated_images_have_the_classes_that_were_asked_for(conditional):
    labels = np.full(12, 2)
    history = conditional.fit(QualityMonitor(HELD_OUT, num_generated=15, labels=labels))
    features = pixel_features((8, 8, 1))
    fake = features(conditional.model.generate(15, np.full(15, 2)))
    assert history["fid"] == [frechet_distance(features(HELD_OUT), fake)]
    assert conditional.fit(QualityMonitor(HELD_OUT))["fid"] != history["fid"]


def test_images_are_held_out_in_any_form(conditional):
    labels = np.full(12, 2)
    expected = conditional.fit(QualityMonitor(HELD_OUT, labels=labels))["fid"]
    part = Images(HELD_OUT, labels)
    for given in ((HELD_OUT, labels), (HELD_OUT, np.eye(3)[labels]), part):
        assert conditional.restart().fit(QualityMonitor(given))["fid"] == expected


def test_data_sets_of_keras_are_held_out_with_their_names(conditional):
    labels = np.full(12, 2)
    rows = np.eye(3, dtype="float32")[labels]
    expected = conditional.fit(QualityMonitor(HELD_OUT, labels=labels))["fid"]
    data = tf.data.Dataset.from_tensor_slices((HELD_OUT, rows)).batch(4)
    data.class_names = ["a", "b", "c"]
    assert conditional.restart().fit(QualityMonitor(data))["fid"] == expected


def test_a_monitor_measures_without_a_training(trainer):
    monitor = QualityMonitor(HELD_OUT, kid=False)
    monitor.set_model(trainer.model)
    assert monitor.measure()["fid"] > 0


def test_images_of_another_range_are_noticed():
    images = random_images(100)
    with pytest.warns(UserWarning, match=r"`images` .*\[0, 1\]"):
        QualityMonitor((images + 1) / 2)
    with pytest.raises(ValueError, match=r"`images` must lie in \[-1, 1\]"):
        QualityMonitor((images + 1) * 127.5)


def test_figures_are_measured_every_n_epochs_at_first_and_at_last(trainer):
    monitor = Scripted([5.0, 4.0, 3.0, 2.0], every=3)
    history = trainer.fit(monitor, epochs=7)
    # After epochs 1, 3, 6 and 7; what lies between repeats.
    assert history["fid"] == [5.0, 5.0, 4.0, 4.0, 4.0, 3.0, 2.0]


def test_other_callbacks_of_keras_see_the_figures(trainer, tmp_path):
    callbacks = [
        Scripted([5.0, 3.0, 4.0, 6.0, 7.0]),
        keras.callbacks.ModelCheckpoint(
            tmp_path / "best-{epoch}-{fid:.1f}.keras",
            monitor="fid",
            mode="min",
            save_best_only=True,
        ),
        keras.callbacks.EarlyStopping(monitor="fid", mode="min", patience=2),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    history = trainer.fit(*callbacks, epochs=5)
    assert history["fid"] == [5.0, 3.0, 4.0, 6.0]
    saved = sorted(path.name for path in tmp_path.glob("*.keras"))
    assert saved == ["best-1-5.0.keras", "best-2-3.0.keras"]
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["fid"]) for row in rows] == history["fid"]


def test_tensorboard_writes_the_figures(trainer, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing import event_accumulator

    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    history = trainer.fit(QualityMonitor(HELD_OUT), board, epochs=2)
    events = event_accumulator.EventAccumulator(
        str(tmp_path / "train"), {event_accumulator.TENSORS: 0}
    ).Reload()
    for name in ("fid", "kid", "g_loss"):
        found = [
            float(np.frombuffer(event.tensor_proto.tensor_content, "float32")[0])
            if event.tensor_proto.tensor_content
            else event.tensor_proto.float_val[0]
            for event in events.Tensors(f"epoch_{name}")
        ]
        np.testing.assert_allclose(found, history[name], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": HELD_OUT[:3]}, "at least 4 images.*Received: 3"),
        ({"images": HELD_OUT[..., 0]}, "shape"),
        ({"num_generated": 3}, "`num_generated` must be an integer of at least 4"),
        ({"every": 0}, "`every` must be an integer of at least 1"),
        ({"extractor": digit_features()}, r"images of shape \(28, 28, 1\)"),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        QualityMonitor(**{"images": HELD_OUT, **arguments})


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ({}, {"labels": LABELS}, "The model is unconditional"),
        ({"num_classes": 3}, {"labels": LABELS[:5]}, "`labels` must be 12 integers"),
        ({"image_shape": (8, 8, 3)}, {}, r"shape \(8, 8, 3\). Received: \(8, 8, 1\)"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_before_training(
    model, arguments, message
):
    monitor = QualityMonitor(HELD_OUT, **arguments)
    monitor.set_model(make(**model))
    with pytest.raises(ValueError, match=message):
        monitor.on_train_begin()


def test_zeros_and_ones_in_eight_bits_are_noticed():
    with pytest.warns(UserWarning, match="0 and 1 in uint8"):
        QualityMonitor(
            np.random.default_rng(0).integers(2, size=(32, 8, 8, 1), dtype="uint8")
        )
    QualityMonitor(
        np.random.default_rng(0).integers(256, size=(32, 8, 8, 1), dtype="uint8")
    )
