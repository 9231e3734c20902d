"""Attacks as they are run by one who knows that training images were augmented."""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import numpy as np

from keras_mixup_gan.attacks.access import Discriminator
from keras_mixup_gan.attacks.base import DISCRIMINATOR_BLOCK, Attack
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer

# Of a discriminator that is not known to have seen augmented images.
ANY_POLICY = "color,translation,cutout"


class AugmentedLOGAN(Attack):
    """LOGAN as an attacker would run it who knows that images were augmented.

    A discriminator trained with differentiable augmentation hardly ever saw an
    original, but random transforms of it, and may remember those. So the query is
    transformed as the training images were, and the discriminator's scores of the
    results are averaged.

    The transforms are drawn once, from the target's seed, and are the same for every
    query. They are those of the target's own policy; all there are, where none is
    known.

    Args:
        num_draws: Number of random transforms of a query, at least 1.

    Source: white-box attack of Hayes et al., PoPETs 2019, on the mean over augmented
    queries of Yu, Zhang, Chen, Yin and Liu, "How Does Data Augmentation Affect Privacy
    in Machine Learning?", AAAI 2021, who attack augmented classifiers by it.

    Example:
    ```python
    model = keras_mixup_gan.zoo.dcgan(augment="color,translation")
    ...
    scores = AugmentedLOGAN().fit(AttackTarget.from_model(model)).score(images)
    ```
    """

    name: ClassVar[str] = "logan_augmented"
    title: ClassVar[str] = "LOGAN on transforms (knows augmentation)"
    requires: ClassVar[frozenset[str]] = frozenset({"discriminator"})
    paper: ClassVar[str] = (
        "The white-box attack of Hayes et al. (PoPETs 2019), averaged over augmented "
        "queries as in Yu, Zhang, Chen, Yin, Liu: How Does Data Augmentation Affect "
        "Privacy in Machine Learning? AAAI 2021, arXiv:2007.10567."
    )

    def __init__(self, num_draws: int = 32):
        check_integer(1, num_draws=num_draws)
        self.num_draws = num_draws

    @property
    def settings(self) -> dict[str, Any]:
        """The number of transforms, and which."""
        settings: dict[str, Any] = {"num_draws": self.num_draws}
        if self._target is not None:
            settings["policy"] = self._target.augment or ANY_POLICY
        return settings

    def _score(
        self, images: FloatArray, labels: FloatArray | IntArray | None
    ) -> FloatArray:
        target = self._fitted()
        rows = self._class_rows(target, labels, "images")
        score = partial(self._discriminate, target)
        return mean_scores(score, target, self.num_draws)(images, rows)


def transforms(
    target: AttackTarget, images: FloatArray, num_draws: int
) -> Iterator[FloatArray]:
    """Random transforms of images, by the policy of the target's augmentation.

    Args:
        target: The target.
        images: Float array `(num_images, height, width, channels)` in `[-1, 1]`.
        num_draws: Number of transforms.

    Yields:
        Arrays like `images`: all images transformed in the same way. Colors may leave
        `[-1, 1]`.
    """
    from keras_mixup_gan.models.augment import augment

    policy = target.augment or ANY_POLICY
    for draw in range(num_draws):
        sequence = np.random.SeedSequence([target.seed, 90, draw])
        key = sequence.generate_state(2).astype("int64")
        blocks = (
            images[start : start + DISCRIMINATOR_BLOCK]
            for start in range(0, len(images), DISCRIMINATOR_BLOCK)
        )
        seen = [augment(block, policy, key, shared=True) for block in blocks]
        yield np.concatenate(seen)


def mean_scores(
    score: Discriminator, target: AttackTarget, num_draws: int
) -> Discriminator:
    """Scores that are means over random transforms of each image.

    Args:
        score: A function like `AttackTarget.discriminator`.
        target: The target, whose augmentation and seed decide the transforms.
        num_draws: Number of transforms.

    Returns:
        Another function like it.
    """

    def means(images: FloatArray, rows: FloatArray | None) -> FloatArray:
        total = np.zeros(len(images))
        for seen in transforms(target, images, num_draws):
            total += np.asarray(score(seen, rows), "float64").reshape(len(images))
        return total / num_draws

    return means
