"""`MembershipSplit`: who is in the training set, who is not, who calibrates."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from keras_mixup_gan.data.canaries import (
    Canaries,
    make_canaries,
    num_spare,
    wanted_canaries,
)
from keras_mixup_gan.data.choosing import choose, first_copies
from keras_mixup_gan.data.classes import (
    ClassNames,
    check_class_names,
    merged_names,
    names_of,
    numbered_by,
)
from keras_mixup_gan.data.labeled import split_labels
from keras_mixup_gan.data.pixels import HoldsPixels, Pixels, as_pixels, frozen, settled
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_labels

_ROLES = ("members", "non_members", "reference")


class _Part(NamedTuple):
    images: Any
    labels: IntArray | None
    indices: IntArray


class SplitPart(HoldsPixels, _Part):
    """One part of a split: `Images`, and the place of each in the pool.

    Attributes:
        images: float32 array `(num_images, height, width, channels)` in `[-1, 1]`;
            made, where images are stored in 8 bits, when it is first asked for.
        labels: int64 array `(num_images,)`, or `None`.
        indices: int64 array `(num_images,)`.
        class_names: Names of the classes in the order of their numbers, or `None`.
        by_fair_coins: Whether a fair coin of its own decided on each image.
        canary_kinds: The kinds of the canaries, which are the last images of the part.
    """

    class_names: ClassNames
    by_fair_coins: bool
    canary_kinds: tuple[str, ...]

    def __new__(
        cls,
        images: FloatArray | Pixels,
        labels: IntArray | None,
        indices: IntArray,
        class_names: Iterable[str] | None = None,
        by_fair_coins: bool = False,
        canary_kinds: tuple[str, ...] = (),
    ) -> Self:
        """A part, with the names of its classes and how it was drawn."""
        self = super().__new__(cls, images, labels, indices)
        self.class_names = check_class_names(class_names, labels=labels)
        self.by_fair_coins, self.canary_kinds = by_fair_coins, canary_kinds
        return self

    @property
    def images(self) -> Any:
        """The images as floats; parts that share `Pixels` share these too."""
        images = self.held[0]
        return images.floats if isinstance(images, Pixels) else images

    def with_canaries(self, canaries: Canaries, inside: bool, first: int) -> Self:
        """The part and its canaries behind it, their indices counted from `first`."""
        chosen = np.flatnonzero(canaries.inside == inside)
        labels = self.labels
        if labels is not None and canaries.labels is not None:
            labels = np.concatenate([labels, canaries.labels[chosen]])
        return type(self)(
            np.concatenate([self.images, canaries.images[chosen]]),
            labels,
            np.concatenate([self.indices, first + chosen]),
            self.class_names,
            self.by_fair_coins,
            tuple(canaries.kinds[k] for k in chosen),
        )

    def at(self, rows: Any) -> Self:
        """Some of its images, by their places in the part."""
        labels = None if self.labels is None else self.labels[rows]
        chosen = self.pixels.take(rows), labels, self.indices[rows]
        return type(self)(*chosen, self.class_names)

    def without_canaries(self) -> Self:
        """The part without its canaries."""
        if not self.canary_kinds:
            return self
        ordinary = self.at(slice(len(self.pixels) - len(self.canary_kinds)))
        ordinary.by_fair_coins = self.by_fair_coins
        return ordinary


@dataclass(frozen=True, eq=False, repr=False)
class MembershipSplit:
    """Three disjoint parts of one pool of images.

    Members train the target model; non-members are the other half of every attack's
    queries; the reference part calibrates attacks and belongs to neither. All come from
    one random permutation of one pool, because attacks otherwise detect the difference
    between two data sets and report it as a leak. Parts that share an index or an
    identical image are refused for the same reason. Classes with names are numbered
    alike in all parts: as in the first that has names, and further ones after them.

    Nobody can change its arrays, so that `content_hash` stays true: of images that
    `load_images` read in 8 bits a part holds the indices alone, and arrays that are
    given are copied as they are, bytes as bytes.

    Usually made by `draw`, or by `from_parts` when the parts are given.

    Args:
        members: The images that the target model is trained on.
        non_members: Images of the same kind that it is not trained on.
        reference: Further images, known to an attacker, or `None`.

    Raises:
        ValueError: If a part is not a batch of images in `[-1, 1]`, if parts differ in
            image shape, overlap, or hold the same image.

    Example:
        >>> images, labels = keras_mixup_gan.data.load_images("digits")
        >>> split = keras_mixup_gan.data.MembershipSplit.draw(
        ...     images, labels, num_members=1000, num_non_members=1000, seed=0
        ... )
        >>> split.members.images.shape, split.short_hash
        ((1000, 28, 28, 1), '...')
    """

    members: SplitPart
    non_members: SplitPart
    reference: SplitPart | None = None

    def __post_init__(self) -> None:
        names = merged_names(*(part.class_names for part in self.parts().values()))
        for role, part in self.parts().items():
            shape = None if role == "members" else self.image_shape
            object.__setattr__(self, role, _checked_part(part, role, shape, names))
        self._refuse_shared_indices()
        self._refuse_shared_images()

    def __repr__(self) -> str:
        sizes = (f"{role}={len(part.pixels)}" for role, part in self.parts().items())
        return (
            f"MembershipSplit({', '.join(sizes)}, image_shape={self.image_shape}, "
            f"content_hash={self.short_hash!r})"
        )

    @classmethod
    def draw(
        cls,
        images: Any,
        labels: Any = None,
        *,
        num_members: int,
        num_non_members: int,
        num_reference: int = 0,
        seed: int = 0,
        drop_duplicates: bool = False,
        membership: str = "fixed",
        canaries: Any = None,
    ) -> Self:
        """Draws disjoint parts from one permutation of the images.

        Members come from the front of the permutation, non-members and then the
        reference part from its back: with the same seed, a larger `num_members` adds
        members and leaves the non-members as they are.

        Args:
            images: array `(num_images, height, width, channels)`, floats in `[-1, 1]`
                or uint8, or the `Images` that `load_images` returns.
            labels: Class labels `(num_images,)`, or `None`.
            num_members: Number of members, at least 1.
            num_non_members: Number of non-members, at least 1.
            num_reference: Number of reference images, at least 0.
            seed: Seed of the permutation.
            drop_duplicates: Draw only from the first copy of each image. By default a
                draw that puts copies of an image into different parts is refused.
            membership: `"fixed"` for exactly `num_members` members, or `"coin"`: each
                of the `num_members + num_non_members` images becomes a member by a
                coin of its own, so that both numbers hold on average. What epsilon
                says of attacks (add-or-remove-one) holds for coins; under a fixed
                number one member more means another one less. Train with
                `DPSGD(num_examples=...)` then, so that the sampling rate does not
                depend on the coins.
            canaries: How many unusual images to add of each kind, by which an audit
                tells what it finds of the worst records rather than of the average:
                a number, or one for each of some kinds, as
                `{"blank": 20, "inverted": 20}`. Kinds are `"blank"`, `"inverted"`,
                `"other_domain"` (patterns of waves, or the images that are given in
                place of a number), `"mislabeled"` (of no use unless the model is
                conditional) and `"near_duplicate"` (of one another). A fair coin each
                decides whether it becomes a member, whatever `membership` is. They
                are the last images of a part, made of images in no other part.

        Raises:
            ValueError: If there are fewer images than asked for, if copies of an image
                fall into different parts, or if all coins fell on one side.
        """
        names = names_of(images) if labels is None else None
        images, own = split_labels(images)
        labels = own if labels is None else labels
        pixels = as_pixels(images)
        labels = check_labels(labels, len(pixels))
        pool: IntArray = np.arange(len(pixels))
        if drop_duplicates:
            pool = first_copies(image_keys(pixels))
        wanted = wanted_canaries(canaries, labels is not None)
        chosen = choose(
            pool,
            num_members=num_members,
            num_non_members=num_non_members,
            num_reference=num_reference,
            num_spare=num_spare(wanted),
            seed=seed,
            membership=membership,
            is_distinct=drop_duplicates,
        )
        spare = chosen.pop("spare", pool[:0])
        fair = membership == "coin" and num_members == num_non_members
        parts = {
            role: SplitPart(
                pixels.kept(indices),
                None if labels is None else labels[indices],
                indices,
                names,
                fair and role != "reference",
            )
            for role, indices in chosen.items()
        }
        if wanted:
            made = make_canaries(
                wanted,
                pixels[spare],
                None if labels is None else labels[spare],
                None if labels is None else np.unique(labels),
                pixels.image_shape,
                seed,
            )
            for role in ("members", "non_members"):
                inside, first = role == "members", len(pixels)
                parts[role] = parts[role].with_canaries(made, inside, first)
        return cls(**parts)

    @classmethod
    def from_parts(cls, members: Any, non_members: Any, reference: Any = None) -> Self:
        """Makes a split of parts that are given: images, pairs, or what holds both.

        Each is images, `(images, labels)`, `Images` or a `SplitPart`. Its indices
        number the images through all parts in this order.
        """
        parts: dict[str, SplitPart] = {}
        start = 0
        for role, part in zip(_ROLES, (members, non_members, reference), strict=True):
            if part is None:
                continue
            images, labels = split_labels(part)
            pixels = as_pixels(images, role)
            indices = np.arange(start, start + len(pixels))
            drawn = (
                getattr(part, "by_fair_coins", False),
                getattr(part, "canary_kinds", ()),
            )
            parts[role] = SplitPart(pixels, labels, indices, names_of(part), *drawn)
            start += len(pixels)
        return cls(**parts)

    def parts(self) -> dict[str, SplitPart]:
        """The parts by role: members, non_members and, if there is one, reference."""
        parts = {role: getattr(self, role) for role in _ROLES}
        return {role: part for role, part in parts.items() if part is not None}

    def without_canaries(self) -> "MembershipSplit":
        """The ordinary images alone; the split itself where there are no canaries."""
        if not any(part.canary_kinds for part in self.parts().values()):
            return self
        return type(self)(
            **{role: part.without_canaries() for role, part in self.parts().items()}
        )

    @property
    def by_fair_coins(self) -> bool:
        """Whether a fair coin of its own made each image a member or a non-member."""
        return self.members.by_fair_coins and self.non_members.by_fair_coins

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape `(height, width, channels)` of every image."""
        return self.members.pixels.image_shape

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the roles, shapes, pixels and labels of the parts, in order."""
        digest = hashlib.sha256()
        for role, part in self.parts().items():
            digest.update(f"{role} {part.pixels.shape}\n".encode())
            digest.update(b"".join(self._digests[role]))
            if part.labels is not None:
                digest.update(b"labels\n" + part.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    @property
    def short_hash(self) -> str:
        """The first 12 characters of `content_hash`, for tables."""
        return self.content_hash[:12]

    @property
    def num_duplicates(self) -> dict[str, int]:
        """How many images of each part repeat an earlier one of the same part.

        Copies inside a part are allowed, but count twice in training and in scores.
        """
        return {role: len(keys) - len(set(keys)) for role, keys in self._keys.items()}

    @cached_property
    def _keys(self) -> dict[str, list[bytes]]:
        """What finds copies, by role; of 8 bits that are the hashes of contents."""
        return {
            role: self._digests[role]
            if part.pixels.is_bytes
            else image_keys(part.pixels)
            for role, part in self.parts().items()
        }

    @cached_property
    def _digests(self) -> dict[str, list[bytes]]:
        """One hash per image, by role."""
        parts = self.parts().items()
        return {role: image_digests(part.pixels) for role, part in parts}

    def _refuse_shared_indices(self) -> None:
        parts = self.parts().values()
        counts = Counter(i for part in parts for i in set(part.indices.tolist()))
        shared = sorted(index for index, count in counts.items() if count > 1)
        if shared:
            raise ValueError(
                f"The parts of the split overlap in {len(shared)} indices. Expected "
                f"disjoint parts. Received: {_first_few(shared)} in more than one "
                "part. Draw the parts with `MembershipSplit.draw`."
            )

    def _refuse_shared_images(self) -> None:
        counts = Counter(key for part in self._keys.values() for key in set(part))
        shared = {key for key, count in counts.items() if count > 1}
        if not shared:
            return
        indices = sorted(
            index
            for role, part in self.parts().items()
            for index, key in zip(part.indices, self._keys[role], strict=True)
            if key in shared
        )
        raise ValueError(
            f"{len(shared)} images occur in more than one part of the split. Expected "
            "parts without a common image, or membership is undefined. Received: "
            f"copies at indices {_first_few(indices)}. Draw with `drop_duplicates="
            "True`, or remove the copies."
        )


def _checked_part(
    part: SplitPart,
    role: str,
    image_shape: tuple[int, int, int] | None,
    class_names: ClassNames,
) -> SplitPart:
    """A part that nobody can change, its classes numbered by these names."""
    images = as_pixels(part.held[0], role, image_shape).kept()
    labels = check_labels(part.labels, len(images), f"{role} labels")
    labels = numbered_by(class_names, labels, part.class_names, role)
    indices = np.asarray(part.indices)
    is_integer = np.issubdtype(indices.dtype, np.integer)
    if indices.shape != (len(images),) or not is_integer:
        raise ValueError(
            f"`{role}.indices` must be one integer per image. Expected shape "
            f"({len(images)},). Received: dtype={indices.dtype}, shape={indices.shape}."
        )
    return SplitPart(
        images,
        None if labels is None else _read_only(labels),
        _read_only(indices.astype("int64")),
        part.class_names and class_names,
        getattr(part, "by_fair_coins", False),
        getattr(part, "canary_kinds", ()),
    )


def _read_only(array: Any) -> Any:
    """A copy that cannot be changed; what already is such an array stays as it is."""
    is_own = array.flags.owndata and array.flags.c_contiguous
    if is_own and not array.flags.writeable:
        return array
    return frozen(np.array(array, order="C"))


def image_digests(images: Iterable[FloatArray]) -> list[bytes]:
    """A hash of each image's values; adding 0 makes -0.0 and 0.0 the same value."""
    rows = (np.ascontiguousarray(image + np.float32(0), "<f4") for image in images)
    return [hashlib.sha256(row.data).digest() for row in rows]


def image_keys(pixels: Pixels) -> list[bytes]:
    """A hash of each image by which copies are found, however they became floats."""
    return image_digests(pixels if pixels.is_bytes else map(settled, pixels))


def _first_few(indices: list[int]) -> str:
    shown = ", ".join(map(str, indices[:8]))
    return shown + (f", ... ({len(indices)} in all)" if len(indices) > 8 else "")
