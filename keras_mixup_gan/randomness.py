"""Every stream of random numbers by its name.

A generator is a function of the user's seed and of what its numbers are for, so that
none depends on what was drawn before. NumPy pads seeds with zeros: `default_rng(seed)`
draws the numbers of stream 0, and `default_rng([seed, n])` those of stream n.
"""

from enum import Enum, IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Stream(Enum):
    """What random numbers are for; the value is part of the generator's seed."""

    MEMBERSHIP_COINS = 1
    QUERY_ORDER = 2
    BLEND_PARTNERS = 0
    BLENDS = (1, "blends")  # told apart from coins by further parts of the seed
    CLASSES = 7
    CALIBRATION = 10
    CALIBRATION_OF_RADII = 11
    DENSITIES = 12
    PLAGIARISM = 13
    CLASSIFIER = 14
    CRITIC_MOVES = 20
    FOLDS = (20, "folds")  # cuts queries, where the former moves images
    BLIND_BASELINE = 21
    CLASSIFIER_NETWORK = 22
    SHADOW_HALVES = 30
    SETS = (30, "sets")  # told apart from halves by further parts of the seed
    SHADOW_TRAINING = 31
    RECONSTRUCTION = 40
    LATENT_GRADIENT = 43
    PAIRS = 50
    PAIR_BLENDS = 51
    CO_MEMBERSHIP = 52
    FUSION = 60
    FUSION_TREES = 61
    QUANTILES = 62
    LOCAL_GAN = 70
    ARRAY_SAMPLES = 80
    TRANSFORMS = 90
    BLEND_TRANSFORMS = 91
    MOMENT_BLENDS = 92
    MOMENT_NOISE = 93
    COPY_NEIGHBORS = 100
    COPYING_CELLS = 101
    COPYING_ROWS = 102
    CANARIES = 110
    CANARY_COINS = 111
    FIRST_LOOK = 112
    PARTITIONS = 0x9A47

    @property
    def number(self) -> int:
        """The integer in the seed; changing it changes published numbers."""
        return self.value[0] if isinstance(self.value, tuple) else self.value


class StepStream(IntEnum):
    """What random numbers of a training step are for; part of TensorFlow's key."""

    LATENTS = 0
    FAKE_NOISE = 1
    FAKE_LABELS = 2
    AUGMENTATION = 3
    SOURCE_TRANSFORMS = 4
    TRANSFORM_CHOICES = 5
    IMAGE_NOISE = 6  # with the image's row in place of the step
    INTERPOLATES = 10
    PARTNERS = 11
    STYLE_NOISE = 20
    MIXED_LATENTS = 21
    CROSSOVERS = 22
    MEAN_STYLES = 23
    REFERENCES = 24
    SHUFFLE = 0x5EED  # added to the seed, by which epochs are permuted


def sequence(seed: int, stream: Stream, *parts: int) -> np.random.SeedSequence:
    """The seed of a stream, or of a part of it, such as the number of an image."""
    return np.random.SeedSequence([seed, stream.number, *parts])


def generator(seed: int, stream: Stream, *parts: int) -> np.random.Generator:
    """The generator of a stream, or of a part of it."""
    return np.random.default_rng(sequence(seed, stream, *parts))


def derived_seed(seed: int, stream: Stream, *parts: int) -> int:
    """A seed below 2**31, for software that takes one."""
    return int(generator(seed, stream, *parts).integers(2**31))


def some_rows(number: int, most: int, seed: int, stream: Stream) -> NDArray[Any]:
    """At most so many of `number` rows, drawn at random, in their order."""
    return np.sort(generator(seed, stream).permutation(number)[:most])


def without_secret(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a `MixUp` to give away: a guarantee depends on its noise's seed."""
    return {**config, "seed": None} if config.get("noise") == "once" else config
