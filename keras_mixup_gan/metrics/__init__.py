"""Image quality and utility: generated images compared with real ones."""

from keras_mixup_gan.metrics.features import (
    EXTRACTORS,
    FeatureExtractor,
    digit_features,
    extractor_for,
    inception_features,
    pixel_features,
)
from keras_mixup_gan.metrics.fid import frechet_distance
from keras_mixup_gan.metrics.kid import KernelDistance, kernel_distance
from keras_mixup_gan.metrics.precision_recall import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    expected_coverage,
    neighbor_figures,
    precision_recall,
)
from keras_mixup_gan.metrics.quality import MEASURES, Metric, neighbor_quality, quality
from keras_mixup_gan.metrics.utility import (
    Accuracy,
    CovarianceShrinkage,
    TrainingUtility,
    covariance_shrinkage,
    mixture_shrinkage,
    train_on_generated,
    usefulness,
)

__all__ = [
    "EXTRACTORS",
    "MEASURES",
    "Accuracy",
    "CovarianceShrinkage",
    "DensityCoverage",
    "FeatureExtractor",
    "KernelDistance",
    "Metric",
    "PrecisionRecall",
    "TrainingUtility",
    "covariance_shrinkage",
    "density_coverage",
    "digit_features",
    "expected_coverage",
    "extractor_for",
    "frechet_distance",
    "inception_features",
    "kernel_distance",
    "mixture_shrinkage",
    "neighbor_figures",
    "neighbor_quality",
    "pixel_features",
    "precision_recall",
    "quality",
    "train_on_generated",
    "usefulness",
]
