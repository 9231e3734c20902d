"""Copies: generated images that are (nearly) a member, counted against non-members."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.samples.nearest import (
    SAMPLE_BLOCK,
    Search,
    nearest_samples,
)
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.auditing.verdict import probability
from keras_mixup_gan.data.choosing import first_copies
from keras_mixup_gan.data.splits import MembershipSplit, image_keys
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import eight_bits

NUM_SAMPLES = 3 * SAMPLE_BLOCK
MAX_SAMPLES = 50 * SAMPLE_BLOCK  # of images that were generated before
SIGNIFICANCE = 0.001
# A copy is nearer than this share of the distance to the so many-th nearest other real
# image. Generators that do not copy stay above it, but for chance: of digits the
# least of 2,000 was .65 for a DCGAN, .64 for WGAN-GP and .49 for StyleGAN-lite.
SHARE, NEIGHBOR = 0.5, 5
_MAX_NEIGHBORS = 2_000


@dataclass(frozen=True)
class CopiedMember:
    """A member, and the generated image that copies it.

    Attributes:
        member: Number of the member, from 0 in the order that members were given.
        sample: Number of the generated image, from 0.
        distance: L2 distance of the two, over all pixels in `[-1, 1]`.
        share: This distance as a share of that to the member's fifth nearest other
            real image; 0 for an exact copy.
    """

    member: int
    sample: int
    distance: float
    share: float


@dataclass(frozen=True, eq=False)
class CopyCheck:
    """Distinct members and non-members of which a generated image is (nearly) a copy.

    A real image counts as copied if some generated image is nearer to it than half the
    way to its fifth nearest other real image. Ordinary similarity brings generated
    images as near to non-members as to members; so the two counts are compared by
    Fisher's exact test.

    Attributes:
        num_samples: Number of generated images that were looked at.
        num_members: Number of members, and below of non-members, each image once.
        members_copied: Members of which one of them is a copy.
        non_members_copied: The same of non-members.
        samples_of_members: Generated images that copy a member.
        samples_of_non_members: The same of non-members.
        p_value: Probability of so many copied members or more among all copied images,
            had members and non-members been copied alike.
        copied: The copied members, the nearest first.
        distances: L2 distance of each member that was given to the nearest generated
            image.
        nearest: Number of the generated image that is nearest to each of these.
        nearest_images: These images, uint8 `(number, height, width, channels)`.
    """

    num_samples: int
    num_members: int
    num_non_members: int
    members_copied: int
    non_members_copied: int
    samples_of_members: int
    samples_of_non_members: int
    p_value: float
    copied: tuple[CopiedMember, ...]
    distances: FloatArray = field(repr=False)
    nearest: IntArray = field(repr=False)
    nearest_images: Any = field(repr=False)

    @property
    def found(self) -> bool:
        """Whether members were copied, beyond what non-members are by chance."""
        return self.p_value <= SIGNIFICANCE

    def __str__(self) -> str:
        if not self.samples_of_members + self.samples_of_non_members:
            return (
                f"None of {self.num_samples:,} generated images is (nearly) a copy of "
                "a member or of a non-member."
            )
        return (
            f"Of {self.num_samples:,} generated images {self.samples_of_members:,} "
            f"(nearly) repeat {self.members_copied:,} of the {self.num_members:,} "
            f"members, and {self.samples_of_non_members:,} repeat "
            f"{self.non_members_copied:,} of the {self.num_non_members:,} non-members "
            f"({probability(self.p_value)})."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = ("num_samples", "members_copied", "non_members_copied")
        more = ("samples_of_members", "samples_of_non_members", "p_value")
        return {
            **{name: getattr(self, name) for name in (*names, *more)},
            "found": self.found,
            "copied": [vars(pair) for pair in self.copied],
        }


def check_copies(target: AttackTarget, split: MembershipSplit) -> CopyCheck | None:
    """Looks for copies among generated images, or `None` without access to any.

    Source: the neighbors of real images as a yardstick are those of Webster, "A
    Reproducible Extraction of Training Images from Diffusion Models", 2023,
    arXiv:2305.08694, and of Yoon et al., "Diffusion Probabilistic Models Generalize
    when They Fail to Memorize", 2023.
    """
    if target.sampler is None:
        return None
    from scipy.stats import hypergeom  # slow to import

    parts = split.members, split.non_members
    # Each image once: its copies are no other images to be far from, nor to be copied.
    keys = [image_keys(part.pixels) for part in parts]
    rows = [first_copies(each) for each in keys]
    num_members, num_non_members = map(len, rows)
    images = [part.images[kept] for part, kept in zip(parts, rows, strict=True)]
    reals = np.concatenate(images).reshape(num_members + num_non_members, -1)
    radii = SHARE * _distance_to_neighbor(reals, target.seed)
    search = Search(reals)
    nearest_images = np.zeros((num_members, *target.image_shape), "uint8")
    counts = np.zeros(2, "int64")
    for block in samples(target):
        first = search.num_seen
        search.see(block)
        # Counted at once: a function may draw other images when it is asked again.
        known = np.flatnonzero(np.sqrt(search.squares[:, 0]) < radii)
        is_member = known < num_members
        counts += [
            _num_copies(block, reals[some], radii[some])
            for some in (known[is_member], known[~is_member])
        ]
        new = np.flatnonzero(search.indices[:num_members, 0] >= first)
        found = block[search.indices[new, 0] - first]
        nearest_images[new] = eight_bits(found.astype("float64"))
    distances, nearest = np.sqrt(search.squares[:, 0]), search.indices[:, 0]
    copied = np.flatnonzero(distances < radii)
    inside = copied[copied < num_members]
    drawn = hypergeom(num_members + num_non_members, num_members, len(copied))
    shares = SHARE * distances / np.where(radii > 0, radii, 1.0)
    pairs = [
        CopiedMember(*map(int, (rows[0][one], nearest[one])), *map(float, figures))
        for one in inside[np.argsort(shares[inside], kind="stable")]
        for figures in [(distances[one], shares[one])]
    ]
    place = {key: number for number, key in enumerate(keys[0][row] for row in rows[0])}
    each = np.array([place[key] for key in keys[0]])
    return CopyCheck(
        num_samples=search.num_seen,
        num_members=num_members,
        num_non_members=num_non_members,
        members_copied=len(inside),
        non_members_copied=len(copied) - len(inside),
        samples_of_members=int(counts[0]),
        samples_of_non_members=int(counts[1]),
        p_value=min(1.0, float(drawn.sf(len(inside) - 1))),
        copied=tuple(pairs),
        distances=distances[each],
        nearest=nearest[each],
        nearest_images=nearest_images[each],
    )


def samples(target: AttackTarget) -> Iterator[FloatArray]:
    """Generated images block by block, in the ranges in which attacks ask for them."""
    number = NUM_SAMPLES
    if target.num_samples is not None:
        number = min(target.num_samples, MAX_SAMPLES)
    for start in range(0, number, SAMPLE_BLOCK):
        yield target.generate(start, min(start + SAMPLE_BLOCK, number))


def _distance_to_neighbor(reals: FloatArray, seed: int) -> FloatArray:
    """Distance of each real image to its fifth nearest other one, of at most 2,000."""
    number = len(reals)
    known = np.arange(number)
    if number > _MAX_NEIGHBORS:
        rng = generator(seed, Stream.COPY_NEIGHBORS)
        known = np.sort(rng.permutation(number)[:_MAX_NEIGHBORS])
    k = min(NEIGHBOR, len(known) - 1)
    found = nearest_samples(reals, reals[known], k=k + 1).distances
    itself = np.isin(np.arange(number), known)
    return np.where(itself, found[:, k], found[:, k - 1])


def _num_copies(block: FloatArray, reals: FloatArray, radii: FloatArray) -> int:
    """Number of images of a block within the radius of one of these real images."""
    if not len(reals):
        return 0
    reals = reals.astype("float64")
    rows = block.reshape(len(block), -1).astype("float64")
    squares = np.einsum("ij,ij->i", reals, reals)[:, None] - 2 * reals @ rows.T
    squares += np.einsum("ij,ij->i", rows, rows)
    return int((squares < radii[:, None] ** 2).any(axis=0).sum())
