import json
import os
import tracemalloc

import numpy as np
import pytest

from keras_mixup_gan.data import archives, cache, load_images
from tests.data.test_cache import in_memory, quietly

COUNT = 12
random = np.random.default_rng(0)
BYTES = random.integers(256, size=(COUNT, 4, 4, 3), dtype="uint8")
FLOATS = random.uniform(-1, 1, (COUNT, 4, 4, 1))
LABELS = np.arange(COUNT) % 3
NAMED = {"labels": LABELS, "class_names": ["a", "b", "c"]}


def write(path, save=np.savez, **arrays):
    save(path, **arrays)
    return path


@pytest.fixture
def archive(tmp_path, small_cache, monkeypatch):
    """An archive of images that are read three at a time."""
    monkeypatch.setattr(archives, "_BLOCK_BYTES", 3 * BYTES[0].nbytes)
    return write(tmp_path / "d.npz", images=BYTES, **NAMED)


CASES = {
    "bytes": ({"images": BYTES, **NAMED}, {}),
    "resized": ({"images": BYTES, **NAMED}, {"image_shape": (3, 2, 1)}),
    "rounded": ({"images": FLOATS * 1.0005}, {}),
    "half": ({"images": FLOATS.astype("float16")}, {"image_shape": (4, 4, 3)}),
    "big-endian": ({"images": FLOATS.astype(">f4")}, {}),
    "range": ({"images": FLOATS * 7}, {"value_range": (-8, 9)}),
    "12 bits": (
        {"images": random.integers(4096, size=(COUNT, 4, 4, 1))},
        {"value_range": (0, 4095)},
    ),
    "columns first": ({"images": np.asfortranarray(FLOATS)}, {}),
    "DPImageBench": ({"x": (FLOATS.transpose(0, 3, 1, 2) + 1) / 2, "y": LABELS}, {}),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("case", CASES)
def test_many_images_are_those_that_memory_holds(archive, case, save):
    arrays, options = CASES[case]
    write(archive, save, **arrays)
    expected = in_memory(archive, **options)
    if case == "columns first":  # of which no image lies in one piece
        loaded = quietly(archive, **options)
    else:
        with pytest.warns(UserWarning, match=r"12 images of .*d\.npz are") as told:
            load_images(archive, **options)
        assert [one.filename for one in told] == [__file__]
        loaded = quietly(archive, **options)
        assert isinstance(loaded.pixels.stored, np.memmap)
    assert loaded.pixels.stored.dtype == expected.pixels.stored.dtype
    np.testing.assert_array_equal(loaded.images, expected.images)
    np.testing.assert_array_equal(loaded.labels, expected.labels)
    assert loaded.class_names == expected.class_names


def test_parts_of_an_archive_are_kept_apart(archive, small_cache):
    parts = {"members": BYTES, "non_members": BYTES[:5], "members_labels": LABELS}
    write(archive, **parts, members_names=[f"{n}.png" for n in range(COUNT)])
    for part in ("members", "non_members"):
        source = f"{archive}:{part}"
        with pytest.warns(UserWarning, match=f"npz:{part} are read once"):
            loaded = load_images(source)
        np.testing.assert_array_equal(loaded.pixels.stored, parts[part])
        is_labeled = part == "members"
        assert (loaded.labels is not None) == is_labeled
        assert (archives.npz_names(source) is not None) == is_labeled
    assert len(list(small_cache.iterdir())) == 2


def test_a_misspelt_part_is_not_the_whole_file(archive):
    write(archive, images=BYTES, members=BYTES[:5])
    with pytest.raises(ValueError, match=r"membres'. Did you mean 'members'\?"):
        load_images(f"{archive}:membres")


def test_memory_holds_a_few_images(tmp_path, small_cache, monkeypatch):
    monkeypatch.setattr(cache, "_NOTE_BYTES", 2**22)
    many = np.zeros((2**11, 64, 64, 1), "float32")
    many[1::2] = -1
    source = f"{write(tmp_path / 'd.npz', members=many, others=many)}:members"
    tracemalloc.start()
    with pytest.warns(UserWarning, match="are read once"):
        loaded = load_images(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(loaded.pixels) == len(many)
    assert peak < many.nbytes / 6


def stopped_at(monkeypatch, number):
    """Reading is killed at the image of this number."""
    whole = archives._blocks

    def blocks(path, array, start):
        for block in whole(path, array, start):
            yield block[: max(0, number - start)]
            start += len(block)
            if start > number:
                raise KeyboardInterrupt

    monkeypatch.setattr(archives, "_blocks", blocks)


def test_a_stopped_run_is_continued(archive, small_cache, monkeypatch):
    with monkeypatch.context() as patch:
        stopped_at(patch, 8)
        with pytest.warns(UserWarning, match="once"), pytest.raises(KeyboardInterrupt):
            load_images(archive)
    (state,) = small_cache.rglob("about.json")
    assert json.loads(state.read_text())["rows"] == 6
    with pytest.warns(UserWarning, match="6 are there"):
        loaded = load_images(archive)
    np.testing.assert_array_equal(loaded.pixels.stored, BYTES)


def test_an_archive_that_changed_is_read_anew(archive):
    with pytest.warns(UserWarning, match="are read once"):
        load_images(archive)
    write(archive, images=BYTES[::-1])
    os.utime(archive, (1, 1))
    with pytest.warns(UserWarning, match="are read once"):
        loaded = load_images(archive)
    np.testing.assert_array_equal(loaded.pixels.stored, BYTES[::-1])


@pytest.mark.parametrize("row", [0, COUNT - 1])
@pytest.mark.filterwarnings("ignore:The 12 images")
def test_a_damaged_archive_is_never_used(archive, row):
    content = archive.read_bytes()
    damaged = bytearray(content)
    damaged[content.index(BYTES[row].tobytes())] ^= 1
    archive.write_bytes(damaged)
    for _ in range(2):  # the second time, half of it is there
        with pytest.raises(ValueError, match=r"d\.npz' cannot be read \(BadZipFile: "):
            load_images(archive)


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, r"images of .*d\.npz` must be finite"), (9, r"in \[-1, 1\].*, 9\]")],
)
@pytest.mark.filterwarnings("ignore:The 12 images")
def test_every_value_is_checked(archive, value, message):
    images = FLOATS.copy()
    images[-1, -1] = value
    write(archive, images=images)
    with pytest.raises(ValueError, match=message):
        load_images(archive)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.array([b"", None]), "Object arrays cannot be loaded"),
        (BYTES.astype("int64"), "must be floating point.*dtype=int64"),
        (BYTES[0], r"Received: shape=\(4, 4, 3\)"),
        (BYTES[:0], "at least one image"),
    ],
)
def test_other_arrays_are_refused_before_anything_is_kept(
    archive, small_cache, images, message
):
    write(archive, images=images)
    with pytest.raises(ValueError, match=message):
        load_images(archive)
    assert not small_cache.exists()
