"""The package as it is installed and imported."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
from keras_mixup_gan.zoo.factories import load_recipe

model = keras_mixup_gan.zoo.dcgan(mixup=True)
print(json.dumps({
    "file": keras_mixup_gan.__file__,
    "requested": sorted(requested),
    "width": model.width,
    "recipe": load_recipe("dcgan"),
}))
"""


def probe(path, folder):
    """Imports the package from a path, in another process and folder."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which a freshly built wheel was installed."""
    folder = tmp_path_factory.mktemp("wheel")
    source, target = folder / "source", folder / "installed"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in ("keras_mixup_gan", "zoo"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
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


def test_an_installed_wheel_works_anywhere_and_without_extras(installed, tmp_path):
    found = probe(installed, tmp_path)
    assert Path(found["file"]).is_relative_to(installed)
    assert found["requested"] == []
    assert found["recipe"] == json.loads(json.dumps(_checkout_recipe()))
    assert found["width"] == found["recipe"]["model"]["width"]


def test_a_wheel_holds_what_the_package_reads_at_run_time(installed):
    package = installed / "keras_mixup_gan"
    assert (package / "py.typed").is_file()
    assert (package / "zoo" / "recipes" / "dcgan" / "recipe.toml").is_file()
    source = installed.parent / "source" / "keras_mixup_gan"
    shipped = [path for path in source.rglob("*") if path.is_file()]
    assert len(shipped) > 20
    for path in shipped:
        assert (package / path.relative_to(source)).is_file(), path
    # The tests and the checkout's own folders stay out.
    assert not (installed / "tests").exists()
    assert not (installed / "zoo").exists()


def _checkout_recipe():
    from keras_mixup_gan.zoo.factories import load_recipe

    return load_recipe("dcgan")


def test_recipes_are_read_from_the_checkout_here():
    from keras_mixup_gan.zoo.factories import _recipes

    assert _recipes() == ROOT / "zoo"
    assert _checkout_recipe()["model"]["latent_dim"] > 0


def test_extras_and_version_agree_with_the_package():
    import importlib.metadata

    import keras_mixup_gan

    metadata = importlib.metadata.metadata("keras-mixup-gan")
    assert metadata["Version"] == keras_mixup_gan.__version__
    assert {"all", "dev", "dp", "patches", "report", "tfds"} <= set(
        metadata.get_all("Provides-Extra")
    )
