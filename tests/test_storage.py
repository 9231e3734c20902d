import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import storage


def test_files_are_written_whole_with_their_folders(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    assert storage.write_file(path, b"text") == path
    assert path.read_bytes() == b"text"
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


def test_an_unwritable_place_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=r"cannot be written: .* Choose a folder"):
        storage.write_file(tmp_path / "file" / "report.md", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="cannot be written"):
        storage.write_file(tmp_path / "folder", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(
    "write",
    [storage.make_folder, lambda path: storage.write_file(path, b"")],
    ids=["folder", "file"],
)
def test_a_path_with_a_null_character_is_one_sentence(tmp_path, write):
    with pytest.raises(ValueError, match=r"null character.*Received: .*Remove"):
        write(tmp_path / "a\0b")


def test_arrays_come_back(tmp_path):
    path = storage.write_arrays(tmp_path / "a.npz", {"x/y": np.arange(3.0)})
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["x/y"], np.arange(3.0))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_all_kinds_are_those_that_numpy_reads(tmp_path, save):
    kinds = {
        "plain": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(12).reshape(3, 4)),
        "none": np.zeros((0, 3), "float32"),
        "single": np.array(3, "int16"),
        "text": np.array("{}"),
        "texts": np.array(["a", "bc"]),
        "big endian": np.arange(3, dtype=">f8"),
        "time": np.array(["2026-01-01"], "datetime64[D]"),
        "fields": np.zeros(2, [("a", "i4"), ("b", "f8")]),
        "a/b": np.array([True, False]),
    }
    save(tmp_path / "a.npz", **kinds)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as expected:
        received = storage.read_arrays(tmp_path / "a.npz", "arrays", "")
        assert list(received) == expected.files
        for name, array in received.items():
            np.testing.assert_array_equal(array, expected[name])
            assert array.dtype == expected[name].dtype
            assert array.flags.f_contiguous == expected[name].flags.f_contiguous
            assert array.flags.writeable


def test_what_fails_or_is_interrupted_leaves_nothing(tmp_path):
    path = storage.write_file(tmp_path / "a.keras", b"whole")
    for error in (KeyboardInterrupt, RuntimeError):
        with pytest.raises(error), storage.writing(path) as place:
            place.write_bytes(b"ha")
            assert place.suffix == ".keras"
            raise error
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_private_files_are_readable_by_their_owner_alone(tmp_path):
    path = storage.write_arrays(tmp_path / "a.npz", {"a": np.ones(2)})
    storage.write_arrays(path, {"a": np.ones(2)}, private=True)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_change_in_a_sealed_file_is_noticed(tmp_path):
    content = {"auc": (0.75, 0.1 + 0.2), "by name": {"b": None, "a": [True]}}
    path = storage.write_sealed(tmp_path / "a.json", content)
    read = storage.read_json(path, "figures", "")
    assert storage.unseal(read) == {**content, "auc": [0.75, 0.1 + 0.2]}
    read["by name"]["b"] = 0
    with pytest.raises(ValueError, match="digest is not that of its content"):
        storage.unseal(read)
    with pytest.raises(ValueError, match="digest is not"):
        storage.unseal(content)


def test_numbers_that_are_not_finite_become_null():
    given = {"a": (1, float("nan")), "b": {"c": [np.float32("inf"), "nan", None]}}
    assert storage.finite(given) == {"a": [1, None], "b": {"c": [None, "nan", None]}}


# === Folders ===

HOLD = """
import sys
from pathlib import Path
from keras_mixup_gan.storage import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_until_its_process_ends_however_that_ends(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        words = rf"in use by another run.*process {process.pid}\. Wait"
        with pytest.raises(ValueError, match=words), storage.locked(tmp_path):
            pass
        process.kill()
    left = tmp_path / storage.LOCK
    assert left.exists()
    (tmp_path / "own" / "deep").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    swept = [tmp_path / ".partial-0.json", tmp_path / "own" / "deep" / ".partial-1"]
    kept = [tmp_path / "other" / ".partial-2", tmp_path / "file"]
    for path in (*swept, *kept):
        path.write_text("")
    with storage.locked(tmp_path, "own", "missing"):
        assert left.read_text() == str(os.getpid())
        with pytest.raises(ValueError, match="in use"), storage.locked(tmp_path):
            pass
        assert left.exists()
    assert not any(path.exists() for path in (left, *swept))
    assert all(path.exists() for path in kept)
    with storage.locked(tmp_path):
        pass


def test_a_file_system_without_locks_holds_nothing_up(tmp_path, monkeypatch):
    def refuse(file):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(storage, "_lock_file", refuse)
    with storage.locked(tmp_path / "new"), storage.locked(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()
    assert list(tmp_path.rglob("*")) == [tmp_path / "new"]


@pytest.mark.parametrize(
    ("names", "empty"),
    [((), True), ((".DS_Store", "Thumbs.db", ".lock"), True), ((".a", "b"), False)],
)
def test_files_of_the_system_do_not_fill_a_folder(tmp_path, names, empty):
    assert storage.is_empty(tmp_path / "missing")
    for name in names:
        (tmp_path / name).touch()
    assert storage.is_empty(tmp_path) == empty


def test_results_go_outside_of_the_images(tmp_path, monkeypatch):
    (tmp_path / "images" / "runs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "images")
    for out in ("images", "images/new/out", "link/runs", "images/../images/a"):
        with pytest.raises(ValueError, match=r"outside of `--non-members`.*out='"):
            storage.check_outside(
                tmp_path / out, data="digits", non_members=tmp_path / "images"
            )
    monkeypatch.chdir(tmp_path)
    storage.check_outside(Path("images2"), data="images", reference=None)


# === Reading ===


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b'{"auc": NaN}', b"\xff"])
def test_what_is_no_object_of_json_is_one_sentence(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(storage.DamagedFileError, match=r"Expected results\. Run again"):
        storage.read_json(path, "results", "Run again.")


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    with pytest.raises(storage.DamagedFileError, match="Expected scores"):
        storage.read_arrays(tmp_path / "a.npz", "scores", "")


def test_json_without_a_number_for_it_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        storage.write_json(tmp_path / "a.json", {"auc": float("nan")})
    assert not list(tmp_path.iterdir())


def test_digests_tell_shapes_types_and_order_apart():
    zeros = np.zeros(4, "float32")
    others = [
        [zeros],
        [zeros.reshape(2, 2)],
        [zeros.astype("int32")],
        [zeros.astype(tf.bfloat16.as_numpy_dtype)],
        [zeros[:2], zeros[2:]],
    ]
    digests = {storage.digest_arrays(arrays) for arrays in others}
    assert len(digests) == len(others)
    assert storage.digest_arrays([zeros.copy()]) == storage.digest_arrays([zeros])


def test_the_order_of_keys_does_not_matter():
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert storage.digest_json(one) == storage.digest_json(other)
