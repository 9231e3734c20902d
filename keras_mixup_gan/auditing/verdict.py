"""Verdict: what the figures of an audit mean, as data and, in one place, as words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from keras_mixup_gan.attacks.release import Release
from keras_mixup_gan.rounding import rounded_down
from keras_mixup_gan.statistics.leaks import (
    ERROR_RATE,
    Evidence,
    equivalent_auc,
    evidence,
)
from keras_mixup_gan.statistics.roc import OperatingPoint, delong_interval

if TYPE_CHECKING:
    from keras_mixup_gan.auditing.controls import BlindBaseline
    from keras_mixup_gan.auditing.copies import CopyCheck
    from keras_mixup_gan.auditing.results import AttackResult
    from keras_mixup_gan.statistics.held_out import HeldOutStrongest

CLEAR_AUC, SEVERE_AUC = 0.6, 0.75


class Leak(Enum):
    """What an audit finds; the value says it in words."""

    UNKNOWN = "What {release} would tell is unknown: no attack on it could be run."
    UNDECIDED = (
        "What whoever gets {release} learns cannot be determined, because members and "
        "non-members differ without the model: {reached}, a classifier that sees only "
        "pixels {pixels:.3f}."
    )
    NOT_FOUND = (
        "No leak was found for whoever gets {release}: {reached}; a leak up to AUC "
        "{unnoticed:.2f} could have gone unnoticed."
    )
    LITTLE = (
        "Whoever gets {release} learns a little about which images were trained on: "
        "{reached}."
    )
    FEW = (
        "Whoever gets {release} recognizes some of the training images, although not "
        "most: {attack} finds {rate}{where}."
    )
    CLEAR = (
        "Whoever gets {release} can clearly tell training images from others: "
        "{reached}."
    )
    SEVERE = "Whoever gets {release} recognizes the training images: {reached}."
    COPIED = (
        "The model copies {copies.members_copied:,} of {copies.num_members:,} members, "
        "which it was trained on: {copies.samples_of_members:,} of "
        "{copies.num_samples:,} generated images (nearly) repeat them, against "
        "{copies.non_members_copied:,} of {copies.num_non_members:,} non-members that "
        "are repeated. For whoever gets {release}, {reached}."
    )


@dataclass(frozen=True)
class AuditVerdict:
    """What whoever is given a release of the model learns; as a string one sentence.

    Attributes:
        leak: What was found.
        release: What is given away.
        attack: Title of the attack that decides.
        num_attacks: Number of attacks that this release is enough for.
        auc: AUC of the attack; of several it is chosen on one half of the queries
            and this is its AUC on the other half, unless another one proves the leak:
            then it is that one's on all queries.
        interval: DeLong interval of `auc`.
        point: Its true-positive rate at 1 % false positives on the same queries.
        is_held_out: Whether `auc` and `point` are of queries that did not choose.
        unnoticed: AUC up to which a leak could have gone unnoticed.
        pixels: AUC of a classifier that sees only pixels, if that was measured.
        copies: The copy check, if members were copied.
        epsilon: Lower bound on epsilon by all these attacks, where coins decided who
            is a member.
    """

    leak: Leak
    release: Release
    attack: str = ""
    num_attacks: int = 0
    auc: float = 0.5
    interval: tuple[float, float] = (0.0, 1.0)
    point: OperatingPoint | None = None
    is_held_out: bool = False
    unnoticed: float = 1.0
    pixels: float | None = None
    copies: CopyCheck | None = None
    epsilon: float | None = None

    def __str__(self) -> str:
        if self.point is None:
            return self.leak.value.format(
                release=self.release,
                copies=self.copies,
                reached="no attack could be run",
            )
        point, attack, where = self.point, self.attack, ""
        if self.num_attacks > 1:
            attack = f"the strongest of {self.num_attacks} attacks, {attack},"
        if self.is_held_out:
            where = " (chosen on one half of the images, measured on the other)"
        elif self.num_attacks > 1:
            where = " (chosen and measured on the same images)"
        rate = (
            f"{percent_with_interval(point.tpr, point.tpr_interval)} of the members at "
            f"{100 * point.realized_fpr:.1f} % false positives"
        )
        area = with_interval(self.auc, self.interval)
        said = self.leak.value.format(
            release=self.release,
            attack=self.attack,
            reached=f"{attack} reaches AUC {area} and finds {rate}{where}",
            rate=rate,
            where=where,
            unnoticed=self.unnoticed,
            pixels=self.pixels,
            copies=self.copies,
        )
        if self.leak is Leak.NOT_FOUND and self.epsilon:
            said += (
                f" Yet the attacks prove an epsilon above {at_least(self.epsilon)}: "
                "they recognize some of what coins decided on."
            )
        return said


def judge(
    release: Release,
    done: Sequence[AttackResult],
    num_tests: int,
    held_out: HeldOutStrongest | None,
    blind: BlindBaseline | None,
    copies: CopyCheck | None = None,
    epsilon: float | None = None,
) -> AuditVerdict:
    """Decides whether, and how much, a release of the model leaks.

    `done` are the attacks that it is enough for, the most threatening first. A leak is
    claimed by the rule of `statistics.evidence`, with all `num_tests` attacks of the
    report together wrong in at most 5 % of audits of models that leak nothing. How much
    it leaks is told, by the worse of AUC and members found, by the attack that was
    chosen on one half of the queries, from the other half. Where pixels alone
    distinguish the two sets, neither a leak nor its absence is claimed. Copies of
    members, which any release gives away, come before all attacks.
    """
    is_shifted = blind is not None and blind.is_shifted
    copied = copies if copies is not None and copies.found and not is_shifted else None
    if not done or held_out is None:
        leak = Leak.UNKNOWN if copied is None else Leak.COPIED
        return AuditVerdict(leak, release, copies=copied)
    proofs = {each.name: proof(each, num_tests) for each in done}
    strongest = next(each for each in done if each.name == held_out.name)
    area, interval, point = held_out.auc, held_out.interval, held_out.operating_point
    proven = [each for each in done if proofs[each.name].is_leak]
    is_held_out = len(done) > 1 and (not proven or strongest in proven)
    if not is_held_out:  # alone, or the half chose another one than all queries prove
        strongest = proven[0] if proven else strongest
        area, interval = strongest.auc, strongest.auc_interval
        point = strongest.operating_point
    if is_shifted:
        leak = Leak.UNDECIDED
    elif copied is not None:
        leak = Leak.COPIED
    elif proven:
        leak = _size(proofs[strongest.name], area, point)
    else:
        leak = Leak.NOT_FOUND
    return AuditVerdict(
        leak,
        release,
        attack=strongest.title,
        num_attacks=len(done),
        auc=area,
        interval=interval,
        point=point,
        is_held_out=is_held_out,
        unnoticed=max(0.5, *(family_interval(each, 1)[1] for each in done)),
        pixels=None if blind is None else blind.auc,
        copies=copied if leak is Leak.COPIED else None,
        epsilon=epsilon,
    )


def proof(result: AttackResult, num_tests: int) -> Evidence:
    """What an attack among so many proves."""
    return evidence(result.auc, result.operating_point, num_tests)


def _size(proven: Evidence, area: float, point: OperatingPoint) -> Leak:
    """How much leaks, by the worse of AUC and members found of the queries judged."""
    size = max(area, equivalent_auc(point)) if proven.by_tail else area
    if area < CLEAR_AUC <= size:
        return Leak.FEW
    if size < CLEAR_AUC:
        return Leak.LITTLE
    return Leak.CLEAR if size < SEVERE_AUC else Leak.SEVERE


def family_interval(result: AttackResult, num_attacks: int) -> tuple[float, float]:
    """Interval whose one-sided error is half the family's, over all attacks."""
    scores = result.member_scores, result.non_member_scores
    return delong_interval(*scores, 1 - ERROR_RATE / num_attacks)


def probability(p_value: float) -> str:
    """`p = 0.012`, or `p < 0.0001`."""
    return f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"


def with_interval(area: float, interval: tuple[float, float]) -> str:
    """`0.832 [0.815, 0.849]`."""
    low, high = interval
    return f"{area:.3f} [{low:.3f}, {high:.3f}]"


def at_least(bound: float) -> str:
    """A bound from below, never above itself: `1.12`."""
    return f"{rounded_down(bound):.2f}"


def percent_with_interval(rate: float, interval: tuple[float, float]) -> str:
    """`12.3 % [10.4, 14.5]`."""
    low, high = interval
    return f"{100 * rate:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
