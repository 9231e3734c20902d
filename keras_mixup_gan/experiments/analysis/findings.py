"""All numbers that a comparison is read by: typed results in, findings out."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from keras_mixup_gan.experiments.analysis.arms import (
    Arm,
    Family,
    Leakage,
    families_of,
    leakage,
)
from keras_mixup_gan.experiments.analysis.curves import (
    Curve,
    common_range,
    fid_before,
)
from keras_mixup_gan.experiments.analysis.releases import (
    ReleaseFinding,
    release_findings,
)
from keras_mixup_gan.experiments.analysis.verdicts import (
    BetweenCurves,
    Comparison,
    Uncertainty,
    at_equal_steps,
    at_final_quality,
    at_quality,
    between_curves,
    judge,
)
from keras_mixup_gan.experiments.checks import BASELINE
from keras_mixup_gan.experiments.results import (
    DONE,
    Bounds,
    Checkpoint,
    SuiteResults,
)
from keras_mixup_gan.statistics.over_seeds import Mean, mean_over_seeds

# AUCs up to which a model may leak, for the best quality within.
ALLOWED = (0.55, 0.6, 0.7, 0.8)
# Figures of usefulness, and what they can be.
UTILITY = {
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


class Side(Enum):
    """Where the AUC of an attack lies, seen from a bound on all attacks."""

    BELOW = "below"
    ABOVE = "above"
    ABOVE_WITHIN_ERROR = "above, but its interval reaches below"


@dataclass(frozen=True)
class BoundCheck:
    """The strongest attacks, LiRA included, compared with the bound of an epsilon."""

    auc: float
    side: Side
    undefended_auc: float | None
    undefended_side: Side | None


@dataclass(frozen=True)
class Allowed:
    """The best quality before an AUC was exceeded, as a geometric mean over seeds."""

    auc: float
    fid: float | None  # `None` where all seeds exceed it at their first checkpoint
    fid_range: tuple[float, float] | None
    num_seeds: int  # that do not exceed it at their first checkpoint
    exceeded_from_the_start: int  # seeds that do


@dataclass(frozen=True)
class Finding:
    """What is found about one arm of a family, compared with the undefended arm.

    Figures are of the trained models, `bounds` hold for the largest epsilon of all
    seeds, and `strongest` may be another attack in each seed; its title says how often
    each is. `releases` says the same for each release of the model, the least first.
    `not_run` tells by title why others did not run. `against_noise` compares
    mixup with noise alone, at the quality of the trained model.
    """

    arm: str
    group: str
    kind: str
    title: str
    defense: str
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    epsilon: float | None
    delta: float
    bounds: Bounds | None
    noise_is_known: bool
    curves: Mapping[int, Curve]
    fid: Mean
    kid: Mean
    strongest: Leakage | None
    chosen_on_own_data: bool
    attacks: Mapping[str, Leakage]
    not_run: Mapping[str, str]
    shadow_attacks: tuple[Leakage, ...]
    allowed: tuple[Allowed, ...]
    utility: Mapping[str, Mean]
    step_time: float | None
    releases: tuple[ReleaseFinding, ...] = ()
    at_final_quality: Comparison | None = None
    at_equal_steps: Comparison | None = None
    at_quality: tuple[Comparison, ...] = ()
    between_curves: BetweenCurves | None = None
    against_noise: Comparison | None = None
    bound_check: BoundCheck | None = None

    @property
    def strongest_shadow(self) -> Leakage | None:
        """The attack with shadow models that has the largest AUC."""
        return max(self.shadow_attacks, key=lambda one: one.auc.mean, default=None)


@dataclass(frozen=True)
class FamilyFindings:
    """What is found about one model with one number of members.

    `members_attacked` are the fewest and the most, where coins say who is one.
    """

    model: str
    members: int
    members_attacked: tuple[int, int] | None
    non_members: int
    reference: int
    batch_size: int
    quality: str
    seeds: tuple[int, ...]
    cpu_seconds: float
    arms: tuple[Finding, ...]

    @property
    def baseline(self) -> Finding | None:
        """The undefended arm."""
        return next((arm for arm in self.arms if arm.at_final_quality is None), None)

    @property
    def defended(self) -> tuple[Finding, ...]:
        """The other arms."""
        return tuple(arm for arm in self.arms if arm.at_final_quality is not None)


@dataclass(frozen=True)
class Findings:
    """What is found in a suite's results; of arms the undefended one is first."""

    suite: str
    title: str
    command: str
    data: str
    arms: tuple[str, ...]
    uncertainty: Uncertainty
    missing: tuple[str, ...]
    versions: Mapping[str, str]
    families: tuple[FamilyFindings, ...]


def analyze(
    results: SuiteResults, fid_levels: Sequence[float] | None = None
) -> Findings:
    """Everything that is said about a comparison is said by these numbers.

    Arms are also compared at `fid_levels`, by default round numbers that the undefended
    model passes in all seeds.
    """
    suite = results.suite
    uncertainty = Uncertainty.QUERIES if suite.one_seed else Uncertainty.SEEDS
    return Findings(
        suite=suite.name,
        title=suite.title,
        command=suite.command,
        data=suite.data.data,
        arms=tuple(
            dict.fromkeys(
                [BASELINE, *suite.arms, *(cell.arm for cell in results.cells)]
            )
        ),
        uncertainty=uncertainty,
        missing=results.missing,
        versions=results.versions,
        families=tuple(
            _family(one, fid_levels, uncertainty) for one in families_of(results)
        ),
    )


def round_levels(family: Family) -> list[float]:
    """Round Frechet distances that the undefended model passes in all seeds."""
    curves = list(family.baseline.curves.values()) if family.baseline else []
    limits = common_range(curves) if curves else None
    if limits is None:
        return []
    low, high = limits
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    levels = [10.0**decade * nice for decade in decades for nice in _NICE]
    return [float(f"{level:.2g}") for level in levels if low <= level <= high]


def _family(
    family: Family, fid_levels: Sequence[float] | None, uncertainty: Uncertainty
) -> FamilyFindings:
    baseline, defended = family.baseline, family.defended
    levels = round_levels(family) if fid_levels is None else list(fid_levels)
    matched = judge([at_final_quality(baseline, arm) for arm in defended], uncertainty)
    steps = judge([at_equal_steps(baseline, arm) for arm in defended], uncertainty)
    pairs = [(arm, level) for arm in defended for level in levels]
    given = judge([at_quality(baseline, *pair) for pair in pairs], uncertainty)
    noise = _against_noise(family, uncertainty)
    arms = [arm for arm in (baseline, *defended) if arm is not None]
    releases = release_findings(baseline, arms, uncertainty)
    by_arm = {arm.first.arm: each for arm, each in zip(arms, releases, strict=True)}
    undefended = None
    if baseline is not None:
        undefended = _finding(baseline, releases=by_arm[BASELINE])
    findings = [] if undefended is None else [undefended]
    for number, arm in enumerate(defended):
        comparisons = {
            "at_final_quality": matched[number],
            "at_equal_steps": steps[number],
            "at_quality": given[number * len(levels) : (number + 1) * len(levels)],
            "between_curves": between_curves(baseline, arm),
            "against_noise": noise.get(arm.first.arm),
            "releases": by_arm[arm.first.arm],
        }
        found = _finding(arm, **comparisons)
        check = _bound_check(found, undefended)
        findings.append(dataclasses.replace(found, bound_check=check))
    cells = [cell for arm in family.arms.values() for cell in arm.cells.values()]
    counts = [
        attack.at_fpr.num_members
        for cell in cells
        for attack in cell.last.attacks
        if attack.at_fpr is not None
    ]
    first = cells[0]
    return FamilyFindings(
        model=family.model,
        members=family.members,
        members_attacked=(min(counts), max(counts)) if counts else None,
        non_members=first.non_members,
        reference=first.reference,
        batch_size=first.batch_size,
        quality=first.last.metric("FID").label,
        seeds=tuple(sorted({cell.seed for cell in cells})),
        cpu_seconds=sum(cell.cpu_seconds for cell in cells),
        arms=tuple(findings),
    )


def _against_noise(family: Family, uncertainty: Uncertainty) -> dict[str, Comparison]:
    """Does blending earn its place? Mixup compared with noise alone."""
    noise = family.arms.get(NOISE)
    mixed = [arm for arm in family.defended if arm.first.group == MIXUP]
    if noise is None or noise.first.kind != NOISE:
        return {}
    found = judge([at_final_quality(noise, arm) for arm in mixed], uncertainty)
    return {arm.first.arm: one for arm, one in zip(mixed, found, strict=True)}


def _finding(arm: Arm, **comparisons: object) -> Finding:
    first, last = arm.first, arm.last
    chosen = [found for seed in arm.cells if (found := arm.strongest(seed))]
    times = [cell.step_time for cell in arm.cells.values() if cell.step_time]
    return Finding(
        arm=first.arm,
        group=first.group,
        kind=first.kind,
        title=first.title,
        defense=first.defense,
        seeds=tuple(arm.cells),
        steps=tuple(sorted({point.steps for point in last})),
        epsilon=arm.epsilon,
        delta=first.delta,
        bounds=_bounds(last),
        noise_is_known=first.noise_seed is not None,
        curves=arm.curves,
        fid=mean_over_seeds([point.fid for point in last], (0.0, math.inf)),
        kid=mean_over_seeds([point.metric("KID").value for point in last]),
        strongest=leakage([found.attack for found in chosen]) if chosen else None,
        chosen_on_own_data=any(found.on_own_data for found in chosen),
        attacks=arm.attacks,
        not_run={
            attack.title: f"{attack.status}: {attack.reason}"
            for point in last
            for attack in point.attacks
            if attack.status != DONE
        },
        shadow_attacks=arm.shadow_attacks,
        allowed=tuple(_allowed(arm, level) for level in ALLOWED),
        utility=_utility(last),
        step_time=times[0].ratio if times else None,
        **comparisons,  # type: ignore[arg-type]
    )


def _bounds(last: Sequence[Checkpoint]) -> Bounds | None:
    """What no attack exceeds by the epsilon of any seed; `None` if one has no bound."""
    found = [point.bounds for point in last if point.bounds is not None]
    if len(found) < len(last):
        return None
    return Bounds(
        auc=max(one.auc for one in found),
        fpr=max(one.fpr for one in found),
        tpr=max(one.tpr for one in found),
    )


def _bound_check(arm: Finding, undefended: Finding | None) -> BoundCheck | None:
    """Whether the strongest attacks exceed what epsilon allows."""
    attack = _strongest_of_all(arm)
    if arm.bounds is None or attack is None:
        return None
    other = _strongest_of_all(undefended) if undefended else None
    return BoundCheck(
        auc=attack.auc.mean,
        side=_side(attack, arm.bounds.auc),
        undefended_auc=None if other is None else other.auc.mean,
        undefended_side=None if other is None else _side(other, arm.bounds.auc),
    )


def _strongest_of_all(arm: Finding) -> Leakage | None:
    found = [one for one in (arm.strongest, arm.strongest_shadow) if one is not None]
    return max(found, key=lambda one: one.auc.mean, default=None)


def _side(attack: Leakage, bound: float) -> Side:
    if attack.auc.mean <= bound:
        return Side.BELOW
    low, _ = attack.interval or (attack.auc.mean,) * 2
    return Side.ABOVE if low > bound else Side.ABOVE_WITHIN_ERROR


def _allowed(arm: Arm, level: float) -> Allowed:
    found = [fid_before(curve, level) for curve in arm.curves.values()]
    known = [fid for fid in found if fid is not None]
    mean = math.exp(math.fsum(map(math.log, known)) / len(known)) if known else None
    return Allowed(
        auc=level,
        fid=mean,
        fid_range=(min(known), max(known)) if known else None,
        num_seeds=len(known),
        exceeded_from_the_start=len(found) - len(known),
    )


def _utility(last: Sequence[Checkpoint]) -> dict[str, Mean]:
    values: dict[str, list[float]] = {}
    for point in last:
        for metric in point.utility:
            values.setdefault(metric.name, []).append(metric.value)
    return {
        name: mean_over_seeds(values[name], limits)
        for name, limits in UTILITY.items()
        if name in values
    }
