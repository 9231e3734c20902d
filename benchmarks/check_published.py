"""Checks that the committed results are complete and the pages made from them.

    python -m benchmarks.check_published

Prints what is wrong, one line each, and exits with 1 if anything is.
"""

import itertools
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import cards, defense_tables, findings, publish, shadow_study
from keras_mixup_gan.experiments import SuiteResults, read_results
from keras_mixup_gan.experiments.analysis.arms import families_of
from keras_mixup_gan.experiments.results import DONE

RESULTS, README = publish.RESULTS, publish.README
TRAINING = publish.ROOT / "docs" / "training.md"
MAX_WORDS = 2_500


def problems() -> Iterator[str]:
    """What is wrong with the committed files, a sentence each."""
    comparison = read_results(RESULTS / publish.COMPARISON)
    yield from (f"{publish.COMPARISON}: {each}" for each in _results(comparison))
    leak = comparison.cells[0].last.done["logan"].auc
    if leak is None or leak <= 0.8:
        yield "compare.json: the undefended model leaks too little to be defended"
    for suite, folder in publish.GRIDS.items():
        grid = read_results(folder / publish.GRID)
        found = (*_results(grid), *_pages(grid, folder))
        yield from (f"suite {suite}: {problem}" for problem in found)
    for card in sorted((publish.ROOT / "zoo").glob("*/card.md")):
        model = card.parent.name
        made = cards.render(model, cards.results_of(card.parents[1], model))
        if card.read_text("utf-8") != made:
            yield f"zoo/{model}/card.md is not what its presets' results say"
    yield from _timings()
    yield from _memory()
    yield from _times()
    studies = {title: _read(name) for title, name in shadow_study.STUDIES.items()}
    page = (publish.ROOT / "docs" / "audit.md").read_text("utf-8")
    if shadow_study.table(studies) not in page:
        yield "docs/audit.md: the table is not that of the studies with shadow models"
    if shadow_study.comparisons(studies["DiffAugment"]) not in page:
        yield "docs/audit.md: the paired differences are not those of the study"
    told, readme = _told(publish.STUDY_PAGE), _told(README)
    for file in sorted(RESULTS.glob("defense*.json")):
        study = _read(file.name)
        for path, text in publish.study_pages(study).items():
            if path.read_text("utf-8") != text:
                yield f"{path.name}: the table of {file.name} is not what it says"
        if defense_tables.DEFENSE not in study["arms"]:
            continue  # of a model that did not leak
        if (pairs := defense_tables.better_pairs(study)) not in told:
            yield f"{publish.STUDY_PAGE.name}: {pairs} of {file.name} is not there"
        figures = defense_tables.headline(study)
        if study["study"] != publish.MAIN_STUDY:
            figures = figures[:1]  # that of an attacker who has everything
        for figure in figures:
            if figure not in readme:
                yield f"README.md: {figure} of {file.name} is not there"
    for title, name in (
        ("undefended", "fusion_samples"),
        ("DiffAugment", "fusion_samples"),
        ("DiffAugment", "fusion_white_box"),
    ):
        areas = {each["name"]: each["area"] for each in studies[title]["attacks"]}
        figure = shadow_study.area_text(areas[name])
        if figure not in readme:
            yield f"README.md: the AUC of {name}, {title}, is not {figure}"


def _results(results: SuiteResults) -> Iterator[str]:
    if results.missing:
        yield f"{len(results.missing)} cells are missing"
    for cell in results.cells:
        for point in cell.curve:
            for attack in point.attacks:
                if attack.status != DONE and not attack.reason:
                    yield f"{cell.name}: {attack.name} did not run and says no reason"
    for family in families_of(results):
        if family.baseline is None:
            yield f"{family.model}/{family.members}: no undefended arm"
            continue
        for arm in family.defended:
            for seed, cell in arm.cells.items():
                other = family.baseline.cells.get(seed)
                if other is None:
                    yield f"{cell.name}: no undefended cell of this seed"
                elif any(
                    getattr(cell, name) != getattr(other, name)
                    for name in ("split_hash", "batch_size", "delta", "reference")
                ):
                    yield f"{cell.name}: differs in more than the defense"


def _pages(grid: SuiteResults, folder: Path) -> Iterator[str]:
    made = findings.pages(grid)
    # All but drawings, which depend on the version of matplotlib.
    for name in (findings.PAGE, findings.HTML_PAGE):
        committed = (folder / name).read_text("utf-8")
        texts = [committed, made[name].decode()]
        one, other = (re.sub(r"<svg.*?</svg>", "", t, flags=re.S) for t in texts)
        if one != other:
            yield f"{name} is not what benchmarks.findings makes of grid.json"
    words = len(made[findings.PAGE].split())
    if words > MAX_WORDS:
        yield f"{findings.PAGE} has {words} words, more than {MAX_WORDS}"
    numbers = json.loads((folder / findings.NUMBERS).read_text("utf-8"))
    if not _same(numbers, json.loads(made[findings.NUMBERS])):
        yield f"{findings.NUMBERS} is not what benchmarks.findings makes of grid.json"
    for path, text in publish.grid_pages(grid).items():
        if path.read_text("utf-8") != text:
            yield f"{path.name}: its table is not what grid.json says"


def _timings() -> Iterator[str]:
    arms = _read("speed.json")["arms"]
    for name in ("mixup, paper's rule", "mixup, augmented"):
        if arms[name]["ratio"] > 1.05:
            yield f"speed.json: {name} costs more than a twentieth of a step"
    large, recipe = _read("dp.json")["tables"].values()
    undisturbed = 1.5 * large["undefended"]["median_seconds"]
    if large["undefended, beside documented"]["median_seconds"] >= undisturbed:
        yield "dp.json: something disturbed the long steps"
    limits = [
        (large["ghost"]["ratio"], 0, 1.8),
        (large["query"]["ratio"], 0, 4),
        (large["documented"]["ratio"], 50, math.inf),
        (recipe["ghost"]["ratio"], 0, 2.2),
    ]
    if not all(low < ratio <= high for ratio, low, high in limits):
        yield f"dp.json: ratios out of what is claimed: {limits}"


def _memory() -> Iterator[str]:
    told = _told(TRAINING)
    for name, row in _read("scale.json")["figures"].items():
        stage, _, images = name.removeprefix("memory of the ").partition(", ")
        if stage == name:
            continue
        text = f"{row['gigabytes']:.2f} GB for the {stage}"
        if images.startswith("200000") and text not in told:
            yield f"{TRAINING.name}: {text} is not there"
        if row["gigabytes"] > 1.5:
            yield f"scale.json: the {stage} of {images} takes more than 1.5 GB"


def _times() -> Iterator[str]:
    names = ("scale_time.json", "scale_samples.json", "scale_cache.json")
    times, samples, cache = (_read(name)["figures"] for name in names)
    start = times["start of 64 images of a preset"]["ratio"]
    if start > 1.3:
        yield "scale_time.json: a first picture costs more than 1.3 bare imports"
    cached = cache["steps over 20000 images in the cache"]["ratio"]
    if cached > 1.05:
        yield "scale_cache.json: steps over the cache cost more than a twentieth"
    audits = [row["seconds"] for name, row in samples.items() if "audit" in name]
    grown = [f"{more / less:.1f}" for less, more in itertools.pairwise(audits)]
    fewest, some, most = (
        f"{row['ratio']:.2f}" for name, row in samples.items() if "nearest" in name
    )
    narrow, wide = (
        f"{row['ratio']:.2f}" for name, row in samples.items() if "coverage" in name
    )
    small, larger, large = (
        f"{row['ratio']:.2f}" for name, row in times.items() if name.startswith("MixUp")
    )
    onednn, beside = (
        f"{times[f'training with {name}']['ratio']:.2f}"
        for name in ("oneDNN", "two models side by side")
    )
    told = _told(TRAINING)
    for text in (
        f"preset takes {start:.2f} times",
        f"over the cache take {cached:.2f} times",
        f"cost {grown[1]} times as much as against 100,000",
        f"{grown[0]} times as much as those against 10,000",
        f"{fewest} times as long as the bare products of matrices for 10,000 samples,",
        f"{some} for 100,000 and {most} for 1,000,000",
        f"take {narrow} times as long as from matrices of all distances",
        f"{wide} where there are 2,048",
        f"{small} times as long for batches of 64, {larger} for 256 and {large} for",
        f"takes {onednn} times as long with them",
        f"{beside} times as long as one after the other",
    ):
        if text not in told:
            yield f"{TRAINING.name} does not say: {text}"


def _told(page: Path) -> str:
    """The text of a page, wherever its lines break."""
    return " ".join(page.read_text("utf-8").split())


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / name).read_text("utf-8"))
    return content


def _same(one: Any, other: Any) -> bool:
    """Equal up to the last digits, which differ between processors."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            _same(one[key], other[key]) for key in one
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    return bool(one == other)


def main() -> int:
    """Prints the problems; returns the exit status."""
    found = list(problems())
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
