"""The tables of a comparison: cells of text, made once for every output."""

from collections.abc import Callable
from dataclasses import dataclass

from keras_mixup_gan.attacks.release import Release
from keras_mixup_gan.experiments.analysis.arms import Leakage
from keras_mixup_gan.experiments.analysis.findings import (
    UTILITY,
    Allowed,
    FamilyFindings,
    Finding,
)
from keras_mixup_gan.experiments.analysis.releases import ReleaseFinding
from keras_mixup_gan.experiments.analysis.verdicts import (
    Comparison,
    Reason,
    Verdict,
)
from keras_mixup_gan.models.recipes import family_class
from keras_mixup_gan.reports import render
from keras_mixup_gan.rounding import upper_text
from keras_mixup_gan.statistics.over_seeds import Difference, Mean

ENOUGH_SHADOWS = 64
NONE = "–"  # noqa: RUF001
SHADOWS = {"plain": "undefended", "adaptive": "with the same defense"}
_WHY = {
    Reason.FEW_SEEDS: "few seeds",
    Reason.OTHER_NEVER: "undefended never as good",
    Reason.ARM_NEVER: "never as good",
    Reason.OTHER_EARLIER: "first checkpoint",
    Reason.ARM_EARLIER: "first checkpoint",
    Reason.ATTACK_FAILED: "an attack failed",
}
_UTILITY_TITLES = {  # of those whose names are none
    "covariance_shrinkage": "variance kept",
    "accuracy_generated": "accuracy, trained on generated",
    "accuracy_real": "accuracy, trained on real",
}


SHORT = (
    *("arm", "FID", "strongest attack, AUC", "members found"),
    *("undefended minus arm, same FID", "at the same FID", "ε"),
)


# What columns mean, once for all tables of a page.
COLUMNS = (
    ("Images alone", "By the attacks that need no more than generated images."),
    (
        "Leaks",
        "Whether whoever gets the images, or all of the model, learned more in some "
        "seed than chance explains; each row may err with a probability of 5 %.",
    ),
)


@dataclass(frozen=True)
class Table:
    """A table with its title and what must be known to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def family_title(family: FamilyFindings) -> str:
    """`DCGAN, 250 members`."""
    title = family_class(family.model).title
    return f"{title}, {family.members:,} members"


def main_table(family: FamilyFindings) -> Table:
    """After training, and compared with the undefended model at the same quality."""
    columns: dict[str, Callable[[Finding], str]] = {
        "arm": lambda arm: arm.title,
        "FID": lambda arm: range_text(arm.fid),
        "strongest attack, AUC": lambda arm: leakage_text(arm.strongest),
        "members found": lambda arm: rate_text(arm.strongest),
        "LiRA, AUC": lambda arm: leakage_text(arm.strongest_shadow),
        "undefended minus arm, same FID": lambda arm: _versus(arm.at_final_quality),
        "at the same FID": lambda arm: _verdict(arm.at_final_quality),
        "undefended minus arm, same steps": lambda arm: _versus(arm.at_equal_steps),
        "images alone, AUC": lambda arm: leakage_text(_samples(arm).strongest),
        "images alone, same FID": lambda arm: _verdict(_samples(arm).at_final_quality),
        "leaks: images / all": leaks_text,
        "ε": lambda arm: epsilon_text(arm.epsilon),
        "step time": lambda arm: f"{arm.step_time:.2f}" if arm.step_time else NONE,
    }
    cells = {name: [cell(arm) for arm in family.arms] for name, cell in columns.items()}
    alone = ("images alone, AUC", "images alone, same FID")
    for optional in ("LiRA, AUC", *alone, "step time"):
        if set(cells[optional]) <= {NONE}:
            del cells[optional]
    return Table(
        "After training, and at equal image quality",
        tuple(cells),
        tuple(zip(*cells.values(), strict=True)),
        f"FID: {family.quality}{'; range over seeds' * (len(family.seeds) > 1)}.",
    )


def short_table(family: FamilyFindings) -> Table:
    """The columns of `main_table` that count most."""
    table = main_table(family)
    kept = [at for at, name in enumerate(table.columns) if name in SHORT]
    return Table(
        table.title,
        tuple(table.columns[at] for at in kept),
        tuple(tuple(row[at] for at in kept) for row in table.rows),
        table.note,
    )


def detail_tables(family: FamilyFindings) -> list[Table]:
    """The other tables of a family that have something in them."""
    made = [
        attack_table(family),
        level_table(family),
        allowed_table(family),
        shadow_table(family),
        utility_table(family),
    ]
    return [table for table in made if table.rows]


def attack_table(family: FamilyFindings) -> Table:
    """Every attack on the trained models, and their kernel distance."""
    titles = {
        name: leakage.title
        for arm in family.arms
        for name, leakage in arm.attacks.items()
    }
    return Table(
        "All attacks after training",
        ("arm", *titles.values(), "KID"),
        tuple(
            (
                arm.title,
                *(_attack(arm.attacks.get(name)) for name in titles),
                render.decimal(arm.kid.mean),
            )
            for arm in family.arms
        ),
        "AUC, and members found at 1 % false positives.",
    )


def level_table(family: FamilyFindings) -> Table:
    """Compared with the undefended model at round qualities."""
    rows = [
        (
            arm.title,
            f"{one.fid:g}",
            render.decimal(one.other.mean),
            render.decimal(one.arm.mean),
            difference_text(one.difference),
            _verdict(one),
            _seed_count(one),
        )
        for arm in family.defended
        for one in arm.at_quality
        if one.difference and one.other and one.arm
    ]
    return Table(
        "At given qualities",
        ("arm", "FID", "undefended", "arm", "difference", "arm", "seeds"),
        tuple(rows),
        "Both when they first reached the FID. Qualities that an arm never reached are "
        "left out. Verdicts are corrected for all rows of this table.",
    )


def allowed_table(family: FamilyFindings) -> Table:
    """The best quality before the strongest attack exceeds an AUC."""
    return Table(
        "Best FID before the strongest attack exceeds an AUC",
        ("arm", *(f"AUC {one.auc:g}" for one in family.arms[0].allowed)),
        tuple((arm.title, *map(_allowed, arm.allowed)) for arm in family.arms),
        "Geometric mean (range) over the seeds that do not exceed it at their first "
        "checkpoint already; their number where some do.",
    )


def shadow_table(family: FamilyFindings) -> Table:
    """Attacks with shadow models."""
    found = [(arm, one) for arm in family.arms for one in arm.shadow_attacks]
    fewest = min((one.num_shadows[0] for _, one in found), default=ENOUGH_SHADOWS)
    caution = (
        f"{fewest} shadow models are few: the published evaluation of mixup used 128, "
        "and these attacks get stronger with more. "
    )
    return Table(
        "LiRA: attacks with shadow models, after training",
        ("arm", "shadow models trained", "attack", "AUC", "members found", "queries"),
        tuple(
            (
                arm.title,
                f"{_counts(one.num_shadows)} {SHADOWS.get(one.kind, one.kind)}",
                one.title,
                leakage_text(one),
                rate_text(one),
                " / ".join(map(_counts, one.num_queries or ())),
            )
            for arm, one in found
        ),
        f"{caution if fewest < ENOUGH_SHADOWS else ''}They are not among the attacks "
        "that the strongest is chosen from: they are run at the last checkpoint only, "
        "and on the images of the pool only (members / non-members).",
    )


def utility_table(family: FamilyFindings) -> Table:
    """What the images are good for."""
    present = {name for arm in family.arms for name in arm.utility}
    names = [name for name in UTILITY if name in present]
    return Table(
        "What the images are good for, after training",
        ("arm", *(_UTILITY_TITLES.get(name, name) for name in names)),
        tuple(
            (arm.title, *(mean_text(arm.utility.get(name)) for name in names))
            for arm in family.arms
            if arm.utility
        ),
        "Against held-out images; accuracies are of the same classifier, trained on "
        "generated images and on members.",
    )


def difference_text(difference: Difference | None) -> str:
    """`0.300 [0.270, 0.330]`, or a dash."""
    if difference is None:
        return NONE
    return render.with_interval(difference.mean, difference.interval)


def mean_text(
    mean: Mean | None,
    interval: tuple[float, float] | None = None,
    digits: int = 3,
) -> str:
    """A mean with its interval over seeds, or else with another one; or a dash."""
    if mean is None:
        return NONE
    shown = mean.interval or interval
    if shown is None:
        return render.decimal(mean.mean, digits)
    return render.with_interval(mean.mean, shown, digits)


def leakage_text(leakage: Leakage | None) -> str:
    """An attack's AUC with its interval."""
    return NONE if leakage is None else mean_text(leakage.auc, leakage.interval)


def rate_text(leakage: Leakage | None) -> str:
    """Members found at 1 % false positives."""
    if leakage is None or leakage.tpr is None:
        return NONE
    if leakage.tpr.interval is None:
        return render.percent(leakage.tpr.mean)
    return render.percent_with_interval(leakage.tpr.mean, leakage.tpr.interval)


def range_text(mean: Mean, digits: int = 1) -> str:
    """`10.2 (9.8 to 10.9)`, the range over seeds."""
    middle, *ends = (
        render.decimal(n, digits) for n in (mean.mean, mean.low, mean.high)
    )
    return middle if mean.num_seeds == 1 else f"{middle} ({' to '.join(ends)})"


def leaks_text(arm: Finding) -> str:
    """Whether images leak, and everything: `no / yes`, or a dash without an attack."""
    kinds = (Release.SAMPLES, Release.EVERYTHING)
    found = [of_release(arm, kind) for kind in kinds]
    if not all(one.num_attacks for one in found):
        return NONE
    return " / ".join("yes" if one.leaks else "no" for one in found)


def of_release(arm: Finding, release: Release) -> ReleaseFinding:
    """What a release of an arm's models gives away; nothing where no attack ran."""
    found = (one for one in arm.releases if one.release is release)
    return next(found, ReleaseFinding(release, 0, None, False))


def _samples(arm: Finding) -> ReleaseFinding:
    return of_release(arm, Release.SAMPLES)


def epsilon_text(epsilon: float | None) -> str:
    """Epsilon, or ∞ where nothing is guaranteed."""
    return "∞" if epsilon is None else upper_text(epsilon)


def _versus(comparison: Comparison | None) -> str:
    return NONE if comparison is None else difference_text(comparison.difference)


def _verdict(comparison: Comparison | None) -> str:
    if comparison is None:
        return NONE
    why = _WHY.get(comparison.reason) if comparison.reason else None
    return f"{comparison.verdict.value} ({why})" if why else comparison.verdict.value


def _attack(leakage: Leakage | None) -> str:
    return f"{leakage_text(leakage)}; {rate_text(leakage)}" if leakage else NONE


def _seed_count(one: Comparison) -> str:
    used, all_ = len(one.values), len(one.seeds)
    return str(used) if used == all_ else f"{used} of {all_}"


def _allowed(one: Allowed) -> str:
    if one.num_seeds + one.exceeded_from_the_start == 0:  # no attack ran
        return NONE
    if one.fid is None or one.fid_range is None:
        return "exceeded from the start"
    shown = render.decimal(one.fid, 1)
    if one.num_seeds > 1:
        shown += f" ({' to '.join(render.decimal(end, 1) for end in one.fid_range)})"
    if one.exceeded_from_the_start:
        total = one.num_seeds + one.exceeded_from_the_start
        shown += f"; {one.num_seeds} of {total} seeds"
    return shown


def _counts(ends: tuple[int, int]) -> str:
    low, high = ends
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def verdict_groups(family: FamilyFindings) -> dict[Verdict, list[str]]:
    """Titles of the defended arms by what is said of them at equal quality."""
    groups: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for arm in family.defended:
        if arm.at_final_quality is not None:
            groups[arm.at_final_quality.verdict].append(arm.title)
    return {verdict: titles for verdict, titles in groups.items() if titles}
