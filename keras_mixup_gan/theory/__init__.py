"""What the strongest attack can do, where that can be computed, with mixup and without.

Pure functions of NumPy and SciPy. They show where mixing hides a record (low dimension,
weights near one half, few blends) and where it does not (everything that a mean or a
covariance gives away, high dimension). None of it is a guarantee for a trained GAN.
"""

from keras_mixup_gan.theory.gaussian import (
    blend_moments,
    covariance_factor,
    gaussian_mean_auc,
    gaussian_mean_divergence,
    linear_generator_auc,
    linear_generator_divergence,
    linear_generator_log_ratio,
    mixed_mean_auc,
)
from keras_mixup_gan.theory.kernel_density import (
    blended_centers,
    kernel_density_auc,
    kernel_log_density,
)
from keras_mixup_gan.theory.likelihood_ratio import (
    MonteCarloAUC,
    bretagnolle_huber,
    gaussian_shift_auc,
    gaussian_shift_tpr,
    largest_auc,
    largest_auc_from_divergence,
    monte_carlo_auc,
    pinsker,
    smallest_auc,
)
from keras_mixup_gan.theory.noisy_blends import (
    GaussianGuarantee,
    gaussian_epsilon,
    noisy_blends_epsilon,
    noisy_blends_mu,
    noisy_image_guarantee,
)

__all__ = [
    "GaussianGuarantee",
    "MonteCarloAUC",
    "blend_moments",
    "blended_centers",
    "bretagnolle_huber",
    "covariance_factor",
    "gaussian_epsilon",
    "gaussian_mean_auc",
    "gaussian_mean_divergence",
    "gaussian_shift_auc",
    "gaussian_shift_tpr",
    "kernel_density_auc",
    "kernel_log_density",
    "largest_auc",
    "largest_auc_from_divergence",
    "linear_generator_auc",
    "linear_generator_divergence",
    "linear_generator_log_ratio",
    "mixed_mean_auc",
    "monte_carlo_auc",
    "noisy_blends_epsilon",
    "noisy_blends_mu",
    "noisy_image_guarantee",
    "pinsker",
    "smallest_auc",
]
