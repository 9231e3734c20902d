import pickle

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan.data import Images
from keras_mixup_gan.data.batches import pixel_reader
from keras_mixup_gan.data.pixels import Pixels, as_pixels, frozen
from keras_mixup_gan.validation import unit_range

BYTES = np.arange(256, dtype="uint8").reshape(8, 4, 4, 2)
FLOATS = unit_range(BYTES)


@pytest.mark.parametrize("stored", [BYTES, FLOATS])
@pytest.mark.parametrize("rows", [None, np.array([5, 0, 3, 3])])
def test_rows_read_as_an_array_of_floats(stored, rows):
    pixels = Pixels(stored, rows)
    expected = FLOATS if rows is None else FLOATS[rows]
    assert pixels.shape == expected.shape
    assert pixels.dtype == expected.dtype
    for key in (slice(None), slice(1, 3), [2, 0], 1, np.arange(len(pixels)) > 1):
        np.testing.assert_array_equal(pixels[key], expected[key])
    taken = pixels.take([2, 1]).take(slice(1, None))
    np.testing.assert_array_equal(taken, expected[[1]])
    np.testing.assert_array_equal(list(pixels), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pixels)), expected)
    batch = np.array([1, 1, 0])
    tensors = tf.data.Dataset.from_tensors(batch).map(pixel_reader(pixels))
    np.testing.assert_array_equal(next(iter(tensors)), expected[batch])


def test_bytes_come_back_as_numpy_converts_them():
    read = tf.function(pixel_reader(Pixels(BYTES)))
    converted = read(tf.range(8)).numpy()
    assert converted.tobytes() == FLOATS.tobytes()


def test_only_what_somebody_could_change_is_copied():
    own = frozen(BYTES.copy())
    assert Pixels(own).kept([1, 2]).stored is own
    given = BYTES.copy()
    for pixels in (Pixels(given).kept(), Pixels(given[1:]).kept([0, 1])):
        assert not np.may_share_memory(pixels.stored, given)
        assert pixels.is_fixed


def test_a_file_is_read_where_it_lies(tmp_path):
    np.save(tmp_path / "a.npy", BYTES)
    stored = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert Pixels(stored).kept([3]).stored is stored
    np.testing.assert_array_equal(Pixels(stored)[1:3], FLOATS[1:3])


def test_what_was_checked_is_checked_for_its_shape_alone():
    pixels = as_pixels(BYTES)
    assert as_pixels(pixels, "x", (4, 4, 2)) is pixels
    with pytest.raises(ValueError, match=r"`x` must hold images of shape \(4, 4, 1\)"):
        as_pixels(pixels, "x", (4, 4, 1))
    with pytest.raises(ValueError, match="finite"):
        as_pixels(np.full((2, 4, 4, 1), np.nan))


def test_images_are_floats_once_they_are_asked_for():
    held = Images(as_pixels(BYTES), None)
    assert held.pixels.stored is BYTES
    assert held.pixels.stored is BYTES
    images, labels = held
    assert labels is None
    images *= 0.5  # and no other array is trained on from now
    np.testing.assert_array_equal(held.pixels[:], 0.5 * FLOATS)
    assert held[0] is held.images is images
    assert pickle.loads(pickle.dumps(held)).images.tobytes() == images.tobytes()


def test_a_data_set_is_made_of_images_as_before():
    held = Images(as_pixels(BYTES), np.arange(8))
    dataset = tf.data.Dataset.from_tensor_slices(held)
    np.testing.assert_array_equal([image for image, _ in dataset], FLOATS)
