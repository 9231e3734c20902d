"""Callbacks that show and measure a GAN while it trains."""

from keras_mixup_gan.callbacks.image_grid import ImageGrid
from keras_mixup_gan.callbacks.privacy_monitor import PrivacyMonitor
from keras_mixup_gan.callbacks.quality_monitor import QualityMonitor

__all__ = [
    "ImageGrid",
    "PrivacyMonitor",
    "QualityMonitor",
]
