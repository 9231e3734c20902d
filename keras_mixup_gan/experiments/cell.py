"""A cell: one training run, attacked and measured at checkpoints along the way.

A cell lives in a folder of its own. After each checkpoint the model, the curve so far
and the raw scores are on disk, `state.json` being written last and at once; a run that
was stopped at any moment goes on from there and gives the same numbers to the digit.
"""

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_mixup_gan.attacks import LOGAN, AugmentedLOGAN, GANLeaks, MixupLOGAN
from keras_mixup_gan.attacks.target import policy_of
from keras_mixup_gan.auditing import audit
from keras_mixup_gan.auditing.results import AuditReport
from keras_mixup_gan.data import MembershipSplit
from keras_mixup_gan.defenses import Defense, Undefended
from keras_mixup_gan.metrics import FeatureExtractor, quality
from keras_mixup_gan.metrics.usefulness import usefulness
from keras_mixup_gan.models import recipes
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.versions import software_versions

NUM_SHOWN = 64
# The false-positive rate at which attacks are reported.
_FPR = 0.01
# Called as `progress(cell, step, message)`; the message is empty while training.
Progress: TypeAlias = Callable[["Cell", int, str], None]


@dataclass(frozen=True)
class Cell:
    """What is trained and how it is measured: everything that the numbers depend on.

    Args:
        name: Folder and label of the cell.
        model: Name of a factory of `keras_mixup_gan.zoo`.
        defense: How the model is kept from telling its members.
        num_classes: The factory's `num_classes`; the split then needs labels.
        width: The factory's `width`; the recipe's by default.
        seed: Seed of weights, batches, latents and attacks.
        batch_size: Images in a batch (expected number with DP-SGD).
        checkpoints: Training steps after which the model is measured, ascending.
        num_samples: Generated images for the nearest-sample attack.
        num_blends: Blends of each query for the attack that knows of mixup.
        num_generated: Generated images for the image quality.
        delta: Delta at which epsilon is reported.
        utility: Whether the last checkpoint is also measured by `usefulness`.
    """

    name: str
    model: str = "dcgan"
    defense: Defense = Undefended()  # noqa: RUF009 (frozen)
    num_classes: int | None = None
    width: int | None = None
    seed: int = 0
    batch_size: int = 64
    checkpoints: tuple[int, ...] = (1000,)
    num_samples: int = 10_000
    num_blends: int = 16
    num_generated: int = 5_000
    delta: float = 1e-4
    utility: bool = False

    def build(self, image_shape: tuple[int, int, int]) -> Any:
        """A fresh model of this cell."""
        return self.defense.build(
            self.model,
            image_shape,
            num_classes=self.num_classes,
            width=self.width,
            seed=self.seed,
        )

    def key(self, split: MembershipSplit, extractor: FeatureExtractor) -> str:
        """Hash of all that the cell's numbers are a function of."""
        settings = dataclasses.asdict(self)
        settings["defense"]["kind"] = type(self.defense).__name__
        content = {
            "cell": settings,
            "recipe": recipes.load_recipe(self.model),
            "split": split.content_hash,
            "extractor": extractor.name,
            "versions": software_versions(),
        }
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def run_cell(
    cell: Cell,
    split: MembershipSplit,
    extractor: FeatureExtractor,
    folder: str | os.PathLike[str],
    progress: Progress | None = None,
    by_coins: bool = False,
) -> dict[str, Any]:
    """Trains and measures a cell, or goes on where an earlier run was stopped.

    Args:
        cell: What to run.
        split: Members to train on, non-members to attack with, and a reference part,
            which attackers know and image quality is measured against.
        extractor: Features for the image quality.
        folder: Where the cell's files live; created if need be.
        progress: Called every few steps and before each stage.
        by_coins: Whether a coin for each image decided who is a member. What epsilon
            says of attacks holds for those, and is worked out after the last step.

    Returns:
        The cell's entry of `results.json`: what was run, the attacks, quality and
        epsilon after the last step, and under `curve` the same at each checkpoint.

    Raises:
        ValueError: If the folder holds another cell, or a damaged file.
    """
    report = progress or (lambda cell, step, message: None)
    store = _Store(Path(folder), cell, cell.key(split, extractor))
    curve = store.curve()
    if len(curve) < len(cell.checkpoints):
        held_out = extractor(split.reference.images)  # type: ignore[union-attr]
        model = store.load_model() if curve else cell.build(split.image_shape)
        for checkpoint in cell.checkpoints[len(curve) :]:
            _train(model, cell, split, checkpoint, report)
            report(cell, checkpoint, "attacking and measuring")
            point, arrays = _measure(model, cell, split, extractor, held_out)
            last = checkpoint == cell.checkpoints[-1]
            if cell.utility and last:
                point["utility"] = usefulness(model, split, extractor, cell.seed)
            if by_coins and last:
                bounded = point["epsilon"] is not None
                point["bounds"] = _bounds(model, cell.delta) if bounded else None
            curve.append(point)
            store.save(model, curve, arrays)
    return {
        "name": cell.name,
        "model": cell.model,
        "defense": cell.defense.describe(cell.model),
        "seed": cell.seed,
        "members": len(split.members.images),
        "split_hash": split.content_hash,
        "batch_size": cell.batch_size,
        **curve[-1],
        "delta": cell.delta,
        "noise_seed": cell.defense.noise_seed,
        "curve": curve,
        "versions": software_versions(),
    }


def _train(
    model: Any, cell: Cell, split: MembershipSplit, until: int, report: Progress
) -> None:
    """Trains to a discriminator step, telling of progress every few batches."""
    start = model.num_steps

    def tell(batch: int, logs: Any) -> None:
        if batch % 10 == 9:
            report(cell, start + batch + 1, "")

    report(cell, start, "training")
    model.fit(
        split.members.images,
        None if cell.num_classes is None else split.members.labels,
        batch_size=cell.batch_size,
        steps_per_epoch=until - start,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=tell)],
        verbose=0,
    )


def _measure(
    model: Any,
    cell: Cell,
    split: MembershipSplit,
    extractor: FeatureExtractor,
    held_out: FloatArray,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A point of the curve, and its raw scores and sample images."""
    attacks = [LOGAN(), MixupLOGAN(cell.num_blends), GANLeaks(cell.num_samples)]
    if policy_of(model) is not None:
        attacks.append(AugmentedLOGAN())
    audited = audit(
        model,
        split.members,
        split.non_members,
        reference=split.reference,
        attacks=attacks,
        seed=cell.seed,
        blind=False,
    )
    generated = model.generate(cell.num_generated, seed=cell.seed)
    point = {
        "d_steps": model.num_steps * model.discriminator_steps,
        "attacks": attack_figures(audited),
        "quality": quality(generated, held_out, extractor),
        "epsilon": _finite(model.epsilon(cell.delta)),
    }
    arrays = {"samples": generated[:NUM_SHOWN]}
    for result in audited.done:
        arrays[f"{result.name}/members"] = result.member_scores
        arrays[f"{result.name}/non_members"] = result.non_member_scores
    return point, arrays


def _bounds(model: Any, delta: float) -> dict[str, float]:
    """The AUC and the true-positive rate that no attack on a private model exceeds."""
    report = model.privacy_report(delta)
    return {"auc": report.auc_bound, "fpr": _FPR, "tpr": report.tpr_bound(_FPR)}


def attack_figures(report: AuditReport) -> dict[str, Any]:
    """The audit's statistics without times, so that repeated runs are identical."""
    kept = ("title", "status", "reason", "auc", "auc_ci", "tpr_at_fpr", "n")
    entries = {result.name: result.to_dict() for result in report.attacks}
    ordered = sorted(entries)
    return {name: {key: entries[name][key] for key in kept} for name in ordered}


def _finite(value: float) -> float | None:
    """JSON has no infinity: no guarantee is null."""
    return value if np.isfinite(value) else None


class _Store:
    """The files of a cell; `state.json` names the others and is written last."""

    def __init__(self, folder: Path, cell: Cell, key: str) -> None:
        self.folder, self.cell, self.key = folder, cell, key
        self.started = time.process_time()
        self.state: dict[str, Any] = {"key": key, "curve": [], "cpu_seconds": 0.0}
        path = folder / "state.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self.state = dict(json.loads(path.read_text("utf-8")))
            else:
                write_json(path, self.state)
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(
                f"The folder {str(folder)!r} cannot be used: {error}. Expected a "
                "writable folder of this comparison. Choose another `--out`, or delete "
                "the folder."
            ) from error
        if self.state.get("key") != key:
            raise ValueError(
                f"The folder {str(folder)!r} holds results of other settings or other "
                f"versions. Expected key {key[:12]}. Received: "
                f"{str(self.state.get('key'))[:12]}. Choose another `--out`, or delete "
                "the folder."
            )

    def curve(self) -> list[dict[str, Any]]:
        return list(self.state["curve"])

    def load_model(self) -> Any:
        path = self.folder / self.state["model"]
        if not path.exists() or _sha256(path) != self.state["sha256"]:
            raise ValueError(
                f"The checkpoint {str(path)!r} is truncated or damaged. Expected the "
                f"file that was written, sha256 {self.state['sha256'][:12]}. Delete "
                f"{str(self.folder)!r} to train this arm again; the others are kept."
            )
        return keras.saving.load_model(path)

    def save(
        self, model: Any, curve: list[dict[str, Any]], arrays: dict[str, Any]
    ) -> None:
        step, now = curve[-1]["d_steps"], time.process_time()
        path = self.folder / f"model-{step}.keras"
        model.save(path)
        np.savez_compressed(self.folder / f"scores-{step}.npz", **arrays)
        self.state = {
            "key": self.key,
            "model": path.name,
            "sha256": _sha256(path),
            "curve": curve,
            "cpu_seconds": self.state.get("cpu_seconds", 0.0) + now - self.started,
        }
        self.started = now
        write_json(self.folder / "state.json", self.state)
        for old in self.folder.glob("model-*.keras"):
            if old != path:
                old.unlink()


def write_json(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Writes JSON at once, the old file or the new one, and returns what it holds."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    part = path.with_name(path.name + ".part")
    part.write_text(text, "utf-8")
    part.replace(path)
    return dict(json.loads(text))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
