import contextlib
import io
import json
import shutil
import warnings
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import zoo
from keras_mixup_gan.models import presets
from keras_mixup_gan.models.presets import CONFIG, WEIGHTS, PresetFiles
from keras_mixup_gan.models.recipes import family_classes, list_families
from keras_mixup_gan.models.saving import variables
from keras_mixup_gan.storage import digest_bytes
from tests.models import tiny

KINDS = {
    "none": {},
    "mixup": {"mixup": True, "num_classes": tiny.NUM_CLASSES},
    "dp": tiny.DEFENSES["dp"],
}


def trained(kind):
    model = tiny.make(**KINDS[kind])
    labels = tiny.random_labels(40) if model.num_classes else None
    model.fit(tiny.random_images(40), labels, batch_size=20, epochs=1, verbose=0)
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A trained model and the folder of its preset."""
    folder = tmp_path_factory.mktemp("preset")
    model = trained("none")
    assert zoo.save_to_preset(model, folder) == folder
    return model, folder


@pytest.fixture
def copied(saved, tmp_path):
    """A copy of the preset to spoil."""
    return shutil.copytree(saved[1], tmp_path / "copy")


def rewrite(folder, change_arrays=None, **changes):
    """Writes a preset anew, with right checksums."""
    files = PresetFiles.read(folder)
    with np.load(io.BytesIO(files.weights), allow_pickle=False) as archive:
        arrays = dict(archive)
    if change_arrays is not None:
        change_arrays(arrays)
    content = {**files.content, **changes}
    del content["weights"]
    PresetFiles.write(folder, content, arrays)


def replace_weights(folder, data):
    """Puts other bytes in the place of the weights, with right checksums."""
    content = json.loads((folder / CONFIG).read_text())
    content["weights"] = {"sha256": digest_bytes(data), "bytes": len(data)}
    (folder / WEIGHTS).write_bytes(data)
    (folder / CONFIG).write_text(json.dumps(content))


# === There and back ===


@pytest.mark.parametrize("kind", KINDS)
def test_a_preset_gives_the_same_images_and_scores(kind, tmp_path):
    model = trained(kind)
    zoo.save_to_preset(model, tmp_path)
    same = zoo.from_preset(tmp_path)
    queries = tiny.random_images(8)
    labels = tiny.random_labels(8) if model.num_classes else None
    np.testing.assert_array_equal(same.generate(8, seed=3), model.generate(8, seed=3))
    np.testing.assert_array_equal(
        same.score(queries, labels), model.score(queries, labels)
    )
    assert same.mixup == model.mixup
    assert same.epsilon(1e-3) == model.epsilon(1e-3)
    for raw, average in zip(
        same.generator.weights, model.ema_generator.weights, strict=True
    ):
        np.testing.assert_array_equal(raw, average)


def test_a_preset_can_be_trained_further(saved):
    _, folder = saved
    model = zoo.from_preset(folder)
    before = model.num_steps
    model.fit(tiny.random_images(40), batch_size=20, epochs=1, verbose=0)
    assert model.num_steps == before + 2 > 2
    assert not zoo.from_preset(folder, compile=False).compiled


def test_the_seed_of_the_noise_is_not_in_the_files(tmp_path):
    model = tiny.make(**KINDS["dp"])
    assert model.dp.noise_seed is not None
    zoo.save_to_preset(model, tmp_path)
    assert zoo.from_preset(tmp_path).dp.noise_seed is None


def test_the_files_hold_each_weight_once_and_do_not_depend_on_the_session(
    saved, tmp_path
):
    model, folder = saved
    zoo.save_to_preset(model, tmp_path)
    zoo.save_to_preset(zoo.from_preset(folder), tmp_path / "again")
    for name in (CONFIG, WEIGHTS):
        first = (folder / name).read_bytes()
        assert (tmp_path / name).read_bytes() == first
        assert (tmp_path / "again" / name).read_bytes() == first
    held = sum(int(np.prod(variable.shape)) for variable in variables(model).values())
    networks = (model.ema_generator, model.discriminator)
    assert held == sum(network.count_params() for network in networks)


@pytest.mark.parametrize("inside", ["", CONFIG, WEIGHTS])
def test_a_preset_is_found_by_its_folder_and_files(saved, inside):
    _, folder = saved
    assert presets.read_preset(str(folder / inside)).folder == folder


def test_every_family_has_a_class_and_a_recipe():
    assert list_families() == ["dcgan", "stylegan_lite", "wgan_gp"]
    for name, kind in family_classes().items():
        assert name == kind.__name__
        assert zoo.load_recipe(kind.family)["optimizer"]
        assert getattr(zoo, kind.family) == kind.from_recipe
        assert kind.family in dir(zoo)


# === Names ===


@pytest.fixture
def shipped(saved, tmp_path, monkeypatch):
    """A zoo with one preset, `tiny_digits`."""
    files = PresetFiles.read(shutil.copytree(saved[1], tmp_path / "dcgan" / "tiny"))
    entry = {
        "path": "dcgan/tiny",
        **files.content["weights"],
        "config_sha256": files.config_sha256,
        "scores": {},
    }
    manifest = {"presets": {"tiny_digits": entry}}
    (tmp_path / presets.MANIFEST).write_text(json.dumps(manifest))
    monkeypatch.setattr(presets, "zoo_folder", lambda: tmp_path)
    return files.folder


def test_presets_have_names(saved, shipped):
    assert zoo.list_presets() == zoo.verify_presets() == ["tiny_digits"]
    assert zoo.preset_info("tiny_digits")["path"] == "dcgan/tiny"
    images = zoo.from_preset("tiny_digits").generate(2)
    np.testing.assert_array_equal(images, saved[0].generate(2))


@pytest.mark.parametrize("ask", [zoo.from_preset, zoo.preset_info])
def test_an_unknown_name_lists_the_nearest(shipped, ask):
    with pytest.raises(ValueError, match=r"no preset 'tiny_digit'.*mean 'tiny_digits'"):
        ask("tiny_digit")


def test_another_preset_in_the_place_of_one_is_refused(shipped):
    rewrite(shipped, lambda arrays: arrays["generator/000"].fill(0))
    PresetFiles.read(shipped)  # by itself it is sound
    for ask in (zoo.verify_presets, lambda: zoo.from_preset("tiny_digits")):
        with pytest.raises(ValueError, match=r"not the one of the manifest.*Expected"):
            ask()


@pytest.mark.parametrize(
    "text",
    ["{", "[" * 100_000, "[]", "{}", '{"presets": 3}', '{"presets": {"a": 3}}'],
    ids="cut deep list empty number entry".split(),
)
def test_a_damaged_manifest_is_one_sentence(shipped, text):
    (shipped.parents[1] / presets.MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=r"manifest.json' cannot be read"):
        zoo.list_presets()


@pytest.mark.parametrize("key", ["path", "sha256", "config_sha256"])
def test_a_manifest_without_a_key_is_one_sentence(shipped, key):
    path = shipped.parents[1] / presets.MANIFEST
    content = json.loads(path.read_text())
    del content["presets"]["tiny_digits"][key]
    path.write_text(json.dumps(content))
    for ask in (zoo.verify_presets, lambda: zoo.from_preset("tiny_digits")):
        with pytest.raises(ValueError, match=f"Expected {key}"):
            ask()


def test_the_presets_of_the_library_are_as_published_and_small():
    names = zoo.verify_presets()
    sizes = [zoo.preset_info(name)["bytes"] for name in names]
    assert sum(sizes) < 60e6
    for name in names:
        files = presets.read_preset(name)
        assert files.content["weights"]["bytes"] == zoo.preset_info(name)["bytes"]


# === Files that are refused ===


def flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "change",
    [flipped, lambda data: data[:-100], lambda data: data + b"more", lambda data: b""],
)
def test_weights_that_are_not_the_saved_ones_are_not_parsed(
    copied, monkeypatch, change
):
    path = copied / WEIGHTS
    path.write_bytes(change(path.read_bytes()))
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(ValueError, match=r"not the one that was saved\. Expected"):
        zoo.from_preset(copied)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file_is_one_sentence(copied, name):
    (copied / name).unlink()
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        zoo.from_preset(copied)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no preset"),
        ("[" * 100_000, "no preset"),
        ("[]", "no preset"),
        ("{}", "no preset"),
        ('{"format": 2}', "format=2"),
        ('{"format": 1}', "not complete"),
        ('{"format": 1, "class": 3, "arguments": [], "weights": {}}', "not complete"),
        (" " * 2**21, "too large"),
    ],
    ids="cut deep list empty newer incomplete types large".split(),
)
def test_other_settings_files_are_refused(copied, text, message):
    (copied / CONFIG).write_text(text)
    with pytest.raises(ValueError, match=message):
        zoo.from_preset(copied)


def test_too_large_a_file_is_not_read(copied, monkeypatch):
    monkeypatch.setattr(presets, "_MAX_WEIGHTS_BYTES", 100)
    with pytest.raises(ValueError, match="too large"):
        PresetFiles.read(copied)


def missing(arrays):
    del arrays["generator/000"]


def surplus(arrays):
    arrays["generator/999"] = np.zeros(3, "float32")


def other_shape(arrays):
    arrays["generator/000"] = arrays["generator/000"].T


def smaller(arrays):
    arrays["generator/000"] = arrays["generator/000"][:-1]


@pytest.mark.parametrize("change", [missing, surplus, other_shape, smaller])
def test_weights_of_another_model_are_refused(copied, change):
    rewrite(copied, change)
    with pytest.raises(ValueError, match=r"weights of another model\. Expected"):
        zoo.from_preset(copied)


SHAPES = {"a": (2, 3)}


def archive_of(array, **options):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=array, **options)
    return buffer.getvalue()


def claiming(shape):
    """A file that says to hold more than it does."""
    entry = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(entry, header)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", entry.getvalue() + bytes(24))
    return buffer.getvalue()


def twice():
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        with zipfile.ZipFile(buffer, "w") as archive:
            for _ in range(2):
                archive.writestr("a.npy", b"")
    return buffer.getvalue()


BAD = {
    "text": b"no archive",
    "half": archive_of(np.zeros((2, 3), "float32"))[:150],
    "float64": archive_of(np.zeros((2, 3))),
    "integers": archive_of(np.zeros((2, 3), "int32")),
    "big endian": archive_of(np.zeros((2, 3), ">f4")),
    "objects": archive_of(np.array([[print] * 3] * 2, dtype=object)),
    "bomb": archive_of(np.zeros((2000, 3000), "float32")),
    "claim": claiming((2**40, 2**20)),
    "negative": claiming((-2, -3)),
    "twice": twice(),
}


@pytest.mark.parametrize("kind", BAD)
def test_other_archives_are_refused_and_nothing_is_unpickled(copied, kind, monkeypatch):
    replace_weights(copied, BAD[kind])
    monkeypatch.setattr("pickle.load", None)
    monkeypatch.setattr("pickle.loads", None)
    with pytest.raises(ValueError, match=r"^The file .*(Expected).*"):
        PresetFiles.read(copied).arrays(SHAPES)


def test_what_is_larger_than_it_must_be_is_not_unpacked(copied, monkeypatch):
    replace_weights(copied, BAD["bomb"])
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    with pytest.raises(ValueError, match="another model"):
        PresetFiles.read(copied).arrays(SHAPES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class": "GAN"}, "Unknown `class`"),
        ({"class": "os.system"}, "Unknown `class`"),
        ({"arguments": {"generator": 1}}, "Unknown `arguments`"),
        ({"arguments": {"widht": 8}}, "Did you mean 'width'"),
        ({"arguments": {"width": 10**9}}, "at most 4096"),
        ({"arguments": {"width": -8}}, "`width`"),
        ({"arguments": {"width": [8]}}, "one plain value"),
        ({"arguments": {"image_shape": [8, 8]}}, "three positive"),
        ({"arguments": {"image_shape": [2**16, 2**16, 1]}}, "at most"),
        ({"arguments": {"image_shape": [8, 8, "1"]}}, "three positive"),
        ({"arguments": {"dtype": "float8"}}, "dtype"),
        ({"arguments": {"mixup": "paper"}}, "must be an object"),
        ({"arguments": {"mixup": {"alhpa": 1.0}}}, "Did you mean 'alpha'"),
        ({"arguments": {"dp": {"l2_norm_clip": -1}}}, "l2_norm_clip"),
    ],
)
def test_settings_that_are_no_model_of_ours_are_refused(copied, changes, message):
    rewrite(copied, **changes)
    with pytest.raises(ValueError, match=message):
        zoo.from_preset(copied)


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 4096},
        {"image_shape": [1024, 1024, 1]},
        {"latent_dim": 4096, "num_classes": 4096, "width": 512},
    ],
)
def test_no_model_is_built_that_the_file_cannot_hold(copied, arguments):
    rewrite(copied, arguments={"image_shape": [8, 8, 1], **arguments})
    with largest_weight() as largest, pytest.raises(ValueError, match="far larger"):
        zoo.from_preset(copied)
    assert largest() < 2**21


@contextlib.contextmanager
def largest_weight():
    """A function that tells the most bytes that a weight made inside has had."""
    sizes = [0]

    def measured(create, **kwargs):
        variable = create(**kwargs)
        sizes.append(variable.shape.num_elements() * variable.dtype.size)
        return variable

    with tf.variable_creator_scope(measured):
        yield lambda: max(sizes)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_neither_written_nor_read(
    copied, monkeypatch, value
):
    def spoil(arrays):
        arrays["discriminator/001"][0] = value

    with pytest.raises(ValueError, match="Expected finite weights"):
        rewrite(copied, spoil)
    with monkeypatch.context() as patch:
        patch.setattr(presets.np, "isfinite", lambda array: np.ones(1, bool))
        rewrite(copied, spoil)
    with pytest.raises(ValueError, match="NaN or infinite"):
        zoo.from_preset(copied)


@pytest.mark.parametrize(
    "counters",
    [
        {},
        {"steps": -1, "num_examples": 0, "expected_batch_size": 0},
        {"steps": 1.5, "num_examples": 0, "expected_batch_size": 0},
        {"steps": 2**70, "num_examples": 0, "expected_batch_size": 0},
    ],
)
def test_counters_that_are_no_numbers_are_refused(copied, counters):
    rewrite(copied, counters=counters)
    with pytest.raises(ValueError, match="does not say how it was trained"):
        zoo.from_preset(copied)


def test_only_models_of_the_library_are_saved(tmp_path):
    class DCGAN(type(tiny.make(compile=False))):
        pass

    model = DCGAN((8, 8, 1), 4, 8, seed=0)
    with pytest.raises(ValueError, match=r"Presets hold models of this library"):
        zoo.save_to_preset(model, tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(saved, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written"):
        zoo.save_to_preset(saved[0], tmp_path / "file" / "preset")


def test_what_could_not_be_read_again_is_not_written(tmp_path, monkeypatch):
    model = tiny.make(latent_dim=5000)
    with pytest.raises(ValueError, match=r"at most 4096, not 5000.*model\.save"):
        model.save_to_preset(tmp_path / "large")
    monkeypatch.setattr(presets, "_MAX_WEIGHTS_BYTES", 1000)
    with pytest.raises(ValueError, match=r"at most 1000 bytes.*model\.save"):
        tiny.make().save_to_preset(tmp_path / "large")
    assert not (tmp_path / "large").exists()


@pytest.mark.long
def test_a_generator_far_smaller_than_its_discriminator_is_read_again(tmp_path):
    model = zoo.stylegan_lite((60, 60, 3), max_width=128, compile=False)
    model.save_to_preset(tmp_path / "small", release="generator")
    images = zoo.from_preset(tmp_path / "small").generate(2, seed=1)
    np.testing.assert_array_equal(images, model.generate(2, seed=1))
