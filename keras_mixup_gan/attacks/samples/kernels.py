"""Gaussian kernel densities in log space, exact however far the tails."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from keras_mixup_gan.attacks.samples.feature_maps import row_products
from keras_mixup_gan.typing import FloatArray

QUERY_BLOCK = 256
CENTER_BLOCK = 2048
SMALLEST_VARIANCE = 1e-8  # of the largest


class RunningDensity:
    """The log density at each query of isotropic kernels whose centers pass by."""

    def __init__(self, queries: FloatArray, bandwidth: float) -> None:
        self._queries = queries
        self._bandwidth = bandwidth
        self._largest = np.full(len(queries), -np.inf)
        self._total = np.zeros(len(queries))
        self._number = 0

    @property
    def state(self) -> dict[str, FloatArray]:
        """What centers left behind, from which `restore` continues."""
        number = np.array(self._number)
        return {"largest": self._largest, "total": self._total, "num": number}

    def restore(self, state: Mapping[str, FloatArray]) -> None:
        """Continues from the state of a density at the same queries."""
        self._largest[...], self._total[...] = state["largest"], state["total"]
        self._number = int(state["num"])

    def see(self, centers: FloatArray) -> Self:
        """Adds kernels at `centers`, `(num_centers, num_features)`."""
        for first in range(0, len(centers), CENTER_BLOCK):
            block = centers[first : first + CENTER_BLOCK]
            for start in range(0, len(self._queries), QUERY_BLOCK):
                self._add(slice(start, start + QUERY_BLOCK), block)
            self._number += len(block)
        return self

    def _add(self, part: slice, centers: FloatArray) -> None:
        exponents = cdist(self._queries[part], centers, "sqeuclidean")
        exponents /= -2 * self._bandwidth**2
        largest = np.maximum(self._largest[part], exponents.max(axis=1))
        self._total[part] *= np.exp(self._largest[part] - largest)
        exponents -= largest[:, None]
        self._total[part] += np.exp(exponents, out=exponents).sum(axis=1)
        self._largest[part] = largest

    def log_density(self) -> FloatArray:
        """The log of the mean kernel so far at each query."""
        density: FloatArray = self._largest + np.log(self._total)
        density -= np.log(self._number)
        density -= self._queries.shape[1] / 2 * np.log(2 * np.pi * self._bandwidth**2)
        return density


class Whitening:
    """The linear map that gives data the unit covariance, and its log determinant.

    Directions in which the variance is less than `smallest` count as having this one,
    so that a collapsed generator has a density too.
    """

    def __init__(self, rows: FloatArray, smallest: float = 0.0) -> None:
        self._mean = rows.mean(axis=0)
        covariance = np.atleast_2d(np.cov(rows, rowvar=False))
        variances, axes = np.linalg.eigh(covariance)
        smallest = max(smallest, SMALLEST_VARIANCE * variances[-1])
        if smallest <= 0:
            raise ValueError(
                "A density needs images that differ. Received: "
                f"{len(rows)} equal rows of features. Use other features."
            )
        variances = np.maximum(variances, smallest)
        self.largest = float(variances[-1])
        self.log_determinant = -0.5 * float(np.log(variances).sum())
        self._axes = np.ascontiguousarray((axes / np.sqrt(variances)).T)

    def __call__(self, rows: FloatArray) -> FloatArray:
        """The whitened rows."""
        return row_products(rows - self._mean, self._axes)


class KernelDensity:
    """Gaussian kernels with the covariance of the data and Scott's bandwidth.

    Source: Scott, "Multivariate Density Estimation", Wiley 1992.
    """

    def __init__(self, rows: FloatArray, smallest: float = 0.0) -> None:
        self.whiten = Whitening(rows, smallest)
        self.bandwidth = float(len(rows) ** (-1 / (rows.shape[1] + 4)))
        self._centers = self.whiten(rows)

    def log_density(self, rows: FloatArray) -> FloatArray:
        """The log density at each row."""
        running = RunningDensity(self.whiten(rows), self.bandwidth)
        density = running.see(self._centers).log_density()
        return density + self.whiten.log_determinant


def gaussian_log_density(
    rows: FloatArray, data: FloatArray, smallest: float = 0.0
) -> FloatArray:
    """The log density at each row of the Gaussian fitted to `data`."""
    whiten = Whitening(data, smallest)
    squares = (whiten(rows) ** 2).sum(axis=1)
    density: FloatArray = -0.5 * (squares + rows.shape[1] * np.log(2 * np.pi))
    return density + whiten.log_determinant


def likelihood_bandwidth(rows: FloatArray, scale: float) -> float:
    """The isotropic bandwidth under which each row is likeliest given the others.

    It is looked for between a thousandth and three times of `scale`, the typical
    deviation of a feature: repeated rows would otherwise drive it to 0.
    """
    squares = cdist(rows, rows, "sqeuclidean")
    np.fill_diagonal(squares, np.inf)

    def loss(log_bandwidth: float) -> float:
        exponents = logsumexp(squares / (-2 * np.exp(2 * log_bandwidth)), axis=1)
        return float(rows.shape[1] * log_bandwidth - exponents.mean())

    low, high = np.log(1e-3 * scale), np.log(3 * scale)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded")
    return float(np.exp(found.x))
