"""LiRA on a grid's targets: one set of shadow models serves the targets of all seeds.

The members of every target were drawn by fair coins from the same pool; the shadow
models are trained on random halves of it, undefended ones and ones with the defense.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from keras_mixup_gan.attacks.shadows.signals import discriminator_signals
from keras_mixup_gan.attacks.shadows.store import Shadows
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.attacks.target import policy_of
from keras_mixup_gan.experiments.cell import attacked
from keras_mixup_gan.experiments.checks import BASELINE
from keras_mixup_gan.experiments.results import (
    DONE,
    SHADOWS,
    ResultFiles,
    ShadowAttack,
)
from keras_mixup_gan.experiments.suite import Block, Cell
from keras_mixup_gan.models.saving import load_keras
from keras_mixup_gan.parallel import WorkerError

# Shadow models and targets are given the same latents, whatever the targets' seeds.
SHADOW_SEED = 1_000


@dataclass(frozen=True)
class ShadowTargets:
    """The cells of a block as targets of attacks with shadow models.

    A target of an arm is attacked with undefended shadow models, under `"plain"`, and
    with those trained with its own defense, if there are any, under `"adaptive"`.
    """

    files: ResultFiles
    block: Block
    n_jobs: int
    scheduler: str | None
    say: Callable[[str], None]

    def without_model(self) -> list[Cell]:
        """Finished cells that are yet to be attacked, and whose model is not here."""
        cells = [cell for arm in self.block.shadow_arms for cell, _ in self._open(arm)]
        return [
            cell
            for cell in cells
            if self.files.entry(cell) and self.files.model_path(cell) is None
        ]

    def attack(self) -> list[str]:
        """Trains shadow models and attacks the targets, as far as these are finished.

        Returns what went wrong, which stops no other attack.
        """
        failed: list[str] = []
        for members in self.block.members:
            for arm in self.block.shadow_arms:
                targets = [
                    (cell, kind)
                    for cell, kind in self._open(arm)
                    if cell.members == members and self.files.model_path(cell)
                ]
                if not targets:
                    continue
                name = f"{self.block.model}/{members}: no {arm} shadow models"
                with self._going_on(failed, name):
                    shadows = self._train(members, arm)
                    for cell, kind in targets:
                        with self._going_on(failed, f"{cell.name}: not attacked"):
                            self._attack(cell, kind, shadows)
                            self.say(f"{cell.name}: attacked with {arm} shadow models")
        return failed

    @contextlib.contextmanager
    def _going_on(self, failed: list[str], what: str) -> Iterator[None]:
        """Tells of an error, as of a model that diverges or is damaged, and goes on."""
        try:
            yield
        except WorkerError:
            raise
        except ValueError as error:
            failed.append(f"{what}: {error}")
            self.say(failed[-1])

    def _open(self, arm: str) -> Iterator[tuple[Cell, str]]:
        """The targets that an arm's shadow models are yet to attack, and under what."""
        for cell in self.files.suite.cells(self.block):
            if arm not in (BASELINE, cell.arm):
                continue
            kind = "plain" if arm == BASELINE else "adaptive"
            entry = self.files.entry(cell)
            known = () if entry is None else entry.shadow_attacks
            found = [attack for attack in known if attack.kind == kind]
            complete = all(
                attack.figures.status == DONE
                and attack.num_shadows == self.block.shadows
                for attack in found
            )
            if not found or not complete:
                yield cell, kind

    def _train(self, members: int, arm: str) -> Shadows:
        """The shadow models of an arm, trained as its targets are."""
        suite, block = self.files.suite, self.block
        model_of = suite.cell(block, members, arm, suite.seeds_of(block)[0])
        data, seed = model_of.data, model_of.seed
        pool = data.pool(members, seed)
        images = np.concatenate([part.images for part in pool])
        labels = None
        if block.num_classes is not None:
            labels = np.concatenate([part.labels for part in pool])
        order = np.argsort(np.concatenate([part.indices for part in pool]))
        name = f"{block.model}/{members}/{arm}"
        key = f"{self.files.key_of(model_of)[:16]}-{block.shadows}"
        model = model_of.build(data.split(members, seed).image_shape)
        return train_shadows(
            model,
            images[order],
            None if labels is None else labels[order],
            folder=self.files.folder / SHADOWS / name / key,
            num_shadows=block.shadows,
            fit={
                "batch_size": suite.batch_size,
                "epochs": 1,
                "steps_per_epoch": block.checkpoints[-1],
            },
            signals=discriminator_signals(policy_of(model)),
            seed=SHADOW_SEED,
            n_jobs=self.n_jobs,
            scheduler=self.scheduler,
            progress=lambda done, total: self.say(
                f"{name}: shadow model {done} of {total}"
            ),
        )

    def _attack(self, cell: Cell, kind: str, shadows: Shadows) -> None:
        """Attacks a target's members and non-members of the pool; adds the figures."""
        path, entry = self.files.model_path(cell), self.files.entry(cell)
        if path is None or entry is None:
            raise ValueError(
                f"The trained model of {cell.name!r} went missing from "
                f"{str(self.files.folder)!r} while it was needed. Run the same command "
                "again."
            )
        attacks = ["lira", "lira_offset"]
        if "augmented" in shadows.statistics:  # the arm augments, as its targets do
            attacks.append("lira_augmented")
        figures, _ = attacked(
            load_keras(path),
            *cell.data.pool(cell.members, cell.seed),
            attacks=attacks,
            seed=SHADOW_SEED,
            shadows=shadows,
        )
        for one in figures:
            if one.status != DONE:
                raise ValueError(f"{one.title}: {one.reason}")
        others = tuple(one for one in entry.shadow_attacks if one.kind != kind)
        found = tuple(ShadowAttack(kind, shadows.num_shadows, one) for one in figures)
        self.files.keep(dataclasses.replace(entry, shadow_attacks=others + found))
