import dataclasses

import pytest

from keras_mixup_gan.experiments.analysis.arms import families_of
from keras_mixup_gan.experiments.analysis.findings import Side, analyze, round_levels
from keras_mixup_gan.experiments.analysis.verdicts import (
    Reason,
    Uncertainty,
    Verdict,
)
from tests.experiments import fake_results as fake
from tests.experiments.fake_results import FakeArm, family, metric, results

LESS, MORE = Verdict.LEAKS_LESS, Verdict.LEAKS_MORE
SAME, UNKNOWN = Verdict.NOT_DISTINGUISHABLE, Verdict.NOT_JUDGED


def arms_of(*arms, **changes):
    (found,) = analyze(results(*family(*arms), **changes)).families
    return {finding.arm: finding for finding in found.arms}


def test_a_protective_defense_leaks_less_at_equal_quality_and_at_equal_steps():
    row = arms_of(fake.UNDEFENDED, fake.PROTECTIVE)["mixup-noise"]
    for found in (row.at_final_quality, row.at_equal_steps):
        assert found.verdict is LESS
        assert found.difference.mean == pytest.approx(0.3)
        assert found.other.mean == pytest.approx(0.9)
        assert found.arm.mean == pytest.approx(0.6)
        assert found.reason is None


def test_a_harmful_defense_leaks_more():
    row = arms_of(fake.UNDEFENDED, fake.HARMFUL)["mixup-paper"]
    assert row.at_final_quality.verdict is MORE
    assert row.at_final_quality.difference.mean == pytest.approx(-0.07)


def test_an_arm_that_follows_the_curve_of_the_undefended_one_differs_by_nothing():
    """Half as fast along the same curve: better at equal steps, the same in truth."""
    slow = FakeArm("slow", (0.5, 0.6, 0.75), (80.0, 40.0, 20.0))
    row = arms_of(fake.UNDEFENDED, slow)["slow"]
    assert row.at_final_quality.values == (0.0, 0.0, 0.0)
    assert row.at_final_quality.verdict is SAME
    assert row.between_curves.fid_range == (20.0, 40.0)
    assert row.between_curves.difference.mean == pytest.approx(0, abs=1e-12)
    assert row.at_equal_steps.verdict is LESS
    assert row.at_equal_steps.difference.mean == pytest.approx(0.15)


def test_every_arm_against_itself_differs_by_nothing_even_if_quality_comes_and_goes():
    wild = {"aucs": (0.5, 0.7, 0.6), "fids": (30.0, 12.0, 17.0)}
    row = arms_of(FakeArm("undefended", **wild), FakeArm("twin", **wild))["twin"]
    assert row.at_final_quality.values == (0.0, 0.0, 0.0)
    assert row.between_curves.difference.mean == 0.0


def test_the_area_between_straight_curves_in_closed_form():
    """Both pass FID 40 to 10; the undefended at .6, .75, .9, the other at .55."""
    row = arms_of(fake.UNDEFENDED, FakeArm("flat", (0.55,) * 3))["flat"]
    assert row.between_curves.difference.mean == pytest.approx(0.2)


def test_no_area_where_the_ranges_do_not_overlap():
    far = FakeArm("far", (0.5, 0.5, 0.5), (90.0, 80.0, 70.0))
    assert arms_of(fake.UNDEFENDED, far)["far"].between_curves is None


def test_leaking_less_is_not_claimed_where_the_undefended_model_was_as_good_at_once():
    """Its first checkpoint is already better; stopped before, it may leak nothing."""
    bad = FakeArm("bad", (0.5, 0.5, 0.5), (90.0, 80.0, 70.0))
    found = arms_of(fake.UNDEFENDED, bad)["bad"].at_final_quality
    assert found.difference.interval[0] > 0
    assert found.other_before_start == 3
    assert found.verdict is SAME
    assert found.reason == Reason.OTHER_EARLIER


def test_leaking_more_than_an_upper_bound_is_leaking_more():
    bad = FakeArm("bad", (0.8, 0.8, 0.8), (90.0, 80.0, 70.0))
    assert arms_of(fake.UNDEFENDED, bad)["bad"].at_final_quality.verdict is MORE


def test_leaking_more_is_not_claimed_where_the_defended_model_was_as_good_at_once():
    odd = FakeArm("odd", (0.95, 0.95, 0.95), (10.0, 11.0, 12.0))
    found = arms_of(fake.UNDEFENDED, odd)["odd"].at_final_quality
    assert (found.verdict, found.arm_before_start) == (SAME, 3)
    assert found.reason == Reason.ARM_EARLIER


def test_better_images_than_the_undefended_model_ever_made_have_no_match():
    good = FakeArm("good", (0.5, 0.5, 0.5), (30.0, 9.0, 5.0))
    found = arms_of(fake.UNDEFENDED, good)["good"].at_final_quality
    assert (found.verdict, found.difference) == (UNKNOWN, None)
    assert found.reason == Reason.OTHER_NEVER
    assert found.other_never == 3


def test_a_match_in_some_seeds_only_is_shown_but_not_judged():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE)
    better = fake.changed_last(cells[4], quality=(metric("FID", 5.0), metric("KID", 1)))
    (found,) = analyze(results(*cells[:4], better, cells[5])).families
    row = found.arms[1].at_final_quality
    assert (row.other_never, row.difference.num_seeds) == (1, 2)
    assert row.verdict is UNKNOWN


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_fewer_than_three_seeds_of_several_are_not_judged(seeds):
    arms = [FakeArm("undefended", seeds=seeds), FakeArm("x", (0.5,) * 3, seeds=seeds)]
    found = arms_of(*arms)["x"]
    matched = found.at_final_quality
    assert (matched.verdict, matched.reason) == (UNKNOWN, Reason.FEW_SEEDS)
    assert found.chosen_on_own_data == (len(seeds) == 1)


@pytest.mark.parametrize(
    ("area", "verdict"), [(0.6, LESS), (0.89, SAME), (0.9, SAME), (0.97, MORE)]
)
def test_a_suite_of_one_seed_is_judged_by_its_queries(area, verdict):
    """The same verdicts, whose uncertainty is that of the queries alone."""
    arms = [
        FakeArm("undefended", seeds=(0,)),
        FakeArm("x", (0.5, 0.55, area), seeds=(0,)),
    ]
    found = analyze(results(*family(*arms), seeds=(0,)))
    assert found.uncertainty is Uncertainty.QUERIES
    matched = found.families[0].arms[1].at_final_quality
    assert matched.verdict is verdict
    assert (matched.p_value_holm < 0.05) == (verdict is not SAME)
    # Two independent normal errors of .01, as the intervals of the AUCs say.
    low, high = matched.difference.interval
    assert high - low == pytest.approx(2 * 1.96 * 2**0.5 * 0.01, rel=0.1)
    assert analyze(results(*family(*arms))).uncertainty is Uncertainty.SEEDS


def test_only_seeds_that_both_arms_have_are_paired():
    row = arms_of(fake.UNDEFENDED, FakeArm("x", (0.5,) * 3, seeds=(1, 2, 7)))["x"]
    assert row.at_final_quality.seeds == (1, 2)


def test_without_the_undefended_arm_nothing_is_compared():
    row = arms_of(fake.PROTECTIVE)["mixup-noise"]
    assert row.at_final_quality.reason is row.at_equal_steps.reason is Reason.NO_OTHER
    assert row.between_curves is None


def test_equal_steps_are_the_last_that_are_shared():
    longer = FakeArm("x", (0.5, 0.6, 0.99), steps=(1000, 2000, 4000))
    found = arms_of(fake.UNDEFENDED, longer)["x"].at_equal_steps
    assert found.steps == 2000
    assert found.arm.mean == pytest.approx(0.6)
    other = FakeArm("x", steps=(1, 2, 3))
    found = arms_of(fake.UNDEFENDED, other)["x"].at_equal_steps
    assert (found.steps, found.reason) == (None, Reason.NO_COMMON_STEPS)


def test_verdicts_are_corrected_for_the_number_of_arms():
    """A p-value of about .03 passes alone, and not beside three that say nothing."""
    close = FakeArm("close", (0.5, 0.6, 0.85))
    cells = family(fake.UNDEFENDED, close)
    for at, shift in ((3, -0.01), (5, 0.01)):
        area = cells[at].last.done["logan"].auc + shift
        cells[at] = fake.changed_last(cells[at], attacks=(fake.attack("logan", area),))
    alone = analyze(results(*cells)).families[0].arms[1].at_final_quality
    assert alone.difference.p_value == alone.p_value_holm < 0.05
    assert alone.verdict is LESS
    idle = [FakeArm(f"idle-{number}") for number in range(3)]
    crowd = analyze(results(*cells, *family(*idle))).families[0]
    assert crowd.arms[1].at_final_quality.p_value_holm == pytest.approx(
        4 * alone.p_value_holm
    )
    assert crowd.arms[1].at_final_quality.verdict is SAME


def test_the_order_of_the_cells_does_not_matter_but_for_the_order_of_the_arms():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL)
    one, other = (
        analyze(results(*order)).families[0] for order in (cells, cells[::-1])
    )
    assert other.arms[0].arm == "undefended"
    assert sorted(map(repr, one.arms)) == sorted(map(repr, other.arms))


def test_families_are_kept_apart():
    cells = [
        *family(fake.UNDEFENDED, fake.PROTECTIVE),
        *family(fake.UNDEFENDED, model="wgan_gp"),
        *family(fake.UNDEFENDED, members=1000),
    ]
    found = analyze(results(*cells)).families
    names = [(one.model, one.members) for one in found]
    assert names == [("dcgan", 250), ("wgan_gp", 250), ("dcgan", 1000)]


def test_after_training():
    row = arms_of(fake.UNDEFENDED)["undefended"]
    assert row.strongest.auc.mean == pytest.approx(0.9)
    assert row.strongest.title == fake.TITLES["logan"]
    assert (row.fid.low, row.fid.mean, row.fid.high) == (10, 10, 10)
    assert row.strongest.tpr.mean == pytest.approx(0.4)
    assert row.strongest.realized_fpr == (0.01, 0.01)
    assert set(row.attacks) == {"logan", "gan_leaks"}
    assert row.epsilon is None


def test_the_best_quality_before_an_auc_is_exceeded():
    found = {
        one.auc: one
        for one in arms_of(FakeArm("undefended", spread=0.0))["undefended"].allowed
    }
    assert found[0.55].fid is None
    assert found[0.55].exceeded_from_the_start == 3
    # .6 is the first checkpoint's AUC; .7 is two thirds of the way from 40 to 20.
    assert found[0.6].fid == pytest.approx(40.0)
    assert found[0.7].fid == pytest.approx(40 * 0.5 ** (2 / 3))


def test_epsilon_is_the_largest_of_the_seeds():
    cells = family(fake.DP)
    cells[1] = fake.changed_last(cells[1], epsilon=10.5)
    row = analyze(results(*cells)).families[0].arms[0]
    assert (row.epsilon, row.delta) == (10.5, 1e-4)
    assert row.noise_is_known


def test_the_bound_on_attacks_is_the_loosest_of_the_seeds():
    arms = [dataclasses.replace(fake.DP, bound=0.9, seeds=(0, 1))]
    arms += [dataclasses.replace(fake.DP, bound=0.92, seeds=(2,))]
    cells = family(*arms)
    assert analyze(results(*cells)).families[0].arms[0].bounds.auc == 0.92
    cells[0] = fake.changed_last(cells[0], bounds=None)
    assert analyze(results(*cells)).families[0].arms[0].bounds is None


def test_attacks_are_compared_with_the_bound_of_epsilon():
    private = dataclasses.replace(fake.DP, bound=0.6)
    check = arms_of(fake.UNDEFENDED, private)["dp-sgd-10"].bound_check
    assert (check.side, check.undefended_side) == (Side.BELOW, Side.ABOVE)
    assert check.auc == pytest.approx(0.52, abs=0.005)
    assert check.undefended_auc == pytest.approx(0.9)
    stronger = dataclasses.replace(
        private, extra={"shadow_attacks": (fake.shadow(0.61),)}
    )
    check = arms_of(fake.UNDEFENDED, stronger)["dp-sgd-10"].bound_check
    assert (check.auc, check.side) == (pytest.approx(0.61), Side.ABOVE)
    near = dataclasses.replace(private, bound=0.515)
    alone = arms_of(near)["dp-sgd-10"].bound_check
    assert (alone.side, alone.undefended_side) == (Side.ABOVE_WITHIN_ERROR, None)
    assert arms_of(fake.DP)["dp-sgd-10"].bound_check is None


def test_shadow_attacks_and_usefulness_where_they_are():
    arm = FakeArm(
        "undefended",
        extra={"shadow_attacks": (fake.shadow(0.8),)},
        utility=(metric("precision", 0.7), metric("accuracy_generated", 0.8)),
    )
    row = arms_of(arm)["undefended"]
    (lira,) = row.shadow_attacks
    assert (lira.kind, lira.title) == ("plain", "LiRA (shadow models)")
    assert lira.num_shadows == (16, 16)
    assert lira.auc.mean == pytest.approx(0.8)
    assert list(row.utility) == ["precision", "accuracy_generated"]
    assert arms_of(fake.UNDEFENDED)["undefended"].utility == {}


def test_failed_attacks_are_survived():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE)
    curve = tuple(
        dataclasses.replace(point, attacks=(fake.failed("logan"),))
        for point in cells[0].curve
    )
    cells[0] = dataclasses.replace(cells[0], curve=curve)
    found = analyze(results(*cells)).families[0].arms
    assert found[0].strongest.auc.num_seeds == 2
    compared = found[1].at_final_quality
    assert (compared.seeds, len(compared.values)) == ((0, 1, 2), 2)
    assert (compared.attack_failed, compared.reason) == (1, Reason.ATTACK_FAILED)


@pytest.mark.parametrize("on", ["idle", "undefended"])
@pytest.mark.parametrize("names", [["logan"], ["logan", "gan_leaks"]])
def test_an_attack_that_failed_on_one_arm_is_no_protection(on, names):
    def without(one):
        left = [each for each in one.last.attacks if each.name not in names]
        attacks = (*left, *map(fake.failed, names))
        return fake.changed_last(one, attacks=attacks)

    cells = [
        without(one) if one.arm.endswith(on) else one
        for one in family(fake.UNDEFENDED, fake.IDLE)
    ]
    (_, idle) = analyze(results(*cells)).families[0].arms
    *less, everything = idle.releases
    for one in (
        idle.at_final_quality,
        idle.at_equal_steps,
        everything.at_final_quality,
    ):
        assert (one.verdict, one.reason) == (UNKNOWN, Reason.ATTACK_FAILED)
        assert (one.attack_failed, one.values) == (3, ())
    assert idle.between_curves is None
    # Of samples there is only the nearest one.
    hit = 3 if "gan_leaks" in names else 0
    assert [one.at_final_quality.attack_failed for one in less] == [hit, hit]


def test_an_attack_that_failed_on_all_is_missing_everywhere():
    def without(point):
        left = [each for each in point.attacks if each.name != "logan"]
        return dataclasses.replace(point, attacks=(*left, fake.failed("logan")))

    cells = [
        dataclasses.replace(one, curve=tuple(map(without, one.curve)))
        for one in family(fake.UNDEFENDED, fake.IDLE)
    ]
    (_, idle) = analyze(results(*cells)).families[0].arms
    assert idle.at_final_quality.verdict is Verdict.NOT_DISTINGUISHABLE
    assert idle.at_final_quality.attack_failed == 0


def test_round_levels_are_passed_by_the_undefended_model():
    (found,) = families_of(results(*family(fake.UNDEFENDED, fake.DP)))
    assert round_levels(found) == [10.0, 15.0, 20.0, 30.0]
    (alone,) = families_of(results(*family(fake.DP)))
    assert round_levels(alone) == []


def test_given_levels():
    content = results(*family(fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL))
    (found,) = analyze(content, fid_levels=[20.0]).families
    (noise,), (paper,) = (row.at_quality for row in found.arms[1:])
    assert (noise.fid, noise.verdict) == (20.0, LESS)
    assert noise.difference.mean == pytest.approx(0.75 - 0.56)
    assert paper.verdict is MORE


def test_a_cell_that_is_there_twice_is_refused():
    cells = family(fake.UNDEFENDED)
    with pytest.raises(ValueError, match="twice"):
        analyze(results(*cells, cells[0]))


def test_mixup_is_also_compared_with_noise_alone():
    noise = FakeArm("noise", (0.52, 0.56, 0.7), kind="noise")
    rows = arms_of(fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL, noise)
    found = rows["mixup-noise"].against_noise
    assert found.difference.mean == pytest.approx(0.1)
    assert found.verdict is LESS
    assert rows["mixup-paper"].against_noise.verdict is MORE
    assert rows["noise"].against_noise is None
    alone = arms_of(fake.UNDEFENDED, fake.IDLE)["mixup-idle"]
    assert alone.against_noise is None
