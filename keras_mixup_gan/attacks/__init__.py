"""Membership-inference attacks, their statistics, and the audit that runs them."""

from keras_mixup_gan.attacks.audit import audit as audit
from keras_mixup_gan.attacks.augmented import AugmentedLOGAN as AugmentedLOGAN
from keras_mixup_gan.attacks.base import Attack as Attack
from keras_mixup_gan.attacks.calibrated import (
    DataCalibratedGANLeaks as DataCalibratedGANLeaks,
)
from keras_mixup_gan.attacks.calibrated import (
    ModelCalibratedGANLeaks as ModelCalibratedGANLeaks,
)
from keras_mixup_gan.attacks.catalog import ATTACKS as ATTACKS
from keras_mixup_gan.attacks.classifier import ClassifierLOGAN as ClassifierLOGAN
from keras_mixup_gan.attacks.critic import CalibratedCritic as CalibratedCritic
from keras_mixup_gan.attacks.critic import CriticFluctuation as CriticFluctuation
from keras_mixup_gan.attacks.critic import CriticGap as CriticGap
from keras_mixup_gan.attacks.density import DOMIAS as DOMIAS
from keras_mixup_gan.attacks.density import LogDensity as LogDensity
from keras_mixup_gan.attacks.fusion import ShadowFusion as ShadowFusion
from keras_mixup_gan.attacks.fusion import fuse as fuse
from keras_mixup_gan.attacks.gan_leaks import GANLeaks as GANLeaks
from keras_mixup_gan.attacks.gen_lra import GenLRA as GenLRA
from keras_mixup_gan.attacks.guards import BlindBaseline as BlindBaseline
from keras_mixup_gan.attacks.guards import blind_baseline as blind_baseline
from keras_mixup_gan.attacks.latent_gradient import LatentGradient as LatentGradient
from keras_mixup_gan.attacks.latent_search import (
    CalibratedReconstruction as CalibratedReconstruction,
)
from keras_mixup_gan.attacks.latent_search import LatentSearch as LatentSearch
from keras_mixup_gan.attacks.lira import AdaptiveLiRA as AdaptiveLiRA
from keras_mixup_gan.attacks.lira import AugmentedLiRA as AugmentedLiRA
from keras_mixup_gan.attacks.lira import BlackBoxLiRA as BlackBoxLiRA
from keras_mixup_gan.attacks.lira import LiRA as LiRA
from keras_mixup_gan.attacks.lira import OfflineLiRA as OfflineLiRA
from keras_mixup_gan.attacks.lira import OffsetLiRA as OffsetLiRA
from keras_mixup_gan.attacks.local_gan import LocalLOGAN as LocalLOGAN
from keras_mixup_gan.attacks.logan import LOGAN as LOGAN
from keras_mixup_gan.attacks.logan import MixupLOGAN as MixupLOGAN
from keras_mixup_gan.attacks.monte_carlo import MonteCarlo as MonteCarlo
from keras_mixup_gan.attacks.monte_carlo import MonteCarloInverse as MonteCarloInverse
from keras_mixup_gan.attacks.monte_carlo import MonteCarloLog as MonteCarloLog
from keras_mixup_gan.attacks.pairs import MixedPairs as MixedPairs
from keras_mixup_gan.attacks.pairs import PairScores as PairScores
from keras_mixup_gan.attacks.pairs import co_membership as co_membership
from keras_mixup_gan.attacks.parzen import ParzenWindow as ParzenWindow
from keras_mixup_gan.attacks.plagiarism import DPI as DPI
from keras_mixup_gan.attacks.reconstruction import Reconstruction as Reconstruction
from keras_mixup_gan.attacks.results import AttackResult as AttackResult
from keras_mixup_gan.attacks.results import AuditReport as AuditReport
from keras_mixup_gan.attacks.sets import SetResult as SetResult
from keras_mixup_gan.attacks.sets import set_membership as set_membership
from keras_mixup_gan.attacks.shadow_training import train_shadows as train_shadows
from keras_mixup_gan.attacks.shadows import Shadows as Shadows
from keras_mixup_gan.attacks.streaming import cached as cached
from keras_mixup_gan.attacks.streaming import score_in_one_pass as score_in_one_pass
from keras_mixup_gan.attacks.target import AttackTarget as AttackTarget
from keras_mixup_gan.attacks.target import ReferenceData as ReferenceData
from keras_mixup_gan.attacks.top_n import top_n_accuracy as top_n_accuracy
