"""What the strongest attack can do, where that can be computed, with mixup and without.

Pure functions of NumPy and SciPy. They show where mixing hides a record (low dimension,
weights near one half, few blends) and where it does not (everything that a mean or a
covariance gives away, high dimension). None of it is a guarantee for a trained GAN.
"""

from keras_mixup_gan.theory.gaussian import blend_moments as blend_moments
from keras_mixup_gan.theory.gaussian import covariance_factor as covariance_factor
from keras_mixup_gan.theory.gaussian import gaussian_mean_auc as gaussian_mean_auc
from keras_mixup_gan.theory.gaussian import (
    gaussian_mean_divergence as gaussian_mean_divergence,
)
from keras_mixup_gan.theory.gaussian import linear_generator_auc as linear_generator_auc
from keras_mixup_gan.theory.gaussian import (
    linear_generator_divergence as linear_generator_divergence,
)
from keras_mixup_gan.theory.gaussian import (
    linear_generator_log_ratio as linear_generator_log_ratio,
)
from keras_mixup_gan.theory.gaussian import mixed_mean_auc as mixed_mean_auc
from keras_mixup_gan.theory.kernel_density import blended_centers as blended_centers
from keras_mixup_gan.theory.kernel_density import (
    kernel_density_auc as kernel_density_auc,
)
from keras_mixup_gan.theory.kernel_density import (
    kernel_log_density as kernel_log_density,
)
from keras_mixup_gan.theory.likelihood_ratio import MonteCarloAUC as MonteCarloAUC
from keras_mixup_gan.theory.likelihood_ratio import (
    bretagnolle_huber as bretagnolle_huber,
)
from keras_mixup_gan.theory.likelihood_ratio import (
    gaussian_shift_auc as gaussian_shift_auc,
)
from keras_mixup_gan.theory.likelihood_ratio import (
    gaussian_shift_tpr as gaussian_shift_tpr,
)
from keras_mixup_gan.theory.likelihood_ratio import largest_auc as largest_auc
from keras_mixup_gan.theory.likelihood_ratio import (
    largest_auc_from_divergence as largest_auc_from_divergence,
)
from keras_mixup_gan.theory.likelihood_ratio import monte_carlo_auc as monte_carlo_auc
from keras_mixup_gan.theory.likelihood_ratio import pinsker as pinsker
from keras_mixup_gan.theory.likelihood_ratio import smallest_auc as smallest_auc
from keras_mixup_gan.theory.noisy_blends import gaussian_epsilon as gaussian_epsilon
from keras_mixup_gan.theory.noisy_blends import (
    noisy_blends_epsilon as noisy_blends_epsilon,
)
from keras_mixup_gan.theory.noisy_blends import noisy_blends_mu as noisy_blends_mu
