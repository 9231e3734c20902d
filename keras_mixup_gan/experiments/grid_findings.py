"""All numbers that a grid's results are read by, as plain JSON values."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from keras_mixup_gan.experiments.frontier import common_range, fid_before, fid_of
from keras_mixup_gan.experiments.grid_arms import Arm, Family, read_families
from keras_mixup_gan.experiments.versus_undefended import (
    Row,
    at_equal_steps,
    at_final_quality,
    at_quality,
    between_curves,
    judge,
    mean_row,
)

# AUCs up to which a model may leak, for the best quality within.
ALLOWED = (0.55, 0.6, 0.7, 0.8)
# Figures of usefulness, and what they can be.
UTILITY: dict[str, tuple[float, float]] = {
    "precision": (0.0, 1.0),
    "recall": (0.0, 1.0),
    "density": (0.0, math.inf),
    "coverage": (0.0, 1.0),
    "covariance_shrinkage": (0.0, math.inf),
    "accuracy_generated": (0.0, 1.0),
    "accuracy_real": (0.0, 1.0),
}
# The arm with noise and no blending, and the group of arms that blend.
NOISE, MIXUP = "noise", "mixup"
_NICE = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)


def analyze(
    results: dict[str, Any], fid_levels: Sequence[float] | None = None
) -> dict[str, Any]:
    """Everything that is said about a grid is said by these numbers.

    Args:
        results: Content of a grid's `results.json`, complete or not.
        fid_levels: Frechet distances at which arms are compared as well; by default
            round numbers that the undefended model passes in all seeds.

    Returns:
        For each family its arms: quality and leakage after training, and the
        comparisons with the undefended arm at equal quality, equal steps, given
        qualities and over a range of qualities, with intervals over seeds. Verdicts are
        corrected for the number of comparisons in the table of a family. Where there is
        an arm with noise alone, mixup arms are compared with it under `beside_noise`,
        whose `undefended` is that arm.

    Raises:
        ValueError: If these are no results of a grid, or a cell is there twice.
    """
    suite = results.get("suite", {})
    return {
        "kind": "findings",
        "suite": suite.get("name"),
        "command": suite.get("command"),
        "code": results.get("code"),
        "versions": results.get("versions", {}),
        "missing": list(results.get("missing", [])),
        "cpu_seconds": sum(entry.get("cpu_seconds", 0.0) for entry in results["cells"]),
        "families": [_family(one, fid_levels) for one in read_families(results)],
    }


def round_levels(family: Family) -> list[float]:
    """Round Frechet distances that the undefended model passes in all seeds."""
    paths = list(family.baseline.paths.values()) if family.baseline else []
    limits = common_range(paths) if paths else None
    if limits is None:
        return []
    low, high = limits
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    levels = [10.0**decade * nice for decade in decades for nice in _NICE]
    return [float(f"{level:.2g}") for level in levels if low <= level <= high]


def _family(family: Family, fid_levels: Sequence[float] | None) -> dict[str, Any]:
    baseline, defended = family.baseline, family.defended
    levels = round_levels(family) if fid_levels is None else list(fid_levels)
    matched = judge([at_final_quality(baseline, arm) for arm in defended])
    steps = judge([at_equal_steps(baseline, arm) for arm in defended])
    given = judge(
        [at_quality(baseline, arm, level) for arm in defended for level in levels]
    )
    arms = [_arm(arm) for arm in family.arms.values()]
    for number, (arm, row) in enumerate(
        zip(defended, arms[len(arms) - len(defended) :], strict=True)
    ):
        row["at_final_quality"] = matched[number]
        row["at_equal_steps"] = steps[number]
        row["at_quality"] = given[number * len(levels) : (number + 1) * len(levels)]
        row["between_curves"] = between_curves(baseline, arm)
    _add_beside_noise(family, arms)
    first = next(iter(family.arms.values())).first
    return {
        "model": family.model,
        "members": family.members,
        "members_attacked": _members_attacked(family),
        "non_members": first.get("non_members"),
        "reference": first.get("reference"),
        "batch_size": first.get("batch_size"),
        "quality": _quality_label(first["curve"][-1]),
        "attacks": _attack_titles(family),
        "seeds": sorted({seed for arm in family.arms.values() for seed in arm.entries}),
        "cpu_seconds": sum(
            entry.get("cpu_seconds", 0.0)
            for arm in family.arms.values()
            for entry in arm.entries.values()
        ),
        "arms": arms,
    }


def _add_beside_noise(family: Family, rows: Sequence[dict[str, Any]]) -> None:
    """Does blending earn its place? Mixup beside noise alone at the same quality."""
    noise = family.arms.get(NOISE)
    mixed = [row for row in rows if row["group"] == MIXUP]
    if noise is not None:
        judged = judge([at_final_quality(noise, family.arms[r["arm"]]) for r in mixed])
        for row, beside in zip(mixed, judged, strict=True):
            row["beside_noise"] = beside


def _arm(arm: Arm) -> dict[str, Any]:
    last = [entry["curve"][-1] for entry in arm.entries.values()]
    chosen = [found for seed in arm.entries if (found := arm.strongest(seed))]
    points = [p for c in chosen if (p := c.attack.get("tpr_at_fpr"))]
    rates = [point["realized_fpr"] for point in points]
    return {
        "arm": arm.name,
        "group": arm.group,
        "defense": arm.first.get("defense", ""),
        "seeds": list(arm.entries),
        "d_steps": sorted({point["d_steps"] for point in last}),
        "epsilon": arm.epsilon,
        "delta": arm.first.get("delta"),
        "bounds": _bounds(last),
        "noise_is_known": arm.first.get("noise_seed") is not None,
        "fid": mean_row([fid_of(point) for point in last], (0.0, math.inf)),
        "auc": _mean([c.attack["auc"] for c in chosen]),
        "auc_of_queries": [list(c.attack["auc_ci"]) for c in chosen],
        "strongest": dict(Counter(c.name for c in chosen).most_common()),
        "chosen_on_own_data": any(c.on_own_data for c in chosen),
        "tpr": _mean([point["tpr"] for point in points]),
        "fpr": points[0]["fpr"] if points else None,
        "realized_fpr": [min(rates), max(rates)] if rates else None,
        "fid_before": [_fid_before(arm, level) for level in ALLOWED],
        "shadow_attacks": _shadow_attacks(arm),
        "utility": _utility(last),
    }


def _bounds(last: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """What no attack exceeds by the epsilon of any seed; `None` if one has no bound."""
    found = [bounds for point in last if (bounds := point.get("bounds"))]
    if len(found) < len(last):
        return None
    return {name: max(one[name] for one in found) for name in ("auc", "fpr", "tpr")}


def _fid_before(arm: Arm, level: float) -> dict[str, Any]:
    """The best quality before an AUC was exceeded: geometric mean over seeds."""
    found = [fid_before(path, level) for path in arm.paths.values()]
    known = [fid for fid in found if fid is not None]
    mean = math.exp(math.fsum(map(math.log, known)) / len(known)) if known else None
    return {
        "auc": level,
        "fid": mean,
        "range": [min(known), max(known)] if known else None,
        "num_seeds": len(known),
        "exceeded_from_the_start": len(found) - len(known),
    }


def _shadow_attacks(arm: Arm) -> list[Row]:
    """Attacks with shadow models on the last checkpoint, by kind and attack."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in arm.entries.values():
        for kind, attacks in entry.get("shadow_attacks", {}).items():
            for name, attack in attacks.items():
                if attack.get("auc") is not None:
                    found.setdefault((kind, name), []).append(attack)
    rows = []
    for (kind, name), attacks in found.items():
        points = [p for a in attacks if (p := a.get("tpr_at_fpr"))]
        rates = [point["realized_fpr"] for point in points]
        rows.append(
            {
                "kind": kind,
                "name": name,
                "title": attacks[0]["title"],
                "auc": _mean([attack["auc"] for attack in attacks]),
                "tpr": _mean([point["tpr"] for point in points]),
                "realized_fpr": [min(rates), max(rates)] if rates else None,
                "num_shadows": sorted({a.get("num_shadows", 0) for a in attacks}),
                "members": [attack["n"]["members"] for attack in attacks],
                "non_members": [attack["n"]["non_members"] for attack in attacks],
            }
        )
    return rows


def _utility(last: Sequence[Mapping[str, Any]]) -> dict[str, Row]:
    """Figures of usefulness after training, by what their names begin with."""
    values: dict[str, list[float]] = {}
    for point in last:
        for key, value in {**point["quality"], **point.get("utility", {})}.items():
            name = key.split("[")[0]
            if name in UTILITY and value is not None:
                values.setdefault(name, []).append(value)
    return {
        name: mean_row(values[name], limits)
        for name, limits in UTILITY.items()
        if name in values
    }


def _mean(values: Sequence[float]) -> Row | None:
    return mean_row(values, (0.0, 1.0)) if values else None


def _members_attacked(family: Family) -> list[int] | None:
    """The fewest and the most members of a model, where coins say who is one."""
    counts = [
        attack["n"]["members"]
        for arm in family.arms.values()
        for entry in arm.entries.values()
        for attack in entry["curve"][-1]["attacks"].values()
        if attack.get("n")
    ]
    return [min(counts), max(counts)] if counts else None


def _attack_titles(family: Family) -> dict[str, str]:
    return {
        name: attack["title"]
        for arm in family.arms.values()
        for entry in arm.entries.values()
        for name, attack in entry["curve"][-1]["attacks"].items()
    }


def _quality_label(point: Mapping[str, Any]) -> str:
    key = next(key for key in point["quality"] if key.startswith("FID["))
    return str(key[len("FID[") : -1])
