import dataclasses
import json

import pytest

from benchmarks import defense, defense_tables, publish
from keras_mixup_gan.attacks.shadows.study import study_of
from keras_mixup_gan.experiments import read_results
from keras_mixup_gan.versions import RESULTS_VERSION
from tests.attacks.shadows.test_study import drawn


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
    assert defense_tables.strongest(point, "everything") == "critic"
    assert defense_tables.strongest(point, "samples") == "near"


def test_at_equal_quality_the_other_arm_is_read_where_it_was_as_good():
    # In the logarithm of the distance 4 lies halfway between 8 and 2.
    other = [
        checkpoint(10, [8.0, 8.0, 8.0, 8.0], attack("near", [0.5, 0.5, 0.5, 0.5])),
        checkpoint(20, [2.0, 2.0, 2.0, 5.0], attack("near", [0.7, 0.8, 0.9, 0.9])),
    ]
    arm = [checkpoint(20, [4.0, 4.0, 4.0, 4.0], attack("near", [0.5, 0.5, 0.5, 0.5]))]
    found = defense_tables.differences(arm, other, "samples")
    # The fourth of the other models never was as good.
    assert found == pytest.approx([0.1, 0.15, 0.2], rel=1e-12)
    better = [checkpoint(20, [1.0] * 4, attack("near", [0.5] * 4))]
    assert defense_tables.differences(better, other, "samples") == []


def test_where_the_other_arm_never_was_as_good_the_arm_is_read_earlier():
    arm = [
        checkpoint(10, [8.0] * 3, attack("near", [0.5] * 3)),
        checkpoint(20, [2.0] * 3, attack("near", [0.7] * 3)),
    ]
    other = [
        checkpoint(10, [9.0] * 3, attack("near", [0.5] * 3)),
        checkpoint(20, [4.0] * 3, attack("near", [0.9] * 3)),
    ]
    found = defense_tables.differences(arm, other, "samples")
    assert found == pytest.approx([0.9 - 0.6] * 3, rel=1e-12)


def test_arms_that_are_worse_than_the_others_first_checkpoint_are_not_compared():
    other = [checkpoint(10, [3.0] * 3, attack("near", [0.6] * 3))] * 2
    arm = [checkpoint(20, [4.0] * 3, attack("near", [0.5] * 3))]
    assert defense_tables.differences(arm, other, "samples") == []


def test_an_arm_of_fewer_models_is_compared_with_attacks_of_as_few():
    other = [
        checkpoint(10, [8.0] * 3, attack("near", [0.5] * 3)),
        checkpoint(20, [2.0] * 3, attack("near", [0.9] * 3)),
    ]
    other[0]["few"] = checkpoint(10, [8.0] * 2, attack("near", [0.5, 0.5]))
    other[1]["few"] = checkpoint(20, [2.0] * 2, attack("near", [0.7, 0.8]))
    few = [checkpoint(20, [4.0, 4.0], attack("near", [0.5, 0.5]))]
    expected = pytest.approx([0.1, 0.15], rel=1e-12)
    assert defense_tables.differences(few, other, "samples") == expected
    reverse = defense_tables.differences(other, few, "samples")
    assert reverse == pytest.approx([-0.1, -0.15], rel=1e-12)


def test_the_first_models_know_only_one_another():
    shadows = drawn(leak=1.0, num_models=8)
    few = study_of(shadows.of_models(range(5)))
    assert few.shadows.num_shadows == len(few.shadows.ids) == 5
    areas = [one.areas for one in few.attacks]
    assert {len(each) for each in areas} == {5}
    shadows.statistics["critic"][5:] = 0.0
    again = study_of(shadows.of_models(range(5)))
    assert [one.areas for one in again.attacks] == areas


def curve(areas, fids=((9.0, 9.1, 9.2), (5.0, 5.1, 5.2))):
    """Two checkpoints, of which the first leaks nothing."""
    return [
        checkpoint(
            number,
            list(fid),
            attack("near", [0.5, 0.51, 0.5]),
            attack("critic", area, CRITIC),
        )
        for number, (fid, area) in enumerate(zip(fids, ([0.5] * 3, areas), strict=True))
    ]


def test_the_undefended_arm_is_compared_with_all_and_the_others_with_the_defense():
    figures = {
        "arms": {
            "undefended": curve([0.99, 0.98, 0.97], ((9, 9, 9), (2, 2, 2))),
            "blended": curve([0.52, 0.53, 0.54]),
            "published": curve([0.9, 0.91, 0.92]),
            "private": curve([0.5, 0.5, 0.5], ((50, 50, 50), (40, 40, 40))),
        }
    }
    made = {
        (one.arm, one.other, one.access): one
        for one in defense_tables.comparisons(figures)
    }
    assert len(made) == 2 * (3 + 2)
    found = made["blended", "undefended", "everything"]
    assert found.found.num_seeds == 3
    assert found.verdict == "leaks less"
    assert made["published", "undefended", "everything"].verdict == "leaks more"
    assert made["blended", "published", "everything"].verdict == "leaks less"
    # The first checkpoint of the other was better already.
    assert made["private", "undefended", "everything"].verdict == "not judged"


def test_a_study_of_the_undefended_arm_compares_nothing():
    point = checkpoint(1, [9.0, 9.1, 9.2], attack("near", [0.5, 0.51, 0.5]))
    text = defense_tables.summary({"arms": {"undefended": [point]}})
    assert len(text.splitlines()) == 3
    assert "compared with" not in text


def test_pairs_are_better_where_the_last_model_beats_the_best_of_the_other():
    figures = {
        "arms": {
            "undefended": [
                checkpoint(1, [5.0, 2.0, 9.0], attack("near", [0.5] * 3)),
                checkpoint(2, [4.0, 3.0, 8.0], attack("near", [0.5] * 3)),
            ],
            "blended": [checkpoint(2, [3.9, 2.5, 8.0], attack("near", [0.5] * 3))],
        }
    }
    assert defense_tables.better_pairs(figures) == "better in 1 of 3 pairs"


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
    figures = {"arms": {"undefended": points, "blended": points}}
    text = defense_tables.summary(figures)
    checkpoints, compared = text.split("\n\n")
    assert len(checkpoints.splitlines()) == 2 + 4
    assert len(compared.splitlines()) == 2 + 2
    assert "| Undefended | 2 | 7.10 [6.85, 7.35] | 0.710 [0.685, 0.735] | 2.0 %" in text
    assert "| Augmented mixup | Undefended | samples | 0.000" in compared


def test_the_readme_has_a_line_for_each_main_arm():
    arms = {
        "undefended": curve([0.9] * 3),
        "blended": curve([0.6] * 3),
        "noisy": curve([0.7] * 3),
    }
    for point in [*arms["undefended"], *arms["blended"]]:
        few = attack("near", [0.5, 0.5])
        point["few"] = checkpoint(point["steps"], point["fid"][:2], few)
    arms["private"] = [point["few"] for point in arms["undefended"]]
    about, _, *lines = defense_tables.readme_section({"arms": arms}).splitlines()
    assert "3 trainings of each arm (DP-SGD (ε 10): 2)" in about
    assert len(lines) == 2 + 3
    assert {line.count("|") for line in lines} == {8}
    assert lines[-2].startswith("| Augmented mixup | 1 | 5.10 [4.85, 5.35] |")


def test_no_interval_of_an_auc_leaves_its_range():
    text = defense_tables.summary({"arms": {"undefended": curve([0.9, 1.0, 1.0])}})
    assert "0.967 [0.823, 1.000]" in text


def test_a_table_of_a_page_is_replaced_whole():
    page = "before\n<!-- one:begin -->\nold\n<!-- one:end -->\nafter\n"
    made = publish.with_section(page, "new", "one")
    assert made == page.replace("old", "new")
    assert publish.with_section(made, "new", "one") == made
    with pytest.raises(ValueError, match="no place for a table"):
        publish.with_section(page, "new", "two")


@pytest.mark.parametrize("name", defense.STUDIES)
def test_the_arms_of_a_study_have_titles_and_places_of_their_own(name):
    study = defense.STUDIES[name]
    assert set(study.checkpoints) <= defense.ARMS.keys() == defense_tables.TITLES.keys()
    assert len({study.folder(arm) for arm in study.checkpoints}) == len(
        study.checkpoints
    )
    assert study.fewer.keys() <= study.checkpoints.keys()
    assert all(sorted(steps) == list(steps) for steps in study.checkpoints.values())


def test_a_private_model_has_noise_of_its_own():
    study = defense.STUDIES["dcgan"]
    one, other = (study.build("private", (28, 28, 1), seed) for seed in (1, 2))
    assert one.dp.noise_seed != other.dp.noise_seed


def test_arms_that_a_file_has_stay_in_it(tmp_path):
    file = tmp_path / "figures.json"
    empty = defense.started("dcgan", None)
    assert (empty["study"], empty["arms"]) == ("dcgan", {})
    assert defense.started("dcgan", file) == empty
    figures = {**empty, "arms": {"undefended": [checkpoint(10, [8.0])]}}
    figures["results_versions"] = {"undefended": 2}
    file.write_text(json.dumps(figures), "utf-8")
    assert defense.started("dcgan", file) == figures
    with pytest.raises(ValueError, match=r"another study.*Received: .*'dcgan'"):
        defense.started("patches", file)


def test_arms_that_are_added_later_leave_earlier_verdicts_as_they_are():
    def arm(areas):
        return [checkpoint(10, [4.0] * 4, attack("near", areas))]

    # p is .017: beyond chance at 5 % for two comparisons, not for six.
    arms = {
        "undefended": arm([0.613, 0.621, 0.629, 0.637]),
        "blended": arm([0.60, 0.60, 0.60, 0.60]),
    }
    before = defense_tables.comparisons({"arms": arms})
    assert {made.verdict for made in before} == {"leaks less"}
    for added in ("regions", "dropout"):  # of two later sets
        arms[added] = arm([0.62, 0.61, 0.64, 0.63])
        after = defense_tables.comparisons({"arms": arms})
        kept = [made for made in after if added not in (made.arm, made.other)]
        assert kept == before
        new = [made for made in after if made not in kept]
        assert {made.verdict for made in new} == {"not distinguishable"}
        before = after


def test_parts_of_the_defense_are_the_defense_without_one():
    whole = defense.BLENDED
    for arm in ("unblended", "unnoised"):
        part = defense.ARMS[arm]["mixup"]
        changed = {
            name
            for name, value in part.get_config().items()
            if value != whole.get_config()[name]
        }
        assert changed == {
            {"unblended": "num_samples", "unnoised": "noise_stddev"}[arm]
        }


def test_arms_of_several_results_versions_say_so():
    point = checkpoint(10, [8.0] * 3, attack("near", [0.5] * 3))
    arms = {"undefended": [point], "blended": [point]}
    figures = {"study": "dcgan", "arms": arms}
    assert defense_tables.versions_of(figures) == {"undefended": 1, "blended": 1}
    assert "Results versions" not in defense_tables.summary(figures)
    figures["results_versions"] = {"blended": 2}
    assert "Undefended 1, Augmented mixup 2." in defense_tables.summary(figures)
    one_for_all = {"study": "dcgan", "results_version": 2, "arms": arms}
    assert set(defense_tables.versions_of(one_for_all).values()) == {2}


def test_an_arm_is_written_with_the_version_that_made_it(tmp_path, monkeypatch):
    file = tmp_path / "figures.json"
    old = checkpoint(10, [8.0] * 6, attack("near", [0.5] * 6))
    figures = {"study": "dcgan", "arms": {"undefended": [old]}}
    file.write_text(json.dumps(figures), "utf-8")
    monkeypatch.setattr(defense, "measured", lambda *_, **__: [old])
    words = ["defense", str(tmp_path), "--arms", "regions", "--out", str(file)]
    monkeypatch.setattr("sys.argv", words)
    defense.main()
    found = json.loads(file.read_text("utf-8"))
    assert found["results_versions"] == {"undefended": 1, "regions": RESULTS_VERSION}
    assert set(found["arms"]) == {"undefended", "regions"}


def test_arms_of_other_numbers_of_models_are_refused_before_any_is_trained():
    study = defense.STUDIES["dcgan"]
    study.check_comparable({"undefended": 16, "noisy": 6, "private": 6})
    study.check_comparable({"undefended": 4, "blended": 4})
    for numbers in ({"undefended": 16, "blended": 8}, {"undefended": 5, "noisy": 6}):
        with pytest.raises(ValueError, match="Arms of so many models"):
            study.check_comparable(numbers)


def test_only_the_comparison_replaces_the_published_one(tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "RESULTS", tmp_path / "published")
    found = read_results(publish.ROOT / "benchmarks" / "results" / "compare.json")
    quick = dataclasses.replace(found.suite, name="quick")
    found = dataclasses.replace(found, suite=quick)
    monkeypatch.setattr(publish, "read_results", lambda path: found)
    with pytest.raises(ValueError, match="Received: suite='quick'"):
        publish.publish_comparison(tmp_path)
    assert not (tmp_path / "published").exists()
