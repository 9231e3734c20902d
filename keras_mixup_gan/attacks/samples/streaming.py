"""Attacks that look at each generated image once, and one pass for several of them."""

import abc
from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import numpy as np

from keras_mixup_gan.attacks.access import Sampler
from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.samples.feature_maps import FeatureMap
from keras_mixup_gan.attacks.samples.nearest import SAMPLE_BLOCK
from keras_mixup_gan.attacks.target import AttackTarget, ReferenceData
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_images, check_integer

CACHE_BYTES = 2**28


class Chunk:
    """Some generated images, and their features once somebody asked for them.

    Args:
        images: The images, checked.
    """

    def __init__(self, images: FloatArray) -> None:
        self.images = images
        self._features: dict[Hashable, FloatArray] = {}

    def features(self, mapped: FeatureMap) -> FloatArray:
        """The features of the images; equal maps are computed once."""
        key = getattr(mapped, "key", mapped)
        if key not in self._features:
            self._features[key] = mapped(self.images)
        return self._features[key]

    def first(self, number: int) -> "Chunk":
        """The first so many images."""
        if number >= len(self.images):
            return self
        return Chunk(self.images[:number])


class Watcher(Protocol):
    """What an attack keeps while generated images pass by."""

    def see(self, chunk: Chunk) -> None:
        """Takes in the next generated images."""

    def scores(self) -> FloatArray:
        """The scores of the queries, after the last image."""


class StreamedAttack(Attack):
    """Base class of attacks that watch a stream of generated images.

    The images are generated chunk by chunk and never kept. Subclasses define
    `_watch`; `score_in_one_pass` lets several of them watch the same stream.

    Args:
        num_samples: Number of generated images to look at, at least 1. A target that
            holds fewer is searched as far as it goes.
    """

    chunk_size: int = SAMPLE_BLOCK

    def __init__(self, num_samples: int = 20_000) -> None:
        check_integer(1, num_samples=num_samples)
        self.num_samples = num_samples

    @property
    def settings(self) -> dict[str, Any]:
        """The number of images that are looked at."""
        target = self._target
        number = self.num_samples if target is None else self._num_watched(target)
        return {"num_samples": number}

    def _num_watched(self, target: AttackTarget) -> int:
        """How many images of this target the attack looks at."""
        return num_available(target, self.num_samples)

    @abc.abstractmethod
    def _watch(self, target: AttackTarget, images: FloatArray) -> Watcher:
        """Prepares to score checked images."""

    def _score(
        self, images: FloatArray, labels: FloatArray | IntArray | None
    ) -> FloatArray:
        target = self._fitted()
        watcher = self._watch(target, images)
        show(target, [(watcher, self._num_watched(target))], self.chunk_size)
        return watcher.scores()


def score_in_one_pass(
    attacks: Sequence[StreamedAttack], images: FloatArray
) -> list[FloatArray]:
    """Scores images by several attacks while the samples are generated only once.

    Args:
        attacks: Attacks that were all fitted on the same target.
        images: Float array `(num_images, height, width, channels)` in `[-1, 1]`.

    Returns:
        For each attack just what its `score(images)` returns.

    Raises:
        ValueError: If the attacks were fitted on different targets, or not at all.

    Example:
    ```python
    attacks = [MonteCarlo().fit(target), DPI().fit(target)]
    by_count, by_share = score_in_one_pass(attacks, images)
    ```
    """
    targets = [attack._fitted() for attack in attacks]
    if len(targets) == 0:
        return []
    if any(target is not targets[0] for target in targets):
        raise ValueError(
            "One pass serves one target. Expected: attacks fitted on the same "
            "`AttackTarget`. Received: attacks of different targets. Fit them on one."
        )
    images = check_images(images, "images", targets[0].image_shape)
    watchers = [attack._watch(targets[0], images) for attack in attacks]
    numbers = [attack._num_watched(targets[0]) for attack in attacks]
    show(targets[0], list(zip(watchers, numbers, strict=True)))
    return [
        attack._checked(watcher.scores(), len(images))
        for attack, watcher in zip(attacks, watchers, strict=True)
    ]


def show(
    target: AttackTarget,
    watchers: Sequence[tuple[Watcher, int]],
    chunk_size: int = SAMPLE_BLOCK,
) -> None:
    """Shows each watcher its number of generated images, chunk by chunk."""
    stop = max(number for _, number in watchers)
    for start in range(0, stop, chunk_size):
        stop_here = min(start + chunk_size, stop)
        chunk = Chunk(generated_images(target, start, stop_here))
        for watcher, number in watchers:
            if start < number:
                watcher.see(chunk.first(number - start))


def generated_images(target: AttackTarget, start: int, stop: int) -> FloatArray:
    """Generated images `start` to `stop` of a target, checked."""
    if target.sampler is None:
        raise ValueError("The target grants no access to: samples.")
    images = check_images(
        target.sampler(start, stop), "generated images", target.image_shape
    )
    if len(images) != stop - start:
        raise ValueError(
            "The sampler must return `stop - start` images. Received: "
            f"{len(images)} images for start={start}, stop={stop}."
        )
    return images


def generated_features(
    target: AttackTarget,
    number: int,
    features: FeatureMap,
) -> FloatArray:
    """Features of the first generated images; of the images nothing is kept."""
    parts = []
    for start in range(0, number, SAMPLE_BLOCK):
        stop = min(start + SAMPLE_BLOCK, number)
        parts.append(features(generated_images(target, start, stop)))
    return np.concatenate(parts)


def num_available(target: AttackTarget, wanted: int) -> int:
    """The number of images wanted, or fewer if the target holds fewer."""
    return wanted if target.num_samples is None else min(wanted, target.num_samples)


def reference_of(target: AttackTarget, attack: Attack, minimum: int) -> ReferenceData:
    """The reference images of a target, at least so many."""
    if target.reference is None:
        raise ValueError(f"{attack.title} needs access to: reference.")
    if len(target.reference.images) < minimum:
        raise ValueError(
            f"{attack.title} needs at least {minimum} reference images. Received: "
            f"{len(target.reference.images)}. Pass more outside images."
        )
    return target.reference


def equal_number(
    target: AttackTarget, attack: Attack, wanted: int, minimum: int
) -> int:
    """`wanted` images, or as many as there are reference images if these are fewer.

    Args:
        target: The target.
        attack: The attack that compares equally many of both, for messages.
        wanted: How many at most.
        minimum: How many reference images there must be.
    """
    return min(wanted, len(reference_of(target, attack, minimum).images))


def drawn_reference(
    target: AttackTarget, attack: Attack, number: int, minimum: int, stream: int
) -> FloatArray:
    """At most `number` reference images, drawn by the target's seed if there are more.

    Args:
        target: The target.
        attack: The attack that needs them, for messages.
        number: How many at most.
        minimum: How many at least.
        stream: Tells the draws of different attacks apart.
    """
    images = reference_of(target, attack, minimum).images
    if len(images) <= number:
        return images
    rng = np.random.default_rng([target.seed, stream])
    return images[np.sort(rng.permutation(len(images))[:number])]


def cached(sampler: Sampler, max_bytes: int = CACHE_BYTES) -> Sampler:
    """Returns a sampler that remembers what it has generated, up to a size.

    Attacks ask for the same ranges of images, one after another; with this around the
    sampler of their target the images are generated once. Ranges beyond the size are
    generated anew each time.

    Args:
        sampler: Function `(start, stop) -> images`.
        max_bytes: How many bytes of images to keep, at least 0.

    Returns:
        A function of the same kind; what it returns is read-only.

    Raises:
        ValueError: If `max_bytes` is negative.

    Example:
    ```python
    target = dataclasses.replace(target, sampler=cached(target.sampler))
    ```
    """
    check_integer(0, max_bytes=max_bytes)
    kept: dict[tuple[int, int], FloatArray] = {}

    def remembering(start: int, stop: int) -> FloatArray:
        if (start, stop) not in kept:
            images = np.asarray(sampler(start, stop)).view()
            images.flags.writeable = False
            size = sum(part.nbytes for part in kept.values())
            if size + images.nbytes > max_bytes:
                return images
            kept[start, stop] = images
        return kept[start, stop]

    return remembering
