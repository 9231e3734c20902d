"""Controls of an audit: the blind baseline without a model, and the null target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from keras_mixup_gan.attacks.access import is_ours
from keras_mixup_gan.attacks.samples.classifier import balanced_folds, train_network
from keras_mixup_gan.attacks.samples.feature_maps import PrincipalComponents
from keras_mixup_gan.attacks.samples.nearest import SAMPLE_BLOCK
from keras_mixup_gan.attacks.target import AttackTarget, as_target
from keras_mixup_gan.data.choosing import first_copies
from keras_mixup_gan.data.classes import check_same_classes
from keras_mixup_gan.data.pixels import Pixels
from keras_mixup_gan.data.splits import image_keys
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.statistics.power import error_at_chance
from keras_mixup_gan.statistics.roc import auc, delong_interval
from keras_mixup_gan.storage import weights_digest
from keras_mixup_gan.typing import BoolArray, FloatArray, IntArray
from keras_mixup_gan.validation import (
    check_images,
    check_integer,
    check_same_range,
    warn_of_range,
)

if TYPE_CHECKING:
    from keras_mixup_gan.auditing.results import AttackEntry
    from keras_mixup_gan.data.splits import MembershipSplit

NUM_FOLDS = 5
NUM_COMPONENTS = 64
MIN_IMAGES = 10
NUM_ERRORS = 4


class TooFewError(ValueError):
    """Fewer images than a blind baseline needs."""


def check_ranges(split: MembershipSplit) -> None:
    """Holds the parts of a split against the range of the members' pixels."""
    check_same_range(**{name: part.pixels for name, part in split.parts().items()})
    warn_of_range(split.members.pixels, "members", stacklevel=5)


def in_one_range(
    target: AttackTarget, model: Any, split: MembershipSplit, value_range: Any
) -> AttackTarget:
    """The target, whose samples are held against the range of the members' pixels.

    Not where the range is told, as by `value_range`: a model of this library states it,
    as does a target that grants more than samples. Samples are checked as the first are
    drawn, because drawing some for that would change all that a function draws later.
    """
    members, sampler = split.members.pixels, target.sampler
    is_stated = is_ours(model) or (
        isinstance(model, AttackTarget)
        and not target.access <= {"samples", "reference"}
    )
    if sampler is None or is_stated or value_range is not None:
        return target

    def sample(start: int, stop: int) -> Any:
        images = np.asarray(sampler(start, stop))
        if start == 0 and images.dtype != np.uint8:
            checked = check_images(images, "generated images", target.image_shape)
            check_same_range(samples=checked, members=members)
        return images

    if target.num_samples is not None:
        sample(0, min(target.num_samples, SAMPLE_BLOCK))
    return replace(target, sampler=sample)


@dataclass(frozen=True)
class BlindBaseline:
    """How well a classifier distinguishes members and non-members without any model.

    Attributes:
        auc: Area under the ROC curve of a classifier on pixels alone; .5 or, by chance,
            below it if the two sets were drawn alike.
        interval: DeLong's interval of `auc`.
    """

    auc: float
    interval: tuple[float, float]
    num_members: int
    num_non_members: int

    @property
    def is_shifted(self) -> bool:
        """Whether the two sets differ by more than chance explains."""
        return self.interval[0] > 0.5


@dataclass(frozen=True, eq=False)
class NullTarget:
    """What the attacks find on a model that saw neither members nor non-members.

    There every attack must be at chance. One that is not distinguishes the two sets by
    something other than a leak, and then also on the audited model.

    As a string it is a sentence. The attacks are in the order in which they ran.
    """

    model: str
    attacks: tuple[AttackEntry, ...]
    num_members: int
    num_non_members: int

    @property
    def areas(self) -> dict[str, float]:
        """The AUC of each attack that ran, by name."""
        return {each.name: each.auc for each in self.attacks if each.auc is not None}

    @property
    def error(self) -> float:
        """Standard error of an AUC at chance."""
        return error_at_chance(self.num_members, self.num_non_members)

    @property
    def deviating(self) -> tuple[AttackEntry, ...]:
        """Attacks whose AUC is more than four standard errors away from .5."""
        limit = NUM_ERRORS * self.error
        far = {name for name, area in self.areas.items() if abs(area - 0.5) > limit}
        return tuple(each for each in self.attacks if each.name in far)

    def __str__(self) -> str:
        areas = self.areas.values()
        if not areas:
            return f"No attack could be run on the null target, {self.model}."
        return (
            f"On the null target, {self.model}, which saw neither members nor "
            f"non-members, the AUC of {len(areas)} attacks lies between "
            f"{min(areas):.3f} and {max(areas):.3f}; chance keeps it within "
            f".5 ± {NUM_ERRORS * self.error:.3f}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        missing = [each for each in self.attacks if each.status != "done"]
        return {
            "model": self.model,
            "areas": self.areas,
            "standard_error": self.error,
            "deviating": [each.name for each in self.deviating],
            "not_run": {each.name: each.reason for each in missing},
        }


def as_null_target(
    model: Any, target: AttackTarget, model_hash: str | None, **known: Any
) -> AttackTarget:
    """A model, in any form that an audit takes, known to the attacker as the target is.

    `model_hash` is that of the target's weights, which the model must not have, and
    `known` what `from_model` is told.
    """
    null = as_target(model, target.seed, **known)
    if null.image_shape != target.image_shape:
        raise ValueError(
            "`null_target` must make images of the target's shape "
            f"{target.image_shape}. Received: {null.image_shape}."
        )
    check_same_classes(target.class_names, null.class_names, "`null_target`")
    if model_hash is not None and weights_digest(model) == model_hash:
        raise ValueError(
            "`null_target` has the weights of the audited model. Expected one that was "
            "trained on other images. Received: null_target with sha256 "
            f"{model_hash[:12]}. Train it on images outside of this audit."
        )
    return replace(
        null,
        mixup=target.mixup,
        augment=target.augment,
        reference=target.reference,
        shadows=target.shadows,
        reference_models=target.reference_models,
    )


def _distinct(images: FloatArray) -> FloatArray:
    """Each image once."""
    return images[first_copies(image_keys(Pixels(images)))]


def blind_baseline(
    members: FloatArray,
    non_members: FloatArray,
    seed: int = 0,
    confidence: float = 0.95,
) -> BlindBaseline:
    """Tries to distinguish members and non-members by their pixels alone.

    If that succeeds, the two sets are not drawn alike (another source, another
    resizing, another compression), and attacks may separate them without any leak.
    Copies are left out, so that none is trained on and scored.
    A small network is trained on three fifths of the images, on equally many of both
    sets; another fifth says when to stop, and the last is scored, five times over.
    Scores are compared as ranks within each fifth, because each has its own network.

    Args:
        members: Float array `(num_members, height, width, channels)` in `[-1, 1]`, at
            least 10 images.
        non_members: The same for non-members.
        seed: Seed of the folds and of the networks.
        confidence: Coverage of the interval.

    Raises:
        ValueError: If images are not as described.

    Source: the blind attacks of Das, Zhang and Tramèr, "Blind Baselines Beat
    Membership Inference Attacks for Foundation Models", 2024, arXiv:2406.16201.

    Example:
    ```python
    baseline = blind_baseline(members, non_members)
    baseline.auc, baseline.interval
    ```
    """
    check_integer(0, seed=seed)
    members = check_images(members, "members")
    height, width, channels = members.shape[1:]
    non_members = check_images(non_members, "non_members", (height, width, channels))
    members, non_members = map(_distinct, (members, non_members))
    if min(len(members), len(non_members)) < MIN_IMAGES:
        raise TooFewError(
            f"The blind baseline needs {MIN_IMAGES} distinct members and non-members. "
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
    pair = ranks[classes == 1], ranks[classes == 0]
    interval = delong_interval(*pair, confidence)
    return BlindBaseline(auc(*pair), interval, len(members), len(non_members))


def _cross_fitted(
    images: FloatArray,
    classes: IntArray,
    scored: BoolArray,
    stops: BoolArray,
    seed: int,
) -> FloatArray:
    """Log odds of the images that are scored, by a network that never saw them."""
    rng = generator(seed, Stream.BLIND_BASELINE)
    fitted = _balanced(rng, classes, ~scored & ~stops)
    used = np.concatenate([fitted, _balanced(rng, classes, stops)])
    components = PrincipalComponents(images[used], NUM_COMPONENTS)
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
