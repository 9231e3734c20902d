"""The audit: attacks a trained model and reports what it gives away."""

from keras_mixup_gan.auditing.attack_result import AttackResult as AttackResult
from keras_mixup_gan.auditing.guards import BlindBaseline as BlindBaseline
from keras_mixup_gan.auditing.guards import blind_baseline as blind_baseline
from keras_mixup_gan.auditing.results import AuditReport as AuditReport
from keras_mixup_gan.auditing.run import audit as audit
