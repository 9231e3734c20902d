import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.data import load_images


def put(path, value=128, size=(4, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GIF89a")


def link(path, to):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


# === What is left out ===


@pytest.mark.parametrize(
    "name", ["b.gif", "b.jp2", "b.nii", "b.HEIC", "b.npy", "cat/b.avif", "checkpoint"]
)
def test_files_that_are_left_out_are_told(tmp_path, name):
    put(tmp_path / ("cat/a.png" if "/" in name else "a.png"))
    touch(tmp_path / name)
    with pytest.warns(
        UserWarning, match=rf"Left out .*: 1 other files, .*{name}\."
    ) as w:
        images, _ = load_images(tmp_path)
    assert len(images) == 1
    assert (len(w), w[0].filename) == (1, __file__)


def test_one_warning_counts_all_and_names_the_first(tmp_path):
    put(tmp_path / "b" / "1.png")
    for number in range(5):
        touch(tmp_path / "b" / f"{number}.gif")
    touch(tmp_path / "c" / "0.gif")
    with pytest.warns(UserWarning, match=r"6 other files.*0\.gif.*No images") as warned:
        load_images(tmp_path)
    assert len(warned) == 1


def test_a_link_to_nothing_is_told(tmp_path):
    put(tmp_path / "a.png")
    link(tmp_path / "b.png", tmp_path / "gone.png")
    with pytest.warns(UserWarning, match=r"b\.png, a link to nothing"):
        assert len(load_images(tmp_path).images) == 1


@pytest.mark.parametrize(
    "name",
    [".DS_Store", "Thumbs.db", "desktop.ini", "README", "labels.csv", ".hidden/b.gif"],
)
def test_hidden_files_and_texts_are_not_worth_a_word(tmp_path, name):
    put(tmp_path / "a.png")
    touch(tmp_path / name)
    assert len(load_images(tmp_path).images) == 1


@pytest.mark.parametrize("name", ["IM000001", "DICOMDIR"])
def test_files_without_a_suffix_are_told(tmp_path, name):
    put(tmp_path / "a.png")
    touch(tmp_path / name)
    with pytest.warns(UserWarning, match=name):
        assert len(load_images(tmp_path).images) == 1


def test_a_folder_of_other_files_says_which(tmp_path):
    touch(tmp_path / "cat" / "a.gif")
    with pytest.raises(ValueError, match=r"holds no images.*Received: 1 other.*a\.gif"):
        load_images(tmp_path)


# === Links ===


def test_a_link_to_a_parent_adds_nothing(tmp_path):
    put(tmp_path / "a" / "deep" / "1.png")
    put(tmp_path / "b" / "2.png")
    for place in ("a/deep/up", "a/loop", "b/x", "b/y"):
        link(tmp_path / place, tmp_path)
    images, labels = load_images(tmp_path)
    np.testing.assert_array_equal(labels, [0, 1])
    assert len(images) == 2


def test_links_between_classes_do_not_move_their_images(tmp_path):
    put(tmp_path / "a" / "1.png", 0)
    put(tmp_path / "b" / "2.png", 255)
    link(tmp_path / "a" / "other", tmp_path / "b")
    link(tmp_path / "b" / "other", tmp_path / "a")
    images, labels = load_images(tmp_path)
    np.testing.assert_array_equal(images[:, 0, 0, 0], [-1, 1])
    np.testing.assert_array_equal(labels, [0, 1])


def test_a_link_to_a_class_is_no_second_class(tmp_path):
    put(tmp_path / "z" / "1.png")
    link(tmp_path / "a", tmp_path / "z")
    with pytest.warns(UserWarning, match="No images of their own .*first being 'a'"):
        loaded = load_images(tmp_path)
    assert loaded.class_names == ("z",)


def test_classes_may_be_links_to_elsewhere(tmp_path):
    put(tmp_path / "there" / "1.png")
    link(tmp_path / "here" / "cat", tmp_path / "there")
    assert load_images(tmp_path / "here").class_names == ("cat",)


@pytest.mark.parametrize(
    "source", ["x" * 5000, "a\0b", "~nobody-of-this-name/images", "/dev/null"]
)
def test_odd_paths_are_one_sentence(source):
    with pytest.raises(ValueError, match="Expected 'digits'"):
        load_images(source)


# === Classes ===


def test_classes_have_the_names_of_their_folders(tmp_path):
    for name in ("dog", "cat", "e\u0301cole"):  # as some systems write an accent
        put(tmp_path / name / "1.png")
    assert load_images(tmp_path).class_names == ("cat", "dog", "\u00e9cole")


@pytest.mark.parametrize("left", [[], ["1.gif"], ["notes.txt"]])
def test_a_class_without_images_is_told_and_has_no_number(tmp_path, left):
    for name in "ac":
        put(tmp_path / name / "1.png")
    (tmp_path / "b").mkdir()
    for name in left:
        touch(tmp_path / "b" / name)
    with pytest.warns(UserWarning, match=r"in 1 sub-folders .*being 'b': the classes"):
        loaded = load_images(tmp_path)
    assert loaded.class_names == ("a", "c")
    np.testing.assert_array_equal(loaded.labels, [0, 1])
