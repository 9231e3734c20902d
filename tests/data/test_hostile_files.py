"""Files that are damaged, or made to harm: one sentence that names the file."""

import io
import struct
import tracemalloc
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from keras_mixup_gan.data import cache, load_images
from keras_mixup_gan.data.images import EXTENSIONS
from tests.data import dicom_files

SMALL = 2**26  # bytes; what is read takes a few hundred
fuzz = settings(
    derandomize=True,
    deadline=None,
    max_examples=120,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def loaded(path):
    """The images of a file, or `None` if it is refused by a sentence that names it."""
    names = sorted(path.parent.rglob("*"))
    source = path if path.suffix == ".npz" else path.parent
    tracemalloc.start()
    try:
        with warnings.catch_warnings(action="ignore"):
            return load_images(source).images
    except ValueError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < SMALL
        assert sorted(path.parent.rglob("*")) == names
    return None


# === Archives ===


def archive(compression=zipfile.ZIP_DEFLATED, **entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(name.replace("_npy", ".npy"), content)
    return buffer.getvalue()


def npy(header, content=b"\0" * 64, version=(1, 0)):
    text = header.encode() if isinstance(header, str) else repr(header).encode()
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text) + 1)
    return b"\x93NUMPY" + bytes(version) + size + text + b"\n" + content


def claim(shape, dtype="|u1", **more):
    return npy({"descr": dtype, "fortran_order": False, "shape": shape, **more})


WHOLE = claim((1, 8, 8, 1))


def encrypted():
    content = bytearray(archive(images_npy=WHOLE))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def longer(content, by=10**6):
    """The same, where the directory says that an entry is longer."""
    content = bytearray(content)
    at = content.index(b"PK\x01\x02") + 24
    (size,) = struct.unpack_from("<I", content, at)
    struct.pack_into("<I", content, at, size + by)
    return bytes(content)


BAD = {
    "encrypted": encrypted(),
    "lzma": archive(zipfile.ZIP_LZMA, images_npy=WHOLE),
    "bzip2": archive(zipfile.ZIP_BZIP2, images_npy=WHOLE),
    "3 TB": archive(images_npy=claim((3 * 10**12 // 64, 8, 8, 1))),
    "3 TB of nothing": archive(images_npy=claim((10**12,), "|V0")),
    "negative": archive(images_npy=claim((-1, -8, 8, 1))),
    "overflow": archive(images_npy=claim((2**62, 2**62, 4))),
    "a text": archive(images_npy=WHOLE, readme=b"no array"),
    "a text by name": archive(images_npy=b"no array"),
    "empty": archive(images_npy=b""),
    "other version": archive(images_npy=npy("{}", version=(9, 0))),
    "pickle": archive(images_npy=claim((1,), "|O")),
    "deep header": archive(images_npy=npy("(" * 5000)),
    "long header": archive(images_npy=npy("1" * 10**6, version=(2, 0))),
    "no header": archive(images_npy=npy("print")),
    "longer": longer(archive(images_npy=claim((10**6 + 64,)))),
    "no entries": archive(),
    "one array": WHOLE,
    "half": archive(images_npy=WHOLE)[:120],
    "words": archive(images_npy=claim((1, 4, 4, 1), "<U1")),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_archives_are_one_sentence(tmp_path_factory, small_cache, kind):
    path = tmp_path_factory.mktemp("archive") / "d.npz"
    path.write_bytes(BAD[kind])
    assert loaded(path) is None  # where larger ones would be kept in a file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "LIMIT", 2**30)
        assert loaded(path) is None


def test_what_these_archives_are_made_of_is_read(tmp_path):
    for number, method in enumerate((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)):
        path = tmp_path / f"{number}.npz"
        path.write_bytes(archive(method, images_npy=WHOLE))
        np.testing.assert_array_equal(loaded(path), np.full((1, 8, 8, 1), -1.0))


def changed(content):
    """Bytes of which some are replaced, and some are missing at the end."""
    spots = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    cuts = st.one_of(st.just(len(content)), st.integers(0, len(content)))
    return st.tuples(st.lists(spots, max_size=8), cuts)


def change(content, how):
    spots, cut = how
    content = bytearray(content)
    for place, value in spots:
        content[place] = value
    return bytes(content[:cut])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@fuzz
@given(data=st.data())
def test_changed_archives_are_refused_or_read(tmp_path, method, data):
    whole = archive(method, images_npy=WHOLE, labels_npy=claim((64,)))
    (tmp_path / "d.npz").write_bytes(change(whole, data.draw(changed(whole))))
    loaded(tmp_path / "d.npz")


@fuzz
@given(
    shape=st.lists(st.integers(-(2**33), 2**44), max_size=5).map(tuple),
    dtype=st.sampled_from(["|u1", "<f4", ">f8", "<f2", "|b1", "<U9", "|V3", "<c8"]),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_claims_of_any_size_take_no_memory(tmp_path, shape, dtype, method):
    path = tmp_path / "d.npz"
    path.write_bytes(archive(method, images_npy=claim(shape, dtype)))
    assert loaded(path) is None


# === Images ===


def encoded(suffix):
    if suffix == ".dcm":
        return dicom_files.encoded()
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), "uint8")
    kind = {".jpg": "jpeg", ".tif": "tiff"}.get(suffix, suffix[1:])
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", EXTENSIONS)
@fuzz
@given(data=st.data())
def test_changed_images_are_refused_or_read(tmp_path, suffix, data):
    whole = encoded(suffix)
    (tmp_path / f"a{suffix}").write_bytes(change(whole, data.draw(changed(whole))))
    loaded(tmp_path / f"a{suffix}")


def chunk(kind, content):
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png(width=4, height=4, depth=8, color=0, *, more=(), pixels=None):
    """A PNG of any claims, whose checksums are right."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(color, 1)
    row = b"\0" + bytes([156] * (4 * channels * max(1, depth // 8)))
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    content = zlib.compress(row * 4 if pixels is None else pixels)
    parts = [
        chunk(b"IHDR", header),
        *more,
        chunk(b"IDAT", content),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@fuzz
@given(
    sizes=st.tuples(*[st.sampled_from([0, 1, 4, 65536, 10**5, 2**31 - 1])] * 2),
    depth=st.sampled_from([0, 1, 2, 4, 8, 16, 32]),
    color=st.integers(0, 7),
)
def test_claims_of_an_image_take_no_memory(tmp_path, sizes, depth, color):
    (tmp_path / "a.png").write_bytes(png(*sizes, depth, color))
    images = loaded(tmp_path / "a.png")
    assert images is None or images.shape[2:0:-1] == sizes


POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n"
)
BOMB = zlib.compress(b"x" * 2**27)


def foreign(kind):
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, kind)
    return buffer.getvalue()


HOSTILE = {
    "PostScript": POSTSCRIPT,
    "a GIF": foreign("gif"),
    "a TIFF": foreign("tiff"),
    "a PDF": b"%PDF-1.4\n",
    "many pixels": png(9000, 9000),
    "very many pixels": png(10**5, 10**5),
    "a long row": png(2**20, 1),
    "a text bomb": png(more=[chunk(b"zTXt", b"a\0\0" + BOMB)]),
    "a long text": png(more=[chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB)]),
    "a profile bomb": png(more=[chunk(b"iCCP", b"a\0\0" + BOMB)] * 2),
    "a chunk beyond the end": png()[:33] + struct.pack(">I", 2**31 - 1) + b"tEXt",
    "no pixels": png(0, 0),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_images_are_refused_and_start_nothing(tmp_path, kind, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("another program was started")

    monkeypatch.setattr("subprocess.Popen.__init__", refuse)
    monkeypatch.setattr("subprocess.check_call", refuse)
    (tmp_path / "a.png").write_bytes(HOSTILE[kind])
    assert loaded(tmp_path / "a.png") is None


def test_a_file_of_many_bytes_is_not_read(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png())
    with path.open("r+b") as file:
        file.truncate(2**40)  # which takes no place on the disk
    assert loaded(path) is None


@pytest.mark.parametrize("shape", [(10**5, 10**5, 3), (2**17, 1, 1), (1, 1, 2**30)])
def test_images_are_not_made_larger_than_memory(shape):
    with pytest.raises(ValueError, match=r"`image_shape` must hold at most"):
        load_images("digits", image_shape=shape)


def test_more_images_than_fit_into_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 2**10)
    pixels = np.zeros((3, 4, 4, 1), "uint8")
    with pytest.raises(ValueError, match=r"3 images \(512, 512, 3\) do not fit into m"):
        load_images(pixels, image_shape=(512, 512, 3))
    np.savez(tmp_path / "d.npz", images=np.zeros((2, 1024, 1024, 1), "uint8"))
    with pytest.raises(ValueError, match=r"d\.npz.*its arrays do not fit into memory"):
        load_images(tmp_path / "d.npz")


# === 16 bits ===


@pytest.mark.parametrize(
    ("color", "mode"), [(0, "I;16B"), (2, "RGB;16B"), (4, "LA;16B"), (6, "RGBA;16B")]
)
def test_16_bits_are_refused_with_a_way_that_works(tmp_path, color, mode):
    (tmp_path / "a.png").write_bytes(png(depth=16, color=color))
    with pytest.raises(ValueError, match=rf"8 bits per channel.*'{mode}'.*onvert"):
        load_images(tmp_path)
    if color:
        with pytest.raises(ValueError, match=r"bits\. Convert the file to 8 bits"):
            load_images(tmp_path, value_range=(0, 65535))
        return
    images, _ = load_images(tmp_path, value_range=(0, 65535))
    np.testing.assert_allclose(images, 2 * (156 * 257) / 65535 - 1, atol=1e-6)


def test_12_bits_fill_the_range_that_is_given(tmp_path):
    pixels = np.array([[0, 4095], [2048, 1024]], "uint16")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    images, _ = load_images(tmp_path, value_range=(0, 4095))
    np.testing.assert_allclose(images[0, ..., 0], pixels / 4095 * 2 - 1, atol=1e-6)
    with pytest.warns(UserWarning, match=r"nearly black.*such as \(0, 4095\)"):
        load_images(tmp_path, value_range=(0, 65535))
    with pytest.raises(
        ValueError, match=r"a\.png must lie in \[0, 1023\].*\[0, 4095\]"
    ):
        load_images(tmp_path, value_range=(0, 1023))


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("uint16", 0, 65535), ("int16", -1024, 3071)]
)
def test_arrays_of_16_bits_are_refused_with_a_way_that_works(dtype, low, high):
    array = np.array([low, high] * 8, dtype).reshape(1, 4, 4, 1)
    with pytest.raises(ValueError, match=r"must be floating point.*Pass `value_range="):
        load_images(array)
    images, _ = load_images(array, value_range=(low, high))
    np.testing.assert_array_equal(images.ravel(), [-1.0, 1.0] * 8)


def test_8_bits_are_8_bits_whatever_the_range(tmp_path):
    Image.new("L", (4, 4), 255).save(tmp_path / "a.png")
    assert load_images(tmp_path, value_range=(0, 65535)).images.min() == 1


@pytest.mark.parametrize(
    "value_range", [(1, 0), (0, np.inf), (0, np.nan), 3, (0, 1, 2)]
)
def test_a_range_has_two_ends(value_range):
    with pytest.raises(ValueError, match="two finite numbers in ascending order"):
        load_images(np.zeros((1, 4, 4, 1)), value_range=value_range)


def test_a_range_is_for_data_without_one():
    with pytest.raises(ValueError, match="`value_range` is for arrays"):
        load_images("digits", value_range=(0, 1))


# === Labels ===


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 2**63 + 1], "uint64"),
        np.array([0, 2**16]),
        np.array([0, 10**12]),
    ],
)
def test_labels_are_classes_not_any_numbers(labels):
    with pytest.raises(ValueError, match=r"must lie in 0 to 65535"):
        load_images((np.zeros((2, 4, 4, 1)), labels))


def test_labels_of_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="`labels` must be an array"):
        load_images((np.zeros((2, 4, 4, 1)), [[0], [1, 2]]))
