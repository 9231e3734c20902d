"""The run of a suite: its cells on one machine or on a cluster, resumable.

Every cell is computed with seeds of its own and, unless the suite says otherwise, by
one core, so that its numbers are the same wherever it runs. It is kept at once when it
is finished, under the hash of its settings; a run that was stopped at any moment
continues with the others.
"""

import contextlib
import dataclasses
import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import tensorflow as tf
from threadpoolctl import threadpool_limits

from keras_mixup_gan.experiments.cell import Progress, last_files, run_cell
from keras_mixup_gan.experiments.checks import BASELINE
from keras_mixup_gan.experiments.results import (
    CELLS,
    MODEL,
    SCORES,
    SHADOWS,
    UNFINISHED,
    CellResult,
    ResultFiles,
    StepTime,
    SuiteResults,
    cell_key,
    unfinished,
)
from keras_mixup_gan.experiments.shadow_targets import ShadowTargets
from keras_mixup_gan.experiments.suite import Block, Cell, Suite
from keras_mixup_gan.experiments.timing import median_ratios, step_seconds
from keras_mixup_gan.parallel import run_jobs
from keras_mixup_gan.process import this_process, use_one_core
from keras_mixup_gan.storage import locked
from keras_mixup_gan.validation import reason_of

# Called with a line to show.
Say: TypeAlias = Callable[[str], None]


class UnfinishedError(ValueError):
    """Parts of a run failed, as a training that diverged; `results` are the others."""

    def __init__(self, results: SuiteResults, failed: Sequence[str]) -> None:
        self.results = results
        more = " ..." if len(failed) > 3 else ""
        super().__init__(
            f"{len(failed)} parts of the comparison could not be computed. Received: "
            f"{' '.join(failed[:3])}{more} All others are kept. Mend these or leave "
            "them out of the suite, and give the same command again."
        )


def run_grid(
    suite: Suite,
    folder: str | os.PathLike[str],
    *,
    n_jobs: int = 1,
    scheduler: str | None = None,
    say: Say | None = None,
    progress: Progress | None = None,
    write: Callable[[SuiteResults], None] | None = None,
) -> SuiteResults:
    """Runs the cells of a suite, or what an earlier run left to do.

    Args:
        suite: What to run.
        folder: Where results go; needed on this machine only.
        n_jobs: How many cells at the same time, each in a process with one core; -1
            for as many as there are cores. 1 computes them in this process.
        scheduler: Address of a Dask scheduler whose workers compute them instead.
        say: Told of each finished cell.
        progress: See `run_cell`. Called by the process that computes the cell, which
            gets a pickled copy; not by workers of a cluster.
        write: Called with the results, also with those of a run that could not finish,
            before another run may have the folder.

    Returns:
        The content of `results.json`; under `missing` the cells that are not there yet,
        which is none after a run that was not stopped.

    Raises:
        ValueError: If a cell cannot be built, the data do not fit, the folder cannot be
            written or is in use by another run, or this process has already started
            TensorFlow on several cores, or a worker process ends or cannot be given its
            work. After all others are finished, if a cell or its shadow models could
            not be trained: an `UnfinishedError`.
        ImportError: If an extra is missing.
    """
    with locked(Path(folder), CELLS, UNFINISHED, SHADOWS):
        say = say or (lambda line: None)
        write = write or (lambda results: None)
        try:
            results = _run_grid(suite, Path(folder), n_jobs, scheduler, say, progress)
        except UnfinishedError as error:
            write(error.results)
            raise
        write(results)
        return results


def _run_grid(
    suite: Suite,
    folder: Path,
    n_jobs: int,
    scheduler: str | None,
    say: Say,
    progress: Progress | None,
) -> SuiteResults:
    files = ResultFiles(suite, folder)
    if suite.one_core and not use_one_core():
        raise ValueError(
            "A grid computes with one core at a time, so that results are the same "
            "everywhere. Expected a process in which TensorFlow has not started yet, "
            "or was told to use one. Received: one in which it uses several. Run the "
            "grid first, or `keras-mixup-gan compare`."
        )
    check_models(files)
    if scheduler is not None:
        progress = None
        say("on a cluster: each cell tells when it is done")
    if others := files.of_other_settings():
        say(
            "cells of other settings or versions, which stay as they are and are "
            f"computed anew: {len(others)}"
        )
    run = _Run(files, n_jobs, scheduler, say, progress)
    try:
        waiting: list[Cell] = []
        for block in suite.blocks:
            waiting += [c for c in suite.cells(block) if files.entry(c) is None]
            if block.shadows:  # which need the cells; other blocks run into each other
                targets = ShadowTargets(files, block, n_jobs, scheduler, say)
                run.compute([*waiting, *targets.without_model()])
                run.failed.extend(targets.attack())
                waiting = []
        run.compute(waiting)
        for block in suite.blocks if suite.timed_rounds else ():
            run.time_steps(block)
    finally:
        results = files.write()
    if run.failed:
        raise UnfinishedError(results, run.failed)
    return results


def check_models(files: ResultFiles) -> None:
    """Finds what is wrong with cells that are yet to run before hours of others."""
    suite = files.suite
    missing = [
        cell
        for block in suite.blocks
        for cell in suite.cells(block)
        if files.entry(cell) is None
    ]
    draws = {(cell.data, cell.members, cell.seed) for cell in missing}
    for data, members, seed in sorted(draws, key=repr):
        number = len(data.split(members, seed).members.pixels)
        if number < suite.batch_size:
            raise ValueError(
                "The coins must leave members for a batch. Expected at least "
                f"{suite.batch_size}. Received: {number} of members={members} with"
                f" seed {seed}. Raise `members`, or lower `batch_size`."
            )
    kinds = {
        (cell.model, cell.num_classes, cell.width, cell.arm): cell for cell in missing
    }
    for cell in kinds.values():
        cell.build(cell.data.split(cell.members, cell.seed).image_shape)


@dataclass(frozen=True)
class _Run:
    """Where the cells of a suite are computed."""

    files: ResultFiles
    n_jobs: int
    scheduler: str | None
    say: Say
    progress: Progress | None
    failed: list[str] = field(default_factory=list)  # what went wrong, each with a name

    def compute(self, cells: Iterable[Cell]) -> None:
        """Computes cells and keeps each as soon as it is finished."""
        distinct = list({self.files.key_of(cell): cell for cell in cells}.values())
        job = _Job(self.files.folder.absolute(), this_process()[0], self.progress)
        finished = run_jobs(job, distinct, n_jobs=self.n_jobs, scheduler=self.scheduler)
        with contextlib.closing(finished):
            for done, (cell, found) in enumerate(finished, start=1):
                if isinstance(found, str):
                    self.failed.append(found)
                    self.say(found)
                    continue
                entry, files = found
                if entry.key != self.files.key_of(cell):
                    raise ValueError(
                        f"A worker computed {entry.name!r} by other code or from other "
                        "data. Expected the same everywhere. Received: another key. "
                        "Install the same versions, and give workers the same files."
                    )
                if (known := self.files.entry(cell)) is not None:  # its model was gone
                    entry = dataclasses.replace(
                        entry,
                        shadow_attacks=known.shadow_attacks,
                        step_time=known.step_time,
                    )
                self.files.keep(entry, files)
                self.say(
                    f"{entry.name}: done in {entry.cpu_seconds:.0f} s of one core "
                    f"({done} of {len(distinct)})"
                )

    def time_steps(self, block: Block) -> None:
        """Times fresh models of all arms of a block in turns, in this process."""
        suite = self.files.suite
        for members in block.members:
            seed = suite.seeds_of(block)[0]
            cells = {arm: suite.cell(block, members, arm, seed) for arm in block.arms}
            found = {arm: self.files.entry(cell) for arm, cell in cells.items()}
            entries = {arm: entry for arm, entry in found.items() if entry is not None}
            if BASELINE not in entries or all(e.step_time for e in entries.values()):
                continue
            cell = cells[BASELINE]
            self.say(f"{block.model}/{members}: timing all arms in turns")
            split = cell.data.split(members, seed)
            models = {arm: one.build(split.image_shape) for arm, one in cells.items()}
            labels = None if block.num_classes is None else split.members.labels
            seconds = step_seconds(
                *(models, split.members.images, suite.batch_size, suite.timed_rounds),
                labels=labels,
            )
            ratios = median_ratios(seconds, BASELINE)
            for arm, entry in entries.items():
                time = StepTime(statistics.median(seconds[arm]), ratios[arm])
                self.files.keep(dataclasses.replace(entry, step_time=time))


@dataclass(frozen=True)
class _Job:
    """Computes one cell, in whatever process, or says why that cannot be done."""

    folder: Path
    node: str
    progress: Progress | None

    def __call__(self, cell: Cell) -> tuple[CellResult, dict[str, bytes]] | str:
        try:
            return self._compute(cell)
        except ValueError as error:  # such as a divergence, which others need not share
            return f"{cell.name}: {error}"
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            return f"{cell.name}: not enough memory: {reason_of(error)}"

    def _compute(self, cell: Cell) -> tuple[CellResult, dict[str, bytes]]:
        limits = 1 if cell.one_core and use_one_core() else None
        split = cell.data.split(cell.members, cell.seed)
        num_pool = cell.data.num_pool(cell.members, cell.seed)
        with tempfile.TemporaryDirectory() as elsewhere, threadpool_limits(limits):
            place = Path(elsewhere)
            if this_process()[0] == self.node:  # so that a stopped cell continues too
                place = unfinished(self.folder, cell_key(cell))
            entry = run_cell(cell, split, place, self.progress, num_pool)
            model, scores = last_files(place)
            files = {MODEL: model.read_bytes(), SCORES: scores.read_bytes()}
        return entry, files
