"""`ImageGrid`: pictures of how generated images develop."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_mixup_gan.reports import render
from keras_mixup_gan.storage import write_file
from keras_mixup_gan.typing import IntArray
from keras_mixup_gan.validation import check_integer, class_rows

_SIDE = 448


class ImageGrid(keras.callbacks.Callback):
    """Writes a PNG file of generated images every few epochs.

    The latents are the same each time, so that the files, `epoch-0001.png` and so on,
    show the same images develop. Those of a conditional model have one class in a
    column. Files are written whole or not at all; a training that is resumed writes
    over those of the epochs that it repeats. Generated images are all that is looked
    at: a guarantee by `dp` covers the files too.

    Args:
        num_images: Number of images in a file, eight in a row. For a conditional model
            it is rounded down to whole rows, and to one at least.
        labels: Classes of the columns, for conditional models; by default all, as far
            as `num_images` reaches.

    Raises:
        ValueError: If an argument is out of range; when training begins, if labels do
            not fit the model, or its images are neither gray nor RGB.

    Example:
    ```python
    model.fit(images, epochs=50, callbacks=[ImageGrid("grids", every=5)])
    ```
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every: int = 1,
        num_images: int = 64,
        labels: Sequence[int] | IntArray | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_integer(1, every=every, num_images=num_images)
        check_integer(0, seed=seed)
        self.folder = Path(folder)
        self.every = every
        self.num_images = num_images
        self.labels = None if labels is None else np.atleast_1d(labels)
        self.seed = seed

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks that the model's images can be shown."""
        channels = self.model.image_shape[-1]
        if channels not in (1, 3):
            raise ValueError(
                "ImageGrid shows gray or RGB images. Expected 1 or 3 channels. "
                f"Received: image_shape={self.model.image_shape}. Leave it out."
            )
        if self.labels is None:
            return
        if self.labels.size == 0:
            raise ValueError(
                "`labels` must name at least one class for a column. Received: "
                "labels=[]. Leave it out to show all classes."
            )
        class_rows(self.labels, self.model.num_classes, len(self.labels))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the file of this epoch, where it is time to."""
        if (epoch + 1) % self.every:
            return
        path = self.folder / f"epoch-{epoch + 1:04d}.png"
        columns, labels = self._layout()
        count = self.num_images if labels is None else len(labels)
        images = self.model.generate(count, labels, self.seed)
        write_file(path, render.png(render.tile(images, columns), _SIDE))

    def _layout(self) -> tuple[int, Any]:
        """The number of columns, and the class of each image, row by row."""
        if self.model.num_classes is None:
            return min(render.COLUMNS, self.num_images), None
        classes = self.labels
        if classes is None:
            classes = np.arange(min(self.model.num_classes, self.num_images))
        rows = max(1, self.num_images // len(classes))
        return len(classes), np.concatenate([classes] * rows)
