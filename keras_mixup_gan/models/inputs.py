"""From what users pass to `fit` to the batches that a training step takes.

A data set's batches are dicts with the fields of `Batch` that apply: a replicated data
set cannot carry the others, which are `None`. The step reads them as `Batch`.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_mixup_gan.data.batches import (
    as_they_lie,
    noisy_reader,
    pixel_reader,
    poisson_batches,
    shuffled_indices,
    step_counter,
)
from keras_mixup_gan.data.datasets import (
    EMPTY,
    IMAGE_ERROR,
    LABEL_ERROR,
    as_dataset,
    changes_by_epoch,
    check_elements,
    check_rows,
    in_unit_range,
    keep_cardinality,
    watch_range,
)
from keras_mixup_gan.data.labeled import (
    as_batch,
    is_endless,
    is_read_once,
    split_labels,
)
from keras_mixup_gan.data.pixels import Pixels, as_pixels
from keras_mixup_gan.mixup import MixUp, is_mixed
from keras_mixup_gan.privacy.dpsgd import DPSGD
from keras_mixup_gan.randomness import StepStream
from keras_mixup_gan.storage import check_memory
from keras_mixup_gan.typing import FloatArray, Tensor
from keras_mixup_gan.validation import (
    check_in_range,
    check_integer,
    class_rows,
    warn_of_range,
)


class Batch(NamedTuple):
    """What one discriminator update takes; what does not apply is `None`.

    Attributes:
        images: Float32 tensor `(batch, height, width, channels)`, mixed where the model
            mixes.
        labels: Rows `(batch, num_classes)` of a conditional model, mixed alike.
        weights: How the images were mixed, `(batch, num_sources)`, by which generated
            counterparts are to be mixed.
        source_labels: Labels `(num_sources, num_classes)` before mixing.
        mask: Boolean `(batch,)` with DP-SGD, `False` where a row is absent.
        origins: The source of each pixel, int32 `(batch, height, width)`, where images
            are mixed by regions.
    """

    images: Tensor
    labels: Tensor | None = None
    weights: Tensor | None = None
    source_labels: Tensor | None = None
    mask: Tensor | None = None
    origins: Tensor | None = None


# A data set of the tuples of batches that a step takes; the length of an epoch, if
# known; and with DP-SGD of how many examples how many are expected in a batch.
_Prepared = tuple[tf.data.Dataset, int | None, tuple[int, int] | None]


@dataclass(frozen=True, repr=False)  # it is printed with warnings, and knows seeds
class InputPipeline:
    """How a model takes images: their shape and classes, and what is done to them.

    `batches_per_step` is the number of discriminator updates in a training step,
    `next_batch` tells how many batches training has used, and each of `num_replicas`
    takes an equal share of a batch.
    """

    image_shape: tuple[int, int, int]
    num_classes: int | None
    mixup: MixUp | None
    dp: DPSGD | None
    seed: int
    batches_per_step: int
    next_batch: Callable[[], int]
    num_replicas: int = 1

    def __post_init__(self) -> None:
        mixup = self.mixup
        if mixup is not None and mixup.same_class and self.num_classes is None:
            raise ValueError(
                "`same_class` mixes by labels, which an unconditional model does not "
                "take. Expected `num_classes`. Received: num_classes=None. Set it, or "
                "mix in the pipeline, `dataset.apply(MixUp(same_class=True))`."
            )

    def training_batches(self, x: Any, y: Any, batch_size: int | None) -> _Prepared:
        """Prepared batches of an array or a data set; see `GAN.fit`."""
        dataset = as_dataset(x)
        if dataset is None:
            return self._of_arrays(x, y, 64 if batch_size is None else batch_size)
        if y is not None or batch_size is not None:
            raise ValueError(
                "A data set brings its own labels and batches. Expected "
                "`fit(dataset)`. Received: `y` or `batch_size` too. Leave them out."
            )
        self._check_dataset(dataset)
        by_passes = self.mixup is not None and self.mixup.pairing == "passes"
        if by_passes and (is_read_once(x) or changes_by_epoch(x)):
            raise ValueError(
                "Several passes over data are read side by side. Expected an array or "
                "a data set with pairing='passes', as of mixup='paper'. Received: a "
                f"{type(x).__name__} that is read once, or is told of epochs. Blend "
                "within batches, as mixup=True does."
            )
        if self.dp is None:
            return self._of_dataset(dataset), None, None
        return self._of_arrays(*_collected(x, dataset))

    def evaluation_data(
        self, x: Any, y: Any = None, name: str = "x"
    ) -> tuple[Any, ...]:
        """What `evaluate` is to pass on: raw images and labels, or a data set of them.

        Values of arrays are checked now, those of a data set as it is read.
        """
        dataset = as_dataset(x)
        if dataset is None:
            images, labels = self.arrays(x, y, name)
            return (images,) if labels is None else (images, labels)
        self._check_dataset(dataset)
        read = self._reader(dataset)
        return (dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE),)

    def held_out(self, x: Any, y: Any, share: float, other: Any) -> tuple[Any, ...]:
        """The first images, their labels, and the last share of both to validate on."""
        check_in_range(0, 1, validation_split=share)
        if other is not None or as_dataset(x) is not None:
            raise ValueError(
                "`validation_split` sets aside a part of an array. Expected an array "
                f"`x` and no `validation_data`. Received: x={type(x).__name__}. Pass "
                "`validation_data=`."
            )
        images, labels = self._checked(x, y, "x")
        first = int(len(images) * (1 - share))
        if not 0 < first < len(images):
            raise ValueError(
                "Both parts of the data need images. Expected a `validation_split` "
                f"that leaves some. Received: {share} of {len(images)} images."
            )
        inside, outside = images.take(slice(first)), images[first:]
        if labels is None:
            return inside, None, outside
        return inside, labels[:first], (outside, labels[first:])

    def arrays(
        self, x: Any, y: Any = None, name: str = "images"
    ) -> tuple[FloatArray, FloatArray | None]:
        """Images in `[-1, 1]` and rows of labels, checked; `x` may hold both.

        Labels that come with images are left aside by a model that takes none.
        """
        images, rows = self._checked(x, y, name)
        return np.asarray(images), rows

    def _checked(
        self, x: Any, y: Any = None, name: str = "images"
    ) -> tuple[Pixels, FloatArray | None]:
        """As `arrays`, with images as they are stored."""
        images, labels = split_labels(x)
        if y is not None and labels is not None:
            raise ValueError(
                f"`{name}` holds labels, and others are given. Expected one of the two."
                " Received: both. Leave out `y`."
            )
        labels = y if labels is None or self.num_classes is None else labels
        pixels = as_pixels(images, name, self.image_shape)
        return pixels, class_rows(labels, self.num_classes, len(pixels))

    def prepared(self, data: Any) -> list[Batch]:
        """The batches of a training step; a raw one serves all its updates."""
        if isinstance(data, tuple) and all(isinstance(one, dict) for one in data):
            batches = [Batch(**one) for one in data]
        else:
            batches = [self.raw_batch(data)] * self.batches_per_step
        must_mix, must_sample = self.mixup is not None, self.dp is not None
        if any(
            (must_mix and batch.weights is None) or (must_sample and batch.mask is None)
            for batch in batches
        ):
            raise ValueError(
                "A model with `mixup` or `dp` mixes or samples the training set itself."
                " Expected training through `fit`. Received: a raw batch. Call "
                "`model.fit(x)`."
            )
        return batches

    def raw_batch(self, data: Any) -> Batch:
        """An unmixed batch as Keras passes it: images, with labels or without.

        Its values were checked before, by `arrays` or as a data set was read.
        """
        parts = data if isinstance(data, tuple) else (data,)
        batch = as_batch(*(part for part in parts if part is not None))
        return Batch(**self._normalized(batch))

    def _normalized(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Images and, where the model takes them, labels as float32 rows."""
        images = {"images": tf.cast(batch["images"], tf.float32)}
        if self.num_classes is None:
            return images
        labels = batch.get("labels")
        if labels is None:
            class_rows(None, self.num_classes, 0)  # raises
        elif not _is_row(labels := tf.convert_to_tensor(labels)):
            classes = tf.reshape(tf.cast(labels, tf.int64), (-1,))
            labels = tf.one_hot(classes, self.num_classes)
        return {**images, "labels": tf.cast(labels, tf.float32)}

    # === Arrays ===

    def _of_arrays(self, x: Any, y: Any, batch_size: int) -> _Prepared:
        images, labels = self._checked(x, y, "x")
        warn_of_range(images, "x", stacklevel=5)
        check_integer(1, batch_size=batch_size)
        num_examples = len(images)
        if self.dp is not None and self.dp.num_examples is not None:
            num_examples = self.dp.num_examples  # the public size, not the true one
        if num_examples < batch_size:
            raise ValueError(
                "The data hold fewer images than a batch. Expected at least "
                f"{batch_size}. Received: {num_examples} images. Lower `batch_size` or "
                "add images."
            )
        replicas = self.num_replicas
        if batch_size % replicas:
            raise ValueError(
                "Every replica takes an equal share of a batch. Expected a "
                f"`batch_size` that {replicas} divides. Received: "
                f"batch_size={batch_size}."
            )
        length = max(1, num_examples // (batch_size * self.batches_per_step))
        if self.dp is None:
            batches = self._shuffled(images, labels, batch_size)
            return self._grouped(batches), length, None
        rate, noise_seed = batch_size / num_examples, self.dp.noise_seed
        arrays: dict[str, Any] = {"images": images}
        if labels is not None:
            arrays["labels"] = labels
        batches = poisson_batches(arrays, rate, self.next_batch, noise_seed)
        return self._grouped(batches), length, (num_examples, batch_size)

    def _shuffled(
        self, images: Pixels, labels: FloatArray | None, batch_size: int
    ) -> tf.data.Dataset:
        """Batches of images, shuffled anew each epoch, made floats and mixed."""
        read = pixel_reader(images)
        classes = None if labels is None else tf.constant(labels)
        mixup = self.mixup
        num_passes = 1
        if mixup is not None and mixup.pairing == "passes":
            num_passes = mixup.num_samples
        if mixup is not None and mixup.noise == "once":
            seed, stddev = self._mixing_seed(mixup), mixup.noise_stddev
            read = noisy_reader(read, images, stddev, seed)
        passes = [
            shuffled_indices(
                len(images),
                batch_size,
                self.next_batch,
                self.seed + StepStream.SHUFFLE + n,
            )
            for n in range(num_passes)
        ]

        @tf.autograph.experimental.do_not_convert
        def prepare(step: Tensor, *indices: Tensor) -> dict[str, Tensor]:
            batches = tuple(
                {"images": read(rows)}
                if classes is None
                else {"images": read(rows), "labels": tf.gather(classes, rows)}
                for rows in indices
            )
            if mixup is None:
                return batches[0]
            return mixup.mix_batch(batches, (self._mixing_seed(mixup), step))

        indexed = tf.data.Dataset.zip(step_counter(self.next_batch), *passes)
        batches = indexed.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
        return as_they_lie(batches)

    def _mixing_seed(self, mixup: MixUp) -> int:
        return self.seed if mixup.seed is None else mixup.seed

    # === Data sets ===

    def _of_dataset(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        if is_mixed(dataset) and self.mixup is None:
            warnings.warn(
                "The data set is mixed, and the model knows nothing of it: generated "
                "images are not mixed, and its card and audits name no mixup. Expected "
                "raw images and a model with `mixup`. Received: a data set to which "
                "MixUp was applied. Build the model with `mixup=` instead.",
                stacklevel=4,
            )
        read = self._reader(dataset)
        replicas = self.num_replicas

        @tf.autograph.experimental.do_not_convert
        def read_shared(*element: Tensor) -> dict[str, Tensor]:
            batch = read(*element)
            rows = tf.shape(batch["images"])[0]
            message = (
                f"{IMAGE_ERROR}must come in batches that {replicas} replicas divide. "
                "Received: a batch of"
            )
            tf.debugging.Assert(rows % replicas == 0, [message, rows])
            return batch

        batches = dataset.map(read_shared, num_parallel_calls=tf.data.AUTOTUNE)
        batches = watch_range(batches)
        if self.mixup is not None:
            steps = step_counter(self.next_batch)
            seed = self._mixing_seed(self.mixup)
            batches = self.mixup.mixed_batches(batches, steps, seed)
        return self._grouped(keep_cardinality(batches, dataset))

    def _reader(self, dataset: tf.data.Dataset) -> Callable[..., dict[str, Tensor]]:
        """What brings an element to images and rows of labels, and checks its values.

        Mixtures may have noise, which leaves the range.
        """
        is_raw = not is_mixed(dataset)

        @tf.autograph.experimental.do_not_convert
        def read(*element: Tensor) -> dict[str, Tensor]:
            batch = self._shaped(as_batch(*element))
            batch = in_unit_range(batch, is_raw=is_raw)
            if self.num_classes is not None:
                self._check_labels(batch["labels"])
            return self._normalized(batch)

        return read

    def _shaped(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """A batch whose images have the model's shape; it stops at others."""
        images = batch["images"]
        if images.shape[1:].is_fully_defined():  # and was compared before
            return batch
        shape = tf.shape(images)[1:]
        message = f"{IMAGE_ERROR}must be of shape {self.image_shape}. Received:"
        fits = tf.reduce_all(shape == self.image_shape)
        with tf.control_dependencies([tf.debugging.Assert(fits, [message, shape])]):
            images = tf.ensure_shape(images, (None, *self.image_shape))
        return {**batch, "images": images}

    def _check_labels(self, labels: Tensor) -> None:
        """Stops a data set at classes out of range, or at rows that are no shares."""
        if _is_row(labels):
            check_rows(labels)
            return
        labels, last = tf.cast(labels, tf.int64), int(self.num_classes or 0) - 1
        message = f"{LABEL_ERROR}must lie in 0 to {last}. Received: up to"
        is_known = tf.reduce_all((labels >= 0) & (labels <= last))
        tf.debugging.Assert(is_known, [message, tf.reduce_max(labels)])

    def _check_dataset(self, dataset: tf.data.Dataset) -> None:
        """Raises a `ValueError` unless the data set's elements suit the model."""
        batch = check_elements(dataset.element_spec)
        if dataset.cardinality() == 0:
            raise ValueError(EMPTY)
        if self.dp is not None and is_mixed(dataset):
            raise ValueError(
                "DP-SGD must count images, not mixtures of them. Expected raw images. "
                "Received: a data set to which MixUp was applied. Leave one of the two "
                "out."
            )
        shape = batch["images"].shape[1:]
        if not shape.is_compatible_with(self.image_shape):
            raise ValueError(
                f"{IMAGE_ERROR}must be of shape {self.image_shape}. Received: "
                f"{shape}. Resize them, or build the model with `image_shape=` of the "
                "data."
            )
        if self.num_classes is None:
            return
        labels = batch.get("labels")
        if labels is None:
            class_rows(None, self.num_classes, 0)  # raises
            return
        shapes = [(None,), (None, 1)]
        if _is_row(labels):
            shapes = [(None, self.num_classes)]
        is_number = labels.dtype.is_integer or (
            _is_row(labels) and labels.dtype.is_floating
        )
        fits = any(map(labels.shape.is_compatible_with, shapes))
        if labels.shape.rank is None or not (is_number and fits):
            raise ValueError(
                f"{LABEL_ERROR}must be integers of shape (batch,) or rows of shape "
                f"(batch, {self.num_classes}). Received: shape={labels.shape}, "
                f"dtype={labels.dtype.name}."
            )

    def _grouped(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Tuples of as many batches as a training step has discriminator updates."""
        size = self.batches_per_step
        if size == 1:
            return _prefetched(batches.map(lambda batch: (batch,)))
        if 0 <= batches.cardinality() < size:
            raise ValueError(
                f"{IMAGE_ERROR}must fill {size} batches, one for each discriminator"
                f" update of a step. Received: {batches.cardinality()}. Repeat the data"
                " set, `dataset.repeat()`, or make its batches smaller."
            )
        spec = batches.element_spec

        def separate(stacked: Any, shapes: Any) -> tuple[dict[str, Tensor], ...]:
            def part(name: str, n: int) -> Tensor:
                shape = shapes[name][n]
                rows = tf.slice(stacked[name][n], tf.zeros_like(shape), shape)
                return tf.ensure_shape(rows, spec[name].shape)

            return tuple({name: part(name, n) for name in stacked} for n in range(size))

        # Batches may differ in size: with DP-SGD, and at the end of a data set.
        shaped = batches.map(lambda one: (one, tf.nest.map_structure(tf.shape, one)))
        return _prefetched(shaped.padded_batch(size, drop_remainder=True).map(separate))


def _prefetched(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Prepared ahead; without tuning, whose thread every `fit` would wait for."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def _is_row(labels: Any) -> bool:
    """Whether labels are rows of shares, not integers or a column of them."""
    return bool(labels.shape.rank == 2 and labels.shape[1] != 1)


def _repeats(dataset: tf.data.Dataset) -> bool:
    """Whether images come several times, each perhaps augmented in another way."""
    is_repeat = type(dataset).__name__ == "_RepeatDataset"
    if is_repeat and tf.get_static_value(dataset._count) != 1:
        return True
    return any(map(_repeats, dataset._inputs()))


def _collected(x: Any, dataset: tf.data.Dataset) -> tuple[Any, Any, int]:
    """A data set as images, labels and a batch size, for Poisson sampling."""
    endless = is_endless(x) or is_endless(dataset)
    if endless or is_read_once(x) or _repeats(dataset):
        raise ValueError(
            "DP-SGD samples from a finite training set, in which each image is one "
            "record. Expected a data set without `repeat()`. Received: one with it, an "
            "endless one, or a generator. Pass each image once."
        )
    batches, size = [], 0
    for element in dataset.as_numpy_iterator():
        batches.append(as_batch(element))
        size += batches[-1]["images"].nbytes
        check_memory(size, "Images of a data set, which may have no end,")
    if not batches:
        raise ValueError(EMPTY)
    parts = [np.concatenate([b[name] for b in batches]) for name in batches[0]]
    images = parts[0]
    num_distinct = len({image.tobytes() for image in images})
    if num_distinct < len(images):
        raise ValueError(
            "DP-SGD counts each image of the data set as one record. Expected each "
            f"image once. Received: {len(images)} images, {num_distinct} of "
            "them distinct. Remove `repeat()`, or pass an array."
        )
    x = images if len(parts) == 1 else tuple(parts)
    return x, None, len(batches[0]["images"])
