"""What defenses leave of the leak, every model a target of all others of its arm.

    python -m benchmarks.defense FOLDER [--arms NAME ...] [--models 16] [--jobs N]
        [--scheduler ADDRESS] [--out FILE]

Arms are trained on the same random halves of one pool of digits and measured at
checkpoints: image quality, and every attack with the arm's own models as shadow models,
who know the defense. All is kept in FOLDER: stopped at any moment, the same command
continues. `python -m benchmarks.defense --from FILE` prints what a file of figures
says.

The arms and their checkpoints were fixed before their first run; they were chosen on
other trainings, of another pool.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.shadow_study import BATCH_SIZE, pool_of_digits
from keras_mixup_gan import attacks, metrics, storage, zoo
from keras_mixup_gan.attacks.shadows.signals import default_signals
from keras_mixup_gan.attacks.target import as_target, policy_of
from keras_mixup_gan.experiments.analysis.curves import Curve, leakage_at
from keras_mixup_gan.models.recipes import resolve_mixup
from keras_mixup_gan.statistics.over_seeds import Mean, mean_over_seeds

POLICY = "color,translation,cutout"


@dataclass(frozen=True)
class Arm:
    """Arguments of `zoo.dcgan`, and the steps after which its models are measured."""

    title: str
    arguments: Mapping[str, Any]
    checkpoints: tuple[int, ...]

    @property
    def digest(self) -> str:
        """A hash of what its models are made of."""
        recipe = zoo.load_recipe("dcgan")
        mixup = resolve_mixup(self.arguments.get("mixup"), recipe)
        known = {**self.arguments, "mixup": mixup and mixup.get_config()}
        return storage.digest_json([known, recipe["model"], recipe["optimizer"]])


# The defense first, then what it is compared with.
ARMS = {
    "blended": Arm("Augmented mixup", {"mixup": "augmented"}, (2000, 3000, 4000)),
    "diffaugment": Arm("DiffAugment", {"augment": POLICY}, (1000, 1500, 2000, 3000)),
    "undefended": Arm("Undefended", {}, (1000, 2000, 3000, 4000)),
}
REFERENCE = "diffaugment"
NUM_GENERATED = 5000


@dataclass(frozen=True)
class Training:
    """Trains a model of an arm to a number of steps, from its last checkpoint on.

    Image quality is written beside the checkpoints, by the model's digest.
    """

    folder: Path
    arguments: Mapping[str, Any]
    steps: int

    def __call__(self, images: Any, labels: Any, seed: int) -> Any:
        """The model of this seed after these steps."""
        model = self._last(seed)
        if model is None:
            model = zoo.dcgan(images.shape[1:], seed=seed, **self.arguments)
        if model.num_steps < self.steps:
            model.fit(
                images,
                batch_size=BATCH_SIZE,
                epochs=1,
                steps_per_epoch=self.steps - model.num_steps,
                verbose=0,
            )
            self._keep(model, seed)
        extractor = metrics.extractor_for(images.shape[1:], "digits")
        fid = metrics.frechet_distance(
            extractor(pool_of_digits().reference.images),
            extractor(model.generate(NUM_GENERATED, seed=seed)),
        )
        path = quality_path(self.folder, self.steps, storage.weights_digest(model))
        storage.write_json(path, {"fid": fid})
        return model

    def _last(self, seed: int) -> Any:
        from keras_mixup_gan.models.saving import load_keras

        steps = [steps for steps in self._kept(seed) if steps <= self.steps]
        return load_keras(self._path(seed, max(steps))) if steps else None

    def _keep(self, model: Any, seed: int) -> None:
        with storage.writing(self._path(seed, self.steps)) as place:
            model.save(place)
        for steps in self._kept(seed):
            if steps < self.steps:
                self._path(seed, steps).unlink()

    def _kept(self, seed: int) -> list[int]:
        names = self.folder.glob(f"model-{seed}-*.keras")
        return sorted(int(path.stem.rpartition("-")[2]) for path in names)

    def _path(self, seed: int, steps: int) -> Path:
        return self.folder / f"model-{seed}-{steps}.keras"


def quality_path(folder: Path, steps: int, digest: str | None) -> Path:
    """Where the image quality of a model of an arm is."""
    return folder / f"quality-{steps}-{str(digest)[:16]}.json"


def measured(
    arm: Arm, folder: Path, models: int, **training: Any
) -> list[dict[str, Any]]:
    """The figures of an arm, by checkpoint."""
    pool = pool_of_digits().members.images
    seen = as_target(zoo.dcgan(pool.shape[1:], seed=0, **arm.arguments))
    checkpoints = []
    for steps in arm.checkpoints:
        study = attacks.shadow_study(
            Training(folder, dict(arm.arguments), steps),
            pool,
            folder=folder / f"signals-{steps}",
            num_models=models,
            signals=default_signals(policy_of(seen), seen.access),
            progress=lambda done, of, steps=steps: print(
                f"{arm.title}, {steps} steps: model {done} of {of}", flush=True
            ),
            **training,
        )
        paths = [quality_path(folder, steps, one) for one in study.shadows.ids]
        fids = [json.loads(path.read_text("utf-8"))["fid"] for path in paths]
        print(study, flush=True)
        checkpoints.append({"steps": steps, "fid": fids, **study.to_dict()})
    return checkpoints


def at_equal_quality(
    arm: list[dict[str, Any]], other: list[dict[str, Any]], access: str
) -> Mean | None:
    """How much less an arm's last models leak than the other arm at their FID.

    Paired by model, which has the same members and the same seed in both; the
    strongest attack of each arm with this access counts. Models of whose quality the
    other arm has none are left out; `None` if fewer than three are left.
    """
    name, against = strongest(arm[-1], access), strongest(other[-1], access)
    differences = []
    for number, fid in enumerate(arm[-1]["fid"]):
        curve = Curve(
            tuple(point["fid"][number] for point in other),
            tuple(_areas(point, against)[number] for point in other),
            (0.0,) * len(other),
        )
        reading = leakage_at(curve, fid)
        if reading is not None and not reading.before_start:
            differences.append(reading.leakage - _areas(arm[-1], name)[number])
    return mean_over_seeds(differences, (-1.0, 1.0)) if len(differences) > 2 else None


def strongest(checkpoint: Mapping[str, Any], access: str) -> str:
    """The attack of the highest mean AUC, of those that need samples or everything."""
    possible = [
        attack
        for attack in checkpoint["attacks"]
        if access == "everything" or set(attack["requires"]) <= {"samples", "shadows"}
    ]
    return str(max(possible, key=lambda attack: attack["area"]["mean"])["name"])


def _areas(checkpoint: Mapping[str, Any], name: str) -> list[float]:
    found = {attack["name"]: attack for attack in checkpoint["attacks"]}
    return list(found[name]["areas"])


def summary(figures: Mapping[str, Any]) -> str:
    """A line for each checkpoint, and the comparisons at equal quality, in Markdown."""
    lines = [
        "| arm | steps | FID | everything: AUC | found | samples: AUC | found |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, checkpoints in figures["arms"].items():
        for point in checkpoints:
            cells = [ARMS[name].title, f"{point['steps']:,}", _mean(point["fid"])]
            known = {attack["name"]: attack for attack in point["attacks"]}
            for access in ("everything", "samples"):
                attack = known[strongest(point, access)]
                found = attack["found"]["0.01"]["mean"]
                cells += [_mean(attack["areas"], 3), f"{100 * found:.1f} %"]
            lines.append(f"| {' | '.join(cells)} |")
    lines.append("")
    arms = figures["arms"]
    for name in arms:
        for other in arms:
            if other == name or other == "blended":
                continue
            for access in ("everything", "samples"):
                found = at_equal_quality(arms[name], arms[other], access)
                text = "not comparable" if found is None else _with_interval(found, 3)
                lines.append(
                    f"- {ARMS[other].title} minus {ARMS[name].title}, at the FID of "
                    f"the latter, {access}: {text}"
                )
    return "\n".join(lines) + "\n"


def headline(figures: Mapping[str, Any]) -> list[str]:
    """AUCs of the default's last models, and how much more the reference leaks."""
    arm, other = figures["arms"]["blended"], figures["arms"][REFERENCE]
    names = [strongest(arm[-1], access) for access in ("everything", "samples")]
    less = at_equal_quality(arm, other, "everything")
    texts = [_mean(_areas(arm[-1], name), 3) for name in names]
    return texts if less is None else [*texts, _with_interval(less, 3)]


def _mean(values: list[float], digits: int = 2) -> str:
    return _with_interval(mean_over_seeds(values, (0.0, float("inf"))), digits)


def _with_interval(found: Mean, digits: int) -> str:
    low, high = found.interval or (found.mean, found.mean)
    return f"{found.mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def main() -> None:
    """Trains what is missing, prints the figures, and writes them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--from", dest="given", type=Path)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--models", type=int, default=16)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--scheduler")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if (given.folder is None) == (given.given is None):
        parser.error("Expected a folder to work in, or --from and a file of figures.")
    if given.given is not None:
        print(summary(json.loads(given.given.read_text("utf-8"))))
        return
    figures: dict[str, Any] = {"arms": {}}
    for name in given.arms:
        arm = ARMS[name]
        figures["arms"][name] = measured(
            arm,
            storage.make_folder(given.folder / f"{name}-{arm.digest[:8]}"),
            given.models,
            n_jobs=given.jobs,
            scheduler=given.scheduler,
        )
        if given.out is not None:
            storage.write_json(given.out, figures)
    print(summary(figures))


if __name__ == "__main__":
    main()
