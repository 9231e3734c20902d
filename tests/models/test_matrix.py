"""Every model, with every defense, in every precision, compiled or not."""

import itertools

import numpy as np
import pytest

from keras_mixup_gan import DPSGD, zoo
from tests.models.tiny import random_images, random_labels

SIZES = {
    "dcgan": {"width": 8, "latent_dim": 4},
    "wgan_gp": {"width": 8, "latent_dim": 4, "critic_steps": 2},
    "stylegan_lite": {"width": 8, "latent_dim": 4},
}
DEFENSES = {
    "none": {},
    "mixup": {"mixup": "noisy", "augment": "color,translation,cutout"},
    "paper": {"mixup": "paper", "num_classes": 3},
    "augmented": {"mixup": "augmented", "num_classes": 3},
    "dp": {"dp": DPSGD(noise_multiplier=0.5, noise_seed=5), "augment": "cutout"},
}
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
# One of each kind in the fast run; the rest is slow.
QUICK = {
    ("dcgan", "mixup", "mixed_float16", False),
    ("dcgan", "dp", "mixed_float16", False),
    ("wgan_gp", "paper", "mixed_float16", False),
    ("wgan_gp", "mixup", "mixed_bfloat16", False),
    ("wgan_gp", "none", "float32", True),
    ("stylegan_lite", "none", "mixed_float16", False),
    ("stylegan_lite", "paper", "mixed_bfloat16", False),
}


def combinations():
    for case in itertools.product(SIZES, DEFENSES, PRECISIONS, (False, True)):
        marks = () if case in QUICK else pytest.mark.slow
        yield pytest.param(*case, marks=marks)


@pytest.mark.long
@pytest.mark.parametrize(("name", "defense", "precision", "xla"), list(combinations()))
def test_three_steps(name, defense, precision, xla):
    arguments = {**SIZES[name], **DEFENSES[defense]}
    model = getattr(zoo, name)((8, 8, 1), seed=0, dtype=precision, **arguments)
    config = model.get_compile_config()
    model.compile_from_config({**config, "jit_compile": xla})
    kernels = {
        network.name: [w for w in network.trainable_variables if len(w.shape) > 1]
        for network in (model.generator, model.discriminator)
    }
    before = {name: [np.array(w) for w in ws] for name, ws in kernels.items()}
    rounds = 3 * model.discriminator_steps
    images = random_images(8 * rounds)
    labels = random_labels(len(images)) if model.num_classes else None
    history = model.fit(images, labels, batch_size=8, verbose=0).history

    assert model.num_steps == 3
    assert np.all(np.isfinite([*history.values()]))
    for name, weights in kernels.items():
        for weight, start in zip(weights, before[name], strict=True):
            assert np.all(np.isfinite(weight)), weight.path
            assert not np.array_equal(weight, start), weight.path
    dtype = "float32" if precision == "float32" else precision.removeprefix("mixed_")
    assert dtype in {layer.compute_dtype for layer in model.generator.layers}
