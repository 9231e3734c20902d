"""What is handed over of a model: its generator in other formats, and nothing else."""

import json
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import auditing, zoo
from keras_mixup_gan.models.presets import PresetFiles
from keras_mixup_gan.models.released import ReleasedGenerator
from tests.command_line import run
from tests.models import tiny
from tests.privacy.missing import without_privacy

ONE_OF_EACH = (
    "dcgan_digits_conditional",
    "wgan_gp_digits",
    pytest.param("stylegan_lite_digits", marks=pytest.mark.long),
)


@pytest.fixture(scope="module")
def model():
    return tiny.make(num_classes=tiny.NUM_CLASSES, class_names=("a", "b", "c"))


@pytest.fixture(scope="module")
def released(model, tmp_path_factory):
    """The folder of a preset without the discriminator."""
    folder = tmp_path_factory.mktemp("released") / "preset"
    return zoo.save_to_preset(model, folder, release="generator")


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_onnx_gives_what_generate_gives(name, tmp_path, monkeypatch, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    out = tmp_path / "generator.onnx"
    code, output = run(monkeypatch, capsys, "export", name, "--out", out)
    assert (code, output.out) == (0, "")
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    model = zoo.from_preset(name, compile=False)
    latents = np.random.default_rng([7, 0]).standard_normal((256, model.latent_dim))
    feeds = {"latents": latents[:32].astype("float32")}
    labels = None
    if model.num_classes is not None:
        labels = np.arange(32) % model.num_classes
        feeds["labels"] = np.eye(model.num_classes, dtype="float32")[labels]
    [images] = session.run(["images"], feeds)
    expected = model.generate(32, labels, seed=7, dtype="float32")
    assert expected.std() > 0.1
    assert np.abs(images - expected).max() < 1e-5
    about = session.get_modelmeta().custom_metadata_map
    about = {key: json.loads(value) for key, value in about.items()}
    assert (about["class"], about["steps"]) == (type(model).__name__, model.num_steps)
    assert about["image_shape"] == [28, 28, 1]
    # Larger than the generator is nothing but the description.
    size = 4 * model.ema_generator.count_params()
    assert out.stat().st_size < 1.2 * size + 20_000


@pytest.mark.parametrize("extra", ["onnx", "tf2onnx"])
def test_onnx_without_its_extra_is_one_sentence(model, tmp_path, monkeypatch, extra):
    monkeypatch.setitem(sys.modules, extra, None)
    with pytest.raises(ImportError, match=r"pip install 'keras-mixup-gan\[onnx\]'"):
        model.export_generator(tmp_path / "generator.onnx", "onnx")
    assert not list(tmp_path.iterdir())


def test_a_saved_model_says_what_it_is(model, tmp_path, monkeypatch, capsys):
    zoo.save_to_preset(model, tmp_path / "preset")
    words = ("export", tmp_path / "preset", "--format", "savedmodel")
    assert run(monkeypatch, capsys, *words, "--out", tmp_path / "out")[0] == 0
    about = json.loads((tmp_path / "out" / "generator.json").read_text())
    assert about["class_names"] == ["a", "b", "c"]
    assert about["holds"] == "the averaged generator alone"
    loaded = tf.saved_model.load(tmp_path / "out")
    latents = tf.random.stateless_normal((2, 4), (0, 0))
    images = loaded.serve(latents, tf.one_hot([0, 2], 3))
    np.testing.assert_allclose(images, model.decode(latents, [0, 2]), atol=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--format", "onxx"), "Did you mean 'onnx'"),
        (("--format", "onnx", "--out", "generator.pb"), "ends in .onnx"),
        (("--format", "savedmodel", "--out", "."), "Expected an empty folder"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    released, tmp_path, monkeypatch, capsys, words, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("")
    code, output = run(monkeypatch, capsys, "export", released, *words)
    assert code == 2
    assert message in output.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


# === A preset without the discriminator ===


def test_a_released_generator_generates_and_has_nothing_else(model, released):
    whole = {f"discriminator/{n:03}" for n in range(len(model.discriminator.weights))}
    files = PresetFiles.read(released)
    assert files.content["release"] == "generator"
    with np.load(released / "weights.npz") as arrays:
        assert not whole & set(arrays.files)
    same = zoo.from_preset(released)
    assert isinstance(same, ReleasedGenerator)
    np.testing.assert_array_equal(same.generate(3, seed=1), model.generate(3, seed=1))
    assert (same.class_names, same.image_shape) == (("a", "b", "c"), (8, 8, 1))
    for name in ("score", "fit", "discriminator", "save", "compile"):
        with pytest.raises(AttributeError, match='saved with `release="generator"`'):
            getattr(same, name)


def test_it_is_written_again_as_it_is_and_never_as_more(released, tmp_path):
    generator = zoo.from_preset(released)
    generator.save_to_preset(tmp_path / "again")
    again = (tmp_path / "again" / "weights.npz").read_bytes()
    assert again == (released / "weights.npz").read_bytes()
    with pytest.raises(ValueError, match="came without its discriminator"):
        zoo.save_to_preset(generator, tmp_path / "more", release="everything")
    with pytest.raises(ValueError, match="Did you mean 'generator'"):
        zoo.save_to_preset(generator, tmp_path / "more", release="generators")


def test_a_whole_preset_says_that_it_holds_the_discriminator(
    model, tmp_path, monkeypatch, capsys
):
    zoo.save_to_preset(model, tmp_path)
    code, output = run(monkeypatch, capsys, "zoo", "show", tmp_path)
    assert code == 0
    assert json.loads(output.out)["release"] == "everything"


def test_a_released_generator_is_audited_without_a_discriminator(released):
    generator = zoo.from_preset(released)
    images, labels = tiny.random_images(40), tiny.random_labels(40)
    parts = (images[:20], labels[:20]), (images[20:], labels[20:])
    report = auditing.audit(generator, *parts, attacks=["gan_leaks", "logan"])
    assert {entry.status for entry in report.attacks} == {"done", "skipped"}
    assert "discriminator" not in report.access
    assert {"samples", "queries", "generator"} <= set(report.access)
    with pytest.raises(ValueError, match="are trained like the model"):
        auditing.audit(generator, *parts, shadows=4, shadow_fit={"epochs": 1})


@pytest.mark.parametrize("release", ["everything", "generator"])
def test_private_models_generate_without_tensorflow_privacy(
    release, tmp_path, monkeypatch
):
    model = tiny.make(**tiny.DEFENSES["dp"])
    model.save_to_preset(tmp_path, release)
    without_privacy(monkeypatch)
    loaded = zoo.from_preset(tmp_path)
    np.testing.assert_array_equal(loaded.generate(2, seed=1), model.generate(2, seed=1))
    if release == "everything":
        with pytest.raises(ImportError, match=r"keras-mixup-gan\[dp\]"):
            loaded.fit(tiny.random_images(8), batch_size=4, verbose=0)
