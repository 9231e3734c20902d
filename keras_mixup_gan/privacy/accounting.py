"""The epsilon of a DP-SGD training, from the steps that really ran."""

from typing import Any

import numpy as np

from keras_mixup_gan.privacy import tfp
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import (
    check_choice,
    check_in_range,
    check_integer,
    check_positive,
)

# Below it, privacy-loss distributions would need gigabytes.
_LEAST_TIGHT_NOISE = 0.3


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
    _check_rates(sampling_rate, delta)
    check_in_range(0, float("inf"), noise_multiplier=noise_multiplier)
    check_integer(0, steps=steps)
    if steps == 0:
        return 0.0
    if noise_multiplier == 0:
        return float("inf")
    ledger = _ledger(sampling_rate, noise_multiplier, steps, accountant)
    return float(ledger.get_epsilon(delta))


def privacy_profile(
    sampling_rate: float, noise_multiplier: float, steps: int, epsilons: Any
) -> FloatArray:
    """The delta that holds at each epsilon, by privacy-loss distributions.

    Args:
        sampling_rate: As for `epsilon`.
        noise_multiplier: As for `epsilon`.
        steps: As for `epsilon`.
        epsilons: Array of numbers of at least 0.

    Returns:
        Float64 array like `epsilons`.
    """
    _check_rates(sampling_rate, delta=1.0)
    check_in_range(0, float("inf"), noise_multiplier=noise_multiplier)
    check_integer(0, steps=steps)
    epsilons = np.asarray(epsilons, "float64")
    if steps == 0 or noise_multiplier == 0:
        return np.full(epsilons.shape, float(steps > 0))
    ledger = _ledger(sampling_rate, noise_multiplier, steps, "pld")
    if tightest(noise_multiplier) == "rdp":
        deltas = [ledger.get_delta(number) for number in epsilons.ravel()]
    else:  # many at once, which is faster by far
        deltas = ledger.get_delta(epsilons.ravel())
    return np.clip(np.reshape(deltas, epsilons.shape), 0, 1).astype("float64")


def tightest(noise_multiplier: float) -> str:
    """The tightest accountant that such a noise can be accounted by."""
    return "rdp" if noise_multiplier < _LEAST_TIGHT_NOISE else "pld"


def _ledger(
    sampling_rate: float, noise_multiplier: float, steps: int, accountant: str
) -> Any:
    """dp-accounting's accountant after these steps."""
    if accountant == "pld":
        accountant = tightest(noise_multiplier)
    dp_accounting, ledger = tfp.accountant(accountant)
    step = dp_accounting.PoissonSampledDpEvent(
        sampling_rate, dp_accounting.GaussianDpEvent(noise_multiplier)
    )
    return ledger.compose(dp_accounting.SelfComposedDpEvent(step, int(steps)))


def noise_multiplier_for(
    target_epsilon: float, delta: float, sampling_rate: float, steps: int
) -> float:
    """The noise with which so many updates spend no more than a target epsilon.

    Calibrated by Renyi accounting, which is above the tight figure of `epsilon`: what
    is spent by `accountant="pld"` is a little less than the target.

    Args:
        target_epsilon: Epsilon that must not be exceeded, above 0.
        delta: Target delta in `(0, 1)`.
        sampling_rate: Probability that an example enters a step, in `(0, 1]`.
        steps: Number of noisy updates, at least 1.

    Returns:
        Noise standard deviation in units of the clipping norm.

    Raises:
        ValueError: If an argument is out of range, or no noise meets the target.
        ImportError: If the `dp` extra is not installed.

    Example:
        >>> noise = noise_multiplier_for(3.0, 1e-4, sampling_rate=0.064, steps=2000)
        >>> round(noise, 1), round(epsilon(0.064, noise, 2000, 1e-4), 1)
        (3.9, 2.8)
    """
    check_positive(target_epsilon=target_epsilon)
    _check_rates(sampling_rate, delta)
    check_integer(1, steps=steps)
    try:
        return tfp.calibrated(target_epsilon, delta, sampling_rate, int(steps))
    except (ValueError, OverflowError) as error:
        raise ValueError(
            "No noise meets the target. Expected an epsilon that so many updates can "
            f"keep to. Received: target_epsilon={target_epsilon}, delta={delta}, "
            f"sampling_rate={sampling_rate}, steps={steps}. Ask for another epsilon, "
            "or fewer updates."
        ) from error


def _check_rates(sampling_rate: float, delta: float) -> None:
    check_positive(sampling_rate=sampling_rate, delta=delta)
    check_in_range(0, 1, sampling_rate=sampling_rate, delta=delta)
