import numpy as np
import pytest

from keras_mixup_gan.experiments import Comparison


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
    """Settings of a comparison that takes seconds."""

    def settings(**changes):
        return Comparison(
            **{
                "data": str(small_images),
                "members": 40,
                "non_members": 40,
                "reference": 60,
                "checkpoints": (2, 4),
                "batch_size": 20,
                "num_samples": 64,
                "num_blends": 2,
                "num_generated": 64,
                "timed_rounds": 2,
                **changes,
            }
        )

    return settings
