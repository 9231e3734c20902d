"""The comparison of defenses as plain text, Markdown, one HTML page and pictures."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup_gan import storage
from keras_mixup_gan.experiments.comparison import SCHEMA_VERSION
from keras_mixup_gan.reports import compare_figures as draw
from keras_mixup_gan.reports import compare_notes as notes
from keras_mixup_gan.reports import compare_page as page
from keras_mixup_gan.reports import compare_samples as samples
from keras_mixup_gan.reports import compare_table as table
from keras_mixup_gan.reports import compare_words as words
from keras_mixup_gan.reports import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_DPI = 160


def to_text(results: dict[str, Any]) -> str:
    """The outcome and two tables of plain text, about 100 columns wide.

    Args:
        results: Content of `results.json`.

    Returns:
        The text.

    Raises:
        ValueError: If the results have another schema.
    """
    _check_schema(results)
    return table.as_text(results)


def save(results: dict[str, Any], folder: str | os.PathLike[str]) -> list[Path]:
    """Writes `report.md` and `report.html`, a page that needs no other file.

    Args:
        results: Content of `results.json`.
        folder: Where `results.json` and `cells/` are, and the reports go.

    Returns:
        The two paths.

    Raises:
        ValueError: If the results have another schema, the raw scores are missing, or
            the folder cannot be written.
        ImportError: If the `report` extra is missing.
    """
    pages = {"report.md": to_markdown(results), "report.html": to_html(results, folder)}
    return [
        storage.write_file(Path(folder) / name, page.encode())
        for name, page in pages.items()
    ]


def save_figures(
    results: dict[str, Any],
    folder: str | os.PathLike[str],
    target: str | os.PathLike[str],
) -> list[Path]:
    """Writes the pictures of `figures` as PNG files.

    Args:
        results: Content of `results.json`.
        folder: Where `cells/` is.
        target: Folder to write to.

    Returns:
        The paths: `frontier.png` and `samples.png`.

    Raises:
        ValueError: As `save`.
        ImportError: If the `report` extra is missing.
    """
    paths = []
    for name, figure in figures(results, folder).items():
        buffer = io.BytesIO()
        with render.figure_style():
            figure.savefig(buffer, dpi=PICTURE_DPI, metadata={"Software": None})
        path = Path(target) / f"{name}.png"
        paths.append(storage.write_file(path, buffer.getvalue()))
    return paths


def figures(
    results: dict[str, Any], folder: str | os.PathLike[str]
) -> dict[str, Figure]:
    """Pictures that stand by themselves.

    Args:
        results: Content of `results.json`.
        folder: Where `cells/` is.

    Returns:
        `"frontier"`, the leakage over the image quality, and `"samples"`, generated
        images of every arm.

    Raises:
        ValueError: If the results have another schema or the raw scores are missing.
        ImportError: If matplotlib is not installed.
    """
    _check_schema(results)
    cells = results["cells"]
    images = {name: arrays["samples"] for name, arrays in _load(cells, folder).items()}
    return {
        "frontier": draw.frontier_figure(cells),
        "samples": samples.samples_figure(cells, images),
    }


def to_markdown(results: dict[str, Any]) -> str:
    """The report as Markdown, without figures; see `to_text`."""
    _check_schema(results)
    return render.render_template("compare.md.j2", **_values(results))


def to_html(results: dict[str, Any], folder: str | os.PathLike[str]) -> str:
    """The report as one HTML page that needs no other file; see `save`."""
    _check_schema(results)
    scores = _load(results["cells"], folder)
    return render.render_template(
        "compare.html.j2", **_values(results), **page.values(results, scores)
    )


def _values(results: dict[str, Any]) -> dict[str, Any]:
    """What both templates need."""
    cells = results["cells"]
    return {
        "results": results,
        "cells": cells,
        "model": words.model_title(cells[0]),
        "headline": words.headline(results),
        "setting": words.setting(results),
        "findings": words.findings(results),
        "attacks": words.attack_titles(cells),
        "rows": table.rows(cells),
        "delta": f"{cells[0]['delta']:g}",
        "realized_fprs": table.realized_fprs(cells),
        "quality_label": words.quality_label(cells[0]),
        "arm_notes": notes.arms(results),
        "attack_notes": notes.attacks(results),
        "method_notes": notes.method(results),
        "command": notes.command(results["settings"]),
        "arm_title": words.arm_title,
        "short_title": words.short_title,
        "strongest": words.strongest,
        "quality": words.quality_figure,
    }


def _load(
    cells: Sequence[dict[str, Any]], folder: str | os.PathLike[str]
) -> dict[str, dict[str, Any]]:
    """Raw scores and sample images of every arm's last checkpoint."""
    loaded = {}
    for cell in cells:
        path = Path(folder) / "cells" / cell["name"] / f"scores-{cell['d_steps']}.npz"
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                loaded[cell["name"]] = dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"The raw scores of {cell['name']!r} cannot be read: {error}. Expected "
                f"the file that the comparison wrote. Received: {str(path)!r}. Delete "
                "that folder and run the comparison again; the other arms are kept."
            ) from error
    return loaded


def _check_schema(results: dict[str, Any]) -> None:
    version = results.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            "The results were written by another version of this library. Expected "
            f"schema_version={SCHEMA_VERSION}. Received: schema_version={version}. Run "
            "the comparison again."
        )
