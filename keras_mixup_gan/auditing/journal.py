"""Keeps the scores of finished attacks, so that an interrupted audit goes on."""

import hashlib
import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.auditing.attack_result import plain_settings
from keras_mixup_gan.auditing.fingerprint import of_features
from keras_mixup_gan.typing import FloatArray

FORMAT = 1


@dataclass(frozen=True)
class Finished:
    """What is kept of an attack that ran: all that its result is computed from."""

    member_scores: FloatArray
    non_member_scores: FloatArray
    seconds: float
    settings: dict[str, Any]
    num_queries: dict[str, int]


class Journal:
    """A folder with one pair of files for each finished attack.

    An entry is found again only if everything that the scores depend on is the same:
    images, model, attack and its settings, seed, defense known, software. Files carry
    checksums; a damaged one is passed over and named in `damaged`.

    Args:
        folder: Where the files live; made if need be.
        context: What all attacks of the audit depend on, as plain JSON values.
        num_queries: Numbers of members and of non-members.
        probes: Images by which feature functions are told apart.

    Attributes:
        damaged: Names of attacks whose files were there but could not be trusted.

    Raises:
        ValueError: If the folder cannot be used.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        context: Mapping[str, Any],
        num_queries: tuple[int, int],
        probes: FloatArray,
    ) -> None:
        self._folder = Path(folder)
        self._context = {"format": FORMAT, **context}
        self._num_queries = num_queries
        self._probes = probes
        self.damaged: list[str] = []
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                "The folder of the audit cannot be used: "
                f"{error.strerror or error}. Received: folder={str(folder)!r}. "
                "Choose a folder that you may write to."
            ) from error

    def load(self, name: str, attack: Attack) -> Finished | None:
        """The scores of this very attack from an earlier run, if they are intact."""
        key = self.key_of(name, attack)
        entry, arrays = self._paths(name, key)
        if not entry.exists():
            return None
        try:
            return self._read(entry, arrays, key)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.damaged.append(name)
            return None

    def save(self, name: str, finished: Finished, key: str) -> None:
        """Writes the scores of an attack.

        The arrays are written first, the entry that vouches for them last, each whole
        or not at all.

        Args:
            name: Name of the attack in the report.
            finished: What to keep.
            key: What `key_of` gave before the attack was fitted.

        Raises:
            ValueError: If a file cannot be written.
        """
        from keras_mixup_gan import storage

        entry, arrays = self._paths(name, key)
        buffer = io.BytesIO()
        np.savez(
            buffer,
            members=finished.member_scores,
            non_members=finished.non_member_scores,
        )
        content = {
            "key": key,
            "arrays_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
            "seconds": finished.seconds,
            "settings": plain_settings(finished.settings),
            "num_queries": finished.num_queries,
        }
        sealed = {**content, "sha256": _digest(content)}
        storage.write_file(arrays, buffer.getvalue())
        storage.write_file(entry, (json.dumps(sealed, indent=1) + "\n").encode())

    def key_of(self, name: str, attack: Attack) -> str:
        """Hash of all that the scores of an attack depend on, before it is fitted."""
        kind = type(attack)
        content = {
            **self._context,
            "attack": f"{kind.__module__}.{kind.__qualname__}",
            "name": name,
            "settings": plain_settings(attack.settings),
        }
        features = of_features(attack, self._probes)
        return _digest(
            content if features is None else {**content, "features": features}
        )

    def _paths(self, name: str, key: str) -> tuple[Path, Path]:
        """Paths of the entry and of the arrays."""
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
        stem = self._folder / f"{plain}-{key[:16]}"
        return stem.with_suffix(".json"), stem.with_suffix(".npz")

    def _read(self, entry: Path, arrays: Path, key: str) -> Finished:
        """Reads an entry; anything wrong with it raises."""
        content = json.loads(entry.read_text(encoding="utf-8"))
        if content.pop("sha256") != _digest(content) or content["key"] != key:
            raise ValueError("The entry does not match its checksum.")
        data = arrays.read_bytes()
        if hashlib.sha256(data).hexdigest() != content["arrays_sha256"]:
            raise ValueError("The arrays do not match their checksum.")
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            members, non_members = stored["members"], stored["non_members"]
        if (members.shape, non_members.shape) != tuple(
            (number,) for number in self._num_queries
        ):
            raise ValueError("The arrays hold other queries.")
        return Finished(
            members,
            non_members,
            float(content["seconds"]),
            dict(content["settings"]),
            {name: int(count) for name, count in content["num_queries"].items()},
        )


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
