"""GANs trained on mixtures of images, and an audit of what they still give away."""

from typing import TYPE_CHECKING

from keras_mixup_gan.lazy import lazy_names
from keras_mixup_gan.versions import __version__

__all__ = [
    "DPSGD",
    "AttackTarget",
    "AuditReport",
    "MixUp",
    "__version__",
    "attacks",
    "audit",
    "auditing",
    "callbacks",
    "data",
    "defenses",
    "metrics",
    "models",
    "privacy",
    "reports",
    "statistics",
    "theory",
    "zoo",
]

if TYPE_CHECKING:
    from keras_mixup_gan import (
        attacks,
        auditing,
        callbacks,
        data,
        defenses,
        metrics,
        models,
        privacy,
        reports,
        statistics,
        theory,
        zoo,
    )
    from keras_mixup_gan.attacks import AttackTarget
    from keras_mixup_gan.auditing import AuditReport
    from keras_mixup_gan.auditing.run import audit
    from keras_mixup_gan.mixup import MixUp
    from keras_mixup_gan.privacy import DPSGD
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
