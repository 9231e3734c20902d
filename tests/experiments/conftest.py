import numpy as np
import pytest

from keras_mixup_gan.experiments.pool import FIXED, Data
from keras_mixup_gan.experiments.suite import Block, Suite


@pytest.fixture(scope="session")
def small_images(tmp_path_factory):
    """A file of 8x8 images: blurred noise, so that a GAN has something to learn."""
    random = np.random.default_rng(0)
    pixels = random.uniform(-1, 1, (140, 4, 4, 1)).repeat(2, axis=1).repeat(2, axis=2)
    path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, images=pixels.astype("float32"))
    return path


@pytest.fixture(scope="session")
def tiny(small_images):
    """A suite like that of `make compare`, which takes seconds."""

    def suite(arms=("undefended",), members=40, checkpoints=(2, 4), **changes):
        known = {
            "undefended": {},
            "mixup-noise": {"group": "mixup", "defense": "mixup", "rule": "noisy"},
            "dp-sgd": {"noise_multiplier": 3.0},
        }
        settings = {
            "name": "tiny",
            "title": "Seconds",
            "data": Data(str(small_images), None, 40, 60, draw=FIXED),
            "arms": {arm: known[arm] for arm in arms},
            "blocks": (Block("dcgan", (members,), tuple(arms), checkpoints, width=4),),
            "seeds": (0,),
            "batch_size": 20,
            "num_samples": 64,
            "num_blends": 2,
            "num_generated": 64,
            "utility": False,
            "timed_rounds": 2,
        }
        return Suite(**settings | changes)

    return suite
