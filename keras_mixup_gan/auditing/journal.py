"""Journal: scores of finished attacks, by which an interrupted audit continues."""

import contextlib
import copy
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan import storage
from keras_mixup_gan.attacks.access import Sampler, is_ours
from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.samples.nearest import SAMPLE_BLOCK
from keras_mixup_gan.attacks.shadows.recipes import plain
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.auditing.results import Scores, plain_settings
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.randomness import without_secret
from keras_mixup_gan.registry import code_digest
from keras_mixup_gan.storage import weights_digest
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import ValueRange, rows_in_turn
from keras_mixup_gan.versions import RESULTS_VERSION, versions_of_numbers

_NUM_PROBES = 64


class Journal:
    """A folder with a file for each finished attack on one target; `None` keeps none.

    A file is found again only if everything that the scores depend on is the same:
    images, model, attack and its settings, seed, defense known, software. `model_hash`
    is that of the weights, or of what a model without weights does to some probes;
    `damaged` names attacks whose files could not be read.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        target: AttackTarget,
        model: Any,
        split: MembershipSplit,
        probes: FloatArray,
        value_range: ValueRange | None = None,
    ) -> None:
        self.model_hash = weights_digest(model)
        self.damaged: list[str] = []
        self._folder = None
        parts = split.members.pixels, split.non_members.pixels
        self._num_queries = [len(images) for images in parts]
        if folder is not None:
            self._folder = storage.make_folder(Path(folder))
            self._probes = probes[:_NUM_PROBES]
            own: dict[str, Any] = {}
            if self.model_hash is None:
                self.model_hash = behavior_digest(target, self._probes)
            elif not is_ours(model):  # weights do not tell what is done with them
                with contextlib.suppress(ValueError):  # it differs from call to call
                    own["behavior"] = behavior_digest(target, self._probes)
            if value_range is not None and not is_ours(model):
                own["value_range"] = [float(end) for end in value_range]
            self._context = {
                "results": RESULTS_VERSION,
                "versions": versions_of_numbers(),
                "model": self.model_hash,
                "split": split.content_hash,
                **_known_to_attacker(target, self._probes),
                **own,
            }

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Keeps other audits out of the folder, while scores are written there."""
        nothing = contextlib.nullcontext()
        return nothing if self._folder is None else storage.locked(self._folder)

    def path_of(self, name: str, attack: Attack) -> Path | None:
        """Where the scores of an attack lie, if anywhere."""
        if self._folder is None:
            return None
        kind, unfitted = type(attack), copy.copy(attack)
        unfitted._target = None  # to which fitting adds settings
        digest = code_digest(kind)
        is_known = digest is None
        key = {
            **self._context,
            # Ours are known by name, so that a file may move; others may share a name,
            # and raise no version when they change.
            "attack": is_known
            or [f"{kind.__module__}.{kind.__qualname__}", digest, plain(unfitted)],
            "name": [attack.name, name],
            "settings": plain_settings(unfitted.settings),
            "features": _features_digest(attack, self._probes),
        }
        told = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
        return self._folder / f"{told}-{storage.digest_json(key)[:32]}.npz"

    def load(self, name: str, path: Path | None) -> Scores | None:
        """The scores of an attack from an earlier run, if they are intact."""
        if path is None or not path.exists():
            return None
        try:
            with storage.reading(path, "scores of an attack", "Run the attack again."):
                arrays = _read(path, "scores of an attack")
                about = json.loads(str(arrays["about"]))
                scores = Scores(arrays["members"], arrays["non_members"], **about)
                received = [len(scores.members), len(scores.non_members)]
                if received != self._num_queries:
                    raise ValueError(f"it holds scores of {received} queries")
                return scores
        except storage.DamagedFileError:
            self.damaged.append(name)
            return None

    def save(self, path: Path | None, scores: Scores) -> None:
        """Writes the scores of an attack, whole or not at all."""
        if path is not None:
            about = asdict(scores)
            arrays = {name: about.pop(name) for name in ("members", "non_members")}
            arrays["about"] = np.array(json.dumps(about))
            _write(path, arrays)

    def path_of_pass(self, paths: Iterable[Path | None]) -> Path | None:
        """Where attacks with scores at these paths keep how far they are."""
        names = [path.name for path in paths if path is not None]
        if self._folder is None or not names:
            return None
        return self._folder / f"pass-{storage.digest_json(sorted(names))[:32]}.npz"

    def load_pass(self, path: Path | None) -> dict[str, FloatArray] | None:
        """What was kept there, if it is intact."""
        if path is None or not path.exists():
            return None
        try:
            return _read(path, "an unfinished pass")
        except storage.DamagedFileError:
            return None

    def save_pass(self, path: Path | None, arrays: dict[str, FloatArray]) -> None:
        """Keeps how far several attacks are, whole or not at all."""
        if path is not None:
            _write(path, arrays)


def _read(path: Path, what: str) -> dict[str, Any]:
    """The arrays of a file of the journal, unless they were changed."""
    with storage.reading(path, what, "Run the audit again."):
        arrays = storage.read_arrays(path, what, "")
        if str(arrays.pop("digest")) != _digest(arrays):
            raise ValueError("it was changed since it was written")
    return arrays


def _write(path: Path, arrays: dict[str, Any]) -> None:
    """Writes arrays with their digest, whole or not at all."""
    digest = np.array(_digest(arrays))
    storage.write_arrays(path, {**arrays, "digest": digest}, private=True)


def _digest(arrays: dict[str, Any]) -> str:
    """SHA-256 by which scores that were changed are noticed."""
    return storage.digest_arrays(arrays[name] for name in sorted(arrays))


class _Generated:
    """Generated images, as an array that is read some rows at a time."""

    def __init__(self, sampler: Sampler, number: int) -> None:
        self._sampler, self._number = sampler, number
        self._first = np.ascontiguousarray(sampler(0, min(number, SAMPLE_BLOCK)))
        self.shape, self.dtype = (number, *self._first.shape[1:]), self._first.dtype

    def blocks(self) -> Iterator[Any]:
        """The images in their order."""
        yield self._first
        for start in range(SAMPLE_BLOCK, self._number, SAMPLE_BLOCK):
            stop = min(start + SAMPLE_BLOCK, self._number)
            yield np.ascontiguousarray(self._sampler(start, stop), self.dtype)


def behavior_digest(target: AttackTarget, probes: FloatArray) -> str:
    """SHA-256 of what a target generates, all if finitely many, and scores probes."""
    if _behavior(target, probes) != (digest := _behavior(target, probes)):
        raise ValueError(
            "An audit that is kept in a folder needs a model that does the same at "
            "every call. Received: a function whose images differ from call to call. "
            "Draw the images once and pass them as an array, or leave out `folder`."
        )
    return digest


def _behavior(target: AttackTarget, probes: FloatArray) -> str:
    outputs: list[Any] = []

    def labels(number: int) -> FloatArray | None:
        classes = target.num_classes
        return None if classes is None else rows_in_turn(number, classes)

    if target.sampler is not None:
        number = target.num_samples or _NUM_PROBES
        outputs.append(_Generated(target.sampler, number))
    if target.discriminator is not None:
        outputs.append(target.discriminator(probes, labels(len(probes))))
    if target.queries is not None and target.latent_dim is not None:
        shape = (4, target.latent_dim)
        latents = np.random.default_rng(0).standard_normal(shape, dtype="float32")
        outputs.append(target.queries(latents, labels(4)))
    return storage.digest_arrays(outputs)


def _known_to_attacker(target: AttackTarget, probes: FloatArray) -> dict[str, Any]:
    """What else the scores of every attack on a target depend on."""
    known = target.reference
    labels = None if known is None else known.labels
    shadows, trained = target.shadows, None
    if shadows is not None:
        arrays = [*shadows.statistics.values(), shadows.inside]
        trained = [storage.digest_arrays(arrays), *shadows.ids]
        if (shadows.inside == shadows.inside[0]).all(axis=0).any():
            trained.append("learned without records that all or none saw")
    others = [behavior_digest(other, probes) for other in target.reference_models]
    return {
        "seed": target.seed,
        "access": sorted(target.access),
        "num_samples": target.num_samples,
        "mixup": known_settings(target.mixup),
        "augment": target.augment,
        "num_reference": 0 if known is None else len(known.images),
        "reference_labels": None if labels is None else storage.digest_arrays([labels]),
        "reference_models": others,
        "shadows": trained,
    }


def known_settings(mixup: Any) -> dict[str, Any] | None:
    """The settings of mixup that the attacker knows of."""
    if mixup is None:
        return None
    if callable(getattr(mixup, "get_config", None)):
        return without_secret(dict(mixup.get_config()))
    return {"name": str(mixup)}


def _features_digest(attack: Attack, probes: FloatArray) -> str | None:
    """SHA-256 of what an attack's own feature functions make of the probes.

    Names do not distinguish functions: two lambdas have the same one. A function that
    fails here does so in the attack too.
    """
    parts = (attack, getattr(attack, "attack", None))
    functions = [getattr(part, "features", None) for part in parts]
    given = [function for function in functions if callable(function)]
    try:
        outputs = [function(probes) for function in given]
    except Exception:
        return None
    return storage.digest_arrays(outputs) if given else None
