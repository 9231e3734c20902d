"""Training of shadow models: on random halves of a pool, in parallel, resumable."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.shadows import store
from keras_mixup_gan.attacks.shadows.recipes import Train, training_of
from keras_mixup_gan.attacks.shadows.signals import (
    SIGNALS,
    default_signals,
    measure,
)
from keras_mixup_gan.attacks.shadows.store import Shadows
from keras_mixup_gan.attacks.target import AttackTarget, as_target, defense_of
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.parallel import run_jobs
from keras_mixup_gan.randomness import Stream, sequence
from keras_mixup_gan.storage import (
    digest_arrays,
    digest_file,
    digest_json,
    locked,
    weights_digest,
    write_arrays,
    write_file,
    write_text,
)
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import (
    check_choice,
    check_classes,
    check_images,
    check_integer,
    class_rows,
)
from keras_mixup_gan.versions import RESULTS_VERSION


def train_shadows(
    model: Any,
    images: FloatArray,
    labels: IntArray | None = None,
    *,
    folder: str | os.PathLike[str],
    num_shadows: int = 16,
    queries: FloatArray | None = None,
    fit: Mapping[str, Any] | None = None,
    seed: int = 0,
    signals: Iterable[str] = ("critic",),
    num_samples: Mapping[str, int] | None = None,
    flips: bool = False,
    balanced: bool = True,
    keep_models: bool = False,
    n_jobs: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Shadows:
    """Trains shadow models on random halves of a pool and notes what they say of it.

    Each record of the pool is in the training set of a shadow by a fair coin; copies of
    an image share their coins. Every shadow is trained afresh, with weights and batches
    from a seed of its own, and all are given the same latents. One that equals the
    target is refused.

    Each shadow is written at once when it is done; called again with the same
    arguments, training continues with the missing ones and the result is the same.

    Args:
        model: A model of the zoo, usually the target: shadows are built from its
            `get_config()`, so with its defense, as an adaptive attacker would, and
            trained by `fit`. Or a function `train(images, labels, seed) -> model`; the
            model has `generate` and `score`, or is an `AttackTarget`. A function, or an
            object with `__call__`, is recognized by its own compiled code and what it
            closes over or its constructor was given, not by the code that it calls; or
            by its attribute `recipe`, a text of yours.
        images: The pool `(num_images, height, width, channels)` in `[-1, 1]`: members
            and non-members together for attacks that train on the queries; other
            images alone for those that do not.
        labels: Class labels `(num_images,)`, for conditional models.
        folder: Where shadows are kept, on this machine. It must not hold other ones.
        num_shadows: How many, at least 2. 16 are a beginning, 64 or more show what a
            determined attacker finds.
        queries: Further images that no shadow is trained on but which will be scored
            (without classes).
        fit: Arguments of `model.fit`, such as `epochs` and `batch_size`: those the
            target was trained with.
        seed: Seed of coins, shadows and latents; the target must be attacked with the
            same.
        signals: Statistics to keep: `"critic"`, `"augmented"`, `"moments"` and
            `"layers"` of the discriminator, `"nearest"`, `"neighbors"`, `"features"`
            and `"density"` of samples, or `"reconstruction"` by the generator.
        num_samples: Generated images for each signal, by default 1024 for those of the
            discriminator (256 for `"layers"`) and 5000 for others.
        flips: Average the statistics over an image and its mirror image.
        balanced: Whether each record is in for exactly half of the shadows, which
            serves a target from elsewhere best. If not, the coins are independent: so
            must they be where a shadow becomes the target of the others, since who
            counts the halves of these would know its own.
        keep_models: Save the models too.
        n_jobs: How many to train at the same time, in processes with one core each;
            -1 for all cores. By default one, in this process, or what a surrounding
            `joblib.parallel_config` says.
        scheduler: Address of a Dask scheduler, such as `"tcp://10.0.0.1:8786"`, whose
            workers train instead, one shadow for each of their threads and with one
            core each. They must have the same software; they need not see `folder`.
            Shadows from workers are the same to the last bit wherever these run; in
            this process TensorFlow may use more cores, which changes the rounding.
        progress: Called as `progress(num_done, num_shadows)`.

    Raises:
        ValueError: If an argument is not as described, the folder holds other shadows
            or is in use by another run, a shadow equals the target, a worker process
            ends or cannot be given its work, or no scheduler or no fit worker answers.
        ImportError: If `scheduler` is given and the `cluster` extra is not installed.

    Source: Carlini, Chien, Nasr, Song, Terzis, Tramer, "Membership Inference Attacks
    From First Principles", IEEE S&P 2022.

    Example:
    ```python
    shadows = train_shadows(
        model, np.concatenate([members, non_members]), folder="shadows",
        num_shadows=64, fit={"epochs": 50}, n_jobs=8,
    )
    target = AttackTarget.from_model(model, shadows=shadows)
    ```
    """
    check_integer(2, num_shadows=num_shadows)
    check_integer(0, seed=seed)
    sizes = _sizes(signals, num_samples or {})
    train, recipe = training_of(model, fit)
    pool = _Pool(images, labels, queries, num_shadows, seed, balanced)
    manifest = {
        "results_version": RESULTS_VERSION,
        "num_shadows": num_shadows,
        "seed": seed,
        "num_samples": sizes,
        "flips": bool(flips),
        "keep_models": bool(keep_models),
        "pool": pool.digest(),
        "recipe": recipe,
    }
    if not balanced:
        manifest["balanced"] = False
    folder = Path(folder)
    job = _Job(train, pool, manifest, weights_digest(model))
    with locked(folder):
        _open(folder, manifest, pool)
        known = [store.read_shadow(folder, k) is not None for k in range(num_shadows)]
        missing = [k for k in range(num_shadows) if not known[k]]
        done = num_shadows - len(missing)
        trained = run_jobs(job, missing, n_jobs=n_jobs, scheduler=scheduler)
        with contextlib.closing(trained):
            for number, arrays in trained:
                _keep(folder, number, arrays)
                done += 1
                if progress is not None:
                    progress(done, num_shadows)
    return Shadows.load(folder)


class _Pool:
    """The records, which of them each shadow sees, and the images behind them."""

    def __init__(
        self,
        images: Any,
        labels: Any,
        queries: Any,
        num_shadows: int,
        seed: int,
        balanced: bool,
    ) -> None:
        self.images = check_images(images, "images")
        self.labels = None
        if labels is not None:
            self.labels = check_classes(labels, len(self.images))
        every = self.images
        if queries is not None:
            if self.labels is not None:
                raise ValueError(
                    "`queries` are for models without classes. Received: labels too. "
                    "Put these images into the pool."
                )
            shape: Any = every.shape[1:]
            every = np.concatenate([every, check_images(queries, "queries", shape)])
        places: dict[str, int] = {}
        digests = store.image_digests(every)
        record_of = np.array([places.setdefault(d, len(places)) for d in digests])
        first = np.unique(record_of, return_index=True)[1]
        self.record_of = record_of[: len(self.images)]
        num_inside = int(self.record_of.max()) + 1
        coins = store.draw_halves(num_shadows, num_inside, seed, balanced)
        self.inside = np.pad(coins, ((0, 0), (0, len(first) - num_inside)))
        self.records = every[first]
        self.record_labels = None if self.labels is None else self.labels[first]
        self.digests = list(places)

    def digest(self) -> str:
        """A hash of the records, their order and their labels."""
        digest = hashlib.sha256("".join(self.digests).encode())
        digest.update(self.record_of.tobytes())
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels).tobytes())
        return digest.hexdigest()

    def half(self, number: int) -> tuple[FloatArray, Any]:
        chosen = self.inside[number][self.record_of]
        labels = None if self.labels is None else self.labels[chosen]
        return self.images[chosen], labels


@dataclass(frozen=True)
class _Job:
    """Trains one shadow and notes what it says of every record."""

    train: Train
    pool: _Pool
    manifest: dict[str, Any]
    target_id: str | None

    def __call__(self, number: int) -> dict[str, Any]:
        model = self.train(*self.pool.half(number), self._seed(number))
        target = as_target(model, self.manifest["seed"])
        defense = defense_of(target)
        target = store.seen_as(target, defense)
        answers = store.answer_probes(target)
        identity = weights_digest(model) or digest_arrays([answers])
        if identity == self.target_id:
            raise ValueError(
                f"Shadow {number} equals the target, weight by weight. Expected a "
                "model trained afresh. Let `train` build a new model each time."
            )
        rows = None
        if target.num_classes is not None and self.pool.record_labels is not None:
            labels = self.pool.record_labels
            rows = class_rows(labels, target.num_classes, len(labels))
        arrays: dict[str, Any] = {}
        records, flips = self.pool.records, self.manifest["flips"]
        try:
            sizes = self.manifest["num_samples"]
            for name, values in measure(sizes, target, records, rows, flips).items():
                arrays[f"signal/{name}"] = values
        except ValueError as error:
            raise ValueError(
                f"Shadow {number} cannot be compared with others: {error}"
            ) from error
        arrays |= {"inside": self.pool.inside[number], "probe_answers": answers}
        arrays["id"] = np.array(identity)
        arrays["defense"] = np.array(json.dumps(defense))
        if self.manifest["keep_models"]:
            arrays["model"] = _saved(model)
        return arrays

    def _seed(self, number: int) -> int:
        stream = sequence(self.manifest["seed"], Stream.SHADOW_TRAINING, number)
        return int(stream.generate_state(1)[0] >> 1)


def _saved(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shadow.keras"
        model.save(path)
        return path.read_bytes()


def _keep(folder: Path, number: int, arrays: dict[str, Any]) -> None:
    """Writes what a shadow says; its model first, so that arrays vouch for both."""
    saved = arrays.pop("model", None)
    if saved is not None:
        path = store.model_path(folder, number)
        write_file(path, saved, private=True)
        arrays["model_sha256"] = np.array(digest_file(path))
    write_arrays(store.arrays_path(folder, number), arrays, private=True)


def _sizes(signals: Iterable[str], given: Mapping[str, int]) -> dict[str, int]:
    signals = [signals] if isinstance(signals, str) else list(signals)
    for name in (*signals, *given):
        check_choice(name, SIGNALS, "signals")
    sizes = {name: given.get(name, SIGNALS[name].num_samples) for name in signals}
    check_integer(1, **sizes)
    return sizes


def _open(folder: Path, manifest: dict[str, Any], pool: _Pool) -> None:
    """Begins the files of the folder, or checks that it holds these very shadows."""
    path = folder / store.MANIFEST
    text = json.dumps(manifest, sort_keys=True, indent=1, default=str) + "\n"
    if path.exists():
        if path.read_text("utf-8") != text:
            raise ValueError(
                f"The folder {str(folder)!r} holds other shadow models. Expected the "
                "pool, seed and settings they were trained with. Choose another "
                "folder, or delete this one."
            )
        return
    digests = np.frombuffer(bytes.fromhex("".join(pool.digests)), "uint8")
    records = {"digests": digests.reshape(-1, 32)}
    write_arrays(folder / store.RECORDS, records, private=True)
    write_text(path, text, private=True)


def signals_known(shadows: Any, target: AttackTarget) -> tuple[str, ...]:
    """The signals of given shadow models, or of those that are yet to be trained."""
    if isinstance(shadows, Shadows):
        return shadows.signals
    return () if shadows is None else default_signals(target.augment, target.access)


def with_shadows(
    target: AttackTarget,
    model: Any,
    split: MembershipSplit,
    shadows: Any,
    fit: Mapping[str, Any] | None,
    folder: str | os.PathLike[str] | None,
    scheduler: str | None,
    progress: Callable[[int, int], None] | None,
) -> AttackTarget:
    """Grants a target access to shadow models, trained here where a number is given.

    Without `folder` they are kept nowhere.
    """
    is_number = isinstance(shadows, (int, np.integer))
    if scheduler is not None and not is_number:
        raise ValueError(
            "`scheduler` is where shadow models are trained. Expected the number of "
            f"them. Received: shadows={shadows!r:.80}, scheduler={scheduler!r}. Pass "
            "`shadows=16`, or no scheduler."
        )
    if shadows is None:
        return target
    if isinstance(shadows, Shadows):
        return replace(target, shadows=shadows)
    if not is_number:
        raise ValueError(
            "`shadows` are models that the attacker trained. Expected how many to "
            f"train, or `Shadows`. Received: shadows={shadows!r:.80}. Read those in a "
            "folder by `Shadows.load(folder)`."
        )
    shadows = int(shadows)
    check_integer(2, shadows=shadows)
    if not hasattr(model, "get_config"):
        raise ValueError(
            "Shadow models are trained like the model. Expected one with `get_config` "
            f"and `fit`. Received: model={model!r:.80}, shadows={shadows}. Train them "
            "by `train_shadows` with a function, and pass what it returns."
        )
    parts = (split.members, split.non_members)
    labels = [part.labels for part in parts if part.labels is not None]
    recipe = training_of(model, fit)[1]
    content = [split.content_hash, shadows, recipe, target.seed, RESULTS_VERSION]
    name = f"shadows-{digest_json(content)[:12]}"
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary if folder is None else folder)
        trained = train_shadows(
            model,
            np.concatenate([part.images for part in parts]),
            np.concatenate(labels) if labels else None,
            folder=place / name,
            num_shadows=shadows,
            signals=default_signals(target.augment, target.access),
            fit=fit,
            seed=target.seed,
            scheduler=scheduler,
            progress=progress,
        )
    return replace(target, shadows=trained)
