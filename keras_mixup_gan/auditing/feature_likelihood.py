"""The gap of feature likelihood: are members likelier under the samples than others?

Jiralerspong, Bose, Gemp, Qin, Bachrach, Gidel, "Feature Likelihood Divergence:
Evaluating the Generalization of Generative Models Using Samples", NeurIPS 2023,
arXiv:2302.04440.
"""

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from keras_mixup_gan.typing import FloatArray

NUM_ROUNDS = 50
BASE_SHARE = 0.9  # of the distance to the middle of the training features
LOG_VARIANCES = (-40.0, 20.0)


def fld_gap(train: FloatArray, held_out: FloatArray, generated: FloatArray) -> float:
    """The feature likelihood divergence of training images less that of others.

    Generated images are centers of Gaussians whose widths are fitted to the training
    images, so that a copy becomes narrow: of such a mixture held-out images are
    unlikely. Far below 0 means that members are imitated. The fit itself makes it a few
    units less than 0.

    Args:
        train: Features of training images `(num_train, num_features)`.
        held_out: Features of other images, whose mean and deviation set the scale.
        generated: Features of generated images.

    Returns:
        A hundred times the difference of mean negative log likelihoods per feature.
    """
    mean, deviation = held_out.mean(axis=0), held_out.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    train, held_out, generated = (
        (part.astype("float64") - mean) / scale for part in (train, held_out, generated)
    )
    variances = fitted_variances(train, generated)
    losses = [
        -log_likelihoods(part, generated, variances).mean()
        for part in (train, held_out)
    ]
    return float(100 * (losses[0] - losses[1]) / train.shape[1])


def fitted_variances(train: FloatArray, centers: FloatArray) -> FloatArray:
    """The logarithms of the centers' variances under which `train` is likeliest.

    Found by expectation maximization. A wide component around the middle of the
    training features, nearer to all than it is, keeps each of them likely enough that
    no center has to reach far. It is not part of what is evaluated.
    """
    num_features = train.shape[1]
    squares = cdist(train, centers, "sqeuclidean")
    middle = train.mean(axis=0)[None]
    to_middle = BASE_SHARE**2 * cdist(train, middle, "sqeuclidean")
    squares = np.concatenate([squares, to_middle], axis=1)
    shares = np.full(squares.shape[1], 1 / len(centers))
    shares[-1] = 1.0
    variances = np.log((squares.min(axis=0) + 1e-3) / num_features)
    variances[-1] = 0.0
    for _ in range(NUM_ROUNDS):
        logs = _log_densities(squares, variances, num_features) + np.log(shares)
        weights = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        total = weights.sum(axis=0)
        spread = (weights * squares).sum(axis=0) / num_features
        known = (total > 0) & (spread > 0)
        found = np.log(spread, where=known, out=np.full(len(total), LOG_VARIANCES[0]))
        found -= np.log(total, where=known, out=np.zeros(len(total)))
        # One that answers for nothing stays; one that meets an image exactly closes.
        variances = np.clip(np.where(total > 0, found, variances), *LOG_VARIANCES)
    return variances[:-1]


def log_likelihoods(
    points: FloatArray, centers: FloatArray, variances: FloatArray
) -> FloatArray:
    """Log densities of points under evenly weighted Gaussians, by log variances."""
    squares = cdist(points, centers, "sqeuclidean")
    logs = _log_densities(squares, variances, points.shape[1])
    return np.asarray(logsumexp(logs, axis=1) - np.log(len(centers)))


def _log_densities(
    squares: FloatArray, variances: FloatArray, num_features: int
) -> FloatArray:
    scaled = squares * np.exp(-variances) + num_features * (
        variances + np.log(2 * np.pi)
    )
    return -0.5 * scaled
