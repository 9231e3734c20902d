"""The grid runner: cells of a suite on one machine or on a cluster, resumable.

Every cell is computed by one core with seeds of its own, so that its numbers are the
same wherever it runs. It is kept at once when it is finished, under the hash of its
settings and of the code; a run that was stopped at any moment goes on with the others.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import joblib
from threadpoolctl import threadpool_limits

from keras_mixup_gan.experiments.cell import run_cell
from keras_mixup_gan.experiments.code_version import code_version
from keras_mixup_gan.experiments.comparison import choose_extractor
from keras_mixup_gan.experiments.grid_files import (
    MODEL,
    SCORES,
    GridFiles,
    cell_key,
    unfinished,
)
from keras_mixup_gan.experiments.shadow_targets import add_shadow_attacks, without_model
from keras_mixup_gan.experiments.suite import GridCell, Suite
from keras_mixup_gan.parallel import this_process, use_one_core, workers

# Called with a line to show.
Say: TypeAlias = Callable[[str], None]


def run_grid(
    suite: Suite,
    folder: str | os.PathLike[str],
    *,
    n_jobs: int = 1,
    scheduler: str | None = None,
    accept: Iterable[str] = (),
    say: Say | None = None,
) -> dict[str, Any]:
    """Runs the cells of a suite, or what an earlier run left to do.

    Args:
        suite: What to run.
        folder: Where results go; needed on this machine only.
        n_jobs: How many cells at the same time, each in a process with one core; -1
            for as many as there are cores. 1 computes them in this process.
        scheduler: Address of a Dask scheduler whose workers compute them instead.
        accept: Code versions whose cells count too, or the first digits of those in
            `results.json`: for when you know that what was
            changed since does not change their numbers.
        say: Told of each finished cell.

    Returns:
        The content of `results.json`; under `missing` the cells that are not there yet,
        which is none after a run that was not stopped.

    Raises:
        ValueError: If a cell cannot be built, the data do not fit, the folder cannot be
            written, or this process has already started TensorFlow on several cores.
        ImportError: If an extra is missing.
    """
    say = say or (lambda line: None)
    grid = GridFiles(suite, Path(folder), accept)
    if not use_one_core():
        raise ValueError(
            "A grid computes with one core at a time, so that results are the same "
            "everywhere. Expected a process in which TensorFlow has not started yet, "
            "or was told to use one. Received: one in which it uses several. Run the "
            "grid first, or `python -m benchmarks.compare --suite`."
        )
    check_models(grid)
    try:
        waiting: list[GridCell] = []
        for block in suite.blocks:
            waiting += [c for c in suite.cells(block) if grid.entry(c) is None]
            if block.shadows:  # which need the cells; other blocks run into each other
                waiting += without_model(grid, block)
                compute(grid, waiting, n_jobs, scheduler, say)
                add_shadow_attacks(grid, block, n_jobs, scheduler, say)
                waiting = []
        compute(grid, waiting, n_jobs, scheduler, say)
    finally:
        results = grid.write()
    return results


def check_models(grid: GridFiles) -> None:
    """Finds what is wrong with cells that are yet to run before hours of others."""
    missing = [
        cell
        for block in grid.suite.blocks
        for cell in grid.suite.cells(block)
        if grid.entry(cell) is None
    ]
    games = {(cell.data, cell.members, cell.cell.seed) for cell in missing}
    for data, members, seed in sorted(games, key=repr):
        number = len(data.game(members, seed)[0].members.images)
        if number < grid.suite.batch_size:
            raise ValueError(
                "The coins must leave members for a batch. Expected at least "
                f"{grid.suite.batch_size}. Received: {number} of members={members} with"
                f" seed {seed}. Raise `members`, or lower `batch_size`."
            )
    kinds = {
        (cell.cell.model, cell.cell.num_classes, cell.cell.width, cell.arm): cell
        for cell in missing
    }
    for cell in kinds.values():
        split, _ = cell.data.game(cell.members, cell.cell.seed)
        cell.cell.build(split.image_shape)


def compute(
    grid: GridFiles,
    cells: Iterable[GridCell],
    n_jobs: int,
    scheduler: str | None,
    say: Say,
) -> None:
    """Computes cells and keeps each as soon as it is finished."""
    distinct = list({cell_key(cell): cell for cell in cells}.values())
    if not distinct:
        return
    job = _Job(grid.folder.absolute(), this_process()[0], code_version())
    with workers(scheduler, n_jobs, job) as parallel:
        calls = (joblib.delayed(job)(cell) for cell in distinct)
        for done, (entry, files) in enumerate(parallel(calls), start=1):
            grid.keep(entry, files)
            say(
                f"{entry['name']}: done in {entry['cpu_seconds']:.0f} s of one core "
                f"({done} of {len(distinct)})"
            )


@dataclass(frozen=True)
class _Job:
    """Computes one cell, in whatever process."""

    folder: Path
    node: str
    code: str

    def __call__(self, cell: GridCell) -> tuple[dict[str, Any], dict[str, bytes]]:
        if code_version() != self.code:
            raise ValueError(
                "A worker has other code. Expected that of the machine that asks, "
                f"{self.code[:12]}. Received: {code_version()[:12]}. Install the same "
                "version where the workers run."
            )
        use_one_core()
        split, num_pool = cell.data.game(cell.members, cell.cell.seed)
        extractor = choose_extractor(split)
        with tempfile.TemporaryDirectory() as elsewhere, threadpool_limits(1):
            place = Path(elsewhere)
            if this_process()[0] == self.node:  # so that a stopped cell goes on too
                place = unfinished(self.folder, cell_key(cell))
            entry = run_cell(cell.cell, split, extractor, place, by_coins=True)
            state = json.loads((place / "state.json").read_text("utf-8"))
            last = entry["curve"][-1]["d_steps"]
            files = {
                MODEL: (place / state["model"]).read_bytes(),
                SCORES: (place / f"scores-{last}.npz").read_bytes(),
            }
        entry |= {
            "arm": cell.arm,
            "group": cell.group,
            "members": cell.members,
            "non_members": cell.data.non_members,
            "reference": cell.data.reference,
            "num_pool": num_pool.tolist(),
            "key": cell_key(cell),
            "code": self.code,
            "cpu_seconds": state["cpu_seconds"],
        }
        return entry, files
