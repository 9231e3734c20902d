import dataclasses
import html
import json
import re

import numpy as np
import pytest

from keras_mixup_gan import storage
from keras_mixup_gan.experiments.analysis.findings import analyze
from keras_mixup_gan.reports import comparison, figures, render, tables
from tests.experiments import fake_results as fake
from tests.experiments.fake_results import FakeArm, family, results
from tests.reports.pages import outline_of

HOSTILE = '<img onerror="x"> & | `$a$ {{ 1 }}'
SIDES = ("members", "non_members")
LESS, MORE = "leaks less", "leaks more"


def only_family(*cells, **changes):
    (found,) = analyze(results(*cells, **changes)).families
    return found


def facts(*arms):
    """What is said of the last of the arms, by label."""
    return comparison.facts(only_family(*family(*arms)).arms[-1])


def plain(markdown):
    return html.unescape(re.sub(r"\\(.)", r"\1", markdown))


@pytest.mark.parametrize(
    ("arm", "verdict", "difference"),
    [
        (fake.PROTECTIVE, LESS, "0.300"),
        (fake.HARMFUL, MORE, "-0.070"),
        (fake.IDLE, "not distinguishable", "0.000"),
    ],
)
def test_good_and_bad_news_take_the_same_words(arm, verdict, difference):
    found = facts(fake.UNDEFENDED, arm)
    for label in ("At its final quality", "At equal steps"):
        text = found[label]
        assert text.startswith("undefended 0.900, defended ")
        assert f"difference {difference} [" in text
        assert f"]: {verdict}, corrected p " in text
    skeletons = {
        re.sub(r"p [<=] [\d.]+", "p", re.sub(r"-?\d[\d.,]*", "#", facts(*pair)[label]))
        .replace(LESS, "x")
        .replace(MORE, "x")
        for pair in (
            (fake.UNDEFENDED, fake.PROTECTIVE),
            (fake.UNDEFENDED, fake.HARMFUL),
        )
    }
    assert len(skeletons) == 1


def test_arms_that_cannot_be_matched_say_why():
    bad = facts(fake.UNDEFENDED, FakeArm("bad", (0.5,) * 3, (90.0, 80.0, 70.0)))
    assert (
        "In 3 of 3 seeds the other model was better at its first checkpoint"
        in (bad["At its final quality"])
    )
    good = facts(fake.UNDEFENDED, FakeArm("good", (0.55,) * 3, (30.0, 9.0, 5.0)))
    assert good["At its final quality"].startswith("not judged. In 3 of 3 seeds the")
    alone = facts(fake.PROTECTIVE)
    assert "no model to compare it with" in alone["At its final quality"]


def test_attacks_that_did_not_run_say_why():
    cell = fake.cell(fake.UNDEFENDED, 0)
    cell = fake.changed_last(cell, attacks=(fake.failed("logan"),))
    (arm,) = only_family(cell).arms
    found = comparison.facts(arm)
    assert found[fake.TITLES["logan"]] == "failed: it diverged."


def test_mixup_is_compared_with_noise_alone():
    noise = FakeArm("noise", (0.52, 0.56, 0.7), kind="noise")
    found = facts(fake.UNDEFENDED, noise, fake.PROTECTIVE)
    assert found["Compared with noise alone"].startswith("noise alone 0.700")
    assert LESS in found["Compared with noise alone"]


def test_dp_sgd_comes_with_its_epsilon_and_what_it_assumes():
    private = dataclasses.replace(fake.DP, bound=0.7004)
    found = facts(fake.UNDEFENDED, private)["Guarantee"]
    assert found.startswith("ε = 10 at δ = 0.0001, were its noise secret")
    assert "No attack then exceeds AUC 0.701 or finds more than 30.0 %" in found
    secret = dataclasses.replace(fake.DP, extra={}, bound=0.9996)
    assert facts(fake.UNDEFENDED, secret)["Guarantee"] == "ε = 10 at δ = 0.0001."
    assert "Guarantee" not in facts(fake.UNDEFENDED)


def test_whether_attacks_stay_below_the_bound_of_epsilon_is_said():
    private = dataclasses.replace(fake.DP, bound=0.7004)
    said = comparison.verdict_sentences(only_family(*family(fake.UNDEFENDED, private)))
    assert said.endswith(
        "By its ε no attack on Dp-sgd-10 exceeds AUC 0.701: the strongest, with LiRA "
        "where it ran, is below (0.517); on the undefended model it is above (0.900)."
    )
    useless = dataclasses.replace(fake.DP, bound=0.9996)
    assert comparison.bound_sentence(only_family(*family(useless)).arms[0]) is None


def test_the_strongest_shadow_attack_is_told_of():
    arm = FakeArm("x", extra={"shadow_attacks": (fake.shadow(0.75, "adaptive"),)})
    found = facts(fake.UNDEFENDED, arm)["Shadow models"]
    assert found.startswith("LiRA (shadow models), trained with the same defense: AUC")


def test_the_headline_of_one_family_names_the_arms():
    arms = (fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL, fake.IDLE)
    headline = comparison.headline(analyze(results(*family(*arms))))
    assert headline.startswith("Whether an image was trained on can be told from an")
    assert "undefended DCGAN of 250 members with AUC 0.90" in headline
    assert headline.endswith(
        "leaks less: Mixup-noise; leaks more: Mixup-paper; not distinguishable: "
        "Mixup-idle."
    )
    nothing = comparison.headline(analyze(results(*family(fake.UNDEFENDED))))
    assert nothing.startswith("No defended model is finished")


def test_the_headline_of_several_families_counts_verdicts_of_each_kind():
    cells = [
        *family(fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL, fake.IDLE, fake.DP),
        *family(fake.UNDEFENDED, fake.PROTECTIVE, model="wgan_gp"),
    ]
    headline = comparison.headline(analyze(results(*cells)))
    assert (
        "Mixup: leaks less in 2 of 4 comparisons, more in 1; 1 not distinguishable, 0 "
        "not judged." in headline
    )
    assert "DP-SGD: leaks less in 1 of 1 comparisons" in headline
    assert "other" not in headline


def test_a_family_that_does_not_leak_is_said_not_to():
    calm = FakeArm("undefended", (0.5, 0.5, 0.505))
    none = "No attack proves that"
    assert none in comparison.verdict_sentences(only_family(*family(calm)))
    made = results(*family(calm, fake.PROTECTIVE))
    assert none in comparison.headline(analyze(made))
    # Seeds that differ widely, and each of which leaks.
    for leaky in (fake.UNDEFENDED, FakeArm("undefended", (0.6, 0.7, 0.8), spread=0.2)):
        assert none not in comparison.verdict_sentences(only_family(*family(leaky)))
        made = results(*family(leaky, fake.PROTECTIVE))
        assert none not in comparison.headline(analyze(made))


@pytest.mark.parametrize("seeds", [(0, 1, 2), (0,)])
def test_the_page_states_which_uncertainty_it_is(seeds):
    arms = [dataclasses.replace(fake.UNDEFENDED, seeds=seeds)]
    made = results(*family(*arms), seeds=seeds)
    for page in (plain(comparison.to_markdown(made)), comparison.to_html(made)):
        assert ("There is one seed: intervals and verdicts cover" in page) == (
            len(seeds) == 1
        )
        assert ("Intervals are 95 % intervals over seeds" in page) == (len(seeds) > 1)


def test_missing_cells_are_named():
    missing = ["dcgan/250/mixup-noise/1", "dcgan/250/mixup-noise/2", "wgan_gp/9/x/0"]
    made = results(*family(fake.UNDEFENDED), missing=missing)
    for page in (plain(comparison.to_markdown(made)), comparison.to_html(made)):
        assert "Not finished: dcgan/250/mixup-noise/1+2, wgan_gp/9/x/0." in page


def test_nothing_at_all_still_makes_a_page():
    empty = results(missing=["dcgan/250/undefended/0"])
    assert "No defended model is finished" in comparison.to_markdown(empty)
    assert "<svg" not in comparison.to_html(empty)
    with pytest.raises(ValueError, match="nothing to draw"):
        figures.leakage_over_quality(analyze(empty))


def test_the_main_table():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE, fake.DP)
    table = tables.main_table(only_family(*cells))
    undefended, noise, dp = (
        dict(zip(table.columns, row, strict=True)) for row in table.rows
    )
    assert undefended["strongest attack, AUC"].startswith("0.900 [")
    assert undefended["at the same FID"] == tables.NONE
    assert noise["undefended minus arm, same FID"].startswith("0.300 [")
    assert noise["at the same FID"] == LESS
    assert (noise["ε"], dp["ε"]) == ("∞", "10")
    assert not {"LiRA, AUC", "step time"} & set(table.columns)


def test_tables_without_anything_in_them_are_left_out():
    found = tables.detail_tables(only_family(*family(fake.UNDEFENDED)))
    assert [table.title.split(",")[0] for table in found] == [
        "All attacks after training",
        "Best FID before the strongest attack exceeds an AUC",
    ]


@pytest.mark.parametrize(("number", "few"), [(16, True), (128, False)])
def test_few_shadow_models_are_called_few(number, few):
    shadows = (fake.shadow(0.8, num_shadows=number),)
    extra = {"shadow_attacks": shadows, "cpu_seconds": 1800.0}
    cells = family(FakeArm("undefended", extra=extra))
    said = "1.5 hours of one core, without shadow models"
    assert said in comparison.to_markdown(results(*cells))
    table = tables.shadow_table(only_family(*cells))
    assert ("shadow models are few" in table.note) == few
    assert table.rows[0][1:3] == (f"{number} undefended", "LiRA (shadow models)")
    assert table.rows[0][-1] == "120 / 130"


def test_the_usefulness_of_images_where_it_was_measured():
    utility = (fake.metric("recall", 0.5), fake.metric("accuracy_real", 0.9))
    measured = FakeArm("undefended", utility=utility)
    table = tables.utility_table(only_family(*family(measured, fake.DP)))
    assert table.columns == ("arm", "recall", "accuracy, trained on real")
    assert [row[0] for row in table.rows] == ["Undefended"]


def test_both_pages_show_every_number_and_load_nothing():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL, fake.DP)
    made = results(*cells, missing=["dcgan/250/x/0"])
    page, web = plain(comparison.to_markdown(made)), comparison.to_html(made)
    web = web.replace("\xa0", " ")
    outline = outline_of(web)
    assert outline.open == []
    assert not {"script", "link", "iframe"} & set(outline.tags)
    (found,) = analyze(made).families
    for cell in (c for row in tables.main_table(found).rows for c in row):
        assert cell in page
        assert cell in html.unescape(web)
    for table in tables.detail_tables(found):
        assert all(c in html.unescape(web) for row in table.rows for c in row)
    for arm in found.arms:
        for sentence in comparison.facts(arm).values():
            assert sentence in html.unescape(web)
    assert "<svg" in web
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"|http-equiv', "", web)
    assert made.suite.command in web and made.suite.command in page
    assert comparison.headline(analyze(made)) in comparison.to_text(made)


def test_hostile_names_stay_text():
    arm = FakeArm("x", defense=HOSTILE, extra={"title": HOSTILE})
    cells = family(fake.UNDEFENDED, arm)
    bad = fake.attack("logan", 0.7, title=HOSTILE)
    cells = [fake.changed_last(cell, attacks=(bad,)) for cell in cells]
    made = results(*cells, missing=[HOSTILE])
    assert "<img" not in comparison.to_html(made)
    page = comparison.to_markdown(made)
    assert "<img" not in page
    rows = [
        line for line in page.splitlines() if line.startswith("|") and "img" in line
    ]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {11}


def with_scores(tmp_path, *arms, shape=(28, 28, 1), noise=0):
    made = results(*family(*arms), seeds=(0,))
    random = np.random.default_rng(0)
    for cell in made.cells:
        arrays = {"samples": random.integers(0, 256, (64, *shape), dtype="uint8")}
        for attack in cell.last.attacks:
            arrays[f"{attack.name}/members"] = random.normal(1, 1, 50)
            arrays[f"{attack.name}/non_members"] = random.normal(0, 1, 50)
        place = tmp_path / "cells" / cell.name / cell.key[:16]
        storage.write_arrays(place / "scores.npz", arrays)
    return made


def test_raw_scores_give_roc_curves_and_samples(tmp_path):
    arms = [dataclasses.replace(a, seeds=(0,)) for a in (fake.UNDEFENDED, fake.DP)]
    made = with_scores(tmp_path, *arms)
    paths = comparison.save(made, tmp_path)
    assert [path.name for path in paths[1:3]] == ["report.md", "report.html"]
    page = paths[2].read_text("utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert 'alt="Images generated by Dp-sgd-10"' in page
    assert "ROC curves of the trained models" in page
    assert outline_of(page).open == []
    found = comparison.load_scores(made, tmp_path)
    assert len(figures.roc(analyze(made), found).axes) == 2
    images = {name: arrays["samples"] for name, arrays in found.items()}
    drawn = figures.samples(analyze(made), images)
    assert render.figure_to_png(drawn).startswith(b"\x89PNG")


def test_large_noisy_color_images_keep_the_page_small(tmp_path):
    arms = [FakeArm(f"arm-{number}", seeds=(0,)) for number in range(4)]
    made = with_scores(tmp_path, *arms, shape=(96, 96, 3))
    assert len(comparison.to_html(made, tmp_path)) < 2_000_000


def test_unusual_channels_and_models_that_no_attack_ran_on_have_a_page(tmp_path):
    made = with_scores(
        tmp_path, dataclasses.replace(fake.DP, seeds=(0,)), shape=(96, 80, 5)
    )
    (cell,) = made.cells
    assert comparison.to_html(made, tmp_path).count("data:image/png;base64,") == 1
    for curve in (cell.curve[:1], cell.curve):
        last = dataclasses.replace(curve[-1], attacks=(fake.failed("logan"),))
        bad = dataclasses.replace(cell, curve=(*curve[:-1], last))
        page = comparison.to_html(dataclasses.replace(made, cells=(bad,)), tmp_path)
        assert "ROC curves of the trained models" not in page


def test_damaged_scores_are_refused_in_one_sentence(tmp_path):
    made = with_scores(tmp_path, dataclasses.replace(fake.UNDEFENDED, seeds=(0,)))
    (path,) = tmp_path.rglob("scores.npz")
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ValueError, match=r"scores.npz.* cannot be read"):
        comparison.save(made, tmp_path)


def test_the_figure_has_a_panel_for_each_family_and_looks_that_stay():
    cells = [
        *family(fake.UNDEFENDED, fake.HARMFUL, fake.PROTECTIVE),
        *family(fake.UNDEFENDED, fake.PROTECTIVE, members=1000),
        *family(fake.DP, model="wgan_gp"),
    ]
    made = results(*cells)
    figure = figures.leakage_over_quality(analyze(made))
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [
        "DCGAN, 250 members",
        "DCGAN, 1,000 members",
        "WGAN-GP, 250 members",
    ]
    assert [text.get_text() for text in panels[2].texts] == ["chance", "ε = 10"]
    kept = [cell for cell in cells if cell.arm != "mixup-paper"]
    without = dataclasses.replace(made, cells=tuple(kept))

    def color(figure_, label):
        (legend,) = figure_.legends
        found = {
            text.get_text(): line
            for line, text in zip(legend.get_lines(), legend.get_texts(), strict=True)
        }
        return found[label].get_color()

    assert color(figure, "Mixup-noise") == color(
        figures.leakage_over_quality(analyze(without)), "Mixup-noise"
    )


def test_a_figure_has_six_arms_at_most_and_an_arm_one_look_in_all():
    arms = [FakeArm(f"arm-{number}") for number in range(13)]
    made = results(
        *family(fake.UNDEFENDED, *arms),
        *family(fake.UNDEFENDED, arms[11], arms[12], members=1000),
    )
    found = analyze(made)
    groups = figures.groups(found)
    assert [len(group) for group in groups] == [6, 6, 4]
    assert {group[0] for group in groups} == {"undefended"}
    assert groups[0][1:3] == ("arm-11", "arm-12")  # most families have them
    shown = sorted(arm for group in groups for arm in group[1:])
    assert shown == sorted(f"arm-{number}" for number in range(13))
    looks = figures.styles(found)
    assert len({(look["color"], look["marker"]) for look in looks.values()}) == 14
    for number, group in enumerate(groups):
        figure = figures.leakage_over_quality(found, group)
        drawn = figure.legends[0].get_lines()
        assert len({line.get_color() for line in drawn}) == len(group)
        panels = [axes for axes in figure.axes if axes.get_title()]
        assert len(panels) == (2 if number == 0 else 1)


def test_the_thick_line_is_the_mean_of_the_seeds():
    cells = family(dataclasses.replace(fake.UNDEFENDED, epsilons=(1.0, 2.0, 3.0)))
    (one,) = only_family(*cells).arms
    steps, fids, areas = figures.mean_curve(one)
    assert tuple(steps) == fake.STEPS
    assert fids == pytest.approx(fake.FIDS)
    assert areas == pytest.approx(fake.AUCS)
    # In one seed no attack ran at the first checkpoint.
    first, *later = cells[0].curve
    first = dataclasses.replace(first, attacks=(fake.failed("logan"),))
    cells[0] = dataclasses.replace(cells[0], curve=(first, *later))
    (one,) = only_family(*cells).arms
    steps, fids, areas = figures.mean_curve(one)
    assert tuple(steps) == fake.STEPS[1:]
    assert fids == pytest.approx(fake.FIDS[1:])
    assert areas == pytest.approx(fake.AUCS[1:])
    cells[1] = dataclasses.replace(cells[1], curve=cells[1].curve[:1])
    found = analyze(results(*cells))  # without a checkpoint that all seeds have
    lengths = map(len, figures.mean_curve(found.families[0].arms[0]))
    assert list(lengths) == [0, 0, 0]
    assert figures.leakage_over_quality(found).axes


def test_what_is_saved_is_whole_and_its_numbers_are_json(tmp_path):
    made = results(*family(fake.UNDEFENDED, fake.PROTECTIVE, fake.DP))
    written = comparison.save(made, tmp_path)
    names = ["report.json", "report.md", "report.html", "report.png"]
    assert [path.name for path in written] == names
    numbers, page, _, picture = (path.read_bytes() for path in written)
    assert b"](report.png)" in page and picture.startswith(b"\x89PNG")
    found = json.loads(numbers, parse_constant=pytest.fail)  # such as Infinity
    verdicts = [
        arm["at_final_quality"]["verdict"]
        for arm in found["families"][0]["arms"]
        if arm["at_final_quality"]
    ]
    assert verdicts[0] == "LEAKS_LESS"
    nothing = comparison.save(results(), tmp_path / "empty")
    assert [path.name for path in nothing] == names[:3]


def test_arms_of_which_nothing_is_finished_cost_no_page(tmp_path):
    made = results(*family(fake.UNDEFENDED, fake.PROTECTIVE))
    declared = {f"arm-{number}": {} for number in range(9)} | made.suite.arms
    suite = dataclasses.replace(made.suite, arms=declared)
    partial = dataclasses.replace(made, suite=suite)
    assert figures.groups(analyze(partial)) == [("undefended", "mixup-noise")]
    assert len(comparison.save(partial, tmp_path)) == 4


def test_panels_that_no_attack_needs_are_blank():
    made = results(*family(fake.UNDEFENDED))
    names = [f"attack-{number}" for number in range(4)]
    cells = [
        fake.changed_last(
            cell, attacks=tuple(fake.attack(n, 0.6, title=n) for n in names)
        )
        for cell in made.cells
    ]
    rng = np.random.default_rng(0)
    scores = {f"{n}/{side}": rng.normal(size=9) for n in names for side in SIDES}
    figure = figures.roc(analyze(results(*cells)), {"undefended": scores})
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2


def test_a_path_that_is_not_utf_8_is_escaped(tmp_path):
    made = results(*family(fake.UNDEFENDED))
    suite = dataclasses.replace(made.suite, options=("--data=a\udce4",))
    for path in comparison.save(dataclasses.replace(made, suite=suite), tmp_path):
        if path.suffix in (".html", ".md"):
            assert "a\\udce4" in path.read_text("utf-8")


@pytest.mark.parametrize("length", [3, 20, 60])
def test_a_legend_is_no_wider_than_its_figure(length):
    arms = [FakeArm(f"{'a' * length}-{number}") for number in range(5)]
    found = analyze(results(*family(fake.UNDEFENDED, *arms)))
    figure = figures.leakage_over_quality(found)
    figure.draw_without_rendering()
    place = figure.legends[0].get_window_extent()
    assert 0 <= place.x0 < place.x1 <= figure.bbox.x1


def test_arms_that_no_attack_ran_on_are_given_no_findings():
    def without(one):
        attacks = [fake.failed(each.name, "It diverged.") for each in one.last.attacks]
        curve = [
            dataclasses.replace(point, attacks=tuple(attacks)) for point in one.curve
        ]
        return dataclasses.replace(one, curve=tuple(curve))

    cells = family(fake.UNDEFENDED, fake.PROTECTIVE)
    for hit in ("undefended", "mixup-noise"):
        made = [without(one) if one.arm == hit else one for one in cells]
        found = only_family(*made)
        (arm,) = (one for one in found.arms if one.arm == hit)
        assert {tables._allowed(one) for one in arm.allowed} == {tables.NONE}
        assert ".." not in comparison.facts(arm)[fake.TITLES["logan"]]
        said = comparison.verdict_sentences(found)
        assert "There is no undefended model" not in said
        assert ("No attack ran on the undefended model." in said) == (
            hit == "undefended"
        )
