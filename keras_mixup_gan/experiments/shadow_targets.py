"""LiRA on a grid's targets: one set of shadow models serves the targets of all seeds.

The members of every target were drawn by fair coins from the same pool; the shadow
models are trained on random halves of it, undefended ones and ones with the defense.
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from keras_mixup_gan.attacks.shadows.store import Shadows, default_signals
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.attacks.target import policy_of
from keras_mixup_gan.auditing import audit
from keras_mixup_gan.data import MembershipSplit, SplitPart
from keras_mixup_gan.experiments.cell import attack_figures
from keras_mixup_gan.experiments.results import (
    DONE,
    ResultFiles,
    ShadowAttack,
    cell_key,
)
from keras_mixup_gan.experiments.suite import BASELINE, Block, Cell

# Shadow models and targets are given the same latents; no target has this seed.
SHADOW_SEED = 1_000


def add_shadow_attacks(
    grid: ResultFiles,
    block: Block,
    n_jobs: int,
    scheduler: str | None,
    say: Callable[[str], None],
) -> None:
    """Trains the shadow models of a block and attacks its targets with them.

    A target of an arm is attacked with undefended shadow models, under `"plain"`, and
    with those trained with its own defense, if there are any, under `"adaptive"`.

    Args:
        grid: The grid, whose cells of this block are finished.
        block: The block.
        n_jobs: How many shadow models at the same time.
        scheduler: Address of a Dask scheduler, if any.
        say: Told of each trained shadow model.
    """
    for members in block.members:
        targets = [cell for cell in grid.suite.cells(block) if cell.members == members]
        for arm in block.shadow_arms:
            attacked = [
                (cell, kind)
                for cell in targets
                if (kind := _kind(arm, cell)) and not _is_done(grid, block, cell, kind)
            ]
            if not attacked:
                continue
            try:
                shadows = _shadows(grid, block, members, arm, n_jobs, scheduler, say)
            except ValueError as error:  # one that diverges must not stop the rest
                say(f"{block.model}/{members}: no {arm} shadow models: {error}")
                continue
            for cell, kind in attacked:
                _attack(grid, cell, kind, shadows)
                say(f"{cell.name}: attacked with {arm} shadow models")


def without_model(grid: ResultFiles, block: Block) -> list[Cell]:
    """Cells that are yet to be attacked and of which only the figures are here."""
    return [
        cell
        for cell in grid.suite.cells(block)
        if grid.entry(cell) is not None
        and grid.model_path(cell) is None
        and any(
            (kind := _kind(arm, cell)) and not _is_done(grid, block, cell, kind)
            for arm in block.shadow_arms
        )
    ]


def _kind(arm: str, cell: Cell) -> str | None:
    """What the shadow models of an arm are to a target, or `None` if nothing."""
    if arm == BASELINE:
        return "plain"
    return "adaptive" if cell.arm == arm else None


def _is_done(grid: ResultFiles, block: Block, cell: Cell, kind: str) -> bool:
    entry = grid.entry(cell)
    known = () if entry is None else entry.shadow_attacks
    found = [attack for attack in known if attack.kind == kind]
    return bool(found) and all(
        attack.figures.status == DONE and attack.num_shadows == block.shadows
        for attack in found
    )


def _shadows(
    grid: ResultFiles,
    block: Block,
    members: int,
    arm: str,
    n_jobs: int,
    scheduler: str | None,
    say: Callable[[str], None],
) -> Shadows:
    """The shadow models of an arm, trained as its targets are."""
    suite = grid.suite
    seed = suite.seeds_of(block)[0]
    model_of = suite.cell(block, members, arm, seed)
    split, pool = _pool(model_of)
    images = np.concatenate([part.images for part in pool])
    labels = None
    if block.num_classes is not None:
        labels = np.concatenate([part.labels for part in pool])
    order = np.argsort(np.concatenate([part.indices for part in pool]))
    name = f"{block.model}/{members}/{arm}"
    model = model_of.build(split.image_shape)
    return train_shadows(
        model,
        images[order],
        None if labels is None else labels[order],
        folder=grid.folder
        / "shadows"
        / name
        / f"{cell_key(model_of)[:16]}-{block.shadows}",
        num_shadows=block.shadows,
        fit={
            "batch_size": suite.batch_size,
            "epochs": 1,
            "steps_per_epoch": block.checkpoints[-1],
        },
        signals=default_signals(policy_of(model)),
        seed=SHADOW_SEED,
        n_jobs=n_jobs,
        scheduler=scheduler,
        progress=lambda done, total: say(f"{name}: shadow model {done} of {total}"),
    )


def _attack(grid: ResultFiles, cell: Cell, kind: str, shadows: Shadows) -> None:
    """Attacks a target's members and non-members of the pool; adds the figures."""
    path, entry = grid.model_path(cell), grid.entry(cell)
    if path is None or entry is None:
        raise ValueError(
            f"The trained model of {cell.name!r} went missing from "
            f"{str(grid.folder)!r} while it was needed. Run the same command again."
        )
    _, (members, non_members) = _pool(cell)
    attacks = ["lira", "lira_offset"]
    if "augmented" in shadows.statistics:  # of an arm that augments, as its targets do
        attacks.append("lira_augmented")
    report = audit(
        keras.saving.load_model(path),
        members,
        non_members,
        attacks=attacks,
        seed=SHADOW_SEED,
        blind=False,
        shadows=shadows,
    )
    others = tuple(one for one in entry.shadow_attacks if one.kind != kind)
    found = tuple(
        ShadowAttack(kind, shadows.num_shadows, figures)
        for figures in attack_figures(report)
    )
    grid.keep(dataclasses.replace(entry, shadow_attacks=others + found))


def _pool(cell: Cell) -> tuple[MembershipSplit, list[SplitPart]]:
    """A cell's split, and its members and non-members that coins decided on."""
    split = cell.data.split(cell.members, cell.seed)
    num_pool = cell.data.num_pool(cell.members, cell.seed) or (0, 0)
    parts = (split.members, split.non_members)
    return split, [_first(p, n) for p, n in zip(parts, num_pool, strict=True)]


def _first(part: SplitPart, number: int) -> SplitPart:
    """The images of a part that are of the pool."""
    labels = None if part.labels is None else part.labels[:number]
    return SplitPart(part.images[:number], labels, part.indices[:number])
