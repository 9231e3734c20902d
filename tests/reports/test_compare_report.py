import ast
import copy
import dataclasses
import io
import json
import re
import shlex

import numpy as np
import pytest
from keras_mixup_gan.experiments.comparison import Comparison
from keras_mixup_gan.experiments.frontier import matched_checkpoint
from PIL import Image

from keras_mixup_gan.reports import (
    compare_figures,
    compare_notes,
    compare_report,
    compare_samples,
    compare_words,
)
from keras_mixup_gan.statistics.roc import auc, delong_interval, tpr_at_fpr
from tests.reports.pages import flat, outline_of

LABEL = "[pixels-v1, 50 vs 40]"
TITLES = {"logan": "LOGAN (discriminator score)", "gan_leaks": "GAN-Leaks (nearest)"}
HOSTILE = '<img onerror="x"> & | `$a$ {{ 1 }}'


def scores(shift, seed=0, number=200):
    non_members, members = np.random.default_rng(seed).standard_normal((2, number))
    return members + shift, non_members


def attack(title, members, non_members):
    point = tpr_at_fpr(members, non_members, 0.01)
    return {
        "title": title,
        "status": "done",
        "reason": "",
        "auc": auc(members, non_members),
        "auc_ci": list(delong_interval(members, non_members)),
        "tpr_at_fpr": {
            "fpr": 0.01,
            "tpr": point.tpr,
            "tpr_ci": list(point.tpr_interval),
            "realized_fpr": point.realized_fpr,
            "threshold": point.threshold,
            "true_positives": point.true_positives,
            "false_positives": point.false_positives,
        },
        "n": {"members": len(members), "non_members": len(non_members)},
    }


def failed(title, reason, status="failed"):
    entry = dict.fromkeys(("auc", "auc_ci", "tpr_at_fpr", "n"))
    return {"title": title, "status": status, "reason": reason, **entry}


def point(step, fid, shift, epsilon=None):
    return {
        "d_steps": step,
        "attacks": {
            "gan_leaks": attack(TITLES["gan_leaks"], *scores(0.0, 1)),
            "logan": attack(TITLES["logan"], *scores(shift)),
        },
        "quality": {
            f"FID{LABEL}": fid,
            f"KID{LABEL}": fid / 50,
            f"KID standard error{LABEL}": 0.0123,
        },
        "epsilon": epsilon,
    }


def cell(name, defense, curve, **changes):
    return {
        "name": name,
        "model": "dcgan",
        "defense": defense,
        "seed": 3,
        "members": 200,
        "split_hash": "ab12" * 16,
        "batch_size": 16,
        **curve[-1],
        "delta": 1e-4,
        "noise_seed": None,
        "curve": curve,
        "versions": {"keras": "3.0"},
        "seconds_per_step": 0.05,
        "step_time_ratio": 1.25,
        "undefended_at_same_quality": None,
        **changes,
    }


def comparison(baseline, defended, **changes):
    """Results of two arms, each given as (step, FID, shift) of its checkpoints."""
    first = cell("undefended", "none", [point(*one) for one in baseline])
    curve = [point(*one) for one in defended]
    match = matched_checkpoint(first["curve"], defended[-1][1])
    second = cell("mixup-paper", "mixup (Beta(1, 1) per batch, reals only)", curve)
    second |= {"undefended_at_same_quality": match, **changes}
    return {
        "schema_version": 1,
        "settings": dataclasses.asdict(Comparison(seed=3, members=200)),
        "split": {"members": 200, "non_members": 200, "reference": 40},
        "versions": {"keras": "3.0", "python": "3.11"},
        "cells": [first, second],
    }


def leaking(shift, **changes):
    """Undefended, the leak grows from a shift of .8 at FID 30 to 2 at FID 10."""
    baseline = [(10, 60.0, 0.0), (20, 30.0, 0.8), (30, 10.0, 2.0)]
    return comparison(baseline, [(10, 80.0, 0.0), (30, 31.0, shift)], **changes)


def with_files(results, folder, shape=(8, 8, 1), number=64):
    """Writes the raw scores and images that belong to results."""
    rng = np.random.default_rng(0)
    for entry in results["cells"]:
        arrays = {"samples": rng.integers(0, 256, (number, *shape), "uint8")}
        for name, made in entry["attacks"].items():
            if made["auc"] is not None:
                members, non_members = scores(2.0 if name == "logan" else 0.0)
                arrays[f"{name}/members"] = members
                arrays[f"{name}/non_members"] = non_members
        path = folder / "cells" / entry["name"]
        path.mkdir(parents=True, exist_ok=True)
        np.savez(path / f"scores-{entry['d_steps']}.npz", **arrays)
    return folder


def pages(results, folder):
    """The Markdown, the words of the page, and its source."""
    markdown, html = compare_report.save(results, with_files(results, folder))
    source = html.read_text(encoding="utf-8")
    return markdown.read_text(encoding="utf-8"), words_of(source), source


def words_of(source):
    return flat(" ".join(outline_of(source).words))


@pytest.fixture(scope="module")
def results():
    return leaking(0.2)


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    return pages(results, tmp_path_factory.mktemp("compare"))


@pytest.mark.parametrize(
    ("shift", "verdict", "outcome", "headline"),
    [
        (0.0, "beats early stopping", "disjoint, the defense leaks less", "leaks less"),
        (0.8, "is not distinguishable from", "intervals overlap", "cannot be told"),
        (2.0, "is beaten by early stopping", "defense leaks more", "leaks more"),
    ],
)
def test_findings_follow_the_numbers(shift, verdict, outcome, headline):
    results = leaking(shift)
    (finding,) = compare_words.findings(results)
    assert finding.verdict.startswith(verdict)
    assert outcome in finding.text
    assert outcome in finding.brief
    assert f"Mixup as published {headline}" in compare_words.headline(results)
    for shown in (
        flat(compare_report.to_markdown(results)),
        flat(compare_report.to_text(results)),
    ):
        assert f"Mixup as published {headline}" in shown
        assert verdict in shown
        assert outcome in shown


def test_findings_quote_the_strongest_attacks_at_equal_steps_and_at_equal_quality():
    results = leaking(0.2)
    (finding,) = compare_words.findings(results)
    undefended, defended = results["cells"]
    for made in (
        defended["attacks"]["logan"],
        undefended["attacks"]["logan"],
        undefended["curve"][1]["attacks"]["logan"],
    ):
        low, high = made["auc_ci"]
        assert f"{made['auc']:.3f} [{low:.3f}, {high:.3f}]" in finding.text
    assert "LOGAN, reaches" in finding.text
    assert "step 20, FID 30.0 against 31.0" in finding.text
    assert "less than the undefended model's" in finding.text


def test_the_comparison_at_equal_steps_flips_with_the_numbers():
    def brief(shift):
        return compare_words.findings(leaking(shift))[0].brief

    assert brief(0.2).startswith("At equal steps it leaks less than")
    assert brief(2.0).startswith("At equal steps it is not distinguishable from")
    assert brief(3.5).startswith("At equal steps it leaks more than")


def test_a_model_at_chance_is_said_to_have_nothing_to_defend():
    results = comparison([(10, 30.0, 0.0)], [(10, 31.0, 0.0)])
    for entry in results["cells"]:
        for made in entry["attacks"].values():
            made |= {"auc": 0.51, "auc_ci": [0.46, 0.56]}
    headline = compare_words.headline(results)
    assert "is distinguishable from chance" in headline
    assert "train longer" in headline
    assert "undefended DCGAN leaks" in compare_words.headline(leaking(0.2))


def test_a_win_that_hangs_on_distant_checkpoints_is_tempered():
    # The checkpoint before the matched one leaks no more than the defense.
    (finding,) = compare_words.findings(leaking(0.2))
    assert finding.verdict == "beats early stopping"
    assert "One checkpoint before, at step 10 and FID 60.0" in finding.text
    steady = [(10, 60.0, 0.8), (20, 30.0, 0.8)]
    (finding,) = compare_words.findings(comparison(steady, [(20, 31.0, 0.0)]))
    assert finding.verdict == "beats early stopping"
    assert finding.remarks == ()
    (finding,) = compare_words.findings(comparison(steady[1:], [(20, 31.0, 0.0)]))
    assert "stopping still earlier" in finding.text


def test_an_early_model_with_clearly_better_images_is_pointed_out():
    (finding,) = compare_words.findings(comparison([(9, 10.0, 1.0)], [(9, 40.0, 1.0)]))
    assert "clearly better images: FID 10.0 against 40.0" in finding.text


def test_a_quality_that_the_undefended_model_never_had_is_not_a_win():
    results = comparison([(10, 30.0, 2.0)], [(10, 20.0, 2.0)])
    (finding,) = compare_words.findings(results)
    assert "beats" not in finding.verdict
    assert "No checkpoint of the undefended model was as good" in finding.text
    assert "never at this quality" in compare_report.to_markdown(results)
    assert "never as good" in compare_report.to_text(results)


def test_epsilon_is_infinite_unless_given(written, results, tmp_path):
    markdown, page, _ = written
    assert [row.split("|")[-3].strip() for row in table_rows(markdown)] == ["∞"] * 3
    assert page.count("∞") == 3 + 1 + 1  # the rows, the footnote, the note
    private = leaking(0.0, epsilon=5.678, noise_seed=7)
    markdown, page, _ = pages(private, tmp_path)
    cells = [row.split("|")[-3].strip() for row in table_rows(markdown)]
    assert cells == ["∞", "5.7", "∞"]
    assert "were its noise secret: epsilon 5.7 at delta 0.0001" in page
    assert "published seed 7" in page
    assert "Poisson" in page
    (finding,) = compare_words.findings(leaking(0.0, epsilon=5.678))
    assert "It also has a guarantee: epsilon 5.7" in finding.text


def table_rows(markdown):
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    return rows[2:]


def test_both_pages_show_every_number_of_the_table(written, results):
    markdown, page, _ = written
    undefended, defended = results["cells"]
    for entry in (undefended, defended, defended["undefended_at_same_quality"]):
        for made in entry["attacks"].values():
            (low, high), at = made["auc_ci"], made["tpr_at_fpr"]
            tail = f"[{100 * at['tpr_ci'][0]:.1f}, {100 * at['tpr_ci'][1]:.1f}]"
            shown = f"{made['auc']:.3f} [{low:.3f}, {high:.3f}]"
            for where in (markdown, page):
                assert shown in where
                assert f"{100 * at['tpr']:.1f} % {tail}" in where
        fid = entry["quality"][f"FID{LABEL}"]
        assert f"{fid:.1f} | {fid / 50:.3f} ± 0.012" in markdown
        assert f"{fid / 50:.3f} ± 0.012" in page
    for words in (
        "stopped at the same quality (step 20)",
        LABEL[1:-1],
        "\N{MULTIPLICATION SIGN} 1.25",
    ):
        assert words in markdown
        assert words in page
    assert "ab12" * 16 in page


def test_the_page_carries_the_findings(written, results, tmp_path):
    for made, shift in ((results, 0.2), (leaking(2.0), 2.0)):
        page = written[1] if shift == 0.2 else pages(made, tmp_path)[1]
        (finding,) = compare_words.findings(made)
        assert compare_words.headline(made) in page
        assert f"Mixup as published {finding.verdict}" in page
        assert finding.brief in page
        assert all(remark in page for remark in finding.remarks)


def test_the_page_says_what_was_done_and_how_to_judge_it(written):
    markdown, page, _ = written
    for words in (
        "trained 2 times on the same 200 images",
        "Seed 3, split sha256 ab12ab12ab12",
        "One seed",
        "picked on the",
        "Mixup carries no epsilon",
        "one random permutation",
        "arXiv:1705.07663",
        "Knows the discriminator",
        "keras-mixup-gan compare --members 200 --seed 3",
    ):
        assert words in page
        assert words in markdown


def test_the_page_is_well_formed_and_loads_nothing(written):
    source = written[2]
    outline = outline_of(source)
    assert outline.open == []
    assert not {"script", "link", "iframe", "object"} & set(outline.tags)
    for address in outline.addresses:
        assert address.startswith(("#", "data:image/png;base64,", "https://arxiv.org/"))
    assert outline.tags.count("img") == 2
    assert not re.search(r'(src|xlink:href)="https?:', source)
    assert "@import" not in source
    assert not re.search(r"url\((?!#)", source)


def test_every_picture_is_described(written, results):
    source = written[2]
    assert all("alt=" in tag for tag in re.findall(r"<img[^>]*>", source))
    drawings = re.findall(r"<svg[^>]*>", source)
    assert all("aria-label=" in tag or "aria-hidden=" in tag for tag in drawings)
    assert "64 images generated by Undefended after 30 steps" in source
    first = results["cells"][1]["curve"][0]
    area = max(made["auc"] for made in first["attacks"].values())
    assert f"Mixup as published FID 80.0, AUC {area:.3f} to FID 31.0" in source


def test_arms_keep_their_colors_on_the_page(written, results):
    source = written[2]
    looks = compare_figures.styles(results["cells"])
    assert len({(look.color, look.marker) for look in looks.values()}) == 2
    figures = re.findall(r"<figure.*?</figure>", source, re.DOTALL)
    curves = [part for part in figures if "<svg" in part]
    assert len(curves) == 1 + 3 + 2
    for part in curves:
        assert all(look.color.lower() in part.lower() for look in looks.values())


def test_everything_shown_is_escaped(tmp_path):
    results = leaking(0.2, name=HOSTILE, defense=HOSTILE, model=HOSTILE)
    results["cells"][0]["model"] = HOSTILE
    results["settings"]["data"] = HOSTILE
    results["versions"][HOSTILE] = HOSTILE
    for entry in results["cells"]:
        entry["attacks"]["logan"]["title"] = HOSTILE
        entry["attacks"]["other"] = failed(HOSTILE, HOSTILE)
    markdown, page, source = pages(results, tmp_path)
    assert outline_of(source).open == []
    assert outline_of(source).tags.count("img") == 2
    assert "<img onerror" not in source
    assert flat(HOSTILE) in page
    command = next(line for line in markdown.splitlines() if line.startswith("    "))
    assert "<img" in command  # shown as it is, as code
    assert "<img" not in markdown.replace(command, "")
    table_rows(markdown)
    compare_report.figures(results, tmp_path)


@pytest.mark.parametrize("status", ["skipped", "failed"])
def test_attacks_without_scores_say_why(status):
    results = leaking(0.2)
    for entry in (results["cells"][1], *results["cells"][1]["curve"]):
        entry["attacks"] = copy.deepcopy(entry["attacks"])
        entry["attacks"]["gan_leaks"] = failed("GAN-Leaks", "No samples.", status)
    text = compare_report.to_text(results)
    assert f"{status}: No samples." in compare_report.to_markdown(results)
    assert f"GAN-Leaks {status}. No samples." in text


def test_a_comparison_in_which_no_attack_ran_still_makes_pages(tmp_path):
    results = leaking(0.2)
    for entry in results["cells"]:
        for one in (entry, *entry["curve"]):
            one["attacks"] = {"logan": failed("LOGAN", "Broken.")}
    _, page, source = pages(results, tmp_path)
    assert outline_of(source).open == []
    assert "failed Broken." in page
    assert "No attack could be run" in page
    assert "cannot be judged" in page
    assert "cannot be judged" in compare_report.to_text(results)


def test_arms_with_one_checkpoint_and_few_images_make_pages(tmp_path):
    results = comparison([(10, 30.0, 2.0)], [(10, 31.0, 0.0)])
    folder = with_files(results, tmp_path, (8, 8, 3), number=5)
    source = compare_report.to_html(results, folder)
    assert outline_of(source).open == []
    assert "5 images generated by" in source


def test_large_noisy_color_images_keep_the_page_small(tmp_path):
    results = leaking(0.2)
    folder = with_files(results, tmp_path, (96, 96, 3))
    source = compare_report.to_html(results, folder)
    assert len(source) < 2_000_000
    shown = int(re.search(r"(\d+) images generated by", source).group(1))
    assert 8 <= shown < 64


@pytest.mark.parametrize("channels", [1, 3])
def test_sample_grids_hold_the_images_row_by_row(channels):
    images = np.random.default_rng(0).integers(0, 256, (16, 5, 4, channels), "uint8")
    files, number = compare_samples.sample_pngs({"arm": images})
    assert number == 16
    grid = np.asarray(Image.open(io.BytesIO(files["arm"])))
    factor = grid.shape[1] // (8 * 5 - 1)
    small = grid[::factor, ::factor].reshape(2 * 6 - 1, 8 * 5 - 1, channels)
    np.testing.assert_array_equal(small[:5, :4], images[0])
    np.testing.assert_array_equal(small[:5, 5:9], images[1])
    np.testing.assert_array_equal(small[6:, -4:], images[15])


def test_pictures_for_a_readme_are_written(results, tmp_path):
    with_files(results, tmp_path)
    paths = compare_report.save_figures(results, tmp_path, tmp_path / "pictures")
    assert [path.name for path in paths] == ["frontier.png", "samples.png"]
    for path in paths:
        with Image.open(path) as picture:
            assert picture.width > 600
    again = compare_report.save_figures(results, tmp_path, tmp_path / "again")
    assert [path.read_bytes() for path in paths] == [
        path.read_bytes() for path in again
    ]


def test_the_frontier_draws_the_strongest_attack_over_fid(results):
    figure = compare_figures.frontier_figure(results["cells"])
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    curve = results["cells"][0]["curve"]
    np.testing.assert_allclose(lines["Undefended"].get_xdata(), [60, 30, 10])
    np.testing.assert_allclose(
        lines["Undefended"].get_ydata(),
        [max(made["auc"] for made in one["attacks"].values()) for one in curve],
    )


def test_results_from_a_file_give_the_same_pages(results, written, tmp_path):
    again = pages(json.loads(json.dumps(results)), tmp_path)
    assert again == written
    assert compare_report.to_text(results) == compare_report.to_text(
        json.loads(json.dumps(results))
    )


@pytest.mark.parametrize("version", [0, 2, None])
def test_another_schema_is_refused_in_one_sentence(results, tmp_path, version):
    other = {**results, "schema_version": version}
    for use in (
        lambda: compare_report.to_text(other),
        lambda: compare_report.save(other, tmp_path),
        lambda: compare_report.figures(other, tmp_path),
    ):
        with pytest.raises(ValueError, match=rf"Received: schema_version={version}\."):
            use()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut off", b"text"])
def test_missing_or_damaged_scores_are_refused_in_one_sentence(
    results, tmp_path, content
):
    path = with_files(results, tmp_path) / "cells/mixup-paper/scores-30.npz"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"'mixup-paper' cannot be read.*scores-30"):
        compare_report.save(results, tmp_path)
    assert not (tmp_path / "report.md").exists()


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (Comparison(), []),
        (Comparison.quick(), ["--quick"]),
        (Comparison.quick(seed=4), ["--quick", "--seed", "4"]),
        (Comparison().stopped_at(700), ["--steps", "700"]),
        (Comparison(data="my photos", members=99), ["--data", "my photos"]),
        (Comparison(noise_multiplier=0.5), ["--noise-multiplier", "0.5"]),
    ],
)
def test_the_command_repeats_the_settings(settings, options):
    content = json.loads(json.dumps(dataclasses.asdict(settings)))
    words = shlex.split(compare_notes.command(content))
    assert words[:2] == ["keras-mixup-gan", "compare"]
    assert words[2 : 2 + len(options)] == options
    assert compare_notes.command(dataclasses.asdict(settings)) == shlex.join(words)


def test_settings_without_an_option_are_repeated_in_python():
    settings = Comparison(num_blends=3, checkpoints=(5, 7), data="it's mine")
    content = json.loads(json.dumps(dataclasses.asdict(settings)))
    python, flag, code = shlex.split(compare_notes.command(content))
    assert (python, flag) == ("python", "-c")
    call = ast.parse(code).body[-1].value.args[0]
    made = eval(compile(ast.Expression(call), "", "eval"), {"Comparison": Comparison})
    assert made == settings
