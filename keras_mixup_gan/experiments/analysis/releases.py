"""What each release of the models of an arm gives away, by the attacks it allows."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keras_mixup_gan.attacks import ATTACKS, Release
from keras_mixup_gan.experiments.analysis.arms import Arm, Leakage, leakage
from keras_mixup_gan.experiments.analysis.verdicts import (
    Comparison,
    Uncertainty,
    at_final_quality,
    judge,
)
from keras_mixup_gan.experiments.results import DONE, AttackFigures, CellResult
from keras_mixup_gan.statistics.leaks import evidence


@dataclass(frozen=True)
class ReleaseFinding:
    """What a release of an arm's trained models gives away.

    Attributes:
        release: What is given away.
        num_attacks: Number of attacks that it is enough for.
        strongest: The attack that counts among them, as `Finding.strongest` does.
        leaks: Whether one of them, LiRA included, proves a leak in some seed, by the
            rule of audits and corrected for all attacks and seeds of the arm.
        at_final_quality: Compared with the undefended arm by these attacks alone.
    """

    release: Release
    num_attacks: int
    strongest: Leakage | None
    leaks: bool
    at_final_quality: Comparison | None = None


def release_findings(
    baseline: Arm | None, arms: Sequence[Arm], uncertainty: Uncertainty
) -> list[tuple[ReleaseFinding, ...]]:
    """For each arm what each release gives away; the baseline is compared with none."""
    found: list[list[ReleaseFinding]] = [[] for _ in arms]
    for release in Release:
        other = None if baseline is None else allowed(baseline, release)
        allowed_arms = [allowed(arm, release) for arm in arms]
        defended = [at for at, arm in enumerate(arms) if arm is not baseline]
        compared = [at_final_quality(other, allowed_arms[at]) for at in defended]
        judged = dict(zip(defended, judge(compared, uncertainty), strict=True))
        for at, (whole, part) in enumerate(zip(arms, allowed_arms, strict=True)):
            chosen = [one for seed in part.cells if (one := part.strongest(seed))]
            attacks = [figures for _, figures in _figures(whole, release)]
            total = sum(1 for _ in _figures(whole, Release.EVERYTHING))
            found[at].append(
                ReleaseFinding(
                    release,
                    len({name for name, _ in _figures(whole, release)}),
                    leakage([one.attack for one in chosen]) if chosen else None,
                    any(_proves(one, total) for one in attacks),
                    judged.get(at),
                )
            )
    return [tuple(each) for each in found]


def allowed(arm: Arm, release: Release) -> Arm:
    """The arm as whoever gets no more than a release sees it."""
    return Arm.of([_allowed_cell(cell, release) for cell in arm.cells.values()])


def release_for(name: str) -> Release:
    """The least release that the attack of this name in results needs.

    Of an attack that is not among ours nothing is known, so that it needs everything.
    """
    kind = ATTACKS.get(name) or ATTACKS.get(re.sub(r"_\d+$", "", name))
    return Release.EVERYTHING if kind is None else Release.least_for(kind.requires)


def _allowed_cell(cell: CellResult, release: Release) -> CellResult:
    curve = tuple(
        dataclasses.replace(
            point,
            attacks=tuple(
                one for one in point.attacks if release.covers(release_for(one.name))
            ),
        )
        for point in cell.curve
    )
    return dataclasses.replace(cell, curve=curve)


def _figures(arm: Arm, release: Release) -> Iterator[tuple[str, AttackFigures]]:
    """Attacks that ran on trained models, by their names and how shadows were made."""
    for cell in arm.cells.values():
        shadowed = ((one.kind, one.figures) for one in cell.shadow_attacks)
        for kind, figures in (*(("", one) for one in cell.last.attacks), *shadowed):
            if figures.status == DONE and release.covers(release_for(figures.name)):
                yield f"{kind} {figures.name}", figures


def _proves(figures: AttackFigures, num_tests: int) -> bool:
    if figures.auc is None or figures.at_fpr is None:
        return False
    return evidence(figures.auc, figures.at_fpr, num_tests).is_leak
