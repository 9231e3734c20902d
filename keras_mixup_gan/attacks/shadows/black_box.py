"""Attacks with shadow models on what is released: samples, or the generator.

Each compares one signal, by the Bayesian form of LiRA, which does with few shadows.
"""

from typing import ClassVar

from keras_mixup_gan.attacks.base import register_attack
from keras_mixup_gan.attacks.shadows.bayes import BayesianLiRA

_SHADOWS = "Shadow models and Student's t of arXiv:2603.11799 (2026), on "
_GAN_LEAKS = (
    "Chen, Yu, Zhang, Fritz: GAN-Leaks: A Taxonomy of Membership Inference Attacks "
    "Against Generative Models. CCS 2020, arXiv:1909.03935"
)


@register_attack
class NearestLiRA(BayesianLiRA):
    """`BayesianLiRA` on the distance to the nearest generated image."""

    name = "lira_nearest"
    title = "Shadow models, nearest sample"
    requires = frozenset({"shadows", "samples"})
    paper = f"{_SHADOWS}the distance of {_GAN_LEAKS}."
    default_with = frozenset({"shadows", "nearest"})
    signal: ClassVar[str] = "nearest"


@register_attack
class NeighborLiRA(BayesianLiRA):
    """`BayesianLiRA` on the mean distance to the 10 nearest generated images."""

    name = "lira_neighbors"
    title = "Shadow models, nearest samples"
    requires = frozenset({"shadows", "samples"})
    paper = f"{_SHADOWS}distances as of {_GAN_LEAKS}."
    default_with = frozenset({"shadows", "neighbors"})
    signal = "neighbors"


@register_attack
class FeatureLiRA(BayesianLiRA):
    """`BayesianLiRA` on the same distance in low frequencies of the images."""

    name = "lira_features"
    title = "Shadow models, nearest samples in features"
    requires = frozenset({"shadows", "samples"})
    paper = f"{_SHADOWS}distances as of {_GAN_LEAKS}, in low frequencies."
    default_with = frozenset({"shadows", "features"})
    signal = "features"


@register_attack
class DensityLiRA(BayesianLiRA):
    """`BayesianLiRA` on a narrow kernel density of generated images."""

    name = "lira_density"
    title = "Shadow models, density of samples"
    requires = frozenset({"shadows", "samples"})
    paper = (
        f"{_SHADOWS}the density of Hilprecht, Härterich, Bernau: Monte Carlo and "
        "Reconstruction Membership Inference Attacks against Generative Models. "
        "PoPETs 2019."
    )
    default_with = frozenset({"shadows", "density"})
    signal = "density"


@register_attack
class ReconstructionLiRA(BayesianLiRA):
    """`BayesianLiRA` on the loss of the best reconstruction by gradients.

    It takes `train_shadows(..., signals=["reconstruction"])`, which is slow: a search
    of latents for every image and shadow model.
    """

    name = "lira_reconstruction"
    title = "Shadow models, reconstruction by gradients"
    requires = frozenset({"shadows", "generator"})
    paper = f"{_SHADOWS}the reconstruction of {_GAN_LEAKS}."
    default_with = frozenset({"shadows", "reconstruction"})
    signal = "reconstruction"
