"""The weights that `PrivacyMonitor` goes back to, in memory and in a file."""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from keras_mixup_gan.storage import write_file


@dataclass(frozen=True)
class SafeWeights:
    """Weights that were measured and found to leak less than the limit.

    Attributes:
        weights: What `model.get_weights()` returned.
        epoch: Number of epochs after which they were measured.
        figures: The last figures measured, of these weights or of later ones.
        stopped_epoch: Number of epochs after which training ended because of such later
            ones, or `None`.
    """

    weights: list[Any]
    epoch: int
    figures: dict[str, float]
    stopped_epoch: int | None = None

    def save(self, path: Path, key: str) -> None:
        """Writes a file, whole or not at all.

        Args:
            path: Where to.
            key: What the training is recognized by.

        Raises:
            ValueError: If the file cannot be written.
        """
        state = {
            "key": key,
            "epoch": self.epoch,
            "figures": self.figures,
            "stopped_epoch": self.stopped_epoch,
        }
        weights = {f"weight_{n}": weight for n, weight in enumerate(self.weights)}
        buffer = io.BytesIO()
        np.savez(buffer, state=np.array(json.dumps(state)), **weights)
        write_file(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path, key: str) -> Self:
        """Reads a file that `save` wrote.

        Args:
            path: Where from.
            key: What the training is recognized by.

        Returns:
            The weights and what is known of them.

        Raises:
            ValueError: If the file is damaged, or is one of another training.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                state = json.loads(str(stored["state"]))
                count = len(stored.files) - 1
                weights = [stored[f"weight_{n}"] for n in range(count)]
            found = state.pop("key")
            safe = cls(weights, **state)
        except (
            EOFError,
            OSError,
            ValueError,
            KeyError,
            TypeError,
            zipfile.BadZipFile,
        ) as error:
            raise ValueError(
                "The weights to go back to cannot be read, the file is damaged. "
                f"Received: path={str(path)!r}. Delete it and the backup of the "
                "training, and train again."
            ) from error
        if found != key:
            raise ValueError(
                "The folder holds the safe weights of another training, which was "
                "interrupted. Expected those of this model, with the same images, "
                f"attacks, seed and limit. Received: path={str(path)!r}. Choose "
                "another folder, or delete the file."
            )
        return safe
