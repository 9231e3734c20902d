"""The comparison of defences as plain text, Markdown, one HTML page and pictures."""

from __future__ import annotations

import base64
import io
import os
import re
import textwrap
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup_gan.experiments.comparison import SCHEMA_VERSION
from keras_mixup_gan.experiments.frontier import fid_of
from keras_mixup_gan.reports import compare_figures as draw
from keras_mixup_gan.reports import compare_notes as notes
from keras_mixup_gan.reports import compare_words as words
from keras_mixup_gan.reports import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT_WIDTH = 98
PICTURE_DPI = 160
MISSING = "\N{EN DASH}"
# The markers of the figures, in a box of 24 by 10.
MARKER_PATHS = {
    "o": "M9 5a3 3 0 1 0 6 0a3 3 0 1 0-6 0Z",
    "s": "M9 2H15V8H9Z",
    "^": "M12 1.5L15.5 8H8.5Z",
    "D": "M12 1L16 5L12 9L8 5Z",
    "v": "M12 8.5L8.5 2H15.5Z",
    "P": "M11 1H13V4H16V6H13V9H11V6H8V4H11Z",
}


@dataclass(frozen=True)
class Row:
    """A row of the table: an arm, or the undefended model at an arm's quality.

    Attributes:
        cell: The arm.
        title: What to call the row.
        point: The checkpoint it shows; `None` if there is no such checkpoint.
        early: Whether it is the undefended model, stopped early.
    """

    cell: Mapping[str, Any]
    title: str
    point: Mapping[str, Any] | None
    early: bool = False


def to_text(results: Mapping[str, Any]) -> str:
    """The outcome and two tables of plain text, about 100 columns wide.

    Args:
        results: Content of `results.json`.

    Returns:
        The text.

    Raises:
        ValueError: If the results have another schema.
    """
    _check_schema(results)
    found = words.findings(results)
    blocks = [
        _filled(words.headline(results)),
        _text_table(_leakage_rows(results)),
        _text_table(_quality_rows(results)),
        "\n".join(
            _filled(f"{finding.title} {finding.verdict}. {finding.text}")
            for finding in found
        ),
        _filled(
            "One training seed; intervals cover which images are queried, not another "
            "training run. Mixup carries no epsilon. Quality: "
            f"{words.quality_label(results['cells'][0])}."
        ),
    ]
    return "\n\n".join(block for block in blocks if block)


def save(
    results: Mapping[str, Any], folder: str | os.PathLike[str]
) -> list[Path]:
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
        render.write_file(Path(folder) / name, page.encode())
        for name, page in pages.items()
    ]


def save_figures(
    results: Mapping[str, Any],
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
        paths.append(render.write_file(path, buffer.getvalue()))
    return paths


def figures(
    results: Mapping[str, Any], folder: str | os.PathLike[str]
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
    samples = {name: arrays["samples"] for name, arrays in _load(cells, folder).items()}
    return {
        "frontier": draw.frontier_figure(cells),
        "samples": draw.samples_figure(cells, samples),
    }


def to_markdown(results: Mapping[str, Any]) -> str:
    """The report as Markdown, without figures; raises as `to_text`."""
    _check_schema(results)
    return render.render_template("compare.md.j2", **_values(results))


def to_html(results: Mapping[str, Any], folder: str | os.PathLike[str]) -> str:
    """The report as one HTML page; takes and raises what `save` does."""
    _check_schema(results)
    cells = results["cells"]
    scores = _load(cells, folder)
    pngs, num_samples = draw.sample_pngs(
        {name: arrays["samples"] for name, arrays in scores.items()}
    )
    values = _values(results)
    return render.render_template(
        "compare.html.j2",
        styles=draw.styles(cells),
        markers=MARKER_PATHS,
        bars=_bars(results),
        pngs={name: base64.b64encode(png).decode() for name, png in pngs.items()},
        num_samples=num_samples,
        linked=_linked,
        **_drawings(cells, scores, values["attacks"]),
        **values,
    )


def _drawings(
    cells: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Mapping[str, Any]],
    attacks: Mapping[str, str],
) -> dict[str, Any]:
    """All figures of the page as SVG, those of attacks with their titles."""
    limits = draw.auc_limits(cells)
    last = f"after {cells[0]['d_steps']:,} steps"
    frontier = draw.frontier_figure(cells, legend=False)
    fids = _each(cells, lambda cell: f"{fid_of(cell):.1f}")
    return {
        "frontier": render.figure_to_svg(frontier, _frontier_label(cells)),
        "fids": render.figure_to_svg(
            draw.fid_figure(cells), f"FID over steps; {last}: {fids}"
        ),
        "leakage": [
            (
                title,
                render.figure_to_svg(
                    draw.leakage_figure(cells, name, limits),
                    f"AUC of {title} over steps; {last}: "
                    + _each(cells, lambda cell, name=name: _auc(cell, name)),
                ),
            )
            for name, title in attacks.items()
        ],
        "rocs": [
            (
                title,
                render.figure_to_svg(
                    draw.roc_figure(cells, scores, name),
                    f"ROC curves of {title}; true-positive rate at 1 % false "
                    "positives: "
                    + _each(cells, lambda cell, name=name: _tpr(cell, name)),
                ),
            )
            for name, title in attacks.items()
        ],
    }


def _frontier_label(cells: Sequence[Mapping[str, Any]]) -> str:
    """The frontier in words, from the first to the last checkpoint of each arm."""

    def ends(cell: Mapping[str, Any]) -> str:
        points = [cell["curve"][0], cell["curve"][-1]]
        return " to ".join(
            f"FID {fid_of(point):.1f}, AUC "
            + ("none" if attack is None else f"{attack['auc']:.3f}")
            for point in points
            for attack in [words.strongest(point)]
        )

    return f"AUC of the strongest attack over FID along training: {_each(cells, ends)}"


def _each(
    cells: Sequence[Mapping[str, Any]], tell: Callable[[Mapping[str, Any]], str]
) -> str:
    return "; ".join(f"{words.arm_title(cell)} {tell(cell)}" for cell in cells)


def _auc(point: Mapping[str, Any], name: str) -> str:
    attack = point["attacks"].get(name)
    if attack is None or attack["auc"] is None:
        return MISSING
    return render.with_interval(attack["auc"], attack["auc_ci"])


def _tpr(point: Mapping[str, Any], name: str) -> str:
    at = point["attacks"].get(name, {}).get("tpr_at_fpr")
    if at is None:
        return MISSING
    return render.percent_with_interval(at["tpr"], at["tpr_ci"])


def _bars(results: Mapping[str, Any]) -> dict[str, Any]:
    """What each finding compares, as places on a common scale of AUCs in percent."""
    rows: dict[str, list[Any]] = {}
    for number, cell in enumerate(results["cells"]):
        compared = (
            ("defended" if number else "to the end", cell, True),
            ("undefended, as good", cell["undefended_at_same_quality"], False),
        )
        rows[cell["name"]] = [
            (label, point, attack, own)
            for label, point, own in compared
            if point is not None and (attack := words.strongest(point)) is not None
        ]
    ends = [row[2]["auc_ci"][0] for group in rows.values() for row in group]
    low = float(np.floor(10 * min([0.45, *ends]))) / 10

    def place(value: float) -> float:
        return 100 * (value - low) / (1 - low)

    bars = {
        name: [
            {
                "label": f"{label}: step {point['d_steps']:,}, FID {fid_of(point):.1f}",
                "attack": attack,
                "places": [place(at) for at in (*attack["auc_ci"], attack["auc"])],
                "own": own,
            }
            for label, point, attack, own in group
        ]
        for name, group in rows.items()
    }
    return {"low": low, "chance": place(0.5), "of": bars}


def _values(results: Mapping[str, Any]) -> dict[str, Any]:
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
        "rows": _rows(cells),
        "delta": f"{cells[0]['delta']:g}",
        "quality_label": words.quality_label(cells[0]),
        "arm_notes": notes.arms(results),
        "attack_notes": notes.attacks(results),
        "method_notes": notes.method(results),
        "command": words.command(results["settings"]),
        "arm_title": words.arm_title,
        "short_title": words.short_title,
        "strongest": words.strongest,
        "quality": words.quality_figure,
    }


def _rows(cells: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Every arm, each defence followed by the undefended model at its quality."""
    rows = []
    for number, cell in enumerate(cells):
        rows.append(Row(cell, words.arm_title(cell), cell))
        if number > 0:
            match = cell["undefended_at_same_quality"]
            title = (
                "undefended, never at this quality"
                if match is None
                else "undefended, stopped at the same quality "
                f"(step {match['d_steps']:,})"
            )
            rows.append(Row(cell, title, match, early=True))
    return rows


def _leakage_rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    titles = words.attack_titles(results["cells"])
    heads = [title.split(" (")[0] for title in titles.values()]
    rows = [("AUC [95 %]", "step", *heads)]
    for row in _rows(results["cells"]):
        cells = ["-"] * (1 + len(titles))
        if row.point is not None:
            cells = [str(row.point["d_steps"])]
            cells += [_auc(row.point, name) for name in titles]
        rows.append((_text_title(row), *cells))
    return rows


def _quality_rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    cells = results["cells"]
    titles = words.attack_titles(cells)
    rows = [
        (
            "found at 1 % FPR",
            *(title.split(" (")[0] for title in titles.values()),
            "FID",
            "KID",
            f"epsilon ({cells[0]['delta']:g})",
            "step time",
        )
    ]
    for row in _rows(cells):
        point = row.point
        if point is None:
            continue
        kid = words.quality_figure(point, "KID")
        rows.append(
            (
                _text_title(row),
                *(_tpr(point, name).split(" [")[0] for name in titles),
                f"{fid_of(point):.1f}",
                MISSING if kid is None else f"{kid:.3f}",
                "inf" if point["epsilon"] is None else f"{point['epsilon']:.1f}",
                "" if row.early else f"{row.cell['step_time_ratio']:.2f}",
            )
        )
    return rows


def _text_title(row: Row) -> str:
    if not row.early:
        return row.title
    return "  undefended, as good" if row.point else "  undefended, never as good"


def _text_table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, TEXT_WIDTH, subsequent_indent="")


def _linked(text: str) -> Any:
    """The text escaped, with its arXiv numbers as links."""
    import markupsafe

    return markupsafe.Markup(
        re.sub(
            r"arXiv:(\d{4}\.\d{4,5})",
            r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>',
            str(markupsafe.escape(text)),
        )
    )


def _load(
    cells: Sequence[Mapping[str, Any]], folder: str | os.PathLike[str]
) -> dict[str, dict[str, Any]]:
    """Raw scores and sample images of every arm's last checkpoint."""
    loaded = {}
    for cell in cells:
        path = Path(folder) / "cells" / cell["name"] / f"scores-{cell['d_steps']}.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                loaded[cell["name"]] = dict(arrays)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"The raw scores of {cell['name']!r} cannot be read: {error}. Expected "
                f"the file that the comparison wrote. Received: {str(path)!r}. Run the "
                "comparison again; what it has finished is kept."
            ) from error
    return loaded


def _check_schema(results: Mapping[str, Any]) -> None:
    version = results.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            "The results were written by another version of this library. Expected "
            f"schema_version={SCHEMA_VERSION}. Received: schema_version={version}. Run "
            "the comparison again."
        )
