"""The files that DPImageBench's methods write, `gen.npz`, and its evaluation reads.

`x` holds images `(num_images, channels, height, width)`, floats in `[0, 1]`, and `y`
their classes, integers `(num_images,)`.

Source: Gong et al., "DPImageBench: A Unified Benchmark for Differentially Private Image
Synthesis", https://github.com/2019ChenGong/DPImageBench, `eval.py` and the classes of
`models/`, as of 2025.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_images

IMAGES, LABELS = "x", "y"


def to_arrays(images: FloatArray, labels: IntArray) -> dict[str, Any]:
    """What a file holds of images `(num_images, height, width, channels)`."""
    first = np.moveaxis(np.asarray(images, "float32"), -1, 1)
    return {
        IMAGES: np.clip((first + 1) / 2, 0, 1),
        LABELS: np.asarray(labels, "int64"),
    }


def is_one(arrays: Mapping[str, Any]) -> bool:
    """Whether this is what such a file holds, by its names."""
    return IMAGES in arrays and arrays.keys() <= {IMAGES, LABELS}


def from_arrays(arrays: Mapping[str, Any], name: str) -> tuple[FloatArray, Any]:
    """Images `(num_images, height, width, channels)` in `[-1, 1]`, and their labels."""
    images = arrays[IMAGES]
    if images.ndim != 4 or images.shape[1] not in (1, 3) or images.dtype.kind != "f":
        raise ValueError(
            f"`x`{name} must be images of DPImageBench: floats of shape (num_images, "
            "channels, height, width), with 1 or 3 channels. Received: shape="
            f"{images.shape}, dtype={images.dtype}. Write other images as `images`, "
            "channels last."
        )
    last = np.moveaxis(images, 1, -1)
    return check_images(last, f"x{name}", None, (0, 1)), arrays.get(LABELS)
