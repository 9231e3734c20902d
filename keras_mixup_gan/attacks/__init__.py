"""Membership-inference attacks, their statistics, and the audit that runs them."""

from keras_mixup_gan.attacks.audit import audit as audit
from keras_mixup_gan.attacks.base import Attack as Attack
from keras_mixup_gan.attacks.catalog import ATTACKS as ATTACKS
from keras_mixup_gan.attacks.gan_leaks import GANLeaks as GANLeaks
from keras_mixup_gan.attacks.logan import LOGAN as LOGAN
from keras_mixup_gan.attacks.logan import MixupLOGAN as MixupLOGAN
from keras_mixup_gan.attacks.results import AttackResult as AttackResult
from keras_mixup_gan.attacks.results import AuditReport as AuditReport
from keras_mixup_gan.attacks.target import AttackTarget as AttackTarget
from keras_mixup_gan.attacks.target import ReferenceData as ReferenceData
