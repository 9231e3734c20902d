"""Numbers of a grid as text: means, differences and ranges over seeds."""

import math
from collections.abc import Sequence
from typing import Any

from keras_mixup_gan.reports import compare_words, render

Row = dict[str, Any]


def difference_text(difference: Row | None) -> str:
    """`0.300 [0.270, 0.330]`, or a dash."""
    if difference is None:
        return "–"  # noqa: RUF001
    return render.with_interval(difference["mean"], difference["interval"])


def mean_text(mean: Row | None, queries: Sequence[Sequence[float]] = ()) -> str:
    """A mean with its interval over seeds; of a single seed, that of its queries."""
    if mean is None:
        return "–"  # noqa: RUF001
    if mean["interval"] is not None:
        return render.with_interval(mean["mean"], mean["interval"])
    if len(queries) == 1:
        return f"{render.with_interval(mean['mean'], queries[0])} (one seed)"
    return f"{render.decimal(mean['mean'])} (one seed)"


def range_text(mean: Row, digits: int = 1) -> str:
    """`10.2 (9.8 to 10.9)`, the range over seeds."""
    middle, low, high = (
        render.decimal(mean[name], digits) for name in ("mean", "low", "high")
    )
    return middle if mean["num_seeds"] == 1 else f"{middle} ({low} to {high})"


def strongest_text(arm: Row, titles: dict[str, str]) -> str:
    """The attacks that count after training, and in how many seeds each does."""
    names = [
        compare_words.short_title({"title": titles.get(name, name)})
        + ("" if len(arm["strongest"]) == 1 else f" ({count})")
        for name, count in arm["strongest"].items()
    ]
    return ", ".join(names) or "none ran"


def signed(difference: Row) -> str:
    """`0.300 [0.270, 0.330] more`, or `less` with the signs turned."""
    mean, (low, high) = difference["mean"], difference["interval"]
    if round(mean, 3) >= 0:
        return f"{render.with_interval(mean, (low, high))} more"
    return f"{render.with_interval(-mean, (-high, -low))} less"


def rounded_up(bound: float, digits: int = 3) -> float:
    """A bound as it may be printed: never below itself."""
    return math.ceil(bound * 10**digits) / 10**digits


def p_text(p_value: float) -> str:
    """`p = 0.012`."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def count_seeds(number: int) -> str:
    """`1 seed`, `3 seeds`."""
    return "1 seed" if number == 1 else f"{number} seeds"


def capitalized(text: str) -> str:
    """The text with a capital first letter and otherwise as it is."""
    return text[:1].upper() + text[1:]
