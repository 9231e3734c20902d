import copy
import json

import pytest

from keras_mixup_gan.experiments.grid_arms import read_families
from keras_mixup_gan.experiments.grid_findings import analyze, round_levels
from tests.experiments import grid_results as fake
from tests.experiments.grid_results import FakeArm, family, grid

MATCHED, STEPS = "at_final_quality", "at_equal_steps"


def arms_of(*arms, **changes):
    (found,) = analyze(grid(*family(*arms), **changes))["families"]
    return {row["arm"]: row for row in found["arms"]}


def test_a_protective_defense_leaks_less_at_equal_quality_and_at_equal_steps():
    row = arms_of(fake.UNDEFENDED, fake.PROTECTIVE)["mixup-noise"]
    for name in (MATCHED, STEPS):
        found = row[name]
        assert found["verdict"] == "less"
        assert found["difference"]["mean"] == pytest.approx(0.3)
        assert found["undefended"]["mean"] == pytest.approx(0.9)
        assert found["arm"]["mean"] == pytest.approx(0.6)
        assert found["reason"] is None


def test_a_harmful_defense_leaks_more():
    row = arms_of(fake.UNDEFENDED, fake.HARMFUL)["mixup-paper"]
    assert row[MATCHED]["verdict"] == "more"
    assert row[MATCHED]["difference"]["mean"] == pytest.approx(-0.07)


def test_an_arm_that_follows_the_curve_of_the_undefended_one_differs_by_nothing():
    """Half as fast along the same curve: better at equal steps, the same in truth."""
    slow = FakeArm("slow", (0.5, 0.6, 0.75), (80.0, 40.0, 20.0))
    row = arms_of(fake.UNDEFENDED, slow)["slow"]
    assert row[MATCHED]["values"] == [0.0, 0.0, 0.0]
    assert row[MATCHED]["verdict"] == "same"
    assert row["between_curves"]["fid_range"] == [20.0, 40.0]
    assert row["between_curves"]["difference"]["mean"] == pytest.approx(0, abs=1e-12)
    assert row[STEPS]["verdict"] == "less"
    assert row[STEPS]["difference"]["mean"] == pytest.approx(0.15)


def test_every_arm_against_itself_differs_by_nothing_even_if_quality_comes_and_goes():
    wild = {"aucs": (0.5, 0.7, 0.6), "fids": (30.0, 12.0, 17.0)}
    row = arms_of(FakeArm("undefended", **wild), FakeArm("twin", **wild))["twin"]
    assert row[MATCHED]["values"] == [0.0, 0.0, 0.0]
    assert row["between_curves"]["difference"]["mean"] == 0.0


def test_the_area_between_straight_curves_in_closed_form():
    """Both pass FID 40 to 10; the undefended at .6, .75, .9, the other at .55."""
    row = arms_of(fake.UNDEFENDED, FakeArm("flat", (0.55,) * 3))["flat"]
    assert row["between_curves"]["difference"]["mean"] == pytest.approx(0.2)


def test_no_area_where_the_ranges_do_not_overlap():
    far = FakeArm("far", (0.5, 0.5, 0.5), (90.0, 80.0, 70.0))
    assert arms_of(fake.UNDEFENDED, far)["far"]["between_curves"] is None


def test_leaking_less_is_not_claimed_where_the_undefended_model_was_as_good_at_once():
    """Its first checkpoint is already better; stopped before, it may leak nothing."""
    bad = FakeArm("bad", (0.5, 0.5, 0.5), (90.0, 80.0, 70.0))
    found = arms_of(fake.UNDEFENDED, bad)["bad"][MATCHED]
    assert found["difference"]["interval"][0] > 0
    assert found["undefended_before_start"] == 3
    assert found["verdict"] == "same"
    assert found["reason"] == "undefended as good before its first checkpoint"


def test_leaking_more_than_an_upper_bound_is_leaking_more():
    bad = FakeArm("bad", (0.8, 0.8, 0.8), (90.0, 80.0, 70.0))
    assert arms_of(fake.UNDEFENDED, bad)["bad"][MATCHED]["verdict"] == "more"


def test_leaking_more_is_not_claimed_where_the_defended_model_was_as_good_at_once():
    odd = FakeArm("odd", (0.95, 0.95, 0.95), (10.0, 11.0, 12.0))
    found = arms_of(fake.UNDEFENDED, odd)["odd"][MATCHED]
    assert (found["verdict"], found["arm_before_start"]) == ("same", 3)
    assert found["reason"] == "defended as good before its first checkpoint"


def test_better_images_than_the_undefended_model_ever_made_have_no_match():
    good = FakeArm("good", (0.5, 0.5, 0.5), (30.0, 9.0, 5.0))
    found = arms_of(fake.UNDEFENDED, good)["good"][MATCHED]
    assert (found["verdict"], found["difference"]) == (None, None)
    assert found["reason"] == "undefended never as good"
    assert found["undefended_never"] == 3


def test_a_match_in_some_seeds_only_is_shown_but_not_judged():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE)
    better = next(c for c in cells if c["arm"] == "mixup-noise" and c["seed"] == 1)
    better["curve"][-1]["quality"][f"FID{fake.LABEL}"] = 5.0
    (found,) = analyze(grid(*cells))["families"]
    row = found["arms"][1][MATCHED]
    assert (row["undefended_never"], row["difference"]["num_seeds"]) == (1, 2)
    assert row["verdict"] is None


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_fewer_than_three_seeds_are_not_judged(seeds):
    arms = [FakeArm("undefended", seeds=seeds), FakeArm("x", (0.5,) * 3, seeds=seeds)]
    found = arms_of(*arms)["x"]
    assert (found[MATCHED]["verdict"], found[MATCHED]["reason"]) == (None, "few seeds")
    assert found["chosen_on_own_data"] == (len(seeds) == 1)


def test_only_seeds_that_both_arms_have_are_paired():
    row = arms_of(fake.UNDEFENDED, FakeArm("x", (0.5,) * 3, seeds=(1, 2, 7)))["x"]
    assert row[MATCHED]["seeds"] == [1, 2]


def test_without_the_undefended_arm_nothing_is_compared():
    row = arms_of(fake.PROTECTIVE)["mixup-noise"]
    assert row[MATCHED]["reason"] == row[STEPS]["reason"] == "no undefended model"
    assert row["between_curves"] is None


def test_equal_steps_are_the_last_that_are_shared():
    longer = FakeArm("x", (0.5, 0.6, 0.99), steps=(1000, 2000, 4000))
    found = arms_of(fake.UNDEFENDED, longer)["x"][STEPS]
    assert found["d_steps"] == 2000
    assert found["arm"]["mean"] == pytest.approx(0.6)
    other = FakeArm("x", steps=(1, 2, 3))
    found = arms_of(fake.UNDEFENDED, other)["x"][STEPS]
    assert (found["d_steps"], found["reason"]) == (None, "no checkpoint in common")


def test_verdicts_are_corrected_for_the_number_of_arms():
    """A p-value of about .03 passes alone, and not beside three that say nothing."""
    close = FakeArm("close", (0.5, 0.6, 0.85))
    cells = family(fake.UNDEFENDED, close)
    for cell in cells:
        if cell["arm"] == "close":
            shift = {0: -0.01, 1: 0.0, 2: 0.01}[cell["seed"]]
            cell["curve"][-1]["attacks"]["logan"]["auc"] += shift
    alone = analyze(grid(*cells))["families"][0]["arms"][1][MATCHED]
    assert alone["difference"]["p_value"] == alone["p_value_holm"] < 0.05
    assert alone["verdict"] == "less"
    idle = [FakeArm(f"idle-{number}") for number in range(3)]
    crowd = analyze(grid(*cells, *family(*idle)))["families"][0]["arms"][1][MATCHED]
    assert crowd["p_value_holm"] == pytest.approx(4 * alone["p_value_holm"])
    assert crowd["verdict"] == "same"


def test_the_order_of_the_cells_does_not_matter_but_for_the_order_of_the_arms():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL)
    one, other = (
        analyze(grid(*order))["families"][0] for order in (cells, cells[::-1])
    )
    assert other["arms"][0]["arm"] == "undefended"
    key = json.dumps
    assert sorted(map(key, one["arms"])) == sorted(map(key, other["arms"]))


def test_families_are_kept_apart():
    cells = [
        *family(fake.UNDEFENDED, fake.PROTECTIVE),
        *family(fake.UNDEFENDED, model="wgan_gp"),
        *family(fake.UNDEFENDED, members=1000),
    ]
    found = analyze(grid(*cells))["families"]
    names = [(one["model"], one["members"]) for one in found]
    assert names == [("dcgan", 250), ("wgan_gp", 250), ("dcgan", 1000)]


def test_after_training():
    row = arms_of(fake.UNDEFENDED)["undefended"]
    assert row["auc"]["mean"] == pytest.approx(0.9)
    assert row["strongest"] == {"logan": 3}
    assert (row["fid"]["low"], row["fid"]["mean"], row["fid"]["high"]) == (10, 10, 10)
    assert row["tpr"]["mean"] == pytest.approx(0.4)
    assert (row["fpr"], row["realized_fpr"]) == (0.01, [0.01, 0.01])
    assert row["epsilon"] is None


def test_the_best_quality_before_an_auc_is_exceeded():
    found = {
        one["auc"]: one
        for one in arms_of(FakeArm("undefended", spread=0.0))["undefended"][
            "fid_before"
        ]
    }
    assert found[0.55]["fid"] is None
    assert found[0.55]["exceeded_from_the_start"] == 3
    # .6 is the first checkpoint's AUC; .7 is two thirds of the way from 40 to 20.
    assert found[0.6]["fid"] == pytest.approx(40.0)
    assert found[0.7]["fid"] == pytest.approx(40 * 0.5 ** (2 / 3))


def test_epsilon_is_the_largest_of_the_seeds():
    cells = family(fake.DP)
    cells[1]["epsilon"] = 10.5
    row = analyze(grid(*cells))["families"][0]["arms"][0]
    assert (row["epsilon"], row["delta"]) == (10.5, 1e-4)
    assert row["noise_is_known"]


def test_the_bound_on_attacks_is_the_loosest_of_the_seeds():
    cells = family(fake.DP)
    for number, cell in enumerate(cells):
        cell["curve"][-1]["bounds"] = {"auc": 0.9 + number / 100, "fpr": 0.01, "tpr": 0}
    row = analyze(grid(*cells))["families"][0]["arms"][0]
    assert row["bounds"]["auc"] == 0.92
    del cells[0]["curve"][-1]["bounds"]
    assert analyze(grid(*cells))["families"][0]["arms"][0]["bounds"] is None


def test_shadow_attacks_and_usefulness_where_they_are():
    arm = FakeArm(
        "undefended",
        extra={"shadow_attacks": {"plain": fake.shadows(0.8), "adaptive": {}}},
        utility={"precision[x, k=3]": 0.7, "accuracy_generated": 0.8, "other": "?"},
    )
    row = arms_of(arm)["undefended"]
    (lira,) = row["shadow_attacks"]
    assert (lira["kind"], lira["name"], lira["num_shadows"]) == ("plain", "lira", [16])
    assert lira["auc"]["mean"] == pytest.approx(0.8)
    assert list(row["utility"]) == ["precision", "accuracy_generated"]
    assert arms_of(fake.UNDEFENDED)["undefended"]["utility"] == {}


def test_failed_attacks_are_survived():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE)
    for point in cells[0]["curve"]:
        point["attacks"] = {"logan": fake.failed("LOGAN")}
    found = analyze(grid(*cells))["families"][0]["arms"]
    assert found[0]["auc"]["num_seeds"] == 2
    assert found[1][MATCHED]["seeds"] == [1, 2]


def test_absent_optional_keys_are_survived():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE)
    for cell in cells:
        for key in ("group", "noise_seed", "cpu_seconds", "epsilon", "delta"):
            del cell[key]
    content = grid(*cells)
    for key in ("versions", "missing", "code"):
        del content[key]
    found = analyze(content)
    assert found["families"][0]["arms"][1]["group"] == "mixup-noise"


def test_the_findings_are_json_without_infinities_and_leave_the_results_alone():
    content = grid(*family(fake.UNDEFENDED, fake.PROTECTIVE, fake.DP))
    before = copy.deepcopy(content)
    found = analyze(content)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert content == before


def test_round_levels_are_passed_by_the_undefended_model():
    (found,) = read_families(grid(*family(fake.UNDEFENDED, fake.DP)))
    assert round_levels(found) == [10.0, 15.0, 20.0, 30.0]
    (alone,) = read_families(grid(*family(fake.DP)))
    assert round_levels(alone) == []


def test_given_levels():
    content = grid(*family(fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL))
    (found,) = analyze(content, fid_levels=[20.0])["families"]
    (noise,), (paper,) = (row["at_quality"] for row in found["arms"][1:])
    assert (noise["fid"], noise["verdict"]) == (20.0, "less")
    assert noise["difference"]["mean"] == pytest.approx(0.75 - 0.56)
    assert paper["verdict"] == "more"


def test_other_files_are_refused():
    with pytest.raises(ValueError, match="no results of a grid"):
        analyze({"schema_version": 1, "cells": []})
    cells = family(fake.UNDEFENDED)
    with pytest.raises(ValueError, match="twice"):
        analyze(grid(*cells, cells[0]))


def test_mixup_is_also_held_against_noise_alone():
    noise = FakeArm("noise", (0.52, 0.56, 0.7))
    rows = arms_of(fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL, noise)
    found = rows["mixup-noise"]["beside_noise"]
    assert found["difference"]["mean"] == pytest.approx(0.1)
    assert found["verdict"] == "less"
    assert rows["mixup-paper"]["beside_noise"]["verdict"] == "more"
    assert "beside_noise" not in rows["noise"]
    assert "beside_noise" not in arms_of(fake.UNDEFENDED, fake.IDLE)["mixup-idle"]
