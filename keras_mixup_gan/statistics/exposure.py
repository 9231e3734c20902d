"""Single records: exposure of canaries, and spread of scores over a training.

Exposure tells how many canaries that were left out outrank one that was put in.

Source: Carlini, Liu, Erlingsson, Kos and Song, "The Secret Sharer", USENIX Security
2019, with the canaries that were left out as the candidates.
"""

from collections.abc import Sequence

import numpy as np

from keras_mixup_gan.statistics.roc import auc
from keras_mixup_gan.typing import FloatArray


def exposure(in_scores: FloatArray, out_scores: FloatArray) -> FloatArray:
    """Bits of each canary that was put in: `log2(N + 1) - log2(rank)` among N left out.

    The rank is 1 for a canary above all that were left out; ties count against it.

    Example:
    >>> exposure(np.array([5.0, 1.5]), np.array([1.0, 2.0, 3.0])).round(3).tolist()
    [2.0, 0.415]
    """
    below = np.searchsorted(np.sort(out_scores), in_scores, side="left")
    number = len(out_scores)
    return np.asarray(np.log2(number + 1) - np.log2(1 + number - below))


def exposure_at_chance(num_out: int) -> float:
    """Its mean where nothing leaks, so that all ranks are equally likely."""
    ranks = np.arange(1, num_out + 2)
    return float(np.log2(num_out + 1) - np.log2(ranks).mean())


def stratified_auc(
    pairs: Sequence[tuple[FloatArray, FloatArray]],
) -> tuple[float, float]:
    """AUC within several strata, pair by pair, and its standard error at chance.

    Scores in and out are compared within a stratum alone: van Elteren, "On the
    combination of independent two sample tests of Wilcoxon", 1960, in the unweighted
    form. Without a correction for ties, which is conservative.
    """
    sizes = [(len(inside), len(outside)) for inside, outside in pairs]
    numbers = [m * n for m, n in sizes]
    won = [auc(*pair) * number for pair, number in zip(pairs, numbers, strict=True)]
    variance = sum(m * n * (m + n + 1) / 12 for m, n in sizes)
    return sum(won) / sum(numbers), float(np.sqrt(variance)) / sum(numbers)


def spread_over_checkpoints(scores: FloatArray) -> FloatArray:
    """Interquartile range of each record's scores `(num_checkpoints, num_records)`.

    What all records have in common at a checkpoint, their median, is taken off first,
    since a network's level moves while it trains.

    Source: Pollock, Shilov, Dodd and de Montjoye, "Free Record-Level Privacy Risk
    Evaluation Through Artifact-Based Methods", 2024, arXiv:2411.05743 (LT-IQR, of the
    losses of classifiers).

    Example:
    >>> spread_over_checkpoints(np.array([[0.0, 1, 2], [5, 6, 9], [1, 2, 7]])).tolist()
    [0.0, 0.0, 2.0]
    """
    levels = scores - np.median(scores, axis=1, keepdims=True)
    low, high = np.quantile(levels, [0.25, 0.75], axis=0)
    return np.asarray(high - low)
