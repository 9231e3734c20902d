"""Differentially private training and its accounting."""

from keras_mixup_gan.privacy.accounting import PrivacyReport as PrivacyReport
from keras_mixup_gan.privacy.accounting import epsilon as epsilon
from keras_mixup_gan.privacy.accounting import (
    noise_multiplier_for as noise_multiplier_for,
)
from keras_mixup_gan.privacy.accounting import privacy_profile as privacy_profile
from keras_mixup_gan.privacy.dpsgd import DPSGD as DPSGD
