"""The files of a grid: finished cells by the hash of their settings and the code."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from keras_mixup_gan.attacks.results import software_versions
from keras_mixup_gan.attacks.shadows import write_bytes
from keras_mixup_gan.experiments.cell import write_json
from keras_mixup_gan.experiments.code_version import code_version
from keras_mixup_gan.experiments.suite import GridCell, Suite

SCHEMA_VERSION = 2
RESULTS, ENTRY = "results.json", "entry.json"
MODEL, SCORES = "model.keras", "scores.npz"


class GridFiles:
    """The files of a grid; an entry is written last and vouches for the others."""

    def __init__(self, suite: Suite, folder: Path) -> None:
        self.suite, self.folder = suite, folder
        self.entries: dict[str, dict[str, Any]] = {}
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

    def place(self, cell: GridCell) -> Path:
        """The folder of a finished cell; other settings have other folders."""
        return self.folder / "cells" / cell.cell.name / cell_key(cell)[:16]

    def entry(self, cell: GridCell) -> dict[str, Any] | None:
        """What is known of a cell, or `None` if it is not finished."""
        key = cell_key(cell)
        if key not in self.entries:
            path = self.place(cell) / ENTRY
            if not path.exists():
                return None
            self.entries[key] = json.loads(path.read_text("utf-8"))
        return self.entries[key]

    def keep(
        self, cell: GridCell, entry: dict[str, Any], files: dict[str, bytes]
    ) -> None:
        """Keeps a finished cell, its entry last."""
        place = self.place(cell)
        place.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_bytes(place / name, content)
        self.entries[cell_key(cell)] = write_json(place / ENTRY, entry)

    def model_path(self, cell: GridCell) -> Path | None:
        """Where the trained model of a finished cell lies, if it is here."""
        path = self.place(cell) / MODEL
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
                "code": code_version(),
                "versions": software_versions(),
                "missing": [name for name, entry in known.items() if entry is None],
                "cells": [entry for entry in known.values() if entry is not None],
            },
        )


def cell_key(cell: GridCell) -> str:
    """Hash of all that a cell's numbers are a function of, the code included."""
    settings = dataclasses.asdict(cell)
    settings["cell"]["defence"]["kind"] = type(cell.cell.defence).__name__
    del settings["group"]
    content = {
        "cell": settings,
        "code": code_version(),
        "versions": software_versions(),
    }
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
