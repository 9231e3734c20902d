"""Concerns: what weakens the conclusions of an audit, as data and as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from keras_mixup_gan.auditing.first_look import NUM_QUERIES, NUM_SAMPLES
from keras_mixup_gan.auditing.verdict import at_least, family_interval, with_interval
from keras_mixup_gan.rounding import upper_text
from keras_mixup_gan.statistics.power import detectable_auc

if TYPE_CHECKING:
    from keras_mixup_gan.auditing.report import AuditReport

LOW_POWER_AUC = 0.65
_MANY_SAMPLES = 1000
_OTHER_SIZE = 0.1  # by which shadows may differ from the model in training images

CAVEATS = (
    "These are measurements of particular attacks on particular images; a stronger "
    "attack may find more.",
    "An AUC of .5 certifies nothing: a single image can be exposed while the average "
    "is not.",
    "No bound from above follows from an audit, and mixup carries none: when a "
    "guarantee is needed, train with differential privacy.",
    "The copy check compares pixels: crops, mirror images and other changed copies are "
    "not seen.",
    "The intervals cover the choice of the queried images, not another training run "
    "with another seed or split.",
    "Members and non-members must come from one random permutation of one set of "
    "images; any other difference between them looks like a leak.",
)
NO_NULL_TARGET = (
    "The audit itself was not tested here. On a model that was trained on other images "
    "every attack must stay near AUC .5: pass such a model to `audit` as `null_target`."
)


class Concern(Enum):
    """What weakens the conclusions of an audit; the value says it in words."""

    SHIFTED_PARTS = (
        "Members and non-members differ without any model: a classifier that sees only "
        "pixels reaches AUC {area}. Draw both from one random permutation; until then "
        "nothing here is evidence of a leak."
    )
    FEW_QUERIES = (
        "Only {members} members and {non_members} non-members were queried; a leak "
        "below AUC {smallest:.2f} could have gone unnoticed. Query 1,000 a "
        "side to see one of AUC {with_more:.2f}."
    )
    FIRST_LOOK = (
        "This was a first look: attacks that take long and canaries were left out, and "
        "of each part at most {queries:,} images were queried, by at most {samples:,} "
        "generated ones. Only a whole audit can show that little is found."
    )
    FEW_NON_MEMBERS = (
        "With {non_members} non-members the rate at 1 % false positives is the rate at "
        "no false positive at all."
    )
    FEW_SAMPLES = (
        "Only {samples:,} generated images were there to attack by. What a generator "
        "gives away shows in many: pass 1,000 or more, better several for each member."
    )
    DUPLICATES = (
        "{number} images of the {part} repeat another one. Attacks take each for an "
        "image of its own: intervals are too narrow, a leak is claimed too easily, and "
        "coins of theirs bound no epsilon. Query each image once (`drop_duplicates`)."
    )
    SHADOW_SIZES = (
        "Shadow models were trained on about {shadows:,.0f} images, and {members:,} "
        "members were queried: models of another number of images learn more or less "
        "by heart than one that was trained on these members. Query as many "
        "non-members as members."
    )
    MIXUP_IGNORED = (
        "The model was trained with mixup, but no attack that takes it into account "
        "was run: that needs the discriminator or shadow models, reference images, and "
        "more than a first look."
    )
    AUGMENTATION_IGNORED = (
        "The model was trained with augmentation, but no attack that takes it into "
        "account was run: 'logan_augmented' does, which needs the discriminator, and "
        "those with shadow models."
    )
    COMBINATION_IGNORED = (
        "The model was trained with mixup and augmentation; each attack takes one of "
        "them into account, none both."
    )
    BELOW_CHANCE = (
        "{attack} scores non-members higher than members. That is no extra privacy: "
        "look for a difference between the two sets, or an attacker could use the "
        "scores the other way round."
    )
    DAMAGED_SCORES = (
        "The kept scores of {attack!r} were damaged and not used; the attack was run "
        "again."
    )
    NULL_TARGET_NOT_ATTACKED = "{null_target}"
    NULL_TARGET_DEVIATES = (
        "Members and non-members differ also on the null target, which saw neither: "
        "{attacks}. Until it is known why, these attacks are no evidence of a leak. "
        "Look for a difference between the two sets, and for members among the images "
        "that the null target was trained on."
    )
    FEW_SHADOWS = "{shadows}"
    LESS_GRANTED = (
        "Only {granted} could be attacked: what {asked} would tell is unknown. Pass "
        "the model itself to learn it."
    )
    EPSILON_EXCEEDED = (
        "The attacks prove an epsilon of at least {below} where the accounting of "
        "the training claims {above}: the guarantee does not hold as it was "
        "stated, or membership was not decided by fair coins."
    )


_IGNORED = {
    "mixup": Concern.MIXUP_IGNORED,
    "augment": Concern.AUGMENTATION_IGNORED,
    "both": Concern.COMBINATION_IGNORED,
}


@dataclass(frozen=True)
class Caution:
    """A concern with its figures; as a string one or two sentences."""

    concern: Concern
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.concern.value).format(**self.values)


def cautions(report: AuditReport) -> Iterator[Caution]:
    """What weakens the conclusions of an audit."""
    done, num_attacks = report.done, max(1, len(report.done))
    proven, privacy = report.verdicts.values(), report.privacy
    below = max(found.epsilon or 0.0 for found in proven)
    if privacy is not None and below > privacy.epsilon:
        values: dict[str, Any] = {
            "below": at_least(below),
            "above": upper_text(privacy.epsilon),
        }
        yield Caution(Concern.EPSILON_EXCEEDED, values)
    members, non_members = report.num_members, report.num_non_members
    blind, null = report.blind, report.null_target
    if blind is not None and blind.is_shifted:
        area = with_interval(blind.auc, blind.interval)
        yield Caution(Concern.SHIFTED_PARTS, {"area": area})
    if report.detectable_auc > LOW_POWER_AUC:
        values = {
            "members": members,
            "non_members": non_members,
            "smallest": report.detectable_auc,
            "with_more": detectable_auc(1000, 1000, num_attacks),
        }
        yield Caution(Concern.FEW_QUERIES, values)
    if report.fast:
        values = {"queries": NUM_QUERIES, "samples": NUM_SAMPLES}
        yield Caution(Concern.FIRST_LOOK, values)
    if non_members < 100:
        yield Caution(Concern.FEW_NON_MEMBERS, {"non_members": non_members})
    if (copies := report.copies) is not None and copies.num_samples < _MANY_SAMPLES:
        yield Caution(Concern.FEW_SAMPLES, {"samples": copies.num_samples})
    for part in ("members", "non_members"):
        if number := report.duplicates[part]:
            where = {"number": number, "part": part.replace("_", "-")}
            yield Caution(Concern.DUPLICATES, where)
    for defense in report.ignored_defenses:
        yield Caution(_IGNORED[defense])
    for result in done:
        if family_interval(result, num_attacks)[1] < 0.5:
            yield Caution(Concern.BELOW_CHANCE, {"attack": result.title})
    for name in report.damaged:
        yield Caution(Concern.DAMAGED_SCORES, {"attack": name})
    if null is not None and not null.areas:
        yield Caution(Concern.NULL_TARGET_NOT_ATTACKED, {"null_target": null})
    if null is not None and null.deviating:
        found = [f"{each.title} (AUC {each.auc:.3f})" for each in null.deviating]
        yield Caution(Concern.NULL_TARGET_DEVIATES, {"attacks": ", ".join(found)})
    if (shadow_images := report.shadow_images) is not None:
        inside = members + len(report.canary_kinds[0])
        if abs(shadow_images / inside - 1) > _OTHER_SIZE:
            values = {"shadows": shadow_images, "members": inside}
            yield Caution(Concern.SHADOW_SIZES, values)
    if report.shadow_caution is not None:
        yield Caution(Concern.FEW_SHADOWS, {"shadows": report.shadow_caution})
    if report.release is not report.asked_release:
        asked = {"granted": report.release, "asked": report.asked_release}
        yield Caution(Concern.LESS_GRANTED, asked)
