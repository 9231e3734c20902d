"""A small classifier of two sets of images, and nothing that could fool it.

Equal numbers of both classes, a network stopped where the held-out loss is least and
put back to that state, and outputs that each input gets by itself.
"""

import copy
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_mixup_gan.attacks.samples.feature_maps import row_products
from keras_mixup_gan.typing import FloatArray, IntArray

BoolArray: TypeAlias = NDArray[np.bool_]

HIDDEN = (256, 256)
BATCH_SIZE = 256
LEARNING_RATE = 1e-3
MAX_EPOCHS = 100
PATIENCE = 5
SMALLEST_GAIN = 1e-4  # of the held-out loss, in nats, to wait on


@dataclass(frozen=True)
class Network:
    """A trained network of two classes.

    Attributes:
        weights: Matrix `(num_outputs, num_inputs)` of each layer, float64.
        biases: Vector of each layer.
        num_epochs: Number of epochs after which the held-out loss was least.
    """

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
    num_epochs: int

    def logits(self, rows: FloatArray, quick: bool = False) -> FloatArray:
        """The log odds of class 1 for each row, float64 `(num_rows,)`.

        Each row is computed by itself, unless `quick`: then its last bits may depend
        on the others.
        """
        values = rows
        for weights, biases in zip(self.weights, self.biases, strict=True):
            if values is not rows:
                values = np.maximum(values, 0)
            product = values @ weights.T if quick else row_products(values, weights)
            values = product + biases
        return values[:, 0]


def train_network(
    rows: FloatArray,
    classes: IntArray,
    held_out: BoolArray,
    seed: int,
) -> Network:
    """Trains on some rows and stops where the loss on the others is least.

    Args:
        rows: Float64 array `(num_rows, num_values)`.
        classes: Integer array `(num_rows,)` of 0 and 1, both in equal numbers.
        held_out: Boolean array `(num_rows,)`: rows that decide when to stop.
        seed: Seed of the initial weights and of the order of the rows.

    Returns:
        The network as it was when the held-out loss was least.

    Source: Kingma and Ba, "Adam", ICLR 2015, for the training.
    """
    from sklearn.neural_network import MLPClassifier

    trained = np.flatnonzero(~held_out)
    network = MLPClassifier(
        HIDDEN,
        batch_size=min(BATCH_SIZE, len(trained)),
        learning_rate_init=LEARNING_RATE,
        # scikit-learn takes 32 bits, seeds of ours may have more.
        random_state=int(np.random.default_rng([seed, 22]).integers(2**31)),
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
    rng = np.random.default_rng([seed, 20])
    folds = np.empty(len(classes), dtype="int64")
    for value in np.unique(classes):
        where = rng.permutation(np.flatnonzero(classes == value))
        folds[where] = np.arange(len(where)) % num_folds
    return folds


def _frozen(network: Any, num_epochs: int) -> Network:
    """A copy of the weights as they are now."""
    return Network(
        tuple(np.ascontiguousarray(matrix.T) for matrix in network.coefs_),
        tuple(copy.deepcopy(network.intercepts_)),
        num_epochs,
    )


def _log_loss(logits: FloatArray, classes: IntArray) -> float:
    """Mean cross-entropy of the log odds."""
    return float(np.logaddexp(0, np.where(classes == 1, -logits, logits)).mean())
