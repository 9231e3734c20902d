"""What an audit returns: one result for each attack, and the report of them all."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.auditing import verdict
from keras_mixup_gan.auditing.attack_result import CONFIDENCE as CONFIDENCE
from keras_mixup_gan.auditing.attack_result import TARGET_FPR as TARGET_FPR
from keras_mixup_gan.auditing.attack_result import AttackResult as AttackResult
from keras_mixup_gan.auditing.attack_result import point_to_dict
from keras_mixup_gan.auditing.guards import BlindBaseline
from keras_mixup_gan.auditing.null_target import NOT_RUN, NullTarget
from keras_mixup_gan.statistics.held_out import HeldOutStrongest, strongest_held_out
from keras_mixup_gan.statistics.power import detectable_auc
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_choice
from keras_mixup_gan.versions import software_versions

SCHEMA_VERSION = 1


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
        mixup: Settings of the defense that the attacker knew of, if any.
        seed: Seed of the attacks.
        split_hash: SHA-256 over members, non-members and reference.
        warnings: Sentences about what weakens the conclusions.
        versions: Versions of the software that produced the numbers.
        model_hash: SHA-256 that the model is recognized by, where it has one.
        duplicates: Number of images of each part that repeat another of that part;
            between parts there are none, or the audit would have been refused.
        blind: What can be told without the model, if that was measured.
        null_target: What the same attacks find on a model that saw neither members nor
            non-members, if one was given.
        member_images: The images of the members, for `save(show_members=True)`.
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
    model_hash: str | None = None
    duplicates: dict[str, int] = field(default_factory=dict)
    blind: BlindBaseline | None = None
    null_target: NullTarget | None = None
    member_images: FloatArray | None = None

    @property
    def done(self) -> tuple[AttackResult, ...]:
        """The results of the attacks that ran."""
        return tuple(result for result in self.attacks if result.status == "done")

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
        scores: dict[str, Any] = {
            result.name: (result.member_scores, result.non_member_scores)
            for result in self.done
        }
        if not scores:
            return None
        return strongest_held_out(scores, TARGET_FPR, CONFIDENCE, self.seed)

    @property
    def detectable_auc(self) -> float:
        """The smallest AUC that an audit of this size finds in four of five cases."""
        return detectable_auc(
            self.num_members, self.num_non_members, max(1, len(self.done))
        )

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        return verdict.sentence(self.done, self.strongest_held_out, self.blind)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the numbers do not say."""
        untested = () if self.null_target is not None else (NOT_RUN,)
        return (*verdict.CAVEATS, *untested)

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
            "model_hash": self.model_hash,
            "duplicates": self.duplicates,
            "blind": None
            if self.blind is None
            else {"auc": self.blind.auc, "auc_ci": list(self.blind.interval)},
            "null_target": None
            if self.null_target is None
            else self.null_target.to_dict(),
            "detectable_auc": self.detectable_auc,
            "strongest_held_out": _held_out_to_dict(self.strongest_held_out),
            "confidence": CONFIDENCE,
            "attacks": {result.name: result.to_dict() for result in self.attacks},
            "versions": self.versions,
        }

    def save(self, path: str | os.PathLike[str], *, show_members: bool = False) -> Path:
        """Writes the report; the suffix of `path` says in which form.

        Args:
            path: `.html` for one self-contained page, `.md` for its Markdown twin,
                `.json` for `to_dict()`, `.npz` for `save_scores`. Missing folders are
                made.
            show_members: Show the most exposed members as pictures on the `.html`
                page. Off by default: they are images of the training set, and whoever
                is given the page is given them.

        Returns:
            The path.

        Raises:
            ValueError: If the suffix is another one, or the file cannot be written.
            ImportError: If a page is asked for and the `report` extra is missing.
        """
        from keras_mixup_gan import storage
        from keras_mixup_gan.reports import audit_report, render

        writers: dict[str, Callable[[AuditReport], str]] = {
            ".html": lambda report: audit_report.to_html(report, show_members),
            ".md": audit_report.to_markdown,
            ".json": lambda report: json.dumps(report.to_dict(), indent=2) + "\n",
        }
        path = Path(path)
        if path.suffix == ".npz":
            return self.save_scores(path)
        render.check_suffix(path, (*writers, ".npz"))
        return storage.write_file(path, writers[path.suffix](self).encode())

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
        from keras_mixup_gan import storage
        from keras_mixup_gan.reports import render

        path = Path(path)
        render.check_suffix(path, (".npz",))
        arrays: dict[str, Any] = {"split_hash": np.array(self.split_hash)}
        for result in self.done:
            arrays[f"{result.name}/members"] = result.member_scores
            arrays[f"{result.name}/non_members"] = result.non_member_scores
        return storage.write_arrays(path, arrays)


def _held_out_to_dict(strongest: HeldOutStrongest | None) -> dict[str, Any] | None:
    if strongest is None:
        return None
    return {
        "attack": strongest.name,
        "auc": strongest.auc,
        "auc_ci": list(strongest.interval),
        "tpr_at_fpr": point_to_dict(strongest.operating_point),
    }
