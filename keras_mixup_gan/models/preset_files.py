"""The files of a preset: settings as JSON, weights as plain arrays, and checksums.

A preset is a folder with `preset.json` and `weights.npz`. The JSON file holds the size
and the SHA-256 of the other, which are compared before anything in it is parsed.
Nothing in either file is executed. This module needs NumPy alone.
"""

import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.storage import (
    DamagedFileError,
    digest_bytes,
    reading,
    write_file,
)
from keras_mixup_gan.typing import FloatArray

_npy: Any = np.lib.format
CONFIG, WEIGHTS = "preset.json", "weights.npz"
FORMAT = 1
_MAX_CONFIG_BYTES = 2**20
_MAX_WEIGHTS_BYTES = 2**28
_MAX_HEADER_BYTES = 2**12
_KEYS = {"class", "arguments", "counters", "weights"}


@dataclass(frozen=True)
class PresetFiles:
    """A preset whose files were read and whose checksums are right.

    Attributes:
        folder: Where it lies.
        content: What `preset.json` says.
        config_sha256: SHA-256 of `preset.json`.
        weights: Bytes of `weights.npz`, not parsed yet.
    """

    folder: Path
    content: dict[str, Any]
    config_sha256: str
    weights: bytes

    @classmethod
    def read(
        cls, folder: str | os.PathLike[str], config_sha256: str | None = None
    ) -> "PresetFiles":
        """Reads both files and compares size and checksum of the weights.

        Where the SHA-256 of `preset.json` is known, it is compared before the file is
        parsed.

        Raises:
            ValueError: If a file is missing, too large, no preset, written by a newer
                version, or not the one that was written.
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
        np.savez_compressed(buffer, **plain)
        weights = buffer.getvalue()
        described = {"sha256": digest_bytes(weights), "bytes": len(weights)}
        whole = {"format": FORMAT, **content, "weights": described}
        text = (json.dumps(whole, indent=1, allow_nan=False) + "\n").encode()
        write_file(folder / WEIGHTS, weights)
        write_file(folder / CONFIG, text)
        return cls(folder, whole, digest_bytes(text), weights)

    def arrays(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, FloatArray]:
        """Parses the weights, given the name and shape of every array.

        Raises:
            DamagedFileError: If arrays are missing, of another shape or type, or too
                many.
        """
        path = self.folder / WEIGHTS
        archived = io.BytesIO(self.weights)
        written = "plain arrays written by `model.save_to_preset(folder)`"
        with (
            reading(path, written, "Copy the whole folder again."),
            zipfile.ZipFile(archived) as archive,
        ):
            entries = {
                info.filename.removesuffix(".npy"): info for info in archive.infolist()
            }
            if set(entries) != set(shapes) or len(archive.infolist()) != len(shapes):
                missing = sorted(set(shapes) - set(entries))
                surplus = sorted(set(entries) - set(shapes))
                raise DamagedFileError(
                    f"The file {path} holds the weights of another model. Expected "
                    f"{len(shapes)} arrays, among them {missing[:3]}. Received: "
                    f"{len(archive.infolist())}, among them {surplus[:3]}."
                )
            return {
                name: self._array(archive, entries[name], shape)
                for name, shape in shapes.items()
            }

    def _array(
        self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, shape: tuple[int, ...]
    ) -> FloatArray:
        """One array, unpacked only if it is as large as it must be."""
        size = 4 * math.prod(shape)
        found: Any = f"{info.file_size} bytes"
        if size < info.file_size <= size + _MAX_HEADER_BYTES:
            stream = io.BytesIO(archive.read(info))
            if _npy.read_magic(stream) != (1, 0):
                raise ValueError(f"{info.filename} is written in another format")
            found, is_fortran, dtype = _npy.read_array_header_1_0(stream)
            rest = stream.read()
            if (found, dtype, len(rest)) == (shape, np.dtype("<f4"), size):
                order: Any = "F" if is_fortran else "C"
                return np.frombuffer(rest, "<f4").reshape(shape, order=order)
        raise DamagedFileError(
            f"The file {self.folder / WEIGHTS} holds the weights of another model. "
            f"Expected {info.filename} as float32 of shape {shape}. Received: {found}."
        )


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
    """The bytes of a file, if it is there and of a reasonable size."""
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
