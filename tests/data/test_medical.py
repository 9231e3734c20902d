"""DICOM and TIFF files: how their values become pixels in `[-1, 1]`."""

import struct
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


def tiff(pixels, bits, *, photometric=1, sample_format=1):
    """A TIFF file of planes `(planes, height, width)`, as their bytes, one a strip."""
    planes, height, width = pixels.shape
    strips = [np.ascontiguousarray(plane).tobytes() for plane in pixels]
    if bits == 12:
        digits = "".join(f"{value:03x}" for value in pixels.ravel())
        strips = [bytes.fromhex(digits)]
    tags = [
        *((256, [width]), (257, [height]), (258, [bits] * planes), (259, [1])),
        *((262, [photometric]), (273, [0] * planes), (277, [planes]), (278, [height])),
        (279, [len(strip) for strip in strips]),
        *((284, [2 if planes > 1 else 1]), (339, [sample_format] * planes)),
    ]
    end = 8 + 2 + 12 * len(tags) + 4
    start = end + sum(4 * len(values) for _, values in tags if len(values) > 1)
    entries, further = b"", b""
    for tag, values in tags:
        if tag == 273:
            sizes = [len(strip) for strip in strips]
            values = list(start + np.cumsum([0, *sizes[:-1]]))
        content = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            content, further = (
                struct.pack("<I", end + len(further)),
                further + content,
            )
        entries += struct.pack("<HHI", tag, 4, len(values)) + content
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + entries + bytes(4) + further + b"".join(strips)


@pytest.mark.parametrize(("bits", "most"), [(12, 4095), (16, 65535)])
def test_tiff_of_more_than_8_bits_needs_its_range(tmp_path, bits, most):
    pixels = np.linspace(0, most, 16).round().astype("uint16").reshape(1, 2, 8)
    (tmp_path / "a.tif").write_bytes(tiff(pixels, bits))
    with pytest.raises(ValueError, match=rf"not stored with 8 bits.*'I;{bits}'.*value"):
        load_images(tmp_path)
    images, _ = load_images(tmp_path, value_range=(0, most))
    np.testing.assert_allclose(images[..., 0], pixels / most * 2 - 1, atol=1e-6)


@pytest.mark.parametrize(("bits", "dtype"), [(8, "uint8"), (16, "uint16")])
def test_tiff_may_say_that_low_values_are_bright(tmp_path, bits, dtype):
    most = 2**bits - 1
    pixels = np.array([[[0, most // 5, most]]], dtype)
    (tmp_path / "a.tif").write_bytes(tiff(pixels, bits, photometric=0))
    images, _ = load_images(tmp_path, value_range=(0, most))
    np.testing.assert_allclose(images.ravel(), [1, 0.6, -1], atol=1e-6)


def test_planes_of_16_bit_color_are_refused(tmp_path):
    pixels = np.zeros((3, 4, 4), "uint16")
    (tmp_path / "a.tif").write_bytes(tiff(pixels, 16, photometric=2))
    for value_range in (None, (0, 65535)):
        with pytest.raises(ValueError, match=r"8 bits per channel.*'RGB;16'.*Convert"):
            load_images(tmp_path, value_range=value_range)


def test_signed_bytes_are_refused(tmp_path):
    pixels = np.zeros((1, 4, 4), "int8")
    (tmp_path / "a.tif").write_bytes(tiff(pixels, 8, sample_format=2))
    with pytest.raises(ValueError, match="its 8 bits have a sign"):
        load_images(tmp_path)


def test_enhanced_objects_say_in_groups_what_values_mean(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    mapped, group = pydicom.Dataset(), pydicom.Dataset()
    mapped.RescaleSlope, mapped.RescaleIntercept = 2, -1024
    group.PixelValueTransformationSequence = [mapped]
    for kind in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        put(tmp_path, STORED, **{kind: [group]})
        images, _ = load_images(tmp_path, value_range=(-1000, 1000))
        expected = np.clip((2.0 * STORED - 1024) / 1000, -1, 1)
        np.testing.assert_allclose(images[0, ..., 0], expected, atol=1e-6)


def test_values_that_a_table_maps_are_refused(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    put(tmp_path, STORED, ModalityLUTSequence=[pydicom.Dataset()])
    with pytest.raises(ValueError, match="by a table"):
        load_images(tmp_path)


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
