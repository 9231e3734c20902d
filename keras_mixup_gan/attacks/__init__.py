"""Membership-inference attacks."""

from keras_mixup_gan.attacks.base import Attack as Attack
from keras_mixup_gan.attacks.discriminator.augmented import (
    AugmentedLOGAN as AugmentedLOGAN,
)
from keras_mixup_gan.attacks.discriminator.critic import (
    CalibratedCritic as CalibratedCritic,
)
from keras_mixup_gan.attacks.discriminator.critic import (
    CriticFluctuation as CriticFluctuation,
)
from keras_mixup_gan.attacks.discriminator.critic import CriticGap as CriticGap
from keras_mixup_gan.attacks.discriminator.logan import LOGAN as LOGAN
from keras_mixup_gan.attacks.discriminator.logan import MixupLOGAN as MixupLOGAN
from keras_mixup_gan.attacks.discriminator.pairs import MixedPairs as MixedPairs
from keras_mixup_gan.attacks.discriminator.pairs import PairScores as PairScores
from keras_mixup_gan.attacks.discriminator.pairs import co_membership as co_membership
from keras_mixup_gan.attacks.reconstruction.base import Reconstruction as Reconstruction
from keras_mixup_gan.attacks.reconstruction.latent_gradient import (
    LatentGradient as LatentGradient,
)
from keras_mixup_gan.attacks.reconstruction.latent_search import (
    CalibratedReconstruction as CalibratedReconstruction,
)
from keras_mixup_gan.attacks.reconstruction.latent_search import (
    LatentSearch as LatentSearch,
)
from keras_mixup_gan.attacks.registry import ATTACKS as ATTACKS
from keras_mixup_gan.attacks.samples.calibrated import (
    DataCalibratedGANLeaks as DataCalibratedGANLeaks,
)
from keras_mixup_gan.attacks.samples.calibrated import (
    ModelCalibratedGANLeaks as ModelCalibratedGANLeaks,
)
from keras_mixup_gan.attacks.samples.classifier import (
    ClassifierLOGAN as ClassifierLOGAN,
)
from keras_mixup_gan.attacks.samples.density import DOMIAS as DOMIAS
from keras_mixup_gan.attacks.samples.density import LogDensity as LogDensity
from keras_mixup_gan.attacks.samples.gan_leaks import GANLeaks as GANLeaks
from keras_mixup_gan.attacks.samples.gen_lra import GenLRA as GenLRA
from keras_mixup_gan.attacks.samples.monte_carlo import MonteCarlo as MonteCarlo
from keras_mixup_gan.attacks.samples.monte_carlo import (
    MonteCarloInverse as MonteCarloInverse,
)
from keras_mixup_gan.attacks.samples.monte_carlo import MonteCarloLog as MonteCarloLog
from keras_mixup_gan.attacks.samples.parzen import ParzenWindow as ParzenWindow
from keras_mixup_gan.attacks.samples.plagiarism import DPI as DPI
from keras_mixup_gan.attacks.samples.streaming import cached as cached
from keras_mixup_gan.attacks.samples.streaming import (
    score_in_one_pass as score_in_one_pass,
)
from keras_mixup_gan.attacks.shadows.fusion import ShadowFusion as ShadowFusion
from keras_mixup_gan.attacks.shadows.fusion import fuse as fuse
from keras_mixup_gan.attacks.shadows.lira import AdaptiveLiRA as AdaptiveLiRA
from keras_mixup_gan.attacks.shadows.lira import AugmentedLiRA as AugmentedLiRA
from keras_mixup_gan.attacks.shadows.lira import BlackBoxLiRA as BlackBoxLiRA
from keras_mixup_gan.attacks.shadows.lira import LiRA as LiRA
from keras_mixup_gan.attacks.shadows.lira import OfflineLiRA as OfflineLiRA
from keras_mixup_gan.attacks.shadows.lira import OffsetLiRA as OffsetLiRA
from keras_mixup_gan.attacks.shadows.local_gan import LocalLOGAN as LocalLOGAN
from keras_mixup_gan.attacks.shadows.store import Shadows as Shadows
from keras_mixup_gan.attacks.shadows.training import train_shadows as train_shadows
from keras_mixup_gan.attacks.target import AttackTarget as AttackTarget
from keras_mixup_gan.attacks.target import ReferenceData as ReferenceData
