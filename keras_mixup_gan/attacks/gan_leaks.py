"""GAN-Leaks, full black-box: the distance to the nearest generated image."""

from typing import Any, ClassVar

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.nearest import SAMPLE_BLOCK, nearest_samples
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_images, check_integer


class GANLeaks(Attack):
    """Minus the L2 distance from an image to the nearest generated one.

    A generator that memorised an image comes closer to it than to images it has not
    seen. The attacker needs generated images only. They are streamed: nothing is kept
    but the nearest distance of each query, which is exact in float64.

    Args:
        num_samples: Number of generated images, at least 1. More find nearer
            neighbours and never worse ones. A target that holds fewer images than
            this is searched as far as it goes.
        chunk_size: Number of images generated at a time; no influence on the scores.

    Source: Chen, Yu, Zhang and Fritz, "GAN-Leaks: A Taxonomy of Membership Inference
    Attacks against Generative Models", CCS 2020: the full black-box attack, with the
    distance in pixels.

    Example:
    ```python
    scores = GANLeaks(num_samples=5000).fit(target).score(images)
    ```
    """

    name: ClassVar[str] = "gan_leaks"
    title: ClassVar[str] = "GAN-Leaks (nearest sample)"
    requires: ClassVar[frozenset[str]] = frozenset({"samples"})
    paper: ClassVar[str] = (
        "Chen, Yu, Zhang, Fritz: GAN-Leaks: A Taxonomy of Membership Inference Attacks "
        "against Generative Models. CCS 2020, arXiv:1909.03935 (full black-box attack)."
    )

    def __init__(self, num_samples: int = 20_000, chunk_size: int = SAMPLE_BLOCK):
        check_integer(1, num_samples=num_samples, chunk_size=chunk_size)
        self.num_samples = num_samples
        self.chunk_size = chunk_size

    @property
    def settings(self) -> dict[str, Any]:
        """The number of images searched and the distance."""
        target = self._target
        return {
            "num_samples": self._num_searched(target) if target else self.num_samples,
            "distance": "L2 in [-1, 1]",
        }

    def _num_searched(self, target: AttackTarget) -> int:
        if target.num_samples is None:
            return self.num_samples
        return min(self.num_samples, target.num_samples)

    def _score(
        self, images: FloatArray, labels: FloatArray | IntArray | None
    ) -> FloatArray:
        target = self._fitted()
        sampler = target.sampler
        if sampler is None:
            raise ValueError(f"{self.title} needs access to: samples.")

        def generated(start: int, stop: int) -> FloatArray:
            return check_images(
                sampler(start, stop), "generated images", target.image_shape
            )

        nearest = nearest_samples(
            images, generated, self._num_searched(target), chunk_size=self.chunk_size
        )
        return np.negative(nearest.distances[:, 0])
