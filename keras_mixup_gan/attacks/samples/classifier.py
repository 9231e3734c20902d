"""LOGAN, black-box (Hayes et al. 2019): a classifier of generated and other images.

It is trained on equal numbers of both, stopped where the held-out loss is least and
put back to that state, and its outputs are those that each image gets by itself.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import Attack, register_attack
from keras_mixup_gan.attacks.samples.feature_maps import (
    Features,
    check_features_choice,
    describe_features,
    fit_features,
    row_products,
)
from keras_mixup_gan.attacks.samples.streaming import generated_features
from keras_mixup_gan.attacks.target import AttackTarget, Labels
from keras_mixup_gan.randomness import Stream, derived_seed, generator
from keras_mixup_gan.typing import BoolArray, FloatArray, IntArray
from keras_mixup_gan.validation import check_integer

HIDDEN = (256, 256)
BATCH_SIZE = 256
LEARNING_RATE = 1e-3
MAX_EPOCHS = 100
PATIENCE = 5
SMALLEST_GAIN = 1e-4  # of the held-out loss, in nats, to wait on


@dataclass(frozen=True)
class Network:
    """A trained network of two classes, as it was after `num_epochs`."""

    weights: tuple[FloatArray, ...]  # of each layer, `(num_outputs, num_inputs)`
    biases: tuple[FloatArray, ...]
    num_epochs: int

    def logits(self, rows: FloatArray, quick: bool = False) -> FloatArray:
        """The log odds of class 1; if `quick`, last bits may depend on other rows."""
        values = rows
        for weights, biases in zip(self.weights, self.biases, strict=True):
            if values is not rows:
                values = np.maximum(values, 0)
            product = values @ weights.T if quick else row_products(values, weights)
            values = product + biases
        return values[:, 0]


@register_attack
class ClassifierLOGAN(Attack):
    """How much like generated images, and unlike reference images, a query looks.

    Small networks (two layers of 256) learn to tell generated from reference images,
    equally many of each; the score is their mean log odds of "generated". Where the
    model has overfitted, that is higher around its training images. One network is
    trained for each fold, which it does not see: its training stops where the loss
    there is least.

    Args:
        num_samples: Number of generated images at most; as many as there are
            reference images if that is less.
        features: See `FeaturedAttack`.
        num_folds: Number of networks, at least 2.
    """

    name = "logan_classifier"
    title = "LOGAN (classifier of samples)"
    requires = frozenset({"samples", "reference"})
    paper = (
        "Hayes, Melis, Danezis, De Cristofaro: LOGAN: Membership Inference Attacks "
        "Against Generative Models. PoPETs 2019, arXiv:1705.07663 (black-box attack "
        "with auxiliary knowledge)."
    )
    default_with = frozenset()
    _recorded = ("num_samples", "num_folds")

    def __init__(
        self,
        num_samples: int = 20_000,
        features: Features = "pixels",
        num_folds: int = 5,
    ) -> None:
        check_integer(2, num_samples=num_samples, num_folds=num_folds)
        check_features_choice(features)
        self.num_samples = num_samples
        self.features = features
        self.num_folds = num_folds

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers of images and networks, and how long these were trained."""
        described = describe_features(self.features, getattr(self, "_map", None))
        return {**super().settings, "features": described}

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return {
            "num_samples": self._num_each(target),
            "num_epochs": [net.num_epochs for net in self._networks],
        }

    def _num_each(self, target: AttackTarget) -> int:
        known = self._reference(target, 2 * self.num_folds).images
        return min(target.num_available(self.num_samples), len(known))

    def _fit(self, target: AttackTarget) -> None:
        number = self._num_each(target)
        if number < 2 * self.num_folds:
            raise ValueError(
                f"{self.title} needs at least {2 * self.num_folds} generated images. "
                f"Received: {number}. Draw more, or use fewer folds."
            )
        known = self._reference(target, 2).images
        features = fit_features(self.features, known)
        generated = generated_features(target, number, features)
        others = self._drawn_reference(target, number, 2, Stream.CLASSIFIER)
        others = features(others)
        rows = np.concatenate([generated, others])
        self._center = others.mean(axis=0)
        self._scale = float(np.sqrt(others.var(axis=0).mean())) or 1.0
        rows = (rows - self._center) / self._scale
        classes = np.repeat([1, 0], number)
        folds = balanced_folds(classes, self.num_folds, target.seed)
        self._networks = [
            train_network(rows, classes, folds == fold, seed=target.seed + fold)
            for fold in range(self.num_folds)
        ]
        self._map = features

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        rows = (self._map(images) - self._center) / self._scale
        return np.mean([net.logits(rows) for net in self._networks], axis=0)


def train_network(
    rows: FloatArray, classes: IntArray, held_out: BoolArray, seed: int
) -> Network:
    """Trains on some rows by Adam; the network as it was best on those held out.

    Classes are 0 and 1, both in equal numbers.
    """
    from sklearn.neural_network import MLPClassifier

    trained = np.flatnonzero(~held_out)
    network = MLPClassifier(
        HIDDEN,
        batch_size=min(BATCH_SIZE, len(trained)),
        learning_rate_init=LEARNING_RATE,
        random_state=derived_seed(seed, Stream.CLASSIFIER_NETWORK),
    )
    best, least, waited = None, np.inf, 0
    for epoch in range(MAX_EPOCHS):
        network.partial_fit(rows[trained], classes[trained], classes=[0, 1])
        now = _frozen(network, epoch + 1)
        loss = _log_loss(now.logits(rows[held_out], quick=True), classes[held_out])
        waited = 0 if loss < least - SMALLEST_GAIN else waited + 1
        if loss < least:
            best, least = now, loss
        if waited == PATIENCE:
            break
    if best is None:
        raise ValueError(
            "The classifier diverged. Expected: a finite held-out loss. Received: "
            f"loss={loss}. Look for features of very different size."
        )
    return best


def balanced_folds(classes: IntArray, num_folds: int, seed: int) -> IntArray:
    """A fold for each row, with each class spread evenly over the folds."""
    rng = generator(seed, Stream.FOLDS)
    folds = np.empty(len(classes), dtype="int64")
    for value in np.unique(classes):
        where = rng.permutation(np.flatnonzero(classes == value))
        folds[where] = np.arange(len(where)) % num_folds
    return folds


def _frozen(network: Any, num_epochs: int) -> Network:
    return Network(
        tuple(np.ascontiguousarray(matrix.T) for matrix in network.coefs_),
        tuple(copy.deepcopy(network.intercepts_)),
        num_epochs,
    )


def _log_loss(logits: FloatArray, classes: IntArray) -> float:
    return float(np.logaddexp(0, np.where(classes == 1, -logits, logits)).mean())
