"""Puts the results of a suite into `benchmarks/results/` and into the README.

    python -m benchmarks.publish runs/compare
    python -m benchmarks.publish runs/paper

The README's table between `<!-- results:begin -->` and `<!-- results:end -->` is made
by `findings.readme_section` from `benchmarks/results/grid.json`, and
`benchmarks.check_published` holds the two together.
"""

import argparse
import shutil
from pathlib import Path

from benchmarks import findings
from keras_mixup_gan import storage
from keras_mixup_gan.experiments import read_results
from keras_mixup_gan.experiments.analysis.findings import analyze
from keras_mixup_gan.experiments.results import RESULTS as RESULTS_FILE
from keras_mixup_gan.reports import comparison, figures, render

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
COMPARISON, GRID = "compare.json", "grid.json"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def with_section(readme: str, section: str) -> str:
    """The README with its table of results replaced."""
    start = readme.index(BEGIN) + len(BEGIN)
    return f"{readme[:start]}\n{section}\n{readme[readme.index(END) :]}"


def publish_comparison(folder: Path) -> None:
    """The results of `make compare`, its curves and what its models generate."""
    results = read_results(folder / RESULTS_FILE)
    shutil.copyfile(folder / RESULTS_FILE, RESULTS / COMPARISON)
    found = analyze(results)
    scores = comparison.load_scores(results, folder)
    images = {name: arrays["samples"] for name, arrays in scores.items()}
    pictures = {
        "frontier.png": figures.leakage_over_quality(found),
        "samples.png": figures.samples(found, images),
    }
    for name, figure in pictures.items():
        storage.write_file(RESULTS / name, render.figure_to_png(figure))


def publish_grid(folder: Path) -> None:
    """The results of a suite of many cells, their page and the README's table."""
    results = read_results(folder / RESULTS_FILE)
    shutil.copyfile(folder / RESULTS_FILE, RESULTS / GRID)
    for name, content in findings.pages(results).items():
        storage.write_file(RESULTS / name, content)
    path = ROOT / "README.md"
    section = findings.readme_section(analyze(results))
    path.write_text(with_section(path.read_text("utf-8"), section), "utf-8")


def main() -> None:
    """Copies results, draws the pictures, rewrites the README's table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of a run of `compare`")
    folder = parser.parse_args().folder
    one_seed = read_results(folder / RESULTS_FILE).suite.one_seed
    publish_comparison(folder) if one_seed else publish_grid(folder)


if __name__ == "__main__":
    main()
