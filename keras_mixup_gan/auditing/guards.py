"""Guard rails: what an audit must find where there is nothing to be found."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from keras_mixup_gan.attacks.samples.classifier import balanced_folds, train_network
from keras_mixup_gan.attacks.samples.feature_maps import PrincipalComponents, pixels
from keras_mixup_gan.statistics.roc import auc, delong_interval
from keras_mixup_gan.typing import BoolArray, FloatArray, IntArray
from keras_mixup_gan.validation import check_images, check_integer

NUM_FOLDS = 5
NUM_COMPONENTS = 64
MINIMUM = 10


@dataclass(frozen=True)
class BlindBaseline:
    """How well members are told from non-members without looking at any model.

    Attributes:
        auc: Area under the ROC curve of a classifier on pixels alone; .5 if the two
            sets were drawn alike.
        interval: Confidence interval of `auc`.
        num_members: Number of members.
        num_non_members: Number of non-members.
    """

    auc: float
    interval: tuple[float, float]
    num_members: int
    num_non_members: int

    @property
    def is_shifted(self) -> bool:
        """Whether the two sets differ by more than chance would have it."""
        return self.interval[0] > 0.5


def blind_baseline(
    members: FloatArray,
    non_members: FloatArray,
    seed: int = 0,
    confidence: float = 0.95,
) -> BlindBaseline:
    """Tries to tell members from non-members by their pixels alone.

    If that succeeds, the two sets are not drawn alike (another source, another
    resizing, another compression), and attacks may tell them apart without any leak.
    A small network is trained on four fifths of the images, on equally many of both
    sets, and scores the last fifth, five times over. Scores are compared as ranks
    within each fifth, because each has its own network.

    Args:
        members: Float array `(num_members, height, width, channels)` in `[-1, 1]`, at
            least 10 images.
        non_members: The same for non-members.
        seed: Seed of the folds and of the networks.
        confidence: Coverage of the interval.

    Returns:
        The area under the ROC curve and DeLong's interval of it. An area below .5 is
        chance too.

    Raises:
        ValueError: If images are not as described, or fewer than 10 of a kind.

    Source: the blind attacks of Das, Zhang and Tramèr, "Blind Baselines Beat
    Membership Inference Attacks for Foundation Models", 2024, arXiv:2406.16201.

    Example:
    ```python
    baseline = blind_baseline(split.members.images, split.non_members.images)
    baseline.auc, baseline.interval
    ```
    """
    check_integer(0, seed=seed)
    members = check_images(members, "members")
    height, width, channels = members.shape[1:]
    non_members = check_images(non_members, "non_members", (height, width, channels))
    if min(len(members), len(non_members)) < MINIMUM:
        raise ValueError(
            f"The blind baseline needs at least {MINIMUM} members and non-members. "
            f"Received: {len(members)} and {len(non_members)}."
        )
    images = np.concatenate([members, non_members])
    classes = np.repeat([1, 0], [len(members), len(non_members)])
    folds = balanced_folds(classes, NUM_FOLDS, seed)
    ranks = np.empty(len(images))
    for fold in range(NUM_FOLDS):
        scored = folds == fold
        # The next fold decides when to stop; both are unseen by the network.
        stops = folds == (fold + 1) % NUM_FOLDS
        logits = _cross_fitted(images, classes, scored, stops, seed + fold)
        ranks[scored] = (rankdata(logits) - 0.5) / len(logits)
    inside, outside = ranks[classes == 1], ranks[classes == 0]
    return BlindBaseline(
        auc(inside, outside),
        delong_interval(inside, outside, confidence),
        len(members),
        len(non_members),
    )


def _cross_fitted(
    images: FloatArray,
    classes: IntArray,
    scored: BoolArray,
    stops: BoolArray,
    seed: int,
) -> FloatArray:
    """Log odds of the images that are scored, by a network that never saw them."""
    rng = np.random.default_rng([seed, 21])
    used = np.concatenate(
        [
            _balanced(rng, classes, ~scored & ~stops),
            _balanced(rng, classes, stops & ~scored),
        ]
    )
    components = PrincipalComponents(pixels(images[used]), NUM_COMPONENTS)
    rows = components(images)
    rows -= rows[used].mean(axis=0)
    spread = rows[used].std(axis=0)
    rows /= np.where(spread > 0, spread, 1.0)
    network = train_network(rows[used], classes[used], stops[used], seed)
    return network.logits(rows[scored])


def _balanced(
    rng: np.random.Generator, classes: IntArray, among: BoolArray
) -> IntArray:
    """Equally many rows of both classes among some."""
    kinds = [rng.permutation(np.flatnonzero(among & (classes == c))) for c in (0, 1)]
    number = min(len(kind) for kind in kinds)
    return np.concatenate([kind[:number] for kind in kinds])
