import dataclasses
import html
import re

import pytest
from keras_mixup_gan.experiments.grid_arms import read_families
from keras_mixup_gan.experiments.grid_findings import analyze

from benchmarks import findings as findings_script
from benchmarks import frontier as frontier_script
from keras_mixup_gan.reports import grid_figures, grid_report, grid_tables, grid_words
from tests.experiments import grid_results as fake
from tests.experiments.grid_results import FakeArm, family, grid
from tests.reports.pages import outline_of

HOSTILE = '<img onerror="x"> & | `$a$ {{ 1 }}'


def only_family(*cells):
    (found,) = analyze(grid(*cells))["families"]
    return found


def said(*arms, cells=None):
    """What is said of the last of the arms."""
    found = only_family(*(cells or family(*arms)))
    return grid_words.verdict_on(found["arms"][-1])


def plain(markdown):
    return html.unescape(re.sub(r"\\(.)", r"\1", markdown))


def test_a_favorable_result_in_words():
    found = said(fake.UNDEFENDED, fake.PROTECTIVE)
    assert found.title == "Mixup with noise"
    assert found.verdict == "leaks less than early stopping"
    assert "the undefended model was at AUC 0.900 and it at 0.600" in found.text
    assert "the undefended model leaked 0.300 [" in found.text
    assert "] more, corrected p" in found.text
    assert "At equal steps (2,000) the undefended model leaks 0.300 [" in found.text
    assert "] more: the defense leaks less." in found.text


def test_an_unfavorable_result_in_the_same_words():
    found = said(fake.UNDEFENDED, fake.HARMFUL)
    assert found.verdict == "leaks more than early stopping"
    assert "the undefended model leaked 0.070 [" in found.text
    assert "] less, corrected p" in found.text
    assert "] less: the defense leaks more." in found.text


def test_an_undecided_result_in_the_same_words():
    found = said(fake.UNDEFENDED, fake.IDLE)
    assert found.verdict == "cannot be told from early stopping"
    assert "the undefended model leaked 0.000 [" in found.text
    assert "the defense cannot be told from it." in found.text


def test_good_and_bad_news_take_the_same_sentences():
    """With numbers, settings and directions left out, nothing differs."""

    def skeleton(text):
        text = re.sub(r"p [<=] [\d.]+", "p", re.sub(r"-?\d[\d.,]*", "#", text))
        return text.replace("more", "less").split(" Settings:")[0]

    good, bad = (
        said(fake.UNDEFENDED, fake.PROTECTIVE),
        said(fake.UNDEFENDED, fake.HARMFUL),
    )
    assert skeleton(good.text) == skeleton(bad.text)


def test_a_single_seed_gets_numbers_and_no_verdict():
    arms = [FakeArm("undefended", seeds=(0,)), FakeArm("x", (0.5,) * 3, seeds=(0,))]
    found = said(*arms)
    assert found.verdict == "is not judged"
    assert "With 1 seed there is no verdict; it takes 3." in found.text
    assert "(one seed)" in found.text
    assert "the defense is not judged." in found.text
    page = plain(grid_report.to_markdown(grid(*family(*arms))))
    assert "on the same images, which flatters it" in page
    assert "at most 1 seed of each arm" in page


def test_what_the_correction_takes_back_is_said():
    idle = [FakeArm(f"idle-{number}") for number in range(3)]
    close = FakeArm("close", (0.5, 0.6, 0.87), spread=-0.0)
    cells = family(FakeArm("undefended", spread=0.0), *idle, close)
    for cell in cells:
        if cell["arm"] == "close":
            shift = {0: -0.006, 1: 0.0, 2: 0.006}[cell["seed"]]
            for point in cell["curve"]:
                point["attacks"]["logan"] = fake.attack(
                    "LOGAN", point["attacks"]["logan"]["auc"] + shift
                )
    found = only_family(*cells)["arms"][-1]
    row = found["at_final_quality"]
    assert row["p_value_holm"] > 0.05 > row["difference"]["p_value"]
    assert row["difference"]["interval"][0] > 0
    text = grid_words.verdict_on(found).text
    assert (
        "corrected for the number of arms, the difference cannot be told from 0" in text
    )


def test_whether_blending_earns_its_place_beside_noise():
    noise = FakeArm("noise", (0.52, 0.56, 0.7), defense="noise 1")
    for arm, verdict in (
        (fake.PROTECTIVE, "] more; blending lowers the leak."),
        (fake.HARMFUL, "] less; blending raises the leak."),
        (
            dataclasses.replace(noise, name="mixup-x", group="mixup"),
            "] more; blending cannot be shown to change the leak.",
        ),
    ):
        text = said(fake.UNDEFENDED, noise, arm).text
        assert f"and it at {arm.aucs[-1]:.3f}: noise alone leaked" in text
        assert verdict in text


def test_dp_sgd_comes_with_its_epsilon_and_what_it_assumes():
    found = said(fake.UNDEFENDED, fake.DP)
    assert found.title == "dp-sgd-10 (epsilon 10)"
    assert "were its noise secret: epsilon 10 at delta 0.0001." in found.text
    secret = FakeArm(
        "dp", fake.DP.aucs, fake.DP.fids, epsilons=(1, 2, 3), defense="DP-SGD"
    )
    assert "It has a guarantee: epsilon 3" in said(fake.UNDEFENDED, secret).text


@pytest.mark.parametrize(
    ("bound", "sentence"),
    [
        (0.7004, "no attack exceeds AUC 0.701, nor finds more than 30.0 % of the mem"),
        (0.7, "the strongest here, 0.520, does not; the strongest against the und"),
        (0.7, "undefended model after as many steps, 0.900, does."),
        (0.95, "undefended model after as many steps, 0.900, does not."),
        (0.5, "the strongest here, 0.520, does; the"),
        (0.519, "0.520, does, but the interval does not leave the bound out; the"),
        (0.9996, "With it an attack may still come as close to AUC 1 as 0.999."),
    ],
)
def test_attacks_are_held_against_the_bound_of_the_guarantee(bound, sentence):
    private = FakeArm(
        "dp", (0.5, 0.5, 0.51), epsilons=(1, 2, 3), defense="DP-SGD", bound=bound
    )
    assert sentence in said(fake.UNDEFENDED, private).text


def test_shadow_models_are_held_against_the_bound_too():
    private = FakeArm(
        "dp",
        (0.5, 0.5, 0.51),
        epsilons=(1, 2, 3),
        defense="DP-SGD",
        bound=0.7,
        extra={"shadow_attacks": {"plain": fake.shadows(0.65)}},
    )
    assert "the strongest here, 0.650, does not;" in said(fake.UNDEFENDED, private).text


def test_the_bound_is_not_held_against_other_steps():
    private = FakeArm(
        "dp",
        (0.5, 0.51),
        (60.0, 45.0),
        epsilons=(1, 2),
        defense="DP-SGD",
        bound=0.7,
        steps=(500, 1500),
    )
    text = said(fake.UNDEFENDED, private).text
    assert "0.520, does not." in text


def test_arms_that_cannot_be_matched_say_why():
    bad = FakeArm("bad", (0.5,) * 3, (90.0, 80.0, 70.0))
    text = said(fake.UNDEFENDED, bad).text
    assert "In 3 of 3 seeds the undefended model was better at its first" in text
    good = FakeArm("good", (0.55,) * 3, (30.0, 9.0, 5.0))
    found = said(fake.UNDEFENDED, good)
    assert found.verdict == "is not judged"
    assert "In 3 of 3 seeds the undefended model never was as good" in found.text
    alone = said(fake.PROTECTIVE)
    assert "no undefended model with the same seeds" in alone.text


def test_shadow_models_that_find_more_are_told_of_in_the_text():
    strong = {"shadow_attacks": {"adaptive": fake.shadows(0.75)}}
    weak = {"shadow_attacks": {"adaptive": fake.shadows(0.51)}}
    arm = fake.PROTECTIVE
    for extra, told in ((strong, True), (weak, False)):
        cells = family(fake.UNDEFENDED, FakeArm(arm.name, arm.aucs, extra=extra))
        assert ("Shadow models find more" in said(cells=cells).text) == told


def test_the_undefended_model_may_not_leak():
    calm = FakeArm("undefended", (0.5, 0.5, 0.505), spread=0.03)
    assert "does not leave out chance" in grid_words.baseline_text(
        only_family(*family(calm))
    )
    assert "chance" not in grid_words.baseline_text(
        only_family(*family(fake.UNDEFENDED))
    )


def test_the_headline_counts_verdicts_of_each_kind():
    cells = [
        *family(fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL, fake.IDLE, fake.DP),
        *family(fake.UNDEFENDED, fake.PROTECTIVE, model="wgan_gp"),
    ]
    headline = grid_words.headline(analyze(grid(*cells)))
    assert (
        "Mixup, 4 comparisons: leaks less in 2, leaks more in 1, cannot be told from "
        "it in 1." in headline
    )
    assert "DP-SGD, 1 comparison: leaks less in 1." in headline
    assert "Other" not in headline
    nothing = grid_words.headline(analyze(grid(*family(fake.UNDEFENDED))))
    assert nothing.startswith("No defended model is finished")


def test_missing_cells_and_families_are_named():
    missing = [
        "dcgan/250/mixup-noise/1",
        "dcgan/250/mixup-noise/2",
        "wgan_gp/1000/undefended/0",
    ]
    page = plain(
        grid_report.to_markdown(grid(*family(fake.UNDEFENDED), missing=missing))
    )
    assert "3 of 6 cells are finished" in page
    assert "dcgan/250/mixup-noise/1+2, wgan_gp/1000/undefended/0" in page
    assert "Of WGAN-GP, 1,000 members no cell is finished." in page
    assert "No mixup arm of this family is finished." in page
    assert "No DP-SGD arm of this family is finished." in page


def test_nothing_at_all_still_makes_a_page():
    empty = grid(missing=["dcgan/250/undefended/0"])
    assert "0 of 1 cells are finished" in grid_report.to_markdown(empty)
    assert "<svg" not in grid_report.to_html(empty)
    with pytest.raises(ValueError, match="nothing to draw"):
        grid_figures.panels(empty)


def test_the_page_says_what_was_run_and_what_it_does_not_show():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE, fake.DP)
    cells[1]["curve"][-1]["attacks"]["logan"]["n"]["members"] = 261  # by coins
    page = plain(grid_report.to_markdown(grid(*cells)))
    for text in (
        "python -m benchmarks.compare --suite test",
        "MNIST digits",
        "seeds 0, 1, 2, 250 to 261 members of each model, against 1,000 non-members",
        "0.2 hours of one core",
        "Mixup carries no epsilon",
        "attacks that were run (GAN-Leaks, LOGAN)",
        "keras 3.0",
    ):
        assert text in page, text


def table_of(family_, title):
    return next(t for t in grid_tables.tables(family_) if t.title.startswith(title))


def test_the_main_table():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE, fake.DP)
    table = table_of(only_family(*cells), "After training")
    undefended, noise, dp = (
        dict(zip(table.columns, r, strict=True)) for r in table.rows
    )
    assert undefended["its AUC"].startswith("0.900 [")
    assert undefended["arm leaks, same FID"] == ""
    assert noise["undefended, same FID"] == "0.900"
    assert noise["arm, same FID"] == "0.600"
    assert noise["arm leaks, same FID"] == noise["arm leaks, same steps"] == "less"
    assert "at 1.00 %" in noise["members found, realized false positives"]
    assert (noise["ε"], dp["ε"]) == ("∞", "10")


def test_tables_without_anything_in_them_are_left_out():
    titles = [
        t.title for t in grid_tables.tables(only_family(*family(fake.UNDEFENDED)))
    ]
    assert [title.split(",")[0] for title in titles] == [
        "After training",
        "Best FID before the strongest attack exceeds an AUC",
    ]


@pytest.mark.parametrize(("number", "few"), [(16, True), (128, False)])
def test_few_shadow_models_are_called_few(number, few):
    extra = {"shadow_attacks": {"plain": fake.shadows(0.8, number)}}
    table = table_of(only_family(*family(FakeArm("undefended", extra=extra))), "LiRA")
    assert ("shadow models are few" in table.note) == few
    assert table.rows[0][:3] == ("Undefended", "undefended", "LiRA (shadow models)")
    assert table.rows[0][-2:] == (str(number), "120 / 130")


def test_the_usefulness_of_images_where_it_was_measured():
    measured = FakeArm("undefended", utility={"recall[x]": 0.5, "accuracy_real": 0.9})
    table = table_of(only_family(*family(measured, fake.DP)), "What the images")
    assert table.columns == ("arm", "recall", "accuracy, trained on real")
    assert [row[0] for row in table.rows] == ["Undefended"]


def test_both_pages_say_the_same():
    cells = family(fake.UNDEFENDED, fake.PROTECTIVE, fake.HARMFUL, fake.DP)
    results = grid(*cells, missing=["dcgan/250/x/0"])
    page, web = plain(grid_report.to_markdown(results)), grid_report.to_html(results)
    outline_of(web)  # well-formed
    (family_,) = analyze(results)["families"]
    for section in grid_words.sections(family_):
        for verdict in section.verdicts:
            assert verdict.text in page
            assert verdict.text in html.unescape(web)
    assert "<svg" in web
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", web)


def test_hostile_names_stay_text():
    cells = family(fake.UNDEFENDED, FakeArm(HOSTILE, defense=HOSTILE, group=HOSTILE))
    for cell in cells:
        for point in cell["curve"]:
            point["attacks"]["logan"]["title"] = HOSTILE
    results = grid(*cells, missing=[HOSTILE])
    assert "<img" not in grid_report.to_html(results)
    page = grid_report.to_markdown(results)
    assert "<img" not in page
    widths = [
        len(re.findall(r"(?<!\\)\|", line))
        for line in page.splitlines()
        if line.startswith("| ") and "img" in line
    ]
    assert set(widths) <= {15, 8, 6}


def test_the_figure_has_a_panel_for_each_family_and_looks_that_stay():
    arms = {"undefended": {}, "mixup-paper": {}, "mixup-noise": {}}
    cells = [
        *family(fake.UNDEFENDED, fake.HARMFUL, fake.PROTECTIVE),
        *family(fake.UNDEFENDED, fake.PROTECTIVE, members=1000),
        *family(fake.DP, model="new_model"),
    ]
    results = grid(*cells)
    results["suite"]["arms"] = arms
    figure = grid_figures.panels(results)
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [
        "DCGAN, 250 members",
        "DCGAN, 1,000 members",
        "new_model, 250 members",
    ]
    assert [text.get_text() for text in panels[2].texts] == ["chance", "ε = 10"]
    without = grid(*family(fake.UNDEFENDED, fake.PROTECTIVE))
    without["suite"]["arms"] = arms

    def color(figure_, label):
        (legend,) = figure_.legends
        found = {
            text.get_text(): line
            for line, text in zip(legend.get_lines(), legend.get_texts(), strict=True)
        }
        return found[label].get_color()

    assert color(figure, "Mixup with noise") == color(
        grid_figures.panels(without), "Mixup with noise"
    )


def test_the_thick_line_is_the_mean_of_the_seeds():
    (one,) = read_families(grid(*family(fake.UNDEFENDED)))
    fids, areas = grid_figures.mean_curve(one.arms["undefended"])
    assert fids == pytest.approx(fake.FIDS)
    assert areas == pytest.approx(fake.AUCS)


def test_the_scripts_print_and_write(tmp_path, monkeypatch, capsys):
    source = tmp_path / "results.json"
    results = grid(*family(fake.UNDEFENDED, fake.PROTECTIVE), missing=["a/1/b/0"])
    source.write_text(frontier_script.json.dumps(results))
    argv = ["frontier", str(source), "--out", str(tmp_path / "a"), "--fid", "15", "25"]
    monkeypatch.setattr("sys.argv", argv)
    frontier_script.main()
    printed = capsys.readouterr().out
    assert "DCGAN, 250 members\n======" in printed
    assert "Not run yet: a/1/b/0" in printed
    written = frontier_script.read(tmp_path / "a" / "frontier.json")
    rows = written["families"][0]["arms"][1]["at_quality"]
    assert [row["fid"] for row in rows] == [15.0, 25.0]
    assert (tmp_path / "a" / "frontier-grid.png").read_bytes().startswith(b"\x89PNG")

    argv = ["findings", str(source), "--out", str(tmp_path / "b")]
    monkeypatch.setattr("sys.argv", argv)
    findings_script.main()
    assert {path.name for path in (tmp_path / "b").iterdir()} == {
        "findings.md",
        "findings.html",
        "frontier.json",
        "frontier-grid.png",
    }
    page = (tmp_path / "b" / "findings.md").read_text("utf-8")
    assert page == grid_report.to_markdown(results)


def test_an_unreadable_file_is_refused(tmp_path):
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        frontier_script.read(tmp_path / "results.json")
