"""Verdicts: a defended arm compared with another at equal quality and equal steps.

All differences are of the other arm, which is the undefended one unless said otherwise,
minus the defended one: above 0, the defended model leaks less.
"""

import dataclasses
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from scipy import special

from keras_mixup_gan.experiments.analysis.arms import AUC_LIMITS, Arm
from keras_mixup_gan.experiments.analysis.curves import (
    Reading,
    common_range,
    leakage_at,
    mean_leakage,
)
from keras_mixup_gan.experiments.results import DONE, FAILED, CellResult
from keras_mixup_gan.statistics import over_seeds
from keras_mixup_gan.statistics.over_seeds import Difference, Mean, mean_over_seeds


class Verdict(Enum):
    """What is said of a defended model, compared with another."""

    LEAKS_LESS = "leaks less"
    LEAKS_MORE = "leaks more"
    NOT_DISTINGUISHABLE = "not distinguishable"
    NOT_JUDGED = "not judged"


class Uncertainty(Enum):
    """What intervals and verdicts cover."""

    SEEDS = "seeds"  # other trainings with other members, and other queries
    QUERIES = "queries"  # other queries to the same two models


class Reason(Enum):
    """Why there is no verdict, or a weaker one than the interval alone would give."""

    NO_OTHER = "there is no model to compare it with"
    NO_COMMON_STEPS = "the two were measured at no checkpoint in common"
    FEW_SEEDS = "it takes three seeds"
    OTHER_NEVER = "the other model never made images as good"
    ARM_NEVER = "it never made images as good"
    OTHER_EARLIER = "the other model was better at its first checkpoint already"
    ARM_EARLIER = "it was better at its first checkpoint already"
    ATTACK_FAILED = "an attack failed on one of the two"


@dataclass(frozen=True)
class Comparison:
    """Two arms compared by one rule: at a Frechet distance, or at equal steps.

    `values` are the differences of the seeds in which both can be read,
    `standard_error` is from the queries alone. In `other_never` seeds the other model
    never was as good; in `other_before_start` it was better at its first checkpoint
    already, where it is then read, by when it may have leaked more. In `attack_failed`
    seeds an attack failed on one of the two and not on the other; what is left of the
    attacks there may be weaker, and is not compared.
    """

    seeds: tuple[int, ...] = ()
    fid: float | None = None
    steps: int | None = None
    other: Mean | None = None
    arm: Mean | None = None
    values: tuple[float, ...] = ()
    difference: Difference | None = None
    standard_error: float = 0.0
    other_never: int = 0
    arm_never: int = 0
    other_before_start: int = 0
    arm_before_start: int = 0
    attack_failed: int = 0
    p_value_holm: float | None = None
    verdict: Verdict = Verdict.NOT_JUDGED
    reason: Reason | None = None


@dataclass(frozen=True)
class BetweenCurves:
    """The mean difference over a range of Frechet distances that both arms pass."""

    fid_range: tuple[float, float]
    difference: Difference


# Reads an arm for a seed; `None` where there is nothing to read.
Read: TypeAlias = Callable[[Arm, int], Reading | None]


def at_final_quality(other: Arm | None, arm: Arm) -> Comparison:
    """Both arms when they first were as good as the defended one after training."""
    return _compare(
        other,
        arm,
        lambda one, seed: leakage_at(one.curves[seed], arm.curves[seed].fid[-1]),
    )


def at_quality(other: Arm | None, arm: Arm, fid: float) -> Comparison:
    """Both arms when they first reached a given Frechet distance."""
    found = _compare(other, arm, lambda one, seed: leakage_at(one.curves[seed], fid))
    return dataclasses.replace(found, fid=fid)


def at_equal_steps(other: Arm | None, arm: Arm) -> Comparison:
    """Both arms at the last checkpoint that all their seeds share."""
    if other is None:
        return Comparison(reason=Reason.NO_OTHER)
    shared = [
        {point.steps for point in one.cells[seed].curve}
        for one in (other, arm)
        for seed in _common(other.cells, arm.cells)
    ]
    steps = set.intersection(*shared) if shared else set()
    if not steps:
        return Comparison(reason=Reason.NO_COMMON_STEPS)
    last = max(steps)

    def read(one: Arm, seed: int) -> Reading | None:
        found = one.strongest(seed, last)
        if found is None:
            return None
        return Reading(found.auc, found.standard_error, False)

    return dataclasses.replace(_compare(other, arm, read), steps=last)


def between_curves(other: Arm | None, arm: Arm) -> BetweenCurves | None:
    """Mean difference over the logarithm of the qualities that both arms pass, if any.

    Its interval holds for this comparison alone.
    """
    if other is None or not (seeds := _common(other.curves, arm.curves)):
        return None
    limits = common_range([one.curves[s] for one in (other, arm) for s in seeds])
    if limits is None:
        return None
    found = _compare(
        other, arm, lambda one, seed: mean_leakage(one.curves[seed], *limits)
    )
    if found.difference is None or found.attack_failed:
        return None
    return BetweenCurves(limits, found.difference)


def judge(
    comparisons: Sequence[Comparison], uncertainty: Uncertainty
) -> tuple[Comparison, ...]:
    """Adds `p_value_holm`, `verdict` and `reason` to the comparisons of one table.

    A difference counts where 0 lies outside its interval and Holm's adjusted p-value is
    at most 5 %: over three seeds or more, Student's; over the queries of a single seed,
    that of a normal distribution with DeLong's standard errors. A model that was as
    good before its first checkpoint is compared at that checkpoint, by when it may have
    leaked more; a verdict that this could have caused is not given.
    """
    p_values = [_p_value(one, uncertainty) for one in comparisons]
    known = [at for at, value in enumerate(p_values) if value is not None]
    adjusted = over_seeds.holm([value for value in p_values if value is not None])
    holm = dict(zip(known, adjusted, strict=True))
    return tuple(
        _judged(one, holm.get(at), uncertainty) for at, one in enumerate(comparisons)
    )


def _p_value(one: Comparison, uncertainty: Uncertainty) -> float | None:
    if one.difference is None:
        return None
    if uncertainty is Uncertainty.SEEDS:
        return one.difference.p_value
    error = one.standard_error
    if error == 0:
        return float(one.difference.mean == 0)
    return float(2 * special.ndtr(-abs(one.difference.mean) / error))


def _judged(
    one: Comparison, adjusted: float | None, uncertainty: Uncertainty
) -> Comparison:
    found, reason = Verdict.NOT_JUDGED, one.reason
    if reason is None and one.difference is not None:
        few = one.difference.num_seeds < over_seeds.MIN_SEEDS
        if adjusted is None or (few and uncertainty is Uncertainty.SEEDS):
            reason = Reason.FEW_SEEDS
        else:
            found, reason = _verdict(one, one.difference.interval, adjusted)
    return dataclasses.replace(one, p_value_holm=adjusted, verdict=found, reason=reason)


def _verdict(
    one: Comparison, interval: tuple[float, float], adjusted: float
) -> tuple[Verdict, Reason | None]:
    sign = over_seeds.direction(interval, adjusted)
    if sign == 0:
        return Verdict.NOT_DISTINGUISHABLE, None
    if sign > 0 and one.other_before_start:
        return Verdict.NOT_DISTINGUISHABLE, Reason.OTHER_EARLIER
    if sign < 0 and one.arm_before_start:
        return Verdict.NOT_DISTINGUISHABLE, Reason.ARM_EARLIER
    return (Verdict.LEAKS_LESS if sign > 0 else Verdict.LEAKS_MORE), None


def _compare(other: Arm | None, arm: Arm, read: Read) -> Comparison:
    if other is None:
        return Comparison(reason=Reason.NO_OTHER)
    failed = {
        seed
        for seed in _common(other.cells, arm.cells)
        if _failed_on_one(other.cells[seed], arm.cells[seed])
    }
    readable = set(_common(other.curves, arm.curves)) - failed
    seeds = [seed for seed in arm.cells if seed in readable | failed]
    if not seeds:
        return Comparison(reason=Reason.NO_OTHER)
    pairs = [(read(other, seed), read(arm, seed)) for seed in seeds if seed in readable]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    reason = None
    if any(b is None for _, b in pairs):
        reason = Reason.ARM_NEVER
    if any(a is None for a, _ in pairs):
        reason = Reason.OTHER_NEVER
    if failed:
        reason = Reason.ATTACK_FAILED
    found = Comparison(
        seeds=tuple(seeds),
        other_never=sum(a is None for a, _ in pairs),
        arm_never=sum(b is None for _, b in pairs),
        other_before_start=sum(a.before_start for a, _ in both),
        arm_before_start=sum(b.before_start for _, b in both),
        attack_failed=len(failed),
        reason=reason,
    )
    if not both:
        return found
    values = tuple(a.leakage - b.leakage for a, b in both)
    errors = [(a.standard_error**2 + b.standard_error**2) ** 0.5 for a, b in both]
    return dataclasses.replace(
        found,
        other=mean_over_seeds([a.leakage for a, _ in both], AUC_LIMITS),
        arm=mean_over_seeds([b.leakage for _, b in both], AUC_LIMITS),
        values=values,
        difference=over_seeds.paired_difference(values, errors),
        standard_error=sum(error**2 for error in errors) ** 0.5 / len(errors),
    )


def _common(others: Container[int], own: Iterable[int]) -> list[int]:
    return [seed for seed in own if seed in others]


def _failed_on_one(one: CellResult, other: CellResult) -> bool:
    """Whether an attack failed on models of one cell, and ran on some of the other."""
    return any(
        _attacks(a, FAILED) & _attacks(b, DONE) for a, b in ((one, other), (other, one))
    )


def _attacks(cell: CellResult, status: str) -> set[str]:
    return {
        one.name
        for point in cell.curve
        for one in point.attacks
        if one.status == status
    }
