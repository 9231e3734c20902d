"""Kernel distance (squared maximum mean discrepancy) between two sets of features."""

from typing import Any, NamedTuple

import numpy as np

from keras_mixup_gan.metrics.features import check_both
from keras_mixup_gan.typing import FloatArray

_BLOCK = 1024


class KernelDistance(NamedTuple):
    """An estimate of the kernel distance.

    Attributes:
        value: Unbiased estimate; below zero in about half of all draws when both sets
            follow one law.
        standard_error: Standard deviation of the estimate over draws of both sets.
    """

    value: float
    standard_error: float

    @property
    def interval(self) -> tuple[float, float]:
        """Approximate 95 % interval, 1.96 standard errors to either side."""
        margin = 1.96 * self.standard_error
        return self.value - margin, self.value + margin


class _Sums(NamedTuple):
    """Sums over a kernel matrix: by row, by column, and of squares."""

    rows: FloatArray
    columns: FloatArray
    squares: float


def kernel_distance(real_features: Any, generated_features: Any) -> KernelDistance:
    r"""Unbiased squared MMD with the cubic kernel $k(x, y) = (x \cdot y / d + 1)^3$.

    All pairs are used, in blocks, instead of averaging over random subsets: the
    estimate needs no seed and has the least variance that the samples allow. Its
    standard error is the closed form of the variance of a two-sample U-statistic, first
    and second order, the parts estimated without bias and kept from falling below zero.
    Between equal laws, where only the second order remains, this makes it too large, by
    a tenth to a fifth. It does not cover the training of the generator.

    Unlike the Frechet distance its expectation does not depend on the sample counts.

    Args:
        real_features: Array `(num_real, num_features)` of at least four rows.
        generated_features: Array `(num_generated, num_features)`, likewise.

    Raises:
        ValueError: If the arrays are not such features.

    References:
        Binkowski et al., "Demystifying MMD GANs", ICLR 2018 (the distance named KID
        with Inception features); Gretton et al., "A Kernel Two-Sample Test", JMLR 2012,
        Lemma 6, for the estimate; Hoeffding's decomposition for its variance.

    Example:
        >>> features = np.random.default_rng(0).normal(size=(1000, 8))
        >>> kernel_distance(features[:500], features[500:]).value < 0.05
        True
    """
    x, y = check_both(real_features, generated_features, minimum=4)
    n, m = len(x), len(y)
    xx, yy, xy = _kernel_sums(x, x), _kernel_sums(y, y), _kernel_sums(x, y)
    value = (
        xx.rows.sum() / (n * (n - 1))
        + yy.rows.sum() / (m * (m - 1))
        - 2.0 * xy.rows.sum() / (n * m)
    )
    second_xx, second_yy = _second_order_within(xx), _second_order_within(yy)
    second_xy = _second_order_between(xy)
    witness_x = xx.rows / (n - 1) - xy.rows / m
    witness_y = yy.rows / (m - 1) - xy.columns / n
    # A witness averages over finitely many partners: take that noise out again.
    first_x = witness_x.var(ddof=1) - second_xx / (n - 1) - second_xy / m
    first_y = witness_y.var(ddof=1) - second_yy / (m - 1) - second_xy / n
    variance = (
        max(0.0, 4.0 * first_x / n + 4.0 * first_y / m)
        + 2.0 * second_xx / (n * (n - 1))
        + 2.0 * second_yy / (m * (m - 1))
        + 4.0 * second_xy / (n * m)
    )
    return KernelDistance(float(value), float(np.sqrt(max(0.0, variance))))


def _kernel_sums(x: FloatArray, y: FloatArray) -> _Sums:
    """Sums over the kernel matrix, without its diagonal where `y` is `x`."""
    rows, columns, squares = np.zeros(len(x)), np.zeros(len(y)), 0.0
    for start in range(0, len(x), _BLOCK):
        kernel = (x[start : start + _BLOCK] @ y.T / x.shape[1] + 1.0) ** 3
        if y is x:
            diagonal = np.arange(len(kernel))
            kernel[diagonal, start + diagonal] = 0.0
        rows[start : start + _BLOCK] = kernel.sum(axis=1)
        columns += kernel.sum(axis=0)
        squares += float(np.square(kernel).sum())
    return _Sums(rows, columns, squares)


def _second_order_within(sums: _Sums) -> float:
    """Unbiased variance of the doubly centered kernel within one set (U-centering)."""
    n, total = len(sums.rows), sums.rows.sum()
    centered = (
        sums.squares
        - 2.0 * np.square(sums.rows).sum() / (n - 2)
        + total**2 / ((n - 1) * (n - 2))
    )
    return max(0.0, float(centered / (n * (n - 3))))


def _second_order_between(sums: _Sums) -> float:
    """Unbiased variance of the doubly centered kernel between two sets."""
    n, m, total = len(sums.rows), len(sums.columns), sums.rows.sum()
    centered = (
        sums.squares
        - np.square(sums.rows).sum() / m
        - np.square(sums.columns).sum() / n
        + total**2 / (n * m)
    )
    return max(0.0, float(centered / ((n - 1) * (m - 1))))
