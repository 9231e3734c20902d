"""The findings of a grid as a page: all of it follows from the results file."""

from __future__ import annotations

from collections import Counter
from typing import Any

from keras_mixup_gan.experiments.grid_findings import analyze
from keras_mixup_gan.reports import compare_words, grid_figures, render
from keras_mixup_gan.reports import grid_words as words
from keras_mixup_gan.reports.compare_notes import Note
from keras_mixup_gan.reports.grid_tables import tables

Results = dict[str, Any]

METHOD = (
    Note(
        "Strongest attack",
        "Chosen at each checkpoint of each seed by its mean AUC over the other seeds "
        "of the same arm, and reported on that seed: the largest of several AUCs on "
        "the same images would flatter the attacker.",
    ),
    Note(
        "At equal quality",
        "Each training is followed from its start to where it first reaches the FID "
        "that the defended model of the same seed ends at, with straight lines "
        "between checkpoints over the logarithm of the FID. For the undefended model "
        "this is early stopping, which costs nothing; for the defended one the rule "
        "is the same.",
    ),
    Note(
        "Intervals of differences",
        "95 %, over seeds that both arms have, from the lower of two lower ends to "
        "the higher of two upper ends: Student's t over the seeds, and a bootstrap "
        "that draws seeds and redraws each AUC from a normal distribution with "
        "DeLong's standard error. That both models are attacked with the same images "
        "is ignored, and errors at neighboring checkpoints are taken for fully "
        "correlated: both are conservative.",
    ),
    Note(
        "Verdicts",
        "Given from three seeds on, where 0 lies outside the interval and the p-value "
        "of Student's t is at most .05 after Holm's correction for the arms of the "
        "family. There is no correction across families, and the intervals are for "
        "each comparison alone.",
    ),
    Note(
        "Average over qualities",
        "Mean difference over the logarithm of the FID, over the range that both arms "
        "pass in all seeds after their first checkpoints; its interval is for this "
        "comparison alone and carries no verdict.",
    ),
)


def to_markdown(results: Results) -> str:
    """The findings as Markdown; the picture is expected beside the file."""
    return render.render_template("grid.md.j2", **_values(results))


def to_html(results: Results) -> str:
    """The findings as one HTML page that needs no other file."""
    picture = None
    if results["cells"]:
        picture = render.figure_to_svg(
            grid_figures.panels(results),
            "AUC of the strongest attack over FID: a panel for each family, a line for "
            "each arm",
        )
    return render.render_template("grid.html.j2", **_values(results), picture=picture)


def limits(findings: Results, results: Results) -> list[str]:
    """What the numbers do not show."""
    data = _data(results)
    attacks = {
        name: title
        for family in findings["families"]
        for name, title in family["attacks"].items()
    }
    listed = ", ".join(
        compare_words.short_title({"title": title}) for title in attacks.values()
    )
    augmented = "logan_augmented" in attacks
    aware, unaware = (", DiffAugment", "") if augmented else ("", "DiffAugment, ")
    seeds = [len(family["seeds"]) for family in findings["families"]] or [0]
    number = "1 seed" if max(seeds) == 1 else f"{max(seeds)} seeds"
    return [
        f"One kind of images ({data}) and small networks: nothing here tells of faces, "
        "X-rays or large models.",
        f"Few trainings: at most {number} of each arm. A difference that cannot be "
        "told may still be there; with three seeds only large ones can be told.",
        "Intervals cover these seeds and queries. Seeds share the images that members "
        "are drawn from and most of the non-members, so nothing covers the draw of "
        "another data set, and the spread over seeds holds only a part of the error "
        "from the queries.",
        f"The strongest of the attacks that were run ({listed or 'none'}): others, or "
        "the same with more effort, may find more. An attack that finds nothing proves "
        "nothing.",
        f"Mixup, noise{aware} and models of several discriminators face an attack made "
        f"for them; {unaware}dropout, RelaxLoss and DP-SGD are attacked as the "
        "undefended model is, and a better attack may exist.",
        "AUC and the share found at 1 % false positives are averages over members; "
        "some images may be far more exposed than others.",
        "Mixup carries no epsilon: there is no bound on any attack, for no image. "
        "DP-SGD's epsilon is for its noise multiplier and number of steps; the choice "
        "of settings is not accounted for.",
        "Settings of defenses were not tuned by the same effort; where several "
        "settings of one defense are compared, the best of them looks better than it "
        "is.",
        "FID depends on its features and sample counts and is compared only with "
        "itself; its own error is not part of the intervals, but for what the seeds "
        "show of it.",
    ]


def run_notes(findings: Results, results: Results) -> list[Note]:
    """What was run, and what was not."""
    cells = results["cells"]
    missing = findings["missing"]
    families = "; ".join(map(_family_text, findings["families"]))
    hours = findings["cpu_seconds"] / 3600
    there = f"{len(cells)} of {len(cells) + len(missing)} cells are finished"
    notes = [
        Note("Data", f"{_data(results)}."),
        Note("Cells", f"{there}. {families}." if families else f"{there}."),
        Note(
            "Processor time", f"{hours:.1f} hours of one core for the finished cells."
        ),
    ]
    if missing:
        notes.append(Note("Missing cells", f"{missing_text(missing)}."))
    if absent := _absent_families(findings):
        notes.append(Note("Missing families", f"Of {absent} no cell is finished."))
    return notes


def _values(results: Results) -> Results:
    """What both templates need."""
    findings = analyze(results)
    return {
        "title": results.get("suite", {}).get("title") or "Findings of a grid",
        "headline": words.headline(findings),
        "run": run_notes(findings, results),
        "command": findings["command"],
        "code": code_text(results),
        "families": [
            {
                "title": words.family_title(family),
                "sections": words.sections(family),
                "tables": tables(family),
            }
            for family in findings["families"]
        ],
        "limits": limits(findings, results),
        "method": METHOD,
        "versions": findings["versions"],
    }


def missing_text(missing: list[str]) -> str:
    """Names of cells, their seeds drawn together: `model/members/arm/0+1+2`."""
    seeds: dict[str, list[str]] = {}
    for name in missing:
        cell, _, seed = name.rpartition("/")
        seeds.setdefault(cell, []).append(seed)
    return ", ".join(f"{cell}/{'+'.join(of_it)}" for cell, of_it in seeds.items())


def code_text(results: Results) -> str:
    """The versions of the code that made the cells, the most frequent first."""
    made = Counter(
        str(entry.get("code") or results.get("code") or "not given")[:12]
        for entry in results["cells"]
    )
    if len(made) == 1:
        return f"Code {next(iter(made))}."
    shares = ", ".join(f"{number} by {code}" for code, number in made.most_common())
    return f"Cells by version of the code: {shares}." if made else ""


def _family_text(family: Results) -> str:
    """Arms, seeds and sample counts of a family."""
    parts = [
        f"{len(family['arms'])} arms",
        f"seeds {', '.join(map(str, family['seeds']))}",
    ]
    if family["members_attacked"] is not None:
        low, high = family["members_attacked"]
        shown = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        parts.append(f"{shown} members of each model")
    if family["non_members"] is not None:
        parts.append(f"against {family['non_members']:,} non-members")
    if family["reference"] is not None:
        parts.append(f"quality against {family['reference']:,} reference images")
    return f"{words.family_title(family)}: {', '.join(parts)}"


def _absent_families(findings: Results) -> str:
    """Families of which cells are missing and none is there."""
    there = {(family["model"], family["members"]) for family in findings["families"]}
    named = [name.split("/") for name in findings["missing"]]
    wanted = {
        (parts[0], int(parts[1])): None
        for parts in named
        if len(parts) > 1 and parts[1].isdigit()
    }
    return "; ".join(
        words.family_title({"model": model, "members": members})
        for model, members in wanted
        if (model, members) not in there
    )


def _data(results: Results) -> str:
    data = results.get("suite", {}).get("data", {})
    name = data.get("data") if isinstance(data, dict) else data
    return compare_words.data_title(str(name)) if name else "not given"
