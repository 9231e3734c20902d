"""Step times as ratios within one process, the models taking turns."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from keras_mixup_gan.typing import FloatArray, IntArray


def step_seconds(
    models: Mapping[str, Any],
    images: FloatArray,
    batch_size: int,
    rounds: int = 20,
    warm_up: int = 3,
    labels: IntArray | None = None,
) -> dict[str, list[float]]:
    """Seconds of training steps, batches included, of models that take turns."""
    takers = {
        name: step_taker(model, images, batch_size, labels)
        for name, model in models.items()
    }
    return seconds_in_turns(takers, rounds, warm_up)


def seconds_in_turns(
    takers: Mapping[str, Callable[[], Any]], rounds: int = 20, warm_up: int = 3
) -> dict[str, list[float]]:
    """Times functions, one call of each in turn, after `warm_up` untimed rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in takers}
    for number in range(warm_up + rounds):
        # Every other round backwards, so that no model always follows the same one.
        order = list(takers.items())[:: -1 if number % 2 else 1]
        for name, take_step in order:
            start = time.perf_counter()
            take_step()
            if number >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def median_ratios(
    seconds: Mapping[str, list[float]], baseline: str
) -> dict[str, float]:
    """Median over rounds of each model's time over the baseline's of the same round."""
    return {
        name: statistics.median(
            mine / base for mine, base in zip(times, seconds[baseline], strict=True)
        )
        for name, times in seconds.items()
    }


def step_taker(
    model: Any, images: FloatArray, batch_size: int, labels: IntArray | None = None
) -> Callable[[], None]:
    """A function that takes a step on the model's next batch, and waits for its end."""
    batches, _, sampling = model.pipeline.training_batches(images, labels, batch_size)
    if sampling is not None:
        model.privacy.begin(*sampling)
    iterator = iter(batches)
    model.make_train_function()

    def take_step() -> None:
        tf.nest.map_structure(lambda loss: loss.numpy(), model.train_function(iterator))

    return take_step
