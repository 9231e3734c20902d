"""DP-SGD updates of one network: planned, clipped, noised, counted, accounted for."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.privacy import accounting, tfp
from keras_mixup_gan.privacy.dpsgd import DPSGD, PrivateGradients, refuse_batch_norm
from keras_mixup_gan.privacy.ghost import GhostClipping, obstacle
from keras_mixup_gan.privacy.report import PrivacyReport
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_in_range, check_positive


class PrivateUpdates:
    """What makes a discriminator's updates private, and knows what they have spent.

    Sampling and noise are fixed before the first update; every further one is held
    against them. What the accountant needs is in variables of the model, so that it is
    saved with the weights. This is a plain object on purpose, which neither Keras nor a
    checkpoint tracks: the state of the noise would reproduce all past noise.

    Args:
        settings: The model's `DPSGD`.
        network: The discriminator.
        num_examples: Variable, integer and 0 before training.
        expected_batch_size: Another.
        add_counter: Adds such a variable to the model, by name and dtype; called where
            there is a target epsilon.
        count_updates: Tells how many updates were made so far.
        rows_per_image: Rows of an update for each real image.
        scores_suffice: Whether a row's loss is a function of the network's one score.
        loss_scale: Factor of a row's loss before differentiation, undone before
            clipping.

    Attributes:
        engine: How gradients are clipped, `"ghost"` or `"query"`.
        calibrated_noise: Variable, with a target epsilon, else `None`.
        planned_updates: Another.
        noise_was_seeded: Whether noise once came from a declared seed, now dropped.

    Raises:
        ValueError: If the network has layers that DP-SGD, or ghost clipping where it is
            asked for, cannot treat.
        ImportError: If the `dp` extra is not installed.
    """

    def __init__(
        self,
        settings: DPSGD,
        network: keras.Model,
        *,
        num_examples: Any,
        expected_batch_size: Any,
        add_counter: Callable[[str, str], Any],
        count_updates: Callable[[], int],
        rows_per_image: int,
        scores_suffice: bool,
        loss_scale: float = 1.0,
    ) -> None:
        refuse_batch_norm(network)
        reason = obstacle(network)
        if not scores_suffice:
            reason = "the loss has more than one score a row"
        if settings.engine == "ghost" and reason is not None:
            raise ValueError(
                "Ghost clipping needs layers and losses whose gradients it knows. "
                "Expected engine='query' here. Received: engine='ghost', but "
                f"{reason}. Use engine='auto'."
            )
        tfp.load("dp_query.gaussian_query")
        self.engine = settings.engine
        if self.engine == "auto":
            self.engine = "ghost" if reason is None else "query"
        self.noise_was_seeded = False
        self._settings = settings
        self._network = network
        self._num_examples = num_examples
        self._expected_batch_size = expected_batch_size
        self.calibrated_noise: Any = None
        self.planned_updates: Any = None
        if settings.target_epsilon is not None:
            self.calibrated_noise = add_counter("calibrated_noise", "float64")
            self.planned_updates = add_counter("planned_updates", "int64")
        self._count_updates = count_updates
        self._rows_per_image = rows_per_image
        self._loss_scale = loss_scale
        self._private_gradients: PrivateGradients | None = None
        self._ghost: GhostClipping | None = None

    # === Before training ===

    def begin(self, num_examples: int, batch_size: int) -> None:
        """Fixes the sampling that the accountant will assume, once for a model.

        Args:
            num_examples: Size of the training set, or what is published as such.
            batch_size: Expected number of its images in a step.

        Raises:
            ValueError: If the model was already trained with another sampling.
        """
        before = self._sampling
        if self.num_updates > 0 and before != (num_examples, batch_size):
            raise ValueError(
                "The accountant composes steps of one sampling rate. Expected "
                f"{before[0]} images in batches of {before[1]}, as before. Received: "
                f"{num_examples} in batches of {batch_size}. Train a new model."
            )
        self._num_examples.assign(num_examples)
        self._expected_batch_size.assign(batch_size)
        self._prepare_noise()

    def forget_unused_plan(self) -> bool:
        """Forgets what an earlier `fit` prepared if it never made an update.

        Returns:
            Whether there was none, so that functions traced with it are to be dropped.
        """
        if self.num_updates > 0:
            return False
        self._private_gradients = self._ghost = None
        if self.calibrated_noise is not None:
            self.calibrated_noise.assign(0)
            self.planned_updates.assign(0)
        return True

    def plan(self, num_updates: int) -> None:
        """Calibrates the noise to so many updates, or holds them against the plan.

        Does nothing without a `target_epsilon`.

        Args:
            num_updates: Updates that are about to be made.

        Raises:
            ValueError: If they are more than the noise was calibrated to.
        """
        target = self._settings.target_epsilon
        if target is None or self.calibrated_noise is None:
            return
        done, planned = self.num_updates, int(self.planned_updates)
        if done == planned == 0 and num_updates > 0:
            noise = accounting.noise_multiplier_for(
                target, self._settings.delta or 0, self._sampling_rate, num_updates
            )
            self.calibrated_noise.assign(noise)
            self.planned_updates.assign(num_updates)
            self._prepare_noise()
        elif done + num_updates > planned:
            raise ValueError(
                f"The noise was calibrated to {planned} discriminator updates, of which"
                f" {done} are done: more would exceed epsilon {target:g}. Expected at "
                f"most {max(0, planned - done)} further ones. Received: {num_updates}. "
                "Lower `epochs` or `steps_per_epoch`, or train a new model."
            )

    def guard(
        self, epochs: int, initial_epoch: int, updates_per_epoch: int
    ) -> keras.callbacks.Callback:
        """A callback that checks sampling and plan after others restored a backup."""
        return _Guard(self, self._sampling, epochs, initial_epoch, updates_per_epoch)

    def _prepare_noise(self) -> None:
        """Makes what clips and noises gradients, once the noise is known."""
        noise, ready = self.noise_multiplier, self._private_gradients
        if noise is None:
            return
        if ready is None:
            self._private_gradients = PrivateGradients(
                self._settings.with_noise(noise),
                self._rows_per_image * self._sampling[1],
                self._loss_scale,
            )
            if self.engine == "ghost":
                clip = self._settings.l2_norm_clip
                self._ghost = GhostClipping(self._network, clip)
        elif ready.noise_multiplier != noise:
            raise ValueError(
                "The accountant composes steps of one noise. Expected the multiplier "
                f"{ready.noise_multiplier:g}, as before. Received: {noise:g}, with "
                "weights that were restored. Train a new model."
            )

    # === An update ===

    def gradients(
        self,
        row_losses: Callable[[Any, Callable[..., Tensor]], Tensor],
        rows: Any,
        mask: Tensor,
        discriminate: Callable[..., Tensor],
        number: Tensor,
    ) -> list[Tensor]:
        """The clipped and noised gradient by the network's trainable variables.

        Args:
            row_losses: Called as `row_losses(rows, discriminate)` with some of the
                rows; returns their losses, each of which depends on its own row alone.
            rows: Structure of tensors, one row for each gradient that is clipped.
            mask: Boolean `(num_rows,)`; `False` where a row is absent.
            discriminate: Scores images; takes another network as `network=`.
            number: Which of all updates this is; it keys noise of a declared seed.

        Returns:
            One tensor for each variable.

        Raises:
            ValueError: If `begin` was not called.
        """
        if self._private_gradients is None:
            raise ValueError(
                "DP-SGD samples the training set itself. Expected training through "
                "`fit`. Received: a batch from elsewhere. Call `model.fit(x)`."
            )
        if self._ghost is not None:
            sums = self._ghost(
                lambda network: row_losses(
                    rows, functools.partial(discriminate, network=network)
                ),
                mask,
            )
            return self._private_gradients.noised(sums, number)

        def row_loss(row: Any) -> Tensor:
            single = tf.nest.map_structure(lambda part: part[None], row)
            return row_losses(single, discriminate)[0]

        variables = self._network.trainable_variables
        return self._private_gradients(row_loss, rows, mask, variables, number)

    # === What was spent ===

    @property
    def num_updates(self) -> int:
        """Noisy updates that were released; restored weights do not undo them."""
        return self._count_updates()

    @property
    def seeded(self) -> bool:
        """Whether some of the noise came from a declared seed."""
        return self._settings.noise_seed is not None or self.noise_was_seeded

    @property
    def noise_multiplier(self) -> float | None:
        """The noise, as given or calibrated; `None` where there is none yet."""
        if self.calibrated_noise is None:
            return self._settings.noise_multiplier
        return float(self.calibrated_noise.numpy()) or None

    def epsilon(self, delta: float, accountant: str = "pld") -> float:
        """Epsilon spent so far; see `GAN.epsilon`."""
        if self.num_updates == 0:
            return 0.0
        noise = self._known_noise()
        return accounting.epsilon(
            self._sampling_rate, noise, self.num_updates, delta, accountant
        )

    def statement(self, delta: float) -> str:
        """tensorflow-privacy's statement; see `GAN.privacy_statement`."""
        if self.num_updates == 0:
            return "Not trained yet: epsilon is 0."
        noise = self._known_noise()
        check_positive(delta=delta)
        check_in_range(0, 1, delta=delta)
        num_examples, batch_size = self._sampling
        statement = tfp.privacy_statement(
            num_examples=num_examples,
            batch_size=batch_size,
            steps=self.num_updates,
            noise_multiplier=noise,
            delta=delta,
            accountant=accounting.tightest(noise),
        )
        statement += (
            "\nHere batches are Poisson-sampled, so the figure for Poisson sampling "
            "applies.\n"
        )
        if self.seeded:
            statement += (
                "\nThe noise was drawn from a declared seed (a benchmark): the "
                "guarantee holds only while that seed is secret.\n"
            )
        return statement

    def report(self, delta: float | None = None) -> PrivacyReport:
        """The guarantee of a training that ran; see `GAN.privacy_report`."""
        noise, rate = self._known_noise(), self._sampling_rate
        delta = min(1e-5, 0.1 / self._sampling[0]) if delta is None else delta
        return PrivacyReport.of_training(
            sampling_rate=rate,
            noise_multiplier=noise,
            d_steps=self.num_updates,
            delta=delta,
            seeded=self.seeded,
            l2_norm_clip=self._settings.l2_norm_clip,
            statement=self.statement(delta),
        )

    @property
    def _sampling(self) -> tuple[int, int]:
        """Size of the training set and expected batch size."""
        return int(self._num_examples), int(self._expected_batch_size)

    @property
    def _sampling_rate(self) -> float:
        num_examples, batch_size = self._sampling
        return batch_size / num_examples

    def _known_noise(self) -> float:
        """The noise of past updates; raises unless it and the sampling are known."""
        if self._sampling[0] == 0:
            raise ValueError(
                "The sampling that the accountant needs went with the weights that "
                "were restored. Expected weights of a training that began. Received: "
                "num_examples=0. Train a new model."
            )
        noise = self.noise_multiplier
        if noise is None:
            raise ValueError(
                "The noise that was calibrated went with the weights that were "
                "restored. Expected weights of a training that began. Received: "
                "calibrated_noise=0. Train a new model."
            )
        return noise


class _Guard(keras.callbacks.Callback):
    """Holds the training that begins against sampling and plan."""

    def __init__(
        self,
        updates: PrivateUpdates,
        sampling: tuple[int, int],
        epochs: int,
        initial_epoch: int,
        updates_per_epoch: int,
    ) -> None:
        super().__init__()
        self._updates = updates
        self._sampling = sampling
        self._epochs = epochs
        self._initial_epoch = initial_epoch
        self._updates_per_epoch = updates_per_epoch

    def on_train_begin(self, logs: Any = None) -> None:
        self._updates.begin(*self._sampling)
        # A backup that was restored says where to continue.
        first = getattr(self.model, "_initial_epoch", None) or self._initial_epoch
        epochs = max(0, self._epochs - first)
        self._updates.plan(epochs * self._updates_per_epoch)
