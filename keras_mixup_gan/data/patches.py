"""Small color images without a download: patches of photographs that ship in wheels.

The photographs, in the order of their labels (width x height; patches kept):

0. `china.jpg` (640 x 427; 286), a temple roof and sky, scikit-learn
1. `flower.jpg` (640 x 427; 317), a dahlia before blurred leaves, scikit-learn
2. `astronaut.png` (512 x 512; 309), a portrait, scikit-image
3. `chelsea.png` (451 x 300; 154), a cat, scikit-image
4. `coffee.png` (600 x 400; 269), a cup on a table, scikit-image
5. `motorcycle_left.png` (741 x 500; 422), a workshop, scikit-image (the right-hand
   picture of this stereo pair shows the same scene, and is left out)
6. `rocket.jpg` (640 x 427; 310), a launch pad at dusk, scikit-image
7. `ihc.png` (512 x 512; 318), stained tissue under a microscope, scikit-image
"""

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_mixup_gan.data.pixels import Pixels, frozen
from keras_mixup_gan.storage import digest_file
from keras_mixup_gan.typing import IntArray

_SIZE = 32
# Sky and black borders give patches that are alike to within noise: near-duplicates
# across members and non-members blur what an attack measures. In 8-bit levels.
_MIN_CONTRAST = 1.5

# (package, file inside it, first half of its SHA-256): the hash makes every
# installation cut the same.
_PHOTOGRAPHS = (
    ("sklearn", "datasets/images/china.jpg", "8378025ad2519d649d02e32bd98990db"),
    ("sklearn", "datasets/images/flower.jpg", "a77f6ec41e353afdf8bdff2ea981b295"),
    ("skimage", "data/astronaut.png", "88431cd9653ccd539741b555fb0a46b6"),
    ("skimage", "data/chelsea.png", "596aa1e7cb875eb79f437e310381d26b"),
    ("skimage", "data/coffee.png", "cc02f8ca188b167c775a7101b5d767d1"),
    ("skimage", "data/motorcycle_left.png", "db18e9c4157617403c3537a6ba355dfe"),
    ("skimage", "data/rocket.jpg", "c2dd0de7c538df8d111e479619b12946"),
    ("skimage", "data/ihc.png", "f8dd1aa387ddd1f49d8ad13b50921b23"),
)


def load_patches() -> tuple[Pixels, IntArray]:
    """Cuts the photographs into patches of 32 x 32 pixels; labels are their numbers.

    Each photograph is cut at full size and at half size (means of 2 x 2 pixels, rounded
    to 8 bits as the rest). Patches of one scale share no pixel; a half-size patch shows
    the ground of up to four full-size ones at another resolution. Exact repeats and
    patches with hardly any contrast are left out: 2,385 of 2,446 remain.
    """
    patches = [_cut_photograph(*photograph) for photograph in _PHOTOGRAPHS]
    labels = np.repeat(np.arange(len(patches), dtype="int64"), [*map(len, patches)])
    stacked = np.concatenate(patches)
    flat = stacked.reshape(len(stacked), _SIZE * _SIZE, 3)
    _, firsts = np.unique(flat.reshape(len(flat), -1), axis=0, return_index=True)
    is_first = np.zeros(len(flat), bool)
    is_first[firsts] = True
    keep = is_first & (flat.std(axis=1).mean(axis=1) >= _MIN_CONTRAST)
    return Pixels(frozen(stacked[keep])), labels[keep]


def _cut_photograph(package: str, file: str, digest: str) -> NDArray[np.uint8]:
    """All patches of one photograph, uint8 `(num_patches, 32, 32, 3)`."""
    path = _package_folder(package) / file
    if not (digest_file(path) or "").startswith(digest):
        raise ValueError(
            f"The photograph {path} is missing or not the one that the patches are cut "
            f"from. Expected the file as shipped by {package} when this package was "
            "released. Reinstall it, or use a folder of your own images."
        )
    with Image.open(path) as opened:
        full = np.asarray(opened.convert("RGB"))
    height, width = full.shape[0] // 2, full.shape[1] // 2
    blocks = full[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3)
    half = np.round(blocks.mean(axis=(1, 3))).astype("uint8")
    return np.concatenate([_tile(full), _tile(half)])


def _tile(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Non-overlapping 32 x 32 tiles, row by row; the remainder is left out."""
    rows, columns = image.shape[0] // _SIZE, image.shape[1] // _SIZE
    trimmed = image[: rows * _SIZE, : columns * _SIZE]
    tiles = trimmed.reshape(rows, _SIZE, columns, _SIZE, 3).swapaxes(1, 2)
    return tiles.reshape(-1, _SIZE, _SIZE, 3)


def _package_folder(package: str) -> Path:
    """Where a package is installed, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "The image patches are cut from photographs inside scikit-image, which is "
            'not installed. Install it with `pip install "keras-mixup-gan[patches]"`.'
        )
    return Path(next(iter(spec.submodule_search_locations)))
