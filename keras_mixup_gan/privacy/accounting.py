"""Epsilon of a DP-SGD training by its number of updates, which `updates` counts."""

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.optimize
import scipy.special

from keras_mixup_gan.privacy import tfp
from keras_mixup_gan.rounding import rounded_up, upper_text
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import (
    check_choice,
    check_in_range,
    check_integer,
    check_positive,
)

# Below it, privacy-loss distributions would need gigabytes.
_LEAST_TIGHT_NOISE = 0.3
# By how much a calibrated noise may fall short of its target, and in how many trials.
_SLACK, _TRIALS = 1e-3, 12
_NOT_COVERED = (
    "Figures that were computed from real images without noise: losses, scores, FID.",
    "The choice of settings or of a checkpoint by such figures, and other trainings on "
    "the same images.",
    "The size of the training set and the expected batch size, which are taken as "
    "public.",
    "Persons with several images, and copies of an image: the unit is one image.",
    "Attacks on floating-point noise; its generator (Philox) is no cryptographic one.",
)
_SEEDED = "Anyone who knows the declared seed of the noise."


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
        sampling_rate: Probability that an example enters a step, in `(0, 1]`.
        noise_multiplier: As for `epsilon`.
        steps: Number of noisy updates.
        epsilons: Array of epsilons of any shape and order.

    Returns:
        Float64 array of the same shape, in `[0, 1]`.
    """
    _check_rates(sampling_rate, delta=1.0)
    check_in_range(0, float("inf"), noise_multiplier=noise_multiplier)
    check_integer(0, steps=steps)
    epsilons = np.asarray(epsilons, "float64")
    if np.isnan(epsilons).any():
        raise ValueError(
            "`epsilons` must be numbers. Received: "
            f"{np.isnan(epsilons).sum()} values that are NaN. Leave them out."
        )
    if steps == 0 or noise_multiplier == 0:
        return np.full(epsilons.shape, float(steps > 0))
    ledger = _ledger(sampling_rate, noise_multiplier, steps, "pld")
    if tightest(noise_multiplier) == "rdp":
        deltas = np.array([ledger.get_delta(number) for number in epsilons.ravel()])
    else:  # many at once, which is faster by far, but in ascending order
        ascending, places = np.unique(epsilons, return_inverse=True)
        deltas = np.asarray(ledger.get_delta(ascending))[places]
    return np.clip(np.reshape(deltas, epsilons.shape), 0, 1).astype("float64")


def tightest(noise_multiplier: float) -> str:
    """The tightest accountant for such a noise."""
    return "rdp" if noise_multiplier < _LEAST_TIGHT_NOISE else "pld"


@functools.cache
def noise_multiplier_for(
    target_epsilon: float, delta: float, sampling_rate: float, steps: int
) -> float:
    """The noise with which so many updates spend no more than a target epsilon.

    Calibrated by the tight accountant, so that nothing is wasted: what is spent by
    `epsilon` is 99.9 to 100 % of the target. That takes one to three seconds for
    thousands of updates, and up to ten for a million. Renyi accounting, which asks for
    more noise, decides where privacy-loss distributions cannot: for noise
    below 0.3, and for a delta or an epsilon below their resolution.

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
        (3.6, 3.0)

    Reference:
        Gopi, Lee, Wutschitz, "Numerical composition of differential privacy", NeurIPS
        2021; the search starts from the central limit theorem of Bu et al., "Deep
        learning with Gaussian differential privacy", HDSR 2020.
    """
    check_positive(target_epsilon=target_epsilon)
    _check_rates(sampling_rate, delta)
    check_integer(1, steps=steps)
    problem = target_epsilon, delta, sampling_rate, steps
    return _tight_noise(*problem) or _renyi_noise(*problem)


def _tight_noise(
    target: float, delta: float, sampling_rate: float, steps: int
) -> float | None:
    """By privacy-loss distributions; `None` where they cannot tell."""
    # A step's rounding adds up: the error is about `steps * interval**2`, upward.
    interval = 1e-3 if steps <= 1e3 * target else 1e-4
    if steps * interval**2 > target / 20 or delta == 1:
        return None
    noise = max(_LEAST_TIGHT_NOISE, _noise_guess(target, delta, sampling_rate, steps))
    before: tuple[float, float] | None = None
    slope = -1.5  # of log epsilon by log noise: -1 for much noise, steeper for little
    for _ in range(_TRIALS):
        ledger = _dp_accounting().pld.PLDAccountant(
            value_discretization_interval=interval
        )
        ledger.compose(_training(sampling_rate, noise, steps))
        spent = ledger.get_epsilon(delta)
        if not 0 < spent < math.inf:
            return None
        above = math.log(spent / target)
        if -_SLACK <= above <= 0:
            return noise
        if above < 0 and noise == _LEAST_TIGHT_NOISE:
            return None
        if before is not None and before[0] != math.log(noise):
            slope = min(-0.5, (above - before[1]) / (math.log(noise) - before[0]))
        before = math.log(noise), above
        step = -(above + _SLACK / 2) / slope
        noise = max(_LEAST_TIGHT_NOISE, noise * math.exp(max(-0.7, min(0.7, step))))
    return None


def _noise_guess(
    target: float, delta: float, sampling_rate: float, steps: int
) -> float:
    """What many small steps would need, which add up to a Gaussian mechanism."""

    def excess(log_mu: float) -> float:
        mu = math.exp(log_mu)
        upper = scipy.special.log_ndtr(mu / 2 - target / mu)
        lower = target + scipy.special.log_ndtr(-mu / 2 - target / mu)
        return float(np.exp(upper) - np.exp(lower)) - delta

    mu = math.exp(scipy.optimize.brentq(excess, -40.0, 40.0))
    return 1 / math.sqrt(math.log1p((mu / sampling_rate) ** 2 / steps))


def _renyi_noise(
    target: float, delta: float, sampling_rate: float, steps: int
) -> float:
    """By Renyi accounting."""
    library = _dp_accounting()
    search = library.mechanism_calibration
    unreachable = (search.NoBracketIntervalFoundError, search.NoOptimumFoundError)
    try:
        return float(
            library.calibrate_dp_mechanism(
                library.rdp.RdpAccountant,
                lambda noise: _training(sampling_rate, noise, steps),
                target,
                delta,
                tol=1e-5,
            )
        )
    except (ValueError, OverflowError, *unreachable) as error:
        raise ValueError(
            "No noise meets the target. Expected an epsilon that so many updates can "
            f"keep to. Received: target_epsilon={target}, delta={delta}, "
            f"sampling_rate={sampling_rate}, steps={steps}. Ask for another epsilon, "
            "or fewer updates."
        ) from error


@dataclass(frozen=True)
class PrivacyReport:
    """The guarantee of a DP-SGD training that ran, made by `model.privacy_report()`.

    Attributes:
        statement: tensorflow-privacy's text for these numbers.
        epsilon: The tight figure (privacy-loss distributions) at `delta`.
        epsilon_rdp: What Renyi accounting says, which most papers quote.
        epsilon_no_amplification: What would hold had batches not been sampled by
            coins, but each image been used once an epoch.
        delta: The delta of all three.
        noise_multiplier: Noise standard deviation in units of the sensitivity.
        l2_norm_clip: Largest norm of one row's gradient.
        sensitivity_multiplier: By how many clipping norms one image can move the sum.
        sampling_rate: Probability that an image enters an update.
        d_steps: Noisy discriminator updates.
        epsilons: Grid of epsilons.
        deltas: The delta that holds at each of them, from the tight accountant.
        not_covered: Sentences on what the guarantee does not extend to.
        adjacency: Which training sets must be alike.
        unit: What is added or removed.
    """

    statement: str = field(repr=False)
    epsilon: float
    epsilon_rdp: float
    epsilon_no_amplification: float
    delta: float
    noise_multiplier: float
    l2_norm_clip: float
    sampling_rate: float
    d_steps: int
    noise_source: str
    epsilons: FloatArray = field(repr=False, compare=False)
    deltas: FloatArray = field(repr=False, compare=False)
    not_covered: tuple[str, ...] = field(default=_NOT_COVERED, repr=False)
    sensitivity_multiplier: float = 1.0
    sampling: str = "poisson"
    adjacency: str = "add-or-remove-one"
    unit: str = "one training image"

    @classmethod
    def of_training(
        cls,
        *,
        sampling_rate: float,
        noise_multiplier: float,
        d_steps: int,
        delta: float,
        l2_norm_clip: float,
        statement: str,
        seeded: bool = False,
    ) -> "PrivacyReport":
        """Accounts for a training of at least one update."""
        training = sampling_rate, noise_multiplier, d_steps
        renyi = epsilon(*training, delta, "rdp")
        epochs = math.ceil(round(sampling_rate * d_steps, 9))
        # From 0 to well above what was spent.
        largest = min(3 * renyi + 1, 200.0) if math.isfinite(renyi) else 1.0
        epsilons = np.concatenate([[0.0], np.geomspace(1e-3, largest, 150)])
        return cls(
            epsilon=epsilon(*training, delta),
            epsilon_rdp=renyi,
            epsilon_no_amplification=epsilon(
                1.0, noise_multiplier, epochs, delta, "rdp"
            ),
            delta=delta,
            noise_multiplier=noise_multiplier,
            sampling_rate=sampling_rate,
            d_steps=d_steps,
            noise_source="a declared seed" if seeded else "operating-system entropy",
            epsilons=epsilons,
            deltas=privacy_profile(*training, epsilons),
            not_covered=(*_NOT_COVERED, _SEEDED) if seeded else _NOT_COVERED,
            l2_norm_clip=l2_norm_clip,
            statement=statement,
        )

    @property
    def max_advantage(self) -> float:
        """Bound on the true-positive rate less the false-positive rate of any attack.

        It and the other bounds hold where each image became a member by a coin of its
        own, as `MembershipSplit.draw(membership="coin")` does.
        """
        return float(self.deltas[0])

    def tpr_bound(self, fpr: Any) -> Any:
        """The TPR that no attack exceeds at an FPR, or at each of an array."""
        rates = np.asarray(fpr, "float64")[..., None]
        odds = np.exp(self.epsilons)
        by_alarms = odds * rates + self.deltas
        by_misses = 1 - (1 - self.deltas - rates) / odds
        bound = np.minimum(by_alarms, by_misses).min(axis=-1).clip(0, 1)
        return float(bound) if np.ndim(fpr) == 0 else bound

    @functools.cached_property
    def auc_bound(self) -> float:
        """Area under `tpr_bound`: the AUC that no attack exceeds."""
        edges = np.concatenate([[0], np.geomspace(1e-9, 1, 4000)])
        # The bound is concave, so that its value in the middle is not below the mean.
        middles = (edges[1:] + edges[:-1]) / 2
        return min(1.0, float(np.sum(np.diff(edges) * self.tpr_bound(middles))))

    def __str__(self) -> str:
        lines = [
            f"epsilon {upper_text(self.epsilon)} at delta {upper_text(self.delta)} for "
            f"{self.unit} ({self.adjacency})",
            f"  by Renyi accounting {upper_text(self.epsilon_rdp)}; without "
            f"amplification by sampling {upper_text(self.epsilon_no_amplification)}",
            f"  {self.d_steps} discriminator updates, sampling rate "
            f"{self.sampling_rate:.3g} ({self.sampling}), clip {self.l2_norm_clip:g}, "
            f"noise multiplier {self.noise_multiplier:.4g}",
            f"  noise from {self.noise_source}",
            "Any membership inference where coins decided who is a member:",
            f"  advantage at most {rounded_up(self.max_advantage):.3f}, AUC at most "
            f"{rounded_up(self.auc_bound):.3f}, TPR at 1 % FPR at most "
            f"{rounded_up(self.tpr_bound(0.01)):.3f}",
            "Not covered:",
            *(f"  - {sentence}" for sentence in self.not_covered),
        ]
        return "\n".join(lines)


def _check_rates(sampling_rate: float, delta: float) -> None:
    check_positive(sampling_rate=sampling_rate, delta=delta)
    check_in_range(0, 1, sampling_rate=sampling_rate, delta=delta)


@functools.lru_cache(maxsize=8)  # epsilon, bounds and profile ask about one training
def _ledger(
    sampling_rate: float, noise_multiplier: float, steps: int, accountant: str
) -> Any:
    """dp-accounting's accountant after these steps."""
    library = _dp_accounting()
    if accountant == "rdp" or tightest(noise_multiplier) == "rdp":
        ledger = library.rdp.RdpAccountant()
    else:
        ledger = library.pld.PLDAccountant()
    return ledger.compose(_training(sampling_rate, noise_multiplier, steps))


def _training(sampling_rate: float, noise_multiplier: float, steps: int) -> Any:
    library = _dp_accounting()
    noisy = library.GaussianDpEvent(noise_multiplier)
    step = library.PoissonSampledDpEvent(sampling_rate, noisy)
    return library.SelfComposedDpEvent(step, int(steps))


def _dp_accounting() -> Any:
    tfp.load("dp_query.dp_query")  # one clear sentence where the extra is missing
    import dp_accounting.pld
    import dp_accounting.rdp

    return dp_accounting
