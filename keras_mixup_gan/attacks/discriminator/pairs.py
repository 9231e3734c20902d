"""Co-membership attack (Liu et al. 2019) by mixed queries: were both images members?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import DISCRIMINATOR_BLOCK, Attack, register_attack
from keras_mixup_gan.attacks.discriminator.mixtures import (
    KnownMixing,
    Standard,
    blend_weights,
)
from keras_mixup_gan.attacks.target import AttackTarget, Labels
from keras_mixup_gan.data.labeled import split_labels
from keras_mixup_gan.data.pixels import Pixels, as_pixels
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.statistics.roc import auc
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_classes, check_images, check_integer

NUM_REFERENCE_PAIRS = 256


@register_attack
class MixedPairs(Attack):
    """The discriminator's score of blends of two images, for co-membership.

    A model trained by mixup was shown blends of two members, never members. This attack
    asks it about just such blends: `weight * first + (1 - weight) * second`, with
    images transformed, noise added, or regions instead, where the defense does so.
    Scores at each weight are put in units of blends of reference images, and averaged.
    Alone, an image is its own partner.

    Args:
        weights: Weights of the first image, each in `[0, 1]`.
        num_draws: Draws of what else the defense does at random to average over, its
            noise, transforms and regions, if any.

    Example:
    ```python
    attack = MixedPairs().fit(target)
    scores = attack.score_pairs(images[:32], images[32:64])
    co_membership(attack, members, non_members).auc
    ```
    """

    name = "mixed_pairs"
    title = "Mixed pairs (co-membership)"
    requires = frozenset({"discriminator", "reference"})
    paper = (
        "Liu, Xiao, Li, Gao: Performing Co-Membership Attacks Against Deep "
        "Generative Models. ICDM 2019, arXiv:1805.09898, by mixed queries after Ji, "
        "Hu, Xiang, Zhou: Mixup Training for Generative Models to Defend Membership "
        "Inference Attacks. INFOCOM 2023."
    )
    knows = frozenset({"mixup"})
    _recorded = ("weights", "num_draws")

    def __init__(
        self, weights: Sequence[float] = (0.2, 0.5, 0.8), num_draws: int = 4
    ) -> None:
        check_integer(1, num_draws=num_draws)
        self.weights = blend_weights(weights, with_zero=True)
        self.num_draws = num_draws

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return self._mixing.settings

    def score_pairs(
        self,
        first: FloatArray,
        second: FloatArray,
        first_labels: Labels = None,
        second_labels: Labels = None,
    ) -> FloatArray:
        """Scores pairs by how likely both images were in the training set.

        Args:
            first: Float array `(num_pairs, height, width, channels)` in `[-1, 1]`.
            second: The other image of each pair.
            first_labels: Class labels of these images, for a conditional model.
            second_labels: The same of the others.

        Returns:
            Float64 array `(num_pairs,)`, higher = more likely both members.

        Raises:
            ValueError: If images or labels are not as described, or differ in number.
        """
        target = self._fitted()
        sides = []
        for images, labels, name in (
            (first, first_labels, "first"),
            (second, second_labels, "second"),
        ):
            images = check_images(images, name, target.image_shape)
            if labels is not None:
                labels = check_classes(labels, len(images), f"{name}_labels")
            sides.append((images, self._class_rows(target, labels, name)))
        if len(sides[0][0]) != len(sides[1][0]):
            raise ValueError(
                "Pairs need equally many images on both sides. Received: "
                f"{len(sides[0][0])} and {len(sides[1][0])}."
            )
        return self._standard(self._blend_scores(target, *sides))

    def _fit(self, target: AttackTarget) -> None:
        """Measures level and scale of the scores on pairs of reference images."""
        self._mixing = KnownMixing(target.mixup, target.seed, Stream.PAIR_BLENDS)
        reference = self._reference(target, 4)
        rows = self._class_rows(target, reference.labels, "reference images")
        rng = generator(target.seed, Stream.PAIRS)
        order = rng.permutation(len(reference.images))[: 2 * NUM_REFERENCE_PAIRS]
        half = len(order) // 2
        pairs = np.stack([order[:half], order[half : 2 * half]])
        # In both orders, as the two images of a pair have no order.
        pairs = np.concatenate([pairs, pairs[::-1]], axis=1)
        sides = [
            (reference.images[part], None if rows is None else rows[part])
            for part in pairs
        ]
        self._standard = Standard(self._blend_scores(target, *sides))

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        target = self._fitted()
        side = (images, self._class_rows(target, labels, "images"))
        return self._standard(self._blend_scores(target, side, side))

    def _blend_scores(
        self,
        target: AttackTarget,
        first: tuple[FloatArray, FloatArray | None],
        second: tuple[FloatArray, FloatArray | None],
    ) -> FloatArray:
        """Mean score of the blends of each pair, `(num_weights, num_pairs)`."""
        num_draws = self.num_draws if self._mixing.is_random else 1
        number = len(first[0])
        scores = np.zeros((len(self.weights), number))
        for start in range(0, number, DISCRIMINATOR_BLOCK):
            part = slice(start, start + DISCRIMINATOR_BLOCK)
            for at, weight in enumerate(self.weights):
                pair = [
                    (images[part], None if rows is None else rows[part])
                    for images, rows in (first, second)
                ]
                images, rows = pair[1]
                others = images[:, None], None if rows is None else rows[:, None]
                for draw in range(num_draws):
                    blend = self._mixing.mixed(pair[0], others, weight, (at, draw))
                    scores[at, part] += target.score(*blend)
        return scores / num_draws


@dataclass(frozen=True)
class PairScores:
    """Scores of pairs by how many of the two images are members.

    Attributes:
        both: Float64 array: pairs of members.
        neither: Float64 array: pairs of non-members.
        one: Float64 array: a member and a non-member, the hard negatives.
    """

    both: FloatArray
    neither: FloatArray
    one: FloatArray

    @property
    def auc(self) -> float:
        """Area under the ROC curve, pairs of members against those of non-members."""
        return auc(self.both, self.neither)

    @property
    def auc_hard(self) -> float:
        """The same against pairs with one member."""
        return auc(self.both, self.one)


def co_membership(
    attack: MixedPairs, members: Any, non_members: Any, seed: int = 0
) -> PairScores:
    """Scores disjoint random pairs of members, of non-members, and of one of each.

    Each image is in one pair of its own kind and at most one mixed pair.

    Args:
        attack: A fitted attack.
        members: Images, `(images, labels)`, or a part of a `MembershipSplit`; at least
            4.
        non_members: The same.
        seed: Seed of the pairs.

    Raises:
        ValueError: If there are fewer than 4 images of a kind.

    Example:
    ```python
    pairs = co_membership(MixedPairs().fit(target), members, non_members)
    print(pairs.auc, pairs.auc_hard)
    ```
    """
    check_integer(0, seed=seed)
    inside, outside = _whole(members, "members"), _whole(non_members, "non_members")
    numbers = len(inside[0]), len(outside[0])
    if min(numbers) < 4:
        raise ValueError(
            "Pairs need at least 4 members and 4 non-members. Received: "
            f"{numbers[0]} and {numbers[1]}."
        )
    rng = generator(seed, Stream.CO_MEMBERSHIP)
    orders = [rng.permutation(number) for number in numbers]
    halves = [(order[: len(order) // 2], order[len(order) // 2 :]) for order in orders]

    def scores(one: Any, at: IntArray, other: Any, to: IntArray) -> FloatArray:
        size = min(len(at), len(to))
        first, second = _part(one, at[:size]), _part(other, to[:size])
        return attack.score_pairs(first[0], second[0], first[1], second[1])

    return PairScores(
        both=scores(inside, halves[0][0], inside, halves[0][1]),
        neither=scores(outside, halves[1][0], outside, halves[1][1]),
        one=scores(inside, halves[0][0], outside, halves[1][0]),
    )


def _whole(part: Any, name: str) -> tuple[Pixels, Any]:
    images, labels = split_labels(part)
    return as_pixels(images, name), labels


def _part(data: tuple[Pixels, Any], chosen: IntArray) -> tuple[FloatArray, Any]:
    images, labels = data
    return images[chosen], None if labels is None else np.asarray(labels)[chosen]
