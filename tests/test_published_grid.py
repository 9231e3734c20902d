"""The published findings are what the scripts make of the published grid."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import findings, frontier
from keras_mixup_gan.experiments.grid_arms import BASELINE, read_families
from keras_mixup_gan.reports import grid_report

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
GRID = RESULTS / "grid.json"

pytestmark = pytest.mark.skipif(not GRID.exists(), reason="no grid is published")


@pytest.fixture(scope="module")
def results():
    return frontier.read(GRID)


def published(name):
    return (RESULTS / name).read_text("utf-8")


def assert_same(found, expected, where="frontier.json"):
    """Equal up to the last digits, which differ between processors."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_same(found[key], expected[key], f"{where}/{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, pair in enumerate(zip(found, expected, strict=True)):
            assert_same(*pair, f"{where}/{number}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9), where
    else:
        assert found == expected, where


def test_the_page_is_made_from_the_results(results):
    assert published(findings.PAGE) == grid_report.to_markdown(results)


def test_the_html_page_is_made_from_the_results(results):
    """All but the drawing, which depends on the version of matplotlib."""
    pages = [published(findings.HTML_PAGE), grid_report.to_html(results)]
    one, other = (re.sub(r"<svg.*?</svg>", "", page, flags=re.S) for page in pages)
    assert one == other


def test_the_numbers_are_made_from_the_results(results):
    assert_same(
        json.loads(published(frontier.NUMBERS)), json.loads(frontier.numbers(results))
    )


def test_the_picture_is_there():
    assert (RESULTS / frontier.PICTURE).read_bytes().startswith(b"\x89PNG")


def test_arms_of_a_family_differ_in_the_defense_alone(results):
    for family in read_families(results):
        by_seed = {}
        for arm in family.arms.values():
            for seed, entry in arm.entries.items():
                by_seed.setdefault(seed, []).append(entry)
        for entries in by_seed.values():
            for name in ("split_hash", "batch_size", "delta", "reference"):
                assert len({json.dumps(entry[name]) for entry in entries}) == 1, name


def test_every_family_has_an_undefended_arm_with_the_seeds_of_the_others(results):
    for family in read_families(results):
        assert BASELINE in family.arms
        for arm in family.defended:
            assert set(arm.entries) <= set(family.arms[BASELINE].entries)


def test_every_listed_attack_ran_or_says_why_not(results):
    for entry in results["cells"]:
        for point in entry["curve"]:
            for attack in point["attacks"].values():
                assert attack["status"] == "done" or attack["reason"]
