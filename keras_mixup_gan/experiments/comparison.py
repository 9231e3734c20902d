"""The comparison: one GAN undefended, with mixup and with DP-SGD, attacked alike."""

import dataclasses
import statistics
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from keras_mixup_gan.data import MembershipSplit, load_images
from keras_mixup_gan.defenses import (
    Defense,
    DifferentialPrivacy,
    Mixing,
    Undefended,
)
from keras_mixup_gan.experiments.cell import Cell, Progress, run_cell, write_json
from keras_mixup_gan.experiments.frontier import BASELINE, fid_of, matched_checkpoint
from keras_mixup_gan.experiments.timing import median_ratios, step_seconds
from keras_mixup_gan.metrics import FeatureExtractor, digit_features, pixel_features
from keras_mixup_gan.privacy import DPSGD
from keras_mixup_gan.validation import check_in_range, check_integer, check_positive
from keras_mixup_gan.versions import software_versions

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Comparison:
    """Settings of a comparison.

    Args:
        data: What `data.load_images` takes: `"digits"`, `"patches"`, `"tfds:NAME"`, a
            folder or an `.npz` file.
        image_shape: `(height, width, channels)` to bring the images to, or `None`.
        members: Number of training images.
        non_members: Number of images of the same kind that attacks must tell apart.
        reference: Number of outside images: the attackers' own, and what image quality
            is measured against.
        checkpoints: Discriminator steps at which every arm is measured, ascending.
        noise_multiplier: Of the DP-SGD arm, in units of the clipping norm 1.
        seed: Seed of the split, the weights, the batches, the attacks and, since this
            is a benchmark, of DP-SGD's noise.
        batch_size: Images in a batch.
        num_samples: Generated images for the nearest-sample attack.
        num_blends: Blends of each query for the attack that knows of mixup.
        num_generated: Generated images for the image quality.
        timed_rounds: Steps of each arm that are timed, in turns.

    Raises:
        ValueError: If a setting is out of range.
    """

    data: str = "digits"
    image_shape: tuple[int, int, int] | None = None
    members: int = 500
    non_members: int = 1_000
    reference: int = 2_500
    checkpoints: tuple[int, ...] = (200, 400, 600, 800, 1_000, 1_500, 2_000)
    noise_multiplier: float = 3.0
    seed: int = 0
    batch_size: int = 64
    num_samples: int = 10_000
    num_blends: int = 8
    num_generated: int = 5_000
    timed_rounds: int = 30

    def __post_init__(self) -> None:
        check_integer(2, members=self.members, non_members=self.non_members)
        check_integer(2, reference=self.reference, num_generated=self.num_generated)
        check_integer(1, batch_size=self.batch_size, num_samples=self.num_samples)
        check_integer(1, num_blends=self.num_blends, timed_rounds=self.timed_rounds)
        check_integer(0, seed=self.seed)
        check_in_range(0, 2**31 - 1, seed=self.seed)
        check_positive(noise_multiplier=self.noise_multiplier)
        steps = (0, *self.checkpoints)
        if not self.checkpoints or any(b <= a for a, b in pairwise(steps)):
            raise ValueError(
                "`checkpoints` must be ascending numbers of steps above 0. "
                f"Received: checkpoints={self.checkpoints}."
            )
        if self.members < self.batch_size:
            raise ValueError(
                "`members` must fill at least one batch. Expected at least "
                f"{self.batch_size}. Received: members={self.members}. Ask for more "
                "members or lower `batch_size`."
            )

    @classmethod
    def quick(cls, **changes: Any) -> "Comparison":
        """Settings for a first look: the same arms, a tenth of the training."""
        small = dict(
            checkpoints=(100, 250),
            members=250,
            num_samples=2_000,
            num_blends=4,
            num_generated=2_000,
            timed_rounds=8,
        )
        return cls(**{**small, **changes})

    def stopped_at(self, steps: int) -> "Comparison":
        """The same comparison with the last checkpoint at `steps`."""
        check_integer(1, steps=steps)
        before = tuple(step for step in self.checkpoints if step < steps)
        return dataclasses.replace(self, checkpoints=(*before, steps))

    def cells(self) -> tuple[Cell, ...]:
        """The arms: the same model, data, batches and number of steps."""
        shared: dict[str, Any] = dict(
            seed=self.seed,
            batch_size=self.batch_size,
            checkpoints=self.checkpoints,
            num_samples=self.num_samples,
            num_blends=self.num_blends,
            num_generated=self.num_generated,
        )
        private = DPSGD(1.0, self.noise_multiplier, noise_seed=self.seed)
        arms: dict[str, Defense] = {
            BASELINE: Undefended(),
            "mixup-paper": Mixing("paper"),
            "mixup-noise": Mixing(True),
            "dp-sgd": DifferentialPrivacy(private),
        }
        return tuple(Cell(name, defense=arm, **shared) for name, arm in arms.items())

    def split(self) -> MembershipSplit:
        """Members, non-members and reference from one permutation of the images."""
        return MembershipSplit.draw(
            load_images(self.data, self.image_shape),
            num_members=self.members,
            num_non_members=self.non_members,
            num_reference=self.reference,
            seed=self.seed,
            drop_duplicates=True,
        )


def run_comparison(
    settings: Comparison, folder: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Runs all arms, or what an earlier run left to do, and writes `results.json`.

    Args:
        settings: What to compare.
        folder: Where results go; each arm has a folder of its own in `cells/`.
        progress: See `run_cell`.

    Returns:
        The content of `results.json`.

    Raises:
        ValueError: If the data do not fit, or the folder cannot be used.
    """
    split = settings.split()
    extractor = choose_extractor(split)
    cells = settings.cells()
    for cell in cells:
        # A missing extra or unsuitable images must show before hours of training.
        cell.build(split.image_shape)
    entries = [
        run_cell(cell, split, extractor, folder / "cells" / cell.name, progress)
        for cell in cells
    ]
    if progress is not None:
        progress(cells[0], cells[0].checkpoints[-1], "timing all arms in turns")
    timing = time_cells(cells, split, settings.timed_rounds)
    baseline = entries[0]
    for cell, entry in zip(cells, entries, strict=True):
        entry |= timing[cell.name]
        entry["undefended_at_same_quality"] = (
            None
            if cell.name == BASELINE
            else matched_checkpoint(baseline["curve"], fid_of(entry))
        )
    results = {
        "schema_version": SCHEMA_VERSION,
        "settings": dataclasses.asdict(settings),
        "split": {role: len(part.images) for role, part in split.parts().items()},
        "versions": software_versions(),
        "cells": entries,
    }
    return write_json(folder / "results.json", results)


def choose_extractor(split: MembershipSplit) -> FeatureExtractor:
    """The digit network for digit-shaped images, raw pixels for all others."""
    if split.image_shape == (28, 28, 1):
        return digit_features()
    return pixel_features(split.image_shape)


def time_cells(
    cells: tuple[Cell, ...], split: MembershipSplit, rounds: int
) -> dict[str, dict[str, float]]:
    """Median step seconds of fresh models of all arms, and ratios to the first."""
    models = {cell.name: cell.build(split.image_shape) for cell in cells}
    images, batch_size = split.members.images, cells[0].batch_size
    seconds = step_seconds(models, images, batch_size, rounds)
    ratios = median_ratios(seconds, cells[0].name)
    return {
        name: {
            "seconds_per_step": statistics.median(times),
            "step_time_ratio": ratios[name],
        }
        for name, times in seconds.items()
    }
