"""Defences behind one interface, as arms of a comparison."""

from keras_mixup_gan.defences.base import Defence as Defence
from keras_mixup_gan.defences.catalog import DEFENCES as DEFENCES
from keras_mixup_gan.defences.catalog import make as make
from keras_mixup_gan.defences.diff_augment import DiffAugment as DiffAugment
from keras_mixup_gan.defences.dp_sgd import DifferentialPrivacy as DifferentialPrivacy
from keras_mixup_gan.defences.dropout import Dropout as Dropout
from keras_mixup_gan.defences.mixing import Mixing as Mixing
from keras_mixup_gan.defences.par_gan import ParGan as ParGan
from keras_mixup_gan.defences.priv_gan import PrivGan as PrivGan
from keras_mixup_gan.defences.relax_loss import RelaxLoss as RelaxLoss
from keras_mixup_gan.defences.undefended import Undefended as Undefended
