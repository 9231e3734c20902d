"""The arms of a grid's results, seed by seed, with the attack that counts in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.experiments.frontier import BASELINE as BASELINE
from keras_mixup_gan.experiments.frontier import Path
from keras_mixup_gan.experiments.strongest import (
    Strongest,
    path_of,
    strongest_attacks,
)

SCHEMA_VERSION = 2

Entry = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """The cells of one defense with the same model and number of members.

    Attributes:
        name: Name of the arm.
        group: Name that arms of one defense with other settings share.
        entries: The cells by seed, ascending.
        chosen: The attack that counts, for each seed at each checkpoint.
        paths: Quality and leakage along training by seed; seeds without any attack
            that ran are left out.
    """

    name: str
    group: str
    entries: Mapping[int, Entry]
    chosen: Mapping[int, Sequence[Strongest | None]]
    paths: Mapping[int, Path]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> "Arm":
        """The arm of cells that differ in their seeds."""
        by_seed = {entry["seed"]: entry for entry in entries}
        ordered = {seed: by_seed[seed] for seed in sorted(by_seed)}
        chosen = strongest_attacks({s: entry["curve"] for s, entry in ordered.items()})
        paths = {
            seed: path
            for seed, entry in ordered.items()
            if (path := path_of(entry["curve"], chosen[seed])) is not None
        }
        name = str(entries[0]["arm"])
        group = str(entries[0].get("group", name))
        return cls(name, group, ordered, chosen, paths)

    @property
    def first(self) -> Entry:
        """The cell of the first seed."""
        return next(iter(self.entries.values()))

    @property
    def epsilon(self) -> float | None:
        """The largest epsilon of all seeds after training, `None` if any has none."""
        values = [entry.get("epsilon") for entry in self.entries.values()]
        known = [value for value in values if value is not None]
        return max(known) if len(known) == len(values) else None

    def strongest(self, seed: int, d_steps: int | None = None) -> Strongest | None:
        """The attack that counts for a seed, at the last checkpoint by default."""
        curve = self.entries[seed]["curve"]
        if d_steps is None:
            return self.chosen[seed][-1]
        pairs = zip(curve, self.chosen[seed], strict=True)
        return next((c for point, c in pairs if point["d_steps"] == d_steps), None)


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


def read_families(results: dict[str, Any]) -> tuple[Family, ...]:
    """Sorts the cells of a grid.

    Args:
        results: Content of a grid's `results.json`.

    Returns:
        The families in the order of their first cells.

    Raises:
        ValueError: If these are no results of a grid, or a cell is there twice.
    """
    found = results.get("kind"), results.get("schema_version")
    if found != ("grid", SCHEMA_VERSION):
        raise ValueError(
            f"These are no results of a grid. Expected kind='grid' and schema_version="
            f"{SCHEMA_VERSION}. Received: kind={found[0]!r}, schema_version="
            f"{found[1]!r}. Give the `results.json` that a grid wrote."
        )
    cells: dict[tuple[str, int], dict[str, dict[int, Entry]]] = {}
    for entry in results["cells"]:
        arms = cells.setdefault((entry["model"], entry["members"]), {})
        seeds = arms.setdefault(entry["arm"], {})
        if entry["seed"] in seeds:
            raise ValueError(
                "Every cell of a grid has a model, members, arm and seed of its own. "
                f"Received: {entry['name']!r} twice. Mend the results file."
            )
        seeds[entry["seed"]] = entry
    return tuple(
        Family(
            model,
            members,
            {
                name: Arm.of(list(arms[name].values()))
                for name in sorted(arms, key=lambda name: name != BASELINE)
            },
        )
        for (model, members), arms in cells.items()
    )
