"""What defenses leave of the leak, every model a target of all others of its arm.

    python -m benchmarks.defense FOLDER [--study dcgan] [--arms NAME ...] [--jobs N]
        [--models N] [--scheduler ADDRESS] [--out FILE]

Arms are trained on the same random halves of one pool of images and measured at
checkpoints: image quality, and every attack with the arm's own models as shadow models,
who know the defense. All is kept in FOLDER: stopped at any moment, the same command
continues. Arms that FILE has and that are not asked for stay in it: they can be run on
different days, in different folders. `python -m benchmarks.defense --from FILE` prints
what a file of figures says.

The arms and their checkpoints were fixed before their first run; those of the DCGAN on
digits were chosen on other trainings, of another pool, and the other studies take its
defense as it is.
"""

import argparse
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.defense_tables import TITLES, summary, versions_of
from benchmarks.shadow_study import BATCH_SIZE, pool_of
from keras_mixup_gan import attacks, data, metrics, storage, zoo
from keras_mixup_gan.attacks.shadows.signals import default_signals
from keras_mixup_gan.attacks.target import as_target, policy_of
from keras_mixup_gan.cli import plainly
from keras_mixup_gan.models.recipes import resolve_mixup
from keras_mixup_gan.privacy import DPSGD
from keras_mixup_gan.versions import RESULTS_VERSION

BLENDED: Any = resolve_mixup("augmented", zoo.load_recipe("dcgan"))
# What the zoo's functions are given for each arm.
ARMS: dict[str, dict[str, Any]] = {
    "undefended": {},
    "blended": {"mixup": "augmented"},
    # The same, but blended by regions: added once the other arms had been read.
    "regions": {"mixup": replace(BLENDED, region="cutmix")},
    # What each part of it is worth: without blending, and without noise.
    "unblended": {"mixup": replace(BLENDED, num_samples=1)},
    "unnoised": {"mixup": replace(BLENDED, noise_stddev=0.0)},
    "dropout": {"dropout": 0.5},
    "diffaugment": {"augment": "color,translation,cutout"},
    "noisy": {"mixup": "noisy"},
    "published": {"mixup": "paper"},
    # Half the pool is what coins make on average: the sampling rate tells no more.
    "private": {"dp": DPSGD(target_epsilon=10.0, delta=1e-4, num_examples=250)},
    # What DP-SGD does without its noise; it promises nothing.
    "clipped": {"dp": DPSGD(noise_multiplier=0.0, num_examples=250)},
}
NUM_GENERATED = 5000


@dataclass(frozen=True)
class Study:
    """A family of models, its images, and when each arm is measured.

    Attributes:
        family: The model, a function of the zoo.
        source: The images.
        members: Half of the pool, and so the mean number of members.
        reference: How many held-out images the quality is measured against.
        models: How many models an arm has.
        fewer: How many the arms have that decide nothing.
        checkpoints: By arm, the steps after which its models are measured.
        arguments: Of the model, with every defense.
    """

    family: str
    source: str
    members: int
    reference: int
    models: int
    checkpoints: Mapping[str, tuple[int, ...]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    fewer: Mapping[str, int] = field(default_factory=dict)

    @property
    def pool(self) -> Any:
        """The pool, as members, and held-out images."""
        return pool_of(self.source, self.members, self.reference)

    def build(self, arm: str, shape: tuple[int, ...], seed: int) -> Any:
        """An untrained model of an arm."""
        arguments = {**self.arguments, **ARMS[arm]}
        if "dp" in arguments:  # which repeats the run; real noise is secret
            arguments["dp"] = replace(arguments["dp"], noise_seed=seed)
        return getattr(zoo, self.family)(shape, seed=seed, **arguments)

    def number(self, arm: str) -> int:
        """How many models an arm has."""
        return self.fewer.get(arm, self.models)

    def check_comparable(self, numbers: Mapping[str, int]) -> None:
        """Raises unless arms of more models also have figures of as few as others."""
        for one, other in itertools.combinations(sorted({*numbers.values()}), 2):
            if one not in self.fewer.values():
                raise ValueError(
                    "Arms of so many models cannot be compared. Expected as many in "
                    "each, or in some as few as the study says. Received: "
                    f"{one} and {other} models. Leave out --models, or ask for all "
                    "arms."
                )

    def folder(self, arm: str) -> str:
        """A name by what models of an arm are made of."""
        recipe = zoo.load_recipe(self.family)
        known = {**self.arguments, **ARMS[arm]}
        known["mixup"] = resolve_mixup(known.get("mixup"), recipe)
        plain = {
            name: value.get_config() if hasattr(value, "get_config") else value
            for name, value in known.items()
        }
        digest = storage.digest_json([plain, recipe["model"], recipe["optimizer"]])
        return f"{arm}-{digest[:8]}"


STUDIES = {
    "dcgan": Study(
        "dcgan",
        "digits",
        members=250,
        reference=2000,
        models=16,
        checkpoints={
            "undefended": (100, 500, 1000, 2000, 3000, 4000),
            "blended": (2000, 3000, 4000),
            "regions": (2000, 4000, 6000),
            "unblended": (1000, 2000, 3000),
            "unnoised": (1000, 2000, 4000),
            "dropout": (1000, 2000, 4000),
            "diffaugment": (1000, 1500, 2000, 3000),
            "noisy": (2000,),
            "published": (2000,),
            "private": (1200,),
            "clipped": (1200, 2000, 4000),
        },
        fewer=dict.fromkeys(set(ARMS) - {"undefended", "blended", "diffaugment"}, 6),
    ),
    # Fewer members, of which more is learned by heart: the others hardly leak.
    "wgan_gp": Study(
        "wgan_gp",
        "digits",
        members=100,
        reference=2000,
        models=5,
        checkpoints={
            "undefended": (500, 1000, 2000),
            "blended": (1000, 2000),
            "diffaugment": (500, 1000, 2000),
        },
        arguments={"width": 16},
    ),
    "stylegan_lite": Study(
        "stylegan_lite",
        "digits",
        members=100,
        reference=2000,
        models=5,
        checkpoints={
            "undefended": (400, 800, 1600),
            "blended": (800, 1600, 2400),
            "diffaugment": (400, 800, 1600),
        },
    ),
    "patches": Study(
        "dcgan",
        "patches",
        members=100,
        reference=1000,
        models=5,
        checkpoints={
            "undefended": (500, 1000, 2000),
            "blended": (1000, 2000, 3000),
            "diffaugment": (500, 1000, 2000),
        },
    ),
}


@dataclass(frozen=True)
class Training:
    """Trains a model of an arm to a number of steps, from its last checkpoint on.

    Image quality is written beside the checkpoints, by the model's digest.
    """

    recipe: ClassVar[str] = "__main__.Training"  # folders say what is trained in them
    study: str
    arm: str
    folder: Path
    steps: int

    def __call__(self, images: Any, labels: Any, seed: int) -> Any:
        """The model of this seed after these steps."""
        study = STUDIES[self.study]
        model = self._last(seed)
        if model is None:
            model = study.build(self.arm, images.shape[1:], seed)
        if model.num_steps < self.steps:
            model.fit(
                images,
                batch_size=BATCH_SIZE,
                epochs=1,
                steps_per_epoch=self.steps - model.num_steps,
                verbose=0,
            )
            self._keep(model, seed)
        name = data.extractor_name(study.source, images.shape[1:])
        extractor = metrics.extractor_for(images.shape[1:], name)
        fid = metrics.frechet_distance(
            extractor(study.pool.reference.images),
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
    name: str, arm: str, folder: Path, models: int, **training: Any
) -> list[dict[str, Any]]:
    """The figures of an arm of a study, by checkpoint."""
    study, title = STUDIES[name], TITLES[arm]
    pool = study.pool.members.images
    seen = as_target(study.build(arm, pool.shape[1:], seed=0))
    checkpoints = []
    for steps in study.checkpoints[arm]:
        found = attacks.shadow_study(
            Training(name, arm, folder, steps),
            pool,
            folder=folder / f"signals-{steps}",
            num_models=models,
            signals=default_signals(policy_of(seen), seen.access),
            progress=lambda done, of, steps=steps: print(
                f"{title}, {steps} steps: model {done} of {of}", flush=True
            ),
            **training,
        )
        print(found, flush=True)
        figures = {"steps": steps, **_figures(found, folder, steps)}
        # Arms of fewer models are compared with these: attacks on them know as little.
        for number in set(study.fewer.values()):
            if number < models:
                few = attacks.study_of(found.shadows.of_models(range(number)))
                figures["few"] = _figures(few, folder, steps)
        checkpoints.append(figures)
    return checkpoints


def _figures(found: Any, folder: Path, steps: int) -> dict[str, Any]:
    paths = [quality_path(folder, steps, one) for one in found.shadows.ids]
    fids = [json.loads(path.read_text("utf-8"))["fid"] for path in paths]
    return {"fid": fids, **found.to_dict()}


def figures_of(file: Path) -> dict[str, Any]:
    """The figures that a file has."""
    remedy = "Name a file that this script wrote."
    figures = storage.read_json(file, "figures of defenses", remedy)
    if not {"arms", "study"} <= figures.keys():
        raise ValueError(
            "The file holds no study of defenses. Expected one that --out wrote. "
            f"Received: {file}."
        )
    return figures


def started(name: str, file: Path | None) -> dict[str, Any]:
    """The figures of a study that a file has; those of no arm where there is none."""
    if file is None or not file.exists():
        return {"study": name, "results_versions": {}, "arms": {}}
    figures = figures_of(file)
    if figures["study"] != name:
        raise ValueError(
            f"The file holds another study. Expected {name!r}. Received: {file}, of "
            f"{figures['study']!r}. Name another file."
        )
    return {
        "study": name,
        "results_versions": versions_of(figures),
        "arms": figures["arms"],
    }


def main() -> None:
    """Trains what is missing, prints the figures, and writes them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--from", dest="given", type=Path)
    parser.add_argument("--study", choices=STUDIES, default="dcgan")
    parser.add_argument("--arms", nargs="+", choices=ARMS)
    parser.add_argument("--models", type=int)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--scheduler")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if (given.folder is None) == (given.given is None):
        parser.error("Expected a folder to work in, or --from and a file of figures.")
    if given.given is not None:
        print(summary(figures_of(given.given)))
        return
    study = STUDIES[given.study]
    if missing := set(given.arms or ()) - study.checkpoints.keys():
        parser.error(
            f"This study has no such arm. Expected {', '.join(study.checkpoints)}. "
            f"Received: --arms {' '.join(sorted(missing))}."
        )
    figures = started(given.study, given.out)
    arms = given.arms or study.checkpoints
    numbers = {name: given.models or study.number(name) for name in arms}
    known = {name: len(each[-1]["fid"]) for name, each in figures["arms"].items()}
    study.check_comparable(known | numbers)
    for name in arms:
        figures["arms"][name] = measured(
            given.study,
            name,
            storage.make_folder(given.folder / given.study / study.folder(name)),
            numbers[name],
            n_jobs=given.jobs,
            scheduler=given.scheduler,
        )
        figures["results_versions"][name] = RESULTS_VERSION
        if given.out is not None:
            storage.write_json(given.out, figures)
    print(summary(figures))


if __name__ == "__main__":
    plainly(main)
