"""ROC analysis of membership scores: AUC with DeLong's interval, TPR at a fixed FPR.

Every function takes the scores of members and of non-members, in this order, and
reads a higher score as "more likely a member". `confidence`, in `(0, 1)`, is the
coverage of a two-sided interval. Scores that are not one-dimensional, finite and at
least one raise a `ValueError`, as arguments out of range do. Ties count one half;
nothing is interpolated, jittered or flipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer, finite_scores

MIN_FALSE_POSITIVES = 10


@dataclass(frozen=True)
class OperatingPoint:
    """What a thresholded attack gets right and wrong at a low false-positive rate.

    Attributes:
        target_fpr: The false-positive rate that was asked for.
        threshold: A query is called a member if its score is *above* this value.
        tpr: Share of the members that are called members.
        tpr_interval: Clopper-Pearson interval of `tpr`. The threshold depends on the
            non-members only, so the count of true positives is binomial.
        realized_fpr: Share of the non-members that are called members.
        true_positives: Number of members called members, out of `num_members`.
        false_positives: Number of non-members called members, of `num_non_members`.
    """

    target_fpr: float
    threshold: float
    tpr: float
    tpr_interval: tuple[float, float]
    realized_fpr: float
    true_positives: int
    false_positives: int
    num_members: int
    num_non_members: int


@dataclass(frozen=True)
class WithheldPoint:
    """A rate at which nothing is reported, because too few events would decide."""

    target_fpr: float
    reason: str


def auc(member_scores: ArrayLike, non_member_scores: ArrayLike) -> float:
    """Probability that a member scores above a non-member, ties counted one half.

    This is the Mann-Whitney statistic divided by the number of pairs, the area under
    the ROC curve; .5 where the scores are constant.

    Example:
    >>> auc([2.0, 3.0], [1.0, 2.0])
    0.875
    """
    members, non_members = check_scores(member_scores, non_member_scores)
    above, _ = pair_counts(members, non_members)
    return float(above.sum() / (len(members) * len(non_members)))


def delong_interval(
    member_scores: ArrayLike,
    non_member_scores: ArrayLike,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Confidence interval of the AUC by DeLong's variance on the logit scale.

    The variance is that of DeLong et al. (1988), from midranks as in Sun and Xu
    (2014). The interval is formed on the logit scale, which keeps it in `[0, 1]`.

    Of 95 % intervals, 94 to 98 % hold the AUC where both sides have the same number of
    scores, 10 to 1,000, normal with one variance, and the AUC is .5 to .99 (2,000 draws
    of each). With few scores on one side and an AUC near an end the variance rests on
    the few scores out of place, and the interval is too narrow, mostly by beginning
    above the AUC: of 20 members and 1,000 non-members it holds an AUC of .9, .95 and
    .99 in 92, 89 and 80 % of 1,500 draws, of 100 members in 95, 94 and 91 %; where
    members spread three times as far, in 90, 78 and 66 %, and 96, 93 and 82 %. Query
    as many members as non-members, and hundreds of both where the AUC is above .95.

    DeLong's variance is zero exactly if the scores separate perfectly or are all
    equal. Then `min(num_members, num_non_members)` disjoint pairs all agree, and the
    Clopper-Pearson bound on "a pair agrees" bounds the AUC: conservative, never
    collapsed. With a single score on one side there is no variance to estimate and
    the interval is `(0, 1)`.

    Example:
    >>> low, high = delong_interval([4.0, 5.0, 6.0], [1.0, 2.0, 3.0])
    >>> round(low, 3), high  # what three pairs that all agree can say
    (0.292, 1.0)
    """
    members, non_members = check_scores(member_scores, non_member_scores)
    check_confidence(confidence)
    smaller = min(len(members), len(non_members))
    if smaller == 1:
        return 0.0, 1.0
    above, below = pair_counts(members, non_members)
    area = float(above.sum() / (len(members) * len(non_members)))
    variance = delong_variance(above, below)
    if variance == 0:
        agree, _ = clopper_pearson(smaller, smaller, confidence)
        return area * agree, area * agree + 1 - agree
    half_width = normal_quantile(confidence) * np.sqrt(variance) / (area * (1 - area))
    # Published digits depend on these two formulas; SciPy's differ in the last one.
    logit = float(np.log(area) - np.log1p(-area))
    ends = np.array([logit - half_width, logit + half_width])
    low, high = (1 / (1 + np.exp(-ends))).tolist()
    return low, high


def tpr_at_fpr(
    member_scores: ArrayLike,
    non_member_scores: ArrayLike,
    fpr: float,
    confidence: float = 0.95,
) -> OperatingPoint:
    """True-positive rate at the lowest threshold that keeps the false positives low.

    Found by counting: the threshold is the lowest one at which the *realized* share
    of false positives is at most `fpr`, in `[0, 1)`. With ties or few non-members the
    realized rate lies below the one asked for; it is returned, not interpolated away.

    Example:
    >>> point = tpr_at_fpr([3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0], fpr=0.25)
    >>> point.threshold, point.true_positives, point.realized_fpr
    (3.0, 2, 0.25)
    """
    members, non_members = check_scores(member_scores, non_member_scores)
    if not 0 <= fpr < 1:
        raise ValueError(f"`fpr` must be a rate in [0, 1). Received: fpr={fpr!r}.")
    num_members, num_non_members = len(members), len(non_members)
    allowed = int(fpr * num_non_members)
    if (allowed + 1) / num_non_members <= fpr:  # the product was rounded down
        allowed += 1
    threshold = float(np.sort(non_members)[-1 - allowed])
    true_positives = int((members > threshold).sum())
    false_positives = int((non_members > threshold).sum())
    return OperatingPoint(
        target_fpr=float(fpr),
        threshold=threshold,
        tpr=true_positives / num_members,
        tpr_interval=clopper_pearson(true_positives, num_members, confidence),
        realized_fpr=false_positives / num_non_members,
        true_positives=true_positives,
        false_positives=false_positives,
        num_members=num_members,
        num_non_members=num_non_members,
    )


def operating_points(
    member_scores: ArrayLike,
    non_member_scores: ArrayLike,
    rates: Sequence[float] = (0.1, 0.01, 0.001),
    confidence: float = 0.95,
) -> tuple[OperatingPoint | WithheldPoint, ...]:
    """`tpr_at_fpr` at each of several rates, or why there is too little data.

    Rates below 1 % are withheld unless at least 10 false positives are expected: the
    threshold would depend on a handful of non-members.

    Example:
    >>> points = operating_points([3.0] * 50, [1.0] * 50)
    >>> points[0].tpr, points[2].reason
    (1.0, 'needs 10,000 non-members, there are 50')
    """
    members, non_members = check_scores(member_scores, non_member_scores)
    points: list[OperatingPoint | WithheldPoint] = []
    for rate in rates:
        needed = round(MIN_FALSE_POSITIVES / rate) if 0 < rate < 0.01 else 1
        if len(non_members) < needed:
            reason = f"needs {needed:,} non-members, there are {len(non_members):,}"
            points.append(WithheldPoint(rate, reason))
        else:
            points.append(tpr_at_fpr(members, non_members, rate, confidence))
    return tuple(points)


def roc_curve(
    member_scores: ArrayLike, non_member_scores: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Every operating point of an attack, one for each distinct score.

    Returns:
        False-positive rates and true-positive rates, both non-decreasing from 0 to 1.
        Joined by straight lines they enclose the area `auc`; as an attacker cannot
        split ties, draw them as steps.
    """
    members, non_members = check_scores(member_scores, non_member_scores)
    thresholds = np.unique(np.concatenate([members, non_members]))[::-1]
    rates = [
        (len(scores) - np.searchsorted(np.sort(scores), thresholds)) / len(scores)
        for scores in (non_members, members)
    ]
    return np.append(0.0, rates[0]), np.append(0.0, rates[1])


def top_n_accuracy(
    member_scores: ArrayLike, non_member_scores: ArrayLike, n: int | None = None
) -> float:
    """Share of members among the `n` highest scores, ties by expectation.

    Only for comparison with published results: it supposes an attacker who knows how
    many of the queries are members, and changes with their share. Where scores at the
    threshold are equal, those called are drawn from them by lot; the expectation over
    the lots (of a hypergeometric count) is returned. So constant scores are worth the
    share of members among the queries, whatever their order. By default `n` is the
    number of members.

    Source: Hayes, Melis, Danezis and De Cristofaro, "LOGAN: Membership Inference
    Attacks Against Generative Models", PoPETs 2019, where the attacker calls the
    highest `n` scores members.

    Example:
    >>> top_n_accuracy([3.0, 2.0, 2.0], [2.0, 1.0, 0.0])
    0.7777777777777777
    """
    members, non_members = check_scores(member_scores, non_member_scores)
    n = len(members) if n is None else n
    check_integer(1, n=n)
    scores = np.concatenate([members, non_members])
    if n > len(scores):
        raise ValueError(
            f"`n` must not exceed the {len(scores)} scores. Received: n={n}."
        )
    threshold = np.sort(scores)[-n]
    drawn = n - int((scores > threshold).sum())
    share = float((members == threshold).sum() / (scores == threshold).sum())
    return (int((members > threshold).sum()) + drawn * share) / n


def clopper_pearson(
    successes: int, trials: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Exact two-sided confidence interval of a binomial proportion.

    Source: Clopper and Pearson (1934).

    Example:
    >>> low, high = clopper_pearson(0, 100)
    >>> low, round(high, 3)
    (0.0, 0.036)
    """
    check_integer(1, trials=trials)
    check_integer(0, successes=successes)
    if successes > trials:
        raise ValueError(
            "`successes` must not exceed `trials`. Received: "
            f"successes={successes}, trials={trials}."
        )
    check_confidence(confidence)
    tail = (1 - confidence) / 2
    low, high = 0.0, 1.0
    if successes > 0:
        low = float(special.betaincinv(successes, trials - successes + 1, tail))
    if successes < trials:
        high = float(special.betainccinv(successes + 1, trials - successes, tail))
    return low, high


def pair_counts(
    members: FloatArray, non_members: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Non-members below each member, and members above each non-member."""
    above = num_below(members, non_members)
    return above, len(members) - num_below(non_members, members)


def num_below(scores: FloatArray, others: FloatArray) -> FloatArray:
    """For each score the number of others below it, an exact multiple of one half."""
    ordered = np.sort(others)
    strictly = np.searchsorted(ordered, scores, side="left")
    return (strictly + np.searchsorted(ordered, scores, side="right")) / 2


def delong_variance(above: FloatArray, below: FloatArray) -> float:
    """DeLong's variance from pair counts; exactly 0 where all counts agree."""
    num_members, num_non_members = len(above), len(below)
    if np.ptp(above) == 0 and np.ptp(below) == 0:
        return 0.0
    return float(
        (above / num_non_members).var(ddof=1) / num_members
        + (below / num_members).var(ddof=1) / num_non_members
    )


def check_scores(
    member_scores: ArrayLike, non_member_scores: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Returns both arrays as float64 after checking that they are usable."""
    return (
        finite_scores(member_scores, "member_scores"),
        finite_scores(non_member_scores, "non_member_scores"),
    )


def check_confidence(confidence: float) -> None:
    """Raises a `ValueError` unless `confidence` lies in `(0, 1)`."""
    if not 0 < confidence < 1:
        raise ValueError(
            f"`confidence` must lie in (0, 1). Received: confidence={confidence!r}. "
            "Use .95 for a 95 % interval."
        )


def normal_quantile(confidence: float) -> float:
    """How many standard errors a two-sided interval reaches."""
    return float(-special.ndtri((1 - confidence) / 2))
