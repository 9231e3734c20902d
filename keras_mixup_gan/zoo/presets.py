"""Trained models that come with the library, and the folders that users save theirs to.

Importing this module does not import TensorFlow.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_mixup_gan.models.preset_files import CONFIG, WEIGHTS, PresetFiles
from keras_mixup_gan.models.recipes import compile_from, load_recipe, zoo_folder
from keras_mixup_gan.storage import read_json, reading
from keras_mixup_gan.validation import did_you_mean

if TYPE_CHECKING:
    from keras_mixup_gan.models.gan import GAN

MANIFEST = "manifest.json"


def list_presets() -> list[str]:
    """Names of the trained models that come with the library.

    Returns:
        Names that `from_preset` takes, in alphabetical order.

    Example:
        >>> keras_mixup_gan.zoo.list_presets()
        ['dcgan_digits', ...]
    """
    return sorted(read_manifest())


def preset_info(name: str) -> dict[str, Any]:
    """What the manifest says of a preset.

    Args:
        name: One of `list_presets()`.

    Returns:
        Its `path` in the zoo, `sha256` and `bytes` of the weights, `config_sha256`,
        `keras` version, `scores` (image quality, the strongest attack, epsilon) and
        the `command` that trains it again.

    Raises:
        ValueError: If there is no such preset; the message names the nearest ones.
    """
    manifest = read_manifest()
    if name not in manifest:
        raise ValueError(_unknown(name))
    return dict(manifest[name])


def from_preset(preset: str | os.PathLike[str], *, compile: bool = True) -> "GAN":
    """A trained model, by its name or from a folder.

    Nothing in the files is executed; the checksum of the weights is compared before
    anything in them is parsed, and for presets of the library it stands in the
    manifest.

    Args:
        preset: One of `list_presets()`; or a folder that `model.save_to_preset` wrote,
            or a file in it.
        compile: Whether to compile with the recipe's optimizers, to train further.

    Returns:
        The model. Its generator is the average that was saved.

    Raises:
        ValueError: If there is no such preset, or its files were tampered with, are
            truncated or do not fit together.
        ImportError: If the model needs an extra that is not installed.

    Example:
    ```python
    model = keras_mixup_gan.zoo.from_preset("dcgan_digits_mixup")
    images = model.generate(64)
    ```
    """
    from keras_mixup_gan.models.saving import load_preset

    model = load_preset(read_preset(preset))
    if compile:
        compile_from(load_recipe(model.family), model)
    return model


def save_to_preset(model: "GAN", folder: str | os.PathLike[str]) -> Path:
    """Writes a model's weights and settings to a folder.

    Args:
        model: A model of this library.
        folder: Where to; missing folders are made. It then holds `preset.json` and
            `weights.npz`: the averaged generator and the discriminator, no optimizers.

    Returns:
        The folder.

    Raises:
        ValueError: If the model is of another class, or the files cannot be written.

    Example:
    ```python
    keras_mixup_gan.zoo.save_to_preset(model, "my_gan")
    same = keras_mixup_gan.zoo.from_preset("my_gan")
    ```
    """
    from keras_mixup_gan.models.saving import save_preset

    return save_preset(model, folder).folder


def read_preset(preset: str | os.PathLike[str]) -> PresetFiles:
    """The files of a preset, their checksums compared; see `from_preset`."""
    manifest = read_manifest()
    if isinstance(preset, str) and preset in manifest:
        return _read_shipped(preset, manifest[preset])
    path = Path(preset).expanduser()
    if path.name in (CONFIG, WEIGHTS):
        path = path.parent
    if not path.is_dir():
        raise ValueError(_unknown(os.fspath(preset)))
    return PresetFiles.read(path)


def verify_presets() -> list[str]:
    """Compares all presets of the library with the manifest.

    Returns:
        Their names.

    Raises:
        ValueError: If a file is missing or is not the one of the manifest.
    """
    manifest = read_manifest()
    for name in sorted(manifest):
        _read_shipped(name, manifest[name])
    return sorted(manifest)


def read_manifest() -> dict[str, Any]:
    """The manifest's entries by name; none where nothing was trained yet."""
    path = zoo_folder() / MANIFEST
    if not path.is_file():
        return {}
    what, remedy = "JSON with an object 'presets'", "Install keras-mixup-gan again."
    content = read_json(path, what, remedy)
    with reading(path, what, remedy):
        return dict(content["presets"])


def _read_shipped(name: str, entry: dict[str, Any]) -> PresetFiles:
    files = PresetFiles.read(zoo_folder() / entry["path"], entry["config_sha256"])
    received = files.content["weights"]["sha256"]
    if received != entry["sha256"]:
        raise ValueError(
            f"The preset {name!r} is not the one of the manifest. Expected sha256 "
            f"{entry['sha256'][:12]} of {WEIGHTS}. Received: {received[:12]}. Install "
            "keras-mixup-gan again."
        )
    return files


def _unknown(preset: str) -> str:
    names = list_presets()
    known = ", ".join(map(repr, names)) or "none, as the zoo is empty"
    return (
        f"There is no preset {preset!r}. Expected one of {known}, or a folder with "
        f"{CONFIG}. Received: preset={preset!r}, looked up from {Path.cwd()}."
        f"{did_you_mean(preset, names, cutoff=0.4)}"
    )
