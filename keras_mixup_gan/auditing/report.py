"""The report of an audit, as data: what every attack and every check found."""

import datetime
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.release import Release
from keras_mixup_gan.auditing import advice, concerns, text
from keras_mixup_gan.auditing.canaries import CanaryExposure, Kinds, exposed_canaries
from keras_mixup_gan.auditing.concerns import Caution
from keras_mixup_gan.auditing.controls import BlindBaseline, NullTarget
from keras_mixup_gan.auditing.copies import CopyCheck
from keras_mixup_gan.auditing.copying import CopyingPanel
from keras_mixup_gan.auditing.results import (
    CONFIDENCE,
    TARGET_FPR,
    AttackEntry,
    AttackResult,
    point_to_dict,
)
from keras_mixup_gan.auditing.verdict import AuditVerdict, judge
from keras_mixup_gan.privacy.accounting import PrivacyReport
from keras_mixup_gan.statistics.epsilon_bounds import epsilon_one_run
from keras_mixup_gan.statistics.held_out import HeldOutStrongest, strongest_held_out
from keras_mixup_gan.statistics.leaks import ERROR_RATE
from keras_mixup_gan.statistics.power import (
    SetInference,
    detectable_auc,
    num_needed,
    set_inference,
)
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_choice
from keras_mixup_gan.versions import software_versions

SCHEMA_VERSION = 3
_QUERIED = ("members", "non_members")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AuditReport:
    """The outcome of an audit: what each attack learned about who was a member.

    `print(report)` shows the table, `report["logan"].auc` is a number, and
    `keras_mixup_gan.reports.save_audit` writes a page or keeps the raw scores.

    Attributes:
        attacks: Results, most threatening first, then skipped and failed attacks.
        num_reference: Number of reference images the attacker had.
        access: What the attacker could touch.
        asked_release: What the report was asked to speak of.
        mixup: Settings of the mixup that the attacker knew of, if any.
        augment: The policy of augmentation that the attacker knew of, if any.
        ignored_defenses: Defenses that the attacker knew of and that no attack which
            ran takes into account, of `"mixup"`, `"augment"` and `"both"`.
        privacy: The guarantee of a training by DP-SGD.
        coins: Whether a fair coin of its own decided whether an image was a member.
        num_steps: Training steps of the model, where it counts them.
        split_hash: SHA-256 over members, non-members and reference.
        model_hash: SHA-256 that the model is recognized by, where it has one.
        duplicates: Number of images of each part that repeat another of that part;
            between parts there are none, or the audit would have been refused.
        damaged: Names of attacks that were run again because their kept scores were
            damaged.
        shadow_caution: What so few shadow models cannot show, if any were used.
        shadow_images: On how many images, on average, a shadow model was trained that
            was trained for this audit.
        copies: Which members are copied by generated images, if there were any.
        copying: How generated images lie to members: diagnosis, no evidence.
        blind: What the pixels tell without the model, if that was measured.
        null_target: What the same attacks find on a model that saw neither members nor
            non-members, if one was given.
        member_images: The images of the members, for pages that show them.
        canary_kinds: The kinds of the canaries that were trained on, and of those that
            were not, in the order of their scores; no other figure counts them.
        member_names: Their file names, for pages; set it by `dataclasses.replace`.
        model_file: Where the model lies, for pages; likewise.
        fast: Whether this was a first look, by fewer attacks, queries and samples.
        date: The day of the audit.
    """

    model: str
    attacks: tuple[AttackEntry, ...]
    num_members: int
    num_non_members: int
    num_reference: int
    image_shape: tuple[int, ...]
    access: tuple[str, ...]
    asked_release: Release
    mixup: dict[str, Any] | None
    augment: str | None
    ignored_defenses: tuple[str, ...]
    privacy: PrivacyReport | None
    coins: bool
    num_steps: int | None
    seed: int
    split_hash: str
    model_hash: str | None
    duplicates: dict[str, int]
    damaged: tuple[str, ...]
    shadow_caution: str | None
    copies: CopyCheck | None
    blind: BlindBaseline | None
    null_target: NullTarget | None
    member_images: FloatArray
    copying: CopyingPanel | None = None
    canary_kinds: Kinds = ((), ())
    shadow_images: float | None = None
    member_names: tuple[str, ...] | None = None
    model_file: str | None = None
    fast: bool = False
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())
    versions: dict[str, str] = field(default_factory=software_versions)

    @property
    def done(self) -> tuple[AttackResult, ...]:
        """The results of the attacks that ran."""
        return tuple(each for each in self.attacks if isinstance(each, AttackResult))

    @property
    def release(self) -> Release:
        """What the report speaks of: what was asked for, or less if less is granted."""
        granted = Release.least_for(self.access)
        asked = self.asked_release
        return asked if granted.covers(asked) else granted

    @property
    def strongest(self) -> AttackResult | None:
        """The most threatening attack that the release is enough for."""
        return next(iter(self.enough_for(self.release)), None)

    @property
    def strongest_held_out(self) -> HeldOutStrongest | None:
        """The same, chosen on half of the queries and judged on the rest.

        `strongest` is the best of several on the same queries and so looks better
        than it is; this one does not.
        """
        return self._held_out()

    @property
    def detectable_auc(self) -> float:
        """The smallest AUC that an audit of this size finds in four of five cases."""
        num_attacks = max(1, len(self.done))
        return detectable_auc(self.num_members, self.num_non_members, num_attacks)

    @cached_property
    def verdicts(self) -> dict[Release, AuditVerdict]:
        """What an attacker reaches by what he is given; the least first."""
        granted = Release.least_for(self.access)
        return {
            release: judge(
                release,
                self.enough_for(release) if granted.covers(release) else (),
                len(self.done),
                self._held_out(release),
                self.blind,
                self.copies,
                self._epsilon(release),
            )
            for release in Release
        }

    @property
    def verdict(self) -> AuditVerdict:
        """The outcome for the release that is asked for; as a string one sentence."""
        return self.verdicts[self.release]

    @cached_property
    def canaries(self) -> tuple[CanaryExposure, ...]:
        """What the release tells of canaries: of all of them, then by kind."""
        return exposed_canaries(self.enough_for(self.release), self.canary_kinds)

    @cached_property
    def set_inference(self) -> SetInference | None:
        """Whether the members as a set are recognized, by all attacks of the release.

        The p-value is corrected for the number of attacks. The number of images that
        are needed is of the attack whose AUC is the largest on one half of the images,
        by its AUC on the other. `None` where pixels alone tell the parts apart.
        """
        found, held_out = self.enough_for(self.release), self._held_out(by_area=True)
        if held_out is None or (self.blind is not None and self.blind.is_shifted):
            return None
        pairs = [(each.member_scores, each.non_member_scores) for each in found]
        tests = [set_inference(*pair, num_tests=len(found)) for pair in pairs]
        least = min(test.p_value for test in tests)
        return SetInference(least, num_needed(held_out.auc))

    @property
    def delta(self) -> float:
        """The delta of epsilon from above and from below."""
        if self.privacy is not None:
            return self.privacy.delta
        return min(1e-5, 0.1 / self.num_members)

    @cached_property
    def warnings(self) -> tuple[Caution, ...]:
        """What weakens the conclusions; each is a sentence as a string."""
        return tuple(concerns.cautions(self))

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the numbers do not say."""
        untested = () if self.null_target is not None else (concerns.NO_NULL_TARGET,)
        return (*concerns.CAVEATS, *untested)

    @cached_property
    def advice(self) -> tuple[str, ...]:
        """What to do next, the most urgent first."""
        return tuple(advice.next_steps(self))

    def enough_for(self, release: Release) -> tuple[AttackResult, ...]:
        """The attacks that ran and need no more than this release."""
        return tuple(each for each in self.done if release.covers(each.release))

    def _held_out(
        self, release: Release | None = None, *, by_area: bool = False
    ) -> HeldOutStrongest | None:
        scores = {
            result.name: (result.member_scores, result.non_member_scores)
            for result in self.enough_for(release or self.release)
        }
        if not scores:
            return None
        return strongest_held_out(
            scores, TARGET_FPR, CONFIDENCE, self.seed, by_area=by_area
        )

    def _epsilon(self, release: Release) -> float | None:
        """Lower bound on epsilon by all attacks, corrected for all of the report."""
        if not self.coins and not all(self.canary_kinds):
            return None
        if self.coins and any(self.duplicates[part] for part in _QUERIED):
            return None  # copies of one image had no coins of their own
        found = (self._bounds[each.name] for each in self.enough_for(release))
        return max(found, default=None)

    @cached_property
    def _bounds(self) -> dict[str, float]:
        error = ERROR_RATE / max(1, len(self.done))
        return {
            each.name: epsilon_one_run(
                *self._by_coins(each),
                delta=self.delta,
                significance=error,
                seed=self.seed,
            )
            for each in self.done
        }

    def _by_coins(self, result: AttackResult) -> tuple[FloatArray, FloatArray]:
        """The scores of what coins decided on: all images, or canaries alone."""
        pair = result.member_scores, result.non_member_scores
        canaries = result.canary_scores
        if canaries is None:
            return pair
        if not self.coins:
            return canaries
        inside, outside = map(np.concatenate, zip(pair, canaries, strict=True))
        return inside, outside

    def __getitem__(self, name: str) -> AttackEntry:
        entries = {entry.name: entry for entry in self.attacks}
        check_choice(name, entries, "name")
        return entries[name]

    def __str__(self) -> str:
        """Plain text, about 90 columns wide, with everything that counts."""
        return text.as_text(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return text.as_html(self)

    def __repr__(self) -> str:
        return (
            f"AuditReport(model={self.model!r}, attacks={len(self.attacks)}, "
            f"members={self.num_members}, non_members={self.num_non_members})"
        )

    def raw_scores(self) -> dict[str, FloatArray]:
        """Arrays `"<attack>/members"` and `"<attack>/non_members"` of what ran."""
        arrays = {}
        for result in self.done:
            arrays[f"{result.name}/members"] = result.member_scores
            arrays[f"{result.name}/non_members"] = result.non_member_scores
        return arrays

    def to_dict(self) -> dict[str, Any]:
        """Returns the report without raw scores, as plain JSON values.

        `"schema_version"` rises whenever a key changes its meaning or goes away. Same
        seed, same machine: the same values, apart from `"seconds"`.
        """
        blind, null, held_out = self.blind, self.null_target, self.strongest_held_out
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "audit",
            "model": self.model,
            "release": self.release.value,
            "leak": self.verdict.leak.name.lower(),
            "verdict": str(self.verdict),
            "releases": {
                release.value: _verdict_to_dict(found)
                for release, found in self.verdicts.items()
            },
            "copies": self.copies and self.copies.to_dict(),
            "privacy": self.privacy and _privacy_to_dict(self.privacy),
            "coins": self.coins,
            "set_inference": self.set_inference and asdict(self.set_inference),
            "copying": self.copying and asdict(self.copying),
            "canaries": [
                {**asdict(each), "found": each.found} for each in self.canaries
            ],
            "advice": list(self.advice),
            "warnings": [str(warning) for warning in self.warnings],
            "caveats": list(self.caveats),
            "members": self.num_members,
            "non_members": self.num_non_members,
            "reference": self.num_reference,
            "image_shape": list(self.image_shape),
            "access": list(self.access),
            "mixup": self.mixup,
            "augment": self.augment,
            "date": self.date,
            "model_file": self.model_file,
            "num_steps": self.num_steps,
            "seed": self.seed,
            "split_hash": self.split_hash,
            "model_hash": self.model_hash,
            "duplicates": self.duplicates,
            "blind": blind and {"auc": blind.auc, "auc_ci": list(blind.interval)},
            "null_target": null and null.to_dict(),
            "detectable_auc": self.detectable_auc,
            "strongest_held_out": held_out
            and {
                "attack": held_out.name,
                "auc": held_out.auc,
                "auc_ci": list(held_out.interval),
                "tpr_at_fpr": point_to_dict(held_out.operating_point),
            },
            "confidence": CONFIDENCE,
            "attacks": {entry.name: entry.to_dict() for entry in self.attacks},
            "versions": self.versions,
        }


def _verdict_to_dict(found: AuditVerdict) -> dict[str, Any]:
    """Plain JSON values of what one release gives away."""
    return {
        "leak": found.leak.name.lower(),
        "attack": found.attack or None,
        "num_attacks": found.num_attacks,
        "auc": found.auc if found.point else None,
        "auc_ci": list(found.interval) if found.point else None,
        "tpr_at_fpr": found.point and point_to_dict(found.point),
        "epsilon_from_below": found.epsilon,
        "verdict": str(found),
    }


def _privacy_to_dict(privacy: PrivacyReport) -> dict[str, Any]:
    """Plain JSON values of a guarantee."""
    return {
        "epsilon": privacy.epsilon,
        "delta": privacy.delta,
        "auc_bound": privacy.auc_bound,
        "tpr_bound": {"fpr": TARGET_FPR, "tpr": privacy.tpr_bound(TARGET_FPR)},
        "not_covered": list(privacy.not_covered),
    }
