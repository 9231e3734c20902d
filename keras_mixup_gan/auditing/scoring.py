"""Scoring: one attack after the other on the same queries of one target."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.samples.streaming import cached
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.auditing.journal import Journal
from keras_mixup_gan.auditing.results import (
    AttackEntry,
    AttackResult,
    Scores,
    plain_settings,
)
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.typing import FloatArray

_logger = logging.getLogger(__name__)
_ACCESSES = {
    "samples": "generated images",
    "discriminator": "the discriminator",
    "reference": "reference images (none were given)",
    "queries": "images of chosen latents",
    "generator": "the weights of the generator",
    "shadows": "shadow models (none were given)",
    "reference_models": "reference models (none were given)",
}


class ShuffledQueries:
    """Members and non-members in random order, so that no batch is of one kind."""

    def __init__(self, split: MembershipSplit, seed: int) -> None:
        parts = (split.members, split.non_members)
        self.num_members = len(split.members.images)
        images = np.concatenate([part.images for part in parts])
        self.order = generator(seed, Stream.QUERY_ORDER).permutation(len(images))
        self.images = images[self.order]
        labels = [part.labels for part in parts if part.labels is not None]
        self.labels = None
        if len(labels) == len(parts):
            self.labels = np.concatenate(labels)[self.order]

    def scored_by(self, attack: Attack) -> tuple[FloatArray, FloatArray]:
        """Scores of the members and of the non-members, each in its own order."""
        scores = np.empty(len(self.images))
        scores[self.order] = attack.score(self.images, self.labels)
        return scores[: self.num_members], scores[self.num_members :]


class CountedTarget:
    """A target that counts what attacks ask of it, and makes each image only once.

    Gradients through a generator are not counted.

    Args:
        target: Any target.

    Attributes:
        target: The same target with its accesses counted.
    """

    def __init__(self, target: AttackTarget) -> None:
        self._counts: Counter[str] = Counter()
        changes: dict[str, Any] = {}
        if target.sampler is not None:
            sampler = cached(target.sampler)
            changes["sampler"] = self._counted("samples", sampler, _length_of_range)
        for access in ("discriminator", "queries"):
            function = getattr(target, access)
            if function is not None:
                changes[access] = self._counted(access, function, _length_of_batch)
        self.target = replace(target, **changes)

    def take(self) -> dict[str, int]:
        """Numbers of images by access since the last call."""
        counts = dict(sorted(self._counts.items()))
        self._counts.clear()
        return counts

    def _counted(
        self, access: str, function: Any, length: Callable[[Any, Any], int]
    ) -> Any:
        def counted(first: Any, second: Any) -> FloatArray:
            self._counts[access] += length(first, second)
            return function(first, second)

        return counted


def score_attacks(
    target: AttackTarget,
    attacks: Iterable[tuple[str, Attack]],
    queries: ShuffledQueries,
    journal: Journal,
    tell: Callable[[str, int], None],
) -> list[AttackEntry]:
    """Runs attacks on a target, or takes their scores from the journal.

    Args:
        target: The target.
        attacks: Attacks by their names in the report.
        queries: What every attack scores.
        journal: Where scores are kept.
        tell: Called as `tell(title, num_done)` before each attack.

    Returns:
        An entry for each attack; an attack that fails does not stop the others.
    """
    counted = CountedTarget(target)
    entries: list[AttackEntry] = []
    for name, attack in attacks:
        tell(attack.title, len(entries))
        entries.append(_score_attack(name, attack, counted, queries, journal))
    return entries


def _score_attack(
    name: str,
    attack: Attack,
    counted: CountedTarget,
    queries: ShuffledQueries,
    journal: Journal,
) -> AttackEntry:
    """Fits one attack and evaluates its scores of all queries."""
    target = counted.target
    if missing := sorted(attack.requires - target.access):
        needs = " and ".join(_ACCESSES.get(access, access) for access in missing)
        return AttackEntry.not_run(name, attack, "skipped", f"It needs {needs}.")
    path = journal.path_of(name, attack)
    scores = journal.load(name, path)
    if scores is None:
        counted.take()
        start = time.perf_counter()
        try:
            members, non_members = queries.scored_by(attack.fit(target))
        except Exception as error:
            _logger.debug("%s failed", attack.title, exc_info=True)
            seconds = time.perf_counter() - start
            reason = " ".join(str(error).split())
            if not isinstance(error, ValueError):
                reason = f"{type(error).__name__}: {reason}"
            return AttackEntry.not_run(name, attack, "failed", reason, seconds)
        seconds = time.perf_counter() - start
        settings, counts = plain_settings(attack.settings), counted.take()
        scores = Scores(members, non_members, seconds, settings, counts)
        journal.save(path, scores)
    return AttackResult.from_scores(name, attack, scores, target.seed)


def _length_of_range(start: int, stop: int) -> int:
    return stop - start


def _length_of_batch(inputs: FloatArray, labels: FloatArray | None) -> int:
    return len(inputs)
