"""DICOM and TIFF files: how their values become pixels in `[-1, 1]`."""

import sys

import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.data import load_images
from tests.data import dicom_files


def put(folder, *arguments, **options):
    (folder / "a.dcm").write_bytes(dicom_files.encoded(*arguments, **options))
    return folder


STORED = np.array([[0, 4095], [2048, 1024]], "uint16")
HOUNSFIELD = {"RescaleSlope": 1, "RescaleIntercept": -1024}


def test_what_the_bits_can_store_is_the_range(tmp_path):
    images, labels = load_images(put(tmp_path, STORED))
    assert (images.shape, images.dtype, labels) == ((1, 2, 2, 1), "float32", None)
    np.testing.assert_allclose(images[0, ..., 0], STORED / 4095 * 2 - 1, atol=1e-6)
    signed = (STORED.astype("int16") - 2048).astype("int16")
    images, _ = load_images(put(tmp_path, signed, signed=True))
    np.testing.assert_allclose(images[0, ..., 0], STORED / 4095 * 2 - 1, atol=1e-6)


def test_a_window_is_one_of_the_modality_and_cuts(tmp_path):
    put(tmp_path, STORED, **HOUNSFIELD)
    images, _ = load_images(tmp_path, value_range=(-1000, 1000))
    # -1024, 3071, 1024 and 0 Hounsfield units
    np.testing.assert_allclose(images.ravel(), [-1, 1, 1, 0], atol=1e-6)


def test_low_values_may_be_bright(tmp_path):
    images, _ = load_images(put(tmp_path, STORED, kind="MONOCHROME1"))
    np.testing.assert_allclose(images[0, ..., 0], 1 - STORED / 4095 * 2, atol=1e-6)


def test_color_of_8_bits_is_read(tmp_path):
    pixels = np.arange(12, dtype="uint8").reshape(2, 2, 3)
    images, _ = load_images(put(tmp_path, pixels, kind="RGB", bits=8))
    np.testing.assert_allclose(images[0], pixels / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "PALETTE COLOR"},
        {"NumberOfFrames": 2},
        {"BitsStored": 64},
        {"RescaleSlope": 0},
        {"Rows": 60000, "Columns": 60000},
    ],
)
def test_what_is_no_such_image_is_one_sentence(tmp_path, wrong):
    put(tmp_path, STORED, **wrong)
    with pytest.raises(ValueError, match=r"a\.dcm could not be read \(it"):
        load_images(tmp_path)


def test_dicom_without_its_extra_is_one_sentence(tmp_path, monkeypatch):
    put(tmp_path, STORED)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-mixup-gan\[dicom\]'"):
        load_images(tmp_path)


def test_tiff_is_read_with_8_and_with_16_bits(tmp_path):
    Image.fromarray(np.full((2, 3), 255, "uint8")).save(tmp_path / "a.tif")
    assert load_images(tmp_path).images.min() == 1
    Image.fromarray(STORED).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"not stored with 8 bits.*value_range"):
        load_images(tmp_path)
    images, _ = load_images(tmp_path, value_range=(0, 4095))
    np.testing.assert_allclose(images[0, ..., 0], STORED / 4095 * 2 - 1, atol=1e-6)
    Image.fromarray(STORED).save(tmp_path / "a.tif", compression="tiff_lzw")
    again, _ = load_images(tmp_path, value_range=(0, 4095))
    np.testing.assert_array_equal(again, images)


def test_of_several_pages_none_is_chosen(tmp_path):
    page = Image.new("L", (2, 2))
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])
    with pytest.raises(ValueError, match="it holds 2 pages"):
        load_images(tmp_path)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_images_keep_their_channels_when_resized(tmp_path, mode):
    Image.new(mode, (6, 9)).save(tmp_path / "a.png")
    images = load_images(tmp_path, (4, 4, None)).images
    assert images.shape == (1, 4, 4, len(mode))
    with pytest.raises(ValueError, match="`height` must be"):
        load_images(tmp_path, (0, 4, None))
