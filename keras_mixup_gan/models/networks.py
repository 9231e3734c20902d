"""Two networks and their optimizers: images from latents, and scores of images."""

import os
import secrets
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.data.classes import check_class_names
from keras_mixup_gan.models.divergence import check_weights
from keras_mixup_gan.models.layers import check_precision, named_network, policy_scope
from keras_mixup_gan.models.optimizers import (
    LearningRates,
    gradients,
    prepared,
    trainable_variables,
)
from keras_mixup_gan.models.portions import in_portions, latents_and_classes
from keras_mixup_gan.models.refusals import (
    check_compile,
    refuse_own_losses,
    refuse_replicas,
)
from keras_mixup_gan.typing import FloatArray, IntArray, Tensor
from keras_mixup_gan.validation import (
    MAX_CLASSES,
    check_choice,
    check_images,
    check_in_range,
    check_integer,
    class_rows,
    eight_bits,
)


class NetworkPair(keras.Model):
    """A generator with its moving average, a discriminator, and an optimizer of each.

    The average is what is called, sampled and exported. How the networks are trained is
    up to subclasses.

    Args:
        make_generator: Called with a seed; a network of latents `(batch, latent_dim)`,
            or `[latents, labels]`, to images in `[-1, 1]`.
        make_discriminator: Called with another; a network of images, or `[images,
            labels]`, to raw scores `(batch, 1)`.
        image_shape: `(height, width, channels)`.
        num_classes: Number of classes of a conditional model, or `None`.
        class_names: What they are called, in the order of their numbers: data whose
            classes have names are then numbered alike. A model that is first trained
            on such data takes theirs.
        seed: Integer below 2**31, or `None` to draw one.
        is_private: Whether the discriminator's gradients arrive clipped and noised:
            without loss scaling, on one replica, from batches of changing size.
    """

    def __init__(
        self,
        make_generator: Callable[[int], keras.Model],
        make_discriminator: Callable[[int], keras.Model],
        *,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        num_classes: int | None,
        class_names: Iterable[str] | None = None,
        seed: int | None = None,
        is_private: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_precision(self.dtype_policy.name)
        if num_classes is not None:
            check_integer(2, num_classes=num_classes)
            check_in_range(2, MAX_CLASSES, num_classes=num_classes)
        seed = secrets.randbits(31) if seed is None else seed
        check_integer(0, seed=seed)
        check_in_range(0, 2**31 - 1, seed=seed)
        seed = int(seed)
        self.image_shape = image_shape
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.class_names = check_class_names(class_names, num_classes=num_classes or 0)
        self.seed = seed
        self.is_private = is_private
        with policy_scope(kwargs.get("dtype")):
            self.generator = named_network("generator", make_generator, seed)
            self.discriminator = named_network(
                "discriminator", make_discriminator, seed + 1
            )
            self.ema_generator = named_network("ema_generator", make_generator, seed)
        self.ema_generator.set_weights(self.generator.get_weights())
        self.ema_generator.trainable = False

    # Why replicas cannot share a batch, where that is so.
    is_undivided = ""

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
        self, g_optimizer: Any = None, d_optimizer: Any = None, **kwargs: Any
    ) -> None:
        """Sets the two optimizers and builds their state.

        Each is a name or an instance; where neither is given, both are `"adam"`.
        Further arguments are those of `keras.Model.compile`, such as
        `steps_per_execution` and `jit_compile`: off by default on CPU, where it is
        slower, and with `dp`, where every batch has another size.
        """
        if self.is_private or not tf.config.list_physical_devices("GPU"):
            kwargs.setdefault("jit_compile", False)
        undivided = self.is_undivided
        if self.is_private:
            undivided = "DP-SGD draws its noise once for a whole batch"
        check_compile(g_optimizer, d_optimizer, kwargs)
        if undivided:
            refuse_replicas(self.distribute_strategy, undivided)
        super().compile(optimizer=None, **kwargs)
        refuse_own_losses([*self.trained_generators, *self.trained_discriminators])
        self.g_optimizer = prepared(g_optimizer, self.trained_generators)
        self.d_optimizer = prepared(
            d_optimizer, self.trained_discriminators, scales_loss=not self.is_private
        )
        self.optimizer = LearningRates(
            generator=self.g_optimizer, discriminator=self.d_optimizer
        )

    def get_compile_config(self) -> dict[str, Any]:
        """Arguments that repeat `compile`; none of what is not compiled."""
        if not self.compiled:
            return {}
        serialize = keras.saving.serialize_keras_object
        return {
            "g_optimizer": serialize(self.g_optimizer),
            "d_optimizer": serialize(self.d_optimizer),
            "jit_compile": self.jit_compile,
            "steps_per_execution": self.steps_per_execution,
            **({"run_eagerly": True} if self.run_eagerly else {}),
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
        variables = trainable_variables(tf.nest.flatten(networks))
        optimizer.apply(gradients(tape, loss, variables, optimizer), variables)

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
        """Images of `generator` or `ema_generator`; `truncation` is that of `generate`.

        `draw` is which of a training step's draws this is; where it is `None`, an image
        depends on its latents and label alone.
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
            ValueError: If labels do not fit the model, or it has diverged.
        """
        check_integer(0, num_images=num_images, seed=seed, start=start)
        check_choice(dtype, ("uint8", "float32"), "dtype")
        latents, classes = latents_and_classes(
            num_images, seed, start, self.latent_dim, self.num_classes
        )
        if labels is None and self.num_classes is not None:
            labels = classes
        convert = eight_bits if dtype == "uint8" else np.asarray
        return self._decoded(latents, labels, batch_size, truncation, convert)

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
            ValueError: If latents or labels do not fit the model, or it has diverged.
        """
        latents = np.asarray(latents, dtype="float32")
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(
                f"`latents` must be an array (num_images, {self.latent_dim}). "
                f"Received: shape={latents.shape}."
            )
        return self._decoded(latents, labels, batch_size, truncation, np.asarray)

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
            images: Array `(num_images, height, width, channels)`, floats in `[-1, 1]`
                or uint8.
            labels: Classes of a conditional model, integers or (soft) one-hot rows.
            batch_size: Images computed at once.
            check_range: `False` lets noisy mixtures leave `[-1, 1]`.

        Returns:
            Float64 array `(num_images,)`; higher means "more like a training image".

        Raises:
            ValueError: If images or labels do not fit the model, or it has diverged.
        """
        check_integer(1, batch_size=batch_size)
        if check_range or getattr(images, "dtype", None) == np.uint8:
            images = check_images(images, image_shape=self.image_shape)
        inputs = self._with_labels(np.asarray(images, dtype="float32"), labels)
        what = "The discriminator's scores"
        scores = in_portions(self._score_batch, inputs, batch_size, what)
        return scores.astype("float64")

    def inference_scores(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """What `score` gives, as tensors `(batch,)`."""
        return self.discriminate(images, labels, training=False)

    def export_generator(
        self, path: str | os.PathLike[str], format: str = "savedmodel"
    ) -> None:
        """Writes the averaged generator for serving, and nothing else of the model.

        It maps latents `(num_images, latent_dim)`, standard normal, and one-hot rows
        `(num_images, num_classes)` of a conditional model, to float32 images in
        `[-1, 1]`. The file also says that, how the model was trained and what its
        DP-SGD has spent: `generator.json` in the folder of a SavedModel, the metadata
        of an ONNX file.

        Args:
            path: A folder for a SavedModel, or the name of an `.onnx` file.
            format: `"savedmodel"`, with an endpoint `serve`, or `"onnx"`, with inputs
                `latents` and `labels` and the output `images`; the latter needs the
                extra `onnx`.

        Raises:
            ValueError: If the model has diverged, or the format is unknown.
            ImportError: If the extra is not installed.

        Example:
        ```python
        model.export_generator("generator")
        served = tf.saved_model.load("generator")
        images = served.serve(tf.random.normal((64, model.latent_dim)))
        ```
        """
        from keras_mixup_gan.models.released import export_generator

        export_generator(self, path, format)

    def save(self, filepath: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Writes the whole model, `model.save("model.keras")`, as Keras does.

        The file holds the discriminator too, which gives most away of the training
        set: to hand over the generator alone, use `export_generator`, or
        `save_to_preset(folder, release="generator")`.
        """
        if os.fspath(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                "Keras' older format holds neither two optimizers nor two networks. "
                f"Expected a name that ends in .keras. Received: filepath={filepath!r}."
                " For weights alone call `model.save_weights('name.weights.h5')`."
            )
        super().save(filepath, *args, **kwargs)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        **kwargs: Any,
    ) -> None:
        """Exports the averaged generator, by default as `export_generator` does.

        Further formats and arguments are those of `keras.Model.export`.
        """
        ours = {"tf_saved_model": "savedmodel", "onnx": "onnx"}
        if format in ours and not kwargs.keys() - {"verbose"}:
            return self.export_generator(filepath, ours[format])
        check_weights(self.ema_generator)
        self.ema_generator.export(filepath, format=format, **kwargs)

    def _decoded(
        self,
        latents: FloatArray,
        labels: Any,
        batch_size: int,
        truncation: float,
        convert: Callable[[FloatArray], np.ndarray[Any, Any]],
    ) -> np.ndarray[Any, Any]:
        """Images for latents, converted portion by portion."""
        check_integer(1, batch_size=batch_size)
        check_in_range(0, 1, truncation=truncation)
        scale = tf.constant(truncation, tf.float32)
        images = in_portions(
            lambda parts: self._generate_batch(parts, scale),
            self._with_labels(latents, labels),
            batch_size,
            "The generator's images",
            convert,
        )
        return images.reshape(len(latents), *self.image_shape)

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
