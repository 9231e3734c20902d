"""Leakage at equal image quality, from the results of a grid.

    python -m benchmarks.frontier RESULTS.json [--out FOLDER] [--fid LEVEL ...]

Prints a table for each family, and writes `frontier.json` with all numbers and their
intervals, seeds and counts, and `frontier-grid.png`, a panel for each family. A grid
that is not finished is read as far as it got. The picture needs the `report` extra.
"""

import argparse
import io
import json
from pathlib import Path
from typing import Any

from keras_mixup_gan import storage
from keras_mixup_gan.experiments.grid_findings import analyze
from keras_mixup_gan.reports import grid_figures, grid_words, render
from keras_mixup_gan.reports.grid_tables import Table, tables

RESULTS = Path(__file__).parent / "results"
NUMBERS, PICTURE = "frontier.json", "frontier-grid.png"
PICTURE_DPI = 150


def numbers(results: dict[str, Any], fid_levels: list[float] | None = None) -> bytes:
    """The content of `frontier.json`."""
    text = json.dumps(analyze(results, fid_levels), indent=1, allow_nan=False)
    return f"{text}\n".encode()


def picture(results: dict[str, Any]) -> bytes:
    """The content of `frontier-grid.png`."""
    figure = grid_figures.panels(results)
    buffer = io.BytesIO()
    with render.figure_style():
        figure.savefig(buffer, dpi=PICTURE_DPI, metadata={"Software": None})
    return buffer.getvalue()


def plain_table(table: Table) -> str:
    """A table as aligned text."""
    lines = [table.columns, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    return "\n".join(
        [f"{table.title}\n", *(line.rstrip() for line in shown), f"\n{table.note}"]
    )


def read(path: Path) -> dict[str, Any]:
    """Reads a results file.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"The results {str(path)!r} cannot be read: {error}. Expected the "
            "`results.json` that a grid wrote."
        ) from error


def main() -> None:
    """Prints and saves the tables and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="the results.json of a grid")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--fid", type=float, nargs="+", help="qualities to compare at")
    given = parser.parse_args()

    results = read(given.results)
    findings = analyze(results, given.fid)
    print(grid_words.headline(findings))
    for family in findings["families"]:
        title = grid_words.family_title(family)
        print(f"\n{title}\n{'=' * len(title)}")
        for table in tables(family):
            print(f"\n{plain_table(table)}")
    if findings["missing"]:
        print(f"\nNot run yet: {', '.join(findings['missing'])}")
    storage.write_file(given.out / NUMBERS, numbers(results, given.fid))
    if results["cells"]:
        storage.write_file(given.out / PICTURE, picture(results))


if __name__ == "__main__":
    main()
