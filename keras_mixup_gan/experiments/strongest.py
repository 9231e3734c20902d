"""The strongest attack, chosen on other seeds than the one it is reported for.

The largest of several AUCs on the same queries flatters the attacker, the more the
weaker the attacks are. Repetitions with other seeds make an honest choice possible.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from keras_mixup_gan.experiments.frontier import Path, fid_of
from keras_mixup_gan.statistics.roc import normal_quantile

Curve = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Strongest:
    """The attack that counts at one checkpoint of one seed.

    Attributes:
        name: Name of the attack.
        attack: Its entry at this checkpoint: `auc`, `auc_ci`, `tpr_at_fpr`, ...
        on_own_data: Whether it was chosen on the data it is reported for, for want of
            another seed.
    """

    name: str
    attack: dict[str, Any]
    on_own_data: bool


def strongest_attacks(curves: Mapping[int, Curve]) -> dict[int, list[Strongest | None]]:
    """Chooses the attack at each checkpoint of each seed by the other seeds.

    Args:
        curves: For each seed the checkpoints of the same arm.

    Returns:
        For each seed and checkpoint the attack with the largest mean AUC at that
        checkpoint over the other seeds; where no other seed has the checkpoint, the
        attack with the largest AUC there; `None` where no attack ran.
    """
    return {
        seed: [
            _choose(
                point,
                [
                    other
                    for key, curve_of_other in curves.items()
                    if key != seed
                    for other in curve_of_other
                    if other["d_steps"] == point["d_steps"]
                ],
            )
            for point in curve
        ]
        for seed, curve in curves.items()
    }


def standard_error(attack: Mapping[str, Any]) -> float:
    """DeLong's standard error of an AUC, from its 95 % interval.

    The interval was formed on the logit scale, and this inverts it. Where it was not,
    because the scores separate perfectly, half its width stands for 1.96 errors.

    Args:
        attack: An attack with `auc` and `auc_ci`.

    Returns:
        The standard error.
    """
    area, (low, high) = attack["auc"], attack["auc_ci"]
    quantile = normal_quantile(0.95)
    if not (0 < low < high < 1 and 0 < area < 1):
        return float((high - low) / (2 * quantile))
    width = np.log(high / (1 - high)) - np.log(low / (1 - low))
    return float(width * area * (1 - area) / (2 * quantile))


def path_of(curve: Curve, chosen: Sequence[Strongest | None]) -> Path | None:
    """The path of one seed, of the checkpoints at which an attack ran.

    Args:
        curve: Checkpoints in the order of training.
        chosen: The attack that counts at each.

    Returns:
        The path, or `None` where no attack ran at any checkpoint.
    """
    pairs = [(p, c.attack) for p, c in zip(curve, chosen, strict=True) if c]
    if not pairs:
        return None
    return Path(
        tuple(fid_of(point) for point, _ in pairs),
        tuple(attack["auc"] for _, attack in pairs),
        tuple(standard_error(attack) for _, attack in pairs),
    )


def _choose(
    point: dict[str, Any], others: Sequence[dict[str, Any]]
) -> Strongest | None:
    areas = _areas(point)
    if not areas:
        return None
    elsewhere = [_areas(other) for other in others]
    means = {
        name: fmean(found)
        for name in areas
        if (found := [other[name] for other in elsewhere if name in other])
    }
    ranked = means or areas
    # Ties go to the first name, so that the order of the entries does not matter.
    name = min(ranked, key=lambda name: (-ranked[name], name))
    return Strongest(name, point["attacks"][name], not means)


def _areas(point: dict[str, Any]) -> dict[str, float]:
    return {
        name: attack["auc"]
        for name, attack in point["attacks"].items()
        if attack.get("auc") is not None
    }
