"""Attacks on a stream of generated images, and one pass that serves several of them."""

import abc
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from keras_mixup_gan.attacks.access import Sampler
from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.samples.feature_maps import (
    FeatureMap,
    Features,
    check_features_choice,
    describe_features,
    fit_features,
)
from keras_mixup_gan.attacks.samples.kernels import RunningDensity
from keras_mixup_gan.attacks.samples.nearest import SAMPLE_BLOCK, Search
from keras_mixup_gan.attacks.target import AttackTarget, Labels
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_images, check_integer, finite_scores

CACHE_BYTES = 2**28


class Chunk:
    """Some generated images, and their features once somebody asked for them."""

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
        """The first images."""
        if number >= len(self.images):
            return self
        return Chunk(self.images[:number])


class Sees(Protocol):
    """What generated images are shown to."""

    def see(self, chunk: Chunk) -> None:
        """Takes in the next generated images."""


@dataclass
class Watcher:
    """What an attack keeps while generated images pass by."""

    search: Search | RunningDensity
    features: FeatureMap
    scores: Callable[[], FloatArray]

    def see(self, chunk: Chunk) -> None:
        """Takes in the next generated images."""
        self.search.see(chunk.features(self.features))


class StreamedAttack(Attack):
    """Base class of attacks that watch a stream of generated images.

    The images are generated chunk by chunk and never kept. Subclasses define
    `_watch`; `score_in_one_pass` lets several of them watch the same stream.

    Args:
        num_samples: Number of generated images to look at, at least 1. A target that
            holds fewer is searched as far as it goes.
    """

    chunk_size: int = SAMPLE_BLOCK
    _recorded: ClassVar[tuple[str, ...]] = ("num_samples",)

    def __init__(self, num_samples: int = 20_000) -> None:
        check_integer(1, num_samples=num_samples)
        self.num_samples = num_samples

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return {"num_samples": self._num_watched(target)}

    def _num_watched(self, target: AttackTarget) -> int:
        """How many images of this target the attack looks at."""
        return target.num_available(self.num_samples)

    @abc.abstractmethod
    def _watch(self, target: AttackTarget, images: FloatArray) -> Watcher:
        """Prepares to score checked images."""

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        target = self._fitted()
        watcher = self._watch(target, images)
        show(target, [(watcher, self._num_watched(target))], self.chunk_size)
        return watcher.scores()


class FeaturedAttack(StreamedAttack):
    """Base class of streamed attacks that compare images in a space of features.

    Args:
        num_samples: Number of generated images to look at, at least 1.
        features: `"pixels"`, a number of principal components of the reference, or a
            function from images to features.
    """

    _least_reference: ClassVar[int] = 2
    _map: FeatureMap  # from images to features, once the attack is fitted

    def __init__(
        self, num_samples: int = 20_000, features: Features = "pixels"
    ) -> None:
        super().__init__(num_samples)
        check_features_choice(features)
        self.features = features

    @property
    def _described(self) -> str:
        return describe_features(self.features, getattr(self, "_map", None))

    def _fit(self, target: AttackTarget) -> None:
        known = None
        if target.reference is not None or "reference" in self.requires:
            known = self._reference(target, self._least_reference).images
        self._map = fit_features(self.features, known)


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
    attacks = [
        keras_mixup_gan.attacks.MonteCarlo(num_samples=5000).fit(target),
        keras_mixup_gan.attacks.DPI(num_samples=5000).fit(target),
    ]
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
        finite_scores(watcher.scores(), f"scores of {attack.title}", len(images))
        for attack, watcher in zip(attacks, watchers, strict=True)
    ]


def show(
    target: AttackTarget,
    watchers: Sequence[tuple[Sees, int]],
    chunk_size: int = SAMPLE_BLOCK,
) -> None:
    """Shows each watcher its number of generated images, chunk by chunk."""
    for _ in showing(target, watchers, chunk_size):
        pass


def showing(
    target: AttackTarget,
    watchers: Sequence[tuple[Sees, int]],
    chunk_size: int = SAMPLE_BLOCK,
    first: int = 0,
) -> Iterator[int]:
    """The same from the image `first` on; after each chunk how many were generated."""
    stop = max(number for _, number in watchers)
    for start in range(first, stop, chunk_size):
        stop_here = min(start + chunk_size, stop)
        chunk = Chunk(target.generate(start, stop_here))
        for watcher, number in watchers:
            if start < number:
                watcher.see(chunk.first(number - start))
        yield stop_here


def generated_features(
    target: AttackTarget, number: int, features: FeatureMap
) -> FloatArray:
    """Features of the first generated images; of the images nothing is kept."""
    parts = []
    for start in range(0, number, SAMPLE_BLOCK):
        stop = min(start + SAMPLE_BLOCK, number)
        parts.append(features(target.generate(start, stop)))
    return np.concatenate(parts)


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

    Example:
    ```python
    from dataclasses import replace

    target = replace(target, sampler=cached(target.sampler))
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
