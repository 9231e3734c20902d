"""The copying panel: how generated images lie to members. Diagnosis, not evidence.

Stein et al., "Exposing flaws of generative model evaluation metrics", NeurIPS 2023,
find that such measures do not detect memorization reliably: a good value says nothing
of privacy. They help to see what kind of fault a leaking model has.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from keras_mixup_gan.attacks.samples.near import low_frequencies
from keras_mixup_gan.attacks.samples.nearest import nearest_samples
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.auditing.copies import samples
from keras_mixup_gan.auditing.feature_likelihood import fld_gap
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.randomness import Stream, derived_seed, some_rows
from keras_mixup_gan.typing import FloatArray, IntArray

NUM_BLOCKS = 1  # of generated images
MAX_CELLS, PER_CELL = 10, 20
MIN_IMAGES = 20
MAX_FITTED = 2_000  # images of each kind that a likelihood is fitted to


@dataclass(frozen=True)
class CopyingPanel:
    """Measures of copying by L2 distances of pixels; as a string a sentence.

    Attributes:
        num_samples: Number of generated images.
        c_t: Mean over cells of a standard normal statistic: below about -3 generated
            images are nearer to members than non-members are, above 3 they are
            farther, as those of a model that fits badly.
        num_cells: Number of cells that the members were cut into and that were judged.
        authenticity: Share of the generated images that are farther from the nearest
            member than that member is from the nearest other one.
        authenticity_of_non_members: The same of the non-members, for comparison.
        fld_gap: See `fld_gap`, in low frequencies; a few units below 0 mean nothing.
    """

    num_samples: int
    c_t: float
    num_cells: int
    authenticity: float
    authenticity_of_non_members: float
    fld_gap: float

    def __str__(self) -> str:
        return (
            f"Diagnosis of copying, no evidence of privacy: C_T {self.c_t:.1f} (below "
            "-3 generated images are nearer to members than non-members are), "
            f"authenticity {100 * self.authenticity:.0f} % (of non-members "
            f"{100 * self.authenticity_of_non_members:.0f} %), FLD gap "
            f"{self.fld_gap:.1f} (far below 0 members are imitated), of "
            f"{self.num_samples:,} generated images."
        )


def copying_panel(target: AttackTarget, split: MembershipSplit) -> CopyingPanel | None:
    """Looks at the first generated images; `None` without access to enough images."""
    parts = split.members.images, split.non_members.images
    if target.sampler is None:
        return None
    generated = np.concatenate(list(itertools.islice(samples(target), NUM_BLOCKS)))
    if min(map(len, (*parts, generated))) < MIN_IMAGES:
        return None
    members, others, made = (
        part.reshape(len(part), -1) for part in (*parts, generated)
    )
    near = _nearest(others, members), _nearest(made, members)
    far = near[0][0], near[1][0]
    c_t, num_cells = _over_cells(members, (others, made), far, target.seed)
    between = _between(members)
    fitted = [_some(part, target.seed) for part in parts] + [generated[:MAX_FITTED]]
    return CopyingPanel(
        len(made),
        c_t,
        num_cells,
        _authentic(near[1], between),
        _authentic(near[0], between),
        fld_gap(*(low_frequencies(part) for part in fitted)),
    )


def _some(images: FloatArray, seed: int) -> FloatArray:
    """So many as are fitted, drawn at random: parts may be sorted by class."""
    if len(images) <= MAX_FITTED:
        return images
    return images[some_rows(len(images), MAX_FITTED, seed, Stream.COPYING_ROWS)]


def data_copying(
    train: FloatArray, held_out: FloatArray, generated: FloatArray, seed: int = 0
) -> tuple[float, int]:
    """The statistic C_T, and the number of cells it is the mean of; NaN of none.

    In each cell of a k-means of the training images, distances of generated images to
    the nearest training image are compared with those of held-out ones by a
    standardized Mann-Whitney statistic; cells count by their held-out images, and only
    where there are enough of both.

    Source: Meehan, Chaudhuri and Dasgupta, "A Non-Parametric Test to Detect
    Data-Copying in Generative Models", AISTATS 2020, arXiv:2004.05675.
    """
    far = _nearest(held_out, train)[0], _nearest(generated, train)[0]
    return _over_cells(train, (held_out, generated), far, seed)


def authenticity(train: FloatArray, images: FloatArray) -> float:
    """Share of images farther from the nearest training image than its neighbor is.

    Source: Alaa, van Breugel, Saveliev and van der Schaar, "How Faithful is your
    Synthetic Data?", ICML 2022, arXiv:2102.08921.
    """
    return _authentic(_nearest(images, train), _between(train))


def _over_cells(
    train: FloatArray,
    parts: tuple[FloatArray, FloatArray],
    far: tuple[FloatArray, FloatArray],
    seed: int,
) -> tuple[float, int]:
    """C_T of held-out and generated images, given their distances to training ones."""
    held_out, _ = parts
    number = max(1, min(MAX_CELLS, len(held_out) // (2 * PER_CELL)))
    centers = _centers(train, number, seed)
    cells = [_nearest(part, centers)[1] for part in parts]
    values, weights = [], []
    for cell in range(number):
        held, made = (d[c == cell] for d, c in zip(far, cells, strict=True))
        if min(len(held), len(made)) >= min(PER_CELL, len(held_out)):
            values.append(_standardized(made, held))
            weights.append(len(held))
    if not values:
        return float("nan"), 0
    return float(np.average(values, weights=weights)), len(values)


def _authentic(near: tuple[FloatArray, IntArray], between: FloatArray) -> float:
    distances, nearest = near
    return float((distances > between[nearest]).mean())


def _between(train: FloatArray) -> FloatArray:
    """The distance of each training image to the nearest other one."""
    return nearest_samples(train, train, k=2).distances[:, 1]


def _nearest(queries: FloatArray, points: FloatArray) -> tuple[FloatArray, IntArray]:
    found = nearest_samples(queries, points, k=1)
    return found.distances[:, 0], found.indices[:, 0]


def _standardized(first: FloatArray, second: FloatArray) -> float:
    """How much larger the first are: Mann-Whitney's U, by its law if none are."""
    from scipy.stats import rankdata

    m, n = len(first), len(second)
    wins = rankdata(np.concatenate([first, second]))[:m].sum() - m * (m + 1) / 2
    return float((wins - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12))


def _centers(train: FloatArray, number: int, seed: int) -> FloatArray:
    from sklearn.cluster import KMeans  # which takes long to import

    state = derived_seed(seed, Stream.COPYING_CELLS)
    found = KMeans(number, n_init=1, random_state=state).fit(train)
    return np.asarray(found.cluster_centers_, train.dtype)
