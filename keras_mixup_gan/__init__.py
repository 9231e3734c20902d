"""GANs trained on mixtures of images, and an audit of what they still give away."""

from keras_mixup_gan import data as data
from keras_mixup_gan import metrics as metrics
from keras_mixup_gan import models as models
from keras_mixup_gan import privacy as privacy
from keras_mixup_gan import zoo as zoo
from keras_mixup_gan.attacks import AttackTarget as AttackTarget
from keras_mixup_gan.attacks import AuditReport as AuditReport
from keras_mixup_gan.attacks import audit as audit
from keras_mixup_gan.mixup import MixUp as MixUp
from keras_mixup_gan.privacy import DPSGD as DPSGD

__version__ = "0.1.0"
