import json
import re
import shutil
import sys
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan import storage
from keras_mixup_gan.auditing import controls
from keras_mixup_gan.auditing.first_look import looked_at
from keras_mixup_gan.models.saving import load_gan
from tests.attacks import onnx_files
from tests.command_line import run
from tests.models import tiny

ATTACKS = ("--attacks", "logan, gan_leaks")


@pytest.fixture(autouse=True)
def no_blind_baseline(monkeypatch):
    """Leaves out what takes a second and is tested elsewhere."""
    monkeypatch.setattr(controls, "MIN_IMAGES", 10**6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny trained model, and images as .npz files and as a folder."""
    folder = tmp_path_factory.mktemp("audit")
    model = tiny.make()
    members = tiny.random_images(40, seed=1)
    model.fit(members, batch_size=20, epochs=1, verbose=0)
    model.save(folder / "model.keras")
    np.savez(folder / "members.npz", images=members)
    np.savez(folder / "reference.npz", images=tiny.random_images(30, seed=3))
    (folder / "non-members").mkdir()
    for number, image in enumerate(tiny.random_images(30, seed=2)):
        pixels = ((image[..., 0] + 1) * 127.5).astype("uint8")
        Image.fromarray(pixels).save(folder / "non-members" / f"{number:02d}.png")
    return folder


def command(folder, out, *more, **changed):
    """The words of a command that works, with some of them changed."""
    options = {
        "model": folder / "model.keras",
        "members": folder / "members.npz",
        "non-members": folder / "non-members",
        "out": out,
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    model = options.pop("model")
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return ["audit", model, *words, *ATTACKS, *more]


def test_an_audit_prints_the_table_and_writes_the_report(
    folder, tmp_path, monkeypatch, capsys
):
    reference = ("--reference", folder / "reference.npz")
    out = tmp_path / "deep" / "out"
    code, output = run(monkeypatch, capsys, *command(folder, out, *reference))
    assert code == 0
    assert "LOGAN (discriminator score)" in output.out
    assert "attack 2 of 2: GAN-Leaks (nearest sample)" in output.err
    assert "attack 2 of 2" not in output.out
    written = {path.name for path in out.iterdir()}
    assert written == {"audit.html", "audit.json", "audit.md", "audit.npz", "scores"}
    report = json.loads((out / "audit.json").read_text())
    assert set(report["attacks"]) == {"logan", "gan_leaks"}
    assert (report["members"], report["non_members"], report["reference"]) == (
        40,
        30,
        30,
    )
    with np.load(out / "audit.npz", allow_pickle=False) as scores:
        expected = load_gan(folder / "model.keras").score(
            np.load(folder / "members.npz")["images"]
        )
        np.testing.assert_allclose(scores["logan/members"], expected, atol=1e-4)
    page = (out / "audit.html").read_text()
    assert 'alt="Member' not in page
    assert str(folder / "model.keras") in page


def test_reports_are_written_before_anything_is_printed(
    folder, tmp_path, monkeypatch, capsys
):
    def closed(*words, **options):
        if options.get("file") is not sys.stderr:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("builtins.print", closed)
    code, _ = run(monkeypatch, capsys, *command(folder, tmp_path))
    assert code == 1
    assert {"audit.html", "audit.json", "audit.npz"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert (tmp_path / "audit.npz").stat().st_mode & 0o777 == 0o600


def test_a_folder_in_use_is_refused(folder, tmp_path, monkeypatch, capsys):
    with storage.locked(tmp_path):
        code, output = run(monkeypatch, capsys, *command(folder, tmp_path))
    assert (code, "in use by another run" in output.err) == (2, True)


def test_names_do_not_command_the_terminal(tmp_path, monkeypatch, capsys):
    words = command(tmp_path, tmp_path / "out", model=tmp_path / "a\x1b[31mb.keras")
    code, output = run(monkeypatch, capsys, *words)
    assert code == 2
    assert "\x1b" not in output.err
    assert "a\\x1b[31mb.keras" in output.err


def test_members_are_shown_only_if_asked_for(folder, tmp_path, monkeypatch, capsys):
    words = command(folder, tmp_path, "--show-members")
    assert run(monkeypatch, capsys, *words)[0] == 0
    page = (tmp_path / "audit.html").read_text()
    assert page.count('alt="Member') == 24 + 8  # those most exposed, and the nearest
    assert "publishing this page publishes them" in page


def test_a_release_is_named_and_members_by_their_files(
    folder, tmp_path, monkeypatch, capsys
):
    """Folders of images, the release of images alone, and membership by coins."""
    words = command(
        *(folder, tmp_path, "--coins"),
        members=folder / "non-members",
        non_members=folder / "members.npz",
        release="samples",
    )
    assert run(monkeypatch, capsys, *words)[0] == 0
    report = json.loads((tmp_path / "audit.json").read_text())
    assert report["release"] == "samples"
    assert report["coins"] is True
    assert report["model_file"] == str(folder / "model.keras")
    page = (tmp_path / "audit.html").read_text()
    assert any(f"<b>{number:02d}.png</b>" in page for number in range(30))
    code, output = run(
        monkeypatch, capsys, *command(folder, tmp_path / "b", release="nothing")
    )
    assert code == 2
    assert "release" in output.err


def test_images_alone_are_audited(folder, tmp_path, monkeypatch, capsys):
    words = ["audit", "--samples", folder / "reference.npz", "--out", tmp_path]
    parts = [
        "--members",
        folder / "members.npz",
        "--non-members",
        folder / "non-members",
    ]
    code, _ = run(monkeypatch, capsys, *words, *parts, "--attacks", "gan_leaks")
    assert code == 0
    report = json.loads((tmp_path / "audit.json").read_text())
    assert report["release"] == "samples"
    assert report["model_file"] == str(folder / "reference.npz")
    for more in (["--shadows", "2"], [folder / "model.keras"]):
        code, output = run(monkeypatch, capsys, *words, *parts, *more)
        assert code == 2
        assert "--samples" in output.err


def test_bright_images_are_taken_where_their_range_is_told(
    folder, tmp_path, monkeypatch, capsys
):
    bright = np.abs(tiny.random_images(12, seed=5))
    np.savez(tmp_path / "bright.npz", images=bright)
    words = command(folder, tmp_path / "out")
    words[1:2] = ["--samples", tmp_path / "bright.npz"]
    code, output = run(monkeypatch, capsys, *words[:-2], "--attacks", "gan_leaks")
    assert (code, "two ranges" in output.err) == (2, True)
    words = [*words[:-2], "--attacks", "gan_leaks", "--value-range=-1,1"]
    assert run(monkeypatch, capsys, *words)[0] == 0


@pytest.mark.long
def test_a_generator_in_an_onnx_file_is_audited(folder, tmp_path, monkeypatch, capsys):
    """One of NCHW images in [0, 1], at a first look; its members are RGB files."""
    pytest.importorskip("onnxruntime")
    path = onnx_files.write(tmp_path / "g.onnx", first=True, scale=0.5, shift=0.5)
    members = onnx_files.made_of(np.random.default_rng(2).normal(size=(1100, 5)))
    for number, image in enumerate(members):
        pixels = np.rint((image + 1) * 127.5).astype("uint8")
        (tmp_path / "members").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "members" / f"{number:04}.png")
    words = ["audit", "--samples", path, "--members", tmp_path / "members", "--fast"]
    words += ["--non-members", folder / "non-members", "--out", tmp_path / "out"]
    words += ["--attacks", "gan_leaks"]
    code, output = run(monkeypatch, capsys, *words, "--value-range", "0,1")
    assert code == 0
    report = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert (report["members"], report["release"]) == (1000, "generator")
    assert report["attacks"]["gan_leaks"]["auc"] > 0.9
    page = (tmp_path / "out" / "audit.html").read_text()
    shown = {int(name) for name in re.findall(r"<b>(\d{4}).png</b>", page)}
    assert shown and shown <= set(looked_at(1100, 0).tolist())
    assert "This was a first look" in page
    code, output = run(monkeypatch, capsys, *words, "--value-range", "0-1")
    assert code == 2
    assert "`--value-range` must be two numbers" in output.err


def test_an_audit_of_which_nothing_ran_is_an_error(
    folder, tmp_path, monkeypatch, capsys
):
    words = [*command(folder, tmp_path)[: -len(ATTACKS)], "--attacks", "logan_mixup"]
    code, output = run(monkeypatch, capsys, *words)
    assert code == 2
    assert "No attack could be run" in output.err
    assert not (tmp_path / "audit.json").exists()


@pytest.mark.long
def test_an_interrupted_audit_continues(folder, tmp_path, monkeypatch, capsys):
    from keras_mixup_gan.attacks import GANLeaks

    def interrupt(self, images, labels):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(GANLeaks, "_score", interrupt)
        code, output = run(patched, capsys, *command(folder, tmp_path))
    assert code == 130
    assert output.err.endswith("Stopped. The same command continues from here.\n")
    assert "Traceback" not in output.err
    (kept,) = (tmp_path / "scores").glob("logan-*.npz")
    before = kept.stat().st_mtime_ns
    code, _ = run(monkeypatch, capsys, *command(folder, tmp_path))
    assert code == 0
    assert kept.stat().st_mtime_ns == before
    assert len(list((tmp_path / "scores").iterdir())) == 2


# === Bad input ===


def damaged(folder, tmp_path, kind):
    path = tmp_path / "model.keras"
    if kind == "missing":
        return path
    if kind == "text":
        path.write_text("no model")
        return path
    shutil.copy(folder / "model.keras", path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-2000])
    else:
        rewrite(path, kind)
    return path


def rewrite(path, kind):
    """Replaces a part of a saved model."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    if kind == "weights":
        files["model.weights.h5"] = files["model.weights.h5"][:500]
    elif kind == "no configuration":
        del files["config.json"]
    elif kind == "list":
        files["config.json"] = b"[]"
    elif kind == "settings":
        config = json.loads(files["config.json"])
        config["config"]["latent_dim"] = -3
        files["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "text",
        "truncated",
        "weights",
        "no configuration",
        "list",
        "settings",
    ],
)
def test_a_bad_model_file_is_one_sentence(folder, tmp_path, monkeypatch, capsys, kind):
    model = damaged(folder, tmp_path, kind)
    words = command(folder, tmp_path / "out", model=model)
    code, output = run(monkeypatch, capsys, *words)
    assert code == 2
    assert str(model) in output.err
    assert "Traceback" not in output.err
    assert not (tmp_path / "out").exists()


def other_model(path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]).save(path)


def with_lambda(path):
    layers = [keras.Input((4,)), keras.layers.Lambda(lambda x: x + 1)]
    keras.Sequential(layers).save(path)


@pytest.mark.parametrize("make", [other_model, with_lambda])
def test_other_models_are_not_loaded(tmp_path, make):
    make(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="no model of this library"):
        load_gan(tmp_path / "other.keras")


@pytest.mark.parametrize(
    "entry",
    [
        {"module": "os", "class_name": "system", "registered_name": "system"},
        {"module": "keras", "class_name": "Dense", "registered_name": "evil>Dense"},
        {"class_name": "__lambda__", "config": {"value": "code"}},
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": "keras.layers", "class_name": "TFSMLayer"},
        {"module": "keras.src.export.tfsm_layer", "class_name": "TFSMLayer"},
        {"module": "keras.optimizers", "class_name": "get"},
        {"class_name": "Evil", "registered_name": "keras_mixup_gan>Evil"},
    ],
)
def test_classes_of_others_are_refused_before_anything_is_built(
    folder, tmp_path, monkeypatch, entry
):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(folder / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["mixup"] = [{"deep": entry}]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    monkeypatch.setattr(keras.saving, "load_model", None)
    with pytest.raises(ValueError, match="asks for code"):
        load_gan(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"members": "/no/such/folder"}, "There is no folder or file"),
        ({"attacks": "logn"}, "Did you mean 'logan'"),
        ({"attacks": ","}, "at least one attack"),
        ({"seed": "-1"}, "`seed` must be an integer"),
    ],
)
def test_bad_arguments_are_one_sentence(
    folder, tmp_path, monkeypatch, capsys, changed, message
):
    more = []
    if "attacks" in changed:
        more = ["--attacks", changed.pop("attacks")]
    words = command(folder, tmp_path, *more, **changed)
    code, output = run(monkeypatch, capsys, *words)
    assert code == 2
    assert message in output.err
    assert output.err.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in output.err


def test_members_among_the_non_members_are_named_or_left_out(
    folder, tmp_path, monkeypatch, capsys
):
    words = command(folder, tmp_path, non_members=folder / "members.npz")
    code, output = run(monkeypatch, capsys, *words)
    assert code == 2
    assert "40 images occur in more than one part" in output.err
    mixed = tmp_path / "mixed"
    for number in range(10):  # three of them among the non-members
        name = f"{number + 27:02d}.png"
        if number < 3:
            (mixed / "a").mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "non-members" / name, mixed / "a" / name)
        else:
            pixels = (tiny.random_images(1, seed=number)[0, ..., 0] + 1) * 127.5
            Image.fromarray(pixels.astype("uint8")).save(mixed / "a" / name)
    shutil.copy(mixed / "a" / "30.png", mixed / "a" / "00.png")
    changed = {"members": mixed, "out": tmp_path / "out"}
    code, output = run(monkeypatch, capsys, *command(folder, **changed))
    assert code == 2
    first = f"{mixed / 'a' / '27.png'} is {folder / 'non-members' / '27.png'}; "
    assert "3 images occur in more than one part of the audit" in output.err
    assert first in output.err
    assert "add `--drop-duplicates`" in output.err
    words = command(folder, **changed)
    code, output = run(monkeypatch, capsys, *words, "--drop-duplicates")
    assert code == 0, output.err
    assert "left out 4 copies" in output.err
    report = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert (report["members"], report["non_members"]) == (10, 27)
    left = [f"a/{number:02}.png" for number in (0, 27, 28, 29, *range(31, 37))]
    page = (tmp_path / "out" / "audit.html").read_text()
    assert set(re.findall(r"<b>(.+\.png)</b>", page)) == set(left)
    with np.load(tmp_path / "out" / "audit.npz") as scores:
        assert scores["member_names"].tolist() == left


def test_an_unwritable_folder_is_one_sentence(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    words = command(folder, tmp_path / "file" / "out")
    code, output = run(monkeypatch, capsys, *words)
    assert code == 2
    assert "cannot be used" in output.err


def test_a_conditional_model_asks_for_classes(tmp_path, monkeypatch, capsys):
    model = tiny.make(num_classes=tiny.NUM_CLASSES)
    model.save(tmp_path / "model.keras")
    for name, seed in (("members", 1), ("non-members", 2)):
        images, labels = tiny.random_images(20, seed=seed), tiny.random_labels(20)
        np.savez(tmp_path / f"{name}.npz", images=images, labels=labels)
        np.savez(tmp_path / f"{name}-plain.npz", images=images)
    files = {"non_members": tmp_path / "non-members.npz"}
    words = command(tmp_path, tmp_path / "out", **files)
    assert run(monkeypatch, capsys, *words)[0] == 0
    plain = tmp_path / "members-plain.npz"
    words = command(tmp_path, tmp_path / "out", members=plain, **files)
    code, output = run(monkeypatch, capsys, *words)
    assert code == 2
    assert "needs the class of every image" in output.err
    assert str(plain) in output.err


@pytest.mark.long
def test_a_null_target_is_audited_too(folder, tmp_path, monkeypatch, capsys):
    other = tiny.make(seed=9)
    other.fit(tiny.random_images(40, seed=8), batch_size=20, epochs=1, verbose=0)
    other.save(tmp_path / "other.keras")
    words = command(folder, tmp_path / "out", null_target="other.keras")
    monkeypatch.chdir(tmp_path)
    code, said = run(monkeypatch, capsys, *words)
    assert code == 0, said.err
    content = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert set(content["null_target"]["areas"]) == {"logan", "gan_leaks"}


def test_pages_need_an_extra_and_figures_do_not(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    code, output = run(monkeypatch, capsys, *command(folder, tmp_path))
    assert code == 0
    assert "no audit.html: Writing a report needs" in output.err
    assert "LOGAN (discriminator score)" in output.out
    assert {"audit.json", "audit.npz"} <= {path.name for path in tmp_path.iterdir()}


def test_homes_are_found_after_an_equals_sign(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").symlink_to(folder / "non-members")
    words = ["audit", folder / "model.keras", "--members=~/m", *ATTACKS]
    words += ["--non-members", folder / "members.npz", "--out=~/report"]
    assert run(monkeypatch, capsys, *words)[0] == 0
    with np.load(tmp_path / "report" / "audit.npz", allow_pickle=False) as arrays:
        assert arrays["member_names"][0] == "00.png"
    assert not (tmp_path / "~").exists()


def test_batches_of_shadow_models_are_refused_without_any(
    folder, tmp_path, monkeypatch, capsys
):
    more = ("--shadow-batch-size", 16)
    code, output = run(monkeypatch, capsys, *command(folder, tmp_path, *more))
    assert (code, "are for shadow models" in output.err) == (2, True)
