import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.data import load_images


def save(path, value=128, size=(6, 4), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path, **options)


def test_flat_folder_in_the_order_of_names(tmp_path):
    for name, value in [("b.png", 255), ("a.png", 0), ("c.bmp", 51)]:
        save(tmp_path / name, value, mode="L")
    images, labels = load_images(tmp_path)
    assert images.shape == (3, 4, 6, 1)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images[:, 0, 0, 0], [-1, 1, -0.6], atol=1e-6)
    assert labels is None


def test_subfolders_are_classes(tmp_path):
    for name in ["dog/1.png", "cat/2.png", "cat/deep/3.png", "dog/0.JPG", "cat/x.webp"]:
        save(tmp_path / name, (0, 0, 0) if name.startswith("cat") else (255, 255, 255))
    images, labels = load_images(str(tmp_path))
    np.testing.assert_array_equal(labels, [0, 0, 0, 1, 1])
    assert labels.dtype == np.int64
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), [-1, -1, -1, 1, 1])


def test_hidden_files_and_other_files_are_ignored(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"Mac OS X")
    (tmp_path / "notes.txt").write_text("not an image")
    save(tmp_path / "__MACOSX" / "a.png")
    save(tmp_path / ".thumbnails" / "a.png")
    (tmp_path / "empty").mkdir()
    images, labels = load_images(tmp_path)
    assert len(images) == 1
    assert labels is None


def test_the_first_image_of_another_shape_is_named(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    save(tmp_path / "c.png", size=(8, 4))
    with pytest.raises(ValueError, match=r"c\.png has another shape than .*a\.png"):
        load_images(tmp_path)
    images, _ = load_images(tmp_path, image_shape=(4, 4, 3))
    assert images.shape == (3, 4, 4, 3)


def test_gray_among_color_is_another_shape(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", mode="L")
    with pytest.raises(ValueError, match=r"b\.png.*\(4, 6, 1\) after \(4, 6, 3\)"):
        load_images(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
def test_truncated_files_are_named(tmp_path, suffix):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 40, 3), dtype="uint8")
    save(tmp_path / f"a.{suffix}", size=(40, 40))
    path = tmp_path / f"b.{suffix}"
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"b\.{suffix} could not be read"):
        load_images(tmp_path)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_files_that_are_no_images_are_named(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.jpg could not be read"):
        load_images(tmp_path)


def test_empty_folders_are_refused(tmp_path):
    (tmp_path / "class").mkdir()
    with pytest.raises(ValueError, match=r"holds no images.*\.bmp, \.dcm, \.jpeg"):
        load_images(tmp_path)


def test_loose_images_beside_classes_are_refused(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "class" / "b.png")
    with pytest.raises(ValueError, match=r"both directly and in sub-folders.*a\.png"):
        load_images(tmp_path)


def test_16_bit_images_are_refused_not_clipped(tmp_path):
    Image.fromarray(np.full((4, 4), 40000, "uint16")).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png is not stored with 8 bits"):
        load_images(tmp_path)


def test_transparency_shows_white(tmp_path):
    save(tmp_path / "a.png", (0, 0, 0, 0), mode="RGBA")
    save(tmp_path / "b.png", (0, 0, 0, 255), mode="RGBA")
    images, _ = load_images(tmp_path)
    assert images.shape == (2, 4, 6, 3)
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), [1, -1])


@pytest.mark.parametrize(
    ("mode", "value", "channels"),
    [("1", 1, 1), ("LA", (255, 255), 1), ("P", 0, 3), ("RGB", (9, 9, 9), 3)],
)
def test_modes_become_gray_or_rgb(tmp_path, mode, value, channels):
    save(tmp_path / "a.png", value, mode=mode)
    images, _ = load_images(tmp_path)
    assert images.shape == (1, 4, 6, channels)


def test_cmyk_becomes_rgb(tmp_path):
    save(tmp_path / "a.jpg", (0, 0, 0, 0), mode="CMYK")
    images, _ = load_images(tmp_path)
    np.testing.assert_allclose(images, np.ones((1, 4, 6, 3)))


def test_photographs_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    save(tmp_path / "a.jpg", exif=exif)
    images, _ = load_images(tmp_path)
    assert images.shape == (1, 6, 4, 3)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_uncompressed_tiff_files_are_turned_upright(tmp_path, mode, orientation):
    # Pillow reads these by a map of the file, with rows as long as the turned ones.
    values = np.arange(24, dtype="uint16" if mode == "I;16" else "uint8").reshape(6, 4)
    gray = Image.fromarray(values)
    picture = gray if mode in ("L", "I;16") else gray.convert(mode)
    picture.save(tmp_path / "a.tiff", tiffinfo={274: orientation})
    options = {"value_range": (0, 255)} if mode == "I;16" else {}
    images, _ = load_images(tmp_path, **options)
    turns = {
        2: np.fliplr,
        3: lambda x: np.rot90(x, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda x: np.rot90(x, -1),
        7: lambda x: np.rot90(x, 2).T,
        8: np.rot90,
    }
    expected = turns.get(orientation, lambda x: x)(values)
    levels = np.rint((images[0, ..., 0] + 1) * 127.5)
    np.testing.assert_array_equal(levels, expected)
