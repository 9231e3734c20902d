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


def renamed(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What such a file holds, as `images` and `labels`, if it is of that kind."""
    images = arrays[IMAGES]
    shape, dtype = images.shape, images.dtype
    if len(shape) != 4 or shape[1] not in (1, 3) or dtype.kind != "f":
        raise ValueError(
            f"`x`{name} must be images of DPImageBench: floats of shape (num_images, "
            "channels, height, width), with 1 or 3 channels. Received: shape="
            f"{shape}, dtype={dtype}. Write other images as `images`, channels last."
        )
    return {"images": images, "labels": arrays.get(LABELS)}


def to_images(images: FloatArray, name: str) -> FloatArray:
    """Such images as `(num_images, height, width, channels)` in `[-1, 1]`."""
    return check_images(np.moveaxis(images, 1, -1), f"x{name}", None, (0, 1))
