"""Differentially private training and its accounting."""

from keras_mixup_gan.privacy.accounting import (
    PrivacyReport,
    epsilon,
    noise_multiplier_for,
    privacy_profile,
)
from keras_mixup_gan.privacy.dpsgd import DPSGD

__all__ = [
    "DPSGD",
    "PrivacyReport",
    "epsilon",
    "noise_multiplier_for",
    "privacy_profile",
]
