"""The stratified bootstrap: members and non-members drawn anew, each by themselves."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from keras_mixup_gan.statistics.roc import (
    auc,
    check_confidence,
    check_scores,
    clopper_pearson,
    delong_variance,
    pair_counts,
)
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer

NUM_DRAWS = 2000
_BLOCK_VALUES = 2**21


def bootstrap_interval(
    member_scores: ArrayLike,
    non_member_scores: ArrayLike,
    confidence: float = 0.95,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of the AUC under resampling of the queries.

    Members are drawn from the members with replacement and non-members from the
    non-members, so that every draw has as many of either as there are. It assumes
    less than `delong_interval` and should agree with it; where it does not, trust the
    wider one. Where all pairs of scores agree, so that every draw would give the same
    AUC, the bound of `delong_interval` on disjoint pairs is returned.

    Args:
        member_scores: Array `(num_members,)`, finite.
        non_member_scores: Array `(num_non_members,)`, finite.
        confidence: Coverage of the two-sided interval, in `(0, 1)`.
        num_draws: Number of draws, at least 100.
        seed: Seed of the draws.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: If the scores are empty or not finite, or another argument is out
            of range.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), 13.3.

    Example:
    >>> low, high = bootstrap_interval([2.0, 3.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0])
    >>> low < auc([2.0, 3.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0]) < high
    True
    """
    members, non_members = check_scores(member_scores, non_member_scores)
    check_confidence(confidence)
    check_integer(100, num_draws=num_draws)
    smaller = min(len(members), len(non_members))
    if smaller == 1:
        return 0.0, 1.0
    if delong_variance(*pair_counts(members, non_members)) == 0:
        agree, _ = clopper_pearson(smaller, smaller, confidence)
        area = auc(members, non_members)
        return area * agree, area * agree + 1 - agree
    draws = resampled_aucs([(members, non_members)], num_draws, seed)[0]
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def resampled_aucs(
    scores: list[tuple[FloatArray, FloatArray]], num_draws: int, seed: int
) -> FloatArray:
    """AUCs of resampled queries, the same queries for all pairs of scores.

    Args:
        scores: `(member_scores, non_member_scores)` of each model, checked and on the
            same queries.
        num_draws: Number of draws.
        seed: Seed of the draws.

    Returns:
        Array `(len(scores), num_draws)`.
    """
    num_members, num_non_members = len(scores[0][0]), len(scores[0][1])
    ranked = [_Ranked(*pair) for pair in scores]
    areas = []
    for size, rng in _blocks(num_draws, num_members + num_non_members, seed):
        weights = (
            _weights(rng, size, num_members),
            _weights(rng, size, num_non_members),
        )
        areas.append([model.weighted_aucs(*weights) for model in ranked])
    return np.concatenate(areas, axis=1)


class _Ranked:
    """Scores put in order once, so that a weighted AUC is two sums and a look-up."""

    def __init__(self, members: FloatArray, non_members: FloatArray) -> None:
        self.order = np.argsort(non_members, kind="stable")
        ordered = non_members[self.order]
        self.below = np.searchsorted(ordered, members, side="left")
        self.up_to = np.searchsorted(ordered, members, side="right")

    def weighted_aucs(
        self, member_weights: IntArray, non_member_weights: IntArray
    ) -> FloatArray:
        """AUCs for weights `(num_draws, num_members)` and `(num_draws, num_non)`."""
        sums = np.zeros((len(member_weights), len(self.order) + 1), dtype="int64")
        np.cumsum(non_member_weights[:, self.order], axis=1, out=sums[:, 1:])
        twice = sums[:, self.below] + sums[:, self.up_to]
        pairs = member_weights.shape[1] * len(self.order)
        return np.einsum("ij,ij->i", member_weights, twice) / (2 * pairs)


def _weights(rng: np.random.Generator, num_draws: int, size: int) -> IntArray:
    """How often each query is drawn, `(num_draws, size)`."""
    drawn = rng.integers(size, size=(num_draws, size))
    drawn += size * np.arange(num_draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=num_draws * size)
    return counts.reshape(num_draws, size)


def _blocks(
    num_draws: int, num_queries: int, seed: int
) -> Iterator[tuple[int, np.random.Generator]]:
    """Sizes of blocks of draws that fit into memory, each with its own generator."""
    size = max(1, _BLOCK_VALUES // num_queries)
    for start in range(0, num_draws, size):
        yield min(size, num_draws - start), np.random.default_rng([seed, start])
