"""Running attacks: one by itself, or several in one pass over generated images."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
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

    def __init__(self, attack: Attack, path: Path | None) -> None:
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


def a_run(attack: Attack, path: Path | None) -> Run:
    """How an attack is run: together with others where its scores are of a stream."""
    kind = type(attack)
    if isinstance(attack, StreamedAttack) and kind._score is StreamedAttack._score:
        return Watching(attack, path)
    return Run(attack, path)


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

    def __init__(self, attack: StreamedAttack, path: Path | None) -> None:
        super().__init__(attack, path)
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
    runs: Sequence[Watching],
    target: AttackTarget,
    images: FloatArray,
    counts: Counter[str],
    journal: Journal,
    tell: Callable[[int, int], None],
) -> None:
    """Runs attacks in one pass for all that take chunks of the same size.

    An attack that fails does not stop the others, and gets the scores that it would get
    alone. A long pass calls `tell(seen, of)` now and then, and the journal keeps how
    far it is.
    """
    images = check_images(images, "images", target.image_shape)
    for run in runs:
        counts.clear()
        run.begin(target, images)
        run.asked = Counter(counts) + Counter(samples=run.num_watched)

    def chunk_size(run: Watching) -> int:
        return run.streamed.chunk_size

    for size, group in groupby(sorted(runs, key=chunk_size), key=chunk_size):
        _pass(list(group), target, size, journal, tell)
    for run in runs:
        run.finish(len(images))


def _pass(
    runs: Sequence[Watching],
    target: AttackTarget,
    chunk_size: int,
    journal: Journal,
    tell: Callable[[int, int], None],
) -> None:
    """Shows all the generated images, from where an earlier pass was stopped."""
    path = journal.path_of_pass([run.path for run in runs])
    shown = [(run, run.num_watched) for run in runs]
    number = max(run.num_watched for run in runs)
    chunks = showing(target, shown, chunk_size, _restore(runs, journal.load_pass(path)))
    last = start = time.perf_counter()
    before = sum(run.seconds for run in runs)
    while any(run.error is None for run in runs):
        try:
            seen = next(chunks, number)
        except Exception as error:  # of the generator, which all need
            for run in runs:
                run.error = run.error or error
            break
        if seen == number:
            break
        if time.perf_counter() - last >= SECONDS:
            tell(seen, number)
            if all(run.error is None for run in runs):
                journal.save_pass(path, {"seen": np.array(seen), **_states(runs)})
            last = time.perf_counter()
    watching = sum(run.seconds for run in runs) - before
    for run in runs:
        run.seconds += (time.perf_counter() - start - watching) / len(runs)
    if path is not None:
        path.unlink(missing_ok=True)


def _states(runs: Sequence[Watching]) -> dict[str, FloatArray]:
    """What generated images left behind in all attacks."""
    return {
        f"{number}-{name}": array
        for number, run in enumerate(runs)
        if run.watcher is not None
        for name, array in run.watcher.search.state.items()
    }


def _restore(runs: Sequence[Watching], kept: dict[str, Any] | None) -> int:
    """Continues from what was kept; returns how many images that had seen."""
    if kept is None or any(run.error is not None for run in runs):
        return 0
    for number, run in enumerate(runs):
        if run.watcher is not None:
            search = run.watcher.search
            search.restore({name: kept[f"{number}-{name}"] for name in search.state})
    return int(kept["seen"])
