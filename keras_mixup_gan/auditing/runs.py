"""Running attacks: one by itself, or several in one pass over generated images."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.samples.streaming import (
    Chunk,
    StreamedAttack,
    Watcher,
    showing,
)
from keras_mixup_gan.attacks.target import AttackTarget, Labels
from keras_mixup_gan.auditing.journal import Journal
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_images, finite_scores

_logger = logging.getLogger(__name__)
_Made = TypeVar("_Made")

# Between two times that a long pass tells, and keeps, how far it is.
SECONDS = 10.0


class Run:
    """An attack on the queries: what it asked for, its time, its scores or its error.

    Scores are in the order of the queries; `path` is where the journal keeps them.
    """

    def __init__(self, name: str, attack: Attack, path: Path | None) -> None:
        self.name = name
        self.attack = attack
        self.path = path
        self.scores: FloatArray | None = None
        self.error: Exception | None = None
        self.asked: Counter[str] = Counter()
        self.seconds = 0.0

    def attempt(self, work: Callable[[], _Made]) -> _Made | None:
        """Does what may fail, and keeps the error and the time that it took."""
        start = time.perf_counter()
        try:
            return work()
        except Exception as error:
            _logger.debug("%s failed", self.attack.title, exc_info=True)
            self.error = error
            return None
        finally:
            self.seconds += time.perf_counter() - start


def a_run(name: str, attack: Attack, path: Path | None) -> Run:
    """How an attack is run: together with others where its scores are of a stream."""
    kind = type(attack)
    if isinstance(attack, StreamedAttack) and kind._score is StreamedAttack._score:
        return Watching(name, attack, path)
    return Run(name, attack, path)


def run_alone(
    run: Run,
    target: AttackTarget,
    images: FloatArray,
    labels: Labels,
    counts: Counter[str],
) -> None:
    """Runs an attack; `counts` are those of the target's answers."""
    counts.clear()
    run.scores = run.attempt(lambda: run.attack.fit(target).score(images, labels))
    run.asked += counts


class Watching(Run):
    """An attack that watches generated images, which it shares with others."""

    def __init__(self, name: str, attack: StreamedAttack, path: Path | None) -> None:
        super().__init__(name, attack, path)
        self.streamed = attack
        self.num_watched = 0
        self.watcher: Watcher | None = None

    def see(self, chunk: Chunk) -> None:
        """Takes in the next generated images."""
        watcher = self.watcher
        if watcher is not None and self.error is None:
            self.attempt(lambda: watcher.see(chunk))

    def begin(self, target: AttackTarget, images: FloatArray) -> None:
        """Fits the attack and lets it look at the queries."""
        self.watcher = self.attempt(
            lambda: self.streamed.fit(target)._watch(target, images)
        )
        if self.watcher is not None:
            self.num_watched = self.streamed._num_watched(target)

    def finish(self, num_queries: int) -> None:
        """Scores the queries."""
        watcher, what = self.watcher, f"scores of {self.attack.title}"
        if watcher is not None and self.error is None:
            self.scores = self.attempt(
                lambda: finite_scores(watcher.scores(), what, num_queries)
            )


def run_together(
    runs: Iterable[Watching],
    target: AttackTarget,
    images: FloatArray,
    counts: Counter[str],
    journal: Journal,
    tell: Callable[[int, int], None],
    keep: Callable[[Run], None],
) -> None:
    """Runs attacks in one pass for all that take as many images in equal chunks.

    So each gets the scores that it would get alone; one that fails does not stop the
    others. `keep` is called with each at the end of its pass. A long pass calls
    `tell(seen, of)` now and then, and the journal keeps how far it is.
    """
    images = check_images(images, "images", target.image_shape)
    begun = []
    for run in runs:
        counts.clear()
        run.begin(target, images)
        run.asked = Counter(counts) + Counter(samples=run.num_watched)
        if run.error is None:
            begun.append(run)

    def stream(run: Watching) -> tuple[int, int]:
        return run.streamed.chunk_size, run.num_watched

    for _, group in groupby(sorted(begun, key=stream), key=stream):
        together = list(group)
        path = journal.path_of_pass([run.path for run in together])
        is_whole = _pass(together, target, path, journal, tell)
        for run in together:
            run.finish(len(images))
            keep(run)
        if is_whole and path is not None:
            path.unlink(missing_ok=True)


def _pass(
    runs: Sequence[Watching],
    target: AttackTarget,
    path: Path | None,
    journal: Journal,
    tell: Callable[[int, int], None],
) -> bool:
    """Shows all the generated images, from where an earlier pass was stopped.

    It is whole unless the generator fails: that is what all attacks then say.
    """
    number, size = runs[0].num_watched, runs[0].streamed.chunk_size
    shown = [(run, number) for run in runs]
    seen = _restore(runs, journal.load_pass(path))
    chunks = showing(target, shown, size, seen)
    last = start = time.perf_counter()
    before, error = sum(run.seconds for run in runs), None
    while seen < number and error is None and any(run.error is None for run in runs):
        try:
            seen = next(chunks)
        except Exception as failed:
            error = failed
        if time.perf_counter() - last >= SECONDS and seen < number:
            tell(seen, number)
            if path is not None:
                state = {"seen": np.array(seen), **_states(runs)}
                journal.save_pass(path, state)
            last = time.perf_counter()
    watching = sum(run.seconds for run in runs) - before
    for run in runs:
        run.seconds += (time.perf_counter() - start - watching) / len(runs)
        run.error = run.error or error
    return error is None


def _states(runs: Sequence[Watching]) -> dict[str, FloatArray]:
    """What generated images left behind in the attacks that have not failed."""
    return {
        f"{run.path.stem}/{name}": array
        for run in runs
        if run.path is not None and run.watcher is not None and run.error is None
        for name, array in run.watcher.search.state.items()
    }


def _restore(runs: Sequence[Watching], kept: dict[str, Any] | None) -> int:
    """Continues from what was kept; returns how many images that had seen.

    Where anything is missing, as of an attack that had failed, all begin anew.
    """
    wanted = {name: array.shape for name, array in _states(runs).items()}
    found = {name: array.shape for name, array in (kept or {}).items()}
    if kept is None or found != {**wanted, "seen": ()}:
        return 0
    for run in runs:
        if run.path is not None and run.watcher is not None:
            search, stem = run.watcher.search, run.path.stem
            search.restore({name: kept[f"{stem}/{name}"] for name in search.state})
    return int(kept["seen"])
