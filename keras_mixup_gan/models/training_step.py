"""The training step of all GANs: its skeleton, its randomness and its state."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.augment import augment as diff_augment
from keras_mixup_gan.augment import check_policy
from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.models.inputs import Batch, InputPipeline
from keras_mixup_gan.models.layers import keyed_choices
from keras_mixup_gan.models.networks import NetworkPair
from keras_mixup_gan.models.optimizers import fixed_loss_scale
from keras_mixup_gan.models.refusals import (
    check_defenses,
    refuse_own_objective,
    refuse_unheard,
    vouches_for_scores,
)
from keras_mixup_gan.models.step_random import StepRandom
from keras_mixup_gan.privacy.dpsgd import DPSGD, check_multiplicity, refuse_mixup
from keras_mixup_gan.privacy.updates import PrivateUpdates, Spent, WeightArrays
from keras_mixup_gan.randomness import StepStream
from keras_mixup_gan.typing import FloatArray, Tensor
from keras_mixup_gan.validation import check_in_range, check_integer

# The entry of a weights file beside those of variables, which are numbers.
_SPENT = "dp_spent"
# Transforms of a DP-SGD update that images choose from: so many that few share one.
_NUM_TRANSFORMS = 4096


def after_its_data(step: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A training step of which nothing is done before its data are there.

    A data set of unknown length ends within a step, and TensorFlow then still does what
    needs no data, such as counting an update.
    """

    @functools.wraps(step)
    def train_step(model: Any, data: Any) -> Any:
        given = [part for part in tf.nest.flatten(data) if part is not None]
        with tf.control_dependencies(given):
            return step(model, data)

    return train_step


class AdversarialModel(NetworkPair):
    """Two networks in training; a subclass adds losses and an update.

    A subclass defines `discriminator_loss`, `generator_loss`, `update_discriminator`
    and, for DP-SGD, `row_losses`. It may also change `counterparts`,
    `update_generator`, `private_rows`, `synthesize`, `discriminate` and
    `inference_scores`, and what optimizers train.

    Args and errors are those of `GAN`.
    """

    # Rows of a DP-SGD update for each real image: it and a generated one.
    rows_per_image = 2
    # Methods of other families that the training step of this one does not call.
    unheard: frozenset[str] = frozenset()
    # Whether the loss of such a row is a function of the discriminator's one score.
    scores_suffice = False
    # What a trained step would not heed any more.
    fixed = frozenset({"augment", "dp", "ema_momentum", "mixup", "seed"}) | {
        "discriminator_steps",
        "latent_dim",
        "num_classes",
    }
    # Whether weights come with the settings they are of, as in a `.keras` file.
    _with_settings = False

    def __init__(
        self,
        *networks: Any,
        mixup: MixUp | None = None,
        dp: DPSGD | None = None,
        augment: str | None = None,
        discriminator_steps: int = 1,
        ema_momentum: float = 0.999,
        **kwargs: Any,
    ) -> None:
        check_defenses(mixup, dp)
        super().__init__(*networks, is_private=dp is not None, **kwargs)
        check_in_range(0, 1, ema_momentum=ema_momentum)
        check_integer(1, discriminator_steps=discriminator_steps)
        if augment is not None:
            check_policy(augment)
        if dp is not None:
            refuse_mixup(dp, mixup)
            refuse_own_objective(type(self), dp)
            check_multiplicity(dp, augment)
        else:
            refuse_unheard(type(self), self.unheard)
        if augment is not None and mixup is not None and mixup.augment is not None:
            raise ValueError(
                "Images would be transformed twice, before and after blending. "
                "Expected one of the two. Received: "
                f"augment={augment!r}, mixup={mixup}. Use `mixup` alone."
            )
        self.mixup = mixup
        self.dp = dp
        self.augment = augment
        self.discriminator_steps = discriminator_steps
        self.ema_momentum = ema_momentum

        # Weights of a file are told apart by their order.
        self.steps = self._counter("steps")
        self.num_examples = self._counter("num_examples")
        self.expected_batch_size = self._counter("expected_batch_size")
        self.random = StepRandom(self.seed, self.steps)
        self.privacy: PrivateUpdates | None = None
        if dp is not None:
            scores_suffice = self.scores_suffice and vouches_for_scores(type(self))
            self.privacy = PrivateUpdates(
                dp,
                self.discriminator,
                num_examples=self.num_examples,
                expected_batch_size=self.expected_batch_size,
                add_counter=self._counter,
                count_updates=self._count_updates,
                rows_per_image=self.rows_per_image,
                scores_suffice=scores_suffice,
                # A penalty has gradients that scaling would drive out of float16.
                loss_scale=fixed_loss_scale(self.discriminator)
                if scores_suffice
                else 1.0,
            )
        self.pipeline = InputPipeline(
            self.image_shape,
            self.num_classes,
            mixup,
            dp,
            self.seed,
            discriminator_steps,
            next_batch=lambda: self.num_steps * discriminator_steps,
            num_replicas=self.distribute_strategy.num_replicas_in_sync,
        )
        self._d_loss = keras.metrics.Mean(name="d_loss")
        self._g_loss = keras.metrics.Mean(name="g_loss")
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Running means of the losses; with DP-SGD of the generator's alone.

        The discriminator's loss reads real images without noise.
        """
        return [self._g_loss] if self.dp else [self._d_loss, self._g_loss]

    def test_step(self, data: Any) -> dict[str, Tensor]:
        """Losses on raw images in inference mode."""
        images, labels, *_ = self.pipeline.raw_batch(data)
        # The running mean counts images: each batch is met by latents of its own.
        latents = self.latents(tf.shape(images)[0], self._g_loss.count.value)
        fakes = self.synthesize(self.ema_generator, latents, labels)
        real = self.discriminate(images, labels, training=False)
        fake = self.discriminate(fakes, labels, training=False)
        # The last batch may leave nothing to a replica, whose means are then NaN.
        number = tf.cast(tf.shape(images)[0], tf.float32)
        d_loss = tf.where(number > 0, self.discriminator_loss(real, fake), 0.0)
        g_loss = tf.where(number > 0, self.generator_loss(fake), 0.0)
        return self.report(d_loss, g_loss, weight=number)

    # === What files and arrays of weights carry ===

    def get_weights(self) -> list[FloatArray]:
        """All weights as arrays, in a list that also knows what DP-SGD has spent."""
        weights = WeightArrays(super().get_weights())
        if self.privacy is not None:
            weights.spent = self.privacy.spent
        return weights

    def set_weights(self, weights: list[FloatArray]) -> None:
        """Sets all weights; with DP-SGD, what was spent is never undone.

        Arrays that `get_weights` did not return do not say it: epsilon is then refused.
        """
        expected = [tuple(variable.shape) for variable in self.weights]
        received = [np.shape(array) for array in weights]
        if received != expected:
            raise ValueError(
                f"`weights` must be {len(expected)} arrays of the model's shapes. "
                f"Received: {len(received)} arrays, or such of other shapes. Pass what "
                "`get_weights()` of such a model returned."
            )
        self._with_settings = False
        with self._remembering(getattr(weights, "spent", None)):
            super().set_weights(weights)

    def load_weights(
        self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any
    ) -> None:
        """Loads weights of a file as Keras does; what was spent as `set_weights`."""
        self._with_settings = False
        super().load_weights(filepath, skip_mismatch, **kwargs)

    def save_own_variables(self, store: Any) -> None:
        """Writes the counters, and with DP-SGD what was spent."""
        super().save_own_variables(store)
        if self.privacy is not None:
            store[_SPENT] = self.privacy.spent.as_array()

    def load_own_variables(self, store: Any) -> None:
        """Reads the counters; files of which less was spent do not undo more."""
        entries = {key: store[key] for key in store.keys()}
        carried = entries.pop(_SPENT, None)
        with self._remembering(None if carried is None else Spent.from_array(carried)):
            super().load_own_variables(entries)

    @contextlib.contextmanager
    def _remembering(self, carried: Spent | None) -> Iterator[None]:
        """Keeps what was spent while weights, which carry this, are replaced."""
        if self.privacy is None:
            yield
            return
        self.privacy.recall(self.privacy.spent)
        try:
            yield
        finally:
            known = self.uncounted(with_settings=self._with_settings)
            self.privacy.recall(carried or known)
            self._with_settings = False

    def uncounted(self, *, with_settings: bool) -> Spent:
        """What DP-SGD has spent by the counters alone."""
        if self.privacy is None:
            return Spent()
        updates = self.num_steps * self.discriminator_steps
        return self.privacy.uncounted(updates, with_settings=with_settings)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.fixed and name in vars(self):
            raise AttributeError(
                f"`{name}` is fixed when a model is built, as its training, its card "
                "and its audits rely on it. Expected it as an argument of "
                f"{type(self).__name__}. Received: {name}={value!r}. Build another "
                "model."
            )
        super().__setattr__(name, value)

    @property
    def num_steps(self) -> int:
        """Training steps done so far, as a number."""
        strategy = tf.distribute.get_strategy()  # several devices may hold the counter
        return int(strategy.experimental_local_results(self.steps.value)[0].numpy())

    # === The training step ===

    @after_its_data
    def train_step(self, data: Any) -> dict[str, Tensor]:
        """Discriminator updates, one on each batch, then one generator update."""
        is_private = self.privacy is not None
        update = self.privately_update if is_private else self.update_discriminator
        for draw, batch in enumerate(self.pipeline.prepared(data)):
            with tf.GradientTape() as tape:
                fakes, labels = self.counterparts(batch, draw)
            d_loss = update(batch, fakes, labels, draw)
        done = [tf.convert_to_tensor(self.d_optimizer.iterations)] if is_private else []
        with tf.control_dependencies(done):
            g_loss = self.update_generator(tape, batch, fakes, labels, draw)
        return self.finish_step(d_loss, g_loss)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss, without penalties, for raw scores `(batch,)`."""
        raise NotImplementedError

    def generator_loss(self, fake: Tensor) -> Tensor:
        """The generator's loss for the raw scores `(batch,)` of its images."""
        raise NotImplementedError

    def update_discriminator(
        self, batch: Batch, fakes: Any, labels: Tensor | None, draw: int
    ) -> Tensor:
        """One update, the step's `draw`-th; returns the loss to report.

        The fakes are the counterparts of the batch, not augmented.
        """
        raise NotImplementedError

    def update_generator(
        self,
        tape: tf.GradientTape,
        batch: Batch,
        fakes: Any,
        labels: Tensor | None,
        draw: int,
    ) -> Tensor:
        """One update against the discriminator as it now is; the loss to report.

        The tape has seen how the fakes came about; what follows it are the arguments of
        the last discriminator update.
        """
        with tape:
            seen = self.augmented(fakes, 2 * (draw + 1))
            g_loss = self.generator_objective(seen, labels)
        self.minimize(tape, g_loss, self.generator, self.g_optimizer)
        return g_loss

    def generator_objective(self, fakes: Tensor, labels: Tensor | None) -> Tensor:
        """What a generator update descends, for images as the discriminator sees."""
        return self.generator_loss(self.discriminate(fakes, labels))

    def privately_update(
        self, batch: Batch, fakes: Tensor, labels: Tensor | None, draw: int
    ) -> None:
        """One DP-SGD update of the discriminator, whose loss is not to be reported."""
        if self.privacy is None:
            return
        views, masks = zip(
            *(
                self.private_rows(*self.seen(view, batch, fakes, draw), labels, draw)
                for view in range(self.privacy.multiplicity)
            ),
            strict=True,
        )
        number = self.steps.value * self.discriminator_steps + draw
        gradients = self.privacy.gradients(
            self.row_losses, views, masks[0], self.discriminate, number
        )
        # An update that is refused must not count in the optimizer either.
        with tf.control_dependencies(gradients):
            self.d_optimizer.apply(gradients, self.discriminator.trainable_variables)

    def seen(
        self, view: int, batch: Batch, fakes: Tensor, draw: int
    ) -> tuple[Batch, Tensor]:
        """Reals and fakes of a DP-SGD update, in one of the views it averages over."""
        if self.augment is None:
            return batch, fakes
        draw += view * (self.discriminator_steps + 1)
        reals = self.transformed_records(batch.images, self.augment, draw)
        return batch._replace(images=reals), self.augmented(fakes, 2 * draw + 1)

    def private_rows(
        self, batch: Batch, fakes: Tensor, labels: Tensor | None, draw: int
    ) -> tuple[dict[str, Any], Tensor]:
        """Rows whose gradients are clipped alike, and which of them are present.

        Each depends on at most one real image, and on no other's being there.
        """
        is_fake = tf.ones(tf.shape(fakes)[0], bool)
        rows = {
            "images": tf.concat([batch.images, fakes], 0),
            "is_real": tf.concat([tf.ones_like(batch.mask), ~is_fake], 0),
        }
        if labels is not None:
            rows["labels"] = tf.concat([batch.labels, labels], 0)
        return rows, tf.concat([batch.mask, is_fake], 0)

    def row_losses(self, rows: dict[str, Any], discriminate: Any) -> Tensor:
        """The discriminator's loss of each private row, by a given scoring function."""
        raise NotImplementedError

    def counterparts(
        self, batch: Batch, draw: int, noise_draw: int | None = None
    ) -> tuple[Any, Tensor | None]:
        """Generated counterparts of a batch, mixed as its images are, and their labels.

        With DP-SGD they say nothing of the batch: as many as are expected, of uniformly
        drawn classes. `noise_draw` is the noise's draw, by default the latents'.
        """
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync
        mixup = self.mixup if self.mixup and self.mixup.mix_fakes else None
        num_images, labels = tf.shape(batch.images)[0], batch.labels
        if self.dp is not None:
            num_images = tf.cast(self.expected_batch_size.value, tf.int32)
            labels = self.random_labels(num_images, draw)
        elif mixup is not None:
            num_images = tf.shape(batch.weights)[1] // replicas
            labels = batch.source_labels
        latents = self.latents(num_images, draw)
        images = self.synthesize(self.generator, latents, labels, draw)
        if mixup is None:
            return images, labels

        def noisy(images: Tensor) -> Tensor:
            number = draw if noise_draw is None else noise_draw
            noise = self.random.normal(tf.shape(images), StepStream.FAKE_NOISE, number)
            return images + mixup.noise_stddev * noise

        if mixup.noise == "once":
            images = noisy(images)
        if mixup.augment is not None:
            images = self.transformed_sources(images, mixup.augment, draw)
        if replicas > 1:  # a mixture's sources may be anywhere in the whole batch
            images = context.all_gather(images, axis=0)
        images = mixup.mix(images, batch.weights, batch.origins)
        if mixup.noise_stddev and mixup.noise != "once":
            images = noisy(images)
        return images, batch.labels

    def transformed_sources(self, images: Tensor, policy: str, draw: int) -> Tensor:
        """Generated images before they are blended, each transformed by itself."""
        context = tf.distribute.get_replica_context()
        num_images = tf.shape(images)[0]
        first = num_images * context.replica_id_in_sync_group
        places = first + tf.range(num_images), num_images * context.num_replicas_in_sync
        key = self.random.key(StepStream.SOURCE_TRANSFORMS, draw)
        return diff_augment(images, policy, key, choices=places)

    def latents(self, num_images: Tensor, draw: Any = 0) -> Tensor:
        """Standard normal latents `(num_images, latent_dim)` of this step."""
        return self.random.normal(
            (num_images, self.latent_dim), StepStream.LATENTS, draw
        )

    def random_labels(self, num_images: Tensor, draw: int) -> Tensor | None:
        """Uniformly drawn one-hot labels, which say nothing of the training set."""
        if self.num_classes is None:
            return None
        uniform = self.random.uniform((num_images,), StepStream.FAKE_LABELS, draw)
        classes = tf.cast(uniform * self.num_classes, tf.int32)
        return tf.one_hot(classes, self.num_classes)

    def augmented(self, images: Tensor, draw: int) -> Tensor:
        """Images as the discriminator sees them; draws 2n and 2n + 1 go together."""
        if self.augment is None:
            return images
        key = self.random.key(StepStream.AUGMENTATION, draw, per_replica=True)
        return diff_augment(images, self.augment, key)

    def transformed_records(self, images: Tensor, policy: str, draw: int) -> Tensor:
        """Images of a DP-SGD update, each transformed by itself.

        Which of the step's transforms an image gets depends on its pixels, not on its
        place: one more image would shift the others' places, and their gradients.
        """
        choice_key = self.random.key(StepStream.TRANSFORM_CHOICES, draw)
        choices = keyed_choices(images, choice_key, _NUM_TRANSFORMS)
        key = self.random.key(StepStream.AUGMENTATION, 2 * draw)
        return diff_augment(images, policy, key, choices=(choices, _NUM_TRANSFORMS))

    def finish_step(self, d_loss: Tensor | None, g_loss: Tensor) -> dict[str, Tensor]:
        """Averages the generator, counts the step and returns the running losses."""
        momentum = warmed_up(self.ema_momentum, self.steps.value)
        networks = self.ema_generator.weights, self.generator.weights
        for mean, weight in zip(*networks, strict=True):
            if weight.trainable:
                mean.assign(momentum * mean + (1 - momentum) * weight)
            else:  # statistics of layers
                mean.assign(weight)
        # The first pull of an epoch reads the counter: count only once that is done.
        # A generator's loss need not have seen the batch, the discriminator's has.
        losses = [g_loss] if d_loss is None else [d_loss, g_loss]
        with tf.control_dependencies(losses):
            self.steps.assign_add(1)
        return self.report(d_loss, g_loss)

    def report(
        self, d_loss: Tensor | None, g_loss: Tensor, weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Updates the metrics with the losses of a step, which count by a weight."""
        if d_loss is not None and self.dp is None:
            self._d_loss.update_state(d_loss, weight)
        self._g_loss.update_state(g_loss, weight)
        return self.get_metrics_result()

    def _counter(self, name: str, dtype: str = "int64") -> Any:
        return self.add_weight(
            shape=(),
            dtype=dtype,
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def _count_updates(self) -> int:
        """Discriminator updates; restored weights do not undo the optimizer's count."""
        optimizer = getattr(self, "d_optimizer", None)
        counted = 0 if optimizer is None else int(optimizer.iterations)
        return max(self.num_steps * self.discriminator_steps, counted)


def warmed_up(momentum: float, steps: Tensor) -> Tensor:
    """The momentum of an average that forgets its beginning faster than its end."""
    done = tf.cast(steps, tf.float32)
    return tf.minimum(momentum, (1 + done) / (10 + done))
