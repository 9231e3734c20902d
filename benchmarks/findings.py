"""The page of findings, made from the results of a suite and from nothing else.

    python -m benchmarks.findings RESULTS.json [--out FOLDER] [--fid LEVEL ...]

Prints the main tables and writes `findings.md`, `findings.html`, `frontier.json` with
all numbers and `frontier-grid.png`. Results that are not complete make a page that says
what is missing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from keras_mixup_gan import storage
from keras_mixup_gan.experiments import SuiteResults, read_results
from keras_mixup_gan.experiments.analysis.findings import (
    FamilyFindings,
    Findings,
)
from keras_mixup_gan.reports import comparison, render
from keras_mixup_gan.reports.tables import family_title, short_table

RESULTS = Path(__file__).parent / "results"
PAGE, HTML_PAGE = "findings.md", "findings.html"
NUMBERS, PICTURE = "frontier.json", "frontier-grid.png"
# What the README's table shows, of the family with the most seeds.
README_ARMS = (
    *("undefended", "mixup-noise", "mixup-paper", "diffaugment"),
    *("dropout", "dp-epsilon-10"),
)


def pages(
    results: SuiteResults, fid_levels: Sequence[float] | None = None
) -> dict[str, bytes]:
    """The content of all files, by name."""
    contents = {
        PAGE: comparison.to_markdown(results, PICTURE, HTML_PAGE).encode(),
        HTML_PAGE: comparison.to_html(results).encode(),
        NUMBERS: comparison.to_json(results, fid_levels).encode(),
        PICTURE: comparison.to_png(results),
    }
    return {name: file for name, file in contents.items() if file is not None}


def readme_section(findings: Findings) -> str:
    """The README's only table of results: the main arms of the first family."""
    family = findings.families[0]
    table = short_table(_shown(family))
    lines = [table.columns, table.columns, *table.rows]
    about = (
        f"{family_title(family)}, {len(family.seeds)} seeds; 95 % intervals "
        "over seeds. FID: smaller is better. At the same FID: compared with stopping "
        "the undefended model when its images were as good."
    )
    shown = [
        "| " + " | ".join(map(render.escape_markdown, line)) + " |" for line in lines
    ]
    shown[1] = "|---" * len(table.columns) + "|"
    return "\n".join([about, "", *shown])


def _shown(family: FamilyFindings) -> FamilyFindings:
    by_name = {arm.arm: arm for arm in family.arms}
    arms = tuple(by_name[name] for name in README_ARMS if name in by_name)
    return FamilyFindings(**{**vars(family), "arms": arms})


def main() -> None:
    """Prints the tables and writes the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="the results.json of a suite")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--fid", type=float, nargs="+", help="qualities to compare at")
    given = parser.parse_args()
    results = read_results(given.results)
    print(comparison.to_text(results))
    if results.missing:
        print(f"\nNot run yet: {', '.join(results.missing)}")
    for name, content in pages(results, given.fid).items():
        storage.write_file(given.out / name, content)


if __name__ == "__main__":
    main()
