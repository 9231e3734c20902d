"""Defenses behind one interface, as arms of a comparison."""

from keras_mixup_gan.defenses.base import (
    DEFENSES,
    Defense,
    Undefended,
    make,
    register_defense,
)
from keras_mixup_gan.defenses.diff_augment import DiffAugment
from keras_mixup_gan.defenses.differential_privacy import (
    DifferentialPrivacy,
)
from keras_mixup_gan.defenses.dropout import Dropout
from keras_mixup_gan.defenses.mixing import Mixing, Noise, NoiseOnce
from keras_mixup_gan.defenses.par_gan import PARGAN, PARGANDefense
from keras_mixup_gan.defenses.priv_gan import PrivGAN, PrivGANDefense
from keras_mixup_gan.defenses.relax_loss import RelaxLoss, RelaxLossDCGAN

__all__ = [
    "DEFENSES",
    "PARGAN",
    "Defense",
    "DiffAugment",
    "DifferentialPrivacy",
    "Dropout",
    "Mixing",
    "Noise",
    "NoiseOnce",
    "PARGANDefense",
    "PrivGAN",
    "PrivGANDefense",
    "RelaxLoss",
    "RelaxLossDCGAN",
    "Undefended",
    "make",
    "register_defense",
]
