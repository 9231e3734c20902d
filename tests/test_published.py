"""What the published results must show, and that they are complete."""

import json
from pathlib import Path

import pytest

from keras_mixup_gan.experiments import Comparison

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


@pytest.fixture(scope="module")
def cells():
    results = json.loads((RESULTS / "compare.json").read_text("utf-8"))
    return {cell["name"]: cell for cell in results["cells"]}


def test_the_undefended_model_leaks_so_that_there_is_something_to_defend(cells):
    curve = {point["d_steps"]: point for point in cells["undefended"]["curve"]}
    by_default = Comparison().checkpoints[-1]
    assert curve[by_default]["attacks"]["logan"]["auc"] > 0.8
    assert cells["undefended"]["attacks"]["logan"]["auc"] > 0.8


def test_every_attack_ran_in_every_arm_at_every_checkpoint(cells):
    for cell in cells.values():
        for point in cell["curve"]:
            assert {a["status"] for a in point["attacks"].values()} == {"done"}


def test_arms_differ_in_the_defense_alone(cells):
    for name in ("model", "seed", "members", "split_hash", "batch_size", "d_steps"):
        assert len({json.dumps(cell[name]) for cell in cells.values()}) == 1, name


def test_mixup_costs_at_most_a_twentieth_of_a_step():
    speed = json.loads((RESULTS / "speed.json").read_text("utf-8"))
    arms = speed["arms"]
    assert arms["mixup, paper's rule"]["ratio"] <= 1.05
    assert arms["mixup, recipe"]["ratio"] <= 1.05


def test_what_private_updates_cost():
    tables = json.loads((RESULTS / "dp.json").read_text("utf-8"))["tables"]
    large, recipe = tables.values()
    beside = large["undefended, beside documented"]["median_seconds"]
    # Else something disturbed the long steps, and their ratio says nothing.
    assert beside < 1.5 * large["undefended"]["median_seconds"]
    assert large["ghost"]["ratio"] <= 1.8
    assert large["query"]["ratio"] <= 4
    assert large["documented"]["ratio"] > 50
    assert recipe["ghost"]["ratio"] <= 2.2
