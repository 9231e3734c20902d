"""Every attack by its name, and the ones that an audit runs by default."""

from keras_mixup_gan.attacks.augmented import AugmentedLOGAN
from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.calibrated import (
    DataCalibratedGANLeaks,
    ModelCalibratedGANLeaks,
)
from keras_mixup_gan.attacks.classifier import ClassifierLOGAN
from keras_mixup_gan.attacks.critic import (
    CalibratedCritic,
    CriticFluctuation,
    CriticGap,
)
from keras_mixup_gan.attacks.density import DOMIAS, LogDensity
from keras_mixup_gan.attacks.fusion import ShadowFusion
from keras_mixup_gan.attacks.gan_leaks import GANLeaks
from keras_mixup_gan.attacks.gen_lra import GenLRA
from keras_mixup_gan.attacks.latent_gradient import LatentGradient
from keras_mixup_gan.attacks.latent_search import (
    CalibratedReconstruction,
    LatentSearch,
)
from keras_mixup_gan.attacks.lira import (
    AdaptiveLiRA,
    AugmentedLiRA,
    BlackBoxLiRA,
    LiRA,
    OfflineLiRA,
    OffsetLiRA,
)
from keras_mixup_gan.attacks.logan import LOGAN, MixupLOGAN
from keras_mixup_gan.attacks.monte_carlo import (
    MonteCarlo,
    MonteCarloInverse,
    MonteCarloLog,
)
from keras_mixup_gan.attacks.parzen import ParzenWindow
from keras_mixup_gan.attacks.plagiarism import DPI

SAMPLE_ATTACKS: tuple[type[Attack], ...] = (
    ModelCalibratedGANLeaks,
    DataCalibratedGANLeaks,
    MonteCarlo,
    MonteCarloLog,
    MonteCarloInverse,
    ParzenWindow,
    LogDensity,
    DOMIAS,
    DPI,
    GenLRA,
    ClassifierLOGAN,
)

SHADOW_ATTACKS: tuple[type[Attack], ...] = (
    LiRA,
    OfflineLiRA,
    OffsetLiRA,
    AdaptiveLiRA,
    AugmentedLiRA,
    BlackBoxLiRA,
    ShadowFusion,
)

MODEL_ATTACKS: tuple[type[Attack], ...] = (
    CriticGap,
    CalibratedCritic,
    CriticFluctuation,
    LatentSearch,
    LatentGradient,
    CalibratedReconstruction,
)

_ALL: tuple[type[Attack], ...] = (
    LOGAN,
    MixupLOGAN,
    AugmentedLOGAN,
    GANLeaks,
    *SAMPLE_ATTACKS,
    *MODEL_ATTACKS,
    *SHADOW_ATTACKS,
)
ATTACKS: dict[str, type[Attack]] = {attack.name: attack for attack in _ALL}
# Left out by default: attacks that optimize a latent for every query, which take
# minutes, and those that order images as another one does.
DEFAULT_ATTACKS = (
    "logan",
    "logan_mixup",
    "critic_fluctuation",
    "gan_leaks",
    "gan_leaks_data",
    "monte_carlo",
    "monte_carlo_log",
    "parzen_window",
    "log_density",
    "domias",
    "dpi",
    "gen_lra",
    "logan_classifier",
)
DEFAULT_WITH_AUGMENTATION = ("logan_augmented",)
DEFAULT_WITH_REFERENCE_MODELS = ("gan_leaks_models", "critic_calibrated")
DEFAULT_WITH_SHADOWS = ("lira", "lira_offset", "fusion")
