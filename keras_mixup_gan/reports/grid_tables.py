"""The tables of a grid's findings: cells of text, for every output."""

from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.reports import grid_numbers as numbers
from keras_mixup_gan.reports import grid_sentences as sentences
from keras_mixup_gan.reports import grid_words as words
from keras_mixup_gan.reports import render
from keras_mixup_gan.statistics.over_seeds import LESS, MORE, SAME

Row = dict[str, Any]
ENOUGH_SHADOWS = 64
NONE = "–"  # noqa: RUF001
VERDICTS = {LESS: "less", SAME: "cannot be told", MORE: "more", None: "not judged"}


@dataclass(frozen=True)
class Table:
    """A table with its title and what must be known to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def tables(family: Row) -> list[Table]:
    """All tables of a family that have something in them.

    Args:
        family: A family of what `analyze` returned.

    Returns:
        Tables with at least one row.
    """
    made = [
        main_table(family),
        level_table(family),
        allowed_table(family),
        shadow_table(family),
        utility_table(family),
    ]
    return [table for table in made if table.rows]


def main_table(family: Row) -> Table:
    """After training, and beside the undefended model at the same quality and steps."""
    rows = []
    for arm in family["arms"]:
        matched, steps = arm.get("at_final_quality"), arm.get("at_equal_steps")
        rows.append(
            (
                words.arm_title(arm["arm"]),
                numbers.range_text(arm["fid"]),
                numbers.strongest_text(arm, family["attacks"]),
                numbers.mean_text(arm["auc"], arm["auc_of_queries"]),
                _rate(arm),
                *_versus(matched),
                numbers.difference_text(steps["difference"]) if steps else "",
                VERDICTS[steps["verdict"]] if steps else "",
                "∞" if arm["epsilon"] is None else f"{arm['epsilon']:.3g}",
                _bound(arm),
                str(len(arm["seeds"])),
            )
        )
    deltas = {arm["delta"] for arm in family["arms"] if arm["delta"] is not None}
    shown = ", ".join(f"{delta:g}" for delta in sorted(deltas)) or "not given"
    chosen = "by its mean over the other seeds"
    if any(arm["chosen_on_own_data"] for arm in family["arms"]):
        chosen += (
            " (where there is no other seed: on the same images, which flatters it)"
        )
    return Table(
        "After training, and at equal quality",
        (
            "arm",
            "FID (range over seeds)",
            "strongest attack",
            "its AUC",
            "members found, realized false positives",
            "undefended, same FID",
            "arm, same FID",
            "undefended minus arm, same FID",
            "arm leaks, same FID",
            "undefended minus arm, same steps",
            "arm leaks, same steps",
            "ε",
            "bound on any AUC",
            "seeds",
        ),
        tuple(rows),
        f"FID: {family['quality']}. The strongest attack is chosen {chosen}. AUC and "
        "members found: Student's t interval over seeds. Differences: the wider of two "
        "intervals over seeds; verdicts are corrected for the number of arms. ε at δ = "
        f"{shown}; ∞: no guarantee. The bound is that of all its ε and δ together, for "
        "secret noise and members drawn by coins; non-members from outside the pool "
        "were drawn like the pool.",
    )


def _bound(arm: Row) -> str:
    if arm["epsilon"] is None:
        return "1"
    if arm["bounds"] is None:
        return NONE
    return f"{numbers.rounded_up(arm['bounds']['auc']):.3f}"


def level_table(family: Row) -> Table:
    """Beside the undefended model at round qualities."""
    rows = [
        (
            words.arm_title(arm["arm"]),
            f"{row['fid']:g}",
            *_versus(row),
            _seed_count(row),
        )
        for arm in words.defended(family)
        for row in arm["at_quality"]
        if row["difference"] is not None
    ]
    return Table(
        "At given qualities",
        (
            "arm",
            "FID",
            "undefended",
            "arm",
            "undefended minus arm",
            "arm leaks",
            "seeds",
        ),
        tuple(rows),
        "Both when they first reached the FID. Qualities that an arm never reached are "
        "left out. Verdicts are corrected for all rows of this table.",
    )


def allowed_table(family: Row) -> Table:
    """The best quality before the strongest attack exceeds an AUC."""
    levels = [one["auc"] for one in family["arms"][0]["fid_before"]]
    return Table(
        "Best FID before the strongest attack exceeds an AUC",
        ("arm", *(f"AUC {level:g}" for level in levels)),
        tuple(
            (words.arm_title(arm["arm"]), *map(_allowed, arm["fid_before"]))
            for arm in family["arms"]
        ),
        "Geometric mean (range) over the seeds that do not exceed it at their first "
        "checkpoint already; their number where some do.",
    )


def shadow_table(family: Row) -> Table:
    """Attacks with shadow models."""
    rows = [
        (
            words.arm_title(arm["arm"]),
            sentences.SHADOWS.get(row["kind"], row["kind"]),
            row["title"],
            numbers.mean_text(row["auc"]),
            _rate(row),
            _numbers(row["num_shadows"]),
            f"{_numbers(row['members'])} / {_numbers(row['non_members'])}",
        )
        for arm in family["arms"]
        for row in arm["shadow_attacks"]
    ]
    fewest = min(
        (
            n
            for a in family["arms"]
            for r in a["shadow_attacks"]
            for n in r["num_shadows"]
        ),
        default=0,
    )
    caution = ""
    if fewest < ENOUGH_SHADOWS:
        caution = (
            f"{fewest} shadow models are few: the published evaluation of mixup used "
            "128, and these attacks get stronger with more. "
        )
    return Table(
        "LiRA: attacks with shadow models, after training",
        (
            "arm",
            "shadow models trained",
            "attack",
            "AUC",
            "members found, realized false positives",
            "shadow models",
            "members / non-members",
        ),
        tuple(rows),
        f"{caution}They are not among the attacks that the strongest is chosen from: "
        "they are run at the last checkpoint only, and on the images of the pool only.",
    )


def utility_table(family: Row) -> Table:
    """What the images are good for."""
    names = [
        name
        for name in _UTILITY_TITLES
        if any(name in arm["utility"] for arm in family["arms"])
    ]
    rows = [
        (
            words.arm_title(arm["arm"]),
            *(
                numbers.mean_text(arm["utility"].get(name))
                if name in arm["utility"]
                else NONE
                for name in names
            ),
        )
        for arm in family["arms"]
        if arm["utility"]
    ]
    return Table(
        "What the images are good for, after training",
        ("arm", *(_UTILITY_TITLES[name] for name in names)),
        tuple(rows),
        "Student's t interval over seeds. Against held-out images; accuracies are of "
        "the same classifier, trained on generated images and on members.",
    )


_UTILITY_TITLES = {
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "covariance_shrinkage": "variance kept",
    "accuracy_generated": "accuracy, trained on generated",
    "accuracy_real": "accuracy, trained on real",
}


def _versus(row: Row | None) -> tuple[str, str, str, str]:
    """Undefended, defended, difference and verdict; empty for the undefended arm."""
    if row is None:
        return "", "", "", ""
    verdict = VERDICTS[row["verdict"]]
    if row["undefended_before_start"] or row["arm_before_start"]:
        verdict += " (first checkpoint)"
    if row["difference"] is None:
        return NONE, NONE, NONE, verdict
    return (
        render.decimal(row["undefended"]["mean"]),
        render.decimal(row["arm"]["mean"]),
        numbers.difference_text(row["difference"]),
        verdict,
    )


def _seed_count(row: Row) -> str:
    used, all_ = row["difference"]["num_seeds"], len(row["seeds"])
    return str(used) if used == all_ else f"{used} of {all_}"


def _rate(row: Row) -> str:
    """Members found at the realized rate of false positives."""
    tpr, realized = row["tpr"], row["realized_fpr"]
    if tpr is None or realized is None:
        return NONE
    shown = render.percent(tpr["mean"])
    if tpr["interval"] is not None:
        shown = render.percent_with_interval(tpr["mean"], tpr["interval"])
    low, high = (render.percent(rate, 2) for rate in realized)
    return f"{shown} at {low if low == high else f'{low} to {high}'}"


def _allowed(one: Row) -> str:
    if one["fid"] is None:
        return "exceeded from the start"
    shown = render.decimal(one["fid"], 1)
    if one["num_seeds"] > 1:
        low, high = (render.decimal(end, 1) for end in one["range"])
        shown += f" ({low} to {high})"
    total = one["num_seeds"] + one["exceeded_from_the_start"]
    if one["exceeded_from_the_start"]:
        shown += f"; {one['num_seeds']} of {total} seeds"
    return shown


def _numbers(values: list[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
