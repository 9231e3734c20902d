import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup_gan.experiments.analysis.arms import (
    curve_of,
    standard_error,
    strongest_attacks,
)
from keras_mixup_gan.experiments.analysis.curves import Curve
from keras_mixup_gan.experiments.results import AttackFigures, Checkpoint
from keras_mixup_gan.statistics.roc import (
    auc,
    delong_interval,
    delong_variance,
    pair_counts,
)
from tests.experiments.fake_results import metric


def attack(name, area, half_width=0.03):
    if area is None:
        return AttackFigures(name, "x", "failed")
    interval = (area - half_width, area + half_width)
    return AttackFigures(name, "x", "done", "", area, interval)


def curve(*checkpoints, steps=(100, 200, 300)):
    return [
        Checkpoint(
            step,
            tuple(attack(name, area) for name, area in areas.items()),
            (metric("FID", 1000.0 / step),),
        )
        for step, areas in zip(steps, checkpoints, strict=False)
    ]


def names(chosen):
    return {
        seed: [one and one.attack.name for one in found]
        for seed, found in chosen.items()
    }


def test_the_attack_is_chosen_by_the_mean_of_the_other_seeds():
    curves = {
        0: curve({"a": 0.9, "b": 0.6}),
        1: curve({"a": 0.5, "b": 0.7}),
        2: curve({"a": 0.5, "b": 0.7}),
    }
    chosen = strongest_attacks(curves)
    # Seed 0 alone would say "a"; the others say "b", and are told "a" or "b" by it.
    assert names(chosen) == {0: ["b"], 1: ["a"], 2: ["a"]}
    assert chosen[0][0].auc == 0.6
    assert not chosen[0][0].on_own_data


def test_the_choice_is_made_at_each_checkpoint():
    same = curve({"a": 0.6, "b": 0.5}, {"a": 0.6, "b": 0.7})
    assert names(strongest_attacks({0: same, 1: same})) == {
        0: ["a", "b"],
        1: ["a", "b"],
    }


def test_a_single_seed_chooses_on_its_own_data_and_says_so():
    chosen = strongest_attacks({5: curve({"a": 0.6, "b": 0.7})})
    assert (chosen[5][0].attack.name, chosen[5][0].on_own_data) == ("b", True)


def test_a_checkpoint_that_no_other_seed_has_is_chosen_on_its_own_data():
    short = curve({"a": 0.9, "b": 0.5})
    long = curve({"a": 0.5, "b": 0.9}, {"a": 0.5, "b": 0.9})
    first, second = strongest_attacks({0: short, 1: long})[1]
    assert (first.attack.name, first.on_own_data) == ("a", False)
    assert (second.attack.name, second.on_own_data) == ("b", True)


def test_attacks_that_did_not_run_are_passed_over():
    curves = {0: curve({"a": None, "b": 0.5}), 1: curve({"a": 0.9, "b": 0.5})}
    assert names(strongest_attacks(curves)) == {0: ["b"], 1: ["b"]}
    assert strongest_attacks({0: curve({"a": None})}) == {0: [None]}


@given(st.permutations([3, 7, 9]), st.permutations(["a", "b", "c"]), st.randoms())
def test_neither_the_order_nor_the_numbers_of_seeds_nor_of_attacks_matter(
    order, attacks, random
):
    areas = {s: {a: random.choice([0.5, 0.6, 0.7]) for a in "abc"} for s in (3, 7, 9)}
    expected = names(strongest_attacks({s: curve(areas[s]) for s in (3, 7, 9)}))
    shuffled = {
        seed + 10: curve({name: areas[seed][name] for name in attacks})
        for seed in order
    }
    found = names(strongest_attacks(shuffled))
    assert {seed - 10: name for seed, name in found.items()} == expected


def test_choosing_elsewhere_does_not_flatter_where_no_attack_works():
    random = np.random.default_rng(0)
    honest, flattered = [], []
    for _ in range(300):
        curves = {
            seed: curve({name: random.normal(0.5, 0.02) for name in "abcde"})
            for seed in range(3)
        }
        chosen = strongest_attacks(curves)
        honest += [chosen[seed][0].auc for seed in curves]
        flattered += [
            max(one.auc for one in found[0].attacks) for found in curves.values()
        ]
    assert np.mean(honest) == pytest.approx(0.5, abs=0.003)
    assert np.mean(flattered) > 0.52


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_the_standard_error_is_delongs(shift):
    random = np.random.default_rng(1)
    members, outside = random.normal(shift, 1, 200), random.normal(0, 1, 300)
    found = auc(members, outside), delong_interval(members, outside)
    expected = delong_variance(*pair_counts(members, outside)) ** 0.5
    assert standard_error(*found) == pytest.approx(expected, rel=1e-9)


def test_perfect_separation_has_a_standard_error_too():
    low, high = delong_interval(np.ones(50), np.zeros(50))
    assert standard_error(1.0, (low, high)) == pytest.approx(
        (1 - low) / (2 * 1.959964), rel=1e-5
    )


def test_a_curve_leaves_out_checkpoints_without_an_attack():
    points = curve({"a": 0.6}, {"a": None}, {"a": 0.7})
    chosen = strongest_attacks({0: points})[0]
    found = curve_of(points, chosen)
    assert isinstance(found, Curve)
    assert found.fid == (10.0, 1000 / 300)
    assert found.leakage == (0.6, 0.7)
    assert found.steps == (100, 300)
    assert curve_of(points[1:2], chosen[1:2]) is None


def test_ties_go_to_the_first_name():
    for order in itertools.permutations("abc"):
        points = {s: curve(dict.fromkeys(order, 0.5)) for s in (0, 1)}
        assert names(strongest_attacks(points)) == {0: ["a"], 1: ["a"]}
