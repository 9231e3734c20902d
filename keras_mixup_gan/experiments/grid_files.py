"""The files of a grid: finished cells by the hash of their settings and the code."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keras_mixup_gan.experiments.cell import write_json
from keras_mixup_gan.experiments.code_version import code_version
from keras_mixup_gan.experiments.suite import GridCell, Suite
from keras_mixup_gan.storage import write_file
from keras_mixup_gan.versions import software_versions

SCHEMA_VERSION = 2
RESULTS, ENTRY = "results.json", "entry.json"
MODEL, SCORES = "model.keras", "scores.npz"


class GridFiles:
    """The files of a grid; an entry is written last and vouches for the others.

    Args:
        suite: What is run.
        folder: Where everything lies.
        accept: Code versions whose cells count too, beside that of this code: all
            digits, or the first of one that made cells of `results.json`.

    Raises:
        ValueError: If the folder cannot be used.
    """

    def __init__(self, suite: Suite, folder: Path, accept: Iterable[str] = ()) -> None:
        self.suite, self.folder = suite, folder
        self.entries: dict[str, dict[str, Any]] = {}
        self._read: set[str] = set()  # from the cells' own files, which may be newer
        try:
            folder.mkdir(parents=True, exist_ok=True)
            earlier = folder / RESULTS
            if earlier.exists():
                content = json.loads(earlier.read_text("utf-8"))
                self.entries = {entry["key"]: entry for entry in content["cells"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"The folder {str(folder)!r} cannot be used: {error}. Expected a "
                "writable folder of a grid. Choose another `--out`."
            ) from error
        known = {str(entry.get("code")) for entry in self.entries.values()}
        accepted = [
            code
            for start in accept
            for code in sorted(k for k in known if k.startswith(start)) or [start]
        ]
        self.codes = (code_version(), *accepted)

    def place(self, name: str, key: str) -> Path:
        """The folder of a cell; other settings and other code have other folders."""
        return self.folder / "cells" / name / key[:16]

    def entry(self, cell: GridCell) -> dict[str, Any] | None:
        """What is known of a cell, or `None` if it is not finished."""
        for code in self.codes:
            key = cell_key(cell, code)
            path = self.place(cell.cell.name, key) / ENTRY
            if key not in self._read and path.exists():
                self.entries[key] = json.loads(path.read_text("utf-8"))
                self._read.add(key)
            if key in self.entries:
                own = {"arm": cell.arm, "group": cell.group, "code": code}
                return {**self.entries[key], **own}
        return None

    def keep(self, entry: dict[str, Any], files: dict[str, bytes]) -> None:
        """Keeps a finished cell, its entry last."""
        key = entry["key"]
        place = self.place(entry["name"], key)
        place.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_file(place / name, content)
        self.entries[key] = write_json(place / ENTRY, entry)
        self._read.add(key)
        shutil.rmtree(unfinished(self.folder, key), ignore_errors=True)

    def model_path(self, cell: GridCell) -> Path | None:
        """Where the trained model of a finished cell lies, if it is here."""
        entry = self.entry(cell)
        if entry is None:
            return None
        path = self.place(entry["name"], entry["key"]) / MODEL
        return path if path.exists() else None

    def write(self) -> dict[str, Any]:
        """Writes `results.json` of the cells that are there."""
        known = {
            cell.cell.name: self.entry(cell)
            for block in self.suite.blocks
            for cell in self.suite.cells(block)
        }
        return write_json(
            self.folder / RESULTS,
            {
                "schema_version": SCHEMA_VERSION,
                "kind": "grid",
                "suite": self.suite.to_dict(),
                "code": self.codes[0],
                "versions": software_versions(),
                "missing": [name for name, entry in known.items() if entry is None],
                "cells": [entry for entry in known.values() if entry is not None],
            },
        )


def unfinished(folder: Path, key: str) -> Path:
    """Where a cell lies while it is computed on this machine."""
    return folder / "unfinished" / key[:16]


def cell_key(cell: GridCell, code: str | None = None) -> str:
    """Hash of all that a cell's numbers are a function of.

    Args:
        cell: The cell.
        code: Version of the code; by default that of this code.

    Returns:
        64 hexadecimal digits.
    """
    settings = dataclasses.asdict(cell)
    settings["cell"]["defense"]["kind"] = type(cell.cell.defense).__name__
    del settings["group"]
    if "dp" in settings["cell"]["defense"]:  # options that are not used, or not yet
        dp = settings["cell"]["defense"]["dp"]
        dp = {name: value for name, value in dp.items() if value is not None}
        settings["cell"]["defense"]["dp"] = dp
    if Path(cell.data.data).exists():  # a folder or a file, whose content may change
        split, _ = cell.data.game(cell.members, cell.cell.seed)
        settings["split"] = split.content_hash
    content = {
        "cell": settings,
        "code": code or code_version(),
        "versions": software_versions(),
    }
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
