"""Presets: trained models as plain files with checksums, and those that we ship.

A preset is a folder with `preset.json` and `weights.npz`. The JSON file holds the size
and the SHA-256 of the other, which are compared before anything in it is parsed; for
presets of the library they stand in the zoo's manifest. Nothing in the files is
executed. This module needs NumPy alone.
"""

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.models.hub import PREFIX, download
from keras_mixup_gan.models.recipes import zoo_folder
from keras_mixup_gan.storage import (
    DamagedFileError,
    digest_bytes,
    packed_arrays,
    path_of,
    read_json,
    reading,
    write_file,
)
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import did_you_mean

CONFIG, WEIGHTS, MANIFEST = "preset.json", "weights.npz", "manifest.json"
FORMAT = 1
_MAX_CONFIG_BYTES = 2**20
_MAX_WEIGHTS_BYTES = 2**28
_KEYS = {"class", "arguments", "counters", "weights"}


@dataclass(frozen=True)
class PresetFiles:
    """A preset whose files were read and whose checksums are right."""

    folder: Path
    content: dict[str, Any]
    config_sha256: str
    weights: bytes

    @classmethod
    def read(
        cls, folder: str | os.PathLike[str], config_sha256: str | None = None
    ) -> "PresetFiles":
        """Reads both files and compares checksums, that of the settings if it is known.

        A file that is missing, too large, or not the one that was written is refused.
        """
        folder = Path(folder)
        text = _read_bytes(folder / CONFIG, _MAX_CONFIG_BYTES)
        if config_sha256 not in (None, digest_bytes(text)):
            raise ValueError(
                f"The file {folder / CONFIG} is not the one of the manifest. Expected "
                f"sha256 {config_sha256}. Received: {digest_bytes(text)}. Install "
                "keras-mixup-gan again."
            )
        content = _parsed(text, folder)
        expected = content["weights"]
        weights = _read_bytes(folder / WEIGHTS, _MAX_WEIGHTS_BYTES)
        received = {"sha256": digest_bytes(weights), "bytes": len(weights)}
        if received != expected:
            raise ValueError(
                f"The file {folder / WEIGHTS} is not the one that was saved. Expected "
                f"{_digest_words(expected)}. Received: {_digest_words(received)}. "
                "Copy the whole folder again."
            )
        return cls(folder, content, digest_bytes(text), weights)

    @classmethod
    def write(
        cls,
        folder: str | os.PathLike[str],
        content: Mapping[str, Any],
        arrays: Mapping[str, FloatArray],
    ) -> "PresetFiles":
        """Writes weights, as float32, and then the settings, plain JSON values."""
        folder = Path(folder)
        buffer = io.BytesIO()
        plain = {name: np.asarray(array, "<f4") for name, array in arrays.items()}
        for name, array in plain.items():
            if not np.isfinite(array).all():
                raise ValueError(
                    "A preset holds a model that works. Expected finite weights. "
                    f"Received: NaN or infinite values in {name}. Save weights from "
                    "before the training diverged."
                )
        np.savez_compressed(buffer, **plain)
        weights = buffer.getvalue()
        if len(weights) > _MAX_WEIGHTS_BYTES:
            raise ValueError(
                f"A preset holds at most {_MAX_WEIGHTS_BYTES} bytes of weights, and "
                f"larger ones are not read. Received: {len(weights)} bytes. "
                'Save the model with `model.save("model.keras")`.'
            )
        described = {"sha256": digest_bytes(weights), "bytes": len(weights)}
        whole = {"format": FORMAT, **content, "weights": described}
        text = (json.dumps(whole, indent=1, allow_nan=False) + "\n").encode()
        write_file(folder / WEIGHTS, weights)
        write_file(folder / CONFIG, text)
        return cls(folder, whole, digest_bytes(text), weights)

    def arrays(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, FloatArray]:
        """Parses the weights, which must have these names and shapes."""
        path = self.folder / WEIGHTS
        archived = io.BytesIO(self.weights)
        written = "plain arrays written by `model.save_to_preset(folder)`"
        with (
            reading(path, written, "Copy the whole folder again."),
            zipfile.ZipFile(archived) as archive,
        ):
            packed = packed_arrays(archive)
            if sorted(packed) != sorted(shapes):
                missing = sorted(set(shapes) - set(packed))
                surplus = sorted(set(packed) - set(shapes))
                raise DamagedFileError(
                    f"The file {path} holds the weights of another model. Expected "
                    f"{len(shapes)} arrays, among them {missing[:3]}. Received: "
                    f"{len(packed)}, among them {surplus[:3]}."
                )
            for name, shape in shapes.items():
                found = packed[name].shape, packed[name].dtype
                if found != (shape, np.dtype("<f4")):
                    raise DamagedFileError(
                        f"The file {path} holds the weights of another model. Expected "
                        f"{name} as float32 of shape {shape}. Received: {found}."
                    )
            arrays = {name: packed[name].unpack(archive) for name in shapes}
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise DamagedFileError(
                    f"The file {path} holds no weights of a model. Expected finite "
                    f"values. Received: NaN or infinite ones in {name}."
                )
        return arrays


# === The zoo's ===


def list_presets() -> list[str]:
    """Names of the trained models that come with the library, for `from_preset`.

    Example:
        >>> keras_mixup_gan.zoo.list_presets()
        ['dcgan_digits', ...]
    """
    return sorted(read_manifest())


def preset_info(name: str) -> dict[str, Any]:
    """What the manifest says of one of `list_presets()`.

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


def read_preset(preset: str | os.PathLike[str]) -> PresetFiles:
    """The files of a preset by its name, its folder, a file in it, or on the Hub."""
    if isinstance(preset, str) and preset.startswith(PREFIX):
        return PresetFiles.read(download(preset, (CONFIG, WEIGHTS)))
    manifest = read_manifest()
    if isinstance(preset, str) and preset in manifest:
        return _read_shipped(preset, manifest[preset])
    path = path_of(preset)
    if path.name in (CONFIG, WEIGHTS):
        path = path.parent
    if not path.is_dir():
        raise ValueError(_unknown(os.fspath(preset)))
    return PresetFiles.read(path)


def verify_presets() -> list[str]:
    """Compares all presets of the library with the manifest, and returns their names.

    Raises:
        ValueError: If a file is missing or is not the one of the manifest.
    """
    manifest = read_manifest()
    for name, entry in manifest.items():
        _read_shipped(name, entry)
    return sorted(manifest)


def read_manifest() -> dict[str, Any]:
    """The manifest's entries by name."""
    path = zoo_folder() / MANIFEST
    if not path.is_file():
        return {}
    what, remedy = "JSON with an object 'presets'", "Install keras-mixup-gan again."
    content = read_json(path, what, remedy)
    with reading(path, what, remedy):
        return {name: dict(entry) for name, entry in content["presets"].items()}


# === Reading ===


def _read_shipped(name: str, entry: dict[str, Any]) -> PresetFiles:
    missing = {"path", "sha256", "config_sha256"} - set(entry)
    if missing:
        raise ValueError(
            f"The manifest does not say enough of {name!r}. Expected "
            f"{', '.join(sorted(missing))}. Received: {', '.join(map(str, entry))}. "
            "Install keras-mixup-gan again."
        )
    files = PresetFiles.read(zoo_folder() / entry["path"], entry["config_sha256"])
    received = files.content["weights"]["sha256"]
    if received != entry["sha256"]:
        raise ValueError(
            f"The preset {name!r} is not the one of the manifest. Expected sha256 "
            f"{entry['sha256'][:12]} of {WEIGHTS}. Received: {received[:12]}. Install "
            "keras-mixup-gan again."
        )
    return files


def _parsed(text: bytes, folder: Path) -> dict[str, Any]:
    """What `preset.json` says, if it has the form of a preset."""
    path = folder / CONFIG
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise ValueError(
            f"The file {path} is no preset. Expected JSON written by "
            "`model.save_to_preset(folder)`. Copy the whole folder again."
        )
    if content["format"] != FORMAT:
        raise ValueError(
            f"The preset {folder} is of a format that this version does not read. "
            f"Expected format {FORMAT}. Received: format={content['format']}. Upgrade "
            "keras-mixup-gan."
        )
    weights = content.get("weights")
    plain = all(isinstance(content.get(key), dict) for key in _KEYS - {"class"})
    if not (plain and isinstance(content.get("class"), str)) or set(weights or ()) != {
        "sha256",
        "bytes",
    }:
        raise ValueError(
            f"The file {path} is not complete. Expected {', '.join(sorted(_KEYS))}. "
            f"Received: {', '.join(sorted(map(str, content)))}. Copy the whole folder "
            "again."
        )
    return content


def _read_bytes(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ValueError(
            f"The preset file {path} cannot be read ({error.strerror}). Expected a "
            f"folder with {CONFIG} and {WEIGHTS}, as `model.save_to_preset(folder)` "
            "writes it."
        ) from error
    if len(data) > limit:
        raise ValueError(
            f"The file {path} is too large for a preset. Expected at most {limit} "
            f"bytes. Received: more than that. Copy the whole folder again."
        )
    return data


def _digest_words(described: Mapping[str, Any]) -> str:
    return f"{described['bytes']} bytes with sha256 {str(described['sha256'])[:12]}"


def _unknown(preset: str) -> str:
    names = list_presets()
    known = ", ".join(map(repr, names)) or "none, as the zoo is empty"
    return (
        f"There is no preset {preset!r}. Expected one of {known}, or a folder with "
        f"{CONFIG}. Received: preset={preset!r}, looked up from {Path.cwd()}."
        f"{did_you_mean(preset, names, cutoff=0.4)}"
    )
