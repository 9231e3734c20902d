import contextlib
import json
import os
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.data import MembershipSplit, cache, load_images
from keras_mixup_gan.data.folders import read_image
from keras_mixup_gan.storage import locked

COUNT = 12


@pytest.fixture
def folder(tmp_path, small_cache):
    """A folder of images that are more than are kept in memory."""
    random = np.random.default_rng(0)
    for n in range(COUNT):
        image = Image.fromarray(random.integers(256, size=(4, 4, 3), dtype="uint8"))
        path = tmp_path / "images" / "ab"[n // 6] / f"{n:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    return tmp_path / "images"


def in_memory(source, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "LIMIT", 2**30)
        return load_images(source, **options)


def quietly(source, **options):
    """Loads what is in the cache: writing it would warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_images(source, **options)


def files_of(tmp_path):
    [place] = (tmp_path / "cache").iterdir()
    assert {path.name for path in place.iterdir()} == {"images.npy", "about.json"}
    return place / "images.npy", place / "about.json"


def stopped_at(monkeypatch, number):
    """Reading fails at the image of this number."""

    def read(file, value_range=None):
        if int(Path(file).stem) == number:
            raise KeyboardInterrupt
        return read_image(file, value_range)

    monkeypatch.setattr("keras_mixup_gan.data.folders.read_image", read)


def test_many_images_lie_in_a_file_and_are_read_once(folder, tmp_path, monkeypatch):
    expected = in_memory(folder)
    with pytest.warns(UserWarning, match=r"12 images of .* takes 0\.00 GB") as told:
        loaded = load_images(folder)
    assert len(told) == 1
    assert told[0].filename == __file__
    file, _ = files_of(tmp_path)
    assert file.stat().st_mode & 0o077 == 0
    stopped_at(monkeypatch, 1)  # all but the first are in the file
    again = quietly(folder)
    for images in (loaded, again):
        assert isinstance(images.pixels.stored, np.memmap)
        assert images.pixels.stored.dtype == np.uint8
        np.testing.assert_array_equal(images.images, expected.images)
        np.testing.assert_array_equal(images.labels, expected.labels)
        assert images.class_names == ("a", "b")
    split = MembershipSplit.draw(quietly(folder), num_members=5, num_non_members=5)
    assert isinstance(split.members.pixels.stored, np.memmap)
    other = MembershipSplit.draw(expected, num_members=5, num_non_members=5)
    assert split.content_hash == other.content_hash


def test_resized_images_keep_their_precision(folder):
    with pytest.warns(UserWarning, match="are read once"):
        loaded = load_images(folder, (3, 2, 3))
    assert loaded.pixels.stored.dtype == np.float32
    expected = in_memory(folder, image_shape=(3, 2, 3)).images
    np.testing.assert_array_equal(loaded.images, expected)


def test_bytes_become_floats_where_a_later_image_needs_them(folder):
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "b" / "99.png")
    with pytest.warns(UserWarning, match="are read once"):
        loaded = load_images(folder, (4, 4, 3))
    assert loaded.pixels.stored.dtype == np.float32
    expected = in_memory(folder, image_shape=(4, 4, 3)).images
    np.testing.assert_array_equal(loaded.images, expected)
    np.testing.assert_array_equal(quietly(folder, image_shape=(4, 4, 3))[0], expected)


def test_a_stopped_run_is_continued(folder, tmp_path, monkeypatch):
    expected = in_memory(folder).images
    with monkeypatch.context() as patch:
        stopped_at(patch, 8)
        with pytest.warns(UserWarning, match="once"), pytest.raises(KeyboardInterrupt):
            load_images(folder)
    _, state = files_of(tmp_path)
    assert json.loads(state.read_text())["rows"] == 6
    with monkeypatch.context() as patch:
        stopped_at(patch, 3)  # which has been read
        with pytest.warns(UserWarning, match="6 are there"):
            loaded = load_images(folder)
    np.testing.assert_array_equal(loaded.images, expected)
    np.testing.assert_array_equal(quietly(folder).images, expected)


def cut(file, state):
    file.write_bytes(file.read_bytes()[:-1])


def change_a_pixel(file, state):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def change_the_header(file, state):
    file.write_bytes(file.read_bytes().replace(b"|u1", b"|i1"))


def change_the_count(file, state):
    state.write_text(state.read_text().replace('"rows": 12', '"rows": 11'))


def empty_the_note(file, state):
    state.write_text("")


@pytest.mark.parametrize(
    "damage",
    [cut, change_a_pixel, change_the_header, change_the_count, empty_the_note],
)
@pytest.mark.filterwarnings("ignore:The 12 images")
def test_a_damaged_file_is_written_anew(folder, tmp_path, damage):
    expected = load_images(folder).images
    damage(*files_of(tmp_path))
    with pytest.warns(UserWarning, match="are read once"):
        loaded = load_images(folder)
    np.testing.assert_array_equal(loaded.images, expected)


@pytest.mark.filterwarnings("ignore:The 12 images")
def test_a_folder_that_changed_is_read_anew(folder, tmp_path):
    before = load_images(folder)
    kept = before.pixels[:]
    Image.new("RGB", (4, 4), (1, 2, 3)).save(folder / "a" / "00.png")
    with pytest.warns(UserWarning, match="are read once"):
        after = load_images(folder)
    np.testing.assert_array_equal(after.images, in_memory(folder).images)
    np.testing.assert_array_equal(before.pixels[:], kept)  # of the old file
    files_of(tmp_path)


@pytest.mark.filterwarnings("ignore:The 12 images")
def test_a_file_of_the_same_size_and_date_is_noticed(folder):
    load_images(folder)
    file = folder / "a" / "00.png"
    about = file.stat()
    file.write_bytes(file.read_bytes())
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    with pytest.warns(UserWarning, match="are read once"):
        load_images(folder)


@pytest.mark.filterwarnings("ignore:The 12 images")
def test_what_was_read_in_another_way_is_read_anew(folder, monkeypatch):
    load_images(folder)
    monkeypatch.setattr(cache, "READER", 0)
    with pytest.warns(UserWarning, match="are read once"):
        load_images(folder)


@pytest.mark.filterwarnings("ignore:The 12 images")
def test_one_run_writes_at_a_time_and_others_wait_for_it(folder, tmp_path):
    kept = load_images(folder).images
    file, _ = files_of(tmp_path)
    cut(file, None)
    with ThreadPoolExecutor(1) as other, contextlib.ExitStack() as writing:
        writing.enter_context(locked(file.parent))
        with pytest.warns(UserWarning, match="in use by another run.*: waiting"):
            found = other.submit(load_images, folder)
            time.sleep(0.3)
            assert not found.done()
            writing.close()
            np.testing.assert_array_equal(found.result(60).images, kept)


def test_too_little_room_is_said_before_reading(folder, monkeypatch):
    usage = cache.shutil.disk_usage("/")._replace(free=10)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match=f"0.00 GB are free.*Set {cache.VARIABLE}"):
        load_images(folder)


def test_the_folder_is_the_users_own(monkeypatch):
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setattr(cache.sys, "platform", "linux")
    assert cache.cache_folder() == Path("/somewhere/keras-mixup-gan")
    monkeypatch.setattr(cache.sys, "platform", "darwin")
    assert cache.cache_folder().parts[-3:] == ("Library", "Caches", "keras-mixup-gan")
