"""What many images cost in memory, and many samples in time, as ratios within one run.

    python -m benchmarks.scale [--images N ...] [--samples N ...] [--out FILE]

A folder of images of 64x64x3 is read into the cache, split into members and
non-members, trained on for some steps, and given to an audit that queries 2,000. Each
is a fresh process that begins where the one before ended; memory is the most that it
holds above what TensorFlow takes once it is imported, files that are mapped left out.
The same steps over the cache are timed against those over floats in memory. Time is
that of the nearest search over the bare matrix products that it cannot do without, of
one audit's queries against more and more samples, that of precision, recall, density
and coverage over the same from all distances at once, that of a data set to which
`MixUp` is applied over a `map` written by hand, that of fresh processes that import
the library, or generate images, over one that imports TensorFlow and Keras, and that of
steps with oneDNN over those without, and of two models side by side, a core each, over
the same one after the other on all cores.
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keras_mixup_gan import storage
from keras_mixup_gan.data import cache
from keras_mixup_gan.process import ONEDNN
from keras_mixup_gan.versions import software_versions

SIDE, CHANNELS = 64, 3
NUM_QUERIES, QUERY_VALUES, CHUNK = 2000, 784, 2048
MIXED_SHAPE = (28, 28, 1)
STARTS = {
    "TensorFlow and Keras": "import tensorflow, keras",
    "the library": "import keras_mixup_gan",
    "its statistics": "import keras_mixup_gan.statistics",
    "64 images of a preset": (
        "from keras_mixup_gan import zoo; "
        "zoo.from_preset('dcgan_digits_mixup').generate(64)"
    ),
}
# Seconds of some steps of the recipe's DCGAN, on one core or on all.
STEPS = """
import sys, time
from keras_mixup_gan import data, process, zoo
cores, steps = sys.argv[1], int(sys.argv[2])
if cores == "one":
    process.use_one_core()
images = data.load_images("digits").pixels.take(slice(250))
model = zoo.dcgan(seed=0)
for timed in (20, steps):
    start = time.perf_counter()
    model.fit(images, batch_size=64, steps_per_epoch=timed, verbose=0)
print(time.perf_counter() - start)
"""


# === Memory ===


def memory_of(stage: str, folder: Path, steps: int) -> dict[str, float]:
    """The most that a fresh process holds in a stage above TensorFlow, and its time."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(stage, folder, steps, theirs))
    process.start()
    theirs.close()  # so that waiting ends with the process
    ours.recv()  # TensorFlow is imported
    start, begun = _held(process.pid), time.perf_counter()
    most = start
    while not ours.poll(0.005):
        most = max(most, _held(process.pid))
    ours.recv()  # an `EOFError` if the stage failed
    seconds = time.perf_counter() - begun
    process.join()
    return {"gigabytes": (most - start) / 1e9, "seconds": seconds}


def _held(pid: int | None) -> int:
    """Bytes of memory of a process that are no pages of files. Linux."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if "RssAnon" in line)


def _run(stage: str, folder: Path, steps: int, pipe: Any) -> None:
    import tensorflow as tf

    tf.zeros(1)
    pipe.send(None)
    STAGES[stage](folder, steps)
    pipe.send(None)


def _split(folder: Path) -> Any:
    from keras_mixup_gan import data

    loaded = data.load_images(folder)
    half = len(loaded.pixels) // 2
    return data.MembershipSplit.draw(loaded, num_members=half, num_non_members=half)


def _model(**settings: Any) -> Any:
    from keras_mixup_gan import zoo

    return zoo.dcgan(image_shape=(SIDE, SIDE, CHANNELS), seed=0, **settings)


def _cache(folder: Path, steps: int) -> None:
    from keras_mixup_gan import data

    data.load_images(folder)


def _fit(folder: Path, steps: int) -> None:
    members = _split(folder).members
    _model(width=8).fit(members, batch_size=64, steps_per_epoch=steps, verbose=0)


def _audit(folder: Path, steps: int) -> None:
    import keras_mixup_gan

    split = _split(folder)
    keras_mixup_gan.audit(_model(width=8), split.members, split.non_members, fast=True)


STAGES: dict[str, Callable[[Path, int], Any]] = {
    "cache": _cache,
    "split": lambda folder, steps: _split(folder),
    "fit": _fit,
    "audit": _audit,
}


def write_images(folder: Path, number: int) -> Path:
    """A folder of random images, no two alike."""
    random = np.random.default_rng(0)
    for n in range(number):
        pixels = random.integers(256, size=(SIDE, SIDE, CHANNELS), dtype="uint8")
        file = folder / f"{n // 1000:04}" / f"{n:07}.bmp"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return folder


def cache_against_floats(folder: Path, steps: int, rounds: int) -> dict[str, float]:
    """Steps of a training over the cache, over the same on floats in memory."""
    from keras_mixup_gan.experiments import timing

    members = _split(folder).members.at(slice(5_000))
    model, floats = _model(), np.array(members.images)
    stored = members.pixels.take(slice(None))  # of which no floats are kept

    def steps_over(images: Any) -> Callable[[], Any]:
        settings = {"batch_size": 64, "steps_per_epoch": steps, "verbose": 0}
        return lambda: model.fit(images, **settings)

    takers = {"floats": steps_over(floats), "cache": steps_over(stored)}
    seconds = timing.seconds_in_turns(takers, rounds, warm_up=1)
    return {
        "ratio": timing.median_ratios(seconds, "floats")["cache"],
        "milliseconds_each": 1e3 * statistics.median(seconds["cache"]) / steps,
    }


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


def audit_of(num_samples: int, num_queries: int) -> dict[str, float]:
    """An audit by all attacks that watch generated images: digits, moved and noisy."""
    import keras_mixup_gan
    from keras_mixup_gan.attacks import ATTACKS, AttackTarget
    from keras_mixup_gan.attacks.base import default_attacks
    from keras_mixup_gan.attacks.samples.streaming import StreamedAttack

    digits = keras_mixup_gan.data.load_images("digits").images

    def images(number: int, seed: int) -> Any:
        random = np.random.default_rng(seed)
        drawn = digits[random.integers(len(digits), size=number)]
        drawn = np.roll(drawn, random.integers(-2, 3, size=2), axis=(1, 2))
        noise = random.normal(0, 0.1, drawn.shape).astype("float32")
        return np.clip(drawn + noise, -1, 1)

    half = num_queries // 2
    target = AttackTarget(
        image_shape=MIXED_SHAPE,
        sampler=lambda start, stop: images(stop - start, 3 + start),
    )
    kinds = [ATTACKS[name] for name in default_attacks()]
    attacks = [kind(num_samples) for kind in kinds if issubclass(kind, StreamedAttack)]
    start = time.perf_counter()
    keras_mixup_gan.audit(
        target,
        *(images(half, 0), images(half, 1), images(1000, 2)),
        attacks=attacks,
        blind=False,
        copies=False,
        release="samples",
        progress=lambda title, done, of: print(f"{title} {done:,} of {of:,}"),
    )
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "microseconds_each": 1e6 * seconds / num_samples}


def neighbors_against_matrices(
    num_samples: int, width: int, rounds: int
) -> dict[str, float]:
    """`neighbor_figures` over the same of three matrices of all distances.

    These are what the package of Naeem et al. takes; their memory grows with the square
    of the number of samples.
    """
    from sklearn.metrics import pairwise_distances

    from keras_mixup_gan import metrics
    from keras_mixup_gan.experiments import timing

    k, random = 5, np.random.default_rng(0)
    real, generated = random.normal(size=(2, num_samples, width)).astype("float32")

    def plain() -> tuple[float, ...]:
        radii = []
        for each in (real, generated):
            own = pairwise_distances(each)
            radii.append(np.partition(own, k, axis=1)[:, k])
        across = pairwise_distances(real, generated)
        near = across <= radii[0][:, None]
        recall = (across <= radii[1]).any(axis=1).mean()
        density = near.sum() / (k * num_samples)
        return near.any(axis=0).mean(), recall, density, near.any(axis=1).mean()

    def ours() -> Any:
        return metrics.neighbor_figures(real, generated, k, k)

    seconds = timing.seconds_in_turns({"plain": plain, "ours": ours}, rounds, warm_up=1)
    return {
        "ratio": timing.median_ratios(seconds, "plain")["ours"],
        "seconds": statistics.median(seconds["ours"]),
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


def starts(rounds: int) -> dict[str, dict[str, float]]:
    """Fresh processes, in turns, over one that imports TensorFlow and Keras."""
    from keras_mixup_gan.experiments import timing

    def starter(program: str) -> Callable[[], Any]:
        words = [sys.executable, "-c", program]
        return lambda: subprocess.run(words, check=True, capture_output=True)

    takers = {name: starter(program) for name, program in STARTS.items()}
    seconds = timing.seconds_in_turns(takers, rounds, warm_up=1)
    ratios = timing.median_ratios(seconds, next(iter(STARTS)))
    return {
        name: {"ratio": ratios[name], "seconds": statistics.median(times)}
        for name, times in seconds.items()
    }


def trainings(steps: int, rounds: int) -> dict[str, dict[str, float]]:
    """Steps of fresh processes.

    Those with oneDNN are over those without, both on all cores, and those of two models
    side by side, a core each, over those of one after the other on all cores.
    """

    def seconds(number: int, cores: str, onednn: str) -> float:
        """Of so many trainings at the same time; the slowest counts."""
        words = [sys.executable, "-c", STEPS, cores, str(steps)]
        own, nowhere = {**os.environ, ONEDNN: onednn}, subprocess.DEVNULL
        begun = [
            subprocess.Popen(
                words, env=own, stdout=subprocess.PIPE, stderr=nowhere, text=True
            )
            for _ in range(number)
        ]
        told = [process.communicate()[0] for process in begun]
        if any(process.returncode for process in begun):
            raise ValueError(f"A training failed. Received: {words}. Run it alone.")
        return max(map(float, told))

    kinds = {
        "plain": (1, "all", "0"),
        "quick": (1, "all", "1"),
        "both": (2, "one", "1"),
    }
    found = []
    for number in range(rounds):
        order = list(kinds)[:: -1 if number % 2 else 1]
        found.append({kind: seconds(*kinds[kind]) for kind in order})
    quicker = [each["quick"] / each["plain"] for each in found]
    beside = [each["both"] / (2 * each["quick"]) for each in found]
    return {
        "oneDNN": {"ratio": statistics.median(quicker)},
        "two models side by side": {"ratio": statistics.median(beside)},
    }


def main() -> None:
    """Measures, prints and saves the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="*", default=[20_000, 200_000])
    parser.add_argument(
        "--samples", type=int, nargs="*", default=[10_000, 100_000, 1_000_000]
    )
    parser.add_argument("--features", type=int, nargs="*", default=[64, 2048])
    parser.add_argument("--queries", type=int, default=2000, help="of an audit")
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[64, 256, 2048])
    parser.add_argument("--starts", type=int, default=5, help="of fresh processes")
    parser.add_argument("--steps", type=int, default=200, help="of a training")
    parser.add_argument("--stages", nargs="*", choices=STAGES, default=[*STAGES])
    parser.add_argument("--epoch-steps", type=int, default=20, help="timed in turns")
    parser.add_argument("--trainings", type=int, default=3, help="rounds of processes")
    parser.add_argument("--scratch", type=Path, help="where the images are written")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()

    rows: dict[str, dict[str, float]] = {}

    def add(name: str, row: dict[str, float]) -> None:
        rows[name] = row
        text = ", ".join(f"{key} {value:.3g}" for key, value in row.items())
        print(f"{name}: {text}", flush=True)

    for number in given.images:
        with tempfile.TemporaryDirectory(dir=given.scratch) as place:
            os.environ[cache.VARIABLE] = str(Path(place) / "cache")
            folder = write_images(Path(place) / "images", number)
            for stage in given.stages:
                row = memory_of(stage, folder, given.steps)
                add(f"memory of the {stage}, {number} images", row)
            if given.epoch_steps:
                row = cache_against_floats(folder, given.epoch_steps, given.rounds)
                add(f"steps over {number} images in the cache", row)
    for number in given.samples:
        row = search_against_products(number, given.rounds)
        add(f"nearest search, {number} samples", row)
        row = audit_of(number, given.queries)
        add(f"audit of {given.queries} queries, {number} samples", row)
    for width in given.features:
        row = neighbors_against_matrices(5_000, width, given.rounds)
        add(f"precision to coverage, 5000 samples of {width} features", row)
    for number in given.batch_sizes:
        row = mixing_against_a_map(number, given.rounds)
        add(f"MixUp, batches of {number}", row)
    if given.starts:
        for name, row in starts(given.starts).items():
            add(f"start of {name}", row)
    if given.trainings:
        for name, row in trainings(given.steps, given.trainings).items():
            add(f"training with {name}", row)
    if given.out is not None:
        content = {"figures": rows, "versions": software_versions()}
        storage.write_json(given.out, content)


if __name__ == "__main__":
    main()
