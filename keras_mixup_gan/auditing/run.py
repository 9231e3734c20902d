"""`audit`: attacks a trained model and reports what it gives away."""

import contextlib
import copy
import functools
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from keras_mixup_gan.attacks.base import Attack, default_attacks
from keras_mixup_gan.attacks.release import Release
from keras_mixup_gan.attacks.samples.streaming import cached
from keras_mixup_gan.attacks.shadows.store import Shadows
from keras_mixup_gan.attacks.shadows.training import signals_known, with_shadows
from keras_mixup_gan.attacks.target import (
    AttackTarget,
    as_reference,
    as_target,
)
from keras_mixup_gan.auditing import controls
from keras_mixup_gan.auditing.controls import NullTarget, as_null_target
from keras_mixup_gan.auditing.copies import CopyCheck, check_copies
from keras_mixup_gan.auditing.copying import CopyingPanel, copying_panel
from keras_mixup_gan.auditing.first_look import NUM_SAMPLES, fast_attacks, first_look
from keras_mixup_gan.auditing.journal import Journal, known_settings
from keras_mixup_gan.auditing.report import AuditReport
from keras_mixup_gan.auditing.results import AttackEntry, AttackResult, NothingRanError
from keras_mixup_gan.auditing.scoring import (
    ShuffledQueries,
    check_number,
    choose_attacks,
    score_attacks,
)
from keras_mixup_gan.data.classes import merged_names, names_of, renumbered
from keras_mixup_gan.data.sources import labeled_images
from keras_mixup_gan.data.splits import MembershipSplit, SplitPart
from keras_mixup_gan.privacy.accounting import PrivacyReport
from keras_mixup_gan.statistics.epsilon_bounds import check_coins
from keras_mixup_gan.storage import weights_digest
from keras_mixup_gan.validation import check_choice, reason_of

Progress: TypeAlias = Callable[[str, int, int], None]

# The titles by which their training, and a long stream of images, is told.
SHADOW_MODELS, GENERATED = "shadow models", "generated images"


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
    release: str | Release = "generator",
    membership: str | None = None,
    copies: bool = True,
    latent_dim: int | None = None,
    value_range: tuple[float, float] | None = None,
    fast: bool = False,
) -> AuditReport:
    """Attacks a trained model and reports how well its members can be identified.

    Every attack scores all queries without knowing which of them are members; only
    then are the scores compared. An attack that fails becomes an entry with its error
    and the others continue.

    Args:
        model: A trained model of this library; of any other model a Keras or PyTorch
            generator, a function of latents (with `latent_dim`), a function
            `num_images -> images`, or an array of generated images; or an
            `AttackTarget`, whose own seed then counts. A path is that of a generator in
            an `.onnx` file, or of generated images: a folder or an `.npz` file.
        members: Images `(num_images, height, width, channels)` in `[-1, 1]`, or uint8,
            that the model was trained on; `(images, labels)` for a conditional model;
            or whatever else `data.load_images` takes, such as a part of a
            `MembershipSplit`, a data set, a folder or an `.npz` file. At least 2,
            better 1,000.
        non_members: The same for images it was not trained on, drawn like the
            members.
        reference: The same for further images that the attacker knows, if any. Needed
            by the attack that takes mixup into account.
        attacks: `"default"`, or names and `Attack` instances.
        seed: Seed of everything that attacks draw.
        progress: Called as `progress(title, num_done, num_attacks)` before each
            attack, and once at the end with an empty title; while shadow models are
            trained as `progress("shadow models", num_done, shadows)`, and every ten
            seconds while attacks watch generated images as `progress("generated
            images", num_seen, num_images)`.
        folder: Where the scores of each finished attack are kept, if anywhere. Run
            again with the same arguments, an interrupted audit then continues with the
            attacks that are missing, and in a long stream of generated images where it
            was; its report is the same as if it had never been interrupted. Everything
            that scores depend on is part of the key, so that several audits may share
            a folder, one after the other; damaged files are not used. The scores say
            who was a member: only you may read them; keep the folder like the images
            themselves.
        blind: Whether to measure also how well pixels alone, without the model,
            distinguish members and non-members: where that succeeds, the two were not
            drawn alike and no attack proves a leak.
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
        release: What is to be given away, which the verdict speaks of: `"samples"`
            (generated images), `"generator"` or `"everything"` (the discriminator
            too). All attacks are run, and the report tells what each release would
            give away.
        membership: `"coin"` where a fair coin of its own decided whether an image was a
            member, as `MembershipSplit.draw(membership="coin")` does for equal numbers
            of members and non-members: epsilon is then bounded from below. Else
            `"fixed"`. By default what parts of a `MembershipSplit` say of themselves;
            their canaries, which coins decided on, bound epsilon in any case. A first
            look at a part of the images takes them for fixed.
        copies: Whether to look for generated images that are (nearly) a member, and to
            measure how generated images lie to members.
        latent_dim: Number of latent dimensions, where `model` is a function of latents
            or a network that does not tell.
        value_range: The range of all images in floating point that are given or drawn
            by a function, such as `(0, 1)`; by default `[-1, 1]`. Say so too where
            members or samples without a negative value are as they should be.
        fast: A first look: at most 1,000 images of each part, 2,000 generated ones,
            and of the default attacks the quickest of each kind. Not with `shadows`.

    Returns:
        The report. The same inputs and seed give the same report apart from times,
        except where a function draws images that no seed reaches.

    Raises:
        ValueError: If an argument is not as described, images occur in more than one
            part, no attack could be run, or `folder` is given and the model does not do
            the same at every call.
        ImportError: If `scheduler` is given and the `cluster` extra is not installed.

    Example:
    ```python
    report = keras_mixup_gan.audit(model, members, non_members, reference=reference)
    print(report)
    keras_mixup_gan.reports.save_audit(report, "audit.html")
    ```
    """
    asked, guarantee = Release.named(release), _guarantee(model)
    check_choice(membership, (None, "fixed", "coin"), "membership")
    if not isinstance(reference_models, Iterable):
        raise ValueError(
            "`reference_models` must be a list of models. Received: reference_models="
            f"{reference_models!r:.80}. Pass `[model]`."
        )
    if fast and shadows is not None:
        raise ValueError(
            "A first look leaves no time to train shadow models. Expected `fast` or "
            f"`shadows`. Received: fast=True, shadows={shadows!r:.40}. Leave one out."
        )
    images = members, non_members, reference
    target, split = _prepare(model, *images, seed, latent_dim, value_range)
    plain = split.without_canaries()
    num_members, num_others = len(plain.members.pixels), len(plain.non_members.pixels)
    if membership is None:
        membership = "coin" if split.by_fair_coins else "fixed"
    if membership == "coin":
        check_coins(num_members, num_others)
    if fast:
        target, split = first_look(target, plain)
        plain = split
        num_queries = len(plain.members.pixels) + len(plain.non_members.pixels)
        if num_queries < num_members + num_others:  # as many of each, so to no coins
            membership = "fixed"
    known = {
        "image_shape": target.image_shape,
        "latent_dim": latent_dim,
        "value_range": value_range,
    }
    in_range = functools.partial(
        controls.in_one_range, split=split, value_range=value_range
    )
    others = tuple(
        in_range(as_target(other, target.seed, **known), other)
        for other in reference_models
    )
    if others:
        target = replace(target, reference_models=others)
    known_shadows = target.shadows if shadows is None else shadows
    by_default = isinstance(attacks, str) and attacks == "default"
    if by_default:
        given = {
            "augmentation": target.augment is not None,
            "reference_models": bool(target.reference_models),
            "shadows": known_shadows is not None,
        }
        granted = [name for name, is_given in given.items() if is_given]
        attacks = default_attacks([*granted, *signals_known(known_shadows, target)])
        attacks = fast_attacks(attacks) if fast else attacks
    chosen = choose_attacks(attacks)
    used = {name for _, attack in chosen for name in attack.requires}
    if isinstance(shadows, int) and not by_default and "shadows" not in used:
        raise ValueError(
            "Shadow models would be trained for nothing. Expected an attack that uses "
            f"them, such as 'lira'. Received: attacks={[name for name, _ in chosen]}. "
            "Add it, or leave out `shadows`."
        )
    # Copies, because attacks stay fitted, and those of the caller to the model itself.
    again = [(name, copy.copy(attack)) for name, attack in chosen]
    null = null_target
    if null is not None:
        null = as_null_target(null_target, target, weights_digest(model), **known)
        null = in_range(null, null_target)
        if fast:
            null = replace(null, num_samples=null.num_available(NUM_SAMPLES))

    total = len(chosen) * (1 if null is None else 2)
    tell = progress or (lambda title, num_done, num_attacks: None)
    watched = functools.partial(tell, GENERATED)
    target = with_shadows(
        *(target, model, split, shadows, shadow_fit, folder, scheduler),
        lambda done, of: tell(SHADOW_MODELS, done, of),
    )
    entries, journal, remembering = _attack(
        *(target, model, chosen, split, folder),
        lambda title, num_done: tell(title, num_done, total),
        watched,
        value_range,
    )
    if all(entry.status != "done" for entry in entries):
        raise NothingRanError(entries)
    damaged, tested = journal.damaged, None
    if null is not None:
        null = replace(null, shadows=target.shadows)
        found, null_journal, _ = _attack(
            *(null, null_target, again, split, folder),
            lambda title, num_done: tell(
                f"{title}, on the null target", len(chosen) + num_done, total
            ),
            watched,
            value_range,
        )
        damaged = damaged + null_journal.damaged
        sizes = len(plain.members.pixels), len(plain.non_members.pixels)
        tested = NullTarget(null.name, tuple(found), *sizes)
    tell("", total, total)

    pair, baseline = (plain.members.images, plain.non_members.images), None
    if blind:
        with contextlib.suppress(controls.TooFewError):
            baseline = controls.blind_baseline(*pair, seed=target.seed)

    found_copies, panel = _copies(remembering, plain) if copies else (None, None)
    done = [entry for entry in entries if isinstance(entry, AttackResult)]
    done.sort(key=_threat, reverse=True)
    ran = [attack for name, attack in chosen if name in {each.name for each in done}]
    uses_shadows = any("shadows" in attack.requires for attack in ran)
    trained_here = uses_shadows and not isinstance(known_shadows, Shadows)
    return AuditReport(
        model=target.name,
        attacks=(*done, *(entry for entry in entries if entry.status != "done")),
        num_members=len(plain.members.pixels),
        num_non_members=len(plain.non_members.pixels),
        num_reference=0 if split.reference is None else len(split.reference.pixels),
        image_shape=target.image_shape,
        access=tuple(sorted(target.access)),
        asked_release=asked,
        mixup=known_settings(target.mixup),
        augment=target.augment,
        ignored_defenses=_ignored_defenses(target, ran),
        privacy=guarantee,
        coins=membership == "coin",
        num_steps=_num_steps(model),
        seed=target.seed,
        split_hash=split.content_hash,
        model_hash=journal.model_hash,
        duplicates=plain.num_duplicates,
        damaged=tuple(damaged),
        shadow_caution=target.shadows.caution if uses_shadows else None,
        shadow_images=target.shadows.num_images if trained_here else None,
        copies=found_copies,
        copying=panel,
        blind=baseline,
        null_target=tested,
        member_images=plain.members.images,
        member_names=_numbers(plain, num_members),
        canary_kinds=(split.members.canary_kinds, split.non_members.canary_kinds),
        fast=fast,
    )


def _copies(
    target: AttackTarget, split: MembershipSplit
) -> tuple[CopyCheck | None, CopyingPanel | None]:
    """What is found of copies; nothing where the generator fails, as attacks do."""
    try:
        return check_copies(target, split), copying_panel(target, split)
    except Exception as error:
        reason = reason_of(error, 300)
        warnings.warn(f"Copies were not looked for: {reason}", stacklevel=3)
        return None, None


def _prepare(
    model: Any,
    members: Any,
    non_members: Any,
    reference: Any,
    seed: int,
    latent_dim: int | None,
    value_range: tuple[float, float] | None,
) -> tuple[AttackTarget, MembershipSplit]:
    """The target, and the queries and reference with everything about them checked."""
    own = getattr(model, "image_shape", None)
    inside = labeled_images(members, "members", own, value_range)
    shape: Any = inside.pixels.shape[1:]
    outside = labeled_images(non_members, "non_members", shape, value_range)
    if isinstance(reference, (str, os.PathLike)):
        reference = labeled_images(reference, "reference", shape, value_range)
    given = as_reference(reference, value_range)
    if isinstance(model, AttackTarget):
        target = model if given is None else replace(model, reference=given)
    else:
        target = AttackTarget.from_model(
            model,
            given,
            seed=seed,
            image_shape=shape,
            latent_dim=latent_dim,
            value_range=value_range,
        )
    target = _named(target, inside, outside)
    inside = renumbered(inside, target.class_names, "members")
    outside = renumbered(outside, target.class_names, "non_members")
    known = target.reference
    split = MembershipSplit.from_parts(
        _drawn_as(members, inside),
        _drawn_as(non_members, outside),
        None if known is None else (known.images, _integer_labels(known.labels)),
    )
    if value_range is None:
        controls.check_ranges(split)
    target = controls.in_one_range(target, model, split, value_range)
    for name, part in split.without_canaries().parts().items():
        check_number(name, part.pixels)
        if part.pixels.shape[1:] != target.image_shape:
            raise ValueError(
                f"`{name}` must hold images of the model's shape {target.image_shape}. "
                f"Received: {part.pixels.shape[1:]}. Resize the images."
            )
    if (split.members.labels is None) != (split.non_members.labels is None):
        raise ValueError(
            "Members and non-members must both have labels, or neither. Received: "
            "labels of one of them. Pass `(images, labels)` for both."
        )
    return target, split


def _drawn_as(given: Any, data: Any) -> Any:
    """Images and labels, with what a part that was given knows of how it was drawn."""
    if not isinstance(given, SplitPart):
        return data.held
    drawn = given.by_fair_coins, given.canary_kinds
    return SplitPart(data.pixels, data.labels, given.indices, None, *drawn)


def _named(target: AttackTarget, *data: Any) -> AttackTarget:
    """The target with names of its classes: its own, or else those of the data."""
    if target.class_names is not None:
        return target
    each = [names for names in map(names_of, (*data, target.reference)) if names]
    names = merged_names(*each)
    is_whole = all(len(own) == target.num_classes for own in each)
    if target.num_classes is not None and not (is_whole and len(set(each)) < 2):
        warnings.warn(
            "The model does not know its classes by name, and the data do not have all "
            f"of them. Expected {target.num_classes} in each part. Received: "
            f"{', '.join(map(repr, each))}, numbered in this order. Set "
            "`model.class_names` to the names that it was trained with.",
            stacklevel=4,
        )
    return replace(target, class_names=names)


def _numbers(split: MembershipSplit, num_given: int) -> tuple[str, ...] | None:
    """What members are called where only some of those given were looked at."""
    if len(split.members.pixels) == num_given:
        return None
    return tuple(f"no. {index}" for index in split.members.indices)


def _threat(result: AttackResult) -> tuple[float, float, float]:
    return result.threat, result.auc, result.operating_point.tpr


def _guarantee(model: Any) -> PrivacyReport | None:
    """The guarantee of a model that was trained with differential privacy.

    `None` of one whose updates were made on terms that are not known.
    """
    updates = getattr(model, "privacy", None)
    if not getattr(updates, "num_updates", 0):
        return None
    spent = getattr(updates, "spent", None)
    if spent is not None and not spent.num_examples:
        return None
    report = model.privacy_report()
    return report if isinstance(report, PrivacyReport) else None


def _num_steps(model: Any) -> int | None:
    steps = getattr(model, "num_steps", None)
    return steps if isinstance(steps, int) else None


def _integer_labels(labels: Any) -> Any:
    return labels.argmax(axis=1) if labels is not None and labels.ndim == 2 else labels


def _attack(
    target: AttackTarget,
    model: Any,
    attacks: Iterable[tuple[str, Attack]],
    split: MembershipSplit,
    folder: str | os.PathLike[str] | None,
    tell: Callable[[str, int], None],
    watched: Callable[[int, int], None],
    value_range: tuple[float, float] | None,
) -> tuple[list[AttackEntry], Journal, AttackTarget]:
    """Entries of all attacks, the journal of their scores, and what they attacked.

    That is the target with a memory, so that images are generated once for all.
    """
    queries = ShuffledQueries(split, target.seed)
    journal = Journal(folder, target, model, split, queries.images, value_range)
    if target.sampler is not None:
        target = replace(target, sampler=cached(target.sampler))
    with journal.held():
        entries = score_attacks(target, attacks, queries, journal, tell, watched)
    return entries, journal, target


def _ignored_defenses(
    target: AttackTarget, attacks: Sequence[Attack]
) -> tuple[str, ...]:
    """Defenses known to the attacker that none of these attacks takes into account."""
    known = [name for name in ("mixup", "augment") if getattr(target, name) is not None]
    if getattr(target.mixup, "augment", None) is not None:
        known.remove("augment")  # blends are made of transforms
    taken = {name for attack in attacks for name in attack.knows}
    ignored = [name for name in known if name not in taken]
    if len(known) > 1 and not any(attack.knows >= {*known} for attack in attacks):
        ignored.append("both")
    return tuple(ignored)
