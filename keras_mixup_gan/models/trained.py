"""What a user asks of a trained model: images, scores, and the epsilon spent."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.models import feeding
from keras_mixup_gan.privacy import accounting, tfp
from keras_mixup_gan.privacy.report import PrivacyReport
from keras_mixup_gan.typing import FloatArray, IntArray, Tensor
from keras_mixup_gan.validation import (
    check_choice,
    check_images,
    check_in_range,
    check_integer,
    check_positive,
)

_LATENT_BLOCK = 256


class TrainedGAN(keras.Model):
    """The part of `GAN` that no longer trains; see there."""

    # Whether noise of DP-SGD was once drawn from a declared seed, now dropped.
    noise_was_seeded = False

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
        latents, classes = self._sample_latents(num_images, seed, start)
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
        inputs = self._with_labels(latents, labels)
        scale = tf.constant(truncation, tf.float32)
        images = self._in_batches(
            lambda part: self._generate_batch(part, scale), inputs, batch_size
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
        return self._in_batches(self._score_batch, inputs, batch_size).astype("float64")

    @property
    def num_steps(self) -> int:
        """Training steps done so far, as a number."""
        return _as_int(self.steps)

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
        widths = [self.latent_dim, *([self.num_classes] if self.num_classes else [])]
        archive = keras.export.ExportArchive()
        archive.track(self.ema_generator)
        archive.add_endpoint(
            "serve",
            lambda *inputs: self.synthesize(self.ema_generator, *inputs),
            [tf.TensorSpec((None, width), tf.float32) for width in widths],
        )
        archive.write_out(os.fspath(path), verbose=False)

    def save_to_preset(self, folder: str | os.PathLike[str]) -> Path:
        """Writes weights and settings, without pickle or code, to be shared.

        Args:
            folder: Where to; `keras_mixup_gan.zoo.from_preset(folder)` reads it.

        Returns:
            The folder.
        """
        from keras_mixup_gan.models.saving import save_preset

        return save_preset(self, folder).folder

    def epsilon(self, delta: float, accountant: str = "pld") -> float:
        """Epsilon spent so far: infinite without `dp`.

        Args:
            delta: Target delta, e.g. below one over the number of training images.
            accountant: `"pld"` (tight) or `"rdp"`.

        Returns:
            Epsilon for adding or removing one training image, from the updates and the
            sampling rate of the training that really ran.
        """
        if self.dp is None:
            return float("inf")
        steps = self._private_steps()
        if steps == 0:
            return 0.0
        self._check_sampling()
        rate = _as_int(self.expected_batch_size) / _as_int(self.num_examples)
        return accounting.epsilon(rate, self._known_noise(), steps, delta, accountant)

    @property
    def noise_multiplier(self) -> float | None:
        """Noise of DP-SGD, as given or calibrated; `None` where there is none yet."""
        if self.dp is None or self.dp.target_epsilon is None:
            return None if self.dp is None else self.dp.noise_multiplier
        return float(self.calibrated_noise.numpy()) or None

    def privacy_statement(self, delta: float) -> str:
        """What was guaranteed, in words.

        Args:
            delta: Target delta.

        Returns:
            tensorflow-privacy's statement for the training that ran; without `dp` a
            sentence that says there is no guarantee.
        """
        if self.dp is None or self._private_steps() == 0:
            return (
                "No differential-privacy guarantee: epsilon is infinite."
                if (self.dp is None)
                else "Not trained yet: epsilon is 0."
            )
        self._check_sampling()
        check_positive(delta=delta)
        check_in_range(0, 1, delta=delta)
        noise = self._known_noise()
        statement = tfp.privacy_statement(
            num_examples=_as_int(self.num_examples),
            batch_size=_as_int(self.expected_batch_size),
            steps=self._private_steps(),
            noise_multiplier=noise,
            delta=delta,
            accountant=accounting.tightest(noise),
        )
        statement += (
            "\nHere batches are Poisson-sampled, so the figure for Poisson sampling "
            "applies.\n"
        )
        if self.dp.noise_seed is not None or self.noise_was_seeded:
            statement += (
                "\nThe noise was drawn from a declared seed (a benchmark): the "
                "guarantee holds only while that seed is secret.\n"
            )
        return statement

    def privacy_report(self, delta: float | None = None) -> PrivacyReport:
        """What was guaranteed, in numbers, and how far any attack can then come.

        Args:
            delta: Target delta; by default 1e-5 or a tenth of one over the number of
                training images, whichever is less.

        Returns:
            The report; `print` it, or read its attributes.

        Raises:
            ValueError: If the model has no `dp`, or was not trained yet.
        """
        if self.dp is None or self._private_steps() == 0:
            raise ValueError(
                "There is no guarantee to report. Expected a model that was trained "
                f"with `dp`. Received: dp={self.dp}, {self._private_steps()} updates. "
                f"{self.privacy_statement(0.5)}"
            )
        self._check_sampling()
        num_examples = _as_int(self.num_examples)
        delta = min(1e-5, 0.1 / num_examples) if delta is None else delta
        return PrivacyReport.of_training(
            sampling_rate=_as_int(self.expected_batch_size) / num_examples,
            noise_multiplier=self._known_noise(),
            d_steps=self._private_steps(),
            delta=delta,
            seeded=self.dp.noise_seed is not None or self.noise_was_seeded,
            l2_norm_clip=self.dp.l2_norm_clip,
            statement=self.privacy_statement(delta),
        )

    def _check_sampling(self) -> None:
        """Raises if the sampling that the accountant needs is not known."""
        if _as_int(self.num_examples) == 0:
            raise ValueError(
                "The sampling that the accountant needs went with the weights that "
                "were restored. Expected weights of a training that began. Received: "
                "num_examples=0. Train a new model."
            )

    def _known_noise(self) -> float:
        """The noise of the updates that were made; raises if it is not known."""
        noise = self.noise_multiplier
        if noise is None:
            raise ValueError(
                "The noise that was calibrated went with the weights that were "
                "restored. Expected weights of a training that began. Received: "
                "calibrated_noise=0. Train a new model."
            )
        return noise

    def _private_steps(self) -> int:
        """Noisy updates that were released; restored weights do not undo them."""
        optimizer = getattr(self, "d_optimizer", None)
        counted = 0 if optimizer is None else int(optimizer.iterations)
        return max(self.num_steps * self.discriminator_steps, counted)

    def _sample_latents(
        self, num_images: int, seed: int, start: int
    ) -> tuple[FloatArray, IntArray]:
        """Latents and classes in fixed blocks, so that portions fit together."""
        first, last = start // _LATENT_BLOCK, (start + num_images) // _LATENT_BLOCK
        blocks, classes = [], []
        for block in range(first, last + 1):
            random = np.random.default_rng([seed, block])
            blocks.append(random.standard_normal((_LATENT_BLOCK, self.latent_dim)))
            classes.append(random.integers(self.num_classes or 1, size=_LATENT_BLOCK))
        window = slice(start - first * _LATENT_BLOCK, None)
        latents = np.concatenate(blocks)[window][:num_images].astype("float32")
        return latents, np.concatenate(classes)[window][:num_images]

    def _with_labels(self, inputs: FloatArray, labels: Any) -> Any:
        """Inputs of a network, with rows of labels where the model is conditional."""
        if self.num_classes is not None:
            return [inputs, feeding.one_hot(labels, self.num_classes, len(inputs))]
        if labels is not None:
            feeding.refuse_labels()
        return inputs

    def _in_batches(self, function: Any, inputs: Any, batch_size: int) -> FloatArray:
        length = len(inputs[0] if isinstance(inputs, list) else inputs)
        rows = [
            tf.nest.map_structure(
                lambda part, at=at: part[at : at + batch_size], inputs
            )
            for at in range(0, length, batch_size)
        ]
        outputs = [function(part).numpy() for part in rows]
        return np.concatenate(outputs) if outputs else np.zeros(0, "float32")

    @tf.function(autograph=False, reduce_retracing=True)
    def _generate_batch(self, inputs: Any, truncation: Tensor) -> Tensor:
        latents, labels = inputs if isinstance(inputs, list) else (inputs, None)
        images = self.synthesize(
            self.ema_generator, latents, labels, truncation=truncation
        )
        return tf.cast(images, tf.float32)

    @tf.function(autograph=False, reduce_retracing=True)
    def _score_batch(self, inputs: Any) -> Tensor:
        images, labels = inputs if isinstance(inputs, list) else (inputs, None)
        return self.discriminate(images, labels, training=False)


def _as_int(counter: Any) -> int:
    """The value of a counter, which several devices may hold."""
    return int(
        tf.distribute.get_strategy()
        .experimental_local_results(counter.value)[0]
        .numpy()
    )
