"""Scoring: one attack after the other on the same queries of one target."""

from collections import Counter
from collections.abc import Callable, Iterable, Sized
from dataclasses import replace
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import ATTACKS, Attack
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.auditing.journal import Journal
from keras_mixup_gan.auditing.results import (
    AttackEntry,
    AttackResult,
    Scores,
    plain_settings,
)
from keras_mixup_gan.auditing.runs import (
    Run,
    Watching,
    a_run,
    run_alone,
    run_together,
)
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_choice

_ACCESSES = {
    "samples": "generated images",
    "discriminator": "the discriminator",
    "layers": "the weights of the discriminator",
    "reference": "reference images (none were given)",
    "queries": "images of chosen latents",
    "generator": "the weights of the generator",
    "shadows": "shadow models (none were given)",
    "reference_models": "reference models (none were given)",
}


def check_number(name: str, images: Sized) -> None:
    """Raises a `ValueError` unless a part holds images enough for its statistics."""
    if len(images) < 2:
        raise ValueError(
            f"`{name}` must hold at least 2 images, better 1,000. Received: "
            f"{len(images)}. An audit of fewer says nothing."
        )


def choose_attacks(
    attacks: str | Attack | Iterable[str | Attack],
) -> list[tuple[str, Attack]]:
    """Attacks in the order asked for, those of a name that was there by a number."""
    if isinstance(attacks, str | Attack):
        attacks = [attacks]
    if not isinstance(attacks, Iterable):
        raise ValueError(
            "`attacks` must be names or attacks. Expected some of "
            f"{', '.join(map(repr, ATTACKS))}. Received: attacks={attacks!r:.80}. "
            "Leave it out for all that suit the model."
        )
    chosen: list[tuple[str, Attack]] = []
    counts: Counter[str] = Counter()
    for attack in attacks:
        if not isinstance(attack, Attack):
            check_choice(attack, ATTACKS, "attacks")
            attack = ATTACKS[attack]()
        counts[attack.name] += 1
        number = counts[attack.name]
        name = attack.name if number == 1 else f"{attack.name}_{number}"
        chosen.append((name, attack))
    if not chosen:
        raise ValueError(
            "`attacks` must name at least one attack. Expected some of "
            f"{', '.join(map(repr, ATTACKS))}. Received: an empty list."
        )
    return chosen


class ShuffledQueries:
    """Members and non-members in random order, so that no batch is of one kind."""

    def __init__(self, split: MembershipSplit, seed: int) -> None:
        parts = (split.members, split.non_members)
        self.num_members = len(split.members.pixels)
        members, non_members = (len(part.canary_kinds) for part in parts)
        self.num_canaries = members, non_members
        images = np.concatenate([part.images for part in parts])
        self.order = generator(seed, Stream.QUERY_ORDER).permutation(len(images))
        self.images = images[self.order]
        labels = [part.labels for part in parts if part.labels is not None]
        self.labels = None
        if len(labels) == len(parts):
            self.labels = np.concatenate(labels)[self.order]

    def scored_by(self, attack: Attack) -> tuple[FloatArray, FloatArray]:
        """Scores by a fitted attack, as `parted` gives them."""
        return self.parted(attack.score(self.images, self.labels))

    def parted(self, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Scores of the members and of the non-members, each in its own order."""
        ordered = np.empty(len(self.images))
        ordered[self.order] = scores
        return ordered[: self.num_members], ordered[self.num_members :]


def score_attacks(
    target: AttackTarget,
    attacks: Iterable[tuple[str, Attack]],
    queries: ShuffledQueries,
    journal: Journal,
    tell: Callable[[str, int], None],
    watched: Callable[[int, int], None],
) -> list[AttackEntry]:
    """Runs attacks by name, or takes their scores from the journal.

    Those that watch generated images do so together, when it is the turn of the first
    of them. An attack that fails becomes an entry and does not stop the others. `tell`
    is called as `tell(title, num_done)` before each attack, `watched` as
    `watched(seen, of)` now and then while images are generated.
    """
    counts: Counter[str] = Counter()
    target, attacks = _counted(target, counts), list(attacks)
    runs: dict[str, Run] = {}
    known: dict[str, Scores] = {}
    for name, attack in attacks:
        if attack.requires <= target.access:
            path = journal.path_of(name, attack)
            runs[name] = a_run(name, attack, path)
            if (scores := journal.load(name, path)) is not None:
                known[name] = scores
    missing = [run for name, run in runs.items() if name not in known]
    together = [run for run in missing if isinstance(run, Watching)]

    def keep(run: Run) -> None:
        if run.scores is not None:
            known[run.name] = _kept(run, run.scores, queries)
            journal.save(run.path, known[run.name])

    entries: list[AttackEntry] = []
    images, labels = queries.images, queries.labels
    for name, attack in attacks:
        tell(attack.title, len(entries))
        run = runs.get(name)
        if isinstance(run, Watching):
            if name not in known and run.error is None:
                run_together(together, target, images, counts, journal, watched, keep)
        elif run is not None and name not in known:
            run_alone(run, target, images, labels, counts)
            keep(run)
        if name in known:
            found, canaries = known[name], queries.num_canaries
            entries.append(
                AttackResult.from_scores(name, attack, found, target.seed, canaries)
            )
        else:
            entries.append(_not_run(name, attack, target, run))
    return entries


def _kept(run: Run, scores: FloatArray, queries: ShuffledQueries) -> Scores:
    """What is kept of an attack that ran."""
    return Scores(
        *queries.parted(scores),
        run.seconds,
        plain_settings(run.attack.settings),
        dict(sorted(run.asked.items())),
    )


def _not_run(
    name: str, attack: Attack, target: AttackTarget, run: Run | None
) -> AttackEntry:
    """The entry of an attack that lacks an access, or that failed."""
    if run is None:
        missing = sorted(attack.requires - target.access)
        needs = " and ".join(_ACCESSES.get(access, access) for access in missing)
        return AttackEntry.not_run(name, attack, "skipped", f"It needs {needs}.")
    reason = " ".join(str(run.error).split())
    if not isinstance(run.error, ValueError):
        reason = f"{type(run.error).__name__}: {reason}"
    return AttackEntry.not_run(name, attack, "failed", reason, run.seconds)


def _counted(target: AttackTarget, counts: Counter[str]) -> AttackTarget:
    """The target, counting the images it makes or scores; gradients are not counted.

    Generated images are counted each time they are asked for.
    """

    def count(access: str, function: Any) -> Any:
        def counted(first: Any, second: Any) -> FloatArray:
            is_range = access == "samples"  # the sampler takes `(start, stop)`
            counts[access] += second - first if is_range else len(first)
            return function(first, second)

        return function and counted

    return replace(
        target,
        sampler=count("samples", target.sampler),
        discriminator=count("discriminator", target.discriminator),
        queries=count("queries", target.queries),
    )
