"""The rule by which an attack proves a leak, from its AUC or from whom it finds.

Both tests hold where members and non-members are exchangeable, which is what "nothing
leaks" means, and need counts alone: that of whom an attack finds is exact, and that of
the AUC approximate, to a few percent of its error from ten images a side. They share
their error, and several attacks share it again (Bonferroni).
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from keras_mixup_gan.statistics.power import error_at_chance
from keras_mixup_gan.statistics.roc import OperatingPoint, clopper_pearson
from keras_mixup_gan.validation import check_between, check_in_range, check_integer

ERROR_RATE = 0.05


@dataclass(frozen=True)
class Evidence:
    """What one attack proves.

    Attributes:
        by_area: Whether its AUC is above one half by more than chance explains.
        by_tail: Whether it finds more members than chance explains at its few false
            positives.
        size: The worse of both, as an AUC: the AUC itself or, where `by_tail`, that of
            `equivalent_auc` if it is larger.
    """

    by_area: bool
    by_tail: bool
    size: float

    @property
    def is_leak(self) -> bool:
        """Whether a leak is proven."""
        return self.by_area or self.by_tail


def evidence(
    area: float,
    point: OperatingPoint,
    num_tests: int = 1,
    error_rate: float = ERROR_RATE,
) -> Evidence:
    """Judges one attack among `num_tests`, of which all together err at most so often.

    The AUC is held against the normal law of the Mann-Whitney statistic where nothing
    leaks, without a correction for ties, which is conservative. The members above the
    threshold of the operating point are held against their exact law, see
    `excess_p_value`.

    Example:
    >>> point = OperatingPoint(.01, 0., .132, (.11, .16), .01, 132, 10, 1000, 1000)
    >>> found = evidence(0.52, point, num_tests=10)
    >>> found.by_area, found.by_tail, round(found.size, 2)
    (False, True, 0.8)
    """
    check_integer(1, num_tests=num_tests)
    check_between(0, 1, error_rate=error_rate)
    check_in_range(0, 1, area=area)
    error = error_rate / (2 * num_tests)
    sizes = point.num_members, point.num_non_members
    by_area = special.ndtr(-(area - 0.5) / error_at_chance(*sizes)) <= error
    allowed = int(np.floor(point.target_fpr * point.num_non_members + 1e-9))
    by_tail = excess_p_value(point.true_positives, allowed, *sizes) <= error
    size = max(area, equivalent_auc(point)) if by_tail else area
    return Evidence(bool(by_area), bool(by_tail), float(size))


def excess_p_value(
    true_positives: int, false_positives: int, num_members: int, num_non_members: int
) -> float:
    """Probability of so many members before the next non-member, where nothing leaks.

    All orders of the scores are then equally likely, so that the number of members
    above a non-member of a given rank has a negative hypergeometric law. Ties with that
    non-member are not counted, which is conservative.

    Example:
    >>> excess_p_value(2, 0, 2, 2)  # both members first, of six equally likely orders
    0.16666666666666666
    """
    from scipy.stats import hypergeom  # slow to import

    first = true_positives + false_positives
    total = num_members + num_non_members
    return float(hypergeom.cdf(false_positives, total, num_non_members, first))


def equivalent_auc(point: OperatingPoint) -> float:
    """The AUC of two normal laws of equal spread whose ROC curve passes a point.

    It makes members found at few false positives comparable with an AUC. The rate of
    false positives is its expectation above a non-member of this rank.
    """
    fpr = (point.false_positives + 1) / (point.num_non_members + 1)
    return _through(point.tpr, fpr)


def threat(
    area_interval: tuple[float, float], point: OperatingPoint, confidence: float
) -> float:
    """What an attack reaches at least, as an AUC; attacks are ordered by it.

    The larger of the lower end of its AUC and of `equivalent_auc` at the unfavorable
    ends of both rates; .5 where neither is above chance.
    """
    low, _ = clopper_pearson(point.true_positives, point.num_members, confidence)
    above, others = point.false_positives + 1, point.num_non_members
    tail = (1 - confidence) / 2
    high = 1.0
    if above <= others:
        high = float(special.betainccinv(above, others - above + 1, tail))
    return max(0.5, area_interval[0], _through(low, high))


def _through(tpr: float, fpr: float) -> float:
    if tpr == fpr:  # also where both are 0 or 1
        return 0.5
    return float(special.ndtr((special.ndtri(tpr) - special.ndtri(fpr)) / np.sqrt(2)))
