"""Membership-inference attacks."""

# Attacks are listed, and by default run, in the order in which they are imported here.
# ruff: noqa: I001
from keras_mixup_gan.attacks.base import (
    ATTACKS,
    Attack,
    register_attack,
)
from keras_mixup_gan.attacks.discriminator.logan import (
    LOGAN,
    AugmentedLOGAN,
    MixupLOGAN,
)
from keras_mixup_gan.attacks.discriminator.critic import (
    CalibratedCritic,
    CriticFluctuation,
    CriticGap,
)
from keras_mixup_gan.attacks.discriminator.pairs import (
    MixedPairs,
    PairScores,
    co_membership,
)
from keras_mixup_gan.attacks.samples.gan_leaks import (
    DataCalibratedGANLeaks,
    GANLeaks,
    ModelCalibratedGANLeaks,
)
from keras_mixup_gan.attacks.samples.monte_carlo import (
    MonteCarlo,
    MonteCarloInverse,
    MonteCarloLog,
    ParzenWindow,
)
from keras_mixup_gan.attacks.samples.density import (
    DOMIAS,
    DensityAttack,
    GenLRA,
    LogDensity,
)
from keras_mixup_gan.attacks.samples.plagiarism import DPI
from keras_mixup_gan.attacks.samples.quantile import (
    QuantileGANLeaks,
)
from keras_mixup_gan.attacks.samples.classifier import (
    ClassifierLOGAN,
)
from keras_mixup_gan.attacks.samples.streaming import (
    FeaturedAttack,
    cached,
    score_in_one_pass,
)
from keras_mixup_gan.attacks.reconstruction.latent_search import (
    CalibratedReconstruction,
    LatentGradient,
    LatentSearch,
    ReconstructingAttack,
    Reconstruction,
)
from keras_mixup_gan.attacks.shadows.lira import (
    AdaptiveLiRA,
    AugmentedLiRA,
    BlackBoxLiRA,
    LiRA,
    OfflineLiRA,
    OffsetLiRA,
)
from keras_mixup_gan.attacks.shadows.bayes import (
    RMIA,
    BayesianLiRA,
)
from keras_mixup_gan.attacks.shadows.black_box import (
    DensityLiRA,
    FeatureLiRA,
    NearestLiRA,
    NeighborLiRA,
    ReconstructionLiRA,
)
from keras_mixup_gan.attacks.shadows.fusion import (
    MomentFusion,
    SampleFusion,
    ShadowFusion,
    WhiteBoxFusion,
    fuse,
)
from keras_mixup_gan.attacks.shadows.local_gan import LocalLOGAN
from keras_mixup_gan.attacks.shadows.store import Shadows
from keras_mixup_gan.attacks.shadows.study import (
    ShadowStudy,
    StudiedAttack,
    shadow_study,
    study_of,
)
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.attacks.release import Release
from keras_mixup_gan.attacks.target import (
    AttackTarget,
    ReferenceData,
)

__all__ = [
    "ATTACKS",
    "DOMIAS",
    "DPI",
    "LOGAN",
    "RMIA",
    "AdaptiveLiRA",
    "Attack",
    "AttackTarget",
    "AugmentedLOGAN",
    "AugmentedLiRA",
    "BayesianLiRA",
    "BlackBoxLiRA",
    "CalibratedCritic",
    "CalibratedReconstruction",
    "ClassifierLOGAN",
    "CriticFluctuation",
    "CriticGap",
    "DataCalibratedGANLeaks",
    "DensityAttack",
    "DensityLiRA",
    "FeatureLiRA",
    "FeaturedAttack",
    "GANLeaks",
    "GenLRA",
    "LatentGradient",
    "LatentSearch",
    "LiRA",
    "LocalLOGAN",
    "LogDensity",
    "MixedPairs",
    "MixupLOGAN",
    "ModelCalibratedGANLeaks",
    "MomentFusion",
    "MonteCarlo",
    "MonteCarloInverse",
    "MonteCarloLog",
    "NearestLiRA",
    "NeighborLiRA",
    "OfflineLiRA",
    "OffsetLiRA",
    "PairScores",
    "ParzenWindow",
    "QuantileGANLeaks",
    "ReconstructingAttack",
    "Reconstruction",
    "ReconstructionLiRA",
    "ReferenceData",
    "Release",
    "SampleFusion",
    "ShadowFusion",
    "ShadowStudy",
    "Shadows",
    "StudiedAttack",
    "WhiteBoxFusion",
    "cached",
    "co_membership",
    "fuse",
    "register_attack",
    "score_in_one_pass",
    "shadow_study",
    "study_of",
    "train_shadows",
]
