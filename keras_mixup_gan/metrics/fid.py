"""Frechet distance between two sets of features."""

from typing import Any

import numpy as np

from keras_mixup_gan.metrics.features import check_both
from keras_mixup_gan.typing import FloatArray

_LARGEST = 1e100  # whose square, summed over all features, is still a number


def frechet_distance(real_features: Any, generated_features: Any) -> float:
    r"""Frechet distance between Gaussians fitted to two sets of features.

    $$|\mu_r - \mu_g|^2 + \mathrm{tr}\,\Sigma_r + \mathrm{tr}\,\Sigma_g
    - 2\,\mathrm{tr}\,(\Sigma_r \Sigma_g)^{1/2}$$

    with the unbiased covariances. The last trace is the sum of the singular values of
    $A_r A_g^T$, where $A^T A = \Sigma$ is a triangular factor of the centered features:
    no square root of a matrix is taken, so singular covariances, also those of fewer
    samples than dimensions, cost no accuracy.

    The distance of finite samples is biased upwards, the more so the fewer samples:
    compare only figures with the same extractor and the same sample counts.

    Args:
        real_features: Array `(num_real, num_features)` of at least two rows.
        generated_features: Array `(num_generated, num_features)`, likewise.

    Returns:
        The distance, 0 or more.

    Raises:
        ValueError: If the arrays are not such features.

    References:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
        Nash Equilibrium", NeurIPS 2017, Eq. 6 (the distance named FID with Inception
        features).

    Example:
        >>> features = np.random.default_rng(0).normal(size=(1000, 8))
        >>> round(frechet_distance(features, features + 1.0), 6)
        8.0
    """
    real, generated = check_both(real_features, generated_features, minimum=2)
    largest = max(np.abs(real).max(), np.abs(generated).max())
    if largest > _LARGEST:
        raise ValueError(
            "The features are too large for their squares to be summed. Expected "
            f"values up to {_LARGEST:g}. Received: up to {largest:g}. Scale both alike."
        )
    shift = real.mean(axis=0) - generated.mean(axis=0)
    real_factor, generated_factor = _factor(real), _factor(generated)
    overlap = np.linalg.svd(real_factor @ generated_factor.T, compute_uv=False).sum()
    spread = np.square(real_factor).sum() + np.square(generated_factor).sum()
    return max(0.0, float(shift @ shift + spread - 2.0 * overlap))


def _factor(features: FloatArray) -> FloatArray:
    """A matrix whose Gram matrix is the unbiased covariance of the features."""
    centered = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    if len(centered) <= centered.shape[1]:
        return centered
    return np.asarray(np.linalg.qr(centered, mode="r"))
