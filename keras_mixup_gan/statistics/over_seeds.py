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
from keras_mixup_gan.validation import (
    check_in_range,
    check_integer,
    check_not_negative,
    finite_scores,
)

MIN_SEEDS = 3
ERROR_RATE = 0.05
NUM_DRAWS = 10_000


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with Student's t interval (`None` for one), and the range."""

    mean: float
    interval: tuple[float, float] | None
    low: float
    high: float
    num_seeds: int


@dataclass(frozen=True)
class Difference:
    """A mean difference over seeds, undefended minus defended: above 0, less leaks.

    Attributes:
        t_interval: Student's t interval, `None` with a single seed.
        bootstrap_interval: Percentiles of the hierarchical bootstrap.
        interval: From the lower of the lower ends to the higher of the upper ends.
        p_value: Two-sided p-value of Student's t, `None` with a single seed.
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
    """The mean of a figure over seeds; its 95 % interval is cut at the limits."""
    if len(values) == 0:
        raise ValueError(
            "A mean needs at least one seed. Expected one value or more. Received: []. "
            "Leave out what was not measured."
        )
    interval, _ = students_t(values)
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

    `values` are the differences of the seeds, in any order; `standard_errors` are those
    of the queries alone. The bootstrap makes at least 100 draws.
    """
    check_integer(100, num_draws=num_draws)
    if len(values) == 0 or len(values) != len(standard_errors):
        raise ValueError(
            "A difference needs at least one seed. Expected as many standard errors "
            f"as values. Received: {len(values)} values and {len(standard_errors)} "
            "standard errors."
        )
    for error in standard_errors:
        check_not_negative(standard_error=error)
    order = np.lexsort((standard_errors, values))  # the order of the seeds is no matter
    sorted_values = np.asarray(values, "float64")[order]
    sorted_errors = np.asarray(standard_errors, "float64")[order]
    t_interval, p_value = students_t(values)
    drawn = _bootstrap(sorted_values, sorted_errors, num_draws, seed)
    ends = [drawn] if t_interval is None else [drawn, t_interval]
    return Difference(
        float(np.mean(values)),
        t_interval,
        drawn,
        (min(low for low, _ in ends), max(high for _, high in ends)),
        p_value,
        len(values),
    )


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjustment of p-values, which keeps the family's error rate.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.

    Example:
    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    for p_value in p_values:
        check_in_range(0, 1, p_value=p_value)
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(order), 0, -1) * np.asarray(p_values, "float64")[order]
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, steps))
    return tuple(adjusted.tolist())


def directions(differences: Sequence[Sequence[float]]) -> list[int]:
    """The signs of mean differences that hold after Holm's correction, 0 for others.

    Of a difference of a single seed nothing holds.
    """
    tests = [students_t(values) for values in differences]
    adjusted = holm([1.0 if p_value is None else p_value for _, p_value in tests])
    return [
        0 if interval is None else direction(interval, p_value)
        for (interval, _), p_value in zip(tests, adjusted, strict=True)
    ]


def direction(interval: tuple[float, float], adjusted_p_value: float) -> int:
    """The sign of a difference if interval and p-value exclude 0, otherwise 0."""
    low, high = interval
    if low <= 0 <= high or adjusted_p_value > ERROR_RATE:
        return 0
    return 1 if low > 0 else -1


def students_t(
    values: Sequence[float],
) -> tuple[tuple[float, float] | None, float | None]:
    """Student's t interval and two-sided p-value; `None` with a single value."""
    numbers = finite_scores(values, "values")
    number = len(numbers)
    if number < 2:
        return None, None
    mean, spread = float(np.mean(numbers)), float(np.std(numbers, ddof=1))
    reach = -float(special.stdtrit(number - 1, ERROR_RATE / 2)) * spread / number**0.5
    p_value = float(mean == 0)
    if spread != 0:
        statistic = -abs(mean) * number**0.5 / spread
        p_value = float(2 * special.stdtr(number - 1, statistic))
    return (mean - reach, mean + reach), p_value


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
