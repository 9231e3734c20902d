"""The images that the arms of a comparison generate, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup_gan.experiments.frontier import fid_of
from keras_mixup_gan.reports import compare_words as words
from keras_mixup_gan.reports import render
from keras_mixup_gan.reports.compare_figures import plain
from keras_mixup_gan.reports.grids import COLUMNS, png, tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_TILE = 64
MAX_BYTES = 900_000


def samples_figure(cells: Sequence[dict[str, Any]], samples: dict[str, Any]) -> Figure:
    """Generated images of every arm side by side, with its FID and strongest AUC."""
    with render.figure_style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(2.6 * len(cells), 3.1))
        for number, cell in enumerate(cells, start=1):
            axes = figure.add_subplot(1, len(cells), number)
            grid = tile(samples[cell["name"]][: COLUMNS**2])
            axes.imshow(grid, cmap="gray", vmin=0, vmax=255)
            attack = words.strongest(cell)
            leak = "" if attack is None else f", AUC {attack['auc']:.2f}"
            title = plain(words.arm_title(cell))
            axes.set_title(f"{title}\nFID {fid_of(cell):.1f}{leak}")
            axes.axis("off")
    return figure


def sample_pngs(samples: dict[str, Any]) -> tuple[dict[str, bytes], int]:
    """PNG files of the sample grids, together small enough for one page.

    Args:
        samples: For each arm a uint8 array `(num_images, height, width, channels)`.

    Returns:
        The files by arm, and the number of images that each of them shows.
    """
    small = {name: _shrunk(images) for name, images in samples.items()}
    for rows, side in ((8, 448), (8, 1), (4, 1), (2, 1), (1, 1)):
        files = {
            name: png(tile(some[: rows * COLUMNS]), side)
            for name, some in small.items()
        }
        if sum(map(len, files.values())) <= MAX_BYTES:
            break
    return files, min([rows * COLUMNS, *map(len, small.values())])


def _shrunk(images: Any) -> Any:
    """Images no larger than a tile may be."""
    from PIL import Image

    images = np.asarray(images)
    height, width = images.shape[1:3]
    scale = MAX_TILE / max(height, width)
    if scale >= 1:
        return images
    size = (max(round(scale * width), 1), max(round(scale * height), 1))
    planes = images[..., 0] if images.shape[-1] == 1 else images
    shrunk = [np.asarray(Image.fromarray(image).resize(size)) for image in planes]
    return np.stack(shrunk).reshape(len(images), size[1], size[0], -1)
