"""Statistics of membership scores: pure functions of arrays (NumPy and SciPy only)."""

from keras_mixup_gan.statistics.epsilon_bounds import (
    epsilon_clopper_pearson,
    epsilon_one_run,
)
from keras_mixup_gan.statistics.held_out import (
    Advantage,
    HeldOutStrongest,
    cross_fitted_advantage,
    strongest_held_out,
)
from keras_mixup_gan.statistics.leaks import Evidence, evidence
from keras_mixup_gan.statistics.over_seeds import (
    Difference,
    Mean,
    holm,
    mean_over_seeds,
    paired_difference,
)
from keras_mixup_gan.statistics.power import (
    SetInference,
    SetResult,
    detectable_auc,
    set_inference,
    set_membership,
)
from keras_mixup_gan.statistics.roc import (
    OperatingPoint,
    WithheldPoint,
    auc,
    clopper_pearson,
    delong_interval,
    operating_points,
    roc_curve,
    top_n_accuracy,
    tpr_at_fpr,
)

__all__ = [
    "Advantage",
    "Difference",
    "Evidence",
    "HeldOutStrongest",
    "Mean",
    "OperatingPoint",
    "SetInference",
    "SetResult",
    "WithheldPoint",
    "auc",
    "clopper_pearson",
    "cross_fitted_advantage",
    "delong_interval",
    "detectable_auc",
    "epsilon_clopper_pearson",
    "epsilon_one_run",
    "evidence",
    "holm",
    "mean_over_seeds",
    "operating_points",
    "paired_difference",
    "roc_curve",
    "set_inference",
    "set_membership",
    "strongest_held_out",
    "top_n_accuracy",
    "tpr_at_fpr",
]
