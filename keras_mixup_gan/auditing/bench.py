"""Runs all attacks of an audit on one target after the other, and keeps the scores."""

import os
from collections.abc import Callable
from typing import Any

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.auditing.fingerprint import of_behavior
from keras_mixup_gan.auditing.journal import Journal
from keras_mixup_gan.auditing.metered import Meter
from keras_mixup_gan.auditing.results import AttackResult
from keras_mixup_gan.auditing.runner import Queries, Runner
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.storage import digest_arrays
from keras_mixup_gan.versions import software_versions


class Bench:
    """Runs attacks on the queries of one audit, and keeps their scores."""

    def __init__(
        self,
        split: MembershipSplit,
        folder: str | os.PathLike[str] | None,
        tell: Callable[[str, int], None],
    ) -> None:
        self.split, self.folder, self.tell = split, folder, tell
        self.num_done = 0
        self.damage: list[str] = []

    def run(
        self,
        target: AttackTarget,
        model_hash: str | None,
        attacks: list[tuple[str, Attack]],
        on_null: bool = False,
    ) -> tuple[list[AttackResult], str | None]:
        """Results of all attacks, and what the target is recognized by."""
        queries = Queries(self.split, target.seed)
        journal = None
        if self.folder is not None:
            model_hash = model_hash or of_behavior(target, queries.images)
            context = _context(target, self.split, model_hash)
            journal = Journal(self.folder, context, queries.sizes, queries.images)
        run = Runner(Meter(target), queries, journal)
        results = []
        for name, attack in attacks:
            where = ", on the null target" if on_null else ""
            self.tell(attack.title + where, self.num_done)
            results.append(run(name, attack))
            self.num_done += 1
        if journal is not None:
            self.damage += [_damage(name) for name in journal.damaged]
        return results, model_hash


def known_settings(mixup: Any) -> dict[str, Any] | None:
    """The settings of a defense that the attacker knows of."""
    if mixup is None:
        return None
    if callable(getattr(mixup, "get_config", None)):
        return dict(mixup.get_config())
    return {"name": str(mixup)}


def _context(
    target: AttackTarget, split: MembershipSplit, model_hash: str
) -> dict[str, Any]:
    """What the scores of every attack of this audit depend on."""
    others = [
        of_behavior(other, split.members.images) for other in target.reference_models
    ]
    shadows = target.shadows
    labels = None if target.reference is None else target.reference.labels
    return {
        "model": model_hash,
        "reference_models": others,
        "reference_labels": digest_arrays([] if labels is None else [labels]),
        "shadows": None if shadows is None else _shadow_digests(shadows),
        "split": split.content_hash,
        "seed": target.seed,
        "mixup": known_settings(target.mixup),
        "augment": target.augment,
        "access": sorted(target.access),
        "num_samples": target.num_samples,
        "versions": software_versions(),
    }


def _shadow_digests(shadows: Any) -> list[str]:
    """What scores by these shadows depend on."""
    return [
        digest_arrays(shadows.statistics.values()),
        digest_arrays([shadows.inside]),
        *shadows.ids,
    ]


def _damage(name: str) -> str:
    return (
        f"The kept scores of {name!r} were damaged and not used; the attack was run "
        "again."
    )
