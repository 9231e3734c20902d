"""Sums over the samples within a distance of each query."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_positive

SMALLEST_SHARE = 1e-12  # of the radius


@dataclass(frozen=True)
class Ball:
    """What is known of the samples within a distance of each query.

    A sample at distance `d` is within `radius` if `d < radius`, strictly.

    Attributes:
        radius: The distance.
        counts: Integer array `(num_queries,)`: number of samples within.
        logs: Float64 array `(num_queries,)`: sum of `-ln(d / radius)` over them.
        inverses: Float64 array `(num_queries,)`: sum of `radius / d` over them.
            In both sums `d` counts as at least `1e-12 * radius`.
    """

    radius: float
    counts: IntArray
    logs: FloatArray
    inverses: FloatArray

    @classmethod
    def empty(cls, radius: float, num_queries: int) -> Self:
        """A ball around each query with no sample in it yet."""
        check_positive(radius=radius)
        counts = np.zeros(num_queries, dtype="int64")
        return cls(float(radius), counts, np.zeros(num_queries), np.zeros(num_queries))

    def count(self, rows: IntArray, squares: FloatArray) -> None:
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
