"""Per-image statistics that are compared between models: the same code for each."""

from dataclasses import replace

import numpy as np

from keras_mixup_gan.attacks.access import Discriminator
from keras_mixup_gan.attacks.discriminator.augmented import mean_scores
from keras_mixup_gan.attacks.samples.nearest import nearest_samples
from keras_mixup_gan.attacks.samples.streaming import num_available
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_images

SIGNALS = {
    "critic": frozenset({"discriminator", "samples"}),
    "augmented": frozenset({"discriminator", "samples"}),
    "nearest": frozenset({"samples"}),
}
NUM_DRAWS = 16  # transforms of each image, for "augmented"
_CLASS_SEED = 7


def critic_signals(augment: str | None) -> tuple[str, ...]:
    """The discriminator's signals that tell of a model with this augmentation."""
    return ("critic",) if augment is None else ("critic", "augmented")


def signal(
    name: str,
    target: AttackTarget,
    images: FloatArray,
    rows: FloatArray | None,
    num_samples: int,
    flips: bool = False,
) -> FloatArray:
    """One statistic of each image under one model, higher = more likely a member.

    Args:
        name: `"critic"`: the discriminator's score of the image less its mean score of
            generated images. `"augmented"`: the same of scores that are means over
            random transforms, those of the target's augmentation. `"nearest"`: minus
            the L2 distance to the nearest generated image.
        target: The model.
        images: Checked images.
        rows: Label rows of a conditional model, or None.
        num_samples: Number of generated images.
        flips: Average over the image and its mirror image.

    Returns:
        Float64 array `(num_images,)`.
    """
    views = [images, np.ascontiguousarray(images[:, :, ::-1])][: 1 + flips]
    if name == "augmented":
        means = mean_scores(_discriminator(target), target, NUM_DRAWS)
        target = replace(target, discriminator=means)
    if name == "nearest":
        values = [-nearest_distances(target, view, num_samples) for view in views]
    else:
        level = generated_level(target, num_samples)
        score = _discriminator(target)
        values = [
            np.asarray(score(view, rows), "float64").reshape(len(view)) - level
            for view in views
        ]
    mean: FloatArray = np.mean(values, axis=0)
    return mean


def generated_level(target: AttackTarget, num_samples: int) -> float:
    """The discriminator's mean score of the model's own images, always the same ones.

    A conditional discriminator rates an image for its class, so those images are
    generated for drawn classes, which takes a generator that can be queried.
    """
    score = _discriminator(target)
    if target.num_classes is None:
        scores = score(samples_of(target, num_samples), None)
    else:
        if target.queries is None or target.latent_dim is None:
            raise ValueError(
                "The classes of generated images must be known, because the model is "
                "conditional. Received: a target that grants no queries. Grant "
                "`queries` in `AttackTarget`, or leave this attack out."
            )
        rng = np.random.default_rng([target.seed, _CLASS_SEED])
        latents = rng.standard_normal((num_samples, target.latent_dim), "float32")
        classes = np.arange(num_samples) % target.num_classes
        rows = np.eye(target.num_classes, dtype="float32")[classes]
        scores = score(_checked(target, target.queries(latents, rows)), rows)
    return float(np.mean(np.asarray(scores, "float64")))


def nearest_distances(
    target: AttackTarget, images: FloatArray, num_samples: int
) -> FloatArray:
    """The L2 distance from each image to the nearest generated one."""

    def generated(start: int, stop: int) -> FloatArray:
        return samples_of(target, stop, start)

    number = num_available(target, num_samples)
    return nearest_samples(images, generated, number).distances[:, 0]


def samples_of(target: AttackTarget, stop: int, start: int = 0) -> FloatArray:
    """Generated images `start` to `stop`, checked, as far as there are any."""
    if target.sampler is None:
        raise ValueError("Generated images are needed. Grant access to: samples.")
    return _checked(target, target.sampler(start, num_available(target, stop)))


def _checked(target: AttackTarget, images: FloatArray) -> FloatArray:
    return check_images(images, "generated images", target.image_shape)


def _discriminator(target: AttackTarget) -> Discriminator:
    if target.discriminator is None:
        raise ValueError("Scores are needed. Grant access to: discriminator.")
    return target.discriminator
