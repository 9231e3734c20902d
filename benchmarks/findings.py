"""The page of findings, made from the results of a grid and from nothing else.

    python -m benchmarks.findings RESULTS.json [--out FOLDER]

Writes `findings.md` and `findings.html`, and what `benchmarks.frontier` writes. A grid
that is not finished makes a page that says what is missing.
"""

import argparse
from pathlib import Path
from typing import Any

from benchmarks import frontier
from keras_mixup_gan import storage
from keras_mixup_gan.experiments.grid_findings import analyze
from keras_mixup_gan.reports import (
    grid_numbers,
    grid_report,
    grid_sentences,
    grid_words,
    render,
)

PAGE, HTML_PAGE = "findings.md", "findings.html"


def write(results: dict[str, Any], folder: Path) -> list[Path]:
    """Writes the page, the numbers and the picture.

    Args:
        results: Content of a grid's `results.json`.
        folder: Where to.

    Returns:
        The paths.
    """
    contents = {
        PAGE: grid_report.to_markdown(results).encode(),
        HTML_PAGE: grid_report.to_html(results).encode(),
        frontier.NUMBERS: frontier.numbers(results),
    }
    if results["cells"]:
        contents[frontier.PICTURE] = frontier.picture(results)
    return [
        storage.write_file(folder / name, content) for name, content in contents.items()
    ]


def readme_section(results: dict[str, Any]) -> str:
    """What the README says of the findings: the headline and a row for each arm."""
    findings = analyze(results)
    head = "family, members", "arm", "FID", "strongest attack's AUC"
    columns = [*head, "undefended at that FID", "difference", "verdict"]
    rows = [columns, ["---"] * len(columns)]
    for family in findings["families"]:
        title = grid_words.family_title(family)
        for arm in grid_words.defended(family):
            said, matched = grid_words.verdict_on(arm), arm["at_final_quality"]
            beside = matched["difference"] is not None
            rows.append(
                [
                    title,
                    said.title,
                    grid_numbers.range_text(arm["fid"]),
                    grid_numbers.mean_text(arm["auc"], arm["auc_of_queries"]),
                    f"{matched['undefended']['mean']:.3f}" if beside else "",
                    grid_numbers.difference_text(matched["difference"]),
                    grid_sentences.VERDICTS[matched["verdict"]],
                ]
            )
    table = ["| " + " | ".join(map(render.escape_markdown, row)) + " |" for row in rows]
    headline = render.escape_markdown(grid_words.headline(findings))
    return "\n".join([f"**{headline}**", "", *table])


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="the results.json of a grid")
    parser.add_argument("--out", type=Path, default=frontier.RESULTS)
    given = parser.parse_args()
    for path in write(frontier.read(given.results), given.out):
        print(path)


if __name__ == "__main__":
    main()
