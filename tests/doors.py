"""What the cases of `test_doors.py` and `test_any_input.py` are made of."""

import doctest
import functools
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import audit, privacy, storage, zoo
from keras_mixup_gan.data import Images, load_images
from keras_mixup_gan.experiments import read_results
from keras_mixup_gan.experiments.results import write_results
from keras_mixup_gan.models.presets import PresetFiles
from keras_mixup_gan.models.saving import load_gan
from tests.attacks.fakes import images
from tests.data import test_folders as folders
from tests.data.test_hostile_files import claim
from tests.experiments import fake_results as fake
from tests.models import tiny
from tests.zoo.test_presets import rewrite

NAN, INF = float("nan"), float("inf")
IMAGES, LABELS = tiny.random_images(8), tiny.random_labels(8)
SQUARE = IMAGES[:1]
FEATURES = np.random.default_rng(0).normal(size=(40, 4))
WHOLE = claim((1, 8, 8, 1))
PRESET, MODEL, FILE = Path("in/preset"), Path("in/model.keras"), Path("d.npz")


@pytest.fixture(scope="module")
def given_files(tmp_path_factory):
    """A model with named classes, as a preset and a file, and images."""
    place = tmp_path_factory.mktemp("given")
    model = tiny.eager(num_classes=tiny.NUM_CLASSES, class_names=["a", "b", "c"])
    model.save_to_preset(place / "preset")
    model.save(place / "model.keras")
    diverged().save(place / "nan.keras")
    np.savez(place / "images.npz", images=IMAGES, labels=LABELS)
    others = tiny.random_images(8, seed=1)
    np.savez(place / "others.npz", images=others, labels=LABELS)
    folders.put(place / "folder" / "0.png", size=(8, 8))
    return place


@pytest.fixture
def here(given_files, tmp_path, monkeypatch):
    """The folder that a case works in; `in` has what it is given."""
    place = tmp_path / "here"
    shutil.copytree(given_files, place / "in")
    monkeypatch.chdir(place)
    yield
    assert list(tmp_path.iterdir()) == [place]  # nothing was written elsewhere


# === Models ===


@functools.cache
def model():
    return tiny.eager(num_classes=tiny.NUM_CLASSES, class_names=["a", "b", "c"])


@functools.cache
def plain():
    return tiny.eager()


def diverged():
    model = tiny.eager()
    for network in (model.ema_generator, model.discriminator):
        network.weights[0].assign(network.weights[0] * NAN)
    return model


def fit(x=IMAGES, *, dp=None, mixup=False, **arguments):
    settings = {"batch_size": None if isinstance(x, tf.data.Dataset) else 4}
    return tiny.eager(dp=dp, mixup=mixup).fit(
        x, **{"verbose": 0, **settings, **arguments}
    )


def batches(*parts, size=4):
    return tf.data.Dataset.from_tensor_slices(parts).batch(size)


def build(family="dcgan", **arguments):
    return getattr(zoo, family)(**{"image_shape": (8, 8, 1), **arguments})


def of_classes(*names):
    return Images(IMAGES[: len(names)], np.arange(len(names)), names)


def audited(target=None, **options):
    parts = {"members": images(20, 1), "non_members": images(20, 2), "blind": False}
    return audit(target, **{**parts, "copies": False, **options})


# === Files ===


def put(name, content):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def arrays(**entries):
    np.savez(FILE, **entries)
    return load_images(FILE)


def preset(spoil=None, **changes):
    rewrite(PRESET, spoil, **changes)
    return zoo.from_preset(PRESET)


def arguments(**changes):
    known = PresetFiles.read(PRESET).content["arguments"]
    return preset(arguments={**known, **changes})


def counters(steps):
    fixed = {"num_examples": 0, "expected_batch_size": 0}
    return preset(counters={"steps": steps, **fixed})


def keras_file(entries):
    """A `.keras` file with entries changed."""
    with zipfile.ZipFile(MODEL) as old:
        files = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile("changed.keras", "w") as new:
        for name, content in {**files, **entries}.items():
            new.writestr(name, content)
    return Path("changed.keras")


def config(text):
    return load_gan(keras_file({"config.json": text}))


def listing(*names, links=()):
    """The images of a new folder."""
    for name in names:
        (folders.put if name.endswith(".png") else folders.touch)(Path("new", name))
    for name, to in links:
        folders.link(Path("new", name), to)
    return load_images("new")


def sealed(old, new):
    path = storage.write_sealed(Path("state.json"), {"auc": 0.5, "step": 2})
    path.write_text(path.read_text().replace(old, new))
    return storage.unseal(storage.read_json(path, "a state", "Run again."))


def results():
    return write_results(fake.results(*fake.family(fake.UNDEFENDED)), Path())


def changed_results(change):
    path = results()
    path.write_text(change(path.read_text()))
    return read_results(path)


def written(name, **content):
    return storage.write_json(Path(name), content)


def private_mode(name):
    return storage.write_file(Path(name), b"", private=True).stat().st_mode & 0o777


# === Numbers ===


def uint16(high, dtype="uint16"):
    return np.array([0, high] * 8, dtype).reshape(1, 4, 4, 1)


def examples(module):
    return doctest.testmod(module).failed


def profile(epsilons, noise=1.0, steps=3):
    return privacy.privacy_profile(0.1, noise, steps, epsilons)
