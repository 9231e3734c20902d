"""Means and paired differences over a few seeds, with intervals that admit how few.

Seeds differ in who is a member, in weights, batches and latents; the queries of a seed
are a sample too. Two intervals of the mean difference take both levels into account,
and the outer ends of the two count:

- Student's t over the seeds, whose spread contains the error of each seed's queries.
- A hierarchical bootstrap: seeds are drawn with replacement, and each AUC is redrawn
  from a normal distribution with DeLong's standard error. That both models of a pair
  are attacked with the same queries is ignored, which is conservative: their difference
  varies less than assumed.

With three seeds, a percentile bootstrap of the seeds alone covers the truth about three
times in four instead of 95 times in 100: it divides by the number of seeds and knows no
heavy tails; hence the first interval. The bootstrap still speaks where the seeds happen
to agree and the queries are few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer

MIN_SEEDS = 3
ERROR_RATE = 0.05
NUM_DRAWS = 10_000


@dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Attributes:
        mean: The mean.
        interval: Student's t interval, `None` with a single seed.
        low: The smallest value.
        high: The largest.
        num_seeds: Number of values.
    """

    mean: float
    interval: tuple[float, float] | None
    low: float
    high: float
    num_seeds: int


@dataclass(frozen=True)
class Difference:
    """A mean difference over seeds, undefended minus defended: above 0, less leaks.

    Attributes:
        mean: The mean.
        t_interval: Student's t interval, `None` with a single seed.
        bootstrap_interval: Percentiles of the hierarchical bootstrap.
        interval: From the lower of the lower ends to the higher of the upper ends.
        p_value: Two-sided p-value of Student's t, `None` with a single seed.
        num_seeds: Number of seeds.
    """

    mean: float
    t_interval: tuple[float, float] | None
    bootstrap_interval: tuple[float, float]
    interval: tuple[float, float]
    p_value: float | None
    num_seeds: int


def mean_over_seeds(
    values: Sequence[float], limits: tuple[float, float] = (-np.inf, np.inf)
) -> Mean:
    """The mean of a figure over seeds.

    Args:
        values: One for each seed, at least one.
        limits: What the figure can be; the interval is cut there.

    Returns:
        The mean, its 95 % interval and the range.
    """
    interval = _t_interval(values)
    if interval is not None:
        low, high = np.clip(interval, *limits)
        interval = float(low), float(high)
    return Mean(
        float(np.mean(values)),
        interval,
        float(min(values)),
        float(max(values)),
        len(values),
    )


def paired_difference(
    values: Sequence[float],
    standard_errors: Sequence[float],
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
) -> Difference:
    """The mean of a difference over seeds with its 95 % intervals.

    Args:
        values: The difference of each seed, in any order, at least one.
        standard_errors: Of each, from the queries alone.
        num_draws: Number of bootstrap draws, at least 100.
        seed: Seed of the draws.

    Returns:
        The difference.

    Raises:
        ValueError: If there are no values, or not as many standard errors.
    """
    check_integer(100, num_draws=num_draws)
    if len(values) == 0 or len(values) != len(standard_errors):
        raise ValueError(
            "A difference needs at least one seed. Expected as many standard errors "
            f"as values. Received: {len(values)} values and {len(standard_errors)} "
            "standard errors."
        )
    order = np.lexsort((standard_errors, values))  # the order of the seeds is no matter
    drawn = _bootstrap(
        np.asarray(values, "float64")[order],
        np.asarray(standard_errors, "float64")[order],
        num_draws,
        seed,
    )
    t_interval = _t_interval(values)
    ends = [drawn] if t_interval is None else [drawn, t_interval]
    return Difference(
        float(np.mean(values)),
        t_interval,
        drawn,
        (min(low for low, _ in ends), max(high for _, high in ends)),
        _p_value(values),
        len(values),
    )


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjustment of p-values, which keeps the family's error rate.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.

    Args:
        p_values: P-values of the comparisons of a table.

    Returns:
        The adjusted p-values in the same order.

    Example:
    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    number = len(p_values)
    adjusted = [0.0] * number
    largest = 0.0
    for rank, at in enumerate(sorted(range(number), key=lambda at: p_values[at])):
        largest = max(largest, min(1.0, (number - rank) * p_values[at]))
        adjusted[at] = largest
    return tuple(adjusted)


def direction(interval: tuple[float, float], adjusted_p_value: float) -> int:
    """The sign of a difference, where it counts as one.

    Args:
        interval: The difference's interval.
        adjusted_p_value: Of this comparison among those of its table; see `holm`.

    Returns:
        1 or -1 where 0 lies outside the interval and the p-value is at most 5 %; else
        0.
    """
    low, high = interval
    if low <= 0 <= high or adjusted_p_value > ERROR_RATE:
        return 0
    return 1 if low > 0 else -1


def _t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    number = len(values)
    if number < 2:
        return None
    spread = float(np.std(values, ddof=1))
    reach = -float(special.stdtrit(number - 1, ERROR_RATE / 2)) * spread / number**0.5
    mean = float(np.mean(values))
    return mean - reach, mean + reach


def _p_value(values: Sequence[float]) -> float | None:
    number = len(values)
    if number < 2:
        return None
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * special.stdtr(number - 1, -abs(mean) * number**0.5 / spread))


def _bootstrap(
    values: FloatArray, errors: FloatArray, num_draws: int, seed: int
) -> tuple[float, float]:
    random = np.random.default_rng(seed)
    shape = (num_draws, len(values))
    drawn = random.integers(len(values), size=shape)
    means = (values[drawn] + errors[drawn] * random.standard_normal(shape)).mean(axis=1)
    tail = ERROR_RATE / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
