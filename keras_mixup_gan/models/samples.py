"""Files of generated images, for audits and for the evaluation of benchmarks."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.data import dpimagebench
from keras_mixup_gan.storage import write_arrays
from keras_mixup_gan.validation import check_choice, check_integer

FORMATS = ("npz", "dpimagebench")


def export_samples(
    model: Any,
    path: str | os.PathLike[str],
    num_images: int = 60_000,
    labels: Any = None,
    seed: int = 0,
    *,
    truncation: float = 1.0,
    format: str = "npz",
) -> Path:
    """Writes generated images to an `.npz` file, which `load_images` reads.

    Args:
        model: A `GAN`, or what a preset without a discriminator gives.
        path: Name of the file; one that is there is replaced.
        num_images: How many. DPImageBench trains classifiers on the first 55,000 and
            may choose between them by the others, of 60,000 in all.
        labels: Classes `(num_images,)` of a conditional model; by default all in turn.
        seed: As of `GAN.generate`.
        truncation: As of `GAN.generate`.
        format: `"npz"` for `images`, uint8 `(num_images, height, width, channels)`, and
            `labels`; `"dpimagebench"` for the `gen.npz` that the benchmark's evaluation
            takes, of conditional models only: `x`, float32 `(num_images, channels,
            height, width)` in `[0, 1]`, and `y`, int64 `(num_images,)`.

    Returns:
        The path.

    Raises:
        ValueError: If there is no such format, it does not fit the model, or the file
            cannot be written.

    Example:
    ```python
    keras_mixup_gan.models.export_samples(model, "samples.npz", num_images=1000)
    ```
    """
    check_choice(format, FORMATS, "format")
    check_integer(1, num_images=num_images)
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(
            "Arrays are written to an .npz file. Expected a name that ends in .npz. "
            f"Received: path={str(path)!r}. Write e.g. 'gen.npz'."
        )
    classes = model.num_classes
    if format == "dpimagebench" and classes is None:
        raise ValueError(
            "DPImageBench trains classifiers on images and their classes. Expected a "
            "conditional model. Received: num_classes=None. Train one with labels, or "
            "write format='npz'."
        )
    if labels is None and classes is not None:
        labels = np.arange(num_images) % classes
    dtype = "uint8" if format == "npz" else "float32"
    images = model.generate(
        num_images, labels, seed, truncation=truncation, dtype=dtype
    )
    if format == "dpimagebench":
        return write_arrays(path, dpimagebench.to_arrays(images, labels))
    return write_arrays(
        path, {"images": images} | ({} if labels is None else {"labels": labels})
    )
