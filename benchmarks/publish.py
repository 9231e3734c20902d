"""Puts results into `benchmarks/results/`, and what pages show of them into the pages.

    python -m benchmarks.publish runs/compare
    python -m benchmarks.publish runs/paper
    python -m benchmarks.publish runs/dp
    python -m benchmarks.publish FILE    # that `benchmarks.defense` wrote

Tables between `<!-- NAME:begin -->` and `<!-- NAME:end -->` are made by
`benchmarks.defense_tables` and `benchmarks.dp_tables`, and `benchmarks.check_published`
holds them and their files together.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks import defense_tables, dp_tables, findings
from keras_mixup_gan import storage
from keras_mixup_gan.cli import plainly
from keras_mixup_gan.experiments import SuiteResults, read_results
from keras_mixup_gan.experiments.analysis.findings import analyze
from keras_mixup_gan.experiments.results import RESULTS as RESULTS_FILE
from keras_mixup_gan.reports import comparison, figures, render
from keras_mixup_gan.validation import check_choice

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README, STUDY_PAGE = ROOT / "README.md", ROOT / "docs" / "comparison.md"
COMPARISON, GRID = "compare.json", "grid.json"
MAIN_STUDY = "dcgan"  # of which README has a table
# Of suites of many cells, where results and their page go.
GRIDS = {"paper": RESULTS, "dp": RESULTS / "dp"}


def with_section(page: str, section: str, name: str) -> str:
    """A page with what stands between two markers replaced."""
    before, begin, rest = page.partition(f"<!-- {name}:begin -->")
    _, end, after = rest.partition(f"<!-- {name}:end -->")
    if not end:
        raise ValueError(
            f"The page has no place for a table. Expected <!-- {name}:begin --> and "
            f"<!-- {name}:end -->. Received: {page[:40]!r}... Put them where it was."
        )
    return f"{before}{begin}\n{section}\n{end}{after}"


def study_name(study: str) -> str:
    """The name of a study's file of figures, and of its place in the page."""
    return "defense" if study == MAIN_STUDY else f"defense_{study}"


def study_pages(figures: dict[str, Any]) -> dict[Path, str]:
    """The pages that show a study of the defense, with its tables."""
    study = figures["study"]
    sections = {STUDY_PAGE: (study_name(study), defense_tables.summary(figures))}
    if study == MAIN_STUDY:
        sections[README] = ("results", defense_tables.readme_section(figures))
    return {
        path: with_section(path.read_text("utf-8"), section, name)
        for path, (name, section) in sections.items()
    }


def publish_study(file: Path) -> None:
    """The figures of a study of the defense, and the pages that show them."""
    figures = json.loads(file.read_text("utf-8"))
    pages = study_pages(figures)
    storage.write_json(RESULTS / f"{study_name(figures['study'])}.json", figures)
    for path, text in pages.items():
        path.write_text(text, "utf-8")


def publish_comparison(folder: Path) -> None:
    """The results of `make compare`, its curves and what its models generate."""
    results = read_results(folder / RESULTS_FILE)
    check_choice(results.suite.name, ["compare"], "suite")
    found = analyze(results)
    scores = comparison.load_scores(results, folder)
    images = {name: arrays["samples"] for name, arrays in scores.items()}
    pictures = {
        "frontier.png": figures.leakage_over_quality(found),
        "samples.png": figures.samples(found, images),
    }
    shutil.copyfile(folder / RESULTS_FILE, RESULTS / COMPARISON)
    for name, figure in pictures.items():
        storage.write_file(RESULTS / name, render.figure_to_png(figure))


def publish_grid(folder: Path) -> None:
    """The results of a suite of many cells, and their page."""
    results = read_results(folder / RESULTS_FILE)
    tables = grid_pages(results)
    check_choice(results.suite.name, GRIDS, "suite")
    to = storage.make_folder(GRIDS[results.suite.name])
    shutil.copyfile(folder / RESULTS_FILE, to / GRID)
    for name, content in findings.pages(results).items():
        storage.write_file(to / name, content)
    for path, text in tables.items():
        path.write_text(text, "utf-8")


def grid_pages(results: SuiteResults) -> dict[Path, str]:
    """The pages that show a table of a suite's results, with it."""
    if results.suite.name != "dp":
        return {}
    page = STUDY_PAGE.read_text("utf-8")
    return {STUDY_PAGE: with_section(page, dp_tables.pairs_table(results), "dp")}


def main() -> None:
    """Copies results, draws the pictures, rewrites the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("place", type=Path, help="folder of `compare`, or a file")
    place = parser.parse_args().place
    if place.is_file():
        publish_study(place)
    elif read_results(place / RESULTS_FILE).suite.one_seed:
        publish_comparison(place)
    else:
        publish_grid(place)


if __name__ == "__main__":
    plainly(main)
