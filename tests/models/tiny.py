"""Small models and random images that train in a moment."""

import numpy as np

from keras_mixup_gan import DPSGD, zoo

NUM_CLASSES = 3
DEFENSES = {
    "none": {},
    "mixup": {"mixup": "noisy"},
    "paper": {"mixup": "paper"},
    "augmented": {"mixup": "augmented"},
    "dp": {"dp": DPSGD(noise_multiplier=0.5, noise_seed=5)},
}


def make(**arguments):
    """A compiled DCGAN for images of 8 x 8 pixels."""
    settings = {"image_shape": (8, 8, 1), "latent_dim": 4, "width": 8, "seed": 0}
    return zoo.dcgan(**{**settings, **arguments})


def eager(**arguments):
    """The same, whose steps run as plain Python: a few are sooner done than traced."""
    model = make(**arguments)
    model.run_eagerly = True
    return model


def random_images(num_images, shape=(8, 8, 1), seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (num_images, *shape)).astype("float32")


def random_labels(num_images, seed=0):
    return np.random.default_rng(seed).integers(NUM_CLASSES, size=num_images)


def state(model):
    """Everything that a training changes, as a list of arrays."""
    optimizers = (model.g_optimizer, model.d_optimizer)
    variables = [*model.weights, *(v for o in optimizers for v in o.variables)]
    return [np.array(variable) for variable in variables]


def assert_same_state(model, other, **tolerance):
    ours, theirs = state(model), state(other)
    assert len(ours) == len(theirs) > 20
    for a, b in zip(ours, theirs, strict=True):
        if tolerance:
            np.testing.assert_allclose(a, b, **tolerance)
        else:
            np.testing.assert_array_equal(a, b)


def differs(model, other):
    pairs = zip(state(model), state(other), strict=True)
    return any(not np.array_equal(a, b) for a, b in pairs)
