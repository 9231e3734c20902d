"""`audit`: attacks a trained model and reports what it gives away."""

import copy
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.registry import ATTACKS, default_attacks
from keras_mixup_gan.attacks.shadows.store import weights_digest
from keras_mixup_gan.attacks.shadows.training import with_shadows
from keras_mixup_gan.attacks.target import (
    AttackTarget,
    as_reference,
    as_target,
    policy_of,
    split_labels,
)
from keras_mixup_gan.auditing import guards, verdict
from keras_mixup_gan.auditing.bench import Bench, known_settings
from keras_mixup_gan.auditing.guards import BlindBaseline
from keras_mixup_gan.auditing.null_target import NullTarget, as_null_target
from keras_mixup_gan.auditing.results import (
    AttackResult,
    AuditReport,
)
from keras_mixup_gan.data.splits import MembershipSplit, SplitPart
from keras_mixup_gan.validation import check_choice

Progress: TypeAlias = Callable[[str, int, int], None]


def audit(
    model: Any,
    members: Any,
    non_members: Any,
    reference: Any = None,
    attacks: str | Attack | Iterable[str | Attack] = "default",
    seed: int = 0,
    progress: Progress | None = None,
    folder: str | os.PathLike[str] | None = None,
    blind: bool = True,
    shadows: Any = None,
    shadow_fit: Mapping[str, Any] | None = None,
    reference_models: Iterable[Any] = (),
    scheduler: str | None = None,
    null_target: Any = None,
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
        folder: Where the scores of each finished attack are kept, if anywhere. Run
            again with the same arguments, an interrupted audit then goes on with the
            attacks that are missing, and its report is the same as if it had never
            been interrupted. Everything that scores depend on is part of the key, so
            that several audits may share a folder; damaged files are not used. The
            scores say who was a member: keep the folder like the images themselves.
        blind: Whether to measure also how well members and non-members are told apart
            by their pixels alone, without the model: where that succeeds, the two
            were not drawn alike and no attack proves a leak.
        shadows: Shadow models for LiRA: `Shadows` from `train_shadows`, or how many to
            train, like the model and with its defense, on random halves of members
            and non-members together; 16 are a beginning, 64 or more show what a
            determined attacker finds. They are kept in `folder`; several are trained
            at the same time within `joblib.parallel_config(n_jobs=...)`, or by
            `scheduler`.
        shadow_fit: What the model's `fit` was given, as shadows are trained by it,
            e.g. `{"epochs": 50, "batch_size": 64}`; needed to train shadows.
        reference_models: Models like this one that were trained on other images, by
            which the attacker calibrates scores.
        scheduler: Address of a Dask scheduler, such as `"tcp://10.0.0.1:8786"`, whose
            workers train the shadow models; see `train_shadows`.
        null_target: A model like this one that was trained on neither members nor
            non-members. The same attacks are run on it too, after the model itself,
            and the report warns of those that are not at chance there.

    Returns:
        The report. The same inputs and seed give the same report apart from times,
        except where a function draws images that no seed reaches.

    Raises:
        ValueError: If images are not as described, are fewer than 2 a side, occur in
            more than one part, an attack is unknown, `folder` cannot be used, `folder`
            is given and the model does not do the same at every call, `scheduler`
            cannot be used, or `null_target` is the model itself.
        ImportError: If `scheduler` is given and the `cluster` extra is not installed.

    Example:
    ```python
    report = keras_mixup_gan.audit(model, members, non_members, reference=reference)
    print(report)
    report.save("audit.html")
    ```
    """
    reference_models = tuple(reference_models)
    augments = policy_of(model) is not None
    if isinstance(attacks, str) and attacks == "default":
        given = {
            "augmentation": augments,
            "reference_models": bool(reference_models),
            "shadows": shadows is not None,
            "own_shadows": isinstance(shadows, int),
        }
        attacks = default_attacks([name for name, known in given.items() if known])
    chosen = _choose(attacks)
    # Copies, because attacks stay fitted, and those of the caller to the model itself.
    again = [(name, copy.copy(attack)) for name, attack in chosen]
    total = len(chosen) * (1 if null_target is None else 2)
    target, split = _prepare(model, members, non_members, reference, seed)
    others = tuple(as_target(other, target.seed) for other in reference_models)
    if others:
        target = replace(target, reference_models=others)
    model_hash = weights_digest(model)
    null = null_target
    if null is not None:
        null = as_null_target(null_target, target, model_hash)
    target = with_shadows(
        target,
        model,
        split,
        shadows,
        shadow_fit,
        folder,
        scheduler,
        _shadow_progress(progress, total),
    )
    tell = progress or (lambda *_: None)
    bench = Bench(split, folder, lambda title, done: tell(title, done, total))
    results, model_hash = bench.run(target, model_hash, chosen)
    tested = None
    if null is not None:
        null = replace(null, shadows=target.shadows)
        found, _ = bench.run(null, weights_digest(null_target), again, on_null=True)
        sizes = len(split.members.images), len(split.non_members.images)
        tested = NullTarget(null.name, tuple(found), *sizes)
    tell("", total, total)
    baseline = _blind_baseline(split, target.seed) if blind else None
    report = _report(target, split, results, model_hash, baseline)
    more = [*bench.damage, *(tested.warnings if tested is not None else ())]
    if any("shadows" in result.requires for result in report.done):
        more += [target.shadows.caution] if target.shadows.caution else []
    return replace(report, warnings=(*report.warnings, *more), null_target=tested)


def _choose(
    attacks: str | Attack | Iterable[str | Attack],
) -> list[tuple[str, Attack]]:
    """Attacks by distinct names, in the order asked for."""
    if isinstance(attacks, str):
        attacks = [attacks]
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


def _shadow_progress(
    progress: Progress | None, num_attacks: int
) -> Callable[[int, int], None] | None:
    """Tells of shadow models in the words of the audit's progress."""
    if progress is None:
        return None
    return lambda done, total: progress(
        f"shadow model {done} of {total} is trained", 0, num_attacks
    )


def _report(
    target: AttackTarget,
    split: MembershipSplit,
    results: list[AttackResult],
    model_hash: str | None,
    blind: BlindBaseline | None,
) -> AuditReport:
    """Sorts the results by threat and adds what a reader must know."""
    done = [result for result in results if result.status == "done"]
    done.sort(key=_threat, reverse=True)
    others = [result for result in results if result.status != "done"]
    sizes = len(split.members.images), len(split.non_members.images)
    duplicates = split.num_duplicates
    defenses = {
        defense: tuple(name for name in ATTACKS if defense in ATTACKS[name].knows)
        for defense in ("mixup", "augment")
    }
    known = [name for name in defenses if getattr(target, name) is not None]
    ignored = [
        name
        for name in known
        if not any(result.name.startswith(defenses[name]) for result in done)
    ]
    if known == list(defenses):
        ignored.append("both")  # there is no attack that knows of both
    return AuditReport(
        model=target.name,
        attacks=(*done, *others),
        num_members=sizes[0],
        num_non_members=sizes[1],
        num_reference=0 if split.reference is None else len(split.reference.images),
        image_shape=target.image_shape,
        access=tuple(sorted(target.access)),
        mixup=known_settings(target.mixup),
        seed=target.seed,
        split_hash=split.content_hash,
        warnings=verdict.cautions(done, *sizes, duplicates, ignored, blind),
        model_hash=model_hash,
        duplicates=duplicates,
        blind=blind,
        member_images=split.members.images,
    )


def _blind_baseline(split: MembershipSplit, seed: int) -> BlindBaseline | None:
    """What pixels alone tell, where there are images enough to ask."""
    parts = split.members.images, split.non_members.images
    if min(map(len, parts)) < guards.MINIMUM:
        return None
    return guards.blind_baseline(*parts, seed=seed)


def _threat(result: AttackResult) -> tuple[float, float]:
    point = result.operating_point
    return result.auc or 0.0, point.tpr if point is not None else 0.0
