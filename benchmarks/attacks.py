"""What attacks by distance cost beside a bare matrix product.

    python -m benchmarks.attacks [--queries N] [--samples N] [--rounds N] [--out FILE]

Queries and samples are blends of the embedded digits with noise, 784 values each. Each
way to find the nearest samples takes its turn in every round; times are medians. The
loop over queries is timed on a few of them and scaled up. Peak memory is that of the
search alone, with samples that are made as they are needed.
"""

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors

from keras_mixup_gan import attacks, data, storage
from keras_mixup_gan.attacks.samples.nearest import (
    SAMPLE_BLOCK,
    Search,
    nearest_samples,
)
from keras_mixup_gan.versions import software_versions

LOOPED_QUERIES = 5
NUM_NEIGHBORS = 20


def blends(digits: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Blended digits with noise, `(stop - start, 784)` in `[-1, 1]`."""
    rng = np.random.default_rng([start, stop])
    first, second = digits[rng.integers(len(digits), size=(2, stop - start))]
    weight = rng.random((stop - start, 1), dtype="float32")
    noise = rng.standard_normal(first.shape, dtype="float32")
    return np.clip(weight * first + (1 - weight) * second + 0.1 * noise, -1, 1)


def bare_product(queries: np.ndarray, samples: np.ndarray) -> None:
    """Nothing but the float32 products, block by block."""
    out = np.empty((len(queries), SAMPLE_BLOCK), "float32")
    for start in range(0, len(samples), SAMPLE_BLOCK):
        block = samples[start : start + SAMPLE_BLOCK]
        np.matmul(queries, block.T, out=out[:, : len(block)])


def loop(queries: np.ndarray, samples: np.ndarray) -> None:
    """One query after another, by subtraction."""
    for query in queries:
        ((samples - query) ** 2).sum(axis=1).min()


def brute_force(queries: np.ndarray, samples: np.ndarray, k: int) -> None:
    """The exhaustive search of scikit-learn."""
    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(samples)
    found.kneighbors(queries)


def with_ball(queries: np.ndarray, samples: np.ndarray, radius: float) -> None:
    """The nearest samples and the sums over a ball, in one pass."""
    search = Search(queries, NUM_NEIGHBORS, radius)
    for start in range(0, len(samples), SAMPLE_BLOCK):
        search.see(samples[start : start + SAMPLE_BLOCK])


def six_attacks(
    queries: np.ndarray, samples: np.ndarray, reference: np.ndarray
) -> Callable[[], object]:
    """Six fitted attacks, to be scored in one pass over all samples."""
    shape = (-1, 28, 28, 1)
    target = attacks.AttackTarget.from_model(
        samples.reshape(shape), reference=reference.reshape(shape)
    )
    kinds = (
        attacks.GANLeaks,
        attacks.MonteCarlo,
        attacks.MonteCarloLog,
        attacks.MonteCarloInverse,
        attacks.ParzenWindow,
        attacks.DPI,
    )
    fitted = [kind(num_samples=len(samples)).fit(target) for kind in kinds]
    images = queries.reshape(shape)
    return lambda: attacks.score_in_one_pass(fitted, images)


def peak_mib(digits: np.ndarray, queries: np.ndarray, number: int) -> float:
    """Peak of traced memory while so many samples stream by."""
    tracemalloc.start()
    nearest_samples(queries, lambda i, j: blends(digits, i, j), number, k=5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 2**20


def main() -> None:
    """Measures, prints and saves the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()

    digits = data.load_images("digits").images.reshape(-1, 784)
    queries = blends(digits, 0, given.queries)
    samples = blends(digits, 1, 1 + given.samples)
    reference = blends(digits, 2, 1002)
    few = np.linalg.norm(reference[:200, None] - samples[None, :500], axis=2)
    radius = float(np.percentile(few, 0.1))

    looped = queries[:LOOPED_QUERIES]
    product = "bare float32 product"
    arms: dict[str, tuple[Callable[[], object], float]] = {
        product: (lambda: bare_product(queries, samples), 1),
        "nearest sample": (lambda: nearest_samples(queries, samples), 1),
        "scikit-learn, nearest": (lambda: brute_force(queries, samples, 1), 1),
        "20 nearest and ball": (lambda: with_ball(queries, samples, radius), 1),
        "scikit-learn, 20 nearest": (
            lambda: brute_force(queries, samples, NUM_NEIGHBORS),
            1,
        ),
        "six attacks, one pass": (six_attacks(queries, samples, reference), 1),
        "loop over queries": (
            lambda: loop(looped, samples),
            len(queries) / len(looped),
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(given.rounds):
        for name, (run, factor) in arms.items():
            start = time.perf_counter()
            run()
            seconds[name].append(factor * (time.perf_counter() - start))

    rows = {}
    for name, times in seconds.items():
        ratios = [a / b for a, b in zip(times, seconds[product], strict=True)]
        rows[name] = {
            "median_seconds": statistics.median(times),
            "min_seconds": min(times),
            "times_the_product": statistics.median(ratios),
        }
        print(
            f"{name:26}  {rows[name]['median_seconds']:8.2f} s"
            f"  {rows[name]['times_the_product']:7.2f} times the product"
        )
    quarter = given.samples // 4
    peaks = {
        number: peak_mib(digits, queries, number) for number in (quarter, given.samples)
    }
    for number, peak in peaks.items():
        print(f"peak memory over {number} samples  {peak:.1f} MiB")
    if given.out is not None:
        content = {
            "command": f"python -m benchmarks.attacks --queries {given.queries} "
            f"--samples {given.samples} --rounds {given.rounds}",
            "queries": given.queries,
            "samples": given.samples,
            "values": 784,
            "rounds": given.rounds,
            "ways": rows,
            "peak_mib": {str(number): peak for number, peak in peaks.items()},
            "versions": software_versions(),
        }
        storage.write_json(given.out, content)


if __name__ == "__main__":
    main()
