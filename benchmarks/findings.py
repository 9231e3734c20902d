"""The page of findings, made from the results of a suite and from nothing else.

    python -m benchmarks.findings RESULTS.json [--out FOLDER]

Prints the main tables and writes `findings.md`, `findings.html`, `frontier.json` with
all numbers and `frontier-grid.png`. Results that are not complete make a page that says
what is missing.
"""

import argparse
from pathlib import Path

from keras_mixup_gan import storage
from keras_mixup_gan.cli import plainly
from keras_mixup_gan.experiments import SuiteResults, read_results
from keras_mixup_gan.reports import comparison

PAGE, HTML_PAGE = "findings.md", "findings.html"
NUMBERS, PICTURE = "frontier.json", "frontier-grid.png"


def pages(results: SuiteResults) -> dict[str, bytes]:
    """The content of all files, by name."""
    contents = {
        PAGE: comparison.to_markdown(results, PICTURE, HTML_PAGE).encode(),
        HTML_PAGE: comparison.to_html(results).encode(),
        NUMBERS: comparison.to_json(results).encode(),
        PICTURE: comparison.to_png(results),
    }
    return {name: file for name, file in contents.items() if file is not None}


def main() -> None:
    """Prints the tables and writes the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="the results.json of a suite")
    parser.add_argument("--out", type=Path, help="by default that of the results")
    given = parser.parse_args()
    out = given.out or given.results.parent
    results = read_results(given.results)
    print(comparison.to_text(results))
    if results.missing:
        print(f"\nNot run yet: {', '.join(results.missing)}")
    for name, content in pages(results).items():
        storage.write_file(out / name, content)


if __name__ == "__main__":
    plainly(main)
