"""What the numbers of an audit mean, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from keras_mixup_gan.attacks.statistics import clopper_pearson, delong_interval

if TYPE_CHECKING:
    from keras_mixup_gan.attacks.results import AttackResult

ERROR_RATE = 0.05
FEW_IMAGES = 100

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


def sentence(done: Sequence[AttackResult]) -> str:
    """Says in one sentence whether, and how much, the model leaks.

    A leak is claimed if some attack's AUC lies above .5, or its true-positive rate
    above its false-positive rate, with all these tests together wrong in at most 5 %
    of audits of models that leak nothing (Bonferroni).

    Args:
        done: Results of the attacks that ran, most threatening first.

    Returns:
        The sentence.
    """
    if not done:
        return "Nothing is known about what this model leaks: no attack could be run."
    strongest = done[0]
    if strongest.auc is None or strongest.auc_interval is None:
        raise ValueError("A result without scores cannot be judged.")
    low, high = strongest.auc_interval
    reached = (
        f"{strongest.title} reaches AUC {strongest.auc:.3f} "
        f"[{low:.3f}, {high:.3f}]{_tail_in_words(strongest)}"
    )
    by_area = [result for result in done if _area_is_above_chance(result, len(done))]
    by_tail = [result for result in done if _tail_is_above_chance(result, len(done))]
    if not by_area and not by_tail:
        which = (
            f"the strongest of {len(done)} attacks" if len(done) > 1 else "one attack"
        )
        return (
            f"No leak was found by {which}: {reached}; a leak up to AUC "
            f"{max(high, 0.5):.2f} could have gone unnoticed."
        )
    if not by_area:
        tail = max(by_tail, key=lambda result: _tpr(result))
        return (
            f"Some training images are exposed although most are not: "
            f"{tail.title}{_tail_in_words(tail, ' finds')}."
        )
    if strongest.auc >= 0.75:
        return f"The model gives its training images away: {reached}."
    if strongest.auc >= 0.6:
        return f"The model clearly leaks who was in its training set: {reached}."
    return f"The model leaks a little about its training set: {reached}."


def cautions(
    done: Sequence[AttackResult],
    num_members: int,
    num_non_members: int,
    duplicates: Mapping[str, int],
    mixup_ignored: bool,
) -> tuple[str, ...]:
    """Returns warnings about what weakens the conclusions of this audit.

    Args:
        done: Results of the attacks that ran.
        num_members: Number of members queried.
        num_non_members: Number of non-members queried.
        duplicates: Number of images of each part that repeat another of that part.
        mixup_ignored: Whether the model was trained with mixup and no attack that
            knows of it ran.
    """
    found = []
    fewest = min(num_members, num_non_members)
    if fewest < FEW_IMAGES:
        found.append(
            f"Only {num_members} members and {num_non_members} non-members were "
            f"queried; with fewer than {FEW_IMAGES} a side even a large leak can go "
            "unnoticed."
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
    if mixup_ignored:
        found.append(
            "The model was trained with mixup, but no attack that knows it was run; "
            "pass reference images to run one."
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


def _tail_in_words(result: AttackResult, verb: str = " and finds") -> str:
    point = result.operating_point
    if point is None:
        return ""
    low, high = point.tpr_interval
    return (
        f"{verb} {100 * point.tpr:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of the "
        f"members at {100 * point.realised_fpr:.1f} % false positives"
    )
