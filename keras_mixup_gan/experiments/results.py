"""Results of a comparison: typed, and written and read here alone."""

import dataclasses
import functools
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keras_mixup_gan import storage
from keras_mixup_gan.attacks import ATTACKS
from keras_mixup_gan.data.sources import find_source
from keras_mixup_gan.experiments.pool import FIXED
from keras_mixup_gan.experiments.suite import Cell, Suite
from keras_mixup_gan.metrics import Metric
from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.models import recipes
from keras_mixup_gan.privacy import DPSGD
from keras_mixup_gan.registry import code_digest
from keras_mixup_gan.statistics.roc import OperatingPoint
from keras_mixup_gan.versions import (
    RESULTS_VERSION,
    software_versions,
    versions_of_numbers,
)

SCHEMA_VERSION = 3
RESULTS, ENTRY, STATE = "results.json", "entry.json", "state.json"
MODEL, SCORES = "model.keras", "scores.npz"
CELLS, UNFINISHED, SHADOWS = "cells", "unfinished", "shadows"
DONE, FAILED = "done", "failed"
_OTHER_FOLDER = "Choose another `--out`, or delete the file."


@dataclass(frozen=True)
class AttackFigures:
    """What one attack achieved; times are left out, so that runs repeat exactly."""

    name: str
    title: str
    status: str  # "done", "skipped" or "failed"
    reason: str = ""  # why it did not run
    auc: float | None = None
    auc_interval: tuple[float, float] | None = None
    at_fpr: OperatingPoint | None = None


@dataclass(frozen=True)
class ShadowAttack:
    """An attack with shadow models."""

    kind: str  # "plain": trained undefended, "adaptive": with the target's defense
    num_shadows: int
    figures: AttackFigures


@dataclass(frozen=True)
class Bounds:
    """What no attack on a private model exceeds: its AUC, and its TPR at an FPR."""

    auc: float
    fpr: float
    tpr: float


@dataclass(frozen=True)
class Checkpoint:
    """A model after so many discriminator steps.

    `utility` and `bounds` are there at the last checkpoint, the latter where coins
    decided who is a member.
    """

    steps: int
    attacks: tuple[AttackFigures, ...]
    quality: tuple[Metric, ...]
    epsilon: float | None = None
    utility: tuple[Metric, ...] = ()
    bounds: Bounds | None = None

    def metric(self, name: str) -> Metric:
        """A figure of image quality by its name."""
        return next(metric for metric in self.quality if metric.name == name)

    @property
    def fid(self) -> float:
        """The Frechet distance."""
        return self.metric("FID").value

    @property
    def done(self) -> dict[str, AttackFigures]:
        """The attacks that ran, by name."""
        return {a.name: a for a in self.attacks if a.status == DONE}


@dataclass(frozen=True)
class StepTime:
    """Median seconds of a training step, and the median ratio to the undefended one."""

    seconds: float
    ratio: float


@dataclass(frozen=True)
class CellResult:
    """A trained, attacked and measured model.

    Attributes:
        arm: Name of the defense with its settings.
        group: Name that arms of one defense with other settings share.
        kind: Name of the defense, whatever its settings.
        title: What pages call the arm.
        defense: The defense in words.
        members: Number of members, as the suite asks for it.
        non_members: Number of non-members, likewise.
        split_hash: SHA-256 over all images and their parts.
        num_pool: Members and non-members that coins decided on; `None` without coins.
        noise_seed: Seed of DP-SGD's noise; where it is known, nothing is guaranteed.
        key: See `cell_key`.
        shadow_attacks: Of the last checkpoint.
        revision: Commit of the source; for information only.
    """

    name: str
    model: str
    arm: str
    group: str
    kind: str
    title: str
    defense: str
    seed: int
    members: int
    non_members: int
    reference: int
    split_hash: str
    num_pool: tuple[int, int] | None
    batch_size: int
    delta: float
    noise_seed: int | None
    curve: tuple[Checkpoint, ...]
    key: str
    versions: Mapping[str, str]
    shadow_attacks: tuple[ShadowAttack, ...] = ()
    step_time: StepTime | None = None
    revision: str | None = None
    cpu_seconds: float = 0.0

    @property
    def last(self) -> Checkpoint:
        """The trained model."""
        return self.curve[-1]


@dataclass(frozen=True)
class SuiteResults:
    """All finished cells of a suite, and the names of those that are not."""

    suite: Suite
    cells: tuple[CellResult, ...]
    missing: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=software_versions)
    results_version: int = RESULTS_VERSION
    schema_version: int = SCHEMA_VERSION


def read_results(path: Path) -> SuiteResults:
    """Reads `results.json`; anything else is a `storage.DamagedFileError`."""
    what = "the `results.json` that `keras-mixup-gan compare` wrote"
    content = storage.read_json(path, what, _OTHER_FOLDER)
    found = content.get("schema_version")
    if found != SCHEMA_VERSION:
        raise storage.DamagedFileError(
            f"The file {str(path)!r} holds no results of this version. Expected "
            f"schema_version={SCHEMA_VERSION}. Received: schema_version={found!r}. "
            f"{_OTHER_FOLDER}"
        )
    with storage.reading(path, what, _OTHER_FOLDER):
        given = storage.unseal(content)
        results: SuiteResults = storage.decode(SuiteResults, given)
    return results


def write_results(results: SuiteResults, folder: Path) -> Path:
    """Writes `results.json` into a folder."""
    return storage.write_sealed(folder / RESULTS, dataclasses.asdict(results))


def cell_key(cell: Cell) -> str:
    """Hash of all that a cell's numbers are a function of."""
    settings = dataclasses.asdict(cell)
    for label in ("group", "title"):
        del settings[label]
    if not cell.attacks:  # which came later, as options that are not used
        del settings["attacks"]
    defense = settings["defense"]
    if "dp" in defense:  # options that are not used, or not yet
        used = DPSGD(**defense["dp"]).get_config()
        defense["dp"] = {k: v for k, v in used.items() if v is not None}
        defense = {k: v for k, v in defense.items() if v is not None}
        settings["defense"] = defense
    recipe, mixup = dict(recipes.load_recipe(cell.model)), defense.get("mixup")
    if mixup is True:
        mixup = recipe["mixup"]
    if mixup != "augmented":  # which came later too
        recipe.pop("augmented", None)
    # Results are older than the name of what was the recipe's only mixup.
    recipe["mixup"] = recipe.pop("noisy", None)
    if mixup == "noisy":
        mixup = True
    if isinstance(mixup, dict):
        mixup = MixUp(**mixup).get_config()
    if "mixup" in defense:
        defense["mixup"] = mixup
    content = {
        "cell": settings,
        "kind": type(cell.defense).__name__,
        "recipe": recipe,
        "results_version": RESULTS_VERSION,
        "versions": versions_of_numbers(),
    }
    made_by = [type(cell.defense), *(ATTACKS[name] for name in cell.attacks)]
    if code := [digest for one in made_by if (digest := code_digest(one)) is not None]:
        content["code"] = code
    source = find_source(cell.data.data)
    if source is not None and not source.is_fixed:
        content["split"] = cell.data.split(cell.members, cell.seed).content_hash
    elif cell.data.draw == FIXED and cell.data.image_shape is not None:
        content["crop"] = True
    return storage.digest_json(content)


class ResultFiles:
    """The files of a suite's run; an entry is written last and vouches for others."""

    def __init__(self, suite: Suite, folder: Path) -> None:
        self.suite, self.folder = suite, storage.make_folder(folder)
        self.key_of = functools.cache(cell_key)  # which may read a folder of images
        self._entries: dict[str, CellResult] = {}
        self._read: set[str] = set()  # from the cells' own files, which may be newer
        if (folder / RESULTS).exists():
            try:
                earlier = read_results(folder / RESULTS).cells
            except storage.DamagedFileError:
                if not any((folder / CELLS).glob(f"**/{ENTRY}")):
                    raise
                earlier = ()  # each finished cell has a file of its own
            self._entries = {entry.key: entry for entry in earlier}

    def entry(self, cell: Cell) -> CellResult | None:
        """What is known of a cell, or `None` if it is not finished."""
        key = self.key_of(cell)
        path = place(self.folder, cell.name, key) / ENTRY
        if key not in self._read and path.exists():
            what = "the entry of a cell"
            content = storage.read_json(path, what, _OTHER_FOLDER)
            with storage.reading(path, what, _OTHER_FOLDER):
                given = storage.unseal(content)
                self._entries[key] = storage.decode(CellResult, given)
            self._read.add(key)
        found = self._entries.get(key)
        if found is None:
            return None
        return dataclasses.replace(
            found,
            name=cell.name,
            key=key,
            arm=cell.arm,
            group=cell.group,
            title=cell.title,
        )

    def of_other_settings(self) -> list[str]:
        """Cells that are finished by other settings or versions alone."""
        known = {entry.name for entry in self._entries.values()}
        cells = [
            cell for block in self.suite.blocks for cell in self.suite.cells(block)
        ]
        missing = {cell.name for cell in cells if self.entry(cell) is None}
        return [
            name
            for name in sorted(missing)
            if name in known or any((self.folder / CELLS / name).glob(f"*/{ENTRY}"))
        ]

    def keep(self, entry: CellResult, files: Mapping[str, bytes] | None = None) -> None:
        """Keeps a finished cell, its entry last."""
        kept = place(self.folder, entry.name, entry.key)
        for name, content in (files or {}).items():
            storage.write_file(kept / name, content, private=name == SCORES)
        storage.write_sealed(kept / ENTRY, dataclasses.asdict(entry))
        self._entries[entry.key] = entry
        self._read.add(entry.key)
        shutil.rmtree(unfinished(self.folder, entry.key), ignore_errors=True)

    def model_path(self, cell: Cell) -> Path | None:
        """Where the trained model of a finished cell lies, if it is here."""
        path = place(self.folder, cell.name, self.key_of(cell)) / MODEL
        return path if self.entry(cell) is not None and path.exists() else None

    def write(self) -> SuiteResults:
        """Writes `results.json` of the cells that are there."""
        known = {
            cell.name: self.entry(cell)
            for block in self.suite.blocks
            for cell in self.suite.cells(block)
        }
        results = SuiteResults(
            self.suite,
            tuple(entry for entry in known.values() if entry is not None),
            tuple(name for name, entry in known.items() if entry is None),
        )
        kept = self._read | {entry.key for entry in results.cells}
        for key, entry in self._entries.items():  # of other options
            path = place(self.folder, entry.name, key) / ENTRY
            is_inside = ".." not in path.parts and path.is_relative_to(self.folder)
            if key not in kept and is_inside and not path.exists():
                self.keep(entry)
        write_results(results, self.folder)
        return results


def place(folder: Path, name: str, key: str) -> Path:
    """Where a finished cell lies; other settings have other folders."""
    return folder / CELLS / name / key[:16]


def unfinished(folder: Path, key: str) -> Path:
    """Where a cell lies while it is computed on this machine."""
    return folder / UNFINISHED / key[:16]
