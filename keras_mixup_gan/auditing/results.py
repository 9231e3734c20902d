"""What an audit returns, as data: one result for each attack, and the report."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, Self

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.auditing import verdict
from keras_mixup_gan.auditing.controls import BlindBaseline, NullTarget
from keras_mixup_gan.auditing.verdict import AuditVerdict, Caution
from keras_mixup_gan.statistics.held_out import (
    Advantage,
    HeldOutStrongest,
    cross_fitted_advantage,
    strongest_held_out,
)
from keras_mixup_gan.statistics.power import detectable_auc
from keras_mixup_gan.statistics.roc import (
    OperatingPoint,
    WithheldPoint,
    auc,
    delong_interval,
    operating_points,
    tpr_at_fpr,
)
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_choice
from keras_mixup_gan.versions import software_versions

SCHEMA_VERSION = 2
TARGET_FPR = 0.01
OTHER_FPRS = (0.1, 0.001)
CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Scores:
    """What an attack that ran leaves behind: all that its result is computed from."""

    members: FloatArray
    non_members: FloatArray
    seconds: float
    settings: dict[str, Any]
    num_queries: dict[str, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class AttackEntry:
    """An attack of a report; of this class itself if it was skipped or failed.

    Attributes:
        name: Key of the attack in the report; `title` is what pages show.
        requires: Names of the accesses that the attack needs.
        settings: The settings that the scores depend on.
        status: `"done"`, for which see `AttackResult`; `"skipped"` where the target
            does not grant an access; `"failed"` where the attack raised an error.
        reason: Why the attack was skipped or failed.
        seconds: Time it took to fit and score.
    """

    name: str
    title: str
    requires: tuple[str, ...]
    paper: str
    settings: dict[str, Any]
    status: Literal["done", "skipped", "failed"]
    reason: str = ""
    seconds: float = 0.0
    auc: float | None = None
    auc_interval: tuple[float, float] | None = None
    operating_point: OperatingPoint | None = None

    @classmethod
    def not_run(
        cls,
        name: str,
        attack: Attack,
        status: Literal["skipped", "failed"],
        reason: str,
        seconds: float = 0.0,
    ) -> Self:
        """An entry for an attack that was skipped or failed."""
        settings = plain_settings(attack.settings)
        about = _description(name, attack, settings)
        return cls(**about, status=status, reason=reason, seconds=seconds)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; statistics are null where the attack did not run."""
        return {
            "name": self.name,
            "title": self.title,
            "status": self.status,
            "reason": self.reason,
            "auc": self.auc,
            "auc_ci": None,
            "tpr_at_fpr": None,
            "tpr_at_other_fprs": [],
            "advantage": None,
            "n": None,
            "num_queries": {},
            "requires": list(self.requires),
            "settings": self.settings,
            "paper": self.paper,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class AttackResult(AttackEntry):
    """What an attack that ran achieved.

    Attributes:
        member_scores: Float64 scores of the members, in the order they were given.
        non_member_scores: The same for the non-members.
        auc: Area under the ROC curve, ties counted one half.
        auc_interval: DeLong interval of `auc`.
        operating_point: True-positive rate at 1 % false positives.
        other_points: The same at 10 % and at .1 %, the latter only where there are
            non-members enough.
        num_queries: What the attack asked of the model: `"samples"` is the number of
            generated images, `"discriminator"` the number of images it scored,
            `"queries"` that of chosen latents.
    """

    member_scores: FloatArray = field(repr=False)
    non_member_scores: FloatArray = field(repr=False)
    auc: float
    auc_interval: tuple[float, float]
    operating_point: OperatingPoint
    other_points: tuple[OperatingPoint | WithheldPoint, ...]
    advantage: Advantage
    num_queries: dict[str, int]

    @classmethod
    def from_scores(cls, name: str, attack: Attack, scores: Scores, seed: int) -> Self:
        """Every statistic of at least 2 scores a side; the seed draws halves."""
        pair = scores.members, scores.non_members
        return cls(
            **_description(name, attack, scores.settings),
            status="done",
            seconds=scores.seconds,
            member_scores=scores.members,
            non_member_scores=scores.non_members,
            auc=auc(*pair),
            auc_interval=delong_interval(*pair, CONFIDENCE),
            operating_point=tpr_at_fpr(*pair, TARGET_FPR, CONFIDENCE),
            other_points=operating_points(*pair, OTHER_FPRS, CONFIDENCE),
            advantage=cross_fitted_advantage(*pair, CONFIDENCE, seed),
            num_queries=scores.num_queries,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        point = self.operating_point
        interval = list(self.advantage.interval)
        return {
            **super().to_dict(),
            "auc_ci": list(self.auc_interval),
            "tpr_at_fpr": _point_to_dict(point),
            "tpr_at_other_fprs": [_point_to_dict(point) for point in self.other_points],
            "advantage": {**asdict(self.advantage), "interval": interval},
            "n": {"members": point.num_members, "non_members": point.num_non_members},
            "num_queries": self.num_queries,
        }


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AuditReport:
    """The outcome of an audit: what each attack learned about who was a member.

    `print(report)` shows the table, `report["logan"].auc` is a number, and
    `keras_mixup_gan.reports.save_audit` writes a page or keeps the raw scores.

    Attributes:
        attacks: Results, most threatening first, then skipped and failed attacks.
        num_reference: Number of reference images the attacker had.
        access: What the attacker could touch.
        mixup: Settings of the mixup that the attacker knew of, if any.
        ignored_defenses: Defenses that the attacker knew of and that no attack which
            ran takes into account, of `"mixup"`, `"augment"` and `"both"`.
        split_hash: SHA-256 over members, non-members and reference.
        model_hash: SHA-256 that the model is recognized by, where it has one.
        duplicates: Number of images of each part that repeat another of that part;
            between parts there are none, or the audit would have been refused.
        damaged: Names of attacks that were run again because their kept scores were
            damaged.
        shadow_caution: What so few shadow models cannot show, if any were used.
        blind: What the pixels tell without the model, if that was measured.
        null_target: What the same attacks find on a model that saw neither members nor
            non-members, if one was given.
        member_images: The images of the members, for pages that show them.
    """

    model: str
    attacks: tuple[AttackEntry, ...]
    num_members: int
    num_non_members: int
    num_reference: int
    image_shape: tuple[int, ...]
    access: tuple[str, ...]
    mixup: dict[str, Any] | None
    ignored_defenses: tuple[str, ...]
    seed: int
    split_hash: str
    model_hash: str | None
    duplicates: dict[str, int]
    damaged: tuple[str, ...]
    shadow_caution: str | None
    blind: BlindBaseline | None
    null_target: NullTarget | None
    member_images: FloatArray
    versions: dict[str, str] = field(default_factory=software_versions)

    @property
    def done(self) -> tuple[AttackResult, ...]:
        """The results of the attacks that ran."""
        return tuple(each for each in self.attacks if isinstance(each, AttackResult))

    @property
    def strongest(self) -> AttackResult | None:
        """The attack with the largest AUC."""
        return self.done[0] if self.done else None

    @cached_property
    def strongest_held_out(self) -> HeldOutStrongest | None:
        """The strongest attack, chosen on half of the queries and judged on the rest.

        `strongest` is the best of several on the same queries and so looks better
        than it is; this one does not.
        """
        if not self.done:
            return None
        scores = {
            result.name: (result.member_scores, result.non_member_scores)
            for result in self.done
        }
        return strongest_held_out(scores, TARGET_FPR, CONFIDENCE, self.seed)

    @property
    def detectable_auc(self) -> float:
        """The smallest AUC that an audit of this size finds in four of five cases."""
        num_attacks = max(1, len(self.done))
        return detectable_auc(self.num_members, self.num_non_members, num_attacks)

    @cached_property
    def verdict(self) -> AuditVerdict:
        """The outcome; as a string one sentence."""
        return verdict.judge(self.done, self.strongest_held_out, self.blind)

    @cached_property
    def warnings(self) -> tuple[Caution, ...]:
        """What weakens the conclusions; each is a sentence as a string."""
        return tuple(verdict.cautions(self))

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the numbers do not say."""
        untested = () if self.null_target is not None else (verdict.NO_NULL_TARGET,)
        return (*verdict.CAVEATS, *untested)

    def __getitem__(self, name: str) -> AttackEntry:
        entries = {entry.name: entry for entry in self.attacks}
        check_choice(name, entries, "name")
        return entries[name]

    def __str__(self) -> str:
        """A table of plain text, about 90 columns wide, with everything that counts."""
        columns = f"AUC [{CONFIDENCE:.0%}]", f"TPR at {TARGET_FPR:.0%} FPR", "FPR"
        rows = [("attack", *columns), *map(_row, self.done)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, tuple("-" * width for width in widths))
        table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        facts = [f"Smallest AUC that this audit can detect: {self.detectable_auc:.3f}."]
        if self.null_target is not None:
            facts.insert(0, str(self.null_target))
        if self.blind is not None:
            area = verdict.with_interval(self.blind.auc, self.blind.interval)
            facts.insert(0, f"Without any model, from the pixels alone: AUC {area}.")
        lines = [
            f"Audit of {self.model}: {self.num_members} members, "
            f"{self.num_non_members} non-members, {self.num_reference} reference "
            f"images, seed {self.seed}",
            "",
            *table,
            *(
                f"{entry.title}: {entry.status}. {entry.reason}"
                for entry in self.attacks
                if entry.status != "done"
            ),
            "",
            *facts,
            "",
            str(self.verdict),
            *(f"Warning: {warning}" for warning in self.warnings),
            "",
            *(f"* {caveat}" for caveat in self.caveats),
        ]
        return "\n".join(lines)

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
            "leak": self.verdict.leak.name.lower(),
            "verdict": str(self.verdict),
            "warnings": [str(warning) for warning in self.warnings],
            "caveats": list(self.caveats),
            "members": self.num_members,
            "non_members": self.num_non_members,
            "reference": self.num_reference,
            "image_shape": list(self.image_shape),
            "access": list(self.access),
            "mixup": self.mixup,
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
                "tpr_at_fpr": _point_to_dict(held_out.operating_point),
            },
            "confidence": CONFIDENCE,
            "attacks": {entry.name: entry.to_dict() for entry in self.attacks},
            "versions": self.versions,
        }


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON has them, whatever an attack of one's own puts into them."""
    return dict(json.loads(json.dumps(dict(settings), default=str)))


def _description(name: str, attack: Attack, settings: dict[str, Any]) -> dict[str, Any]:
    """The fields that say which attack this is."""
    return {
        "name": name,
        "title": attack.title,
        "requires": tuple(sorted(attack.requires)),
        "paper": attack.paper,
        "settings": settings,
    }


def _row(result: AttackResult) -> tuple[str, ...]:
    """A result in the table of plain text."""
    point = result.operating_point
    return (
        result.title,
        verdict.with_interval(result.auc, result.auc_interval),
        verdict.percent_with_interval(point.tpr, point.tpr_interval),
        f"{100 * point.realized_fpr:.1f} %",
    )


def _point_to_dict(point: OperatingPoint | WithheldPoint) -> dict[str, Any]:
    """Plain JSON values of an operating point, or why there is none."""
    if isinstance(point, WithheldPoint):
        return {"fpr": point.target_fpr, "tpr": None, "withheld": point.reason}
    return {
        "fpr": point.target_fpr,
        "tpr": point.tpr,
        "tpr_ci": list(point.tpr_interval),
        "realized_fpr": point.realized_fpr,
        "threshold": point.threshold,
        "true_positives": point.true_positives,
        "false_positives": point.false_positives,
    }
