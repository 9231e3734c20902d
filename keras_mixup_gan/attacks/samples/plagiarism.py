"""Data Plagiarism Index (Ward et al. 2024): generated images among the nearest ones."""

from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import register_attack
from keras_mixup_gan.attacks.samples.density import SMALLEST_DISTANCE, nearest_distances
from keras_mixup_gan.attacks.samples.feature_maps import Features
from keras_mixup_gan.attacks.samples.nearest import Search
from keras_mixup_gan.attacks.samples.streaming import FeaturedAttack, Watcher
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.randomness import Stream
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer


@register_attack
class DPI(FeaturedAttack):
    """The share of generated images among the nearest generated and reference images.

    As many generated as reference images are looked at, so that a query in no special
    place has a share of one half. Equal shares are ordered by the mean log ratio of
    the distances to the nearest `k` reference and `k` generated images, squeezed into
    one step of the share. (The paper has a ratio in place of the share.)

    Args:
        num_samples: Number of generated images at most; at most as many as reference
            images are looked at, and the other way round.
        features: See `FeaturedAttack`.
        k: Number of nearest images; all that there are of either kind if these are
            fewer.
    """

    name = "dpi"
    title = "DPI (generated neighbors)"
    requires = frozenset({"samples", "reference"})
    paper = (
        "Ward, Wang, Cheng: Data Plagiarism Index: Characterizing the Privacy Risk of "
        "Data-Copying in Tabular Generative Models. 2024, arXiv:2406.13012."
    )
    default_with = frozenset()
    _recorded = ("num_samples", "k")

    def __init__(
        self, num_samples: int = 20_000, features: Features = 40, k: int = 20
    ) -> None:
        super().__init__(num_samples, features)
        check_integer(1, k=k)
        self.k = k

    @property
    def settings(self) -> dict[str, Any]:
        """The number of images of either kind, the neighbors and the features."""
        return {**super().settings, "features": self._described}

    def _num_watched(self, target: AttackTarget) -> int:
        number = super()._num_watched(target)
        return min(number, len(self._reference(target, 2).images))

    def _watch(self, target: AttackTarget, images: FloatArray) -> Watcher:
        features, number = self._map, self._num_watched(target)
        others = self._drawn_reference(target, number, 1, Stream.PLAGIARISM)
        queries = features(images)
        k = min(self.k, number)
        known = nearest_distances(queries, features(others), k)
        search = Search(queries, k)

        def scores() -> FloatArray:
            generated = np.maximum(np.sqrt(search.squares), SMALLEST_DISTANCE)
            ratio = np.log(known).mean(axis=1) - np.log(generated).mean(axis=1)
            # Shares are multiples of 1 / (2 k): the ratio orders equal ones only.
            within = (1 + ratio / (1 + np.abs(ratio))) / (4 * k)
            return generated_share(generated, known) + within

        return Watcher(search, features, scores)


def generated_share(generated: FloatArray, others: FloatArray) -> FloatArray:
    """The share of generated among the nearest k; equal distances count one half.

    Both arrays are distances `(num_queries, k)` to the nearest of a kind.
    """
    k = generated.shape[1]
    counts = []
    for pair in ([generated, others], [others, generated]):
        order = np.argsort(np.concatenate(pair, axis=1), axis=1, kind="stable")
        counts.append((order[:, :k] < k).mean(axis=1))
    share: FloatArray = (counts[0] + 1 - counts[1]) / 2
    return share
