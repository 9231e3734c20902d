"""What each attack of an audit found, as data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, Self

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.release import Release
from keras_mixup_gan.statistics.held_out import (
    Advantage,
    cross_fitted_advantage,
)
from keras_mixup_gan.statistics.leaks import threat
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

    @property
    def release(self) -> Release:
        """The least that must be given away for the attack to be made."""
        return Release.least_for(self.requires)

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
            "release": self.release.value,
            "settings": self.settings,
            "paper": self.paper,
            "seconds": self.seconds,
        }


class NothingRanError(ValueError):
    """An audit of which no attack ran to its end; `entries` say why, one each."""

    def __init__(self, entries: Sequence[AttackEntry]) -> None:
        self.entries = tuple(entries)
        titles: dict[str, str] = {}
        for entry in sorted(entries, key=lambda entry: entry.status != "failed"):
            titles.setdefault(entry.reason, entry.title)
        listed = [f"{title}: {reason}" for reason, title in titles.items()]
        why = "; ".join(listed[:3])
        super().__init__(
            "No attack could be run, so that nothing is known of the model. Expected "
            f"at least one that runs to its end. Received: {len(entries)} skipped or "
            f"failed ones ({why}). Mend what the first of them says, or ask for other "
            "attacks."
        )


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
        canary_scores: Scores of the canaries that were trained on and of those that
            were not, which count in nothing else here; `None` without canaries.
    """

    member_scores: FloatArray = field(repr=False)
    non_member_scores: FloatArray = field(repr=False)
    auc: float
    auc_interval: tuple[float, float]
    operating_point: OperatingPoint
    other_points: tuple[OperatingPoint | WithheldPoint, ...]
    advantage: Advantage
    num_queries: dict[str, int]
    canary_scores: tuple[FloatArray, FloatArray] | None = field(
        default=None, repr=False
    )

    @cached_property
    def threat(self) -> float:
        """What it reaches at least, by the worse of AUC and members found, as an AUC.

        Attacks are ordered by it; .5 for one that is not above chance.
        """
        return threat(self.auc_interval, self.operating_point, CONFIDENCE)

    @classmethod
    def from_scores(
        cls,
        name: str,
        attack: Attack,
        scores: Scores,
        seed: int,
        num_canaries: tuple[int, int] = (0, 0),
    ) -> Self:
        """Every statistic of at least 2 scores a side; the seed draws halves.

        The last scores of either side are those of so many canaries.
        """
        sides = scores.members, scores.non_members
        ends = [len(s) - n for s, n in zip(sides, num_canaries, strict=True)]
        pair = sides[0][: ends[0]], sides[1][: ends[1]]
        canaries = sides[0][ends[0] :], sides[1][ends[1] :]
        return cls(
            **_description(name, attack, scores.settings),
            status="done",
            seconds=scores.seconds,
            member_scores=pair[0],
            non_member_scores=pair[1],
            canary_scores=canaries if any(num_canaries) else None,
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
            "tpr_at_fpr": point_to_dict(point),
            "tpr_at_other_fprs": [point_to_dict(point) for point in self.other_points],
            "advantage": {**asdict(self.advantage), "interval": interval},
            "n": {"members": point.num_members, "non_members": point.num_non_members},
            "num_queries": self.num_queries,
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
