"""The package as it is installed and imported."""

import importlib
import importlib.metadata
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_mixup_gan
from keras_mixup_gan import lazy, zoo
from keras_mixup_gan.models.presets import PresetFiles
from tests.models import tiny

ROOT = Path(__file__).resolve().parents[1]

PROBE = """
import json, sys

sys.path.insert(0, sys.argv[1])
requested = set()
extras = "tensorflow_privacy matplotlib jinja2 tensorflow_datasets skimage".split()

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in extras:
            requested.add(name)
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import keras  # which itself asks for some of them

requested.clear()
import keras_mixup_gan
from keras_mixup_gan.models.recipes import load_recipe

model = keras_mixup_gan.zoo.dcgan(mixup=True)
preset = keras_mixup_gan.zoo.from_preset("tiny_digits")
print(json.dumps({
    "file": keras_mixup_gan.__file__,
    "requested": sorted(requested),
    "width": model.width,
    "recipe": load_recipe("dcgan"),
    "presets": keras_mixup_gan.zoo.verify_presets(),
    "image": preset.generate(1).tolist(),
}))
"""

LAZY_PROBE = """
import json, sys

import keras_mixup_gan
from keras_mixup_gan.models.recipes import list_families

presets = keras_mixup_gan.zoo.verify_presets()
models = list_families()
light = not {"keras", "tensorflow"} & set(sys.modules)

import keras

assert keras_mixup_gan.AttackTarget  # the package is used, none of its models is
models_imported = "keras_mixup_gan.models.dcgan" in sys.modules
loaded = [keras.saving.load_model(path) for path in sys.argv[1:]]
print(json.dumps({
    "file": keras_mixup_gan.__file__,
    "presets": presets,
    "models": models,
    "light": light,
    "models_imported": models_imported,
    "loaded": [type(model).__name__ for model in loaded],
    "image": loaded[0].generate(1).tolist(),
    "same": type(loaded[0]) is keras_mixup_gan.models.DCGAN,
}))
"""

EDITABLE_PROBE = """
import json
from importlib import metadata

from keras_mixup_gan.models.recipes import list_families, zoo_folder

origin = metadata.distribution("keras-mixup-gan").read_text("direct_url.json")
print(json.dumps({
    "origin": json.loads(origin or "{}"),
    "zoo": str(zoo_folder()),
    "models": list_families(),
}))
"""


def probe(folder, *arguments, code=PROBE, **environment):
    """Imports the package in another process and folder."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def model():
    return tiny.make(num_classes=tiny.NUM_CLASSES, mixup=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory, model):
    """A copy of the checkout whose zoo has one preset."""
    source = tmp_path_factory.mktemp("wheel") / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in ("keras_mixup_gan", "zoo", "benchmarks/suites"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    files = PresetFiles.read(zoo.save_to_preset(model, source / "zoo/dcgan/tiny"))
    entry = {
        "path": "dcgan/tiny",
        **files.content["weights"],
        "config_sha256": files.config_sha256,
    }
    manifest = {"presets": {"tiny_digits": entry}}
    (source / "zoo" / "manifest.json").write_text(json.dumps(manifest))
    return source


@pytest.fixture(scope="module")
def installed(source):
    """A folder into which a freshly built wheel was installed."""
    folder = source.parent
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    for command in (
        [*pip, "wheel", *offline, "-w", str(folder), str(source)],
        [*pip, "install", *offline, "--target", str(target)],
    ):
        if "install" in command:
            [wheel] = folder.glob("*.whl")
            command.append(str(wheel))
        subprocess.run(command, check=True, timeout=300)
    return target


@pytest.mark.long
def test_an_installed_wheel_works_anywhere_and_without_extras(
    installed, model, tmp_path
):
    found = probe(tmp_path, installed)
    assert Path(found["file"]).is_relative_to(installed)
    assert found["requested"] == []
    assert found["recipe"] == json.loads(json.dumps(_checkout_recipe()))
    assert found["width"] == found["recipe"]["model"]["width"]
    assert found["presets"] == ["tiny_digits"]
    assert found["image"] == model.generate(1).tolist()


@pytest.mark.long
def test_a_plain_checkout_finds_its_zoo_and_keras_its_classes(source, model, tmp_path):
    """Keras finds them although no module with a model was imported."""
    paths = [tmp_path / "model.keras", tmp_path / "network.keras"]
    model.save(paths[0])
    model.discriminator.save(paths[1])
    found = probe(tmp_path, *paths, code=LAZY_PROBE, PYTHONPATH=str(source))
    assert Path(found["file"]).is_relative_to(source)
    assert found["light"]
    assert not found["models_imported"]
    assert found["presets"] == ["tiny_digits"]
    assert "dcgan" in found["models"]
    assert found["loaded"] == ["DCGAN", "Functional"]
    assert found["same"]
    assert found["image"] == model.generate(1).tolist()


def test_an_editable_install_finds_the_zoo_of_the_checkout(tmp_path):
    found = probe(tmp_path, code=EDITABLE_PROBE)
    if not found["origin"].get("dir_info", {}).get("editable"):
        pytest.skip("the package is not installed in editable form")
    assert found["zoo"] == str(ROOT / "zoo")
    assert "dcgan" in found["models"]


def test_every_registered_class_is_announced_where_it_is():
    """Keras finds classes by the table although their modules are not imported."""
    for module in pkgutil.walk_packages(keras_mixup_gan.__path__, "keras_mixup_gan."):
        importlib.import_module(module.name)
    package = lazy.PACKAGE
    registered = {
        (found.__module__, name)
        for name, found in keras.saving.get_custom_objects().items()
        if name.startswith(f"{package}>") and found.__module__.startswith(package)
    }
    assert registered == {
        (f"{package}.{module}", f"{package}>{name}")
        for module, names in lazy.CLASSES.items()
        for name in names
    }


def test_a_wheel_holds_what_the_package_reads_at_run_time(installed):
    package = installed / "keras_mixup_gan"
    assert (package / "py.typed").is_file()
    recipes = package / "zoo" / "recipes"
    assert (recipes / "dcgan" / "recipe.toml").is_file()
    for preset in (installed.parent / "source" / "zoo").glob("*/*/preset.json"):
        for name in ("preset.json", "weights.npz"):
            held = recipes / preset.parents[1].name / preset.parent.name / name
            assert held.is_file(), held
    source = installed.parent / "source" / "keras_mixup_gan"
    shipped = [path for path in source.rglob("*") if path.is_file()]
    assert len(shipped) > 20
    for path in shipped:
        assert (package / path.relative_to(source)).is_file(), path
    suites = package / "experiments" / "suites"
    assert {path.stem for path in suites.glob("*.toml")} >= {"smoke", "paper", "full"}
    # The tests and the checkout's own folders stay out.
    assert not (installed / "tests").exists()
    assert not (installed / "zoo").exists()


def test_what_is_public_is_listed_and_there():
    packages = [
        *("attacks", "auditing", "callbacks", "data", "defenses", "experiments"),
        *("metrics", "models", "privacy", "reports", "statistics", "theory", "zoo"),
    ]
    for package in (keras_mixup_gan, *map(_package, packages)):
        for name in package.__all__:
            assert getattr(package, name) is not None, name
        listed = {
            name
            for name, value in vars(package).items()
            if not name.startswith("_") and _is_own(value, package.__name__)
        }
        hidden = {"lazy_names", "family_class", "list_families"}
        assert listed - hidden <= set(package.__all__), package


def _package(name):
    return importlib.import_module(f"keras_mixup_gan.{name}")


def _is_own(value, package):
    """Whether this was imported into a package to be found there."""
    return str(getattr(value, "__module__", "")).startswith("keras_mixup_gan")


def _checkout_recipe():
    from keras_mixup_gan.models.recipes import load_recipe

    return load_recipe("dcgan")


def test_recipes_are_read_from_the_checkout_here():
    from keras_mixup_gan.models.recipes import zoo_folder

    assert zoo_folder() == ROOT / "zoo"
    assert _checkout_recipe()["model"]["latent_dim"] > 0


def test_extras_and_version_agree_with_the_package():
    metadata = importlib.metadata.metadata("keras-mixup-gan")
    assert metadata["Version"] == keras_mixup_gan.__version__
    assert {"all", "dev", "dp", "patches", "report", "tfds"} <= set(
        metadata.get_all("Provides-Extra")
    )
