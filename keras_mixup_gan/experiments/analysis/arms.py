"""The arms of a comparison, seed by seed, with the attack that counts in each.

The largest of several AUCs on the same queries flatters the attacker, the more the
weaker the attacks are. So the strongest attack of a seed is chosen on the other seeds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from keras_mixup_gan.experiments.analysis.curves import Curve
from keras_mixup_gan.experiments.checks import BASELINE
from keras_mixup_gan.experiments.results import (
    DONE,
    AttackFigures,
    CellResult,
    Checkpoint,
    ShadowAttack,
    SuiteResults,
)
from keras_mixup_gan.statistics.over_seeds import Mean, mean_over_seeds
from keras_mixup_gan.statistics.roc import normal_quantile

AUC_LIMITS = (0.0, 1.0)


@dataclass(frozen=True)
class Strongest:
    """The attack that counts at one checkpoint of one seed."""

    attack: AttackFigures
    auc: float
    standard_error: float  # DeLong's
    on_own_data: bool  # chosen on the data it is reported for, for want of another seed


@dataclass(frozen=True)
class Leakage:
    """What an attack achieved over the seeds of an arm; ranges are its extremes.

    `kind` says how shadow models were trained, and is empty for attacks without them.
    """

    title: str
    auc: Mean
    auc_of_queries: tuple[tuple[float, float], ...]
    tpr: Mean | None
    realized_fpr: tuple[float, float] | None
    kind: str = ""
    num_shadows: tuple[int, int] = (0, 0)
    num_queries: tuple[tuple[int, int], tuple[int, int]] | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the AUC: over seeds; of a single seed, over its queries."""
        queries = self.auc_of_queries
        return self.auc.interval or (queries[0] if len(queries) == 1 else None)


@dataclass(frozen=True)
class Arm:
    """The cells of one defense by seed, and for each the attack that counts."""

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
        return cls(ordered, chosen, curves)

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

    @property
    def attacks(self) -> dict[str, Leakage]:
        """All attacks on the trained models that ran, by name."""
        found: dict[str, list[AttackFigures]] = {}
        for point in self.last:
            for name, attack in point.done.items():
                found.setdefault(name, []).append(attack)
        return {name: leakage(attacks) for name, attacks in sorted(found.items())}

    @property
    def shadow_attacks(self) -> tuple[Leakage, ...]:
        """Those with shadow models."""
        found: dict[tuple[str, str], list[ShadowAttack]] = {}
        for cell in self.cells.values():
            for one in cell.shadow_attacks:
                if one.figures.status == DONE:
                    found.setdefault((one.kind, one.figures.title), []).append(one)
        return tuple(
            leakage(
                [one.figures for one in attacks],
                kind,
                [one.num_shadows for one in attacks],
            )
            for (kind, _), attacks in found.items()
        )


@dataclass(frozen=True)
class Family:
    """All arms of one model with one number of members."""

    model: str
    members: int
    arms: Mapping[str, Arm]  # by name, the undefended one first, if it is there

    @property
    def baseline(self) -> Arm | None:
        """The undefended arm."""
        return self.arms.get(BASELINE)

    @property
    def defended(self) -> tuple[Arm, ...]:
        """The other arms."""
        return tuple(arm for name, arm in self.arms.items() if name != BASELINE)


def families_of(results: SuiteResults) -> tuple[Family, ...]:
    """Sorts cells into families, in the order of their first cells."""
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

    It has the largest mean AUC there over the others, or in this seed if it is alone.
    """
    chosen: dict[int, list[Strongest | None]] = {}
    for seed, curve in curves.items():
        others = [point for key in curves if key != seed for point in curves[key]]
        chosen[seed] = [
            _choose(point, [other for other in others if other.steps == point.steps])
            for point in curve
        ]
    return chosen


def leakage(
    attacks: Sequence[AttackFigures], kind: str = "", shadows: Sequence[int] = (0,)
) -> Leakage:
    """One attack, or the one that counts in each seed, over seeds."""
    titles = Counter(attack.title for attack in attacks).most_common()
    points = [point for attack in attacks if (point := attack.at_fpr)]
    rates = [point.realized_fpr for point in points]
    members = [point.num_members for point in points]
    others = [point.num_non_members for point in points]
    return Leakage(
        title=", ".join(
            name if len(titles) == 1 else f"{name} ({n})" for name, n in titles
        ),
        auc=mean_over_seeds([a.auc for a in attacks if a.auc is not None], AUC_LIMITS),
        auc_of_queries=tuple(a.auc_interval for a in attacks if a.auc_interval),
        tpr=mean_over_seeds([p.tpr for p in points], AUC_LIMITS) if points else None,
        realized_fpr=(min(rates), max(rates)) if rates else None,
        kind=kind,
        num_shadows=(min(shadows), max(shadows)),
        num_queries=((min(members), max(members)), (min(others), max(others)))
        if points
        else None,
    )


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
