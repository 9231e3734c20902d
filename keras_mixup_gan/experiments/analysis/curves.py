"""Leakage at equal image quality, read from the curve of a training.

Equal numbers of steps would flatter a defense that merely slows training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from keras_mixup_gan.typing import FloatArray


@dataclass(frozen=True)
class Curve:
    """Quality and leakage along one training, checkpoint by checkpoint.

    `fid` are Frechet distances, above 0, `leakage` the AUCs of the attack that counts,
    with a `standard_error` from the queries alone.
    """

    fid: tuple[float, ...]
    leakage: tuple[float, ...]
    standard_error: tuple[float, ...]
    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if min(self.fid) <= 0:
            raise ValueError(
                "Frechet distances are compared on a logarithmic scale. Expected "
                f"values above 0. Received: fid={self.fid}."
            )


@dataclass(frozen=True)
class Reading:
    """What a training had leaked when its images first were good enough.

    Its standard error is as if those of both neighboring checkpoints were fully
    correlated, than which it can be no larger. Where the first checkpoint was good
    enough already, `before_start`, stopping still earlier may have leaked less.
    """

    leakage: float
    standard_error: float
    before_start: bool


def leakage_at(curve: Curve, fid: float) -> Reading | None:
    """What a training had leaked when it first reached a distance; `None` if never.

    For the undefended model this is early stopping. Between checkpoints the curve is
    straight in the logarithm of the distance.
    """
    if curve.fid[0] <= fid:
        # At exactly the level nothing happened before the start.
        return Reading(curve.leakage[0], curve.standard_error[0], curve.fid[0] < fid)
    for number, (before, after) in enumerate(pairwise(curve.fid)):
        if after <= fid:
            share = float(np.log(before / fid) / np.log(before / after))
            return Reading(
                _between(curve.leakage, number, share),
                _between(curve.standard_error, number, share),
                False,
            )
    return None


def fid_before(curve: Curve, leakage: float) -> float | None:
    """The smallest distance up to where the AUC first exceeds `leakage`, interpolated.

    `None` where the first checkpoint exceeds it.
    """
    if curve.leakage[0] > leakage:
        return None
    best = curve.fid[0]
    for number, (before, after) in enumerate(pairwise(curve.leakage)):
        if after > leakage:
            share = (leakage - before) / (after - before)
            logs = (np.log(curve.fid[number]), np.log(curve.fid[number + 1]))
            return min(best, float(np.exp(_between(logs, 0, share))))
        best = min(best, curve.fid[number + 1])
    return best


def common_range(curves: Sequence[Curve]) -> tuple[float, float] | None:
    """The smallest and the largest distance that all pass after their first checkpoint.

    `None` where there is none.
    """
    low = max(min(curve.fid) for curve in curves)
    high = min(curve.fid[0] for curve in curves)
    return (low, high) if low < high else None


def mean_leakage(curve: Curve, low: float, high: float) -> Reading:
    """Mean of `leakage_at` over the logarithm of the Frechet distance, exactly.

    The training must pass the whole range; see `common_range`.
    """
    records = np.minimum.accumulate(curve.fid)
    ends = np.unique([low, high, *records[(records > low) & (records < high)]])
    middles = np.sqrt(ends[:-1] * ends[1:])  # exact: linear in the logarithm
    found = [leakage_at(curve, float(middle)) for middle in middles]
    readings = [reading for reading in found if reading is not None]
    weights: FloatArray = np.diff(np.log(ends)) / np.log(high / low)
    return Reading(
        float(weights @ [reading.leakage for reading in readings]),
        float(weights @ [reading.standard_error for reading in readings]),
        any(reading.before_start for reading in readings),
    )


def _between(values: Sequence[float], number: int, share: float) -> float:
    """A share of the way from one value to the next; both ends exactly."""
    return float((1 - share) * values[number] + share * values[number + 1])
