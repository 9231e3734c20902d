"""The audit: attacks a trained model and reports what it gives away."""

from keras_mixup_gan.attacks.release import Release
from keras_mixup_gan.auditing.canaries import CanaryExposure
from keras_mixup_gan.auditing.concerns import Caution, Concern
from keras_mixup_gan.auditing.controls import BlindBaseline, NullTarget, blind_baseline
from keras_mixup_gan.auditing.copies import CopyCheck
from keras_mixup_gan.auditing.report import AuditReport
from keras_mixup_gan.auditing.results import AttackEntry, AttackResult
from keras_mixup_gan.auditing.run import audit
from keras_mixup_gan.auditing.verdict import AuditVerdict, Leak

__all__ = [
    "AttackEntry",
    "AttackResult",
    "AuditReport",
    "AuditVerdict",
    "BlindBaseline",
    "CanaryExposure",
    "Caution",
    "Concern",
    "CopyCheck",
    "Leak",
    "NullTarget",
    "Release",
    "audit",
    "blind_baseline",
]
