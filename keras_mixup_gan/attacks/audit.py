"""`audit`: attacks a trained model and reports what it gives away."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.attacks import verdict
from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.catalog import ATTACKS, DEFAULT_ATTACKS
from keras_mixup_gan.attacks.logan import MixupLOGAN
from keras_mixup_gan.attacks.results import AttackResult, AuditReport
from keras_mixup_gan.attacks.target import AttackTarget, as_reference, split_labels
from keras_mixup_gan.data.splits import MembershipSplit, SplitPart
from keras_mixup_gan.validation import check_choice

Progress: TypeAlias = Callable[[str, int, int], None]

_logger = logging.getLogger(__name__)


def audit(
    model: Any,
    members: Any,
    non_members: Any,
    reference: Any = None,
    attacks: str | Attack | Iterable[str | Attack] = "default",
    seed: int = 0,
    progress: Progress | None = None,
) -> AuditReport:
    """Attacks a trained model and reports how well its members can be told.

    Every attack scores all queries without knowing which of them are members; only
    then are the scores compared. An attack that fails becomes an entry with its error
    and the others go on.

    Args:
        model: A trained model of this library; an array of generated images or a
            function `num_images -> images` of any other model; or an `AttackTarget`,
            whose own seed then counts.
        members: Images `(num_images, height, width, channels)` in `[-1, 1]` that the
            model was trained on; `(images, labels)` for a conditional model; or a
            part of a `MembershipSplit`. At least 2, better 1,000.
        non_members: The same for images it was not trained on, drawn like the
            members.
        reference: The same for outside images that the attacker knows, if any. Needed
            by the attack that knows of mixup.
        attacks: `"default"`, or names and `Attack` instances.
        seed: Seed of everything that attacks draw.
        progress: Called as `progress(title, num_done, num_attacks)` before each
            attack, and once at the end with an empty title.

    Returns:
        The report. The same inputs and seed give the same report apart from times,
        except where a function draws images that no seed reaches.

    Raises:
        ValueError: If images are not as described, are fewer than 2 a side, occur in
            more than one part, or an attack is unknown.

    Example:
    ```python
    report = keras_mixup_gan.audit(model, members, non_members, reference=reference)
    print(report)
    report.save("audit.html")
    ```
    """
    chosen = _choose(attacks)
    target, split = _prepare(model, members, non_members, reference, seed)
    queries = _Queries(split, target.seed)
    results = []
    for number, (name, attack) in enumerate(chosen):
        if progress is not None:
            progress(attack.title, number, len(chosen))
        results.append(_run(name, attack, target, queries))
    if progress is not None:
        progress("", len(chosen), len(chosen))
    return _report(target, split, results)


class _Queries:
    """All queries in random order, so that no batch consists of members only."""

    def __init__(self, split: MembershipSplit, seed: int) -> None:
        parts = (split.members, split.non_members)
        self.num_members = len(split.members.images)
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


def _choose(
    attacks: str | Attack | Iterable[str | Attack],
) -> list[tuple[str, Attack]]:
    """Attacks by distinct names, in the order asked for."""
    if isinstance(attacks, str):
        attacks = DEFAULT_ATTACKS if attacks == "default" else [attacks]
    elif isinstance(attacks, Attack):
        attacks = [attacks]
    chosen: list[tuple[str, Attack]] = []
    counts: Counter[str] = Counter()
    for attack in attacks:
        if not isinstance(attack, Attack):
            check_choice(attack, ATTACKS, "attacks")
            attack = ATTACKS[attack]()
        counts[attack.name] += 1
        number = counts[attack.name]
        chosen.append(
            (attack.name if number == 1 else f"{attack.name}_{number}", attack)
        )
    if not chosen:
        raise ValueError(
            "`attacks` must name at least one attack. Expected 'default' or some of "
            f"{', '.join(map(repr, ATTACKS))}. Received: an empty list."
        )
    return chosen


def _prepare(
    model: Any, members: Any, non_members: Any, reference: Any, seed: int
) -> tuple[AttackTarget, MembershipSplit]:
    """The target, and the queries and reference with everything about them checked."""
    outside = as_reference(reference)
    if isinstance(model, AttackTarget):
        target = model if outside is None else replace(model, reference=outside)
    else:
        shape: Any = np.shape(split_labels(members)[0])[1:]
        target = AttackTarget.from_model(model, outside, seed=seed, image_shape=shape)
    known = target.reference
    split = MembershipSplit.from_parts(
        split_labels(members),
        split_labels(non_members),
        None if known is None else (known.images, _integer_labels(known.labels)),
    )
    for name, part in split.parts().items():
        _check_part(part, name, target)
    if (split.members.labels is None) != (split.non_members.labels is None):
        raise ValueError(
            "Members and non-members must both have labels, or neither. Received: "
            "labels of one of them. Pass `(images, labels)` for both."
        )
    return target, split


def _check_part(part: SplitPart, name: str, target: AttackTarget) -> None:
    if len(part.images) < 2:
        raise ValueError(
            f"`{name}` must hold at least 2 images, better 1,000. Received: "
            f"{len(part.images)}. An audit of fewer says nothing."
        )
    if part.images.shape[1:] != target.image_shape:
        raise ValueError(
            f"`{name}` must hold images of the model's shape {target.image_shape}. "
            f"Received: {part.images.shape[1:]}. Resize the images."
        )


def _integer_labels(labels: Any) -> Any:
    return labels.argmax(axis=1) if labels is not None and labels.ndim == 2 else labels


def _run(
    name: str, attack: Attack, target: AttackTarget, queries: _Queries
) -> AttackResult:
    """Fits and scores one attack; an error becomes an entry."""
    missing = sorted(attack.requires - target.access)
    if missing:
        return AttackResult.without_scores(
            attack, "skipped", f"It needs {_in_words(missing)}.", name=name
        )
    start = time.perf_counter()
    try:
        scores = queries.scored_by(attack.fit(target))
    except Exception as error:
        _logger.debug("%s failed", attack.title, exc_info=True)
        reason = " ".join(str(error).split())
        if not isinstance(error, ValueError):
            reason = f"{type(error).__name__}: {reason}"
        seconds = time.perf_counter() - start
        return AttackResult.without_scores(attack, "failed", reason, seconds, name)
    seconds = time.perf_counter() - start
    return AttackResult.from_scores(attack, *scores, seconds, name)


def _in_words(accesses: Sequence[str]) -> str:
    words = {
        "samples": "generated images",
        "discriminator": "the discriminator",
        "reference": "outside images (no reference was given)",
    }
    return " and ".join(words.get(access, access) for access in accesses)


def _report(
    target: AttackTarget, split: MembershipSplit, results: list[AttackResult]
) -> AuditReport:
    """Sorts the results by threat and adds what a reader must know."""
    done = [result for result in results if result.status == "done"]
    done.sort(key=_threat, reverse=True)
    others = [result for result in results if result.status != "done"]
    num_members, num_non_members = (
        len(split.members.images),
        len(split.non_members.images),
    )
    mixup_ignored = target.mixup is not None and not any(
        result.name.startswith(MixupLOGAN.name) for result in done
    )
    return AuditReport(
        model=target.name,
        attacks=(*done, *others),
        num_members=num_members,
        num_non_members=num_non_members,
        num_reference=0 if split.reference is None else len(split.reference.images),
        image_shape=target.image_shape,
        access=tuple(sorted(target.access)),
        mixup=_settings_of(target.mixup),
        seed=target.seed,
        split_hash=split.content_hash,
        warnings=verdict.cautions(
            done, num_members, num_non_members, split.num_duplicates, mixup_ignored
        ),
    )


def _threat(result: AttackResult) -> tuple[float, float]:
    point = result.operating_point
    return result.auc or 0.0, point.tpr if point is not None else 0.0


def _settings_of(mixup: Any) -> dict[str, Any] | None:
    if mixup is None:
        return None
    if callable(getattr(mixup, "get_config", None)):
        return dict(mixup.get_config())
    return {"name": str(mixup)}
