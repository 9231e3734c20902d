"""Defenses behind one interface, as arms of a comparison."""

from keras_mixup_gan.defenses.base import DEFENSES as DEFENSES
from keras_mixup_gan.defenses.base import Defense as Defense
from keras_mixup_gan.defenses.base import Undefended as Undefended
from keras_mixup_gan.defenses.base import make as make
from keras_mixup_gan.defenses.base import register_defense as register_defense
from keras_mixup_gan.defenses.diff_augment import DiffAugment as DiffAugment
from keras_mixup_gan.defenses.differential_privacy import (
    DifferentialPrivacy as DifferentialPrivacy,
)
from keras_mixup_gan.defenses.dropout import Dropout as Dropout
from keras_mixup_gan.defenses.mixing import Mixing as Mixing
from keras_mixup_gan.defenses.mixing import Noise as Noise
from keras_mixup_gan.defenses.par_gan import PARGAN as PARGAN
from keras_mixup_gan.defenses.par_gan import PARGANDefense as PARGANDefense
from keras_mixup_gan.defenses.priv_gan import PrivGAN as PrivGAN
from keras_mixup_gan.defenses.priv_gan import PrivGANDefense as PrivGANDefense
from keras_mixup_gan.defenses.relax_loss import RelaxLoss as RelaxLoss
from keras_mixup_gan.defenses.relax_loss import RelaxLossDCGAN as RelaxLossDCGAN
