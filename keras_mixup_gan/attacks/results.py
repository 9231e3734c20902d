"""What an audit returns: one result for each attack, and the report of them all."""

import contextlib
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from keras_mixup_gan.attacks import verdict
from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.statistics import (
    OperatingPoint,
    auc,
    delong_interval,
    tpr_at_fpr,
)
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_choice

SCHEMA_VERSION = 1
TARGET_FPR = 0.01
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

    @classmethod
    def from_scores(
        cls,
        attack: Attack,
        member_scores: FloatArray,
        non_member_scores: FloatArray,
        seconds: float,
        name: str | None = None,
    ) -> Self:
        """Evaluates the scores of an attack that ran."""
        scores = (member_scores, non_member_scores)
        return cls(
            name=name or attack.name,
            title=attack.title,
            requires=tuple(sorted(attack.requires)),
            paper=attack.paper,
            settings=attack.settings,
            status="done",
            seconds=seconds,
            member_scores=member_scores,
            non_member_scores=non_member_scores,
            auc=auc(*scores),
            auc_interval=delong_interval(*scores, CONFIDENCE),
            operating_point=tpr_at_fpr(*scores, TARGET_FPR, CONFIDENCE),
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
            name=name or attack.name,
            title=attack.title,
            requires=tuple(sorted(attack.requires)),
            paper=attack.paper,
            settings=attack.settings,
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
            "auc_ci": None if self.auc_interval is None else list(self.auc_interval),
            "tpr_at_fpr": None if point is None else _point_to_dict(point),
            "n": None
            if point is None
            else {"members": point.num_members, "non_members": point.num_non_members},
            "requires": list(self.requires),
            "settings": self.settings,
            "paper": self.paper,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, eq=False, repr=False)
class AuditReport:
    """The outcome of an audit: what each attack learned about who was a member.

    `print(report)` shows the table, `report["logan"].auc` is a number, `save` writes a
    page, and `save_scores` keeps the raw scores.

    Attributes:
        model: What was attacked.
        attacks: Results, most threatening first, then skipped and failed attacks.
        num_members: Number of members queried.
        num_non_members: Number of non-members queried.
        num_reference: Number of outside images the attacker had.
        image_shape: `(height, width, channels)` of the images.
        access: What the attacker could touch.
        mixup: Settings of the defence that the attacker knew of, if any.
        seed: Seed of the attacks.
        split_hash: SHA-256 over members, non-members and reference.
        warnings: Sentences about what weakens the conclusions.
        versions: Versions of the software that produced the numbers.
    """

    model: str
    attacks: tuple[AttackResult, ...]
    num_members: int
    num_non_members: int
    num_reference: int
    image_shape: tuple[int, ...]
    access: tuple[str, ...]
    mixup: dict[str, Any] | None
    seed: int
    split_hash: str
    warnings: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=lambda: software_versions())

    @property
    def done(self) -> tuple[AttackResult, ...]:
        """The results of the attacks that ran."""
        return tuple(result for result in self.attacks if result.status == "done")

    @property
    def strongest(self) -> AttackResult | None:
        """The attack with the largest AUC."""
        return self.done[0] if self.done else None

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        return verdict.sentence(self.done)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the numbers do not say."""
        return verdict.CAVEATS

    def __getitem__(self, name: str) -> AttackResult:
        results = {result.name: result for result in self.attacks}
        check_choice(name, results, "name")
        return results[name]

    def __str__(self) -> str:
        from keras_mixup_gan.reports.audit_report import to_text

        return to_text(self)

    def __repr__(self) -> str:
        return (
            f"AuditReport(model={self.model!r}, attacks={len(self.attacks)}, "
            f"members={self.num_members}, non_members={self.num_non_members})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the report without raw scores, as plain JSON values.

        `"schema_version"` rises whenever a key changes its meaning or goes away. Same
        seed, same machine: the same values, apart from `"seconds"`.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "audit",
            "model": self.model,
            "verdict": self.verdict,
            "warnings": list(self.warnings),
            "caveats": list(self.caveats),
            "members": self.num_members,
            "non_members": self.num_non_members,
            "reference": self.num_reference,
            "image_shape": list(self.image_shape),
            "access": list(self.access),
            "mixup": self.mixup,
            "seed": self.seed,
            "split_hash": self.split_hash,
            "confidence": CONFIDENCE,
            "attacks": {result.name: result.to_dict() for result in self.attacks},
            "versions": self.versions,
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the report; the suffix of `path` says in which form.

        Args:
            path: `.html` for one self-contained page, `.md` for its Markdown twin,
                `.json` for `to_dict()`. Missing folders are made.

        Returns:
            The path.

        Raises:
            ValueError: If the suffix is another one, or the file cannot be written.
            ImportError: If a page is asked for and the `report` extra is missing.
        """
        from keras_mixup_gan.reports import audit_report, render

        writers: dict[str, Callable[[AuditReport], str]] = {
            ".html": audit_report.to_html,
            ".md": audit_report.to_markdown,
            ".json": lambda report: json.dumps(report.to_dict(), indent=2) + "\n",
        }
        path = Path(path)
        if path.suffix == ".npz":
            return self.save_scores(path)
        render.check_suffix(path, (*writers, ".npz"))
        return render.write_file(path, writers[path.suffix](self).encode())

    def save_scores(self, path: str | os.PathLike[str]) -> Path:
        """Writes the raw scores of every attack that ran.

        Args:
            path: An `.npz` file, read back by `numpy.load`. Its arrays are called
                `"<attack>/members"` and `"<attack>/non_members"`, in the order in
                which the images were given.

        Returns:
            The path.

        Raises:
            ValueError: If the suffix is another one, or the file cannot be written.
        """
        from keras_mixup_gan.reports import render

        path = Path(path)
        render.check_suffix(path, (".npz",))
        arrays: dict[str, Any] = {"split_hash": np.array(self.split_hash)}
        for result in self.done:
            arrays[f"{result.name}/members"] = result.member_scores
            arrays[f"{result.name}/non_members"] = result.non_member_scores
        return render.write_arrays(path, arrays)


def software_versions() -> dict[str, str]:
    """Versions of the software that numbers may depend on, where installed."""
    from keras_mixup_gan import __version__

    versions = {"keras_mixup_gan": __version__, "python": platform.python_version()}
    for package in ("keras", "numpy", "scipy", "tensorflow"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _point_to_dict(point: OperatingPoint) -> dict[str, Any]:
    return {
        "fpr": point.target_fpr,
        "tpr": point.tpr,
        "tpr_ci": list(point.tpr_interval),
        "realised_fpr": point.realised_fpr,
        "threshold": point.threshold,
        "true_positives": point.true_positives,
        "false_positives": point.false_positives,
    }
