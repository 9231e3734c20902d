"""What the numbers of an audit mean, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from keras_mixup_gan.statistics.power import detectable_auc
from keras_mixup_gan.statistics.roc import (
    OperatingPoint,
    clopper_pearson,
    delong_interval,
)

if TYPE_CHECKING:
    from keras_mixup_gan.auditing.guards import BlindBaseline
    from keras_mixup_gan.auditing.results import AttackResult
    from keras_mixup_gan.statistics.held_out import HeldOutStrongest

ERROR_RATE = 0.05
LOW_POWER_AUC = 0.65

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


def sentence(
    done: Sequence[AttackResult],
    held_out: HeldOutStrongest | None = None,
    blind: BlindBaseline | None = None,
) -> str:
    """Says in one sentence whether, and how much, the model leaks.

    A leak is claimed if some attack's AUC lies above .5, or its true-positive rate
    above its false-positive rate, with all these tests together wrong in at most 5 %
    of audits of models that leak nothing (Bonferroni). How much it leaks is told by
    the attack that was chosen on one half of the queries, from the other half.

    Args:
        done: Results of the attacks that ran, most threatening first.
        held_out: The strongest attack on queries that it was not chosen on; needed
            where there are several attacks.
        blind: What can be told from the pixels alone, if that was measured. If it is
            too much, no leak is claimed, nor that there is none.

    Returns:
        The sentence.
    """
    if not done:
        return "Nothing is known about what this model leaks: no attack could be run."
    area, reached = _reach(done, held_out)
    if blind is not None and blind.is_shifted:
        return (
            "Whether the model leaks cannot be told, because members and non-members "
            f"can be told apart without it: {reached}, a classifier that sees pixels "
            f"only {blind.auc:.3f}."
        )
    by_area = [result for result in done if _area_is_above_chance(result, len(done))]
    by_tail = [result for result in done if _tail_is_above_chance(result, len(done))]
    if not by_area and not by_tail:
        which = f"any of {len(done)} attacks" if len(done) > 1 else "one attack"
        high = max(_interval(result, 1)[1] for result in done)
        return (
            f"No leak was found by {which}: {reached}; a leak up to AUC "
            f"{max(high, 0.5):.2f} could have gone unnoticed."
        )
    if not by_area:
        tail = max(by_tail, key=lambda result: _tpr(result))
        return (
            f"Some training images are exposed although most are not: {tail.title}"
            f"{_tail_in_words(tail.operating_point, ' finds')}."
        )
    if area >= 0.75:
        return f"The model gives its training images away: {reached}."
    if area >= 0.6:
        return f"The model clearly leaks who was in its training set: {reached}."
    return f"The model leaks a little about its training set: {reached}."


def _reach(
    done: Sequence[AttackResult], held_out: HeldOutStrongest | None
) -> tuple[float, str]:
    """AUC of the strongest attack, and the same in words."""
    strongest, several = done[0], ""
    area, interval = strongest.auc, strongest.auc_interval
    point = strongest.operating_point
    if held_out is not None and len(done) > 1:
        strongest = next(result for result in done if result.name == held_out.name)
        area, interval = held_out.auc, held_out.interval
        point = held_out.operating_point
        several = (
            f", the strongest of {len(done)} attacks on one half of the images, on "
            "the other half"
        )
    if area is None or interval is None:
        raise ValueError("A result without scores cannot be judged.")
    low, high = interval
    return area, (
        f"{strongest.title}{several} reaches AUC {area:.3f} [{low:.3f}, {high:.3f}]"
        f"{_tail_in_words(point)}"
    )


def cautions(
    done: Sequence[AttackResult],
    num_members: int,
    num_non_members: int,
    duplicates: Mapping[str, int],
    ignored: Sequence[str],
    blind: BlindBaseline | None = None,
) -> tuple[str, ...]:
    """Returns warnings about what weakens the conclusions of this audit.

    Args:
        done: Results of the attacks that ran.
        num_members: Number of members queried.
        num_non_members: Number of non-members queried.
        duplicates: Number of images of each part that repeat another of that part.
        ignored: Defenses that the model was trained with and that no attack that ran
            knows of, of `"mixup"`, `"augment"` and `"both"`.
        blind: What can be told from the pixels alone, if that was measured.
    """
    found = []
    if blind is not None and blind.is_shifted:
        low, high = blind.interval
        found.append(
            "Members and non-members differ without any model: a classifier that sees "
            f"pixels only reaches AUC {blind.auc:.3f} [{low:.3f}, {high:.3f}]. Draw "
            "both from one random permutation; until then nothing here is evidence of "
            "a leak."
        )
    smallest = detectable_auc(num_members, num_non_members, max(1, len(done)))
    if smallest > LOW_POWER_AUC:
        found.append(
            f"Only {num_members} members and {num_non_members} non-members were "
            f"queried; a leak below AUC {smallest:.2f} would probably have gone "
            "unnoticed. Query 1,000 a side to see one of AUC "
            f"{detectable_auc(1000, 1000, max(1, len(done))):.2f}."
        )
    if num_non_members < 100:
        found.append(
            f"With {num_non_members} non-members the rate at 1 % false positives is "
            "the rate at no false positive at all."
        )
    for part in ("members", "non_members"):
        if duplicates[part]:
            found.append(
                f"{duplicates[part]} images of the {part.replace('_', '-')} repeat "
                "another one; the intervals take them for independent and are too "
                "narrow."
            )
    if "mixup" in ignored:
        found.append(
            "The model was trained with mixup, but no attack that knows it was run; "
            "pass reference images to run one."
        )
    if "augment" in ignored:
        found.append(
            "The model was trained with augmentation, but no attack that knows it was "
            "run; add 'logan_augmented' to the attacks."
        )
    if "both" in ignored:
        found.append(
            "The model was trained with mixup and augmentation; each attack knows of "
            "one of them, none of both."
        )
    for result in done:
        if _area_is_below_chance(result, len(done)):
            found.append(
                f"{result.title} scores non-members higher than members. That is no "
                "extra privacy: look for a difference between the two sets, or an "
                "attacker could use the scores the other way round."
            )
    return tuple(found)


def _interval(result: AttackResult, num_attacks: int) -> tuple[float, float]:
    """Interval whose one-sided error is half the family's, over all attacks."""
    if result.member_scores is None or result.non_member_scores is None:
        return 0.0, 1.0
    return delong_interval(
        result.member_scores, result.non_member_scores, 1 - ERROR_RATE / num_attacks
    )


def _area_is_above_chance(result: AttackResult, num_attacks: int) -> bool:
    return _interval(result, num_attacks)[0] > 0.5


def _area_is_below_chance(result: AttackResult, num_attacks: int) -> bool:
    return _interval(result, num_attacks)[1] < 0.5


def _tail_is_above_chance(result: AttackResult, num_attacks: int) -> bool:
    """Whether the rates of true and of false positives have separate intervals.

    The threshold is an order statistic of the non-members; the true rate above it is
    Beta distributed, and its quantiles are just the Clopper-Pearson bounds.
    """
    point = result.operating_point
    if point is None:
        return False
    confidence = 1 - ERROR_RATE / (2 * num_attacks)
    low, _ = clopper_pearson(point.true_positives, point.num_members, confidence)
    _, high = clopper_pearson(point.false_positives, point.num_non_members, confidence)
    return low > high


def _tpr(result: AttackResult) -> float:
    return result.operating_point.tpr if result.operating_point else 0.0


def _tail_in_words(point: OperatingPoint | None, verb: str = " and finds") -> str:
    if point is None:
        return ""
    low, high = point.tpr_interval
    return (
        f"{verb} {100 * point.tpr:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of the "
        f"members at {100 * point.realized_fpr:.1f} % false positives"
    )
