"""What DP-SGD costs: ratios to the undefended step, within one process, in turns.

    python -m benchmarks.dp [--rounds N] [--out FILE]

The update of a discriminator of 661,000 parameters on real images alone, Adam and
noise included: undefended, by ghost clipping, by the query engine, and by
tensorflow-privacy's `clip_and_aggregate_gradients` as its documentation shows, which
takes turns with an undefended one alone and in few rounds, as its steps are long. Then
a whole training step of the recipe's DCGAN. TensorFlow uses `--threads` threads.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.speed import BASELINE, rows_of
from keras_mixup_gan import DPSGD, data, storage, zoo
from keras_mixup_gan.experiments import timing
from keras_mixup_gan.models.dcgan import real_loss
from keras_mixup_gan.privacy import tfp
from keras_mixup_gan.privacy.dpsgd import PrivateGradients
from keras_mixup_gan.privacy.ghost import GhostClipping
from keras_mixup_gan.versions import software_versions

L = keras.layers
LARGE = "discriminator, 661k parameters, reals alone"
RECIPE = "training step of the recipe's DCGAN"


def large_discriminator() -> keras.Model:
    """Three strided convolutions with dropout: 660,929 parameters."""
    x = inputs = keras.Input((28, 28, 1))
    for channels in (64, 128, 256):
        x = L.LeakyReLU(0.2)(L.Conv2D(channels, 4, 2, "same")(x))
        x = L.Dropout(0.3)(x)
    return keras.Model(inputs, L.Dense(1)(L.Flatten()(x)))


class Updates:
    """One update of a discriminator on a batch, computed in several ways."""

    def __init__(self, images: Any) -> None:
        self.images = tf.constant(images)
        self.mask = tf.ones(len(images), tf.bool)
        self.step = tf.constant(0, tf.int64)
        self.network = large_discriminator()
        self.settings = DPSGD(1.0, 1.0)
        self.private = PrivateGradients(self.settings, len(images))
        self.ghost_clipping = GhostClipping(self.network, 1.0)
        self.library = tfp.load("optimizers.clip_and_aggregate_gradients")

    def losses(self, network: Any, images: Any) -> Any:
        """The loss of each image as a real one."""
        return real_loss(network(images, training=True)[:, 0])

    def undefended(self, variables: list[Any]) -> list[Any]:
        """The gradient of the mean."""
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.losses(self.network, self.images))
        return tape.gradient(loss, variables)

    def ghost(self, variables: list[Any]) -> list[Any]:
        """Clipped by norms that need no gradients."""
        sums = self.ghost_clipping(lambda d: self.losses(d, self.images), self.mask)
        return self.private.noised(sums, self.step)

    def query(self, variables: list[Any]) -> list[Any]:
        """Clipped gradient by gradient."""

        def row_loss(image: Any) -> Any:
            return self.losses(self.network, image[None])[0]

        rows, mask = self.images, self.mask
        return self.private(row_loss, rows, mask, variables, self.step)

    def documented(self, variables: list[Any]) -> list[Any]:
        """Clipped as tensorflow-privacy's documentation shows."""
        with tf.GradientTape(persistent=True) as tape:
            losses = self.losses(self.network, self.images)
        sums = self.library.clip_and_aggregate_gradients(
            tape,
            losses,
            variables,
            l2_norm_clip=1.0,
            aggregate_method="sum",
            keep_sparse_threshold=-1,
        )
        return self.private.noised(sums, self.step)

    def taker(self, name: str) -> Callable[[], None]:
        """A function that makes one update in a compiled graph."""
        optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)
        variables = self.network.trainable_variables
        optimizer.build(variables)
        gradients_of = getattr(self, name)

        @tf.function(autograph=False)
        def update() -> Any:
            gradients = gradients_of(variables)
            optimizer.apply(gradients, variables)
            return tf.reduce_sum(gradients[-1])

        return lambda: update().numpy()


def measure_large(images: Any, rounds: int) -> dict[str, Any]:
    """Times the updates of the large discriminator in turns."""
    updates = Updates(images)
    fast = {name: updates.taker(name) for name in (BASELINE, "ghost", "query")}
    rows = rows_of(timing.seconds_in_turns(fast, rounds), BASELINE)
    slow = {name: updates.taker(name) for name in (BASELINE, "documented")}
    few = rows_of(timing.seconds_in_turns(slow, max(3, rounds // 8), 1), BASELINE)
    # Its own baseline stays beside it: if that was slow too, something disturbed both.
    beside = {f"{BASELINE}, beside documented": few[BASELINE]}
    return {**rows, **beside, "documented": few["documented"]}


def measure_recipe(images: Any, batch_size: int, rounds: int) -> dict[str, Any]:
    """Times whole training steps of the recipe's DCGAN in turns."""
    models = {
        BASELINE: zoo.dcgan(seed=0),
        "ghost": zoo.dcgan(seed=0, dp=DPSGD(engine="ghost")),
        "query": zoo.dcgan(seed=0, dp=DPSGD(engine="query")),
    }
    return rows_of(timing.step_seconds(models, images, batch_size, rounds), BASELINE)


def main() -> None:
    """Measures, prints and saves the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40, help="timed steps per arm")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1, help="of TensorFlow")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(given.threads)
    tf.config.threading.set_inter_op_parallelism_threads(given.threads)

    images = data.load_images("digits").images[:1000].astype(np.float32)
    tables = {
        LARGE: measure_large(images[: given.batch_size], given.rounds),
        RECIPE: measure_recipe(images, given.batch_size, given.rounds),
    }
    for title, rows in tables.items():
        print(title)
        for name, row in rows.items():
            median = 1000 * row["median_seconds"]
            print(
                f"  {name:29} {row['ratio']:7.2f} times the undefended step "
                f"(median {median:.0f} ms, {row['rounds']} rounds)"
            )
    if given.out is not None:
        content = {
            "command": f"python -m benchmarks.dp --rounds {given.rounds} "
            f"--batch-size {given.batch_size} --threads {given.threads}",
            "batch_size": given.batch_size,
            "threads": given.threads,
            "load_average": os.getloadavg()[0],
            "tables": tables,
            "versions": software_versions(),
        }
        storage.write_json(given.out, content)


if __name__ == "__main__":
    main()
