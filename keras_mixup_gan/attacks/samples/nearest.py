"""Nearest samples of a stream that is too long to keep: fast, and exact in float64.

A float32 matrix product finds, for each query, the few samples that *can* be among
its nearest; their distances are then computed in float64 by subtraction. The product
alone would not do: `|q|^2 - 2 q.g + |g|^2` cancels for near-duplicates, which are just
what an attack looks for. A sample is dropped only if the worst-case rounding error of
its product cannot bring it back, so the result is that of an exhaustive float64
search, whatever the chunks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer, check_positive

Samples: TypeAlias = FloatArray | Iterable[ArrayLike] | Callable[[int, int], ArrayLike]

UNIT_ROUNDOFF = 2.0**-24  # of float32
QUERY_BLOCK = 1024
SAMPLE_BLOCK = 2048
RECHECK_BYTES = 2**25
SMALLEST_SHARE = 1e-12  # of a ball's radius


@dataclass(frozen=True)
class NearestSamples:
    """L2 distances `(num_queries, k)`, nearest first, and positions in the stream.

    Equal distances are ordered by position.
    """

    distances: FloatArray
    indices: IntArray


@dataclass(frozen=True)
class Ball:
    """What is known of the samples at distances `d < radius`, strictly, of each query.

    `counts` is their number, `logs` the sum of `-ln(d / radius)` and `inverses` that of
    `radius / d`, in both of which `d` counts as at least `1e-12 * radius`.
    """

    radius: float
    counts: IntArray
    logs: FloatArray
    inverses: FloatArray

    @classmethod
    def empty(cls, radius: float, num_queries: int) -> Self:
        """A ball with no sample in it."""
        check_positive(radius=radius)
        counts = np.zeros(num_queries, dtype="int64")
        return cls(float(radius), counts, np.zeros(num_queries), np.zeros(num_queries))

    @property
    def arrays(self) -> dict[str, Any]:
        """The sums by name, which further samples change in place."""
        return {"counts": self.counts, "logs": self.logs, "inverses": self.inverses}

    def add(self, rows: IntArray, squares: FloatArray) -> None:
        """Adds samples at squared distances `squares` from the queries `rows`.

        They are added one by one in their order, so that chunks do not matter.
        """
        distances = np.sqrt(squares)
        inside = distances < self.radius
        rows = rows[inside]
        shares = np.maximum(distances[inside] / self.radius, SMALLEST_SHARE)
        np.add.at(self.counts, rows, 1)
        np.add.at(self.logs, rows, -np.log(shares))
        np.add.at(self.inverses, rows, 1 / shares)


def nearest_samples(
    queries: ArrayLike,
    samples: Samples,
    num_samples: int | None = None,
    *,
    k: int = 1,
    chunk_size: int = SAMPLE_BLOCK,
) -> NearestSamples:
    """Finds the `k` nearest samples of each query in one pass over the samples.

    These are one array, an iterable of chunks, or a function `(start, stop) -> chunk`.
    They are never kept, and the result is the same for any chunks. Samples that nearly
    all coincide (a collapsed generator) take longer: more are checked in float64.

    Example:
    >>> queries, samples = np.array([[0.0], [2.0]]), np.array([[1.5], [0.5], [-1.0]])
    >>> nearest_samples(queries, samples).indices
    array([[1],
           [0]])
    """
    check_integer(1, k=k, chunk_size=chunk_size)
    search = Search(queries, k)
    for chunk in _chunks(samples, num_samples, chunk_size):
        search.see(chunk)
    if search.num_seen < k:
        raise ValueError(
            f"Too few samples: `k` nearest samples need at least {k}. "
            f"Received: num_samples={search.num_seen}, k={k}. Draw more samples."
        )
    return NearestSamples(np.sqrt(search.squares), search.indices)


class Search:
    """The `k` nearest samples so far, and the bound that newcomers must pass.

    `squares` and `indices`, `(num_queries, k)`, are infinite and meaningless where
    fewer than `k` samples were seen; `ball` is there if a radius was given.
    """

    def __init__(
        self, queries: ArrayLike, k: int = 1, radius: float | None = None
    ) -> None:
        self.queries = _flat_rows(queries, "queries")
        self.queries32 = self.queries.astype("float32", copy=False)
        self.norms = _square_norms(self.queries)
        if not np.isfinite(self.norms).all():
            raise ValueError(
                "`queries` must be finite. Received: "
                f"{int((~np.isfinite(self.norms)).sum())} queries with NaN or infinite "
                "values. Remove or repair them."
            )
        self.squares = np.full((len(self.queries), k), np.inf)
        self.indices = np.full((len(self.queries), k), -1, dtype="int64")
        self.num_seen = 0
        self.ball: Ball | None = None
        if radius is not None:
            self.ball = Ball.empty(radius, len(self.queries))
        self._products = np.empty(
            min(QUERY_BLOCK, len(self.queries)) * SAMPLE_BLOCK, "float32"
        )

    @property
    def state(self) -> dict[str, Any]:
        """What samples left behind, from which `restore` continues."""
        ball = {} if self.ball is None else self.ball.arrays
        number = np.array(self.num_seen)
        return {"squares": self.squares, "indices": self.indices, "num": number, **ball}

    def restore(self, state: Mapping[str, FloatArray]) -> None:
        """Continues from the state of a search for the same queries."""
        for name, array in self.state.items():
            if name != "num":
                array[...] = state[name]
        self.num_seen = int(state["num"])

    def see(self, chunk: ArrayLike) -> None:
        """Takes in the next samples."""
        samples = _flat_rows(chunk, "samples", self.queries.shape[1])
        for start in range(0, len(samples), SAMPLE_BLOCK):
            self._see_block(samples[start : start + SAMPLE_BLOCK])

    def _see_block(self, samples: FloatArray) -> None:
        samples32 = samples.astype("float32", copy=False)
        norms = np.einsum("ij,ij->i", samples32, samples32)
        if not np.isfinite(norms).all():
            raise ValueError(
                "`samples` must be finite. Received: "
                f"{int((~np.isfinite(norms)).sum())} samples with NaN or infinite "
                f"values after {self.num_seen} good ones. Look for a generator that "
                "diverged."
            )
        for start in range(0, len(self.queries), QUERY_BLOCK):
            block = slice(start, min(start + QUERY_BLOCK, len(self.queries)))
            shape = (block.stop - start, len(samples))
            closeness = self._products[: shape[0] * shape[1]].reshape(shape)
            np.matmul(self.queries32[block], samples32.T, out=closeness)
            closeness -= norms / 2
            rows, columns = self._candidates(block, closeness, float(norms.max()))
            self._merge(rows + start, columns, samples)
        self.num_seen += len(samples)

    def _candidates(
        self, block: slice, closeness: FloatArray, largest_norm: float
    ) -> tuple[IntArray, IntArray]:
        """Pairs that can be among the nearest k, given `q.g - |g|^2 / 2` in float32."""
        norms, bounds = self.norms[block], self.squares[block, -1]
        error = self._rounding_error(norms, bounds, largest_norm)
        needed = (norms - bounds) / 2 - error
        k = self.squares.shape[1]
        if np.isinf(bounds).any() and closeness.shape[1] >= k:
            # Nothing to compare with yet: the k-th of this block is the bound.
            kth = np.partition(closeness, -k, axis=1)[:, -k].astype("float64")
            needed = np.maximum(needed, kth - 2 * error)
        if self.ball is not None:
            reach = np.full(len(norms), self.ball.radius**2)
            error = self._rounding_error(norms, reach, largest_norm)
            needed = np.minimum(needed, (norms - reach) / 2 - error)
        below = np.nextafter(needed.astype("float32"), np.float32(-np.inf))
        hits = np.flatnonzero(closeness >= below[:, None])
        return np.divmod(hits, closeness.shape[1])

    def _rounding_error(
        self, norms: FloatArray, bounds: FloatArray, largest_norm: float
    ) -> FloatArray:
        """Bounds the error of float32 products and norms in any order of summation.

        A sum of d products is off by at most `d u / (1 - d u)` times the product of
        the lengths (Higham, Accuracy and Stability of Numerical Algorithms, 3.1);
        the additional terms are the roundings of inputs, differences and bounds.
        """
        growth = (self.queries.shape[1] + 8) * UNIT_ROUNDOFF
        relative = growth / (1 - growth)
        largest_norm = largest_norm * (1 + relative)
        products = np.sqrt(norms * largest_norm) + largest_norm / 2
        magnitudes = norms + largest_norm + np.where(np.isinf(bounds), 0, bounds)
        return relative * products + 4 * UNIT_ROUNDOFF * magnitudes

    def _merge(self, rows: IntArray, columns: IntArray, samples: FloatArray) -> None:
        """Measures the candidates in float64 and keeps the nearest k of each query."""
        if len(rows) == 0:
            return
        squares = self._squared_distances(rows, columns, samples)
        if self.ball is not None:
            self.ball.add(rows, squares)
        k = self.squares.shape[1]
        touched = np.unique(rows)
        rows = np.concatenate([np.repeat(touched, k), rows])
        squares = np.concatenate([self.squares[touched].ravel(), squares])
        indices = np.concatenate(
            [self.indices[touched].ravel(), columns + self.num_seen]
        )
        order = np.lexsort((indices, squares, rows))
        firsts = np.searchsorted(rows[order], touched)
        kept = order[firsts[:, None] + np.arange(k)]
        self.squares[touched], self.indices[touched] = squares[kept], indices[kept]

    def _squared_distances(
        self, rows: IntArray, columns: IntArray, samples: FloatArray
    ) -> FloatArray:
        """Float64 distances by subtraction, a bounded number of pairs at a time."""
        squares = np.empty(len(rows))
        step = max(1, RECHECK_BYTES // (8 * self.queries.shape[1]))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            difference = self.queries[rows[part]].astype("float64")
            difference -= samples[columns[part]]
            difference *= difference
            squares[part] = difference.sum(axis=1)
        return squares


def _chunks(
    samples: Samples, num_samples: int | None, chunk_size: int
) -> Iterator[ArrayLike]:
    if callable(samples):
        if num_samples is None:
            raise ValueError(
                "`num_samples` is needed if `samples` is a function. Received: "
                "num_samples=None. Say how many samples to draw."
            )
        check_integer(1, num_samples=num_samples)
        for start in range(0, num_samples, chunk_size):
            stop = min(start + chunk_size, num_samples)
            chunk = np.asarray(samples(start, stop))
            if len(chunk) != stop - start:
                raise ValueError(
                    "`samples(start, stop)` must return `stop - start` samples. "
                    f"Received: {len(chunk)} samples for start={start}, stop={stop}."
                )
            yield chunk
    else:
        remaining = num_samples
        for values in [samples] if isinstance(samples, np.ndarray) else samples:
            chunk = np.asarray(values)[:remaining]
            if len(chunk) > 0:
                yield chunk
            if remaining is not None:
                remaining -= len(chunk)


def _flat_rows(values: ArrayLike, name: str, width: int | None = None) -> FloatArray:
    array = np.asarray(values)
    if array.ndim < 2 or len(array) == 0:
        raise ValueError(
            f"`{name}` must be an array (number, ...) with at least one row. "
            f"Received: shape={array.shape}."
        )
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"`{name}` must be floating point. Received: dtype={array.dtype}. "
            "Convert 8-bit images with `images / 127.5 - 1`."
        )
    rows = array.reshape(len(array), -1)
    if width is not None and rows.shape[1] != width:
        raise ValueError(
            f"`{name}` must have as many values each as a query, {width}. "
            f"Received: {rows.shape[1]}, from shape={array.shape}."
        )
    return rows


def _square_norms(rows: FloatArray) -> FloatArray:
    norms: FloatArray = np.einsum("ij,ij->i", rows, rows, dtype="float64")
    return norms
