"""A model that has diverged: its weights or outputs are NaN or infinite."""

from typing import Any

import keras
import numpy as np

from keras_mixup_gan.typing import FloatArray

_REMEDY = (
    "Lower the learning rates, `model.compile(g_optimizer, d_optimizer)`, or go back to"
    " weights from before."
)


class StopAtDivergence(keras.callbacks.Callback):
    """Ends `fit` by a `ValueError` after an epoch that left weights of no use.

    Losses may be infinite for a step without harm, where a scaled loss skips it. In
    the list it comes before all callbacks that would keep such weights.
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at all weights."""
        losses = ", ".join(f"{name}={value:g}" for name, value in (logs or {}).items())
        check_weights(self.model, f"after epoch {epoch + 1}, with {losses}")


def check_weights(model: keras.Model, when: str = "as it is") -> None:
    """Raises a `ValueError` unless all weights are finite."""
    for weight, values in zip(model.weights, model.get_weights(), strict=True):
        if not np.isfinite(values).all():
            raise ValueError(
                "The model has diverged: some of its weights are NaN or infinite. "
                f"Expected finite ones. Received: {weight.path!r} {when}. {_REMEDY}"
            )


def check_finite(values: FloatArray, what: str) -> None:
    """Raises a `ValueError` unless what a model made is finite."""
    finite = np.isfinite(values)
    if not finite.all():
        raise ValueError(
            f"{what} must be finite. Received: {int((~finite).sum())} of {finite.size} "
            f"values that are NaN or infinite: the model has diverged. {_REMEDY}"
        )
