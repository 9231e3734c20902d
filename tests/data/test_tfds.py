import os
import shutil
import sys

import numpy as np
import pytest

from keras_mixup_gan.data import cache, load_images
from tests.data.test_cache import in_memory, quietly

tfds = pytest.importorskip("tensorflow_datasets")
registered = pytest.importorskip("tensorflow_datasets.core.registered")

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 5, 4, 3), dtype="uint8")


def write(data_dir, name, version="1.0.0", config=None, features=None, start=0):
    """Prepares a tiny data set in the format of TensorFlow Datasets."""
    features = features or {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "label": tfds.features.ClassLabel(num_classes=7),
    }

    def examples(first, last):
        for i in range(first, last):
            example = {"image": PIXELS[i], "label": i % 7, "other": float(i)}
            yield i, {key: example[key] for key in features}

    configs = [tfds.core.BuilderConfig(name=config, version=version)] if config else []

    with registered.skip_registration():

        class Builder(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version(version)
            BUILDER_CONFIGS = configs

            def _info(self):
                return tfds.core.DatasetInfo(
                    builder=self, features=tfds.features.FeaturesDict(features)
                )

            def _split_generators(self, _):
                return {"train": examples(start, 8), "test": examples(8, 12)}

            def _generate_examples(self):
                raise NotImplementedError

    Builder.name = name
    Builder(data_dir=str(data_dir)).download_and_prepare()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    write(folder, "tiny_shapes")
    write(folder, "tiny_shapes", version="1.10.0", start=6)
    write(folder, "tiny_shapes", version="1.9.0", start=7)
    write(folder, "tiny_configs", config="small")
    write(folder, "tiny_configs", config="large", start=5)
    write(folder, "tiny_single", config="only", start=4)
    image = tfds.features.Image(shape=(None, None, 3))
    write(folder, "tiny_unlabeled", features={"image": image})
    write(folder, "tiny_numbers", features={"other": np.float32})
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", refuse)


def sorted_pixels(images):
    return np.sort(np.round((images + 1) * 127.5).reshape(len(images), -1), axis=0)


def test_images_and_labels_of_the_train_split(data_dir):
    images, labels = load_images("tfds:tiny_shapes:1.0.0", data_dir=data_dir)
    assert images.shape == (8, 5, 4, 3)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    expected = sorted_pixels(PIXELS[:8] / 127.5 - 1)
    np.testing.assert_allclose(sorted_pixels(images), expected)
    for image, label in zip(images, labels, strict=True):
        errors = np.abs(PIXELS / 127.5 - 1 - image).max(axis=(1, 2, 3))
        assert errors.argmin() % 7 == label


def test_loading_twice_gives_the_same_order(data_dir):
    first = load_images("tfds:tiny_shapes:1.0.0", data_dir=data_dir)
    again = load_images("tfds:tiny_shapes:1.0.0", data_dir=str(data_dir))
    np.testing.assert_array_equal(first.images, again.images)


def test_the_newest_version_is_read(data_dir):
    assert len(load_images("tfds:tiny_shapes", data_dir=data_dir).images) == 2


@pytest.mark.parametrize(
    ("split", "count"), [("test", 4), ("train[:3]", 3), ("train+test[:50%]", 10)]
)
def test_splits_and_slices(data_dir, split, count):
    source = f"tfds:tiny_shapes:1.0.0:{split}"
    assert len(load_images(source, data_dir=data_dir).images) == count


def test_configurations(data_dir):
    small = load_images("tfds:tiny_configs/small", data_dir=data_dir)
    large = load_images("tfds:tiny_configs/large:test", data_dir=data_dir)
    assert (len(small.images), len(large.images)) == (8, 4)
    assert len(load_images("tfds:tiny_single", data_dir=data_dir).images) == 4
    with pytest.raises(ValueError, match=r"several configurations.*large, small"):
        load_images("tfds:tiny_configs", data_dir=data_dir)


def test_the_environment_says_where_data_are(data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    assert len(load_images("tfds:tiny_unlabeled").images) == 8


def test_data_sets_without_labels(data_dir):
    assert load_images("tfds:tiny_unlabeled", data_dir=data_dir).labels is None


def test_images_are_resized_and_converted(data_dir):
    images, _ = load_images("tfds:tiny_shapes:1.0.0", (8, 8, 1), data_dir=data_dir)
    assert images.shape == (8, 8, 8, 1)


def test_unknown_split_lists_those_there_are(data_dir):
    with pytest.raises(ValueError, match=r"in split 'valid'.*test, train"):
        load_images("tfds:tiny_shapes:valid", data_dir=data_dir)


def test_empty_slices_are_refused(data_dir):
    with pytest.raises(ValueError, match=r"no images in split 'train\[:0\]'"):
        load_images("tfds:tiny_shapes:train[:0]", data_dir=data_dir)


def test_truncated_records_are_one_sentence(data_dir, tmp_path):
    shutil.copytree(data_dir / "tiny_unlabeled", tmp_path / "tiny_unlabeled")
    (record,) = tmp_path.rglob("*train.tfrecord*")
    record.write_bytes(record.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"could not be read \(DataLossError\)\."):
        load_images("tfds:tiny_unlabeled", data_dir=tmp_path)


# === More images than are kept in memory ===


@pytest.fixture
def own(data_dir, tmp_path, small_cache):
    """A copy of the prepared data sets that a test may change."""
    shutil.copytree(data_dir, tmp_path / "own")
    return {"source": "tfds:tiny_shapes:1.0.0", "data_dir": tmp_path / "own"}


def stopped_at(monkeypatch, number):
    """Reading is killed at the image of this number."""

    def fit_shape(image, options, name):
        if name.startswith(f"Image {number} "):
            raise KeyboardInterrupt
        return image

    monkeypatch.setattr(cache, "fit_shape", fit_shape)


@pytest.mark.parametrize("shape", [None, (3, 3, 1)])
def test_many_images_are_those_that_memory_holds(data_dir, small_cache, shape):
    options = {"source": "tfds:tiny_shapes:1.0.0:train+test[:3]", "data_dir": data_dir}
    expected = in_memory(**options, image_shape=shape)
    dtype = expected.pixels.stored.dtype
    with pytest.warns(UserWarning, match=r"1\.0\.0:train\+test\[:3\] are re") as told:
        written = load_images(**options, image_shape=shape)
    assert [one.filename for one in told] == [__file__]
    for loaded in (written, quietly(**options, image_shape=shape)):
        assert isinstance(loaded.pixels.stored, np.memmap)
        assert loaded.pixels.stored.dtype == dtype
        np.testing.assert_array_equal(loaded.images, expected.images)
        np.testing.assert_array_equal(loaded.labels, expected.labels)
        assert loaded.class_names == expected.class_names


def test_a_stopped_run_is_continued(own, monkeypatch):
    monkeypatch.setattr(cache, "_NOTE_BYTES", 3 * PIXELS[0].nbytes)
    with monkeypatch.context() as patch:
        stopped_at(patch, 7)
        with pytest.warns(UserWarning, match="once"), pytest.raises(KeyboardInterrupt):
            load_images(**own)
    with monkeypatch.context() as patch:
        stopped_at(patch, 5)  # which has been read
        with pytest.warns(UserWarning, match="6 are there"):
            loaded = load_images(**own)
    expected = in_memory(**own)
    np.testing.assert_array_equal(loaded.images, expected.images)
    np.testing.assert_array_equal(loaded.labels, expected.labels)


@pytest.mark.filterwarnings("ignore:The 8 images")
def test_data_that_were_prepared_again_are_read_anew(own):
    load_images(**own)
    (record,) = own["data_dir"].glob("tiny_shapes/1.0.0/*train.tfrecord*")
    os.utime(record, (1, 1))
    with pytest.warns(UserWarning, match="are read once"):
        load_images(**own)
    record.write_bytes(record.read_bytes()[:-20])
    for _ in range(2):
        with pytest.raises(ValueError, match=r"could not be read \(DataLossError\)\."):
            load_images(**own)


def test_data_sets_without_images_are_refused(data_dir):
    with pytest.raises(ValueError, match=r"no 8-bit feature.*\['other'\]"):
        load_images("tfds:tiny_numbers", data_dir=data_dir)


def test_unknown_data_sets_list_the_nearest(data_dir):
    with pytest.raises(ValueError, match=r"Unknown data set 'mnits'.*'mnist'"):
        load_images("tfds:mnits", data_dir=data_dir)


@pytest.mark.parametrize("source", ["tfds:", "tfds:mnist:", "tfds:a b"])
def test_malformed_sources_are_refused(source):
    with pytest.raises(ValueError, match="names no data set"):
        load_images(source)


def test_failed_downloads_are_one_sentence(data_dir, monkeypatch):
    def offline(*args, **kwargs):
        raise ConnectionError("Name or service not known\nand much more")

    monkeypatch.setattr(tfds, "builder", offline)
    message = r"'mnist' is not prepared in .* \(Name or service not known\)\. Pass"
    with pytest.raises(ValueError, match=message):
        load_images("tfds:mnist", data_dir=data_dir)


def test_missing_extra_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"keras-mixup-gan\[tfds\]"):
        load_images("tfds:mnist")
