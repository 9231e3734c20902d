"""Precision, recall, density and coverage: fidelity and diversity apart.

Sets are features `(num_samples, num_features)` of one extractor, at least `k + 1` rows
each. Around a sample lies a closed ball that reaches to its `k`-th nearest neighbor in
its own set, itself not counted. Distances are float64 sums of squared differences, so
that a copy is at distance 0; products of matrices tell which of them need be taken.
They come in blocks of rows: memory does not grow with the product of the counts, time
does. All figures depend on the sample counts and on
`k`: compare only those with the same extractor, counts and `k`. What is not such a set,
or no integer of at least 1, raises a `ValueError`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from keras_mixup_gan.metrics.features import check_both
from keras_mixup_gan.typing import BoolArray, FloatArray, IntArray
from keras_mixup_gan.validation import check_integer

# Distances held at once: 32 MB.
_BLOCK_VALUES = 2**22


class PrecisionRecall(NamedTuple):
    """Improved precision and recall.

    Attributes:
        precision: Share of generated samples within reach of a real one, in `[0, 1]`.
        recall: Share of real samples within reach of a generated one, in `[0, 1]`.
    """

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Density and coverage.

    Attributes:
        density: How many real neighborhoods a generated sample lies in, over `k`: 0 or
            more, and 1 on average where both sets follow one law.
        coverage: Share of real neighborhoods with a generated sample in them, in
            `[0, 1]`.
    """

    density: float
    coverage: float


def precision_recall(
    real_features: Any, generated_features: Any, k: int = 3
) -> PrecisionRecall:
    r"""Improved precision and recall from `k` nearest neighbors.

    Precision is the share of generated samples in at least one ball of the real ones,
    recall the share of real samples in at least one ball of the generated ones:

    $$\mathrm{precision} = \frac{1}{M} \sum_j \max_i
    [\,|y_j - x_i| \le \mathrm{NN}_k(x_i)\,]$$

    One outlier with a large ball can raise either.

    References:
        Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing
        Generative Models", NeurIPS 2019, Eq. 1 and 2.

    Example:
        >>> features = np.random.default_rng(0).normal(size=(500, 8))
        >>> precision_recall(features, features)
        PrecisionRecall(precision=1.0, recall=1.0)
    """
    check_integer(1, k=k)
    real, generated = check_both(real_features, generated_features, minimum=k + 1)
    (real_radii,), (generated_radii,) = _radii(real, k), _radii(generated, k)
    around = _hits(real, generated, real_radii[:, None], generated_radii[None])
    return _precision_recall(*around)


def density_coverage(
    real_features: Any, generated_features: Any, k: int = 5
) -> DensityCoverage:
    r"""Density and coverage from `k` nearest neighbors of the real samples.

    Only real samples have balls, so that outliers among the generated ones gain
    nothing:

    $$\mathrm{density} = \frac{1}{k M} \sum_j \sum_i
    [\,|y_j - x_i| \le \mathrm{NN}_k(x_i)\,], \qquad
    \mathrm{coverage} = \frac{1}{N} \sum_i \max_j
    [\,|y_j - x_i| \le \mathrm{NN}_k(x_i)\,].$$

    For two sets of one law, density is 1 on average and coverage is
    `expected_coverage(num_real, num_generated, k)`. A set compared with itself has
    density `(k + 1) / k`, as each sample also lies in its own ball.

    References:
        Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models",
        ICML 2020, section 3.

    Example:
        >>> features = np.random.default_rng(0).normal(size=(500, 8))
        >>> density_coverage(features, features)
        DensityCoverage(density=1.2, coverage=1.0)
    """
    check_integer(1, k=k)
    real, generated = check_both(real_features, generated_features, minimum=k + 1)
    (radii,) = _radii(real, k)
    (around,) = _hits(real, generated, radii[:, None])
    return _density_coverage(around, k)


def neighbor_figures(
    real_features: Any,
    generated_features: Any,
    precision_k: int = 3,
    density_k: int = 5,
) -> tuple[PrecisionRecall, DensityCoverage]:
    """`precision_recall` and `density_coverage` with each distance measured once.

    Example:
        >>> features = np.random.default_rng(0).normal(size=(500, 8))
        >>> neighbor_figures(features, features)[1]
        DensityCoverage(density=1.2, coverage=1.0)
    """
    check_integer(1, precision_k=precision_k, density_k=density_k)
    minimum = max(precision_k, density_k) + 1
    real, generated = check_both(real_features, generated_features, minimum)
    near, dense = (radii[:, None] for radii in _radii(real, precision_k, density_k))
    (radii,) = _radii(generated, precision_k)
    around = _hits(real, generated, near, radii[None], dense)
    return _precision_recall(*around[:2]), _density_coverage(around[2], density_k)


def expected_coverage(num_real: int, num_generated: int, k: int = 5) -> float:
    r"""Mean coverage of two sets of independent samples of one continuous law.

    $$1 - \prod_{i=1}^{k} \frac{N - i}{M + N - i}$$

    for $N$ real and $M$ generated samples: a neighborhood stays empty if the $k$
    nearest of all others happen to be real, which does not depend on the law. It is
    what a perfect generator reaches.

    References:
        Naeem et al., ICML 2020, the expected coverage for identical laws.

    Example:
        >>> round(expected_coverage(10_000, 10_000, k=5), 3)
        0.969
    """
    check_integer(1, num_generated=num_generated, k=k)
    check_integer(k + 1, num_real=num_real)
    nearer = np.arange(1, k + 1)
    return float(
        1.0 - np.prod((num_real - nearer) / (num_generated + num_real - nearer))
    )


class _Hits(NamedTuple):
    """Which samples lie in balls around the others, or have one in theirs.

    `number` counts the pairs; `real` and `generated` say which have a part in one.
    """

    number: int
    real: BoolArray
    generated: BoolArray


def _precision_recall(around_real: _Hits, around_generated: _Hits) -> PrecisionRecall:
    precise, recalled = around_real.generated, around_generated.real
    return PrecisionRecall(float(precise.mean()), float(recalled.mean()))


def _density_coverage(around: _Hits, k: int) -> DensityCoverage:
    density = around.number / (k * len(around.generated))
    return DensityCoverage(density, float(around.real.mean()))


def _hits(
    real: FloatArray, generated: FloatArray, *balls: FloatArray
) -> tuple[_Hits, ...]:
    """Who is in each kind of balls: a column of radii of the real, a row of others."""
    numbers = [0] * len(balls)
    rows = np.zeros((len(balls), len(real)), bool)
    columns = np.zeros((len(balls), len(generated)), bool)
    for block in _blocks(real, generated):
        for kind, radii in enumerate(balls):
            inside = block.within(radii[block.rows] if len(radii) > 1 else radii)
            numbers[kind] += int(np.count_nonzero(inside))
            rows[kind, block.rows] = inside.any(axis=1)
            columns[kind] |= inside.any(axis=0)
    return tuple(map(_Hits, numbers, rows, columns))


def _radii(features: FloatArray, *ks: int) -> FloatArray:
    """Distance of each sample to its `k`-th nearest neighbor, a row for each `k`.

    Itself is not counted.
    """
    radii = np.empty((len(ks), len(features)))
    for block in _blocks(features, features):
        # The sample itself is among its nearest: one more is skipped.
        kth = np.partition(block.squares, max(ks), axis=1)[:, max(ks), None]
        near = block.squares <= kth + 2 * block.error
        for row, columns in _by_row(near):
            nearest = np.partition(block.exact(row, columns), ks)
            radii[:, block.rows.start + row] = nearest[list(ks)]
    return radii


@dataclass(frozen=True)
class _Block:
    """A block of rows of `x` beside all of `y`.

    `squares` are their squared distances by a product of matrices, off by at most
    `error`, a column: near copies lose all their digits there, and are measured again.
    """

    x: FloatArray
    y: FloatArray
    rows: slice
    squares: FloatArray
    error: FloatArray

    def within(self, radii: FloatArray) -> BoolArray:
        """Which pairs are at a distance of at most `radii`, a column or a row."""
        reach = radii**2
        inside = self.squares <= reach + self.error
        unsure = inside & (self.squares >= reach - self.error)
        each = np.broadcast_to(radii, inside.shape)
        for row, columns in _by_row(unsure):
            inside[row, columns] = self.exact(row, columns) <= each[row, columns]
        return inside

    def exact(self, row: int, columns: IntArray) -> FloatArray:
        """Distances of one row to some of `y`."""
        at = self.rows.start + row
        distances: FloatArray = cdist(self.x[at : at + 1], self.y[columns])[0]
        return distances


def _blocks(x: FloatArray, y: FloatArray) -> Iterator[_Block]:
    """Yields blocks of rows of `x`."""
    x_norms, y_norms = (np.einsum("ij,ij->i", rows, rows) for rows in (x, y))
    # Each of two norms and a product is off by about `width * eps / 2` of its terms'
    # sizes (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), the sum of
    # squared differences by as much, and sums and radii by a few roundings.
    relative = 8 * (x.shape[1] + 8) * np.finfo("float64").eps
    step = max(1, _BLOCK_VALUES // len(y))
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        squares = (-2 * x[rows]) @ y.T
        squares += x_norms[rows, None]
        squares += y_norms
        error = relative * (x_norms[rows, None] + y_norms.max())
        yield _Block(x, y, rows, squares, error)


def _by_row(chosen: BoolArray) -> Iterator[tuple[int, IntArray]]:
    """The rows in which something is chosen, and the columns of that."""
    rows, columns = np.divmod(np.flatnonzero(chosen), chosen.shape[1])
    present, starts = np.unique(rows, return_index=True)
    for number, start in enumerate(starts):
        stop = starts[number + 1] if number + 1 < len(starts) else len(rows)
        yield int(present[number]), columns[start:stop]
