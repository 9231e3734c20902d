"""DP-SGD updates of one network: planned, clipped, noised, counted, accounted for."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.privacy import accounting, tfp
from keras_mixup_gan.privacy.accounting import PrivacyReport
from keras_mixup_gan.privacy.dpsgd import DPSGD, PrivateGradients, refuse_batch_norm
from keras_mixup_gan.privacy.ghost import GhostClipping, obstacle
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_in_range, check_positive


class PrivateUpdates:
    """What makes a discriminator's updates private, and knows what they have spent.

    Sampling and noise are fixed before the first update; every further one is held
    against them. What the accountant needs is in variables of the model, saved with its
    weights. This is a plain object on purpose, which neither Keras nor a checkpoint
    tracks: the state of the noise would reproduce all past noise.

    An update has `rows_per_image` rows for each real image, and `scores_suffice` says
    whether a row's loss is a function of the network's one score, as ghost clipping
    needs. Losses are scaled by `loss_scale`, which is undone before clipping.
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
        self._private_gradients: Any = None
        self._ghost: GhostClipping | None = None

    # === Before training ===

    def begin(self, num_examples: int, batch_size: int) -> None:
        """Fixes the sampling that the accountant will assume, once for a model."""
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
        """Forgets what an earlier `fit` prepared if it made no update; true if so."""
        if self.num_updates > 0:
            return False
        self._private_gradients = self._ghost = None
        if self.calibrated_noise is not None:
            self.calibrated_noise.assign(0)
            self.planned_updates.assign(0)
        return True

    def plan(self, num_updates: int) -> None:
        """Calibrates the noise to so many updates, or holds them against the plan."""
        target = self._settings.target_epsilon
        if target is None:
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
        sampling = self._sampling

        def check(_: Any) -> None:
            self.begin(*sampling)
            # A backup that was restored says where to continue.
            first = getattr(guard.model, "_initial_epoch", None) or initial_epoch
            self.plan(max(0, epochs - first) * updates_per_epoch)

        guard = keras.callbacks.LambdaCallback(on_train_begin=check)
        return guard

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

        `row_losses(rows, discriminate)` returns losses that each depend on their own
        row alone, and passes `network=` on; `number` keys noise of a declared seed.
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
        """Epsilon spent so far."""
        if self.num_updates == 0:
            return 0.0
        noise = self._known_noise()
        return accounting.epsilon(
            self._sampling_rate, noise, self.num_updates, delta, accountant
        )

    def statement(self, delta: float) -> str:
        """tensorflow-privacy's statement of what was spent."""
        if self.num_updates == 0:
            return "Not trained yet: epsilon is 0."
        noise = self._known_noise()
        check_positive(delta=delta)
        check_in_range(0, 1, delta=delta)
        num_examples, batch_size = self._sampling
        library = tfp.load("analysis.compute_dp_sgd_privacy_lib")
        accountant = accounting.tightest(noise).upper()
        statement = library.compute_dp_sgd_privacy_statement(
            number_of_examples=num_examples,
            batch_size=batch_size,
            num_epochs=self.num_updates * batch_size / num_examples,
            noise_multiplier=noise,
            delta=delta,
            used_microbatching=False,
            accountant_type=library.AccountantType[accountant],
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
        return str(statement)

    def report(self, delta: float | None = None) -> PrivacyReport:
        """The guarantee of a training that ran."""
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
        noise, num_examples = self.noise_multiplier, self._sampling[0]
        if num_examples == 0 or noise is None:
            raise ValueError(
                "The sampling and noise that the accountant needs went with the weights"
                " that were restored. Expected weights of a training that began. "
                f"Received: num_examples={num_examples}, noise_multiplier={noise}. "
                "Train a new model."
            )
        return noise
