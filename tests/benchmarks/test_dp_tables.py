import dataclasses

import pytest
from scipy import stats

from benchmarks import dp_tables
from tests.experiments import fake_results as fake

ARMS = tuple(dict.fromkeys(name for pair in dp_tables.PAIRS for name in pair))
FIDS = {
    "dp-10": (40.0, 45.0, 44.0),
    "dp-10-augmented": (30.0, 34.0, 35.0),
    "dp-1000": (20.0, 21.0, 25.0),
    "dp-1000-augmented": (22.0, 20.0, 25.5),
    "dp-million": (15.0, 16.0, 17.0),
    "dp-million-augmented": (17.0, 18.5, 19.2),
    "dp-10-steps": (39.0, 46.0, 44.5),
}


def made_of(fids):
    cells = []
    for name in ARMS:
        for cell, fid in zip(fake.family(fake.FakeArm(name)), fids[name], strict=True):
            quality = (fake.metric("FID", fid),)
            cells.append(fake.changed_last(cell, quality=quality))
    return fake.results(*reversed(cells))


@pytest.fixture
def results():
    return made_of(FIDS)


def test_trained_models_are_paired_by_seed(results):
    found = {gain.arm: gain for gain in dp_tables.gains(results)}
    for arm, other in dp_tables.PAIRS:
        gain = found[arm.capitalize()]
        oracle = stats.ttest_rel(FIDS[arm], FIDS[other])
        low, high = oracle.confidence_interval()
        assert gain.difference.interval == pytest.approx((low, high), rel=1e-9)
        assert gain.fid.mean == pytest.approx(sum(FIDS[arm]) / 3, rel=1e-12)
        assert gain.other_fid.mean == pytest.approx(sum(FIDS[other]) / 3, rel=1e-12)


def test_verdicts_stand_after_holm_s_correction(results):
    verdicts = {gain.arm: gain.verdict for gain in dp_tables.gains(results)}
    assert verdicts == {
        "Dp-10-augmented": "better images",
        "Dp-1000-augmented": "not distinguishable",
        "Dp-million-augmented": "worse images",
        "Dp-10-steps": "not distinguishable",
    }


def test_one_of_several_pairs_must_be_clearer_than_a_single_one():
    # Its p-value is .03; of four pairs it is the second smallest, and times three .095.
    weak = FIDS | {"dp-10-augmented": (27.0, 36.0, 37.0)}
    p_value = stats.ttest_rel(weak["dp-10-augmented"], weak["dp-10"]).pvalue
    assert 0.05 / 3 < p_value < 0.05
    verdicts = {gain.arm: gain.verdict for gain in dp_tables.gains(made_of(weak))}
    assert verdicts["Dp-10-augmented"] == "not distinguishable"
    assert verdicts["Dp-million-augmented"] == "worse images"


def test_of_results_that_are_not_complete_what_can_be_paired_is(results):
    fewer = {("dp-10-steps", 0), ("dp-1000", 1)}
    cells = [cell for cell in results.cells if (cell.arm, cell.seed) not in fewer]
    found = dp_tables.gains(dataclasses.replace(results, cells=tuple(cells)))
    assert [gain.arm for gain in found] == ["Dp-10-augmented", "Dp-million-augmented"]
    nothing = dataclasses.replace(results, cells=())
    assert len(dp_tables.pairs_table(nothing).splitlines()) == 2


def test_the_table_has_a_line_for_each_pair(results):
    lines = dp_tables.pairs_table(results).splitlines()
    assert len(lines) == 2 + len(dp_tables.PAIRS)
    assert lines[2].startswith("| Dp-10-augmented | 33.0 [")
    assert lines[2].endswith(" | better images |")
