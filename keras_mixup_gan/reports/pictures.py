"""Many images as one picture, and the samples of all arms for a page."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

COLUMNS = 8
MAX_TILE = 64
MAX_BYTES = 900_000


def tile(images: Any, columns: int = COLUMNS) -> Any:
    """Images side by side, row by row, with white lines between them.

    Args:
        images: uint8 array `(num_images, height, width, channels)`, 1 or 3 channels.
        columns: Images in a row; what is missing in the last row is white.

    Returns:
        uint8 array `(height, width)` for gray images, else `(height, width, 3)`.
    """
    images = np.asarray(images)
    rows = -(-len(images) // columns)
    blank = np.full((rows * columns, *images.shape[1:]), 255, "uint8")
    blank[: len(images)] = images
    padded = np.pad(blank, [(0, 0), (0, 1), (0, 1), (0, 0)], constant_values=255)
    height, width, channels = padded.shape[1:]
    sheet = padded.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)[:-1, :-1]
    return sheet[..., 0] if channels == 1 else sheet


def png(picture: Any, side: int = 1) -> bytes:
    """A PNG file of a picture.

    Args:
        picture: uint8 array `(height, width)` or `(height, width, 3)`.
        side: What the longer side is enlarged toward, by whole pixels so that the
            picture stays sharp.

    Returns:
        The file's content.
    """
    from PIL import Image

    image = Image.fromarray(picture)
    factor = max(side // max(image.size), 1)
    image = image.resize(
        (factor * image.width, factor * image.height), Image.Resampling.NEAREST
    )
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def sample_pngs(samples: Mapping[str, Any]) -> dict[str, bytes]:
    """PNG files of generated images, together small enough for one page.

    Args:
        samples: For each arm a uint8 array `(num_images, height, width, channels)`.

    Returns:
        The files by arm.
    """
    small = {name: _shrunk(images) for name, images in samples.items()}
    for rows, side in ((8, 448), (8, 1), (4, 1), (2, 1), (1, 1)):
        files = {
            name: png(tile(some[: rows * COLUMNS]), side)
            for name, some in small.items()
        }
        if sum(map(len, files.values())) <= MAX_BYTES:
            break
    return files


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
