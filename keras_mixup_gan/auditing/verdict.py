"""Verdict: what the figures of an audit mean, as data and, in one place, as words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from keras_mixup_gan.statistics.power import detectable_auc
from keras_mixup_gan.statistics.roc import (
    OperatingPoint,
    clopper_pearson,
    delong_interval,
)

if TYPE_CHECKING:
    from keras_mixup_gan.auditing.controls import BlindBaseline
    from keras_mixup_gan.auditing.results import AttackResult, AuditReport
    from keras_mixup_gan.statistics.held_out import HeldOutStrongest

ERROR_RATE = 0.05
LOW_POWER_AUC = 0.65
CLEAR_AUC, SEVERE_AUC = 0.6, 0.75

CAVEATS = (
    "These are measurements of particular attacks on particular images; a stronger "
    "attack may find more.",
    "An AUC of .5 certifies nothing: a single image can be exposed while the average "
    "is not.",
    "No epsilon follows from an audit, and mixup carries none: when a guarantee is "
    "needed, train with differential privacy.",
    "The intervals cover the choice of the queried images, not another training run "
    "with another seed or split.",
    "Members and non-members must come from one random permutation of one set of "
    "images; any other difference between them looks like a leak.",
)
NO_NULL_TARGET = (
    "The audit itself was not tested here. On a model that was trained on other images "
    "every attack must stay near AUC .5: pass such a model to `audit` as `null_target`."
)


class Leak(Enum):
    """What an audit finds; the value says it in words."""

    UNKNOWN = "Nothing is known about what this model leaks: no attack could be run."
    UNDECIDED = (
        "Whether the model leaks cannot be determined, because members and non-members "
        "differ without it: {reached}, a classifier that sees only pixels {pixels:.3f}."
    )
    NOT_FOUND = (
        "No leak was found: {reached}; a leak up to AUC {unnoticed:.2f} could have "
        "gone unnoticed."
    )
    FEW = (
        "Some training images are exposed although most are not: {attack} finds {rate}."
    )
    LITTLE = "The model leaks a little about its training set: {reached}."
    CLEAR = "The model clearly leaks who was in its training set: {reached}."
    SEVERE = "The model gives its training images away: {reached}."


class Concern(Enum):
    """What weakens the conclusions of an audit; the value says it in words."""

    SHIFTED_PARTS = (
        "Members and non-members differ without any model: a classifier that sees only "
        "pixels reaches AUC {area}. Draw both from one random permutation; until then "
        "nothing here is evidence of a leak."
    )
    FEW_QUERIES = (
        "Only {members} members and {non_members} non-members were queried; a leak "
        "below AUC {smallest:.2f} would probably have gone unnoticed. Query 1,000 a "
        "side to see one of AUC {with_more:.2f}."
    )
    FEW_NON_MEMBERS = (
        "With {non_members} non-members the rate at 1 % false positives is the rate at "
        "no false positive at all."
    )
    DUPLICATES = (
        "{number} images of the {part} repeat another one; the intervals take them for "
        "independent and are too narrow."
    )
    MIXUP_IGNORED = (
        "The model was trained with mixup, but no attack that takes it into account "
        "was run; pass reference images to run one."
    )
    AUGMENTATION_IGNORED = (
        "The model was trained with augmentation, but no attack that takes it into "
        "account was run; add 'logan_augmented' to the attacks."
    )
    COMBINATION_IGNORED = (
        "The model was trained with mixup and augmentation; each attack takes one of "
        "them into account, none both."
    )
    BELOW_CHANCE = (
        "{attack} scores non-members higher than members. That is no extra privacy: "
        "look for a difference between the two sets, or an attacker could use the "
        "scores the other way round."
    )
    DAMAGED_SCORES = (
        "The kept scores of {attack!r} were damaged and not used; the attack was run "
        "again."
    )
    NULL_TARGET_NOT_ATTACKED = "{null_target}"
    NULL_TARGET_DEVIATES = (
        "Members and non-members differ also on the null target, which saw neither: "
        "{attacks}. Until it is known why, these attacks are no evidence of a leak. "
        "Look for a difference between the two sets, and for members among the images "
        "that the null target was trained on."
    )
    FEW_SHADOWS = "{shadows}"


_IGNORED = {
    "mixup": Concern.MIXUP_IGNORED,
    "augment": Concern.AUGMENTATION_IGNORED,
    "both": Concern.COMBINATION_IGNORED,
}


@dataclass(frozen=True)
class Caution:
    """A concern with its figures; as a string one or two sentences."""

    concern: Concern
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.concern.value).format(**self.values)


@dataclass(frozen=True)
class AuditVerdict:
    """The outcome of an audit; as a string one sentence.

    Attributes:
        leak: What was found.
        attack: Title of the attack that decides.
        num_attacks: Number of attacks that ran.
        auc: AUC of this attack; of several it is chosen on one half of the queries
            and this is its AUC on the other half.
        interval: DeLong interval of `auc`.
        point: Its true-positive rate at 1 % false positives on the same queries.
        unnoticed: AUC up to which a leak could have gone unnoticed.
        pixels: AUC of a classifier that sees only pixels, if that was measured.
    """

    leak: Leak
    attack: str = ""
    num_attacks: int = 0
    auc: float = 0.5
    interval: tuple[float, float] = (0.0, 1.0)
    point: OperatingPoint | None = None
    unnoticed: float = 1.0
    pixels: float | None = None

    def __str__(self) -> str:
        if self.point is None:
            return str(self.leak.value)
        point, attack, where = self.point, self.attack, ""
        if self.num_attacks > 1:
            attack = f"the strongest of {self.num_attacks} attacks, {attack},"
            where = " (chosen on one half of the images, measured on the other)"
        rate = (
            f"{percent_with_interval(point.tpr, point.tpr_interval)} of the members at "
            f"{100 * point.realized_fpr:.1f} % false positives"
        )
        area = with_interval(self.auc, self.interval)
        reached = f"{attack} reaches AUC {area} and finds {rate}{where}"
        return str(self.leak.value).format(
            attack=self.attack,
            reached=reached,
            rate=rate,
            unnoticed=self.unnoticed,
            pixels=self.pixels,
        )


def judge(
    done: Sequence[AttackResult],
    held_out: HeldOutStrongest | None,
    blind: BlindBaseline | None,
) -> AuditVerdict:
    """Decides whether, and how much, the model leaks.

    A leak is claimed if some attack's AUC lies above .5, or its true-positive rate
    above its false-positive rate, with all these tests together wrong in at most 5 %
    of audits of models that leak nothing (Bonferroni). How much it leaks is told by
    the attack that was chosen on one half of the queries, from the other half. Where
    pixels alone distinguish the two sets, neither a leak nor its absence is claimed.
    """
    if not done or held_out is None:
        return AuditVerdict(Leak.UNKNOWN)
    strongest, area, interval = done[0], done[0].auc, done[0].auc_interval
    point = strongest.operating_point
    if len(done) > 1:
        strongest = next(result for result in done if result.name == held_out.name)
        area, interval = held_out.auc, held_out.interval
        point = held_out.operating_point
    by_area = any(_family_interval(each, len(done))[0] > 0.5 for each in done)
    by_tail = [each for each in done if _tail_is_above_chance(each, len(done))]
    if blind is not None and blind.is_shifted:
        leak = Leak.UNDECIDED
    elif by_area:
        leak = Leak.LITTLE if area < CLEAR_AUC else Leak.CLEAR
        leak = Leak.SEVERE if area >= SEVERE_AUC else leak
    elif by_tail:
        leak = Leak.FEW
        strongest = max(by_tail, key=lambda result: result.operating_point.tpr)
        area, interval = strongest.auc, strongest.auc_interval
        point = strongest.operating_point
    else:
        leak = Leak.NOT_FOUND
    return AuditVerdict(
        leak,
        attack=strongest.title,
        num_attacks=len(done),
        auc=area,
        interval=interval,
        point=point,
        unnoticed=max(0.5, *(_family_interval(each, 1)[1] for each in done)),
        pixels=None if blind is None else blind.auc,
    )


def cautions(report: AuditReport) -> Iterator[Caution]:
    """What weakens the conclusions of an audit."""
    done, num_attacks = report.done, max(1, len(report.done))
    members, non_members = report.num_members, report.num_non_members
    blind, null = report.blind, report.null_target
    if blind is not None and blind.is_shifted:
        area = with_interval(blind.auc, blind.interval)
        yield Caution(Concern.SHIFTED_PARTS, {"area": area})
    if report.detectable_auc > LOW_POWER_AUC:
        values = {
            "members": members,
            "non_members": non_members,
            "smallest": report.detectable_auc,
            "with_more": detectable_auc(1000, 1000, num_attacks),
        }
        yield Caution(Concern.FEW_QUERIES, values)
    if non_members < 100:
        yield Caution(Concern.FEW_NON_MEMBERS, {"non_members": non_members})
    for part in ("members", "non_members"):
        if number := report.duplicates[part]:
            where = {"number": number, "part": part.replace("_", "-")}
            yield Caution(Concern.DUPLICATES, where)
    for defense in report.ignored_defenses:
        yield Caution(_IGNORED[defense])
    for result in done:
        if _family_interval(result, num_attacks)[1] < 0.5:
            yield Caution(Concern.BELOW_CHANCE, {"attack": result.title})
    for name in report.damaged:
        yield Caution(Concern.DAMAGED_SCORES, {"attack": name})
    if null is not None and not null.areas:
        yield Caution(Concern.NULL_TARGET_NOT_ATTACKED, {"null_target": null})
    if null is not None and null.deviating:
        found = [f"{each.title} (AUC {each.auc:.3f})" for each in null.deviating]
        yield Caution(Concern.NULL_TARGET_DEVIATES, {"attacks": ", ".join(found)})
    if report.shadow_caution is not None:
        yield Caution(Concern.FEW_SHADOWS, {"shadows": report.shadow_caution})


def _family_interval(result: AttackResult, num_attacks: int) -> tuple[float, float]:
    """Interval whose one-sided error is half the family's, over all attacks."""
    scores = result.member_scores, result.non_member_scores
    return delong_interval(*scores, 1 - ERROR_RATE / num_attacks)


def _tail_is_above_chance(result: AttackResult, num_attacks: int) -> bool:
    """Whether the rates of true and of false positives have separate intervals.

    The threshold is an order statistic of the non-members; the true rate above it is
    Beta distributed, and its quantiles are just the Clopper-Pearson bounds.
    """
    point = result.operating_point
    confidence = 1 - ERROR_RATE / (2 * num_attacks)
    low, _ = clopper_pearson(point.true_positives, point.num_members, confidence)
    _, high = clopper_pearson(point.false_positives, point.num_non_members, confidence)
    return low > high


def with_interval(area: float, interval: tuple[float, float]) -> str:
    """`0.832 [0.815, 0.849]`."""
    low, high = interval
    return f"{area:.3f} [{low:.3f}, {high:.3f}]"


def percent_with_interval(rate: float, interval: tuple[float, float]) -> str:
    """`12.3 % [10.4, 14.5]`."""
    low, high = interval
    return f"{100 * rate:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
