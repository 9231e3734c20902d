"""What many images cost in memory, and many samples in time, as ratios within one run.

    python -m benchmarks.scale [--images N ...] [--samples N ...] [--out FILE]

Memory is the peak of a fresh process above what it held when the stage began, over the
bytes of the images in 8 bits: a split of all images that are given so, and a training
on them of few steps. Time is that of the nearest search over the bare matrix products
that it cannot do without, of one audit's queries against more and more samples, and
that of a data set to which `MixUp` is applied over a `map` written by hand.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.versions import software_versions

SIDE, CHANNELS = 64, 3
NUM_QUERIES, QUERY_VALUES, CHUNK = 2000, 784, 2048
MIXED_SHAPE = (28, 28, 1)


# === Memory ===


def memory_of(stage: str, num_images: int, steps: int) -> dict[str, float]:
    """Peak of a stage in a fresh process, over the images' bytes, and in GB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        above = pool.apply(_peak_above_start, (stage, num_images, steps))
    size = num_images * SIDE * SIDE * CHANNELS
    return {"of_the_images": above / size, "gigabytes": above / 1e9}


def _peak_above_start(stage: str, num_images: int, steps: int) -> int:
    from keras_mixup_gan import data, zoo

    shape = (SIDE, SIDE, CHANNELS)
    model = zoo.dcgan(width=8, image_shape=shape, seed=0)
    few = _images(64)
    model.fit(few, batch_size=32, steps_per_epoch=2, verbose=0)  # what is made once
    images = _images(num_images)
    start = _peak()
    if stage == "split":
        half = num_images // 2
        data.MembershipSplit.draw(images, num_members=half, num_non_members=half)
    else:
        model.fit(images, batch_size=32, steps_per_epoch=steps, verbose=0)
    return _peak() - start


def _images(number: int) -> Any:
    """Random images of 8 bits, of which every part is touched."""
    random = np.random.default_rng(0)
    return random.integers(256, size=(number, SIDE, SIDE, CHANNELS), dtype="uint8")


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # Linux


# === Time ===


def search_against_products(num_samples: int, rounds: int) -> dict[str, float]:
    """The nearest search over its matrix products, and its time for each sample."""
    from keras_mixup_gan.attacks.samples.nearest import nearest_samples
    from keras_mixup_gan.experiments import timing

    random = np.random.default_rng(0)
    block = random.uniform(-1, 1, (CHUNK, QUERY_VALUES)).astype("float32")
    queries = random.uniform(-1, 1, (NUM_QUERIES, QUERY_VALUES)).astype("float32")
    products = np.empty((NUM_QUERIES, CHUNK), "float32")

    def chunks() -> Iterator[Any]:
        for start in range(0, num_samples, CHUNK):
            yield np.roll(block, start // CHUNK, axis=1)[: num_samples - start]

    def multiply() -> None:
        for chunk in chunks():
            np.matmul(queries, chunk.T, out=products[:, : len(chunk)])

    takers = {
        "products": multiply,
        "search": lambda: nearest_samples(queries, chunks()),
    }
    seconds = timing.seconds_in_turns(takers, rounds, warm_up=1)
    return {
        "ratio": timing.median_ratios(seconds, "products")["search"],
        "microseconds_each": 1e6 * statistics.median(seconds["search"]) / num_samples,
    }


def mixing_against_a_map(batch_size: int, rounds: int) -> dict[str, float]:
    """A data set that `MixUp` mixes over one that a function written by hand mixes."""
    import tensorflow as tf

    from keras_mixup_gan import MixUp
    from keras_mixup_gan.experiments import timing

    def by_hand(images: Any) -> Any:
        number = tf.shape(images)[0]
        first, second = (tf.random.gamma((number,), 8.0) for _ in range(2))
        share = tf.reshape(first / (first + second), (-1, 1, 1, 1))
        partners = tf.gather(images, tf.random.shuffle(tf.range(number)))
        return share * images + (1 - share) * partners

    images = np.random.default_rng(0).uniform(-1, 1, (batch_size, *MIXED_SHAPE))
    batches = tf.data.Dataset.from_tensors(tf.constant(images, tf.float32)).repeat()
    at_once = max(5, 10_000 // batch_size)

    def taker(dataset: Any) -> Callable[[], None]:
        iterator = iter(dataset)

        def take() -> None:
            for _ in range(at_once):
                next(iterator)

        return take

    takers = {
        "map": taker(batches.map(by_hand, num_parallel_calls=tf.data.AUTOTUNE)),
        "MixUp": taker(batches.apply(MixUp(alpha=8.0, seed=0))),
    }
    seconds = timing.seconds_in_turns(takers, rounds)
    each = 1e6 / (at_once * batch_size)
    return {
        "ratio": timing.median_ratios(seconds, "map")["MixUp"],
        "microseconds_each": each * statistics.median(seconds["MixUp"]),
    }


def main() -> None:
    """Measures, prints and saves the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="*", default=[20_000, 200_000])
    parser.add_argument(
        "--samples", type=int, nargs="*", default=[10_000, 100_000, 1_000_000]
    )
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[64, 256, 2048])
    parser.add_argument("--steps", type=int, default=200, help="of a training")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()

    rows: dict[str, dict[str, float]] = {}

    def add(name: str, row: dict[str, float]) -> None:
        rows[name] = row
        text = ", ".join(f"{key} {value:.3g}" for key, value in row.items())
        print(f"{name}: {text}", flush=True)

    for number in given.images:
        for stage in ("split", "fit"):
            row = memory_of(stage, number, given.steps)
            add(f"memory of a {stage}, {number} images", row)
    for number in given.samples:
        row = search_against_products(number, given.rounds)
        add(f"nearest search, {number} samples", row)
    for number in given.batch_sizes:
        row = mixing_against_a_map(number, given.rounds)
        add(f"MixUp, batches of {number}", row)
    if given.out is not None:
        content = {"figures": rows, "versions": software_versions()}
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
