import pytest

from benchmarks import defense


def attack(name, areas, requires=("samples", "shadows")):
    mean = sum(areas) / len(areas)
    return {
        "name": name,
        "areas": areas,
        "requires": list(requires),
        "area": {"mean": mean},
        "found": {"0.01": {"mean": 0.02}},
    }


def checkpoint(steps, fids, *attacks):
    return {"steps": steps, "fid": fids, "attacks": list(attacks)}


CRITIC = ("discriminator", "samples", "shadows")


def test_the_strongest_attack_is_one_that_the_access_allows():
    point = checkpoint(
        1, [9.0] * 3, attack("near", [0.6] * 3), attack("critic", [0.7] * 3, CRITIC)
    )
    assert defense.strongest(point, "everything") == "critic"
    assert defense.strongest(point, "samples") == "near"


def test_at_equal_quality_compares_with_the_other_arm_when_it_was_as_good():
    # In the logarithm of the distance 4 lies halfway between 8 and 2.
    other = [
        checkpoint(10, [8.0, 8.0, 8.0, 8.0], attack("near", [0.5, 0.5, 0.5, 0.5])),
        checkpoint(20, [2.0, 2.0, 2.0, 5.0], attack("near", [0.7, 0.8, 0.9, 0.9])),
    ]
    arm = [checkpoint(20, [4.0, 4.0, 4.0, 4.0], attack("near", [0.5, 0.5, 0.5, 0.5]))]
    found = defense.at_equal_quality(arm, other, "samples")
    # The fourth of the other models never was as good.
    assert found.num_seeds == 3
    assert found.mean == pytest.approx((0.1 + 0.15 + 0.2) / 3, rel=1e-12)
    better = [checkpoint(20, [1.0] * 4, attack("near", [0.5] * 4))]
    assert defense.at_equal_quality(better, other, "samples") is None


def test_arms_that_are_worse_than_the_others_first_checkpoint_are_not_compared():
    other = [checkpoint(10, [3.0] * 3, attack("near", [0.6] * 3))] * 2
    arm = [checkpoint(20, [4.0] * 3, attack("near", [0.5] * 3))]
    assert defense.at_equal_quality(arm, other, "samples") is None


def test_the_summary_has_a_line_for_each_checkpoint_and_each_comparison():
    points = [
        checkpoint(
            steps,
            [9.0 - steps, 9.1 - steps, 9.2 - steps],
            attack("near", [0.6, 0.61, 0.62]),
            attack("critic", [0.7, 0.71, 0.72], CRITIC),
        )
        for steps in (1, 2)
    ]
    text = defense.summary({"arms": {"blended": points, "undefended": points}})
    assert text.count("\n| ") == 4 + 1 - 1
    assert "| Undefended | 2 | 7.10 [6.85, 7.35] | 0.710 [0.685, 0.735] | 2.0 %" in text
    assert text.count("\n- Undefended minus Augmented mixup") == 2
