"""Bounds as they may be printed: rounded away from what they promise."""

import decimal
import math


def rounded_up(bound: float, digits: int = 3) -> float:
    """A bound from above as it may be printed: never below itself."""
    return math.ceil(bound * 10**digits) / 10**digits


def upper_text(bound: float) -> str:
    """A bound from above, such as epsilon, in three digits and never below itself.

    Example:
    >>> upper_text(9.1812), upper_text(0.0003), upper_text(6748.8)
    ('9.19', '0.0003', '6,750')
    """
    # The nearest float to 0.0003 is a little more: it is not meant.
    exact = decimal.Decimal(f"{bound:.12g}")
    up = float(decimal.Context(3, decimal.ROUND_CEILING).plus(exact))
    return f"{up:,.0f}" if 1000 <= up < math.inf else f"{up:.3g}"


def rounded_down(bound: float, digits: int = 2) -> float:
    """A bound from below as it may be printed: never above itself."""
    return math.floor(bound * 10**digits) / 10**digits
