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
