"""Trains the presets of the zoo again and measures them: weights, manifest, cards.

    python -m benchmarks.presets NAME|all [--steps N] [--out ZOO] [--work FOLDER]

What is trained stands in `zoo/presets.toml`. A stopped run goes on where it was when
the same command is given again. `--steps` tries everything out with a short training,
in a zoo of its own.
"""

import argparse
import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import cards
from keras_mixup_gan import audit, storage, zoo
from keras_mixup_gan.auditing.report import AuditReport
from keras_mixup_gan.cli import Progress
from keras_mixup_gan.defenses import (
    Defense,
    DifferentialPrivacy,
    Mixing,
    Undefended,
)
from keras_mixup_gan.experiments import Cell, run_cell
from keras_mixup_gan.experiments.cell import last_files
from keras_mixup_gan.experiments.pool import FIXED, Data
from keras_mixup_gan.models.presets import MANIFEST, PresetFiles
from keras_mixup_gan.models.recipes import read_toml, zoo_folder
from keras_mixup_gan.models.saving import load_gan, save_to_preset
from keras_mixup_gan.privacy import DPSGD
from keras_mixup_gan.versions import software_versions

RESULTS = "results.json"


@dataclass(frozen=True)
class Settings:
    """A table of `zoo/presets.toml`, on top of its defaults."""

    model: str
    data: str
    members: int
    non_members: int
    reference: int
    seed: int
    batch_size: int
    steps: int
    measured: int
    mixup: bool | str
    num_generated: int
    delta: float
    num_classes: int | None = None
    noise_multiplier: float | None = None
    l2_norm_clip: float = 1.0

    def cell(self, name: str) -> Cell:
        """The training run, measured at evenly spaced steps."""
        shares = range(1, self.measured + 1)
        defense: Defense = Mixing(self.mixup) if self.mixup else Undefended()
        if self.noise_multiplier is not None:
            dp = DPSGD(self.l2_norm_clip, self.noise_multiplier)
            defense = DifferentialPrivacy(dp)
        return Cell(
            name,
            model=self.model,
            defense=defense,
            members=self.members,
            data=Data(self.data, None, self.non_members, self.reference, draw=FIXED),
            num_classes=self.num_classes,
            seed=self.seed,
            batch_size=self.batch_size,
            checkpoints=tuple(
                sorted({max(1, self.steps * n // self.measured) for n in shares})
            ),
            num_generated=self.num_generated,
            delta=self.delta,
        )


class Meter(Progress):
    """Tells how far a training is and adds up its processor time."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / "cpu.json"
        self._started = time.process_time()

    @property
    def seconds(self) -> float:
        """Processor seconds of training, those of earlier runs included."""
        if not self._path.is_file():
            return 0.0
        return float(json.loads(self._path.read_text("utf-8"))["seconds"])

    def __call__(self, cell: Cell, step: int, message: str) -> None:
        """A line now and then; time runs between `training` and what follows it."""
        if message == "training":
            self._started = time.process_time()
        elif message:
            spent = time.process_time() - self._started
            storage.write_json(self._path, {"seconds": self.seconds + spent})
        super().__call__(cell, step, message)


def train(name: str, settings: Settings, out: Path, work: Path) -> None:
    """Trains and measures one preset and writes all that the zoo says of it."""
    folder, place = work / name, Path(settings.model) / name
    cell = settings.cell(name)
    split = cell.data.split(cell.members, cell.seed)
    meter = Meter(folder)
    entry = run_cell(cell, split, folder, meter)
    model, _ = last_files(folder)
    files = PresetFiles.read(save_to_preset(load_gan(model), out / place))
    # What is published is attacked, not what it was written from.
    report = audit(
        zoo.from_preset(out / place),
        split.members,
        split.non_members,
        reference=split.reference,
        seed=settings.seed,
        release="everything",
        folder=folder / "audit",
        progress=lambda title, done, total: meter.say(
            f"{name}: attack {done + 1} of {total}: {title}" if title else "reporting"
        ),
    )
    command = f"python -m benchmarks.presets {name}"
    results = {
        "name": name,
        "command": command,
        "settings": dataclasses.asdict(settings),
        "defense": cell.defense.describe(cell.model),
        "steps": cell.checkpoints[-1],
        "split_hash": split.content_hash,
        "cpu_minutes": meter.seconds / 60,
        "quality": [dataclasses.asdict(figure) for figure in entry.last.quality],
        "epsilon": entry.last.epsilon,
        "delta": settings.delta,
        "audit": _audit(report),
        "curve": [dataclasses.asdict(point) for point in entry.curve],
        "bytes": files.content["weights"]["bytes"],
        "versions": software_versions(),
    }
    storage.write_json(out / place / RESULTS, results)
    add_to_manifest(
        out,
        name,
        {
            "path": place.as_posix(),
            **files.content["weights"],
            "config_sha256": files.config_sha256,
            "keras": files.content["keras"],
            "scores": scores(results),
            "command": command,
        },
    )
    card = cards.write(out, settings.model)
    meter.say(f"{name}: wrote {out / place} and {card}")


def scores(results: dict[str, Any]) -> dict[str, Any]:
    """The few figures that the manifest holds."""
    attacks = results["audit"]["attacks"]
    strongest = results["audit"]["strongest"]
    return {
        "fid": next(one for one in results["quality"] if one["name"] == "FID"),
        "strongest_attack": strongest,
        "auc": attacks[strongest]["auc"],
        "auc_ci": attacks[strongest]["auc_ci"],
        "epsilon": results["epsilon"],
        "delta": results["delta"],
    }


def add_to_manifest(out: Path, name: str, entry: dict[str, Any]) -> None:
    """Adds or replaces the entry of a preset."""
    path = out / MANIFEST
    presets = {}
    if path.is_file():
        presets = json.loads(path.read_text("utf-8"))["presets"]
    storage.write_json(
        path, {"presets": dict(sorted({**presets, name: entry}.items()))}
    )


def read_settings() -> dict[str, Settings]:
    """All presets of `zoo/presets.toml` by name."""
    table = read_toml("presets.toml")
    return {
        name: Settings(**{**table["defaults"], **own})
        for name, own in table["presets"].items()
    }


def _audit(report: AuditReport) -> dict[str, Any]:
    """The parts of the report that a card shows, without times."""
    content = report.to_dict()
    kept = ("title", "status", "reason", "auc", "auc_ci", "tpr_at_fpr")
    return {
        "verdict": content["verdict"],
        "warnings": content["warnings"],
        "detectable_auc": content["detectable_auc"],
        "strongest": None if report.strongest is None else report.strongest.name,
        "strongest_held_out": content["strongest_held_out"],
        "attacks": {
            name: {key: result[key] for key in kept}
            for name, result in content["attacks"].items()
        },
    }


def main() -> None:
    """Reads the command line and trains what it names."""
    settings = read_settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["all", *settings], metavar="NAME|all")
    parser.add_argument("--steps", type=int, help="a short training, to try it out")
    parser.add_argument("--out", type=Path, help="the zoo")
    parser.add_argument("--work", type=Path, default=Path("runs/presets"))
    given = parser.parse_args()
    for name in settings if given.name == "all" else [given.name]:
        chosen, work, out = settings[name], given.work, given.out or zoo_folder()
        if given.steps is not None:
            chosen = dataclasses.replace(chosen, steps=given.steps)
            work = work / f"steps-{given.steps}"
            out = given.out or work / "zoo"
        train(name, chosen, out, work)


if __name__ == "__main__":
    main()
