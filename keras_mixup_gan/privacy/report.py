"""What a DP-SGD training guarantees, as numbers and as a text to read."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from keras_mixup_gan.privacy import accounting
from keras_mixup_gan.typing import FloatArray

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


@dataclass(frozen=True)
class PrivacyReport:
    """The guarantee of a DP-SGD training that ran.

    Usually made by `model.privacy_report()`.

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
        noise_source: Where the noise came from.
        epsilons: Grid of epsilons.
        deltas: The delta that holds at each of them, from the tight accountant.
        not_covered: Sentences on what the guarantee does not extend to.
        sampling: How batches were drawn.
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
        seeded: bool = False,
        **described: Any,
    ) -> "PrivacyReport":
        """Accounts for a training.

        Args:
            sampling_rate: Probability that an image enters an update.
            noise_multiplier: Noise standard deviation in units of the clipping norm.
            d_steps: Noisy discriminator updates, at least 1.
            delta: Target delta.
            seeded: Whether the noise came from a declared seed.
            **described: Further attributes.

        Returns:
            The report.
        """
        spent = {
            name: accounting.epsilon(
                sampling_rate, noise_multiplier, d_steps, delta, name
            )
            for name in ("pld", "rdp")
        }
        epochs = math.ceil(round(sampling_rate * d_steps, 9))
        epsilons = _grid(spent["rdp"])
        return cls(
            epsilon=spent["pld"],
            epsilon_rdp=spent["rdp"],
            epsilon_no_amplification=accounting.epsilon(
                1.0, noise_multiplier, epochs, delta, "rdp"
            ),
            delta=delta,
            noise_multiplier=noise_multiplier,
            sampling_rate=sampling_rate,
            d_steps=d_steps,
            noise_source="a declared seed" if seeded else "operating-system entropy",
            epsilons=epsilons,
            deltas=accounting.privacy_profile(
                sampling_rate, noise_multiplier, d_steps, epsilons
            ),
            not_covered=(*_NOT_COVERED, _SEEDED) if seeded else _NOT_COVERED,
            **described,
        )

    @property
    def max_advantage(self) -> float:
        """Bound on the true-positive rate less the false-positive rate of any attack.

        It and the other bounds hold where each image became a member by a coin of its
        own, as `MembershipSplit.draw(membership="coin")` does.
        """
        return float(self.deltas[0])

    def tpr_bound(self, fpr: Any) -> Any:
        """The true-positive rate that no attack exceeds at a false-positive rate.

        Args:
            fpr: False-positive rate in `[0, 1]`, or an array of such.

        Returns:
            The bound, a number or an array like `fpr`.
        """
        rates = np.asarray(fpr, "float64")[..., None]
        odds = np.exp(self.epsilons)
        by_alarms = odds * rates + self.deltas
        by_misses = 1 - (1 - self.deltas - rates) / odds
        bound = np.minimum(by_alarms, by_misses).min(axis=-1).clip(0, 1)
        return float(bound) if np.ndim(fpr) == 0 else bound

    @cached_property
    def auc_bound(self) -> float:
        """Area under `tpr_bound`: the AUC that no attack exceeds."""
        edges = np.concatenate([[0], np.geomspace(1e-9, 1, 4000)])
        # The bound is concave, so that its value in the middle is not below the mean.
        middles = (edges[1:] + edges[:-1]) / 2
        return min(1.0, float(np.sum(np.diff(edges) * self.tpr_bound(middles))))

    def __str__(self) -> str:
        lines = [
            f"epsilon {self.epsilon:.3g} at delta {self.delta:.3g} for {self.unit} "
            f"({self.adjacency})",
            f"  by Renyi accounting {self.epsilon_rdp:.3g}; without amplification by "
            f"sampling {self.epsilon_no_amplification:.3g}",
            f"  {self.d_steps} discriminator updates, sampling rate "
            f"{self.sampling_rate:.3g} ({self.sampling}), clip {self.l2_norm_clip:g}, "
            f"noise multiplier {self.noise_multiplier:.4g}",
            f"  noise from {self.noise_source}",
            "Any membership inference where coins decided who is a member:",
            f"  advantage at most {self.max_advantage:.3f}, AUC at most "
            f"{self.auc_bound:.3f}, TPR at 1 % FPR at most {self.tpr_bound(0.01):.3f}",
            "Not covered:",
            *(f"  - {sentence}" for sentence in self.not_covered),
        ]
        return "\n".join(lines)


def _grid(epsilon: float) -> FloatArray:
    """Epsilons from 0 to well above what was spent."""
    largest = min(3 * epsilon + 1, 200.0) if math.isfinite(epsilon) else 1.0
    return np.concatenate([[0.0], np.geomspace(1e-3, largest, 150)])
