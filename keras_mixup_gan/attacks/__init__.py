"""Membership-inference attacks."""

# Attacks are listed, and by default run, in the order in which they are imported here.
# ruff: noqa: I001
from keras_mixup_gan.attacks.base import (
    ATTACKS as ATTACKS,
    Attack as Attack,
    register_attack as register_attack,
)
from keras_mixup_gan.attacks.discriminator.logan import (
    LOGAN as LOGAN,
    AugmentedLOGAN as AugmentedLOGAN,
    MixupLOGAN as MixupLOGAN,
)
from keras_mixup_gan.attacks.discriminator.critic import (
    CalibratedCritic as CalibratedCritic,
    CriticFluctuation as CriticFluctuation,
    CriticGap as CriticGap,
)
from keras_mixup_gan.attacks.discriminator.pairs import (
    MixedPairs as MixedPairs,
    PairScores as PairScores,
    co_membership as co_membership,
)
from keras_mixup_gan.attacks.samples.gan_leaks import (
    DataCalibratedGANLeaks as DataCalibratedGANLeaks,
    GANLeaks as GANLeaks,
    ModelCalibratedGANLeaks as ModelCalibratedGANLeaks,
)
from keras_mixup_gan.attacks.samples.monte_carlo import (
    MonteCarlo as MonteCarlo,
    MonteCarloInverse as MonteCarloInverse,
    MonteCarloLog as MonteCarloLog,
    ParzenWindow as ParzenWindow,
)
from keras_mixup_gan.attacks.samples.density import (
    DOMIAS as DOMIAS,
    DensityAttack as DensityAttack,
    GenLRA as GenLRA,
    LogDensity as LogDensity,
)
from keras_mixup_gan.attacks.samples.plagiarism import DPI as DPI
from keras_mixup_gan.attacks.samples.quantile import (
    QuantileGANLeaks as QuantileGANLeaks,
)
from keras_mixup_gan.attacks.samples.classifier import (
    ClassifierLOGAN as ClassifierLOGAN,
)
from keras_mixup_gan.attacks.samples.streaming import (
    FeaturedAttack as FeaturedAttack,
    cached as cached,
    score_in_one_pass as score_in_one_pass,
)
from keras_mixup_gan.attacks.reconstruction.latent_search import (
    CalibratedReconstruction as CalibratedReconstruction,
    LatentGradient as LatentGradient,
    LatentSearch as LatentSearch,
    ReconstructingAttack as ReconstructingAttack,
    Reconstruction as Reconstruction,
)
from keras_mixup_gan.attacks.shadows.lira import (
    AdaptiveLiRA as AdaptiveLiRA,
    AugmentedLiRA as AugmentedLiRA,
    BlackBoxLiRA as BlackBoxLiRA,
    LiRA as LiRA,
    OfflineLiRA as OfflineLiRA,
    OffsetLiRA as OffsetLiRA,
)
from keras_mixup_gan.attacks.shadows.bayes import (
    RMIA as RMIA,
    BayesianLiRA as BayesianLiRA,
)
from keras_mixup_gan.attacks.shadows.black_box import (
    DensityLiRA as DensityLiRA,
    FeatureLiRA as FeatureLiRA,
    NearestLiRA as NearestLiRA,
    NeighborLiRA as NeighborLiRA,
    ReconstructionLiRA as ReconstructionLiRA,
)
from keras_mixup_gan.attacks.shadows.fusion import (
    MomentFusion as MomentFusion,
    SampleFusion as SampleFusion,
    ShadowFusion as ShadowFusion,
    WhiteBoxFusion as WhiteBoxFusion,
    fuse as fuse,
)
from keras_mixup_gan.attacks.shadows.local_gan import LocalLOGAN as LocalLOGAN
from keras_mixup_gan.attacks.shadows.store import Shadows as Shadows
from keras_mixup_gan.attacks.shadows.study import (
    ShadowStudy as ShadowStudy,
    StudiedAttack as StudiedAttack,
    shadow_study as shadow_study,
    study_of as study_of,
)
from keras_mixup_gan.attacks.shadows.training import train_shadows as train_shadows
from keras_mixup_gan.attacks.release import Release as Release
from keras_mixup_gan.attacks.target import (
    AttackTarget as AttackTarget,
    ReferenceData as ReferenceData,
)
