"""`Shadows`: statistics of models trained on known random halves, by image."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.shadows.signals import SAMPLE_SIGNALS, measure, panel_of
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.data.pixels import Pixels
from keras_mixup_gan.data.splits import image_keys
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.storage import (
    DamagedFileError,
    digest_file,
    read_arrays,
    read_json,
)
from keras_mixup_gan.typing import BoolArray, FloatArray, IntArray
from keras_mixup_gan.validation import rows_in_turn
from keras_mixup_gan.versions import RESULTS_VERSION

MANIFEST = "shadows.json"
RECORDS = "records.npz"
PER_RECORD = 32  # shadows of each kind that a variance of a record's own takes
_REMEDY = "Delete the folder and train the shadow models again."
_NUM_PROBES = 16
_PROBE_SEED = 11


@dataclass(frozen=True, eq=False, repr=False)
class Shadows:
    """What an attacker learned from shadow models; made by `train_shadows`.

    Only statistics are kept, one number for each shadow and record, not the models. A
    record is a distinct image; it is recognized by its pixels, never by its place.

    Attributes:
        statistics: By signal, such as `"critic"` or `"nearest"`: float64 array
            `(num_shadows, num_records)`, higher = more likely a member.
        inside: Boolean array `(num_shadows, num_records)`: whether the shadow was
            trained on the record.
        digests: SHA-256 of the pixels of each record.
        probe_answers: Float64 array `(num_shadows, any)`: what each shadow says of
            fixed images, to recognize a target that is among them.
        ids: SHA-256 of the weights of each shadow.
        seed: Seed of the latents that every model was given.
        num_samples: Generated images for each signal, by signal.
        flips: Whether statistics are means over an image and its mirror image.
        defense: Settings of the defense that shadows were trained with, or None.
        folder: Where they lie, if anywhere.
        balanced: Whether each record is in for half of the shadows, so that the others'
            halves tell one's.
    """

    statistics: Mapping[str, FloatArray]
    inside: BoolArray
    digests: tuple[str, ...]
    probe_answers: FloatArray
    ids: tuple[str, ...]
    seed: int = 0
    num_samples: Mapping[str, int] = field(default_factory=dict)
    flips: bool = False
    defense: dict[str, Any] | None = None
    folder: Path | None = None
    balanced: bool = True

    def __repr__(self) -> str:
        return (
            f"Shadows(num_shadows={self.num_shadows}, num_records={len(self.digests)}, "
            f"signals={list(self.statistics)}, defense={self.defense})"
        )

    @property
    def num_shadows(self) -> int:
        """The number of models."""
        return len(self.inside)

    @property
    def signals(self) -> tuple[str, ...]:
        """The names by which its statistics are asked for, as in `train_shadows`."""
        return tuple(dict.fromkeys(map(panel_of, self.statistics)))

    @property
    def num_images(self) -> float:
        """On how many distinct images a shadow was trained, on average."""
        return float(self.inside.sum(axis=1).mean())

    @property
    def caution(self) -> str | None:
        """What this number of shadows cannot show, in a sentence; None if enough."""
        if self.num_shadows >= 2 * PER_RECORD:
            return None
        return (
            f"{self.num_shadows} shadow models give each image a mean over about "
            f"{self.num_shadows // 2} models that saw it and as many that did not, and "
            f"one variance for all images. With {2 * PER_RECORD} or more the same "
            "attack finds more, above all at low false-positive rates: what it misses "
            "here is no evidence of safety."
        )

    def records_of(self, images: FloatArray) -> IntArray:
        """The record that each image is, by number.

        Raises:
            ValueError: If an image is not among the records.
        """
        found = [self._places.get(digest, -1) for digest in image_digests(images)]
        records = np.array(found, dtype="int64")
        if (records < 0).any():
            raise ValueError(
                f"The shadow models know nothing of {int((records < 0).sum())} of "
                f"{len(records)} images. Expected images of the pool, or of `queries`, "
                "that they were trained with. Pass these images to `train_shadows`."
            )
        return records

    def signals_of(
        self,
        names: Iterable[str],
        target: AttackTarget,
        images: FloatArray,
        rows: FloatArray | None,
    ) -> dict[str, FloatArray]:
        """Statistics of the target for each image, taken as of the shadows."""
        names = list(names)
        asked = dict.fromkeys(map(panel_of, names))
        sizes = {name: self.num_samples[name] for name in asked}
        for name, size in sizes.items():
            number = target.num_available(size)
            if name in SAMPLE_SIGNALS and number < size:
                raise ValueError(
                    "The target has fewer images than the shadow models were measured "
                    "by, among which the nearest are farther. Expected "
                    f"{size} for the signal {name!r}. Received: {number}. Measure both "
                    f"alike, `train_shadows(num_samples={{{name!r}: {number}, ...}})`."
                )
        target = seen_as(target, self.defense)
        found = measure(sizes, target, images, rows, self.flips)
        known = {name for name in self.statistics if panel_of(name) in asked}
        if known != set(found):
            raise ValueError(
                "The target's discriminator must have the layers of those of the "
                f"shadow models. Expected {len(known)} signals. Received: "
                f"{len(found)}. Train shadow models like the target."
            )
        return {name: found[name] for name in names}

    def without(self, number: int) -> "Shadows":
        """All but one of the shadows, which may then be a target of the others."""
        return self.of_models([k for k in range(self.num_shadows) if k != number])

    def of_models(self, chosen: Sequence[int]) -> "Shadows":
        """Some of the shadows, by number, who then know only of one another."""
        rows = list(chosen)
        return replace(
            self,
            statistics={name: v[rows] for name, v in self.statistics.items()},
            inside=self.inside[rows],
            probe_answers=self.probe_answers[rows],
            ids=tuple(self.ids[k] for k in rows),
        )

    def of_records(self, chosen: BoolArray) -> "Shadows":
        """What the shadows say of some of the records."""
        return replace(
            self,
            statistics={name: v[:, chosen] for name, v in self.statistics.items()},
            inside=self.inside[:, chosen],
            digests=tuple(np.array(self.digests)[chosen].tolist()),
        )

    def refuse(self, target: AttackTarget) -> None:
        """Raises unless a target can be compared with these shadows.

        Raises:
            ValueError: If the target is one of the shadows, or was given other latents.
        """
        if target.seed != self.seed:
            raise ValueError(
                "The target must be given the latents that the shadow models were "
                f"given. Expected seed={self.seed}. Received: seed={target.seed}. Use "
                "the same seed for `train_shadows` and the attack."
            )
        own = answer_probes(target)
        known = np.isfinite(own) & np.isfinite(self.probe_answers).all(axis=0)
        if not known.any():
            return
        answers = self.probe_answers[:, known]
        same = np.isclose(answers, own[known], rtol=1e-5, atol=1e-7)
        if same.all(axis=1).any():
            number = int(same.all(axis=1).argmax())
            raise ValueError(
                "The target is one of its own shadow models, so that they would know "
                f"the answer. Received: a target that equals shadow {number}, "
                f"{self.ids[number][:12]}. Leave it out of the pool."
            )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Shadows":
        """Reads what `train_shadows` left in a folder.

        Raises:
            ValueError: If the folder holds none, or not all of them are trained.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).exists():
            raise ValueError(
                f"The folder {str(folder)!r} holds no shadow models. Expected "
                f"{MANIFEST!r} in it. Train them with `train_shadows`."
            )
        manifest = read_json(folder / MANIFEST, "the settings of shadows", _REMEDY)
        if manifest.get("results_version") != RESULTS_VERSION:
            raise ValueError(
                f"The shadow models in {str(folder)!r} were trained by another version "
                f"of this library. Expected results version {RESULTS_VERSION}. "
                f"Received: {manifest.get('results_version')}. {_REMEDY}"
            )
        number = manifest["num_shadows"]
        parts = [read_shadow(folder, k) for k in range(number)]
        trained = [part for part in parts if part is not None]
        if len(trained) < number:
            raise ValueError(
                f"Only {len(trained)} of {number} shadow models in {str(folder)!r} are "
                "trained. Run `train_shadows` again: it continues where it stopped."
            )
        records = read_arrays(folder / RECORDS, "the records of shadows", _REMEDY)
        digests = tuple(row.tobytes().hex() for row in records["digests"])
        return cls(
            statistics={
                name: np.stack([part[f"signal/{name}"] for part in trained])
                for asked in manifest["num_samples"]
                for name in _parts(trained[0], asked)
            },
            inside=np.stack([part["inside"] for part in trained]),
            digests=digests,
            probe_answers=np.stack([part["probe_answers"] for part in trained]),
            ids=tuple(str(part["id"]) for part in trained),
            seed=manifest["seed"],
            num_samples=manifest["num_samples"],
            flips=manifest["flips"],
            defense=json.loads(str(trained[0]["defense"])),
            folder=folder,
            balanced=manifest.get("balanced", True),
        )

    def load_models(self) -> list[Any]:
        """The models that `train_shadows(keep_models=True)` kept, in their order.

        Raises:
            ValueError: If none were kept.
        """
        paths = [model_path(self.folder or Path(), k) for k in range(self.num_shadows)]
        if self.folder is None or not all(path.exists() for path in paths):
            raise ValueError(
                "The shadow models were not kept, only their statistics. Train with "
                "`train_shadows(..., keep_models=True)`."
            )
        from keras_mixup_gan.models.saving import load_keras

        return [load_keras(path) for path in paths]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {digest: place for place, digest in enumerate(self.digests)}


def seen_as(target: AttackTarget, defense: dict[str, Any] | None) -> AttackTarget:
    """The target, looked at as one with these settings of `defense_of`."""
    known = dict(defense or {})
    augment = known.pop("augment", None)
    mixup = SimpleNamespace(**known) if "num_samples" in known else None
    if mixup is not None and "order" in known:  # its own transforms come first
        mixup.augment = augment
    return replace(target, mixup=mixup, augment=augment)


def _parts(trained: Mapping[str, Any], asked: str) -> list[str]:
    """The signals of one name among the arrays of a shadow, in their order."""
    names = [name.removeprefix("signal/") for name in trained]
    return [name for name in names if panel_of(name) == asked]


def image_digests(images: FloatArray) -> list[str]:
    """SHA-256 of each image's values, however 8 bits became floats."""
    return [key.hex() for key in image_keys(Pixels(np.asarray(images)))]


def answer_probes(target: AttackTarget) -> FloatArray:
    """What a model says of fixed noise, and a mean of its first images; NaN if mute."""
    values = np.full(2 * _NUM_PROBES, np.nan)
    if target.discriminator is not None:
        rng = np.random.default_rng(_PROBE_SEED)
        shape = (_NUM_PROBES, *target.image_shape)
        noise = rng.uniform(-1, 1, shape).astype("float32")
        rows = None
        if target.num_classes is not None:
            rows = rows_in_turn(_NUM_PROBES, target.num_classes)
        scores = np.asarray(target.discriminator(noise, rows), "float64")
        values[:_NUM_PROBES] = scores.reshape(_NUM_PROBES)
    if target.sampler is not None and target.num_samples is None:
        images = np.asarray(target.sampler(0, _NUM_PROBES), "float64")
        values[_NUM_PROBES:] = images.reshape(_NUM_PROBES, -1).mean(axis=1)
    return values


def read_shadow(folder: Path, number: int) -> dict[str, Any] | None:
    """The arrays of one shadow, or None if it is missing or damaged."""
    try:
        part = read_arrays(arrays_path(folder, number), "a shadow", _REMEDY)
    except DamagedFileError:
        return None
    kept = str(part.get("model_sha256", ""))
    if kept and kept != digest_file(model_path(folder, number)):
        return None
    return part


def arrays_path(folder: Path, number: int) -> Path:
    """The file of a shadow's statistics."""
    return folder / f"shadow-{number:03d}.npz"


def model_path(folder: Path, number: int) -> Path:
    """The file of a shadow's model, if it was kept."""
    return folder / f"shadow-{number:03d}.keras"


def draw_halves(
    num_shadows: int, num_records: int, seed: int, balanced: bool = True
) -> BoolArray:
    """Fair coins, balanced so that each record is in for half of the shadows.

    With an odd number of shadows a further coin decides which half is the larger.
    Coins that are not balanced are independent: those of others then tell nothing of
    one shadow's.
    """
    rng = generator(seed, Stream.SHADOW_HALVES)
    draws = rng.random((num_shadows, num_records))
    if not balanced:
        return np.asarray(draws < 0.5)
    ranks = draws.argsort(axis=0).argsort(axis=0)
    extra = rng.integers(2, size=num_records) if num_shadows % 2 else 0
    return np.asarray(ranks < (num_shadows + extra) // 2)
