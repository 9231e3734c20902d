r"""The mean of Gaussian records, released with noise, with and without mixup.

Members are $n$ draws of $N(0, I_d)$ (whiten by the population's covariance otherwise),
the release is $\hat\mu = \frac1n \sum_i x_i + N(0, s^2 I)$. Mixing leaves the mean of
many blends as it is, so it hides a record here only as far as few blends weigh the
records unevenly.

Everywhere `num_members` is $n$, at least 2, `dim` is $d$, at least 1, and
`noise_stddev` is $s$, in units of a record's standard deviation. Arguments out of range
raise a `ValueError`.
"""

import numpy as np
from scipy import integrate

from keras_mixup_gan.theory.likelihood_ratio import MonteCarloAUC, monte_carlo_auc
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_in_range, check_integer, check_positive

_NUM_WEIGHT_DRAWS = 2_000
_BLOCK = 1_000
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
        >>> few, many = (mixed_mean_auc(20, 40, 1.0, m) for m in (5, 200))
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
        first = rng.integers(num_members, size=blends)
        second = (first + rng.integers(1, num_members, size=blends)) % num_members
        lam = rng.beta(alpha, alpha, size=blends)
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
