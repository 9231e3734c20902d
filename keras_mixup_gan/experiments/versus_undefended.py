"""A defended arm beside the undefended one: at equal quality and at equal steps.

All differences are undefended minus defended: above 0, the defended model leaks less.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from keras_mixup_gan.experiments.frontier import (
    Reading,
    common_range,
    leakage_at,
    mean_leakage,
)
from keras_mixup_gan.experiments.grid_arms import Arm
from keras_mixup_gan.experiments.strongest import standard_error
from keras_mixup_gan.statistics import over_seeds
from keras_mixup_gan.statistics.over_seeds import LESS, MORE, SAME

# Why there is no verdict, or a weaker one than the interval alone would give.
NO_BASELINE = "no undefended model"
FEW_SEEDS = "few seeds"
UNDEFENDED_NEVER = "undefended never as good"
ARM_NEVER = "defended never as good"
UNDEFENDED_EARLIER = "undefended as good before its first checkpoint"
ARM_EARLIER = "defended as good before its first checkpoint"
NO_COMMON_STEPS = "no checkpoint in common"

Row: TypeAlias = dict[str, Any]
# Reads an arm for a seed; `None` where there is nothing to read.
Read: TypeAlias = Callable[[Arm, int], Reading | None]


def at_final_quality(undefended: Arm | None, arm: Arm) -> Row:
    """Both arms when they first were as good as the defended one after training.

    Args:
        undefended: The undefended arm, or `None`.
        arm: The defended arm.

    Returns:
        The comparison, without a verdict; see `judge`.
    """
    return _compare(
        undefended,
        arm,
        lambda one, seed: leakage_at(one.paths[seed], arm.paths[seed].fid[-1]),
    )


def at_quality(undefended: Arm | None, arm: Arm, fid: float) -> Row:
    """Both arms when they first reached a given Frechet distance; see `judge`."""
    row = _compare(undefended, arm, lambda one, seed: leakage_at(one.paths[seed], fid))
    return {"fid": fid, **row}


def at_equal_steps(undefended: Arm | None, arm: Arm) -> Row:
    """Both arms at the last checkpoint that all their seeds share; see `judge`.

    Where a defense merely slows training, it looks good here.
    """
    steps: set[int] = set()
    if undefended is not None:
        shared = [
            {point["d_steps"] for point in one.entries[seed]["curve"]}
            for one in (undefended, arm)
            for seed in _common_seeds(undefended, arm)
        ]
        steps = set.intersection(*shared) if shared else set()
        if not steps:
            return {"d_steps": None, **_empty(NO_COMMON_STEPS)}
    last = max(steps, default=None)

    def read(one: Arm, seed: int) -> Reading | None:
        found = one.strongest(seed, last)
        if found is None:
            return None
        return Reading(found.attack["auc"], standard_error(found.attack), False)

    return {"d_steps": last, **_compare(undefended, arm, read)}


def between_curves(undefended: Arm | None, arm: Arm) -> Row | None:
    """Mean difference over the qualities that both arms pass in all seeds.

    Args:
        undefended: The undefended arm, or `None`.
        arm: The defended arm.

    Returns:
        The range of Frechet distances, over whose logarithm the mean is taken, and the
        difference with its interval, for this comparison alone; `None` where the ranges
        of the two do not overlap.
    """
    if undefended is None or not (seeds := _common_seeds(undefended, arm)):
        return None
    paths = [one.paths[seed] for one in (undefended, arm) for seed in seeds]
    limits = common_range(paths)
    if limits is None:
        return None
    row = _compare(
        undefended, arm, lambda one, seed: mean_leakage(one.paths[seed], *limits)
    )
    return {"fid_range": list(limits), "difference": row["difference"]}


def judge(rows: Sequence[Row]) -> list[Row]:
    """Adds verdicts to the comparisons of one table, corrected for their number.

    Args:
        rows: The comparisons of a table.

    Returns:
        The same with `p_value_holm`, `verdict` and, where something is in the way of a
        verdict, `reason`. A model that was as good before its first checkpoint is
        compared at that checkpoint, by when it may have leaked more; a verdict that
        this could have caused is not given.
    """
    known = [at for at, row in enumerate(rows) if _p_value(row) is not None]
    adjusted = over_seeds.holm([rows[at]["difference"]["p_value"] for at in known])
    holm: dict[int, float | None] = dict(zip(known, adjusted, strict=True))
    return [_judged(row, holm.get(at)) for at, row in enumerate(rows)]


def _judged(row: Row, adjusted: float | None) -> Row:
    reason, found = row["reason"], None
    if reason is None and row["difference"] is not None:
        found = over_seeds.verdict(_difference(row["difference"]), adjusted)
        if found is None:
            reason = FEW_SEEDS
        elif found == LESS and row["undefended_before_start"]:
            found, reason = SAME, UNDEFENDED_EARLIER
        elif found == MORE and row["arm_before_start"]:
            found, reason = SAME, ARM_EARLIER
    return {**row, "p_value_holm": adjusted, "verdict": found, "reason": reason}


def _compare(undefended: Arm | None, arm: Arm, read: Read) -> Row:
    if undefended is None or not (seeds := _common_seeds(undefended, arm)):
        return _empty(NO_BASELINE)
    pairs = [(read(undefended, seed), read(arm, seed)) for seed in seeds]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    reason = None
    if any(b is None for _, b in pairs):
        reason = ARM_NEVER
    if any(a is None for a, _ in pairs):
        reason = UNDEFENDED_NEVER
    row = _empty(reason) | {
        "seeds": seeds,
        "undefended_never": sum(a is None for a, _ in pairs),
        "arm_never": sum(b is None for _, b in pairs),
        "undefended_before_start": sum(a.before_start for a, _ in both),
        "arm_before_start": sum(b.before_start for _, b in both),
    }
    if not both:
        return row
    difference = over_seeds.paired_difference(
        [a.leakage - b.leakage for a, b in both],
        [(a.standard_error**2 + b.standard_error**2) ** 0.5 for a, b in both],
    )
    return row | {
        "undefended": mean_row([a.leakage for a, _ in both], (0.0, 1.0)),
        "arm": mean_row([b.leakage for _, b in both], (0.0, 1.0)),
        "values": [a.leakage - b.leakage for a, b in both],
        "difference": _plain(difference),
    }


def mean_row(values: Sequence[float], limits: tuple[float, float]) -> Row:
    """`mean_over_seeds` as plain values."""
    return _plain(over_seeds.mean_over_seeds(values, limits))


def _plain(figure: over_seeds.Mean | over_seeds.Difference) -> Row:
    """What JSON makes of it: pairs are lists."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(figure).items()
    }


def _empty(reason: str | None) -> Row:
    return {
        "seeds": [],
        "undefended_never": 0,
        "arm_never": 0,
        "undefended_before_start": 0,
        "arm_before_start": 0,
        "undefended": None,
        "arm": None,
        "values": [],
        "difference": None,
        "reason": reason,
    }


def _common_seeds(undefended: Arm, arm: Arm) -> list[int]:
    return [seed for seed in arm.paths if seed in undefended.paths]


def _p_value(row: Row) -> float | None:
    difference = row["difference"]
    return None if difference is None else difference["p_value"]


def _difference(row: Row) -> over_seeds.Difference:
    return over_seeds.Difference(**row)
