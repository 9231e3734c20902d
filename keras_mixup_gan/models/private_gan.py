"""DP-SGD inside a GAN: sampling and noise are fixed, then each update is private."""

import functools
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.models import optimizing
from keras_mixup_gan.models.trained import TrainedGAN
from keras_mixup_gan.privacy import noise_multiplier_for
from keras_mixup_gan.privacy.dpsgd import PrivateGradients
from keras_mixup_gan.privacy.ghost import GhostClipping, obstacle
from keras_mixup_gan.typing import Tensor


class PrivateGAN(TrainedGAN):
    """The part of `GAN` that updates the discriminator by DP-SGD; see there."""

    # Rows of an update for each real image: it and a generated one.
    rows_per_image = 2
    # Whether the loss of such a row is a function of the discriminator's one score.
    scores_suffice = False

    _private_gradients: PrivateGradients | None = None
    _ghost: GhostClipping | None = None

    def begin_private_training(self, num_examples: int, batch_size: int) -> None:
        """Fixes the sampling that the accountant will assume, once for a model.

        Args:
            num_examples: Size of the training set, or what is published as such.
            batch_size: Expected number of its images in a step.

        Raises:
            ValueError: If the model was already trained with another sampling.
        """
        before = int(self.num_examples), int(self.expected_batch_size)
        if self._private_steps() > 0 and before != (num_examples, batch_size):
            raise ValueError(
                "The accountant composes steps of one sampling rate. Expected "
                f"{before[0]} images in batches of {before[1]}, as before. Received: "
                f"{num_examples} in batches of {batch_size}. Train a new model."
            )
        self.num_examples.assign(num_examples)
        self.expected_batch_size.assign(batch_size)
        self._prepare_noise()

    def forget_unused_plan(self) -> None:
        """Forgets what an earlier `fit` prepared if it never made an update."""
        if self.dp is None or self._private_steps() > 0:
            return
        self._private_gradients = self._ghost = None
        self.train_function = None  # which may have been traced with them
        if self.dp.target_epsilon is not None:
            self.calibrated_noise.assign(0)
            self.planned_updates.assign(0)

    def plan_private_updates(self, num_updates: int) -> None:
        """Calibrates the noise to so many updates, or holds them against the plan.

        Does nothing unless `dp` has a `target_epsilon`.

        Args:
            num_updates: Discriminator updates that are about to be made.

        Raises:
            ValueError: If they are more than the noise was calibrated to.
        """
        if self.dp is None or self.dp.target_epsilon is None:
            return
        done, planned = self._private_steps(), int(self.planned_updates)
        if done == planned == 0 and num_updates > 0:
            rate = int(self.expected_batch_size) / int(self.num_examples)
            noise = noise_multiplier_for(
                self.dp.target_epsilon, self.dp.delta or 0, rate, num_updates
            )
            self.calibrated_noise.assign(noise)
            self.planned_updates.assign(num_updates)
            self._prepare_noise()
        elif done + num_updates > planned:
            raise ValueError(
                f"The noise was calibrated to {planned} discriminator updates, of which"
                f" {done} are done: more would exceed epsilon "
                f"{self.dp.target_epsilon:g}. Expected at most {max(0, planned - done)}"
                f" further ones. Received: {num_updates}. Lower `epochs` or "
                "`steps_per_epoch`, or train a new model."
            )

    def _prepare_noise(self) -> None:
        """Makes what clips and noises gradients, once the noise is known."""
        noise, ready = self.noise_multiplier, self._private_gradients
        if self.dp is None or noise is None:
            return
        if ready is None:
            self._private_gradients = PrivateGradients(
                self.dp.with_noise(noise),
                self.rows_per_image * int(self.expected_batch_size),
                loss_scale=optimizing.fixed_loss_scale(self.discriminator),
            )
            if self.clipping_engine == "ghost":
                clip = self.dp.l2_norm_clip
                self._ghost = GhostClipping(self.discriminator, clip)
        elif ready.noise_multiplier != noise:
            raise ValueError(
                "The accountant composes steps of one noise. Expected the multiplier "
                f"{ready.noise_multiplier:g}, as before. Received: {noise:g}, with "
                "weights that were restored. Train a new model."
            )

    @property
    def clipping_engine(self) -> str | None:
        """How DP-SGD clips here, `"ghost"` or `"query"`; `None` without `dp`."""
        if self.dp is None or self.dp.engine != "auto":
            return None if self.dp is None else self.dp.engine
        known = self.scores_suffice and obstacle(self.discriminator) is None
        return "ghost" if known else "query"

    def private_update(
        self, rows: Any, mask: Tensor, row_losses: Any, draw: int = 0
    ) -> None:
        """One DP-SGD update of the discriminator.

        Args:
            rows: Structure of tensors, one row for each gradient that is clipped.
            mask: Boolean `(num_rows,)`; `False` where a row is absent.
            row_losses: Called as `row_losses(rows, discriminate)` with some of the
                rows and a function like the method of that name; returns their losses,
                each of which depends on its own row alone.
            draw: Which of the step's discriminator updates this is.
        """
        if self._private_gradients is None:
            raise ValueError(
                "DP-SGD samples the training set itself. Expected training through "
                "`fit`. Received: a batch from elsewhere. Call `model.fit(x)`."
            )
        variables = self.discriminator.trainable_variables
        update = self.steps.value * self.discriminator_steps + draw
        if self._ghost is not None:

            def all_losses(network: Any) -> Tensor:
                judge = functools.partial(self.discriminate, network=network)
                return row_losses(rows, judge)

            sums = self._ghost(all_losses, mask)
            gradients = self._private_gradients.noised(sums, update)
        else:

            def row_loss(row: Any) -> Tensor:
                single = tf.nest.map_structure(lambda part: part[None], row)
                return row_losses(single, self.discriminate)[0]

            gradients = self._private_gradients(row_loss, rows, mask, variables, update)
        self.d_optimizer.apply(gradients, variables)

    def refuse_unknown_gradients(self, discriminator: keras.Model) -> None:
        """Raises a `ValueError` unless ghost clipping can treat the discriminator."""
        reason = obstacle(discriminator)
        if not self.scores_suffice:
            reason = f"the loss of {type(self).__name__} has more than one score a row"
        if reason is not None:
            raise ValueError(
                "Ghost clipping needs layers and losses whose gradients it knows. "
                "Expected engine='query' here. Received: engine='ghost', but "
                f"{reason}. Use engine='auto'."
            )

    def guarded(
        self, callbacks: Any, epochs: int, initial_epoch: int, steps: int
    ) -> list[Any]:
        """Callbacks, and one that checks the budget after they restored a backup."""
        sampling = int(self.num_examples), int(self.expected_batch_size)

        def check(_: Any) -> None:
            self.begin_private_training(*sampling)
            first = getattr(self, "_initial_epoch", None) or initial_epoch
            updates = max(0, epochs - first) * steps * self.discriminator_steps
            self.plan_private_updates(updates)

        guard = keras.callbacks.LambdaCallback(on_train_begin=check)
        return [*tf.nest.flatten(callbacks or []), guard]
