r"""Noise as a Gaussian mechanism: on blends, and on each image once before training.

Replacing one record moves a blend by its weight times the distance of the two records.
With Gaussian noise on each blend, `num_blends` of them that contain the record are as
hard to tell apart as $N(\mu, 1)$ and $N(0, 1)$, $\mu = \sqrt{\mathtt{num\_blends}}\, w
D / \sigma$. The noise carries this bound; without noise epsilon is infinite, however
strongly is mixed.

It holds for the blends and for whatever is computed from them alone, if the noise is
drawn once for each and stays secret, weights and partners are chosen without looking at
the data, and nothing else (labels, sizes, statistics) is taken from the records. For
images and the noise under which a GAN still learns, it is far too large to mean
anything; that is worth seeing in numbers. A training that draws its noise anew in every
step releases ever more blends; one on images that got theirs once
(`MixUp(noise="once")`) does not, whatever it then does with them: it has a fixed bound.

Arguments out of range raise a `ValueError`.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from keras_mixup_gan.theory.likelihood_ratio import (
    gaussian_shift_auc,
    gaussian_shift_tpr,
)
from keras_mixup_gan.validation import check_in_range, check_integer, check_positive

_LARGEST_PLD_MU = 20.0
_LARGEST_MU = 1e154  # whose square can be computed


class GaussianGuarantee(NamedTuple):
    """What a Gaussian mechanism guarantees, against whoever sees all that it gave.

    Attributes:
        mu: The parameter of Gaussian differential privacy.
        epsilon: The least epsilon at the delta that was asked for.
        largest_auc: No attack on a record's membership has a larger AUC.
        largest_tpr: Nor a larger true-positive rate at the false-positive rate that was
            asked for.
    """

    mu: float
    epsilon: float
    largest_auc: float
    largest_tpr: float


def noisy_image_guarantee(
    noise_stddev: float, diameter: float, delta: float, fpr: float = 0.01
) -> GaussianGuarantee:
    r"""What noise that each image gets once proves of all that is made of the images.

    The images $x_i + N(0, \sigma^2 I)$ are released, and with them whatever is made of
    them alone: blends, and a GAN that is trained on either however long, with its
    discriminator. That is $\mu$-GDP with $\mu = D / \sigma$, exactly, and so

    $$\delta = \Phi\left(-\frac\varepsilon\mu + \frac\mu2\right) - e^\varepsilon
    \Phi\left(-\frac\varepsilon\mu - \frac\mu2\right), \quad
    \mathrm{AUC} \le \Phi(\mu / \sqrt2), \quad
    \mathrm{TPR} \le \Phi(\mu + \Phi^{-1}(\mathrm{FPR})).$$

    Neighbors differ in one image, replaced by any other; how many there are is no
    secret. Somebody who is in $k$ of them has $\sqrt k$ times that `mu`. Labels get no
    noise and are not covered, nor is a second draw of noise on the same images, nor are
    figures computed from the images without noise (validation, monitors, audits) and
    choices by them, nor attacks on floating-point noise, whose generator (Philox) is no
    cryptographic one.

    Source: Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy",
    ICML 2018, Theorem 8, for epsilon; Dong, Roth and Su, "Gaussian Differential
    Privacy", JRSS-B 2022, for the trade-off curve, which the two bounds are read off.

    Args:
        noise_stddev: Standard deviation of the noise on each value, at least 0.
        diameter: Largest L2 distance of two images that can occur, above 0: `2 *
            sqrt(height * width * channels)` in `[-1, 1]`. The largest that does occur
            in some data is less, but with it nothing is guaranteed: it is read off the
            data, and another image may be farther away.
        delta: Target delta in `(0, 1)`.
        fpr: False-positive rate of `largest_tpr`, in `(0, 1]`.

    Example:
        >>> half_the_range = noisy_image_guarantee(1.0, 2 * 784**0.5, 1e-5)
        >>> half_the_range.mu, round(half_the_range.epsilon)
        (56.0, 1806)
    """
    check_positive(fpr=fpr)
    mu = noisy_blends_mu(noise_stddev, 1, diameter)
    return GaussianGuarantee(
        mu,
        gaussian_epsilon(mu, delta),
        gaussian_shift_auc(mu),
        gaussian_shift_tpr(mu, fpr),
    )


def noisy_blends_mu(
    noise_stddev: float,
    num_blends: int,
    diameter: float,
    max_weight: float = 1.0,
) -> float:
    r"""The parameter of Gaussian differential privacy, $\sqrt k\, w D / \sigma$.

    Source: Dong, Roth and Su, "Gaussian Differential Privacy", JRSS-B 2022: the
    Gaussian mechanism and its composition. Neighbors differ in one record, replaced.

    Args:
        noise_stddev: Standard deviation of the noise on each coordinate of a blend, in
            the units of the data, at least 0.
        num_blends: How many released blends one record can be part of, at least 0. For
            `MixUp` with `pairing="batch"` and without `same_class` that is
            `num_samples` times the passes over the data.
        diameter: Largest L2 distance of two records, above 0; for images in `[-1, 1]`
            at most `2 * sqrt(height * width * channels)`.
        max_weight: Largest weight of a record in a blend, in `(0, 1]`. Beta and
            Dirichlet weights come as near to 1 as one likes unless they are limited.

    Returns:
        `mu`; infinite without noise, 0 without blends.

    Example:
        >>> noisy_blends_mu(1.0, 100, diameter=56.0, max_weight=0.5)
        280.0
    """
    check_in_range(0, float("inf"), noise_stddev=noise_stddev)
    check_integer(0, num_blends=num_blends)
    check_positive(diameter=diameter, max_weight=max_weight)
    check_in_range(0, 1, max_weight=max_weight)
    if num_blends == 0:
        return 0.0
    if noise_stddev == 0:
        return float("inf")
    return float(math.sqrt(num_blends) * max_weight * diameter / noise_stddev)


def noisy_blends_epsilon(
    noise_stddev: float,
    num_blends: int,
    diameter: float,
    delta: float,
    max_weight: float = 1.0,
    accountant: str = "pld",
) -> float:
    """Epsilon of releasing noisy blends, however large it is, by dp-accounting.

    Each blend is one Gaussian mechanism of sensitivity `max_weight * diameter`; they
    are composed, and arguments are those of `noisy_blends_mu`. Epsilon is for the
    replacement of one record. No credit is given for the chance that a record is not
    chosen. `accountant` is as in `keras_mixup_gan.privacy.epsilon`, but where `mu`
    exceeds 20, always `"rdp"`: a valid bound, up to a tenth above `gaussian_epsilon`.

    Raises:
        ImportError: If the `dp` extra is not installed.

    Example:
        >>> round(noisy_blends_epsilon(1.0, 100, 56.0, 1e-5, max_weight=0.5))
        43232
    """
    from keras_mixup_gan.privacy import accounting

    mu = noisy_blends_mu(noise_stddev, num_blends, diameter, max_weight)
    if mu == 0 or mu > _LARGEST_MU:
        return gaussian_epsilon(mu, delta)
    multiplier = noise_stddev / (max_weight * diameter)
    name = "rdp" if accountant == "pld" and mu > _LARGEST_PLD_MU else accountant
    return accounting.epsilon(1.0, multiplier, num_blends, delta, name)


def gaussian_epsilon(mu: float, delta: float) -> float:
    r"""The exact epsilon of a `mu`-GDP Gaussian mechanism, without an accountant.

    The root of $\delta = \Phi(-\varepsilon / \mu + \mu / 2) - e^\varepsilon
    \Phi(-\varepsilon / \mu - \mu / 2)$.

    Source: Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy",
    ICML 2018, Theorem 8.

    Args:
        mu: Shift over standard deviation, at least 0; `noisy_blends_mu` of a release.
        delta: Target delta in `(0, 1)`.

    Returns:
        Epsilon, at least 0; infinite for an infinite `mu`.

    Example:
        >>> round(gaussian_epsilon(1.0, 1e-5), 3)
        4.377
    """
    check_in_range(0, float("inf"), mu=mu)
    check_positive(delta=delta)
    check_in_range(0, 1, delta=delta)
    if mu == 0 or mu > _LARGEST_MU:
        return float("inf") if mu else 0.0

    def excess(t: float) -> float:
        # With epsilon = mu * (mu / 2 + t), in logarithms: neither part can overflow.
        inner = special.log_ndtr(-t)
        outer = mu * (mu / 2 + t) + special.log_ndtr(-t - mu)
        return float(inner + np.log(-np.expm1(min(outer - inner, -1e-300))))

    if excess(-mu / 2) <= math.log(delta):
        return 0.0
    root = optimize.brentq(
        lambda t: excess(t) - math.log(delta), -mu / 2, -special.ndtri(delta) + 1e-9
    )
    return float(mu * (mu / 2 + root))
