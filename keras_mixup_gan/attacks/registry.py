"""Every attack by its name, and the ones that an audit runs by default."""

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.discriminator.augmented import AugmentedLOGAN
from keras_mixup_gan.attacks.discriminator.critic import (
    CalibratedCritic,
    CriticFluctuation,
    CriticGap,
)
from keras_mixup_gan.attacks.discriminator.logan import LOGAN, MixupLOGAN
from keras_mixup_gan.attacks.reconstruction.latent_gradient import LatentGradient
from keras_mixup_gan.attacks.reconstruction.latent_search import (
    CalibratedReconstruction,
    LatentSearch,
)
from keras_mixup_gan.attacks.samples.calibrated import (
    DataCalibratedGANLeaks,
    ModelCalibratedGANLeaks,
)
from keras_mixup_gan.attacks.samples.classifier import ClassifierLOGAN
from keras_mixup_gan.attacks.samples.density import DOMIAS, LogDensity
from keras_mixup_gan.attacks.samples.gan_leaks import GANLeaks
from keras_mixup_gan.attacks.samples.gen_lra import GenLRA
from keras_mixup_gan.attacks.samples.monte_carlo import (
    MonteCarlo,
    MonteCarloInverse,
    MonteCarloLog,
)
from keras_mixup_gan.attacks.samples.parzen import ParzenWindow
from keras_mixup_gan.attacks.samples.plagiarism import DPI
from keras_mixup_gan.attacks.shadows.fusion import ShadowFusion
from keras_mixup_gan.attacks.shadows.lira import (
    AdaptiveLiRA,
    AugmentedLiRA,
    BlackBoxLiRA,
    LiRA,
    OfflineLiRA,
    OffsetLiRA,
)

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
