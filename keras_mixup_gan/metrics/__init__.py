"""Image quality and utility: generated images compared with real ones."""

from keras_mixup_gan.metrics.features import EXTRACTORS as EXTRACTORS
from keras_mixup_gan.metrics.features import FeatureExtractor as FeatureExtractor
from keras_mixup_gan.metrics.features import digit_features as digit_features
from keras_mixup_gan.metrics.features import extractor_for as extractor_for
from keras_mixup_gan.metrics.features import inception_features as inception_features
from keras_mixup_gan.metrics.features import pixel_features as pixel_features
from keras_mixup_gan.metrics.fid import frechet_distance as frechet_distance
from keras_mixup_gan.metrics.kid import KernelDistance as KernelDistance
from keras_mixup_gan.metrics.kid import kernel_distance as kernel_distance
from keras_mixup_gan.metrics.precision_recall import DensityCoverage as DensityCoverage
from keras_mixup_gan.metrics.precision_recall import PrecisionRecall as PrecisionRecall
from keras_mixup_gan.metrics.precision_recall import (
    density_coverage as density_coverage,
)
from keras_mixup_gan.metrics.precision_recall import (
    expected_coverage as expected_coverage,
)
from keras_mixup_gan.metrics.precision_recall import (
    precision_recall as precision_recall,
)
from keras_mixup_gan.metrics.quality import MEASURES as MEASURES
from keras_mixup_gan.metrics.quality import Metric as Metric
from keras_mixup_gan.metrics.quality import neighbor_quality as neighbor_quality
from keras_mixup_gan.metrics.quality import quality as quality
from keras_mixup_gan.metrics.utility import Accuracy as Accuracy
from keras_mixup_gan.metrics.utility import CovarianceShrinkage as CovarianceShrinkage
from keras_mixup_gan.metrics.utility import TrainingUtility as TrainingUtility
from keras_mixup_gan.metrics.utility import covariance_shrinkage as covariance_shrinkage
from keras_mixup_gan.metrics.utility import mixture_shrinkage as mixture_shrinkage
from keras_mixup_gan.metrics.utility import train_on_generated as train_on_generated
from keras_mixup_gan.metrics.utility import usefulness as usefulness
