"""Puts a finished comparison into `benchmarks/results/` and into the README.

    python -m benchmarks.publish runs/compare

The README's section on results is not written by hand: `readme_section` makes it from
`benchmarks/results/compare.json`, and a test holds the two together.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from keras_mixup_gan.reports import compare_report

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
FIRST, AFTER = "## Does a defence beat stopping early?", "## The arms"


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
            "![Leakage over image quality: a line for each defence, a point for each "
            "checkpoint](benchmarks/results/frontier.png)",
            shown.strip().replace("\n## ", "\n### ").replace("## ", "### ", 1),
            "![Generated digits of each model](benchmarks/results/samples.png)",
            f"To repeat it: `{command}`. All figures, the curves included, are in "
            "[`benchmarks/results/compare.json`](benchmarks/results/compare.json).",
        ]
    )


def with_section(readme: str, section: str) -> str:
    """The README with its section on results replaced."""
    start = readme.index(BEGIN) + len(BEGIN)
    return f"{readme[:start]}\n{section}\n{readme[readme.index(END) :]}"


def main() -> None:
    """Copies results, draws the pictures, rewrites the README's section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a finished comparison")
    folder = parser.parse_args().folder
    results = json.loads((folder / "results.json").read_text("utf-8"))
    RESULTS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "results.json", RESULTS / "compare.json")
    compare_report.save_figures(results, folder, RESULTS)
    path = ROOT / "README.md"
    section = readme_section(results)
    path.write_text(with_section(path.read_text("utf-8"), section), "utf-8")


if __name__ == "__main__":
    main()
