"""Loads a saved model of this library, and nothing that a file could smuggle in."""

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_mixup_gan.models.trained import TrainedGAN

PACKAGE = "keras_mixup_gan"
_MAX_CONFIG_BYTES = 2**24


def load_gan(path: str | os.PathLike[str]) -> TrainedGAN:
    """Loads a GAN that was saved by `model.save("name.keras")`.

    Before anything is built, the file's configuration is read as plain JSON and must
    name no classes but those of Keras and those registered by this library; Lambda
    layers and other code are refused. Then Keras loads it in its safe mode.

    Args:
        path: The `.keras` file.

    Returns:
        The model, with its optimizers and its random state.

    Raises:
        ValueError: If there is no such file, it is damaged, or it holds something else
            than a model of this library.

    Example:
    ```python
    model = keras_mixup_gan.models.loading.load_gan("model.keras")
    ```
    """
    path = Path(path)
    config = _read_config(path)
    for entry in _class_entries(config):
        _check_entry(entry, path)
    if not str(config.get("registered_name")).startswith(f"{PACKAGE}>"):
        raise ValueError(
            f"The file {path} holds no model of this library. Expected one of its "
            f"GANs. Received: class_name={config.get('class_name')!r}. Audit other "
            "models from Python, `keras_mixup_gan.audit(...)`."
        )
    try:
        model = keras.saving.load_model(path, safe_mode=True)
    except Exception as error:
        raise _damaged(path, error) from error
    if not isinstance(model, TrainedGAN):
        raise ValueError(
            f"The file {path} holds no GAN. Received: {type(model).__name__}. Save "
            'the whole model with `model.save("model.keras")`.'
        )
    return model


def _read_config(path: Path) -> dict[str, Any]:
    """The configuration inside a file, as plain JSON."""
    if not path.is_file():
        raise ValueError(
            f"There is no file {path}. Expected a model saved by `model.save("
            f'"model.keras")`. Received: a path looked up from {Path.cwd()}.'
        )
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
                raise ValueError("its configuration is too large")
            config = json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    if not isinstance(config, dict):
        raise _damaged(path, ValueError("its configuration is no model"))
    return config


def _class_entries(value: Any) -> Iterator[dict[str, Any]]:
    """Every part of a configuration that names a class or a function."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part or "registered_name" in part:
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _check_entry(entry: dict[str, Any], path: Path) -> None:
    """Raises unless an entry names a class of Keras or of this library."""
    name = str(entry.get("class_name"))
    module = str(entry.get("module") or "keras")
    registered = entry.get("registered_name")
    is_ours = str(registered).startswith(f"{PACKAGE}>")
    is_keras = registered in (None, name) and module.split(".")[0] == "keras"
    if not (is_ours or is_keras) or name in ("Lambda", "__lambda__", "function"):
        raise ValueError(
            f"The file {path} asks for code that is not loaded from files. Expected "
            f"classes of Keras and of {PACKAGE} alone. Received: "
            f"{module}.{name}, registered_name={registered!r}."
        )


def _damaged(path: Path, error: Exception) -> ValueError:
    reason = " ".join(str(error).split())[:200]
    return ValueError(
        f"The file {path} could not be read as a model ({reason}). Expected a complete "
        'file written by `model.save("model.keras")`. Save or copy it again.'
    )
