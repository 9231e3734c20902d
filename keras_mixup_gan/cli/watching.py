"""What is watched while `keras-mixup-gan train` runs: pictures, quality, the leak."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_mixup_gan.attacks import LOGAN, GANLeaks
from keras_mixup_gan.callbacks import ImageGrid, PrivacyMonitor, QualityMonitor
from keras_mixup_gan.data import Images, load_images
from keras_mixup_gan.data.classes import renumbered
from keras_mixup_gan.metrics import extractor_for

_NUM_PICTURES, _NUM_MEMBERS, _NUM_SAMPLES = 20, 1000, 2000


@dataclass(frozen=True)
class Watch:
    """What to measure and to show, and how often; nothing that weights depend on."""

    monitor: str | None = None
    monitor_every: int = 10
    release: str = "generator"
    grid_every: int | None = None
    tensorboard: bool = False
    value_range: tuple[float, float] | None = None

    def callbacks(
        self,
        model: Any,
        data: Images,
        folder: Path,
        epochs: int,
        seed: int,
        say: Callable[[str], None],
    ) -> list[Any]:
        """The callbacks, those that add to the logs first."""
        chosen: list[Any] = []
        if self.monitor is not None:
            chosen += self._monitors(model, data, seed, say)
        if model.image_shape[-1] in (1, 3):
            every = self.grid_every or max(1, epochs // _NUM_PICTURES)
            chosen.append(ImageGrid(folder / "grids", every=every, seed=seed))
        if self.tensorboard:
            chosen.append(_tensorboard(folder / "tensorboard"))
        return chosen

    def _monitors(
        self, model: Any, data: Images, seed: int, say: Callable[[str], None]
    ) -> list[Any]:
        held_out = load_images(
            self.monitor, model.image_shape, value_range=self.value_range
        )
        labels = None
        if model.num_classes is not None:
            held_out = renumbered(held_out, data.class_names, "monitor images")
            labels = held_out.labels
        extractor = extractor_for(model.image_shape)
        found: list[Any] = [
            QualityMonitor(
                held_out.images,
                self.monitor_every,
                extractor=extractor,
                kid=False,
                labels=labels,
                seed=seed,
            )
        ]
        say(f"`fid` is the Frechet distance of {extractor.name}, to {self.monitor}")
        if model.dp is not None:
            say("The leak is not logged: epsilon does not cover attacks on members.")
            return found
        attacks: list[Any] = [GANLeaks(num_samples=_NUM_SAMPLES)]
        if self.release == "everything":
            attacks.append(LOGAN())
        rows = np.random.default_rng(seed).permutation(len(data.pixels))[:_NUM_MEMBERS]
        members = Images(
            data.pixels.take(rows),
            None if data.labels is None else data.labels[rows],
            data.class_names,
        )
        others = held_out if model.num_classes is not None else held_out.images
        given = members if model.num_classes is not None else members.images
        found.append(
            PrivacyMonitor(given, others, self.monitor_every, attacks, seed=seed)
        )
        say(
            "`privacy_auc` is how well an attacker who is given "
            f"{'the generator' if self.release == 'generator' else self.release} tells "
            "members from them: .5 is guessing"
        )
        return found


def _tensorboard(folder: Path) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            "Logs for TensorBoard need its package, which is not installed. Install it "
            "with `pip install 'keras-mixup-gan[tensorboard]'`, or leave "
            "`--tensorboard` out."
        )
    return keras.callbacks.TensorBoard(folder, write_graph=False)
