"""A training in a folder, which can be stopped at any moment and then continues."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import keras

from keras_mixup_gan import zoo
from keras_mixup_gan.augment import TRANSFORMS
from keras_mixup_gan.cli.watching import Watch
from keras_mixup_gan.data import Images, load_images
from keras_mixup_gan.data.images import check_image_shape
from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.models.recipes import family_class, load_recipe, resolve_mixup
from keras_mixup_gan.models.saving import load_gan
from keras_mixup_gan.privacy import DPSGD
from keras_mixup_gan.rounding import upper_text
from keras_mixup_gan.storage import (
    check_clock,
    check_outside,
    digest_arrays,
    digest_file,
    finite,
    is_empty,
    locked,
    path_of,
    read_json,
    reading,
    unseal,
    write_file,
    write_sealed,
    writing,
)
from keras_mixup_gan.validation import check_choice
from keras_mixup_gan.versions import RESULTS_VERSION

STATE = "train.json"


@dataclass(frozen=True)
class Job:
    """A fresh model, its data, and all that a training depends on, as JSON values."""

    model: Any
    data: Images
    settings: dict[str, Any]

    @property
    def steps_per_epoch(self) -> int:
        """Steps in a pass over the images."""
        used = self.settings["batch_size"] * self.model.discriminator_steps
        return max(1, len(self.data.pixels) // used)


def resolve(
    model: str,
    *,
    data: str,
    image_size: int | None,
    mixup: str,
    dp: Callable[[int], DPSGD | None],
    classes: bool,
    augment: str | None,
    batch_size: int,
    seed: int,
    value_range: tuple[float, float] | None = None,
) -> Job:
    """Reads the data and builds the model that a command line describes.

    `dp` is called with the number of images.
    """
    recipe = load_recipe(model)
    transform = resolve_mixup(parse_mixup(mixup), recipe)
    shape = None if image_size is None else (image_size, image_size, None)
    loaded = load_images(data, shape, value_range=value_range)
    images, labels, names = loaded.pixels, loaded.labels, loaded.class_names
    private = dp(len(images))
    if classes and labels is None:
        raise ValueError(
            "`--classes` needs the class of every image. Expected sub-folders, one for "
            f"each class, or labels in the file. Received: data={data!r}, without any. "
            "Leave `--classes` out."
        )
    if not classes:
        labels = names = None
    num_classes = None if labels is None else len(names or range(labels.max() + 1))
    fresh = family_class(model).from_recipe(
        check_image_shape(images.shape[1:]),
        mixup=transform or False,
        dp=private,
        num_classes=num_classes,
        class_names=names,
        augment=augment,
        seed=seed,
    )
    settings = {
        "model": model,
        "data": data,
        "data_sha256": digest_arrays(a for a in (images, labels) if a is not None),
        "num_images": len(images),
        "image_shape": list(images.shape[1:]),
        "num_classes": num_classes,
        "mixup": None if transform is None else transform.get_config(),
        "dp": None if private is None else private.get_config(),
        "augment": augment,
        "batch_size": batch_size,
        "seed": seed,
        "recipe": recipe,
        "results_version": RESULTS_VERSION,
    }
    if value_range is not None:
        settings["value_range"] = value_range
    return Job(fresh, Images(images, labels, names), json.loads(json.dumps(settings)))


def parse_mixup(text: str) -> bool | str | MixUp:
    """The zoo's `mixup` that a word or settings of the command line stand for."""
    named: dict[str, bool | str] = {
        "none": False,
        "true": True,
        "augmented": "augmented",
        "noisy": "noisy",
        "paper": "paper",
    }
    if "=" not in text:
        check_choice(text, [*named, "alpha=...,noise_stddev=..."], "mixup")
        return named[text]
    kinds: dict[str, Any] = {
        name: (*get_args(kind), kind)[0] for name, kind in get_type_hints(MixUp).items()
    }
    given: dict[str, Any] = {}
    # A policy has commas, and its transforms strengths, too.
    of_policy = rf"\s*(?:{'|'.join(TRANSFORMS)})\s*="
    for part in re.split(rf",(?!{of_policy})(?=\s*\w+\s*=)", text):
        name, _, value = (word.strip() for word in part.partition("="))
        check_choice(name, kinds, "mixup")
        given[name] = _as_kind(name, value, kinds[name])
    return MixUp(**given)


def _as_kind(name: str, value: str, kind: type) -> Any:
    try:
        if kind is bool:
            return {"true": True, "false": False}[value.lower()]
        return kind(value)
    except (KeyError, ValueError):
        raise ValueError(
            f"The setting {name!r} of `--mixup` cannot be read. Expected "
            f"{kind.__name__}. Received: {name}={value}. Write e.g. "
            "`--mixup alpha=8,mix_fakes=true`."
        ) from None


def run(
    job: Job,
    total: int,
    folder: Path,
    say: Callable[[str], None],
    watch: Watch | None = None,
    tell: Callable[[str, int, int, str], None] | None = None,
) -> None:
    """Trains until the model has done `total` steps, and writes what came of it.

    Epochs are told by `tell(phase, step, total, text)`, or else said.
    """
    check_clock()
    watch = watch or Watch()
    check_outside(folder, data=job.settings["data"], monitor=watch.monitor)
    with locked(folder, "grids", "preset"):
        _run(_Store(folder, job), job, total, say, watch, tell)


def _run(
    store: "_Store",
    job: Job,
    total: int,
    say: Callable[[str], None],
    watch: Watch,
    tell: Callable[[str, int, int, str], None] | None,
) -> None:
    folder, model = store.folder, store.model()
    if model.num_steps > total:
        raise ValueError(
            f"The training in {str(folder)!r} has gone further. Expected at least "
            f"{model.num_steps} steps, which are done. Received: {total}. Ask for "
            "more, or choose another `--out`."
        )
    if model.num_steps:
        say(f"continuing after step {model.num_steps} of {total}")

    def keep(epoch: int, logs: dict[str, Any]) -> None:
        losses = {name: float(value) for name, value in logs.items()}
        store.keep(model, {"epoch": epoch + 1, "step": model.num_steps, **losses})
        words = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        text = f"epoch {epoch + 1}: step {model.num_steps} of {total}: {words}"
        if tell is None:
            say(text)
        else:
            tell("training", model.num_steps, total, text)

    if tell is not None and model.num_steps < total:
        tell("training", model.num_steps, total, f"training for {total} steps")
    length = job.steps_per_epoch
    # The picture first: an epoch that is kept is not trained, nor shown, again.
    callbacks: list[Any] = []
    if model.num_steps < total:
        epochs, seed = -(-total // length), job.settings["seed"]
        callbacks = watch.callbacks(model, job.data, folder, epochs, seed, say)
    callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=keep))
    while model.num_steps < total:
        epoch, begun = divmod(model.num_steps, length)
        whole = 0 if begun else total // length - epoch
        rest = min((epoch + 1) * length, total) - model.num_steps
        model.fit(
            job.data,
            batch_size=job.settings["batch_size"],
            initial_epoch=epoch,
            epochs=epoch + max(1, whole),
            steps_per_epoch=length if whole else rest,
            callbacks=callbacks,
            verbose=0,
        )
    with writing(folder / "model.keras") as place:
        model.save(place)
    zoo.save_to_preset(model, folder / "preset")
    say(f"wrote {folder / 'model.keras'} and {folder / 'preset'}")
    say(
        "Both hold the discriminator, which gives most away. To hand over the "
        f"generator alone: keras-mixup-gan export {folder}"
    )
    if model.dp is not None:
        delta = job.settings["dp"].get("delta") or 0.1 / len(job.data.pixels)
        epsilon = upper_text(model.epsilon(delta))
        say(f"epsilon is {epsilon} at delta = {upper_text(delta)}")


class _Store:
    """The files of a training; `train.json` names the others and is written last."""

    def __init__(self, folder: Path, job: Job) -> None:
        self.folder, self.job = folder, job
        self.state: dict[str, Any] = {"settings": job.settings, "history": []}
        path = folder / STATE
        if path.exists():
            self.state = self._read(path)
        elif not is_empty(folder):
            raise ValueError(
                f"The folder {str(folder)!r} holds other files. Expected an empty "
                f"folder, or one with {STATE}. Choose another `--out`."
            )
        else:
            self._write()

    def model(self) -> Any:
        """The model of the last whole epoch, or the fresh one."""
        if not self.state["history"]:
            return self.job.model
        path = self.folder / str(self.state["checkpoint"])
        expected = str(self.state["sha256"])
        if digest_file(path) != expected:
            raise ValueError(
                f"The checkpoint {str(path)!r} is missing or damaged. Expected the "
                f"file that was written, sha256 {expected[:12]}. Delete "
                f"{str(self.folder)!r} to train again."
            )
        return load_gan(path)

    def keep(self, model: Any, row: dict[str, Any]) -> None:
        """Writes the model and the history after an epoch."""
        path = self.folder / f"checkpoint-{row['step']}.keras"
        with writing(path) as place:
            model.save(place)
        self.state = {
            "settings": self.job.settings,
            "checkpoint": path.name,
            "sha256": digest_file(path),
            "history": [*self.state["history"], finite(row)],
        }
        table = io.StringIO()
        names = dict.fromkeys(key for each in self.state["history"] for key in each)
        writer = csv.DictWriter(table, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.state["history"])
        write_file(self.folder / "history.csv", table.getvalue().encode())
        self._write()
        (self.folder / "model.keras").unlink(missing_ok=True)  # of an earlier end
        shutil.rmtree(self.folder / "preset", ignore_errors=True)
        for old in self.folder.glob("checkpoint-*.keras"):
            if old != path:
                old.unlink()

    def _read(self, path: Path) -> dict[str, Any]:
        state = _read_state(path, "Choose another `--out`.")
        settings, ours = state["settings"], self.job.settings
        names = sorted({*settings, *ours})
        changed = [name for name in names if settings.get(name) != ours.get(name)]
        if changed:
            before = {name: settings.get(name) for name in changed}
            now = {name: ours.get(name) for name in changed}
            raise ValueError(
                f"The folder {str(self.folder)!r} holds a training with other "
                f"settings. Expected {before}. Received: {now}. Choose another `--out`."
            )
        return state

    def _write(self) -> None:
        write_sealed(self.folder / STATE, self.state)


def _read_state(path: Path, remedy: str) -> dict[str, Any]:
    what = "the state of a training"
    state = read_json(path, what, remedy)
    with reading(path, what, remedy):
        state = unseal(state)
        return {
            **state,
            "settings": dict(state["settings"]),
            "history": list(state["history"]),
        }


def trained_batch_size(model: str | None) -> int | None:
    """The batch size of what `train` left in a folder; `None` of anything else.

    Its model may be named by the folder, or by the file or the preset in it.
    """
    if model is None:
        return None
    place = path_of(model)
    path = place / STATE
    if place.name == "preset" or place.suffix == ".keras":
        path = path if path.is_file() else place.parent / STATE
    if not path.is_file():
        return None
    remedy = "Pass `--shadow-batch-size`."
    return int(_read_state(path, remedy)["settings"]["batch_size"])
