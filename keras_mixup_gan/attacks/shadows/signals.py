"""Signals: what a model says of an image, in numbers by which models are compared."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.discriminator.critic import CriticGap
from keras_mixup_gan.attacks.discriminator.logan import mean_scores
from keras_mixup_gan.attacks.discriminator.panels import LayerNorms, Panel, ScoreMoments
from keras_mixup_gan.attacks.reconstruction.latent_search import LatentGradient
from keras_mixup_gan.attacks.samples.gan_leaks import GANLeaks
from keras_mixup_gan.attacks.samples.near import (
    FeatureNeighbors,
    NeighborDensity,
    Neighbors,
)
from keras_mixup_gan.attacks.samples.streaming import (
    StreamedAttack,
    score_in_one_pass,
)
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray

NUM_DRAWS = 16  # transforms of each image, for "augmented"


@dataclass(frozen=True)
class Signal:
    """An attack on one model whose score is a signal, and what it needs.

    Or a `Panel`, whose several numbers are signals named as `"moments/noise/mean"`.

    Attributes:
        attack: Makes the attack that looks at so many generated images.
        num_samples: How many by default.
        requires: The accesses that it takes.
    """

    attack: Callable[[int], Attack | Panel]
    num_samples: int
    requires: frozenset[str]


_SAMPLES = frozenset({"samples"})
_DISCRIMINATOR = frozenset({"discriminator", "samples"})
SIGNALS = {
    "critic": Signal(CriticGap, 1024, _DISCRIMINATOR),
    "augmented": Signal(CriticGap, 1024, _DISCRIMINATOR),
    "nearest": Signal(GANLeaks, 5000, _SAMPLES),
    "neighbors": Signal(Neighbors, 5000, _SAMPLES),
    "features": Signal(FeatureNeighbors, 5000, _SAMPLES),
    "density": Signal(NeighborDensity, 5000, _SAMPLES),
    "reconstruction": Signal(
        lambda size: LatentGradient(size, num_steps=100, num_restarts=0),
        5000,
        frozenset({"generator"}),
    ),
    "moments": Signal(ScoreMoments, 1024, _DISCRIMINATOR),
    "layers": Signal(LayerNorms, 256, _DISCRIMINATOR | {"layers"}),
}
SAMPLE_SIGNALS = tuple(
    name for name, signal in SIGNALS.items() if signal.requires == _SAMPLES
)


def default_signals(
    augment: str | None, accesses: Collection[str] = ()
) -> tuple[str, ...]:
    """The signals that tell of a model with this augmentation, at little cost.

    Those of its layers only where the accesses to it allow them.
    """
    layers = ("layers",) if "layers" in accesses else ()
    return (*discriminator_signals(augment), *SAMPLE_SIGNALS, "moments", *layers)


def discriminator_signals(augment: str | None) -> tuple[str, ...]:
    """Scores of the discriminator."""
    return ("critic",) if augment is None else ("critic", "augmented")


def measure(
    sizes: Mapping[str, int],
    target: AttackTarget,
    images: FloatArray,
    rows: FloatArray | None,
    flips: bool = False,
) -> dict[str, FloatArray]:
    """Signals of each image under one model, higher = more likely a member.

    `sizes` are numbers of generated images by signal. The images are generated once
    for all signals that look at samples alone. With `flips` signals are means over an
    image and its mirror image.
    """
    fitted = {}
    for name, size in sizes.items():
        seen = target
        if name == "augmented":
            seen = replace(target, discriminator=mean_scores(target, NUM_DRAWS))
        fitted[name] = SIGNALS[name].attack(size).fit(seen)
    streamed = {
        name: attack
        for name, attack in fitted.items()
        if isinstance(attack, StreamedAttack)
    }
    views = [images, np.ascontiguousarray(images[:, :, ::-1])][: 1 + flips]
    found: dict[str, list[FloatArray]] = {}
    for view in views:
        passed = score_in_one_pass(list(streamed.values()), view)
        of_samples = dict(zip(streamed, passed, strict=True))
        for name, attack in fitted.items():
            if isinstance(attack, Panel):
                for part, values in attack.measure(view, rows).items():
                    found.setdefault(f"{name}/{part}", []).append(values)
            elif name in streamed:
                found.setdefault(name, []).append(of_samples[name])
            else:
                found.setdefault(name, []).append(attack.score(view, rows))
    return {name: np.mean(scores, axis=0) for name, scores in found.items()}


def panel_of(name: str) -> str:
    """The name that a signal is asked for by: `"moments"` of `"moments/noise/mean"`."""
    return name.partition("/")[0]
