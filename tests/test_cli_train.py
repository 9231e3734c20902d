import csv
import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan import MixUp, auditing, storage, zoo
from keras_mixup_gan.cli import training_folder, watching
from keras_mixup_gan.cli.training_folder import trained_batch_size
from keras_mixup_gan.data import Images
from keras_mixup_gan.models import presets
from tests.command_line import run
from tests.models import tiny


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, images=tiny.random_images(44), labels=tiny.random_labels(44))
    return path


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """The folder of a conditional model."""
    folder = tmp_path_factory.mktemp("preset")
    return zoo.save_to_preset(tiny.make(num_classes=tiny.NUM_CLASSES), folder)


NO_EPOCH = ("--batch-size", "20", "--steps", "3")  # an epoch has two steps


def words(data, out, *more, model="dcgan"):
    return ["train", model, "--data", data, "--batch-size", 20, "--out", out, *more]


def weights(out):
    return (out / "preset" / "weights.npz").read_bytes()


# === train ===


@pytest.mark.long
def test_a_stopped_training_goes_on_to_the_same_weights(
    data, tmp_path, monkeypatch, capsys
):
    from keras_mixup_gan.cli.watching import ImageGrid

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    settings = ("--mixup", "true", "--classes")
    five = (*settings, "--steps", 5)
    assert run(monkeypatch, capsys, *words(data, whole, *five))[0] == 0

    # Stopped with the picture of the second epoch of two steps, then before the preset.
    three = (*settings, "--steps", 3)
    stops = [(ImageGrid, "on_epoch_end", 1), (zoo, "save_to_preset", None)]
    for place, name, at in stops:
        real = getattr(place, name)

        def stop(one, epoch, logs=None, *, at=at, real=real):
            if at in (None, epoch):
                raise KeyboardInterrupt
            real(one, epoch, logs)

        with monkeypatch.context() as patched:
            patched.setattr(place, name, stop)
            code, output = run(patched, capsys, *words(data, parts, *three))
        assert code == 130
        assert output.err.endswith("Stopped. The same command continues from here.\n")
    assert "continuing after step 2 of 3" in output.err
    assert not (parts / "preset").exists()
    code, output = run(monkeypatch, capsys, *words(data, parts, *five))
    assert code == 0
    assert "continuing after step 3 of 5" in output.err
    assert weights(parts) == weights(whole)
    history = (parts / "history.csv").read_text().splitlines()
    assert [row["step"] for row in csv.DictReader(history)] == ["2", "3", "4", "5"]
    assert [path.name for path in parts.glob("checkpoint-*")] == ["checkpoint-5.keras"]
    pictures = [
        {path.name: path.read_bytes() for path in (out / "grids").iterdir()}
        for out in (whole, parts)
    ]
    assert pictures[0] == pictures[1]
    assert sorted(pictures[0]) == [f"epoch-000{n}.png" for n in (1, 2, 3)]
    assert not list(parts.rglob(".*"))
    same = zoo.from_preset(parts / "preset")
    assert (same.num_steps, same.num_classes) == (5, tiny.NUM_CLASSES)
    assert same.mixup == MixUp(**zoo.load_recipe("dcgan")["augmented"])

    # What is done is not done again, and other settings do not go on.
    before = (parts / "train.json").stat().st_mtime_ns
    assert run(monkeypatch, capsys, *words(data, parts, *five))[0] == 0
    assert (parts / "train.json").stat().st_mtime_ns == before
    code, output = run(monkeypatch, capsys, *words(data, parts, *three))
    assert code == 2
    assert "Expected at least 5 steps, which are done. Received: 3" in output.err
    code, output = run(monkeypatch, capsys, *words(data, parts, *settings, "--seed", 1))
    assert code == 2
    assert "other settings. Expected {'seed': 0}. Received: {'seed': 1}" in output.err
    (parts / "checkpoint-5.keras").write_bytes(b"")
    code, output = run(monkeypatch, capsys, *words(data, parts, *settings))
    assert code == 2
    assert "missing or damaged" in output.err


def test_a_private_training_says_its_epsilon(data, tmp_path, monkeypatch, capsys):
    more = ("--dp-noise", 4, "--dp-clip", 0.5, "--steps", 1)
    code, output = run(monkeypatch, capsys, *words(data, tmp_path / "out", *more))
    assert code == 0
    assert "at delta = 0.00228" in output.err  # 0.1 / 44, rounded up
    settings = zoo.from_preset(tmp_path / "out" / "preset").dp
    assert (settings.noise_multiplier, settings.l2_norm_clip) == (4.0, 0.5)


def test_clipping_without_noise_is_refused(data, tmp_path, monkeypatch, capsys):
    more = ("--dp-clip", 1, "--steps", 1)
    code, output = run(monkeypatch, capsys, *words(data, tmp_path / "out", *more))
    assert code == 2
    assert "Expected `--dp-noise`" in output.err
    assert not (tmp_path / "out").exists()


def test_a_dry_run_prints_what_would_be_done(data, tmp_path, monkeypatch, capsys):
    more = ("--mixup", "alpha=2,per=batch", "--epochs", 3, "--classes", "--dry-run")
    code, output = run(monkeypatch, capsys, *words(data, tmp_path / "out", *more))
    assert code == 0
    plan = json.loads(output.out)
    assert (plan["steps"], plan["num_classes"], plan["batch_size"]) == (6, 3, 20)
    assert (plan["mixup"]["alpha"], plan["mixup"]["per"]) == (2.0, "batch")
    assert plan["recipe"] == zoo.load_recipe("dcgan")
    assert not (tmp_path / "out").exists()

    words_ = ["compare", "--quick", "--steps", 120, "--dry-run"]
    code, output = run(monkeypatch, capsys, *words_, "--out", tmp_path / "out")
    assert code == 0
    [block] = json.loads(output.out)["blocks"]
    assert block["checkpoints"] == [100, 120]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", False),
        ("true", True),
        ("paper", "paper"),
        ("alpha=8, noise_stddev=1", MixUp(alpha=8.0, noise_stddev=1.0)),
        ("mix_fakes=false,num_samples=3", MixUp(mix_fakes=False, num_samples=3)),
        ("seed=4", MixUp(seed=4)),
        ("augmented", "augmented"),
        ("noisy", "noisy"),
        (
            "augment=color,cutout, alpha=8,region=cutmix",
            MixUp(alpha=8.0, augment="color,cutout", region="cutmix"),
        ),
        (
            "augment=color,translation=0.25,cutout,alpha=8,noise_stddev=0.25",
            MixUp(8.0, augment="color,translation=0.25,cutout", noise_stddev=0.25),
        ),
    ],
)
def test_words_for_mixup(text, expected):
    assert training_folder.parse_mixup(text) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dcgam",), "Did you mean 'dcgan'"),
        (("dcgan", "--mixup", "papers"), "Did you mean 'paper'"),
        (("dcgan", "--mixup", "alhpa=2"), "Did you mean 'alpha'"),
        (("dcgan", "--mixup", "alpha=x"), "Expected float"),
        (("dcgan", "--mixup", "alpha=-1"), "`alpha` must be"),
        (("dcgan", "--epochs", "1", "--steps", "1"), "one of the two"),
        (("dcgan", "--steps", "0"), "`steps` must be"),
        (("dcgan", "--batch-size", "0"), "`batch_size` must be"),
        (("dcgan", "--dp-noise", "-1"), "noise_multiplier"),
        (("dcgan", "--mixup", "true", "--dp-noise", "1"), "cannot be combined"),
        (("dcgan", "--data", "digit"), "digits"),
        (("dcgan", "--target-epsilon", "2", "--dp-noise", "1"), "follows from a targ"),
        (
            ("dcgan", "--target-epsilon", "2", *NO_EPOCH),
            "multiple of 2 steps",
        ),
        (("dcgan", "--delta", "0.1"), "Delta belongs to a target"),
        (("dcgan", "--grid-every", "0"), "`grid_every` must be"),
        (("dcgan", "--monitor", "digits", "--release", "samples"), "'samples'"),
        (("dcgan", "--release", "everything"), "Expected `--monitor` with"),
        (("dcgan", "--monitor-every", "3"), "Expected `--monitor` with"),
        (("dcgan", "--seed", "-1"), "`seed` must be"),
    ],
)
def test_bad_arguments_are_one_sentence(
    data, tmp_path, monkeypatch, capsys, arguments, message
):
    options = ["--data", data, "--out", tmp_path / "out"]
    code, output = run(monkeypatch, capsys, "train", *options, *arguments)
    assert code == 2
    assert output.err.startswith("Error: ")
    assert message in output.err
    assert not (tmp_path / "out").exists()


def test_nothing_is_trained_on_digits_unless_asked_for(tmp_path, monkeypatch, capsys):
    code, output = run(monkeypatch, capsys, "train", "dcgan", "--out", tmp_path / "out")
    assert code == 2
    assert "nothing to train on. Expected `--data`" in output.err
    assert not (tmp_path / "out").exists()


def test_a_watched_training_logs_quality_and_leak_and_is_taken_as_a_folder(
    data, tmp_path, monkeypatch, capsys
):
    out, others = tmp_path / "out", tmp_path / "others.npz"
    np.savez(others, images=tiny.random_images(30, seed=1))
    more = ("--monitor", others, "--monitor-every", 1, "--grid-every", 2)
    code, output = run(
        monkeypatch,
        capsys,
        *words(data, out, *more, "--epochs", 3, "--release", "everything"),
    )
    assert code == 0
    assert "No defense: what is trained now" in output.err
    assert "`fid` is the Frechet distance of" in output.err
    assert "so far, about" in output.err
    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    assert len(rows) == 3
    for row in rows:
        assert float(row["fid"]) > 0
        assert {"privacy_auc_logan", "privacy_auc_gan_leaks"} <= set(row)
    assert len(list((out / "grids").iterdir())) < 3
    assert len(list(out.glob("checkpoint-*.keras"))) == 1
    # What was written is taken by the folder's name.
    words_ = ("generate", out, "--num", 3, "--out", tmp_path / "images.npz")
    assert run(monkeypatch, capsys, *words_)[0] == 0
    expected = zoo.from_preset(out / "preset").generate(3)
    with np.load(tmp_path / "images.npz") as arrays:
        np.testing.assert_array_equal(arrays["images"], expected)
    (out / "model.keras").unlink()
    code, output = run(monkeypatch, capsys, *words_)
    assert code == 2
    assert "has not ended" in output.err


def test_a_training_writes_no_pictures_among_held_out_images(
    data, tmp_path, monkeypatch, capsys
):
    held = tmp_path / "held"
    held.mkdir()
    Image.new("L", (8, 8)).save(held / "0.png")
    more = ("--monitor", held, "--epochs", 1)
    code, output = run(monkeypatch, capsys, *words(data, held / "run", *more))
    assert (code, "outside of `--monitor`" in output.err) == (2, True)
    assert sorted(held.iterdir()) == [held / "0.png"]


def test_classes_of_held_out_images_are_those_of_the_training(tmp_path):
    names = ("a", "b", "c")
    data = Images(tiny.random_images(6), np.arange(6) % 3, names)
    for number, name in enumerate("aacc"):
        place = tmp_path / name / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), number).save(place)
    model = tiny.make(num_classes=3)
    watch = watching.Watch(monitor=str(tmp_path))
    quality, *_ = watch.callbacks(model, data, tmp_path, 1, 0, say=lambda text: None)
    np.testing.assert_array_equal(quality.labels, [0, 0, 2, 2])


@pytest.mark.long
def test_a_target_epsilon_is_kept(data, tmp_path, monkeypatch, capsys):
    more = ("--target-epsilon", 3, "--delta", 0.004, "--epochs", 1)
    others = ("--monitor", data)
    code, output = run(
        monkeypatch, capsys, *words(data, tmp_path / "o", *more, *others)
    )
    assert code == 0
    assert "No defense" not in output.err
    assert "The leak is not logged" in output.err
    [found] = re.findall(r"epsilon is (\S+) at delta = 0.004", output.err)
    assert 2.5 < float(found) <= 3


def test_tensorboard_without_its_package_is_one_sentence(
    data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(watching.importlib.util, "find_spec", lambda name: None)
    code, output = run(
        monkeypatch, capsys, *words(data, tmp_path / "out", "--tensorboard")
    )
    assert code == 2
    assert "pip install 'keras-mixup-gan[tensorboard]'" in output.err


def test_classes_need_labels(tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "plain.npz", images=tiny.random_images(20))
    options = words(tmp_path / "plain.npz", tmp_path / "out", "--classes")
    code, output = run(monkeypatch, capsys, *options)
    assert code == 2
    assert "needs the class of every image" in output.err


def test_a_folder_of_other_files_is_left_alone(data, tmp_path, monkeypatch, capsys):
    (tmp_path / ".DS_Store").write_text("")
    (tmp_path / ".partial-0123.json").write_text("{")
    (tmp_path / "notes.txt").write_text("mine")
    code, output = run(monkeypatch, capsys, *words(data, tmp_path))
    assert code == 2
    assert "holds other files" in output.err
    (tmp_path / "train.json").write_text("{")
    code, output = run(monkeypatch, capsys, *words(data, tmp_path))
    assert code == 2
    assert "cannot be read" in output.err


def store(data, folder, **more):
    given = {"image_size": None, "mixup": "none", "classes": False}
    given["dp"] = lambda num_images: None
    given |= {"augment": None, "batch_size": 20, "seed": 0}
    job = training_folder.resolve("dcgan", data=str(data), **given | more)
    return training_folder._Store(folder, job)


def test_what_a_kill_at_the_first_write_left_is_taken_over(data, tmp_path):
    (tmp_path / ".DS_Store").write_text("")
    (tmp_path / ".partial-0123.json").write_text("{")
    store(data, tmp_path)
    assert (tmp_path / "train.json").exists()


def test_a_state_that_was_changed_is_noticed(data, tmp_path, monkeypatch):
    begun = store(data, tmp_path)
    begun.state["history"] = [{"epoch": 1, "discriminator_loss": float("inf")}]
    path = tmp_path / "train.json"
    with pytest.raises(ValueError, match="JSON"):
        begun._write()
    begun.state["history"] = [{"epoch": 1, "step": 2}]
    begun._write()
    text = path.read_text()
    path.write_text(text.replace('"step": 2', '"step": 4'))
    with pytest.raises(ValueError, match="its digest is not that of its content"):
        store(data, tmp_path)
    path.write_text(text)
    monkeypatch.setattr(training_folder, "RESULTS_VERSION", 0)
    with pytest.raises(ValueError, match=r"other settings\. .*results_version"):
        store(data, tmp_path)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("train", ("dcgan", "--data")),
        ("compare", ("--data",)),
        ("audit", ("--non-members", "none", "--members")),
    ],
)
def test_results_among_the_images_are_refused(
    preset, tmp_path, monkeypatch, capsys, command, options
):
    for number, image in enumerate(tiny.random_images(2)[..., 0]):
        pixels = ((image + 1) * 127.5).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    first = (preset,) if command == "audit" else ()
    words_ = (command, *first, *options, tmp_path, "--out", tmp_path / "runs")
    code, output = run(monkeypatch, capsys, *words_)
    assert code == 2
    assert "Results must not lie among the images" in output.err
    assert not (tmp_path / "runs").exists()


def test_a_clock_before_1980_is_one_sentence(data, tmp_path, monkeypatch):
    monkeypatch.setattr(storage.time, "localtime", lambda: time.gmtime(0))
    begun = store(data, tmp_path)
    with pytest.raises(ValueError, match=r"clock of this machine.*1970-01-01"):
        training_folder.run(begun.job, 1, tmp_path, print)


@pytest.mark.long
def test_a_training_that_goes_on_takes_back_what_it_ended_with(
    data, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    assert run(monkeypatch, capsys, *words(data, out, "--epochs", 1))[0] == 0
    for model in (out, out / "model.keras", out / "preset"):
        assert trained_batch_size(str(model)) == 20

    nowhere = ("--epochs", 3, "--monitor", tmp_path / "nowhere")
    assert run(monkeypatch, capsys, *words(data, out, *nowhere))[0] == 2
    assert (out / "model.keras").is_file()

    def stopped(path):
        if path.name == "model.keras":
            raise KeyboardInterrupt
        return storage.writing(path)

    monkeypatch.setattr(training_folder, "writing", stopped)
    assert run(monkeypatch, capsys, *words(data, out, "--epochs", 2))[0] == 130
    code, output = run(monkeypatch, capsys, "generate", out)
    assert (code, "has not ended" in output.err) == (2, True)
    assert not (out / "preset").exists()


def test_other_models_tell_no_batch_size(preset):
    for model in (None, "dcgan_digits", str(preset)):
        assert trained_batch_size(model) is None


# === generate ===


def test_images_are_written_as_asked_for(preset, tmp_path, monkeypatch, capsys):
    for out in ("grid.png", "images.npz", "folder"):
        options = ("--num", 5, "--labels", "2,0", "--seed", 3, "--truncation", 0.5)
        words_ = ["generate", preset, "--out", tmp_path / out, *options]
        assert run(monkeypatch, capsys, *words_)[0] == 0
    labels = np.array([2, 0, 2, 0, 2])
    expected = zoo.from_preset(preset).generate(5, labels, seed=3, truncation=0.5)
    with np.load(tmp_path / "images.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["images"], expected)
        np.testing.assert_array_equal(arrays["labels"], labels)
    options = ("--num", 5, "--out", tmp_path / "all.npz")
    assert run(monkeypatch, capsys, "generate", preset, *options)[0] == 0
    with np.load(tmp_path / "all.npz", allow_pickle=False) as arrays:
        drawn = zoo.from_preset(preset).generate(5)
        np.testing.assert_array_equal(arrays["images"], drawn)
        again = zoo.from_preset(preset).generate(5, arrays["labels"])
        np.testing.assert_array_equal(again, drawn)
    files = sorted((tmp_path / "folder").iterdir())
    assert [file.name for file in files] == [f"00000{n}.png" for n in range(5)]
    with Image.open(files[4]) as image, Image.open(tmp_path / "grid.png") as grid:
        np.testing.assert_array_equal(np.asarray(image), expected[4, ..., 0])
        assert grid.width > 8 * 8
    code, output = run(monkeypatch, capsys, *words_)  # into a folder of others
    assert (code, "Expected an empty folder" in output.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labels", "a"), "`--labels` must be"),
        (("--labels", "3"), "must lie in 0 to 2"),
        (("--num", "0"), "`num` must be"),
        (("--truncation", "2"), "`truncation` must be"),
        (("--out", "images.jpg"), "Leave the suffix out"),
    ],
)
def test_what_cannot_be_generated_is_one_sentence(
    preset, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    code, output = run(monkeypatch, capsys, "generate", preset, *arguments)
    assert code == 2
    assert message in output.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", ["dcgan_digit", "no/such/folder", "missing.keras"])
def test_models_that_are_not_there(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, output = run(monkeypatch, capsys, "generate", model)
    assert code == 2
    assert output.err.startswith("Error: There is no ")


# === audit ===


def test_an_audit_takes_presets_and_trains_shadows(
    data, preset, tmp_path, monkeypatch, capsys
):
    given = {}

    def audit(model, *parts, **options):
        given.update(model=model, **options)
        raise ValueError("enough")

    monkeypatch.setattr(auditing, "audit", audit)
    others = tmp_path / "others.npz"
    images, labels = tiny.random_images(44, seed=1), tiny.random_labels(44)
    np.savez(others, images=images, labels=labels)
    words_ = ["audit", preset, "--members", data, "--non-members", others]
    shadows = ["--shadows", 4, "--shadow-steps", 7, "--scheduler", "tcp://host:1"]
    run(monkeypatch, capsys, *words_, *shadows)
    assert given["model"].compiled
    assert (given["shadows"], given["scheduler"]) == (4, "tcp://host:1")
    assert given["shadow_fit"] == {"epochs": 1, "steps_per_epoch": 7, "batch_size": 64}
    run(monkeypatch, capsys, *words_)
    assert (given["shadows"], given["shadow_fit"]) == (None, None)
    code, output = run(monkeypatch, capsys, *words_, "--shadow-steps", 7)
    assert code == 2
    assert "Add `--shadows 16`" in output.err


# === zoo ===


@pytest.fixture
def small_zoo(preset, tmp_path, monkeypatch):
    files = presets.PresetFiles.read(preset)
    scores = {
        "fid": {"name": "FID", "value": 1.234},
        "strongest_attack": "logan",
        "auc": 0.6,
        "auc_ci": [0.5, 0.7],
        "epsilon": None,
        "delta": 1e-4,
    }
    entry = {
        "path": str(preset),
        **files.content["weights"],
        "config_sha256": files.config_sha256,
        "scores": scores,
        "command": "train it",
    }
    manifest = {"presets": {"tiny_digits": entry}}
    (tmp_path / presets.MANIFEST).write_text(json.dumps(manifest))
    monkeypatch.setattr(presets, "zoo_folder", lambda: tmp_path)


def test_the_zoo_is_listed_shown_and_verified(small_zoo, monkeypatch, capsys):
    code, output = run(monkeypatch, capsys, "zoo", "list")
    assert code == 0
    for word in ("tiny_digits", "1.23", "logan", "0.600 [0.500, 0.700]", "no guar"):
        assert word in output.out
    code, output = run(monkeypatch, capsys, "zoo", "show", "tiny_digits")
    assert code == 0
    shown = json.loads(output.out)
    assert shown["class"] == "DCGAN"
    assert shown["arguments"]["num_classes"] == tiny.NUM_CLASSES
    assert shown["scores"]["auc"] == 0.6
    code, output = run(monkeypatch, capsys, "zoo", "verify")
    assert (code, output.out) == (0, "tiny_digits: as published\n")
    code, output = run(monkeypatch, capsys, "zoo", "show", "tiny")
    assert code == 2
    assert "Did you mean 'tiny_digits'" in output.err


def test_a_preset_of_ones_own_is_shown_too(preset, monkeypatch, capsys):
    code, output = run(monkeypatch, capsys, "zoo", "show", preset)
    assert code == 0
    shown = json.loads(output.out)
    assert (shown["name"], shown["class"]) == (str(preset), "DCGAN")
    assert "scores" not in shown


LIGHT = """
import contextlib, io, sys

from keras_mixup_gan.cli import main

for words in (["--help"], ["train", "--help"], ["zoo", "list"], ["zoo", "verify"]):
    sys.argv = ["keras-mixup-gan"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main(*words)
heavy = {"keras", "tensorflow", "scipy", "sklearn", "matplotlib"} & set(sys.modules)
print(sorted(heavy))
"""


def test_help_and_the_list_of_the_zoo_import_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)


@pytest.mark.parametrize("given", [{}, {"TF_ENABLE_ONEDNN_OPTS": "0"}])
def test_commands_turn_onednn_on_but_where_the_user_turned_it_off(given):
    code = "import os, keras_mixup_gan.cli; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    others = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**others, **given},
    )
    assert done.stdout.strip() == given.get("TF_ENABLE_ONEDNN_OPTS", "1")


@pytest.mark.long
def test_a_command_says_one_line_and_tensorflow_none(tmp_path):
    out = tmp_path / "a.png"
    words_ = ["generate", "dcgan_digits", "--num", "1", "--out", str(out)]
    # As for a user, who has not asked TensorFlow to tell more.
    env = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", "keras_mixup_gan", *words_],
        capture_output=True,
        text=True,
        timeout=120,
        env=env,
    )
    assert (done.stdout, done.returncode) == ("", 0)
    assert done.stderr == f"wrote {out}\n"
