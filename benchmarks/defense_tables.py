"""What the figures of `benchmarks.defense` say, as tables in Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.experiments.analysis.curves import Curve, leakage_at
from keras_mixup_gan.reports.tables import NONE, mean_text
from keras_mixup_gan.statistics.over_seeds import (
    MIN_SEEDS,
    Mean,
    directions,
    mean_over_seeds,
)

TITLES = {
    "undefended": "Undefended",
    "blended": "Augmented mixup",
    "regions": "Augmented CutMix",
    "unblended": "Transforms and noise",
    "unnoised": "Transforms and blending",
    "diffaugment": "DiffAugment",
    "noisy": "Mixup with noise",
    "published": "Mixup as published",
    "private": "DP-SGD (ε 10)",
    "clipped": "Clipping alone",
    "dropout": "Dropout",
}
# Sets of arms that were added once verdicts on those before had been published, which
# they leave as they are.
LATER = (
    frozenset({"regions"}),
    frozenset({"unblended", "unnoised", "clipped"}),
    frozenset({"dropout"}),
)
README_ARMS = ("undefended", "blended", "diffaugment", "published", "private")
DEFENSE, REFERENCE, UNDEFENDED = "blended", "diffaugment", "undefended"
ACCESSES = ("everything", "samples")
VERDICTS = {1: "leaks less", 0: "not distinguishable", -1: "leaks more"}


@dataclass(frozen=True)
class Comparison:
    """How much more another arm leaks than an arm, both when they were as good.

    Attributes:
        arm: Name of an arm.
        other: Name of the arm that it is compared with.
        access: What the attacker has.
        found: The mean of other minus arm over models; `None` if fewer than three.
        verdict: Of the arm, after Holm's correction for all comparisons of the study,
            or for all with arms that were added to it together.
    """

    arm: str
    other: str
    access: str
    found: Mean | None
    verdict: str


def comparisons(figures: Mapping[str, Any]) -> list[Comparison]:
    """The undefended arm with all others, and the others with the defense."""
    arms = figures["arms"]
    pairs = [(arm, UNDEFENDED) for arm in arms if arm != UNDEFENDED]
    others = [name for name in arms if name not in (UNDEFENDED, DEFENSE)]
    pairs += [(DEFENSE, other) for other in others if DEFENSE in arms]
    asked = [(*pair, access) for pair in pairs for access in ACCESSES]
    asked = [each for each in asked if each[1] in arms]
    made = []
    for number in range(len(LATER) + 1):
        together = [each for each in asked if _set_of(*each[:2]) == number]
        made += _judged_together(arms, together)
    places = {(one.arm, one.other, one.access): one for one in made}
    return [places[each] for each in asked]


def _set_of(arm: str, other: str) -> int:
    """The set of arms that two are first compared with: 0 is of the first verdicts."""
    sets = enumerate(LATER, start=1)
    return next((number for number, added in sets if added & {arm, other}), 0)


def _judged_together(
    arms: Mapping[str, Any], asked: Sequence[tuple[str, str, str]]
) -> list[Comparison]:
    """Comparisons of which Holm's correction takes the number."""
    read = [differences(arms[arm], arms[other], access) for arm, other, access in asked]
    judged = [values for values in read if len(values) >= MIN_SEEDS]
    signs = iter(directions(judged))
    made = []
    for (arm, other, access), values in zip(asked, read, strict=True):
        found, verdict = None, "not judged"
        if len(values) >= MIN_SEEDS:
            found = mean_over_seeds(values, (-1.0, 1.0))
            verdict = VERDICTS[next(signs)]
        made.append(Comparison(arm, other, access, found, verdict))
    return made


def differences(
    arm: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]], access: str
) -> list[float]:
    """How much less each model of an arm leaks than the other arm's, equally good.

    Paired by model, which has the same members and the same seed in both. Both are read
    where they first reach the best Frechet distance that both reach; of each arm the
    attack counts that is the strongest on its last models with this access. Pairs of
    which one was better at its first checkpoint already are left out.
    """
    arm, other = as_many(arm, other)
    values = []
    for number in range(len(arm[-1]["fid"])):
        curves = [_curve(each, number, access) for each in (arm, other)]
        best = max(min(curve.fid) for curve in curves)
        own, others = (leakage_at(curve, best) for curve in curves)
        if own and others and not (own.before_start or others.before_start):
            values.append(others.leakage - own.leakage)
    return values


def _curve(arm: Sequence[Mapping[str, Any]], number: int, access: str) -> Curve:
    """Quality and leakage of one model by checkpoint; the errors are not used."""
    name = strongest(arm[-1], access)
    return Curve(
        tuple(point["fid"][number] for point in arm),
        tuple(_areas(point, name)[number] for point in arm),
        (0.0,) * len(arm),
    )


def as_many(*arms: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    """Arms with as many models each: of one with more, its figures of the first few.

    More shadow models make stronger attacks, which are no property of an arm.
    """
    numbers = [len(arm[-1]["fid"]) for arm in arms]
    return [
        arm if number == min(numbers) else [point["few"] for point in arm]
        for arm, number in zip(arms, numbers, strict=True)
    ]


def strongest(checkpoint: Mapping[str, Any], access: str) -> str:
    """The attack of the highest mean AUC, of those that need samples or everything."""
    possible = [
        attack
        for attack in checkpoint["attacks"]
        if access == "everything" or set(attack["requires"]) <= {"samples", "shadows"}
    ]
    return str(max(possible, key=lambda attack: attack["area"]["mean"])["name"])


def _areas(checkpoint: Mapping[str, Any], name: str) -> list[float]:
    found = {attack["name"]: attack for attack in checkpoint["attacks"]}
    return list(found[name]["areas"])


def summary(figures: Mapping[str, Any]) -> str:
    """A line for each checkpoint, then one for each comparison at equal quality."""
    heads = ["arm", "steps", "FID"]
    heads += [head for access in ACCESSES for head in (f"{access}: AUC", "found")]
    rows = []
    for name, point in _points(figures):
        cells = [TITLES[name], f"{point['steps']:,}", _fid(point["fid"])]
        known = {attack["name"]: attack for attack in point["attacks"]}
        for access in ACCESSES:
            attack = known[strongest(point, access)]
            found = attack["found"]["0.01"]["mean"]
            cells += [_area(attack["areas"]), f"{100 * found:.1f} %"]
        rows.append(cells)
    lines = table(heads, rows)
    if made := comparisons(figures):
        lines += ["", *_table_of(made, figures["arms"])]
    versions = versions_of(figures)
    if len({*versions.values()}) > 1:
        each = (f"{TITLES[name]} {number}" for name, number in versions.items())
        lines += ["", f"Results versions: {', '.join(each)}."]
    return "\n".join(lines) + "\n"


def versions_of(figures: Mapping[str, Any]) -> dict[str, int]:
    """The results version of each arm; older files tell one for all, or none: 1."""
    told, of_all = figures.get("results_versions", {}), figures.get("results_version")
    return {name: told.get(name, of_all or 1) for name in figures["arms"]}


def _table_of(made: Sequence[Comparison], arms: Mapping[str, Any]) -> list[str]:
    heads = ("arm", "compared with", "attacker has", "leaks less by", "models", "")
    rows = []
    for each in made:
        pair, _ = as_many(arms[each.arm], arms[each.other])
        models = len(pair[-1]["fid"])
        seen = NONE if each.found is None else f"{each.found.num_seeds} of {models}"
        cells = [TITLES[each.arm], TITLES[each.other], each.access]
        rows.append([*cells, mean_text(each.found), seen, each.verdict])
    return table(heads, rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    return [lines[0], "|---" * len(heads) + "|", *lines[1:]]


def _points(figures: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, checkpoints in figures["arms"].items():
        for point in checkpoints:
            yield name, point


def readme_section(figures: Mapping[str, Any]) -> str:
    """The README's table of results: the last models of the main arms."""
    arms = {
        name: figures["arms"][name] for name in README_ARMS if name in figures["arms"]
    }
    numbers = {TITLES[name]: len(points[-1]["fid"]) for name, points in arms.items()}
    most = max(numbers.values())
    fewer = [f"{title}: {n}" for title, n in numbers.items() if n < most]
    about = (
        f"DCGAN, 250 digits, {most} trainings of each arm{_listed(fewer)}; 95 % t "
        "intervals over trainings. The strongest attack with each access counts, "
        "shadow models included. FID: smaller is better. At the same FID: the best "
        "that both the arm and the undefended model reach."
    )
    heads = ["arm", "steps", "FID", *(f"{access}, AUC" for access in ACCESSES)]
    heads += [f"undefended minus arm, same FID: {access}" for access in ACCESSES]
    rows = []
    versus = {(made.arm, made.access): made for made in against(figures, UNDEFENDED)}
    for name, checkpoints in arms.items():
        last = checkpoints[-1]
        cells = [TITLES[name], f"{last['steps']:,}", _fid(last["fid"])]
        for access in ACCESSES:
            cells.append(_area(_areas(last, strongest(last, access))))
        for access in ACCESSES:
            made = versus.get((name, access))
            cells.append(NONE if made is None else _judged(made))
        rows.append(cells)
    return "\n".join([about, "", *table(heads, rows)])


def _listed(parts: Sequence[str]) -> str:
    return f" ({', '.join(parts)})" if parts else ""


def _judged(made: Comparison) -> str:
    if made.found is None:
        return made.verdict
    return f"{mean_text(made.found)}, {made.verdict}"


def against(figures: Mapping[str, Any], other: str) -> list[Comparison]:
    """The comparisons with one arm."""
    return [made for made in comparisons(figures) if made.other == other]


def headline(figures: Mapping[str, Any]) -> list[str]:
    """AUCs of the defense's last models, and how much more the reference leaks."""
    last = figures["arms"][DEFENSE][-1]
    texts = [_area(_areas(last, strongest(last, access))) for access in ACCESSES]
    compared = [made.found for made in against(figures, REFERENCE)]
    return texts + [mean_text(found) for found in compared if found is not None]


def better_pairs(figures: Mapping[str, Any]) -> str:
    """How often the defense's images are better than the undefended arm's best."""
    ends, starts = (figures["arms"][name] for name in (DEFENSE, UNDEFENDED))
    best = [min(fids) for fids in zip(*(point["fid"] for point in starts), strict=True)]
    better = [own < other for own, other in zip(ends[-1]["fid"], best, strict=True)]
    return f"better in {sum(better)} of {len(better)} pairs"


def _fid(values: Sequence[float]) -> str:
    return mean_text(mean_over_seeds(values, (0.0, float("inf"))), digits=2)


def _area(values: Sequence[float]) -> str:
    return mean_text(mean_over_seeds(values, (0.0, 1.0)))
