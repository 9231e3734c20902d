"""GANs trained on mixtures of images, and an audit of what they still give away."""

from typing import TYPE_CHECKING

from keras_mixup_gan.lazy import lazy_names
from keras_mixup_gan.versions import __version__ as __version__

if TYPE_CHECKING:
    from keras_mixup_gan import attacks as attacks
    from keras_mixup_gan import auditing as auditing
    from keras_mixup_gan import callbacks as callbacks
    from keras_mixup_gan import data as data
    from keras_mixup_gan import defenses as defenses
    from keras_mixup_gan import metrics as metrics
    from keras_mixup_gan import models as models
    from keras_mixup_gan import privacy as privacy
    from keras_mixup_gan import reports as reports
    from keras_mixup_gan import statistics as statistics
    from keras_mixup_gan import theory as theory
    from keras_mixup_gan import zoo as zoo
    from keras_mixup_gan.attacks import AttackTarget as AttackTarget
    from keras_mixup_gan.auditing import AuditReport as AuditReport
    from keras_mixup_gan.auditing.run import audit as audit
    from keras_mixup_gan.mixup import MixUp as MixUp
    from keras_mixup_gan.privacy import DPSGD as DPSGD
else:
    _MODULES = (
        *("attacks", "auditing", "callbacks", "data", "defenses", "metrics"),
        *("models", "privacy", "reports", "statistics", "theory", "zoo"),
    )
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            **{name: f"{__name__}.{name}" for name in _MODULES},
            "AttackTarget": f"{__name__}.attacks",
            "AuditReport": f"{__name__}.auditing",
            "audit": f"{__name__}.auditing",
            "MixUp": f"{__name__}.mixup",
            "DPSGD": f"{__name__}.privacy",
        },
    )
