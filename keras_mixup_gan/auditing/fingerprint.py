"""A hash by which a model without weights to show is recognized in a later run."""

from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.storage import digest_arrays
from keras_mixup_gan.typing import FloatArray

_NUM_PROBES = 64


def of_behavior(target: AttackTarget, images: FloatArray) -> str:
    """Hash of what a target does: of generated images, and of scores of some images.

    Args:
        target: Any target; one with finitely many samples is hashed to the last.
        images: Images `(num_images, height, width, channels)` for its discriminator.

    Returns:
        The hash.

    Raises:
        ValueError: If the target does not do the same twice.
    """
    if _behavior(target, images) != (digest := _behavior(target, images)):
        raise ValueError(
            "An audit that is kept in a folder needs a model that does the same at "
            "every call. Received: a function whose images differ from call to call. "
            "Draw the images once and pass them as an array, or leave out `folder`."
        )
    return digest


def of_features(attack: Attack, images: FloatArray) -> str | None:
    """Hash of what an attack's own feature function makes of some images.

    Names do not tell functions apart: two lambdas have the same one.

    Args:
        attack: Any attack.
        images: Images `(num_images, height, width, channels)`.

    Returns:
        The hash; None if it has no such function, or one that fails.
    """
    parts = (attack, getattr(attack, "attack", None))
    functions = [getattr(part, "features", None) for part in parts]
    given = [function for function in functions if callable(function)]
    if not given:
        return None
    try:
        return digest_arrays([function(images[:_NUM_PROBES]) for function in given])
    except Exception:  # whatever it is, the attack meets it too and tells it
        return None


def _behavior(target: AttackTarget, images: FloatArray) -> str:
    probes: list[Any] = []
    images = images[:_NUM_PROBES]
    num_classes = target.num_classes
    if target.sampler is not None:
        probes.append(target.sampler(0, target.num_samples or _NUM_PROBES))
    if target.discriminator is not None:
        rows = _rows(len(images), num_classes)
        probes.append(target.discriminator(images, rows))
    if target.queries is not None and target.latent_dim is not None:
        shape = (4, target.latent_dim)
        latents = np.random.default_rng(0).standard_normal(shape, dtype="float32")
        probes.append(target.queries(latents, _rows(4, num_classes)))
    return digest_arrays(probes)


def _rows(number: int, num_classes: int | None) -> FloatArray | None:
    """Labels for the probes of a conditional model: one class after the other."""
    if num_classes is None:
        return None
    return np.eye(num_classes, dtype="float32")[np.arange(number) % num_classes]
