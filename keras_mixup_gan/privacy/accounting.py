"""The epsilon of a DP-SGD training, from the steps that really ran."""

import math

import scipy.optimize

from keras_mixup_gan.privacy import tfp
from keras_mixup_gan.validation import (
    check_choice,
    check_in_range,
    check_integer,
    check_positive,
)


def epsilon(
    sampling_rate: float,
    noise_multiplier: float,
    steps: int,
    delta: float,
    accountant: str = "pld",
) -> float:
    """Epsilon of `steps` Poisson-subsampled Gaussian releases, add-or-remove-one.

    Args:
        sampling_rate: Probability that an example enters a step, in `(0, 1]`.
        noise_multiplier: Noise standard deviation in units of the clipping norm.
            0 means no noise: epsilon is infinite once a step was taken.
        steps: Number of noisy updates.
        delta: Target delta in `(0, 1)`; a value below one over the number of
            examples is usual.
        accountant: `"pld"` (privacy-loss distributions, tight) or `"rdp"` (Renyi,
            what most papers quote; also used for noise below 0.3).

    Returns:
        Epsilon for one training image.

    Raises:
        ValueError: If an argument is out of range.
        ImportError: If the `dp` extra is not installed.
    """
    check_choice(accountant, ("pld", "rdp"), "accountant")
    check_positive(sampling_rate=sampling_rate, delta=delta)
    check_in_range(0, 1, sampling_rate=sampling_rate, delta=delta)
    check_in_range(0, float("inf"), noise_multiplier=noise_multiplier)
    check_integer(0, steps=steps)
    if steps == 0:
        return 0.0
    if noise_multiplier == 0:
        return float("inf")
    if noise_multiplier < 0.3:
        accountant = "rdp"  # PLD would need gigabytes; this bound is valid, if looser
    dp_accounting, ledger = tfp.accountant(accountant)
    step = dp_accounting.PoissonSampledDpEvent(
        sampling_rate, dp_accounting.GaussianDpEvent(noise_multiplier)
    )
    ledger.compose(dp_accounting.SelfComposedDpEvent(step, int(steps)))
    return float(ledger.get_epsilon(delta))


def noise_multiplier_for(
    target_epsilon: float, delta: float, sampling_rate: float, steps: int
) -> float:
    """The smallest noise multiplier that keeps a training within a budget.

    Calibrated by Renyi accounting, which is quick and never below the tight one: the
    epsilon that is reported afterwards is a little smaller than the target.

    Args:
        target_epsilon: Largest epsilon, above 0.
        delta: Target delta in `(0, 1)`.
        sampling_rate: Probability that an example enters a step, in `(0, 1]`.
        steps: Number of noisy updates, at least 1.

    Returns:
        Noise standard deviation in units of the clipping norm.

    Raises:
        ValueError: If an argument is out of range.
        ImportError: If the `dp` extra is not installed.
    """
    check_positive(target_epsilon=target_epsilon, delta=delta)
    check_positive(sampling_rate=sampling_rate)
    check_in_range(0, 1, sampling_rate=sampling_rate, delta=delta)
    check_integer(1, steps=steps)

    def excess(log_noise: float) -> float:
        noise = math.exp(log_noise)
        return epsilon(sampling_rate, noise, steps, delta, "rdp") - target_epsilon

    low = high = 0.0
    while excess(high) > 0:
        high += 1
    while excess(low) < 0:
        low -= 1
    # `brentq` may stop on the wrong side of the root; a hair more noise is safe.
    root = scipy.optimize.brentq(excess, low, high, xtol=1e-4)
    return math.exp(root + 2e-4)
