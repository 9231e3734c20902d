"""A cell's run: trained, attacked and measured at checkpoints along the way.

A cell lives in a folder of its own. After each checkpoint the model, the curve so far
and the raw scores are on disk, `state.json` being written last and at once; a run that
was stopped at any moment continues from there and gives the same numbers to the digit.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_mixup_gan import storage
from keras_mixup_gan.attacks import (
    ATTACKS,
    LOGAN,
    Attack,
    AugmentedLOGAN,
    GANLeaks,
    MixupLOGAN,
)
from keras_mixup_gan.attacks.target import as_target, policy_of
from keras_mixup_gan.auditing import audit
from keras_mixup_gan.auditing.results import AttackEntry, NothingRanError
from keras_mixup_gan.data import MembershipSplit, extractor_name
from keras_mixup_gan.experiments.results import (
    STATE,
    AttackFigures,
    Bounds,
    CellResult,
    Checkpoint,
    cell_key,
)
from keras_mixup_gan.experiments.suite import Cell
from keras_mixup_gan.metrics import (
    FeatureExtractor,
    extractor_for,
    quality,
    usefulness,
)
from keras_mixup_gan.models.saving import load_keras
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.versions import git_revision, software_versions

NUM_SHOWN = 64
# The false-positive rate at which attacks are reported.
_FPR = 0.01
# Called as `progress(cell, step, message)`; the message is empty while training.
Progress: TypeAlias = Callable[[Cell, int, str], None]


def run_cell(
    cell: Cell,
    split: MembershipSplit,
    folder: str | os.PathLike[str],
    progress: Progress | None = None,
    num_pool: tuple[int, int] | None = None,
) -> CellResult:
    """Trains and measures a cell, or continues where an earlier run was stopped.

    Args:
        cell: What to run.
        split: Members to train on, non-members to attack with, and a reference part,
            which attackers know and image quality is measured against.
        folder: Where the cell's files live; created if need be.
        progress: Called every few steps and before each stage.
        num_pool: How many members and non-members a coin for each image decided on.
            What epsilon says of attacks holds for those.

    Raises:
        ValueError: If the folder holds another cell, or a damaged file.
    """
    report = progress or (lambda cell, step, message: None)
    store = _Store(Path(folder), cell)
    curve = list(store.state.curve)
    if len(curve) < len(cell.checkpoints):
        shape = split.image_shape
        extractor = extractor_for(shape, extractor_name(cell.data.data, shape))
        held_out = extractor(split.reference.images)  # type: ignore[union-attr]
        model = store.load_model() if curve else cell.build(split.image_shape)
        for checkpoint in cell.checkpoints[len(curve) :]:
            _train(model, cell, split, checkpoint, report)
            report(cell, checkpoint, "attacking and measuring")
            point, arrays = _measure(model, cell, split, extractor, held_out)
            last = checkpoint == cell.checkpoints[-1]
            if cell.utility and last:
                found = usefulness(model, split, extractor, cell.seed)
                point = dataclasses.replace(point, utility=found)
            if num_pool is not None and last and point.epsilon is not None:
                point = dataclasses.replace(point, bounds=_bounds(model, cell.delta))
            curve.append(point)
            store.save(model, tuple(curve), arrays)
    return CellResult(
        name=cell.name,
        model=cell.model,
        arm=cell.arm,
        group=cell.group,
        kind=cell.defense.name,
        title=cell.title,
        defense=cell.defense.describe(cell.model),
        seed=cell.seed,
        members=cell.members,
        non_members=cell.data.non_members,
        reference=cell.data.reference,
        split_hash=split.content_hash,
        num_pool=num_pool,
        batch_size=cell.batch_size,
        delta=cell.delta,
        noise_seed=cell.defense.noise_seed,
        curve=tuple(curve),
        key=store.state.key,
        versions=software_versions(),
        revision=git_revision(),
        cpu_seconds=store.state.cpu_seconds,
    )


def last_files(folder: Path) -> tuple[Path, Path]:
    """The model and the scores of the last checkpoint of a cell's folder."""
    state = _read_state(folder / STATE)
    return folder / state.model, folder / state.scores


def attacked(
    *arguments: Any, **options: Any
) -> tuple[tuple[AttackFigures, ...], dict[str, FloatArray]]:
    """An audit's statistics, by name of the attack, and its raw scores.

    Where no attack ran, as on a model that diverged, the figures say why.
    """
    try:
        report = audit(*arguments, **{**options, "blind": False, "copies": False})
    except NothingRanError as error:
        return _figures(error.entries), {}
    return _figures(report.attacks), report.raw_scores()


def _figures(entries: Iterable[AttackEntry]) -> tuple[AttackFigures, ...]:
    return tuple(
        AttackFigures(
            name=result.name,
            title=result.title,
            status=result.status,
            reason=result.reason,
            auc=result.auc,
            auc_interval=result.auc_interval,
            at_fpr=result.operating_point,
        )
        for result in sorted(entries, key=lambda result: result.name)
    )


def _train(
    model: Any, cell: Cell, split: MembershipSplit, until: int, report: Progress
) -> None:
    """Trains up to a step of the generator, telling of progress every few batches."""
    start = model.num_steps

    def tell(batch: int, logs: Any) -> None:
        if batch % 10 == 9:
            report(cell, start + batch + 1, "")

    report(cell, start, "training")
    model.fit(
        split.members.pixels,
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
) -> tuple[Checkpoint, dict[str, FloatArray]]:
    """A point of the curve, and its raw scores and sample images."""
    figures, scores = attacked(
        as_target(model, cell.seed),  # without accounting for a private training
        split.members,
        split.non_members,
        reference=split.reference,
        attacks=_attacks(model, cell),
    )
    generated = model.generate(cell.num_generated, seed=cell.seed)
    epsilon = model.epsilon(cell.delta)
    point = Checkpoint(
        steps=model.num_steps * model.discriminator_steps,
        attacks=figures,
        quality=quality(generated, held_out, extractor),
        epsilon=epsilon if np.isfinite(epsilon) else None,
    )
    return point, {"samples": generated[:NUM_SHOWN], **scores}


def _attacks(model: Any, cell: Cell) -> list[Attack]:
    """The attacks that the suite names, or the usual ones."""
    usual = [LOGAN(), MixupLOGAN(cell.num_blends), GANLeaks(cell.num_samples)]
    if policy_of(model) is not None:
        usual.append(AugmentedLOGAN())
    if not cell.attacks:
        return usual
    known = {attack.name: attack for attack in usual}
    return [known.get(name) or ATTACKS[name]() for name in cell.attacks]


def _bounds(model: Any, delta: float) -> Bounds:
    """The AUC and the true-positive rate that no attack on a private model exceeds."""
    report = model.privacy_report(delta)
    return Bounds(auc=report.auc_bound, fpr=_FPR, tpr=report.tpr_bound(_FPR))


@dataclass(frozen=True)
class _State:
    """Content of `state.json`, which names the other files and is written last."""

    key: str
    curve: tuple[Checkpoint, ...] = ()
    model: str = ""
    sha256: str = ""
    scores: str = ""
    cpu_seconds: float = 0.0


def _read_state(path: Path) -> _State:
    what = "the state of a cell of this comparison"
    remedy = "Choose another `--out`, or delete the folder."
    content = storage.read_json(path, what, remedy)
    with storage.reading(path, what, remedy):
        state: _State = storage.decode(_State, storage.unseal(content))
    return state


class _Store:
    """The files of a cell while it is computed."""

    def __init__(self, folder: Path, cell: Cell) -> None:
        storage.check_clock()
        self.folder = storage.make_folder(folder)
        self.started = time.process_time()
        self.state = _State(cell_key(cell))
        path = folder / STATE
        if not path.exists():
            storage.write_sealed(path, dataclasses.asdict(self.state))
        found = _read_state(path)
        if found.key != self.state.key:
            raise ValueError(
                f"The folder {str(folder)!r} holds results of other settings or other "
                f"versions. Expected key {self.state.key[:12]}. Received: "
                f"{found.key[:12]}. Choose another `--out`, or delete the folder."
            )
        self.state = found

    def load_model(self) -> Any:
        path = self.folder / self.state.model
        if storage.digest_file(path) != self.state.sha256:
            raise ValueError(
                f"The checkpoint {str(path)!r} is truncated or damaged. Expected the "
                f"file that was written, sha256 {self.state.sha256[:12]}. Delete "
                f"{str(self.folder)!r} to train this arm again; the others are kept."
            )
        return load_keras(path)

    def save(
        self,
        model: Any,
        curve: tuple[Checkpoint, ...],
        arrays: dict[str, FloatArray],
    ) -> None:
        step, now = curve[-1].steps, time.process_time()
        path = self.folder / f"model-{step}.keras"
        with storage.writing(path) as place:
            model.save(place)
        scores = storage.write_arrays(
            self.folder / f"scores-{step}.npz", arrays, private=True
        )
        self.state = _State(
            self.state.key,
            curve,
            path.name,
            storage.digest_file(path) or "",
            scores.name,
            self.state.cpu_seconds + now - self.started,
        )
        self.started = now
        storage.write_sealed(self.folder / STATE, dataclasses.asdict(self.state))
        for old in self.folder.glob("model-*.keras"):
            if old != path:
                old.unlink()
