"""Scripts that print and save the published tables."""

from keras_mixup_gan.process import settle_tensorflow

settle_tensorflow()
