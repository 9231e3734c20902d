"""`QualityMonitor`: distance of generated from real images, epoch by epoch.

`Monitor` is what all callbacks that log figures share.
"""

from typing import Any

import keras
import numpy as np

from keras_mixup_gan.data.classes import names_of, numbered_by
from keras_mixup_gan.data.labeled import split_labels
from keras_mixup_gan.data.pixels import Pixels
from keras_mixup_gan.metrics.features import FeatureExtractor, extractor_for
from keras_mixup_gan.metrics.fid import frechet_distance
from keras_mixup_gan.metrics.kid import kernel_distance
from keras_mixup_gan.validation import (
    check_classes,
    check_images,
    check_integer,
    class_rows,
    warn_of_range,
)


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


class QualityMonitor(Monitor):
    """Logs the Frechet and the kernel distance of generated images every few epochs.

    They are logged as `fid` and `kid`, lower is better; `Monitor` tells when, and where
    in the list of callbacks to put it. The latents are the same each time. Both figures
    hold for the extractor and the numbers of images alone: `metrics.quality` returns
    them under names that say so.

    Compare with images that the model is not trained on: against its members, a model
    that copies them would look perfect, and with `dp` a figure of the members would be
    one that epsilon does not cover. Choose epochs by other held-out images than those
    that the final quality is reported on.

    Args:
        images: Held-out images `(num_images, height, width, channels)` in `[-1, 1]`, or
            uint8; with their labels too, in any form that `fit` takes.
        num_generated: Number of generated images; by default as many as `images`.
        extractor: What is compared; by default that of `metrics.extractor_for`.
        kid: Whether to log `kid` too; it takes time that grows with the square of the
            number of images.
        labels: Classes of `images`, for conditional models: generated images then have
            the same ones in turn; by default those that come with `images`, or else
            classes are drawn uniformly.

    Raises:
        ValueError: If an argument is not as described; when training begins, if it does
            not fit the model.

    Example:
    ```python
    callbacks = [
        QualityMonitor(reference, every=5),
        keras.callbacks.ModelCheckpoint(
            "best.keras", monitor="fid", mode="min", save_best_only=True
        ),
    ]
    model.fit(images, epochs=50, callbacks=callbacks)
    ```
    """

    def __init__(
        self,
        images: Any,
        every: int = 1,
        num_generated: int | None = None,
        extractor: FeatureExtractor | None = None,
        kid: bool = True,
        labels: Any = None,
        seed: int = 0,
    ) -> None:
        super().__init__(every)
        check_integer(0, seed=seed)
        names = names_of(images)
        images, own_labels = split_labels(images)
        images = check_images(images, "images", keep_bytes=True)
        warn_of_range(Pixels(images), "images")
        if extractor is None:
            extractor = extractor_for(images.shape[1:])
        self._real = extractor(images)
        fewest = 4 if kid else 2
        if len(images) < fewest:
            raise ValueError(
                f"`images` must hold at least {fewest} images, better 1,000. Received: "
                f"{len(images)}. Hold out more."
            )
        num_generated = len(images) if num_generated is None else num_generated
        check_integer(fewest, num_generated=num_generated)
        self.extractor = extractor
        self.num_generated = num_generated
        self.kid = kid
        self.labels = None if labels is None else np.asarray(labels)
        self.seed = seed
        self._image_shape = images.shape[1:]
        self._names = names
        self._own_labels: Any = None
        if own_labels is not None:
            classes = check_classes(own_labels, len(images))
            by_rows = names is not None and classes.ndim == 2
            self._own_labels = classes.argmax(axis=1) if by_rows else classes

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks that images and labels are such as the model makes."""
        super().on_train_begin(logs)
        self._check_shape(self._image_shape, "images")
        if (classes := self._classes()) is not None:
            class_rows(classes, self.model.num_classes, len(self._real))

    def measure(self) -> dict[str, float]:
        """`fid` and, if asked for, `kid` of the averaged generator."""
        labels = self._classes()
        if labels is not None:
            labels = labels[np.arange(self.num_generated) % len(labels)]
        generated = self.model.generate(self.num_generated, labels, self.seed)
        fake = self.extractor(generated)
        figures = {"fid": frechet_distance(self._real, fake)}
        if self.kid:
            figures["kid"] = kernel_distance(self._real, fake).value
        return figures

    def _classes(self) -> Any:
        """Classes of the images, numbered as the model's; `None` to draw them."""
        if self.labels is not None or self.model.num_classes is None:
            return self.labels
        names = names_of(self.model)
        return numbered_by(names, self._own_labels, self._names, "images")
