"""Canaries: what attacks find of unusual images that fair coins put in or left out."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import special

from keras_mixup_gan.auditing.results import AttackResult
from keras_mixup_gan.auditing.verdict import probability
from keras_mixup_gan.statistics.exposure import (
    exposure,
    exposure_at_chance,
    stratified_auc,
)
from keras_mixup_gan.statistics.leaks import ERROR_RATE
from keras_mixup_gan.typing import FloatArray

Kinds: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]  # of those in, and out
_Pair: TypeAlias = tuple[FloatArray, FloatArray]
ALL = "all"


@dataclass(frozen=True)
class CanaryExposure:
    """What the strongest attack on canaries of a kind finds of them.

    As a string it is a sentence.

    Attributes:
        kind: As in `MembershipSplit.draw(canaries=...)`, or `"all"`: of each kind by
            itself, taken together.
        num_in: How many were trained on.
        num_out: How many were not.
        attack: Title of the attack of the largest AUC.
        auc: Its AUC, those in against those out.
        bits: Mean exposure of those in.
        bits_at_chance: The same where nothing leaks.
        p_value: Of such an AUC where nothing leaks, corrected for all attacks and
            kinds (Bonferroni, one-sided).
    """

    kind: str
    num_in: int
    num_out: int
    attack: str
    auc: float
    bits: float
    bits_at_chance: float
    p_value: float

    @property
    def found(self) -> bool:
        """Whether the canaries are exposed beyond chance."""
        return self.p_value <= ERROR_RATE

    def __str__(self) -> str:
        return (
            f"Canaries, {self.kind.replace('_', ' ')} ({self.num_in} in, "
            f"{self.num_out} out): {'exposed' if self.found else 'not shown exposed'}, "
            f"AUC {self.auc:.3f} by {self.attack}, {self.bits:.1f} bits of exposure "
            f"({self.bits_at_chance:.1f} by chance), {probability(self.p_value)}."
        )


def _p_value(area: float, error: float, pairs: Iterable[_Pair]) -> float:
    """By the normal law, but no less than few canaries in perfect order can tell."""
    orders = (math.comb(len(one) + len(other), len(one)) for one, other in pairs)
    return max(float(special.ndtr((0.5 - area) / error)), 1 / math.prod(orders))


def exposed_canaries(
    results: Sequence[AttackResult], kinds: Kinds
) -> tuple[CanaryExposure, ...]:
    """The exposure of all canaries and of each kind that lies on both sides."""
    inside, outside = map(np.array, kinds)
    both = [kind for kind in dict.fromkeys(kinds[0]) if kind in kinds[1]]
    scored = [each for each in results if each.canary_scores is not None]
    if not both or not scored:
        return ()
    rows = [both] if len(both) == 1 else [both, *([kind] for kind in both)]
    num_tests = len(rows) * len(scored)

    def strata(result: AttackResult, row: Iterable[str]) -> list[_Pair]:
        scores = result.canary_scores or (np.empty(0), np.empty(0))
        return [(scores[0][inside == k], scores[1][outside == k]) for k in row]

    found = []
    for row in rows:
        judged = [(each, *stratified_auc(strata(each, row))) for each in scored]
        strongest, area, error = max(judged, key=lambda one: one[1])
        pairs = strata(strongest, row)
        numbers = [len(pair[0]) for pair in pairs]
        chance = [exposure_at_chance(len(pair[1])) for pair in pairs]
        found.append(
            CanaryExposure(
                kind=row[0] if len(row) == 1 else ALL,
                num_in=sum(numbers),
                num_out=sum(len(pair[1]) for pair in pairs),
                attack=strongest.title,
                auc=float(area),
                bits=float(np.concatenate([exposure(*pair) for pair in pairs]).mean()),
                bits_at_chance=float(np.average(chance, weights=numbers)),
                p_value=min(1.0, num_tests * _p_value(area, error, pairs)),
            )
        )
    return tuple(found)
