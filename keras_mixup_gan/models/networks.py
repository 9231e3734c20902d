"""Two networks and their optimizers: images from latents, and scores of images."""

import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.models import optimizing, sampling
from keras_mixup_gan.typing import FloatArray, IntArray, Tensor
from keras_mixup_gan.validation import (
    check_choice,
    check_images,
    check_in_range,
    check_integer,
    class_rows,
)


class NetworkPair(keras.Model):
    """A generator with its moving average, a discriminator, and an optimizer of each.

    The average is what is called, sampled and exported. How the networks are trained is
    up to subclasses.

    Args:
        generator: Maps latents `(batch, latent_dim)`, or `[latents, labels]`, to images
            in `[-1, 1]`.
        discriminator: Maps images, or `[images, labels]`, to raw scores `(batch, 1)`.
        ema_generator: A network like `generator` for the moving average.
        image_shape: `(height, width, channels)`.
        latent_dim: Number of latent dimensions.
        num_classes: Number of classes of a conditional model, or `None`.
        is_private: Whether the discriminator's gradients arrive clipped and noised:
            without loss scaling, on one replica, from batches of changing size.
        **kwargs: Further arguments of `keras.Model`.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        ema_generator: keras.Model,
        *,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        num_classes: int | None,
        is_private: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_classes is not None:
            check_integer(2, num_classes=num_classes)
        self.image_shape = image_shape
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.is_private = is_private
        self.generator = generator
        self.discriminator = discriminator
        self.ema_generator = ema_generator
        self.ema_generator.set_weights(generator.get_weights())
        self.ema_generator.trainable = False

    # === Optimizers ===

    @property
    def trained_generators(self) -> list[keras.Model]:
        """What the generator's optimizer trains."""
        return [self.generator]

    @property
    def trained_discriminators(self) -> list[keras.Model]:
        """What the discriminator's optimizer trains."""
        return [self.discriminator]

    def compile(
        self, g_optimizer: Any = "adam", d_optimizer: Any = "adam", **kwargs: Any
    ) -> None:
        """Sets the two optimizers and builds their state.

        Args:
            g_optimizer: Optimizer of the generator: a name or an instance.
            d_optimizer: Optimizer of the discriminator.
            **kwargs: Further arguments of `keras.Model.compile`, such as
                `jit_compile` (off by default on CPU, where it is slower, and with
                `dp`, where every batch has another size) and `steps_per_execution`.
        """
        if self.is_private or not tf.config.list_physical_devices("GPU"):
            kwargs.setdefault("jit_compile", False)
        optimizing.check_compile(g_optimizer, d_optimizer, kwargs, self.is_private)
        super().compile(optimizer=None, **kwargs)
        self.g_optimizer = optimizing.prepared(g_optimizer, *self.trained_generators)
        self.d_optimizer = optimizing.prepared(
            d_optimizer, *self.trained_discriminators, scales_loss=not self.is_private
        )

    def get_compile_config(self) -> dict[str, Any]:
        """Arguments that repeat `compile`."""
        serialize = keras.saving.serialize_keras_object
        return {
            "g_optimizer": serialize(self.g_optimizer),
            "d_optimizer": serialize(self.d_optimizer),
            "jit_compile": self.jit_compile,
            "steps_per_execution": self.steps_per_execution,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as it was."""
        restored = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("g_optimizer", "d_optimizer")
        }
        self.compile(**{**config, **restored})

    def minimize(
        self,
        tape: tf.GradientTape,
        loss: Tensor,
        networks: keras.Model | list[keras.Model],
        optimizer: keras.optimizers.Optimizer,
    ) -> None:
        """One update of a network, or of several, by a loss that a tape has seen."""
        variables = optimizing.trainable_variables(*tf.nest.flatten(networks))
        gradients = optimizing.gradients(tape, loss, variables, optimizer)
        optimizer.apply(gradients, variables)

    # === Images and scores ===

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """Images of the averaged generator for latents, or `[latents, labels]`."""
        parts = inputs if isinstance(inputs, list | tuple) else (inputs, None)
        return self.synthesize(self.ema_generator, *parts)

    def synthesize(
        self,
        network: keras.Model,
        latents: Tensor,
        labels: Tensor | None = None,
        draw: Any = None,
        truncation: Any = 1.0,
    ) -> Tensor:
        """Images of a generator network.

        Args:
            network: `generator` or `ema_generator`.
            latents: Float tensor `(num_images, latent_dim)`.
            labels: Float tensor `(num_images, num_classes)` of a conditional model.
            draw: In training, which of the step's draws this is; otherwise `None`, and
                an image depends on its latents and label alone.
            truncation: Scalar in `[0, 1]`; see `generate`.

        Returns:
            Tensor `(num_images, height, width, channels)`.
        """
        latents = truncation * latents
        inputs = latents if labels is None else [latents, labels]
        return network(inputs, training=draw is not None)

    def logits(
        self,
        images: Tensor,
        labels: Tensor | None,
        training: bool = True,
        network: Any = None,
    ) -> Tensor:
        """All outputs `(batch, num_outputs)` in float32 of the discriminator."""
        inputs = images if labels is None else [images, labels]
        outputs = (network or self.discriminator)(inputs, training=training)
        return tf.cast(outputs, tf.float32)

    def discriminate(
        self,
        images: Tensor,
        labels: Tensor | None,
        training: bool = True,
        network: Any = None,
    ) -> Tensor:
        """Raw scores `(batch,)` in float32, of the discriminator or one like it."""
        return self.logits(images, labels, training, network)[:, 0]

    def discriminate_both(
        self, reals: Tensor, fakes: Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Scores of reals and fakes from one pass, which is faster than two."""
        if labels is not None:
            labels = tf.concat([labels, labels], 0)
        scores = self.discriminate(tf.concat([reals, fakes], 0), labels)
        real, fake = tf.split(scores, 2)
        return real, fake

    def generate(
        self,
        num_images: int,
        labels: IntArray | None = None,
        seed: int = 0,
        *,
        start: int = 0,
        truncation: float = 1.0,
        batch_size: int = 256,
        dtype: str = "uint8",
    ) -> np.ndarray[Any, Any]:
        """Samples images from the averaged generator.

        Args:
            num_images: How many.
            labels: Classes `(num_images,)` of a conditional model; drawn uniformly
                by default.
            seed: Image `i` is a function of `(seed, start + i)` and its label.
            start: Index of the first image, so that many can be drawn in portions.
            truncation: In `[0, 1]`: below 1 images are more typical and less diverse,
                as latents are drawn toward their mean (by a style-based model:
                styles).
            batch_size: Images computed at once.
            dtype: `"uint8"` for 0 to 255, or `"float32"` for `[-1, 1]`.

        Returns:
            Array `(num_images, height, width, channels)`.

        Raises:
            ValueError: If labels do not fit the model.
        """
        check_integer(0, num_images=num_images, seed=seed, start=start)
        check_integer(1, batch_size=batch_size)
        check_in_range(0, 1, truncation=truncation)
        check_choice(dtype, ("uint8", "float32"), "dtype")
        latents, classes = sampling.latents_and_classes(
            num_images, seed, start, self.latent_dim, self.num_classes
        )
        if labels is None and self.num_classes is not None:
            labels = classes
        images = self.decode(latents, labels, batch_size, truncation=truncation)
        if dtype == "float32":
            return images
        return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype("uint8")

    def decode(
        self,
        latents: FloatArray,
        labels: Any = None,
        batch_size: int = 256,
        *,
        truncation: float = 1.0,
    ) -> FloatArray:
        """Images of the averaged generator for chosen latents.

        Args:
            latents: Float array `(num_images, latent_dim)`; standard normal ones give
                typical images.
            labels: Classes of a conditional model, integers or (soft) one-hot rows.
            batch_size: Images computed at once.
            truncation: See `generate`.

        Returns:
            Float32 array `(num_images, height, width, channels)` in `[-1, 1]`.

        Raises:
            ValueError: If latents or labels do not fit the model.
        """
        latents = np.asarray(latents, dtype="float32")
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(
                f"`latents` must be an array (num_images, {self.latent_dim}). "
                f"Received: shape={latents.shape}."
            )
        scale = tf.constant(truncation, tf.float32)
        images = sampling.in_portions(
            lambda parts: self._generate_batch(parts, scale),
            self._with_labels(latents, labels),
            batch_size,
        )
        return images.reshape(len(latents), *self.image_shape)

    def score(
        self,
        images: FloatArray,
        labels: Any = None,
        batch_size: int = 256,
        *,
        check_range: bool = True,
    ) -> FloatArray:
        """The discriminator's raw output on images, unmixed and in inference mode.

        Args:
            images: Float array `(num_images, height, width, channels)` in `[-1, 1]`.
            labels: Classes of a conditional model, integers or (soft) one-hot rows.
            batch_size: Images computed at once; the scores do not depend on it.
            check_range: `False` lets noisy mixtures leave `[-1, 1]`.

        Returns:
            Float64 array `(num_images,)`; higher means "more like a training image".

        Raises:
            ValueError: If images or labels do not fit the model.
        """
        if check_range:
            images = check_images(images, image_shape=self.image_shape)
        inputs = self._with_labels(np.asarray(images, dtype="float32"), labels)
        scores = sampling.in_portions(self._score_batch, inputs, batch_size)
        return scores.astype("float64")

    def inference_scores(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """What `score` gives, as tensors `(batch,)`."""
        return self.discriminate(images, labels, training=False)

    def export_generator(self, path: str | os.PathLike[str]) -> None:
        """Writes the averaged generator as a SavedModel for serving.

        Its endpoint `serve` maps latents `(num_images, latent_dim)`, and labels
        `(num_images, num_classes)` of a conditional model, to float32 images in
        `[-1, 1]`. The file holds neither the discriminator nor the optimizers.

        Args:
            path: Folder to write.

        Example:
        ```python
        model.export_generator("generator")
        images = tf.saved_model.load("generator").serve(latents)
        ```
        """
        sizes = [self.latent_dim, *([self.num_classes] if self.num_classes else [])]
        archive = keras.export.ExportArchive()
        archive.track(self.ema_generator)
        archive.add_endpoint(
            "serve",
            lambda *inputs: self.synthesize(self.ema_generator, *inputs),
            [tf.TensorSpec((None, size), tf.float32) for size in sizes],
        )
        archive.write_out(os.fspath(path), verbose=False)

    def _with_labels(self, inputs: FloatArray, labels: Any) -> list[FloatArray]:
        """Inputs of a network, with rows of labels where the model is conditional."""
        rows = class_rows(labels, self.num_classes, len(inputs))
        return [inputs] if rows is None else [inputs, rows]

    @tf.function(autograph=False, reduce_retracing=True)
    def _generate_batch(self, inputs: list[Tensor], truncation: Tensor) -> Tensor:
        latents, labels = (*inputs, None)[:2]
        images = self.synthesize(
            self.ema_generator, latents, labels, truncation=truncation
        )
        return tf.cast(images, tf.float32)

    @tf.function(autograph=False, reduce_retracing=True)
    def _score_batch(self, inputs: list[Tensor]) -> Tensor:
        images, labels = (*inputs, None)[:2]
        return self.inference_scores(images, labels)
