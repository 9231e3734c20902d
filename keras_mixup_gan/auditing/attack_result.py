"""What one attack achieved: its scores, and every statistic of them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.statistics.held_out import Advantage, cross_fitted_advantage
from keras_mixup_gan.statistics.roc import (
    OperatingPoint,
    WithheldPoint,
    auc,
    delong_interval,
    operating_points,
    tpr_at_fpr,
)
from keras_mixup_gan.typing import FloatArray

TARGET_FPR = 0.01
OTHER_FPRS = (0.1, 0.001)
CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class AttackResult:
    """What one attack achieved, or why it did not run.

    Attributes:
        name: Key of the attack in the report.
        title: Name to show.
        requires: Names of the accesses that the attack needs.
        paper: Where the attack comes from.
        settings: The settings that the scores depend on.
        status: `"done"`; `"skipped"` where the target does not grant an access;
            `"failed"` where the attack raised an error.
        reason: Why the attack was skipped or failed.
        seconds: Time it took to fit and score.
        member_scores: Float64 scores of the members, in the order they were given.
        non_member_scores: The same for the non-members.
        auc: Area under the ROC curve, ties counted one half.
        auc_interval: DeLong interval of `auc`.
        operating_point: True-positive rate at 1 % false positives.
        other_points: The same at 10 % and at .1 %, the latter only where there are
            non-members enough.
        advantage: Advantage and balanced accuracy at thresholds chosen on other
            queries.
        num_queries: What the attack asked of the model, where that was counted:
            `"samples"` is the number of generated images, `"discriminator"` the
            number of images it scored, `"queries"` that of chosen latents.
    """

    name: str
    title: str
    requires: tuple[str, ...]
    paper: str
    settings: dict[str, Any]
    status: Literal["done", "skipped", "failed"]
    reason: str = ""
    seconds: float = 0.0
    member_scores: FloatArray | None = field(default=None, repr=False)
    non_member_scores: FloatArray | None = field(default=None, repr=False)
    auc: float | None = None
    auc_interval: tuple[float, float] | None = None
    operating_point: OperatingPoint | None = None
    other_points: tuple[OperatingPoint | WithheldPoint, ...] = ()
    advantage: Advantage | None = None
    num_queries: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_scores(
        cls,
        attack: Attack,
        member_scores: FloatArray,
        non_member_scores: FloatArray,
        seconds: float,
        name: str | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        num_queries: Mapping[str, int] | None = None,
        seed: int = 0,
    ) -> Self:
        """Evaluates the scores of an attack that ran.

        Args:
            attack: The attack, for its names and settings.
            member_scores: Float64 `(num_members,)`, at least 2.
            non_member_scores: Float64 `(num_non_members,)`, at least 2.
            seconds: Time it took.
            name: Key in the report; by default the attack's name.
            settings: Settings of the attack; by default its present ones.
            num_queries: What it asked of the model.
            seed: Seed of the halves that choose thresholds.
        """
        scores = (member_scores, non_member_scores)
        return cls(
            **_description(attack, name, settings),
            status="done",
            seconds=seconds,
            member_scores=member_scores,
            non_member_scores=non_member_scores,
            auc=auc(*scores),
            auc_interval=delong_interval(*scores, CONFIDENCE),
            operating_point=tpr_at_fpr(*scores, TARGET_FPR, CONFIDENCE),
            other_points=operating_points(*scores, OTHER_FPRS, CONFIDENCE),
            advantage=cross_fitted_advantage(*scores, CONFIDENCE, seed),
            num_queries=dict(num_queries or {}),
        )

    @classmethod
    def without_scores(
        cls,
        attack: Attack,
        status: Literal["skipped", "failed"],
        reason: str,
        seconds: float = 0.0,
        name: str | None = None,
    ) -> Self:
        """An entry for an attack that was skipped or failed."""
        return cls(
            **_description(attack, name, None),
            status=status,
            reason=reason,
            seconds=seconds,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; statistics are null where the attack did not run."""
        point = self.operating_point
        return {
            "name": self.name,
            "title": self.title,
            "status": self.status,
            "reason": self.reason,
            "auc": self.auc,
            "auc_ci": _list(self.auc_interval),
            "tpr_at_fpr": None if point is None else point_to_dict(point),
            "tpr_at_other_fprs": [point_to_dict(point) for point in self.other_points],
            "advantage": None
            if self.advantage is None
            else {**asdict(self.advantage), "interval": _list(self.advantage.interval)},
            "n": None
            if point is None
            else {"members": point.num_members, "non_members": point.num_non_members},
            "num_queries": self.num_queries,
            "requires": list(self.requires),
            "settings": self.settings,
            "paper": self.paper,
            "seconds": self.seconds,
        }


def point_to_dict(point: OperatingPoint | WithheldPoint) -> dict[str, Any]:
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


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON has them, whatever an attack of one's own puts into them."""
    return dict(json.loads(json.dumps(dict(settings), default=str)))


def _description(
    attack: Attack, name: str | None, settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The fields that say which attack this is."""
    return {
        "name": name or attack.name,
        "title": attack.title,
        "requires": tuple(sorted(attack.requires)),
        "paper": attack.paper,
        "settings": plain_settings(attack.settings if settings is None else settings),
    }


def _list(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
