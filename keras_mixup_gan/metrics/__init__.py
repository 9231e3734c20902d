"""Image quality: distances between the features of generated and real images."""

from keras_mixup_gan.metrics.features import FeatureExtractor as FeatureExtractor
from keras_mixup_gan.metrics.features import digit_features as digit_features
from keras_mixup_gan.metrics.features import inception_features as inception_features
from keras_mixup_gan.metrics.features import pixel_features as pixel_features
from keras_mixup_gan.metrics.fid import frechet_distance as frechet_distance
from keras_mixup_gan.metrics.kid import KernelDistance as KernelDistance
from keras_mixup_gan.metrics.kid import kernel_distance as kernel_distance
from keras_mixup_gan.metrics.quality import quality as quality
