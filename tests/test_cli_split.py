"""`keras-mixup-gan split`: parts as folders or as one archive, by the same names."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.auditing import controls
from keras_mixup_gan.data import MembershipSplit, drawing, load_images
from tests.command_line import run
from tests.models import tiny

PIXELS = ((tiny.random_images(50)[..., 0] + 1) * 127.5).astype("uint8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Fifty images of two classes."""
    folder = tmp_path_factory.mktemp("images")
    for number, pixels in enumerate(PIXELS):
        path = folder / "ab"[number % 2] / f"case {number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def deep_images(folder, levels, *suffixes):
    """A folder of images of 16 bits, each of one level."""
    folder.mkdir()
    for number, level in enumerate(levels):
        for suffix in suffixes:
            image = Image.fromarray(np.full((4, 4), level, "uint16"))
            image.save(folder / f"{number:02}.{suffix}")
    return folder


def files(folder):
    return {path.relative_to(folder) for path in folder.rglob("*.png")}


def test_folders_hold_the_same_files_and_the_same_draw(
    folder, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "split"
    code, output = run(monkeypatch, capsys, "split", folder, "--out", out, "--seed", 3)
    assert (code, output.out) == (0, "")
    assert "20 members, 20 non-members, 10 reference" in output.err
    parts = [files(out / role) for role in ("members", "non_members", "reference")]
    assert [len(part) for part in parts] == [20, 20, 10]
    assert set.union(*parts) == files(folder)
    for path in parts[0]:
        assert (out / "members" / path).read_bytes() == (folder / path).read_bytes()
        assert (out / "members" / path).stat().st_mode & 0o777 == 0o600
    about = json.loads((out / "split.json").read_text())
    assert (about["seed"], about["members"]) == (3, 20)
    # As in Python.
    sizes = {"num_members": 20, "num_non_members": 20, "num_reference": 10}
    drawn = MembershipSplit.draw(load_images(folder), seed=3, **sizes)
    ours = load_images(out / "members")
    assert ours.class_names == ("a", "b")
    assert {image.tobytes() for image in ours.images} == {
        image.tobytes() for image in drawn.members.images
    }
    code, output = run(monkeypatch, capsys, "split", folder, "--out", out)
    assert code == 2
    assert "Expected an empty folder" in output.err


def test_an_archive_keeps_names_to_the_last_report(
    folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(controls, "MIN_IMAGES", 10**6)
    out = tmp_path / "split.npz"
    words = ("split", folder, "--out", out, "--image-size", 6, "--coins")
    assert run(monkeypatch, capsys, *words)[0] == 0
    assert json.loads((tmp_path / "split.json").read_text())["membership"] == "coin"
    members, reference = (load_images(f"{out}:{n}") for n in ("members", "reference"))
    assert members.images.shape[1:] == (6, 6, 1)  # gray stays gray
    assert (len(reference.images), reference.class_names) == (10, ("a", "b"))
    words = ["audit", "--samples", f"{out}:reference", "--attacks", "gan_leaks"]
    words += ["--members", f"{out}:members", "--non-members", f"{out}:non_members"]
    assert run(monkeypatch, capsys, *words, "--out", tmp_path / "audit")[0] == 0
    page = (tmp_path / "audit" / "audit.html").read_text()
    with np.load(out) as arrays:
        names = arrays["members_names"].tolist()
        assert arrays["members"].dtype == "float32"  # of another size
    assert set(names) <= {path.as_posix() for path in files(folder)}
    assert any(f"<b>{name}</b>" in page for name in names)


def test_copies_are_named_or_left_out(folder, tmp_path, monkeypatch, capsys):
    source = shutil.copytree(folder, tmp_path / "images")
    for number in range(0, 50, 2):
        Image.fromarray(PIXELS[number]).save(source / "b" / f"copy {number}.bmp")
    words = ("split", source, "--out", tmp_path / "out")
    code, output = run(monkeypatch, capsys, *words)
    assert code == 2
    assert "is in two parts of the split" in output.err
    assert ".bmp" in output.err
    assert not (tmp_path / "out").exists()
    assert run(monkeypatch, capsys, *words, "--drop-duplicates")[0] == 0
    assert len([*(tmp_path / "out").rglob("*.*")]) == 50 + 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--members", 40, "--non-members", 40), "needs 90 images and there are 50"),
        (("--members", 0), "`num_members` must be"),
        (("--image-size", 4), "Expected `--image-size`"),
        (("--seed", -1), "`seed` must be"),
        (
            ("--coins", "--members", 9, "--non-members", 8),
            "Fair coins make",
        ),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(
    folder, tmp_path, monkeypatch, capsys, words, message
):
    out = tmp_path / "out"
    code, output = run(monkeypatch, capsys, "split", folder, "--out", out, *words)
    assert code == 2
    assert message in output.err
    assert not out.exists()


def test_results_among_the_images_are_refused(folder, monkeypatch, capsys):
    code, output = run(monkeypatch, capsys, "split", folder, "--out", folder / "out")
    assert code == 2
    assert "Results must not lie among the images" in output.err
    code, output = run(monkeypatch, capsys, "split", "digits", "--out", "nowhere")
    assert code == 2
    assert "Write an archive" in output.err


def test_pixels_stay_as_they_are_stored_and_other_files_where_they_are(
    folder, tmp_path, monkeypatch, capsys
):
    words = ("split", folder, "--out", tmp_path / "split.npz")
    for _ in range(2):  # a split may take the place of an earlier one
        assert run(monkeypatch, capsys, *words)[0] == 0
    members = load_images(f"{tmp_path / 'split.npz'}:members")
    assert members.pixels.stored.dtype == "uint8"
    (tmp_path / "split.json").write_text('{"mine": 1}')
    code, output = run(monkeypatch, capsys, *words)
    assert (code, "Received: " in output.err) == (2, True)
    assert "which is another. Choose another `--out`." in output.err
    assert (tmp_path / "split.json").read_text() == '{"mine": 1}'


def test_files_of_16_bits_are_drawn_and_damaged_ones_named(
    tmp_path, monkeypatch, capsys
):
    source = deep_images(tmp_path / "images", range(0, 6000, 1000), "png")
    assert len(drawing._digest(source / "00.png")) == 64
    words = ("split", source, "--out", tmp_path / "out")
    assert run(monkeypatch, capsys, *words)[0] == 0
    (source / "03.png").write_bytes((source / "03.png").read_bytes()[:40])
    code, output = run(monkeypatch, capsys, *words[:2], "--out", tmp_path / "other")
    assert (code, "03.png could not be read" in output.err) == (2, True)


def test_an_archive_that_is_no_split_is_not_replaced(tmp_path, monkeypatch, capsys):
    mine = tmp_path / "mine.npz"
    np.savez(mine, images=tiny.random_images(30))
    before = mine.read_bytes()
    code, output = run(monkeypatch, capsys, "split", mine, "--out", mine)
    assert (code, "that is no split" in output.err) == (2, True)
    assert mine.read_bytes() == before
    for _ in range(2):  # an earlier split may be
        out = ("--out", tmp_path / "split.npz")
        assert run(monkeypatch, capsys, "split", mine, *out)[0] == 0


def test_copies_of_16_bits_and_of_other_floats_are_in_one_part(
    tmp_path, monkeypatch, capsys
):
    # Other files of the same pixels.
    source = deep_images(tmp_path / "images", range(0, 60000, 3000), "png", "tif")
    bytes_ = (PIXELS[:20, ..., None] / np.float64(127.5)) - 1
    floats = np.concatenate([bytes_, PIXELS[:20, ..., None] / np.float32(127.5) - 1])
    np.savez(tmp_path / "floats.npz", images=floats)
    for given, out in ((source, "out"), (tmp_path / "floats.npz", "out.npz")):
        words = ("split", given, "--out", tmp_path / out, "--drop-duplicates")
        assert run(monkeypatch, capsys, *words)[0] == 0
    parts = ("members", "non_members", "reference")
    stems = [
        path.stem for part in parts for path in (tmp_path / "out" / part).iterdir()
    ]
    assert sorted(stems) == [f"{number:02}" for number in range(20)]
    split = [load_images(f"{tmp_path / 'out.npz'}:{part}").images for part in parts]
    rounded = np.round((np.concatenate(split) + 1) * 127.5)
    assert len(np.unique(rounded, axis=0)) == len(rounded) == 20


def test_a_folder_that_could_not_be_read_is_not_split(tmp_path, monkeypatch, capsys):
    source = tmp_path / "images"
    (source / "a").mkdir(parents=True)
    words = ("split", source, "--out", tmp_path / "out")
    code, output = run(monkeypatch, capsys, *words)
    assert (code, "holds no images" in output.err) == (2, True)
    for number in range(10):
        Image.fromarray(PIXELS[number]).save(source / f"{number}.png")
    (source / "10.gif").write_bytes(b"GIF89a")
    with pytest.warns(UserWarning, match="Left out of the folder"):
        assert run(monkeypatch, capsys, *words)[0] == 0
    Image.fromarray(PIXELS[11]).save(source / "a" / "11.png")
    code, output = run(monkeypatch, capsys, *words[:2], "--out", tmp_path / "other")
    assert (code, "both directly and in sub-folders" in output.err) == (2, True)


def test_the_record_of_a_split_changes_with_its_archive(
    folder, tmp_path, monkeypatch, capsys
):
    words = ("split", folder, "--out", tmp_path / "split.npz", "--seed")
    assert run(monkeypatch, capsys, *words, 1)[0] == 0
    before = [(tmp_path / name).read_bytes() for name in ("split.json", "split.npz")]

    def full(*_, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drawing, "write_arrays", full)
    assert run(monkeypatch, capsys, *words, 2)[0] == 2
    after = [(tmp_path / name).read_bytes() for name in ("split.json", "split.npz")]
    assert after == before


def test_a_home_that_nobody_has_is_a_name_like_any(tmp_path, monkeypatch, capsys):
    words = ("split", "~nobody here/images", "--out", tmp_path / "out")
    code, output = run(monkeypatch, capsys, *words)
    assert (code, "Expected a folder of images" in output.err) == (2, True)
