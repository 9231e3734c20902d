"""The audit: attacks a trained model and reports what it gives away."""

from keras_mixup_gan.attacks.release import Release as Release
from keras_mixup_gan.auditing.canaries import CanaryExposure as CanaryExposure
from keras_mixup_gan.auditing.concerns import Caution as Caution
from keras_mixup_gan.auditing.concerns import Concern as Concern
from keras_mixup_gan.auditing.controls import BlindBaseline as BlindBaseline
from keras_mixup_gan.auditing.controls import NullTarget as NullTarget
from keras_mixup_gan.auditing.controls import blind_baseline as blind_baseline
from keras_mixup_gan.auditing.copies import CopyCheck as CopyCheck
from keras_mixup_gan.auditing.report import AuditReport as AuditReport
from keras_mixup_gan.auditing.results import AttackEntry as AttackEntry
from keras_mixup_gan.auditing.results import AttackResult as AttackResult
from keras_mixup_gan.auditing.run import audit as audit
from keras_mixup_gan.auditing.verdict import AuditVerdict as AuditVerdict
from keras_mixup_gan.auditing.verdict import Leak as Leak
