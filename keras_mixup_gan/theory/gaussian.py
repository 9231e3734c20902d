r"""Gaussian records: the best attack on their noisy mean, and on a linear generator.

Members are $n$ draws of $N(0, I_d)$ (whiten by the population's covariance otherwise).

The mean is released as $\hat\mu = \frac1n \sum_i x_i + N(0, s^2 I)$. Mixing leaves the
mean of many blends as it is, so it hides a record here only as far as few blends weigh
the records unevenly.

A linear generator $G(z) = A z + b$ of Gaussian latents, trained to its optimum,
reproduces the mean and the covariance of what it was shown, so releasing it is
releasing $\bar x$ and the scatter $W = \sum_i (x_i - \bar x)(x_i - \bar x)^\top$ of its
members. Shown blends instead, it learns the same mean and $W$ times a known factor
(`blend_moments`): an attacker divides that factor out, and the likelihood-ratio attack
loses nothing. Mixing costs such a generator its covariance and buys it no privacy.

Everywhere `num_members` is $n$, at least 2, `dim` is $d$, at least 1, `noise_stddev` is
$s$, in units of a record's standard deviation, and `alpha` is the concentration of the
Beta weights, above 0. Arguments out of range raise a `ValueError`.
"""

import numpy as np
from scipy import integrate, linalg, special

from keras_mixup_gan.theory.kernel_density import check_records, draw_pairs
from keras_mixup_gan.theory.likelihood_ratio import MonteCarloAUC, monte_carlo_auc
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_in_range, check_integer, check_positive

_NUM_WEIGHT_DRAWS = 2_000
_BLOCK = 1_000
_SMALL_BLOCK = 256  # of releases that hold all members each
_MOST_NUMBERS = 2**25  # in them
_CERTAIN = 200  # Phi(10), which the AUC then is near, is 1 to the last digit
_LEAST_VARIANCE = 1e-12  # of a blend in which one record has all weight but rounding


def gaussian_mean_auc(num_members: int, dim: int, noise_stddev: float = 0.0) -> float:
    r"""The exact AUC of the likelihood-ratio attack on a released mean.

    In each coordinate record and release are Gaussian with correlation
    $\rho = \frac1n / \sqrt{\frac1n + s^2}$ for a member and 0 for a non-member. The
    likelihood ratios are then weighted sums of independent $\chi^2_d$ variables, and

    $$\mathrm{AUC} = P\left(Q_1 + \frac{Q_2}{1 - \rho} > Q_3 + \frac{Q_4}{1 + \rho}
    \right).$$

    Source: Neyman-Pearson; the probability by inverting the characteristic function
    (Gil-Pelaez, Biometrika 1951; Imhof, Biometrika 1961). For small $\rho$ it is near
    $\Phi(\sqrt{d / 2}\, \rho)$, the AUC of the inner product of record and release.

    Example:
        >>> round(gaussian_mean_auc(100, 50), 3)
        0.692
    """
    rho = _correlation(num_members, dim, noise_stddev)
    if dim * rho**2 > _CERTAIN:  # the integrand then turns too fast to be found
        return 1.0

    def integrand(u: float) -> float:
        t = u / np.sqrt(dim)
        size = (1 + 4 * t**2) * np.hypot(1 + 4 * t**2 - rho**2, 4 * t * rho)
        phase = dim / 2 * np.arctan2(4 * t * rho, 1 + 4 * t**2 - rho**2)
        return float((size / (1 - rho**2)) ** (-dim / 2) * np.sin(phase) / u)

    area, _ = integrate.quad(integrand, 0, np.inf, limit=500)
    return float(np.clip(0.5 + area / np.pi, 0.5, 1.0))


def gaussian_mean_divergence(
    num_members: int, dim: int, noise_stddev: float = 0.0
) -> float:
    r"""KL divergence between member and non-member, $-\frac d2 \ln(1 - \rho^2)$.

    That of the member's law from the non-member's, and the mutual information of a
    member and the release, in nats, with $\rho$ as in `gaussian_mean_auc`.

    Example:
        >>> round(gaussian_mean_divergence(100, 50), 4)
        0.2513
    """
    rho = _correlation(num_members, dim, noise_stddev)
    return float(-dim / 2 * np.log1p(-(rho**2)))


def mixed_mean_auc(
    num_members: int,
    dim: int,
    alpha: float,
    num_blends: int,
    *,
    noise_stddev: float = 0.0,
    num_trials: int = 10_000,
    seed: int = 0,
) -> MonteCarloAUC:
    r"""The likelihood-ratio attack on the mean of blends instead of records.

    Each of `num_blends` blends is $\lambda x_i + (1 - \lambda) x_j$ of two distinct
    members chosen at random, $\lambda \sim \mathrm{Beta}(\alpha, \alpha)$. The release
    $\sum_i c_i x_i + N(0, s^2 I)$ is Gaussian given the weights $c$, which the attacker
    does not know: the ratio averages both likelihoods over 2,000 draws of them,

    $$\frac{E_c\, N(\hat\mu;\; c_1 x,\; (\textstyle\sum_{i > 1} c_i^2 + s^2) I)}
    {E_c\, N(\hat\mu;\; 0,\; (\textstyle\sum_i c_i^2 + s^2) I)}.$$

    With many blends all weights approach $1 / n$, and the AUC that of
    `gaussian_mean_auc`: there mixup does not help.

    Source: Neyman-Pearson; simulated, `num_trials` releases (at least 2) under either
    hypothesis, one for each score.

    Example:
        >>> few, many = (
        ...     mixed_mean_auc(20, 40, 1.0, num_blends, num_trials=1000)
        ...     for num_blends in (5, 200)
        ... )
        >>> few.value < many.value  # few blends leave most records out
        True
    """
    check_integer(2, num_members=num_members, num_trials=num_trials)
    check_integer(1, dim=dim, num_blends=num_blends)
    check_integer(0, seed=seed)
    check_positive(alpha=alpha)
    check_in_range(0, float("inf"), noise_stddev=noise_stddev)
    rng = np.random.default_rng(seed)

    def weights(count: int) -> tuple[FloatArray, FloatArray]:
        own, others = _blend_weights(rng, count, num_members, alpha, num_blends)
        return own, np.maximum(others + noise_stddev**2, _LEAST_VARIANCE)

    bank = weights(_NUM_WEIGHT_DRAWS)
    ratios = []
    for is_member in (True, False):
        own, variance = weights(num_trials)
        record, member = rng.normal(size=(2, num_trials, dim))
        release = own[:, None] * (record if is_member else member)
        release += np.sqrt(variance)[:, None] * rng.normal(size=(num_trials, dim))
        ratios.append(_mixed_log_ratio(record, release, *bank))
    return monte_carlo_auc(*ratios)


def covariance_factor(alpha: float, num_members: int | None = None) -> float:
    r"""By how much mixing shrinks a covariance, $f - (1 - f) / (n - 1)$.

    Here $f = E[\lambda^2 + (1 - \lambda)^2] = (\alpha + 1) / (2 \alpha + 1)$ for
    $\lambda \sim \mathrm{Beta}(\alpha, \alpha)$; the second term comes from blending
    distinct members of a finite set, which are negatively correlated in it.

    Source: moments of the Beta law; the mean is not changed.

    Args:
        alpha: Concentration of the weights.
        num_members: Size of the set that is blended; `None` for infinite.

    Returns:
        Covariance of all blends over that of the members, both divided by their number.

    Example:
        >>> round(covariance_factor(1.0), 4), round(covariance_factor(4.0), 4)
        (0.6667, 0.5556)
    """
    check_positive(alpha=alpha)
    factor = (alpha + 1) / (2 * alpha + 1)
    if num_members is None:
        return factor
    check_integer(2, num_members=num_members)
    return factor - (1 - factor) / (num_members - 1)


def blend_moments(
    members: FloatArray, alpha: float | None = None
) -> tuple[FloatArray, FloatArray]:
    r"""What a linear generator learns: mean and covariance of members or of blends.

    Source: $\bar x$ and $W / n$, the latter times `covariance_factor(alpha, n)` over
    all pairs of distinct members and all weights.

    Args:
        members: Array `(num_members, dim)` of at least two records.
        alpha: Concentration of the weights; `None` without mixup.

    Returns:
        Arrays `(dim,)` and `(dim, dim)`.

    Example:
        >>> mean, covariance = blend_moments(np.array([[0.0], [2.0], [4.0]]), 1.0)
        >>> mean, covariance.round(3)
        (array([2.]), array([[1.333]]))
    """
    rows = check_records(members, "members", minimum=2)
    mean = rows.mean(axis=0)
    covariance = (rows - mean).T @ (rows - mean) / len(rows)
    if alpha is not None:
        covariance = covariance * covariance_factor(alpha, len(rows))
    return mean, covariance


def linear_generator_log_ratio(
    queries: FloatArray,
    mean: FloatArray,
    covariance: FloatArray,
    num_members: int,
    alpha: float | None = None,
) -> FloatArray:
    r"""The exact log likelihood ratio of membership, given the generator.

    By Bayes' rule it is $\log p(x \mid \bar x, W) - \log N(x; 0, I)$, where a member's
    law given the sufficient statistics is

    $$\frac{\Gamma(\frac{n-1}2)}{\Gamma(\frac{n-d-1}2)}
    \left(\frac{n}{(n-1) \pi}\right)^{d/2} |W|^{-1/2}
    \left(1 - \tfrac{n}{n-1} (x - \bar x)^\top W^{-1} (x - \bar x)
    \right)_+^{(n-d-3)/2}.$$

    Source: that law is the unbiased estimate of a Gaussian density of Ghurye and Olkin,
    Annals of Mathematical Statistics 1969.

    Args:
        queries: Array `(num_queries, dim)`, in coordinates in which the population is
            `N(0, I)`.
        mean: Array `(dim,)`: the generator's mean `b`.
        covariance: Array `(dim, dim)`: the generator's covariance `A A^T`, regular.
        num_members: Size of the training set, at least `dim + 2`.
        alpha: Concentration of the weights that the generator was trained with, which
            the attacker knows; `None` without mixup.

    Returns:
        Float64 array `(num_queries,)`; minus infinity where a record cannot be one of
        that many members with these statistics.

    Example:
        >>> members = np.random.default_rng(0).normal(size=(8, 2))
        >>> plain = linear_generator_log_ratio(members, *blend_moments(members), 8)
        >>> moments = blend_moments(members, alpha=4.0)
        >>> np.allclose(linear_generator_log_ratio(members, *moments, 8, 4.0), plain)
        True
    """
    x = np.asarray(queries, dtype=np.float64)
    center = np.asarray(mean, dtype=np.float64)
    spread = np.asarray(covariance, dtype=np.float64)
    dim = center.size
    if (x.shape[1:], center.shape, spread.shape) != ((dim,), (dim,), (dim, dim)):
        raise ValueError(
            "Queries and moments do not fit together. Expected shapes (num_queries, "
            f"dim), (dim,) and (dim, dim). Received: {x.shape}, {center.shape} and "
            f"{spread.shape}."
        )
    if not np.isfinite([x.sum(), center.sum()]).all():
        raise ValueError(
            "Queries and mean must be finite. Received: values that are NaN or "
            "infinite. Remove those records."
        )
    if not np.allclose(spread, spread.T):
        raise ValueError(
            "`covariance` must be finite and equal its transpose. Received: a matrix "
            "that does not. Take that of `blend_moments`."
        )
    check_integer(dim + 2, num_members=num_members)
    scatter = num_members * spread
    if alpha is not None:
        scatter = scatter / covariance_factor(alpha, num_members)
    try:
        factor = np.linalg.cholesky(scatter)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "`covariance` has no inverse. Expected a positive definite matrix. "
            "Received: one that is not. Release fewer coordinates."
        ) from error
    return _log_ratio(x, center, factor, num_members)


def linear_generator_auc(
    num_members: int, dim: int, *, num_trials: int = 4_000, seed: int = 0
) -> MonteCarloAUC:
    """AUC of the likelihood-ratio attack on a linear generator, mixup or not.

    The exact ratio of `linear_generator_log_ratio` on simulated releases, one for each
    score. The ratio and so the AUC are the same for a generator that was trained on
    blends to its optimum. Up to `dim + 1` members the AUC is 1: they lie on a surface
    that the release determines and that a fresh record meets with probability zero.

    Args:
        num_members: Size of the training set.
        dim: Number of coordinates of a record.
        num_trials: Releases simulated under either hypothesis, at least 2.
        seed: Seed of the simulation.

    Example:
        >>> round(linear_generator_auc(30, 10, num_trials=1000).value, 1)
        0.9
        >>> linear_generator_auc(30, 29)
        MonteCarloAUC(value=1.0, standard_error=0.0)
    """
    check_integer(2, num_members=num_members, num_trials=num_trials)
    check_integer(1, dim=dim)
    check_integer(0, seed=seed)
    if num_members <= dim + 1:
        return MonteCarloAUC(1.0, 0.0)
    rng = np.random.default_rng(seed)
    block = max(1, min(_SMALL_BLOCK, _MOST_NUMBERS // (num_members * dim)))
    ratios: tuple[list[FloatArray], list[FloatArray]] = ([], [])
    for is_member, found in zip((True, False), ratios, strict=True):
        for start in range(0, num_trials, block):
            count = min(block, num_trials - start)
            members = rng.normal(size=(count, num_members, dim))
            queries = members[:, 0] if is_member else rng.normal(size=(count, dim))
            means = members.mean(axis=1)
            centered = members - means[:, None]
            scatters = np.swapaxes(centered, 1, 2) @ centered
            factors = np.linalg.cholesky(scatters)
            found.append(_log_ratio(queries, means, factors, num_members))
    return monte_carlo_auc(*map(np.concatenate, ratios))


def linear_generator_divergence(num_members: int, dim: int) -> float:
    r"""KL divergence between member and non-member, in nats, in closed form.

    The mutual information of a member and the release, that is the mean of the log
    ratio over members:

    $$\ln\frac{\Gamma(\frac{n-1}2)}{\Gamma(\frac{n-d-1}2)} + \frac d2 \ln\frac{n e}{n-1}
    - \frac12 \sum_{i=1}^d \psi\left(\tfrac{n-i}2\right) + \frac{n-d-3}2 \left[
    \psi\left(\tfrac{n-d-1}2\right) - \psi\left(\tfrac{n-1}2\right)\right].$$

    It is infinite up to `dim + 1` members.

    Source: moments of the Wishart and Beta laws, $\psi$ the digamma function.

    Example:
        >>> round(linear_generator_divergence(100, 5), 3)
        0.103
    """
    check_integer(2, num_members=num_members)
    check_integer(1, dim=dim)
    n, d = num_members, dim
    if n <= d + 1:
        return float("inf")
    whole, part = (n - 1) / 2, (n - d - 1) / 2
    return float(
        special.gammaln(whole)
        - special.gammaln(part)
        + d / 2 * (1 + np.log(n / (n - 1)))
        - special.digamma((n - np.arange(1, d + 1)) / 2).sum() / 2
        + (part - 1) * (special.digamma(part) - special.digamma(whole))
    )


def _correlation(num_members: int, dim: int, noise_stddev: float) -> float:
    check_integer(2, num_members=num_members)
    check_integer(1, dim=dim)
    check_in_range(0, float("inf"), noise_stddev=noise_stddev)
    return float(1 / (num_members * np.sqrt(1 / num_members + noise_stddev**2)))


def _blend_weights(
    rng: np.random.Generator, count: int, num_members: int, alpha: float, blends: int
) -> tuple[FloatArray, FloatArray]:
    """The first record's weight in the mean, and the sum of the others' squares."""
    own, others = np.empty(count), np.empty(count)
    for trial in range(count):
        first, second, lam = draw_pairs(rng, num_members, alpha, blends)
        total = np.bincount(first, lam, num_members)
        shares = (total + np.bincount(second, 1 - lam, num_members)) / blends
        own[trial], others[trial] = shares[0], np.square(shares[1:]).sum()
    return own, others


def _mixed_log_ratio(
    record: FloatArray, release: FloatArray, own: FloatArray, variance: FloatArray
) -> FloatArray:
    """Log ratio of the two mixtures over the drawn weights, a row each."""
    dim = record.shape[1]
    variance_out = variance + own**2
    parts = []
    for start in range(0, len(record), _BLOCK):
        x, y = record[start : start + _BLOCK], release[start : start + _BLOCK]
        xx, xy, yy = (
            np.einsum("ij,ij->i", *pair)[:, None] for pair in ((x, x), (x, y), (y, y))
        )
        inside = -(yy - 2 * own * xy + own**2 * xx) / (2 * variance)
        outside = -yy / (2 * variance_out)
        inside -= dim / 2 * np.log(variance)
        outside -= dim / 2 * np.log(variance_out)
        parts.append(_log_sum(inside) - _log_sum(outside))
    return np.concatenate(parts)


def _log_sum(values: FloatArray) -> FloatArray:
    top = values.max(axis=1)
    return np.asarray(top + np.log(np.exp(values - top[:, None]).sum(axis=1)))


def _log_ratio(
    queries: FloatArray, means: FloatArray, factors: FloatArray, num_members: int
) -> FloatArray:
    """The log ratio given Cholesky factors of the scatter, one or one a query."""
    n, dim = num_members, queries.shape[1]
    if factors.ndim == 2:
        half = linalg.solve_triangular(factors, (queries - means).T, lower=True).T
    else:
        half = np.linalg.solve(factors, (queries - means)[..., None])[..., 0]
    rest = np.maximum(1 - n / (n - 1) * np.square(half).sum(axis=1), 0)
    diagonal = np.diagonal(factors, axis1=-2, axis2=-1)
    constant = special.gammaln((n - 1) / 2) - special.gammaln((n - dim - 1) / 2)
    constant += dim / 2 * np.log(2 * n / (n - 1))
    return np.asarray(
        np.where(rest > 0, special.xlogy((n - dim - 3) / 2, rest), -np.inf)
        + constant
        - np.log(diagonal).sum(axis=-1)
        + np.square(queries).sum(axis=1) / 2
    )
