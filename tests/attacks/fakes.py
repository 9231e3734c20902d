"""Models without training, whose leaks are known."""

from types import SimpleNamespace

import numpy as np

SHAPE = (4, 4, 1)


def images(number, seed, shape=SHAPE):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (number, *shape)).astype("float32")


def defense(**settings):
    """A stand-in for the settings of a `MixUp`."""
    known = {"num_samples": 2, "noise_stddev": 0.0, "same_class": False, **settings}
    return SimpleNamespace(get_config=lambda: dict(known), **known)


class FakeGAN:
    """Generates noise, or noisy copies of what it memorized; scores by closeness.

    The discriminator of a memorizing model rates an image by its distance to the
    nearest memorized one; any other is a fixed wild function of the pixels.
    """

    def __init__(self, memorized=None, shape=SHAPE, num_classes=None, mixup=None):
        self.memorized = memorized
        self.image_shape = shape
        self.num_classes = num_classes
        self.mixup = mixup
        self.batch_sizes = []
        self.seen = []
        self.seen_labels = []

    def generate(
        self, num_images, labels=None, seed=0, *, start=0, batch_size=256, dtype="uint8"
    ):
        self.batch_sizes.append(num_images)
        out = np.empty((num_images, *self.image_shape), "float32")
        for i in range(num_images):
            rng = np.random.default_rng([seed, start + i])
            if self.memorized is None:
                out[i] = rng.uniform(-1, 1, self.image_shape)
            else:
                noise = rng.normal(0, 0.05, self.image_shape)
                out[i] = self.memorized[rng.integers(len(self.memorized))] + noise
        assert dtype == "float32"
        return np.clip(out, -1, 1)

    def score(self, images, labels=None, batch_size=256, *, check_range=True):
        if check_range:
            assert np.abs(images).max() <= 1
        self.seen.append(np.array(images))
        self.seen_labels.append(labels)
        rows = np.asarray(images, "float64").reshape(len(images), -1)
        if self.memorized is None:
            return np.sin(rows * np.arange(1, rows.shape[1] + 1)).sum(axis=1)
        known = self.memorized.reshape(len(self.memorized), -1)
        squares = ((rows[:, None] - known[None]) ** 2).sum(axis=2)
        return -squares.min(axis=1)
