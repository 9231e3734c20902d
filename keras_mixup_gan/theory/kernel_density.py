r"""A generator that is a kernel density of its training set, or of its blends.

$p_G$ is the mean of $N(c, h^2 I)$ over centers $c$: the members, or, where the
generator fitted the law of blends, $\lambda x_i + (1 - \lambda) x_j$ over pairs and
weights. Its density is known, so the density-ratio attack $\log p_G(x) - \log p(x)$ can
be computed instead of estimated. That is the likelihood ratio between "drawn from the
generator" and "drawn from the population", the best that attacks such as DOMIAS (van
Breugel et al., AISTATS 2023) can converge to. An attacker who can read the centers off
the exact density does better; no AUC given here is a guarantee.

In low dimension blends with weights near one half fill the space between the members
and hide them. In high dimension a pair's segment stays far from every other record,
while its ends still mark the members: mixing then hides nothing.

Arguments out of range raise a `ValueError`, as do arrays that are not finite matrices.
"""

import numpy as np
from scipy import special

from keras_mixup_gan.theory.likelihood_ratio import MonteCarloAUC, monte_carlo_auc
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer, check_positive

_BLOCK = 2_048
_QUERY_BLOCK = 8_192


def blended_centers(
    members: FloatArray, alpha: float, num_blends: int, seed: int = 0
) -> FloatArray:
    r"""Draws from the law of blends, $\lambda x_i + (1 - \lambda) x_j$ with $i \ne j$.

    Source: Zhang et al., "mixup", ICLR 2018, with partners that are distinct.

    Args:
        members: Array `(num_members, dim)` of at least two records.
        alpha: Concentration of the weights' law `Beta(alpha, alpha)`, above 0.
        num_blends: Number of draws, at least 1.
        seed: Seed of the draws.

    Returns:
        Array `(num_blends, dim)`.

    Example:
        >>> blended_centers(np.eye(3), 1.0, 10).sum(axis=1).round(6).min()
        1.0
    """
    rows = check_records(members, "members", minimum=2)
    check_positive(alpha=alpha)
    check_integer(1, num_blends=num_blends)
    check_integer(0, seed=seed)
    rng = np.random.default_rng(seed)
    first, second, lam = draw_pairs(rng, len(rows), alpha, num_blends)
    lam = lam[:, None]
    return np.asarray(lam * rows[first] + (1 - lam) * rows[second])


def draw_pairs(
    rng: np.random.Generator, num_members: int, alpha: float, num_blends: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Two distinct members for each of some blends, and the weight of the first."""
    first = rng.integers(num_members, size=num_blends)
    second = (first + rng.integers(1, num_members, size=num_blends)) % num_members
    return first, second, rng.beta(alpha, alpha, size=num_blends)


def kernel_log_density(
    queries: FloatArray, centers: FloatArray, bandwidth: float
) -> FloatArray:
    r"""The generator's log density, $\log \frac1m \sum_k N(x; c_k, h^2 I)$.

    Source: Parzen, "On Estimation of a Probability Density Function", 1962.

    Args:
        queries: Array `(num_queries, dim)`.
        centers: Array `(num_centers, dim)`.
        bandwidth: Standard deviation `h` of the kernel, above 0.

    Returns:
        Float64 array `(num_queries,)`.

    Example:
        >>> kernel_log_density(np.zeros((1, 2)), np.zeros((5, 2)), 1.0).round(3)
        array([-1.838])
    """
    x, centers = check_records(queries, "queries"), check_records(centers, "centers")
    check_positive(bandwidth=bandwidth)
    if x.shape[1] != centers.shape[1]:
        raise ValueError(
            "`queries` and `centers` lie in different spaces. Expected as many columns "
            f"in both. Received: {x.shape[1]} and {centers.shape[1]}."
        )
    total = np.full(len(x), -np.inf)
    for first in range(0, len(x), _QUERY_BLOCK):
        some = slice(first, first + _QUERY_BLOCK)
        squares = np.square(x[some]).sum(axis=1, keepdims=True)
        for start in range(0, len(centers), _BLOCK):
            block = centers[start : start + _BLOCK]
            distances = squares - 2 * x[some] @ block.T + np.square(block).sum(axis=1)
            exponents = -np.maximum(distances, 0) / (2 * bandwidth**2)
            found = special.logsumexp(exponents, axis=1)
            total[some] = np.logaddexp(total[some], found)
    constant = np.log(len(centers)) + x.shape[1] / 2 * np.log(2 * np.pi * bandwidth**2)
    return np.asarray(total - constant)


def kernel_density_auc(
    num_members: int,
    dim: int,
    bandwidth: float,
    alpha: float | None = None,
    *,
    num_blends: int = 20_000,
    num_releases: int = 20,
    seed: int = 0,
) -> MonteCarloAUC:
    r"""AUC of the exact density-ratio attack, members drawn from $N(0, I)$.

    For each release all members and as many fresh records are scored with
    $\log p_G(x) - \log N(x; 0, I)$; the AUCs of the releases are averaged.

    Args:
        num_members: Size of the training set, at least 2.
        dim: Number of coordinates of a record, at least 1.
        bandwidth: Standard deviation of the kernel, in units of a record's, above 0.
        alpha: Concentration of the Beta weights of the blends, above 0; `None` for a
            generator that was fitted to the members themselves.
        num_blends: Draws by which the law of blends is represented, at least 1.
        num_releases: Number of training sets, at least 2.
        seed: Seed of the simulation.

    Returns:
        The AUC; its error is that over releases.

    Example:
        >>> raw, mixed = (
        ...     kernel_density_auc(100, 2, 0.2, alpha, num_releases=5)
        ...     for alpha in (None, 4.0)
        ... )
        >>> raw.value > 0.75, mixed.value < 0.6
        (True, True)
        >>> kernel_density_auc(100, 32, 0.5, 4.0, num_releases=2).value > 0.99
        True
    """
    check_integer(2, num_members=num_members, num_releases=num_releases)
    check_integer(1, dim=dim)
    check_integer(0, seed=seed)
    areas = []
    for rng in np.random.default_rng(seed).spawn(num_releases):
        members, fresh = rng.normal(size=(2, num_members, dim))
        centers = members
        if alpha is not None:
            draw = int(rng.integers(2**31))
            centers = blended_centers(members, alpha, num_blends, draw)
        queries = np.concatenate([members, fresh])
        ratios = kernel_log_density(queries, centers, bandwidth)
        ratios += np.square(queries).sum(axis=1) / 2  # up to a constant
        area, _ = monte_carlo_auc(ratios[:num_members], ratios[num_members:])
        areas.append(area)
    error = np.std(areas, ddof=1) / np.sqrt(num_releases)
    return MonteCarloAUC(float(np.mean(areas)), float(error))


def check_records(rows: FloatArray, name: str, minimum: int = 1) -> FloatArray:
    """Records as a float64 matrix, after checking them."""
    array = np.asarray(rows, dtype=np.float64)
    if array.ndim != 2 or len(array) < minimum or not np.isfinite(array).all():
        raise ValueError(
            f"`{name}` is not a set of records. Expected a finite array of shape "
            f"(num_rows, dim) with at least {minimum} rows. Received: "
            f"shape={array.shape}."
        )
    return array
