import pytest

from benchmarks import shadow_study


def attack(name, *areas):
    mean = sum(areas) / len(areas)
    return {
        "name": name,
        "title": name.title(),
        "requires": ["samples"],
        "areas": areas,
        "area": {"mean": mean, "interval": (mean, mean)},
        "found": {"0.01": {"mean": 0.02}},
    }


def test_attacks_of_any_study_are_in_the_table_and_say_where_they_did_not_run():
    studies = {
        "A": {"attacks": [attack("near", 0.6)]},
        "B": {"attacks": [attack("near", 0.5), attack("far", 0.7)]},
    }
    near, far = shadow_study.table(studies).splitlines()[2:]
    one, two = "0.600 [0.600, 0.600]", "0.500 [0.500, 0.500]"
    assert near == f"| Near | samples | {one} | 2.0 % | {two} | 2.0 % |"
    assert far.startswith("| Far | samples | not run | not run | 0.700")


def test_differences_are_paired_by_model():
    first, second = attack("a", 0.7, 0.8, 0.9), attack("b", 0.6, 0.7, 0.8)
    found = shadow_study.difference(first, second)
    # Constant differences have no spread, however far the models lie apart.
    assert found["mean"] == pytest.approx(0.1)
    assert found["interval"] == pytest.approx((0.1, 0.1))
