"""Puts a comparison or a grid into `benchmarks/results/` and into the README.

    python -m benchmarks.publish runs/compare
    python -m benchmarks.publish runs/paper

The README's sections on results are not written by hand: `readme_section` makes one
from `benchmarks/results/compare.json`, `findings.readme_section` the other from
`grid.json`, and tests hold them together.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks import findings
from keras_mixup_gan.reports import compare_report

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
COMPARISON, GRID = "results", "findings"
FIRST, AFTER = "## Does a defense beat stopping early?", "## The arms"


def readme_section(results: dict[str, Any]) -> str:
    """The README's section on results: findings, pictures, table and command."""
    report = compare_report.to_markdown(results)
    headline = report.split("\n\n")[1]
    setting = report.split("\n\n")[2]
    shown = report[report.index(FIRST) : report.index(AFTER)]
    command = report[report.index("## To repeat this comparison") :]
    command = command.split("\n\n")[1].strip()
    return "\n\n".join(
        [
            headline,
            setting,
            "![Leakage over image quality: a line for each defense, a point for each "
            "checkpoint](benchmarks/results/frontier.png)",
            shown.strip().replace("\n## ", "\n### ").replace("## ", "### ", 1),
            "![Generated digits of each model](benchmarks/results/samples.png)",
            f"To repeat it: `{command}`. All figures, the curves included, are in "
            "[`benchmarks/results/compare.json`](benchmarks/results/compare.json).",
        ]
    )


def with_section(readme: str, section: str, name: str = COMPARISON) -> str:
    """The README with one of its sections on results replaced."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    start = readme.index(begin) + len(begin)
    return f"{readme[:start]}\n{section}\n{readme[readme.index(end) :]}"


def main() -> None:
    """Copies results, draws the pictures, rewrites the README's section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of a comparison or a grid")
    folder = parser.parse_args().folder
    results = json.loads((folder / "results.json").read_text("utf-8"))
    RESULTS.mkdir(parents=True, exist_ok=True)
    if results.get("kind") == "grid":
        shutil.copyfile(folder / "results.json", RESULTS / "grid.json")
        findings.write(results, RESULTS)
        section, name = findings.readme_section(results), GRID
    else:
        shutil.copyfile(folder / "results.json", RESULTS / "compare.json")
        compare_report.save_figures(results, folder, RESULTS)
        section, name = readme_section(results), COMPARISON
    path = ROOT / "README.md"
    path.write_text(with_section(path.read_text("utf-8"), section, name), "utf-8")


if __name__ == "__main__":
    main()
