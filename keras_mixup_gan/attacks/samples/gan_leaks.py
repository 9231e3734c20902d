"""GAN-Leaks, full black-box: the distance to the nearest generated image."""

from typing import Any, ClassVar

import numpy as np

from keras_mixup_gan.attacks.samples.nearest import SAMPLE_BLOCK, Search
from keras_mixup_gan.attacks.samples.streaming import Chunk, StreamedAttack
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer


class _Nearest:
    """Watches for the nearest generated image of each query."""

    def __init__(self, images: FloatArray) -> None:
        self._search = Search(images)

    def see(self, chunk: Chunk) -> None:
        self._search.see(chunk.images)

    def scores(self) -> FloatArray:
        return np.negative(np.sqrt(self._search.squares[:, 0]))


class GANLeaks(StreamedAttack):
    """Minus the L2 distance from an image to the nearest generated one.

    A generator that memorized an image comes closer to it than to images it has not
    seen. The attacker needs generated images only. They are streamed: nothing is kept
    but the nearest distance of each query, which is exact in float64.

    Args:
        num_samples: Number of generated images, at least 1. More find nearer
            neighbors and never worse ones. A target that holds fewer images than
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
        super().__init__(num_samples)
        check_integer(1, chunk_size=chunk_size)
        self.chunk_size = chunk_size

    @property
    def settings(self) -> dict[str, Any]:
        """The number of images searched and the distance."""
        return {**super().settings, "distance": "L2 in [-1, 1]"}

    def _watch(self, target: AttackTarget, images: FloatArray) -> _Nearest:
        return _Nearest(images)
