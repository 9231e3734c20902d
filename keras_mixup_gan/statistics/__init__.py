"""Statistics of membership scores: pure functions of arrays (NumPy and SciPy only)."""

from keras_mixup_gan.statistics.epsilon_bounds import (
    epsilon_clopper_pearson as epsilon_clopper_pearson,
)
from keras_mixup_gan.statistics.epsilon_bounds import epsilon_one_run as epsilon_one_run
from keras_mixup_gan.statistics.held_out import Advantage as Advantage
from keras_mixup_gan.statistics.held_out import HeldOutStrongest as HeldOutStrongest
from keras_mixup_gan.statistics.held_out import (
    cross_fitted_advantage as cross_fitted_advantage,
)
from keras_mixup_gan.statistics.held_out import strongest_held_out as strongest_held_out
from keras_mixup_gan.statistics.leaks import Evidence as Evidence
from keras_mixup_gan.statistics.leaks import evidence as evidence
from keras_mixup_gan.statistics.over_seeds import Difference as Difference
from keras_mixup_gan.statistics.over_seeds import Mean as Mean
from keras_mixup_gan.statistics.over_seeds import holm as holm
from keras_mixup_gan.statistics.over_seeds import mean_over_seeds as mean_over_seeds
from keras_mixup_gan.statistics.over_seeds import paired_difference as paired_difference
from keras_mixup_gan.statistics.power import SetInference as SetInference
from keras_mixup_gan.statistics.power import SetResult as SetResult
from keras_mixup_gan.statistics.power import detectable_auc as detectable_auc
from keras_mixup_gan.statistics.power import set_inference as set_inference
from keras_mixup_gan.statistics.power import set_membership as set_membership
from keras_mixup_gan.statistics.roc import OperatingPoint as OperatingPoint
from keras_mixup_gan.statistics.roc import WithheldPoint as WithheldPoint
from keras_mixup_gan.statistics.roc import auc as auc
from keras_mixup_gan.statistics.roc import clopper_pearson as clopper_pearson
from keras_mixup_gan.statistics.roc import delong_interval as delong_interval
from keras_mixup_gan.statistics.roc import operating_points as operating_points
from keras_mixup_gan.statistics.roc import roc_curve as roc_curve
from keras_mixup_gan.statistics.roc import top_n_accuracy as top_n_accuracy
from keras_mixup_gan.statistics.roc import tpr_at_fpr as tpr_at_fpr
