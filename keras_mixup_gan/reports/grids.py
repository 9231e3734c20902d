"""Many images as one picture."""

import io
from typing import Any

import numpy as np

COLUMNS = 8


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
    grid = padded.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    grid = grid.reshape(rows * height, columns * width, channels)[:-1, :-1]
    return grid[..., 0] if channels == 1 else grid


def png(grid: Any, side: int = 1) -> bytes:
    """A PNG file of a picture.

    Args:
        grid: uint8 array `(height, width)` or `(height, width, 3)`.
        side: What the longer side is enlarged toward, by whole pixels so that the
            picture stays sharp.

    Returns:
        The file's content.
    """
    from PIL import Image

    image = Image.fromarray(grid)
    factor = max(side // max(image.size), 1)
    image = image.resize(
        (factor * image.width, factor * image.height), Image.Resampling.NEAREST
    )
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
