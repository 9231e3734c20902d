"""Runs attacks one by one on the same queries, or finds that they have run."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.auditing.journal import Finished, Journal
from keras_mixup_gan.auditing.metered import Meter
from keras_mixup_gan.auditing.results import AttackResult
from keras_mixup_gan.data.splits import MembershipSplit

_logger = logging.getLogger(__name__)


class Queries:
    """All queries in random order, so that no batch consists of members only."""

    def __init__(self, split: MembershipSplit, seed: int) -> None:
        parts = (split.members, split.non_members)
        self.num_members = len(split.members.images)
        self.sizes = self.num_members, len(split.non_members.images)
        images = np.concatenate([part.images for part in parts])
        self.order = np.random.default_rng([seed, 2]).permutation(len(images))
        self.images = images[self.order]
        self.labels = None
        if split.members.labels is not None and split.non_members.labels is not None:
            labels = [split.members.labels, split.non_members.labels]
            self.labels = np.concatenate(labels)[self.order]

    def scored_by(self, attack: Attack) -> tuple[Any, Any]:
        """Scores of the members and of the non-members, each in its own order."""
        scores = np.empty(len(self.images))
        scores[self.order] = attack.score(self.images, self.labels)
        return scores[: self.num_members], scores[self.num_members :]


class Runner:
    """Runs attacks one by one, or takes their scores from the journal."""

    def __init__(self, meter: Meter, queries: Queries, journal: Journal | None):
        self.meter, self.queries, self.journal = meter, queries, journal

    def __call__(self, name: str, attack: Attack) -> AttackResult:
        """The result of one attack; an error becomes an entry."""
        target = self.meter.target
        missing = sorted(attack.requires - target.access)
        if missing:
            return AttackResult.without_scores(
                attack, "skipped", f"It needs {_in_words(missing)}.", name=name
            )
        found = None if self.journal is None else self.journal.load(name, attack)
        if found is None:
            key = None if self.journal is None else self.journal.key_of(name, attack)
            start = time.perf_counter()
            try:
                found = self._attack(attack, start)
            except Exception as error:
                _logger.debug("%s failed", attack.title, exc_info=True)
                seconds = time.perf_counter() - start
                return AttackResult.without_scores(
                    attack, "failed", _reason(error), seconds, name
                )
            if self.journal is not None and key is not None:
                self.journal.save(name, found, key)
        return AttackResult.from_scores(
            attack,
            found.member_scores,
            found.non_member_scores,
            found.seconds,
            name,
            settings=found.settings,
            num_queries=found.num_queries,
            seed=target.seed,
        )

    def _attack(self, attack: Attack, start: float) -> Finished:
        """Fits an attack and scores all queries."""
        self.meter.take()
        scores = self.queries.scored_by(attack.fit(self.meter.target))
        seconds = time.perf_counter() - start
        return Finished(*scores, seconds, attack.settings, self.meter.take())


def _reason(error: Exception) -> str:
    reason = " ".join(str(error).split())
    if not isinstance(error, ValueError):
        reason = f"{type(error).__name__}: {reason}"
    return reason


def _in_words(accesses: Sequence[str]) -> str:
    words = {
        "samples": "generated images",
        "discriminator": "the discriminator",
        "reference": "outside images (no reference was given)",
        "queries": "images of chosen latents",
        "generator": "the weights of the generator",
        "shadows": "shadow models (none were given)",
        "reference_models": "reference models (none were given)",
    }
    return " and ".join(words.get(access, access) for access in accesses)
