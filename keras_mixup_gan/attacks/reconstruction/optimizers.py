"""Levenberg-Marquardt, Adam and L-BFGS on many problems at once, each as if alone.

Row i of every result depends on row i of the start and on its own function values
only; every row gets the same number of evaluations or stops by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from keras_mixup_gan.typing import BoolArray, FloatArray, IntArray

# From points `(num_rows, num_points, num_dims)` to `(num_rows, num_points, any)`.
Residuals: TypeAlias = Callable[[FloatArray], FloatArray]
# From points `(num_rows, num_dims)` to values `(num_rows,)` and gradients.
Objective: TypeAlias = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

_MEMORY = 10
_NUM_HALVINGS = 20
_LEAST_GRADIENT = 1e-9
_LEAST_CURVATURE = 1e-30


@dataclass(frozen=True)
class Minimum:
    """Where an optimizer ended, row by row."""

    points: FloatArray
    values: FloatArray
    num_iterations: IntArray
    gradient_norms: FloatArray


def least_squares(
    residuals: Residuals, start: FloatArray, budget: int, step: float = 0.01
) -> FloatArray:
    """Minimizes sums of squares by values alone, `budget` evaluations for each row.

    Levenberg-Marquardt steps on a Jacobian of forward differences of length `step`,
    which Broyden's formula keeps up to date until there is budget for the next one.
    """
    points = np.asarray(start, "float64")
    num_rows, num_dims = points.shape
    num_updates = max(4, num_dims // 8)
    values = residuals(points[:, None])[:, 0]
    costs = (values**2).sum(axis=1)
    damping = np.full(num_rows, 1e-3)
    jacobian = np.zeros((num_rows, values.shape[1], num_dims))
    left, updates = budget - 1, num_updates
    while left > 0:
        if updates == num_updates and left > num_dims:
            moved = residuals(points[:, None] + step * np.eye(num_dims))
            jacobian = np.swapaxes((moved - values[:, None]) / step, 1, 2)
            left, updates = left - num_dims, 0
        moves = _damped_step(jacobian, values, damping)
        tried = residuals((points + moves)[:, None])[:, 0]
        left, updates = left - 1, min(updates + 1, num_updates)
        change = tried - values - np.einsum("nmk,nk->nm", jacobian, moves)
        lengths = np.maximum((moves**2).sum(axis=1), 1e-30)
        jacobian += (change / lengths[:, None])[:, :, None] * moves[:, None]
        tried_costs = (tried**2).sum(axis=1)
        better = tried_costs < costs
        points = np.where(better[:, None], points + moves, points)
        values = np.where(better[:, None], tried, values)
        costs = np.where(better, tried_costs, costs)
        damping = np.clip(np.where(better, damping / 5, damping * 5), 1e-9, 1e6)
    return points


def _damped_step(
    jacobian: FloatArray, values: FloatArray, damping: FloatArray
) -> FloatArray:
    normal = np.matmul(np.swapaxes(jacobian, 1, 2), jacobian)
    # By einsum, as a BLAS product with a vector rounds by where its row lies.
    slope = np.einsum("nmk,nm->nk", jacobian, values)
    diagonal = np.einsum("nkk->nk", normal)
    floor = 1e-9 * diagonal.max(axis=1, keepdims=True) + 1e-12
    ridge = damping[:, None] * np.maximum(diagonal, floor) + floor
    normal = normal + ridge[:, :, None] * np.eye(normal.shape[1])
    return np.asarray(-np.linalg.solve(normal, slope[:, :, None])[:, :, 0])


def adam(
    objective: Objective, start: FloatArray, num_steps: int, learning_rate: float
) -> tuple[FloatArray, FloatArray]:
    """Adam (Kingma and Ba, 2015), by row: the best points met and their values."""
    points = np.asarray(start, "float64")
    values, gradients = objective(points)
    best, best_values = points, values
    first, second = np.zeros_like(points), np.zeros_like(points)
    for number in range(1, num_steps + 1):
        first = 0.9 * first + 0.1 * gradients
        second = 0.999 * second + 0.001 * gradients**2
        mean, square = first / (1 - 0.9**number), second / (1 - 0.999**number)
        points = points - learning_rate * mean / (np.sqrt(square) + 1e-8)
        values, gradients = objective(points)
        better = values < best_values
        best = np.where(better[:, None], points, best)
        best_values = np.where(better, values, best_values)
    return best, best_values


def lbfgs(objective: Objective, start: FloatArray, num_steps: int) -> Minimum:
    """L-BFGS with backtracking; a row stops when it is flat or no step improves it."""
    points = np.asarray(start, "float64")
    values, gradients = objective(points)
    active = np.ones(len(points), dtype=bool)
    iterations = np.zeros(len(points), dtype="int64")
    history: list[tuple[FloatArray, FloatArray]] = []
    for _ in range(num_steps):
        active &= (gradients**2).sum(axis=1) > _LEAST_GRADIENT**2
        if not active.any():
            break
        directions = _direction(gradients, history)
        tried, tried_values, tried_gradients, active = _line_search(
            objective, points, values, gradients, directions, active
        )
        history.append((tried - points, tried_gradients - gradients))
        history = history[-_MEMORY:]
        points, values, gradients = tried, tried_values, tried_gradients
        iterations += active
    norms = np.sqrt((gradients**2).sum(axis=1))
    return Minimum(points, values, iterations, norms)


def _direction(
    gradients: FloatArray, history: list[tuple[FloatArray, FloatArray]]
) -> FloatArray:
    """The quasi-Newton direction of each row (Nocedal and Wright, algorithm 7.4)."""
    direction = -gradients
    norms = np.sqrt((gradients**2).sum(axis=1, keepdims=True))
    scale = 1 / np.maximum(norms, 1.0)
    weights = []
    for moves, changes in reversed(history):
        curvature = (moves * changes).sum(axis=1, keepdims=True)
        known = curvature > _LEAST_CURVATURE
        inverse = np.where(known, 1 / np.where(known, curvature, 1), 0)
        weight = inverse * (moves * direction).sum(axis=1, keepdims=True)
        direction = direction - weight * changes
        weights.append((inverse, weight))
    for moves, changes in history:
        curvature = (moves * changes).sum(axis=1, keepdims=True)
        square = (changes**2).sum(axis=1, keepdims=True)
        known = curvature > _LEAST_CURVATURE
        scale = np.where(known, curvature / np.where(known, square, 1), scale)
    direction = scale * direction
    for (moves, changes), (inverse, weight) in zip(
        history, reversed(weights), strict=True
    ):
        back = inverse * (changes * direction).sum(axis=1, keepdims=True)
        direction = direction + moves * (weight - back)
    downhill = (direction * gradients).sum(axis=1, keepdims=True) < 0
    return np.where(downhill, direction, -gradients / np.maximum(norms, 1.0))


def _line_search(
    objective: Objective,
    points: FloatArray,
    values: FloatArray,
    gradients: FloatArray,
    directions: FloatArray,
    active: BoolArray,
) -> tuple[FloatArray, FloatArray, FloatArray, BoolArray]:
    """Halves the step of each row until it improves enough; rows that fail stay."""
    slopes = (directions * gradients).sum(axis=1)
    new_points, new_values, new_gradients = points, values, gradients
    waiting, length = active.copy(), 1.0
    for _ in range(_NUM_HALVINGS):
        tried = points + length * directions
        tried_values, tried_gradients = objective(tried)
        enough = np.minimum(values + 1e-4 * length * slopes, np.nextafter(values, -1))
        taken = waiting & (tried_values <= enough)
        new_points = np.where(taken[:, None], tried, new_points)
        new_values = np.where(taken, tried_values, new_values)
        new_gradients = np.where(taken[:, None], tried_gradients, new_gradients)
        waiting = waiting & ~taken
        length /= 2
        if not waiting.any():
            break
    return new_points, new_values, new_gradients, active & ~waiting
