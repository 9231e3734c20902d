"""The arms of a comparison, seed by seed, with the attack that counts in each.

The largest of several AUCs on the same queries flatters the attacker, the more the
weaker the attacks are. So the strongest attack of a seed is chosen on the other seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from keras_mixup_gan.experiments.analysis.curves import Curve
from keras_mixup_gan.experiments.results import (
    AttackFigures,
    CellResult,
    Checkpoint,
    SuiteResults,
)
from keras_mixup_gan.experiments.suite import BASELINE
from keras_mixup_gan.statistics.roc import normal_quantile


@dataclass(frozen=True)
class Strongest:
    """The attack that counts at one checkpoint of one seed.

    Attributes:
        attack: What it achieved at this checkpoint.
        auc: Its area.
        standard_error: DeLong's standard error of `auc`.
        on_own_data: Whether it was chosen on the data it is reported for, for want of
            another seed.
    """

    attack: AttackFigures
    auc: float
    standard_error: float
    on_own_data: bool


@dataclass(frozen=True)
class Arm:
    """The cells of one defense with the same model and number of members.

    Attributes:
        name: Name of the arm.
        group: Name that arms of one defense with other settings share.
        cells: The cells by seed, ascending.
        chosen: The attack that counts, for each seed at each checkpoint.
        curves: Quality and leakage along training by seed; seeds without any attack
            that ran are left out.
    """

    name: str
    group: str
    cells: Mapping[int, CellResult]
    chosen: Mapping[int, Sequence[Strongest | None]]
    curves: Mapping[int, Curve]

    @classmethod
    def of(cls, cells: Sequence[CellResult]) -> "Arm":
        """The arm of cells that differ in their seeds."""
        ordered = {cell.seed: cell for cell in sorted(cells, key=lambda c: c.seed)}
        chosen = strongest_attacks({s: cell.curve for s, cell in ordered.items()})
        curves = {
            seed: curve
            for seed, cell in ordered.items()
            if (curve := curve_of(cell.curve, chosen[seed])) is not None
        }
        return cls(cells[0].arm, cells[0].group, ordered, chosen, curves)

    @property
    def first(self) -> CellResult:
        """The cell of the first seed."""
        return next(iter(self.cells.values()))

    @property
    def last(self) -> tuple[Checkpoint, ...]:
        """The trained models."""
        return tuple(cell.last for cell in self.cells.values())

    @property
    def epsilon(self) -> float | None:
        """The largest epsilon of all seeds after training, `None` if any has none."""
        known = [p.epsilon for p in self.last if p.epsilon is not None]
        return max(known) if len(known) == len(self.last) else None

    def strongest(self, seed: int, steps: int | None = None) -> Strongest | None:
        """The attack that counts for a seed, at the last checkpoint by default."""
        if steps is None:
            return self.chosen[seed][-1]
        pairs = zip(self.cells[seed].curve, self.chosen[seed], strict=True)
        return next((found for point, found in pairs if point.steps == steps), None)


@dataclass(frozen=True)
class Family:
    """All arms of one model with one number of members.

    Attributes:
        model: Name of the model's factory.
        members: Number of members, as the suite asks for it.
        arms: The arms by name, the undefended one first, if it is there.
    """

    model: str
    members: int
    arms: Mapping[str, Arm]

    @property
    def baseline(self) -> Arm | None:
        """The undefended arm."""
        return self.arms.get(BASELINE)

    @property
    def defended(self) -> tuple[Arm, ...]:
        """The other arms."""
        return tuple(arm for name, arm in self.arms.items() if name != BASELINE)


def families_of(results: SuiteResults) -> tuple[Family, ...]:
    """Sorts cells into families, in the order of their first cells.

    Raises:
        ValueError: If a cell is there twice.
    """
    found: dict[tuple[str, int], dict[str, dict[int, CellResult]]] = {}
    for cell in results.cells:
        arms = found.setdefault((cell.model, cell.members), {})
        seeds = arms.setdefault(cell.arm, {})
        if cell.seed in seeds:
            raise ValueError(
                "Every cell has a model, members, arm and seed of its own. "
                f"Received: {cell.name!r} twice. Mend the results file."
            )
        seeds[cell.seed] = cell
    return tuple(
        Family(
            model,
            members,
            {
                name: Arm.of(list(arms[name].values()))
                for name in sorted(arms, key=lambda name: name != BASELINE)
            },
        )
        for (model, members), arms in found.items()
    )


def strongest_attacks(
    curves: Mapping[int, Sequence[Checkpoint]],
) -> dict[int, list[Strongest | None]]:
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
                    if other.steps == point.steps
                ],
            )
            for point in curve
        ]
        for seed, curve in curves.items()
    }


def standard_error(auc: float, interval: tuple[float, float]) -> float:
    """DeLong's standard error of an AUC, from its 95 % interval.

    The interval was formed on the logit scale, and this inverts it. Where it was not,
    because the scores separate perfectly, half its width stands for 1.96 errors.
    """
    low, high = interval
    quantile = normal_quantile(0.95)
    if not (0 < low < high < 1 and 0 < auc < 1):
        return float((high - low) / (2 * quantile))
    width = np.log(high / (1 - high)) - np.log(low / (1 - low))
    return float(width * auc * (1 - auc) / (2 * quantile))


def curve_of(
    points: Sequence[Checkpoint], chosen: Sequence[Strongest | None]
) -> Curve | None:
    """The curve of one seed, of the checkpoints at which an attack ran."""
    pairs = [(p, c) for p, c in zip(points, chosen, strict=True) if c is not None]
    if not pairs:
        return None
    return Curve(
        tuple(point.fid for point, _ in pairs),
        tuple(found.auc for _, found in pairs),
        tuple(found.standard_error for _, found in pairs),
        tuple(point.steps for point, _ in pairs),
    )


def _choose(point: Checkpoint, others: Sequence[Checkpoint]) -> Strongest | None:
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
    # Ties go to the first name, so that the order of the attacks does not matter.
    name = min(ranked, key=lambda name: (-ranked[name], name))
    attack = point.done[name]
    error = standard_error(areas[name], attack.auc_interval or (0.0, 1.0))
    return Strongest(attack, areas[name], error, not means)


def _areas(point: Checkpoint) -> dict[str, float]:
    return {name: a.auc for name, a in point.done.items() if a.auc is not None}
