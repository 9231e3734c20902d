"""One door for images and labels: whatever holds them trains and scores alike."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD, MixUp
from keras_mixup_gan.data import Images, SplitPart
from keras_mixup_gan.data.datasets import in_unit_range
from keras_mixup_gan.data.pixels import as_pixels
from keras_mixup_gan.validation import unit_range
from tests.models.tiny import (
    DEFENSES,
    NUM_CLASSES,
    eager,
    make,
    random_images,
    random_labels,
)

BYTES = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), dtype="uint8")
IMAGES, LABELS = unit_range(BYTES), random_labels(8)
ROWS = np.eye(NUM_CLASSES, dtype="float32")[LABELS]


class Batches(keras.utils.PyDataset):
    """Two batches, as Keras wants them."""

    def __init__(self, images=IMAGES, labels=LABELS):
        super().__init__()
        self.parts = images, labels

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return tuple(part[4 * index :][:4] for part in self.parts)


class Tensor:
    """What a torch tensor can do here."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.array


class Loader:
    """What a torch `DataLoader` can do: channels are first."""

    dataset, batch_size = None, 4

    def __len__(self):
        return 2

    def __iter__(self):
        for images, labels in (Batches()[0], Batches()[1]):
            yield [Tensor(np.moveaxis(images, 3, 1)), Tensor(labels)]


def sliced(*parts):
    return tf.data.Dataset.from_tensor_slices(parts).batch(4)


ARRAYS = {
    "pair": lambda: (IMAGES, LABELS),
    "bytes": lambda: (BYTES, LABELS),
    "rows": lambda: (IMAGES, ROWS),
    "integer rows": lambda: (IMAGES, ROWS.astype(int)),
    "column": lambda: (IMAGES, LABELS[:, None]),
    "lists": lambda: (IMAGES.tolist(), LABELS.tolist()),
    "dict": lambda: {"images": IMAGES, "labels": LABELS},
    "images": lambda: Images(IMAGES, LABELS),
    "part": lambda: SplitPart(IMAGES, LABELS, np.arange(8)),
    "images of bytes": lambda: Images(as_pixels(BYTES), LABELS),
    "part of bytes": lambda: SplitPart(
        as_pixels(BYTES[::-1].copy()).take(np.arange(8)[::-1]), LABELS, np.arange(8)
    ),
    "tensors": lambda: (tf.constant(IMAGES), tf.constant(LABELS)),
}
BATCHES = {
    "tf.data": lambda: sliced(IMAGES, LABELS),
    "tf.data bytes": lambda: sliced(BYTES, LABELS),
    "tf.data column": lambda: sliced(IMAGES, LABELS[:, None]),
    "tf.data int rows": lambda: sliced(IMAGES, ROWS.astype("int32")),
    "PyDataset": Batches,
    "PyDataset bytes": lambda: Batches(BYTES, ROWS),
    "DataLoader": Loader,
    "generator": lambda: (batch for batch in (Batches()[0], Batches()[1])),
}


@pytest.fixture(scope="module")
def model():
    return make(num_classes=NUM_CLASSES)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_in_any_form(model, name):
    images, rows = model.pipeline.arrays(ARRAYS[name]())
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(rows, ROWS)
    assert images.dtype == rows.dtype == np.float32


@pytest.mark.parametrize(
    ("defense", "name"),
    [("none", "bytes"), ("mixup", "part of bytes"), ("dp", "images of bytes")],
)
def test_batches_of_bytes_are_those_of_floats(defense, name):
    model = make(num_classes=NUM_CLASSES, **DEFENSES[defense])

    def batches(data):
        prepared, *_ = model.pipeline.training_batches(data, None, 4)
        return [batch for [batch] in prepared.take(4)]

    pairs = zip(batches((IMAGES, LABELS)), batches(ARRAYS[name]()), strict=True)
    for floats, stored in pairs:
        assert floats.keys() == stored.keys()
        for field, expected in floats.items():
            assert np.array_equal(expected, stored[field]), field


@pytest.mark.parametrize("name", BATCHES)
def test_batches_in_any_form(model, name):
    batches, *_ = model.pipeline.training_batches(BATCHES[name](), None, None)
    read = [batch for [batch] in batches]
    images = np.concatenate([batch["images"] for batch in read])
    np.testing.assert_allclose(images, IMAGES, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([b["labels"] for b in read]), ROWS)


def test_every_door_takes_them(model):
    first = model.evaluate(IMAGES, ROWS, batch_size=4, verbose=0)
    for data in (BATCHES["DataLoader"](), Batches(BYTES), sliced(BYTES, LABELS)):
        assert model.evaluate(data, verbose=0) == pytest.approx(first, rel=1e-4)
    one = model.test_on_batch(BYTES, LABELS)
    np.testing.assert_allclose(one, model.test_on_batch((IMAGES, ROWS)), rtol=1e-4)
    np.testing.assert_array_equal(model.score(BYTES, LABELS), model.score(IMAGES, ROWS))


def test_validation_by_part_by_split_and_by_bytes():
    model = make()
    part = SplitPart(IMAGES, None, np.arange(8))
    for more in (
        {"validation_data": part},
        {"validation_data": BYTES},
        {"validation_split": 0.5},
    ):
        history = model.fit(IMAGES, batch_size=4, verbose=0, **more).history
        assert np.isfinite(history["val_g_loss"]).all()


def test_a_split_sets_aside_the_last_images(model):
    x, y, held_out = model.pipeline.held_out(BYTES, LABELS, 0.25, None)
    np.testing.assert_array_equal(np.concatenate([x, held_out[0]]), IMAGES)
    assert len(y) == 6
    with pytest.raises(ValueError, match="`validation_split` sets aside"):
        model.fit(Batches(), validation_split=0.5)
    with pytest.raises(ValueError, match="Both parts"):
        model.fit(BYTES, LABELS, validation_split=0.999)


def test_a_generator_is_read_on_and_its_end_is_said():
    def forever():
        while True:
            yield IMAGES[:4]

    model = make()
    model.fit(forever(), steps_per_epoch=2, epochs=2, verbose=0)
    assert int(model.steps) == 4
    with pytest.raises(ValueError, match=r"read once.*steps_per_epoch") as caught:
        model.fit(iter([IMAGES[:4]]), epochs=2, verbose=0)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="finite training set"):
        make(dp=DPSGD()).fit(forever(), steps_per_epoch=1, verbose=0)


def test_two_passes_over_a_generator_are_refused():
    batches = (IMAGES[:4] for _ in range(9))
    with pytest.raises(ValueError, match="Several passes over data are read"):
        make(mixup="paper").fit(batches, steps_per_epoch=2, verbose=0)


class Turning(Batches):
    """Two batches, in another order after each epoch."""

    ends = 0

    def on_epoch_end(self):
        self.ends += 1


def test_an_epoch_of_a_py_dataset_ends_once_and_passes_would_end_it_more_often():
    data = Turning()
    make(num_classes=NUM_CLASSES).fit(data, epochs=3, verbose=0)
    assert data.ends == 3
    model = make(num_classes=NUM_CLASSES, mixup="paper")
    with pytest.raises(ValueError, match="a Turning that is read once, or is told of"):
        model.fit(data, verbose=0)
    model.fit(Batches(), verbose=0)  # which heeds no epochs


def test_seeds_of_private_noise_are_shown_nowhere(caplog):
    secret = 123456789012345
    noise = MixUp(num_samples=1, noise_stddev=1.0, noise="once", seed=secret)
    model = make(mixup=noise)
    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        data = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4)
        model.evaluate(data, verbose=0)
    finally:
        logger.removeHandler(caplog.handler)
    assert "AutoGraph" not in caplog.text
    assert str(secret) not in caplog.text + repr(model.pipeline)


OFF_RANGE = (IMAGES + 1) * 127.5
NOT_A_NUMBER = np.where(IMAGES > 0.9, np.nan, IMAGES).astype("float32")
UNEVEN, SPOILED = ROWS * 2, np.where(ROWS > 0, np.nan, 0).astype("float32")


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (OFF_RANGE, LABELS, "must lie in|must be finite"),
        (NOT_A_NUMBER, LABELS, "must be finite"),
        (IMAGES, np.full(8, 7), "0 to 2"),
        (IMAGES, UNEVEN, "of sum 1"),
        (IMAGES, SPOILED, "of sum 1"),
        (IMAGES, -ROWS, "of sum 1"),
        (IMAGES, LABELS.astype("float32"), "integers"),
        (IMAGES, LABELS.astype(str), "integers|must be numbers"),
    ],
)
def test_what_is_wrong_is_refused_at_every_door(model, images, labels, message):
    doors = [
        lambda: model.fit(images, labels, batch_size=4, verbose=0),
        lambda: model.evaluate(images, labels, verbose=0),
        lambda: model.evaluate(Batches(images, labels), verbose=0),
        lambda: model.fit(Batches(images, labels), verbose=0),
        lambda: model.fit(
            IMAGES, LABELS, validation_data=(images, labels), verbose=0, batch_size=4
        ),
        lambda: model.train_on_batch(images, labels),
        lambda: model.test_on_batch(images, labels),
        lambda: model.score(images, labels),
    ]
    if labels.dtype.kind != "U":
        doors.append(lambda: model.evaluate(sliced(images, labels), verbose=0))
    for door in doors:
        with pytest.raises(ValueError, match=message) as caught:
            door()
        assert "\n" not in str(caught.value)
        assert "Received: " in str(caught.value)


def test_images_in_the_unit_interval_are_noticed():
    bright = random_images(32) / 2 + 0.5
    model = make()
    with pytest.warns(UserWarning, match=r"look like images of the range \[0, 1\]"):
        model.fit(bright, batch_size=16, verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices(bright).batch(16)
    with pytest.warns(UserWarning, match=r"data set.*\[0, 1\]") as told:
        model.fit(dataset, epochs=2, verbose=0)
    assert len(told) == 1


def test_one_iterator_serves_all_epochs():
    begun = []
    for epochs in (1, 3):
        model = eager()
        begun.append(0)

        def first():
            begun[-1] += 1
            return model.num_steps  # noqa: B023 (of this turn)

        model.pipeline = dataclasses.replace(model.pipeline, next_batch=first)
        model.fit(random_images(8), batch_size=4, epochs=epochs, verbose=0)
        assert model.num_steps == 2 * epochs
    assert begun[0] == begun[1] > 0


def test_what_rounding_puts_outside_is_clipped_in_data_sets_as_in_arrays():
    white = np.nextafter(np.ones((8, 8, 8, 1), "float32"), np.float32(2))
    images = np.where(random_images(8) > 0.9, white, random_images(8))
    assert images.max() > 1
    batches = tf.data.Dataset.from_tensor_slices(images).batch(8)
    for defense in ({}, {"mixup": MixUp(seed=1)}):
        model = eager(**defense)
        model.fit(images, batch_size=8, verbose=0)
        model.fit(batches, verbose=0)
    (seen,) = batches.map(lambda batch: in_unit_range({"images": batch}))
    np.testing.assert_array_equal(seen["images"], images.clip(-1, 1))
    (mixed,) = batches.apply(MixUp(seed=1))
    assert float(tf.reduce_max(mixed)) <= 1


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras, of any such
@pytest.mark.parametrize(
    "defense", [{"augment": "color,translation,cutout"}, {"mixup": "augmented"}]
)
def test_data_sets_need_not_tell_the_size_of_their_images(defense):
    def images(shape):
        yield random_images(4, shape)

    spec = tf.TensorSpec((None, None, None, 1), tf.float32)
    model = eager(**defense)
    for shape, is_right in [((8, 8, 1), True), ((9, 8, 1), False)]:
        dataset = tf.data.Dataset.from_generator(
            lambda shape=shape: images(shape), output_signature=spec
        )
        if is_right:
            model.fit(dataset, verbose=0)
            continue
        with pytest.raises(ValueError, match=r"of shape \(8, 8, 1\). Received: 9 8 1"):
            model.fit(dataset, verbose=0)
    assert model.num_steps == 1


def test_an_image_weighs_the_same_in_every_batch_that_is_evaluated():
    images = random_images(33)
    images[-1] = 1.0  # alone in its batch
    model = eager()
    for weight in model.discriminator.weights:
        weight.assign(30 * weight)
    real = []
    model.discriminator_loss = lambda scores, fakes: (
        real.append(scores) or (tf.reduce_mean(scores))
    )
    losses = [
        model.evaluate(images, batch_size=size, verbose=0, return_dict=True)["d_loss"]
        for size in (11, 32)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] == pytest.approx(float(np.mean(np.concatenate(real[:3]))), 1e-5)
