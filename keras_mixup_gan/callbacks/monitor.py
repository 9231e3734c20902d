"""What the callbacks that log figures share."""

from typing import Any

import keras

from keras_mixup_gan.validation import check_integer


class Monitor(keras.callbacks.Callback):
    """Base class of callbacks that measure figures every few epochs and log them.

    A subclass defines `measure`. The figures enter the epoch's logs, where callbacks
    that stand later in the list, the progress bar and the history find them: put
    monitors before `ModelCheckpoint`, `EarlyStopping`, `CSVLogger` and `TensorBoard`,
    and tell these `mode=`, as Keras does not know which way is better.

    Figures are measured after every epoch whose number `every` divides, after the first
    epoch of a `fit` and after its last. An epoch between repeats the last figures, so
    that every epoch has all keys and none is NaN, with which `EarlyStopping` would
    never again see an improvement. A repeated figure is no improvement either: the
    `patience` of `EarlyStopping` counts epochs, not measurements.

    Args:
        every: Number of epochs from one measurement to the next.
    """

    def __init__(self, every: int = 1) -> None:
        super().__init__()
        check_integer(1, every=every)
        self.every = every
        self._figures: dict[str, float] = {}

    def measure(self) -> dict[str, float]:
        """The figures of the model as it is, by the keys that they have in the logs."""
        raise NotImplementedError

    def is_due(self, epoch: int) -> bool:
        """Whether to measure after this epoch, counted from 0."""
        is_last = epoch + 1 == self.params.get("epochs")
        return not self._figures or is_last or (epoch + 1) % self.every == 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets the figures of an earlier `fit`."""
        self._figures = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measures, where it is time to, and adds the figures to the logs."""
        if self.is_due(epoch):
            self._figures = self.measure()
        if logs is not None:
            logs.update(self._figures)

    def _check_shape(self, shape: tuple[int, ...], name: str) -> None:
        """Raises a `ValueError` unless images have the shape of the model's."""
        if tuple(shape) != tuple(self.model.image_shape):
            raise ValueError(
                f"`{name}` must hold images of the model's shape "
                f"{self.model.image_shape}. Received: {tuple(shape)}. Resize them."
            )
