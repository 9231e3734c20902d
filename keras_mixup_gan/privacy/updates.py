"""DP-SGD updates of one network: planned, clipped, noised, counted, accounted for."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.privacy import accounting, tfp
from keras_mixup_gan.privacy.accounting import PrivacyReport
from keras_mixup_gan.privacy.dpsgd import DPSGD, PrivateGradients, refuse_batch_norm
from keras_mixup_gan.privacy.ghost import GhostClipping, obstacle
from keras_mixup_gan.typing import FloatArray, Tensor
from keras_mixup_gan.validation import check_in_range, check_positive

# What the refusal of an update begins with that the plan does not hold.
OVERRUN = "The planned discriminator updates are done"
_UNLIMITED = 2**62


class Spent(NamedTuple):
    """Noisy updates that were released and on which terms, as files carry it."""

    num_updates: int = 0
    num_examples: int = 0
    batch_size: int = 0
    noise_multiplier: float = 0.0
    planned_updates: int = 0
    seeded: bool = False

    @property
    def terms(self) -> tuple[float, ...]:
        """What must be the same for all updates that are accounted for together."""
        return self[1:5]

    @property
    def words(self) -> str:
        """The terms in words."""
        if self.num_examples == 0:
            return "terms that nothing tells,"
        return (
            f"noise_multiplier={self.noise_multiplier:g}, {self.num_examples} images "
            f"in batches of {self.batch_size},"
        )

    def as_array(self) -> FloatArray:
        """The fields as float64 numbers."""
        return np.array(self, "float64")

    @classmethod
    def from_array(cls, fields: FloatArray) -> "Spent":
        """From `as_array()`."""
        updates, examples, batch_size, noise, planned, seeded = map(float, fields)
        sampling = int(updates), int(examples), int(batch_size)
        return cls(*sampling, noise, int(planned), bool(seeded))


class WeightArrays(list[Any]):
    """What `get_weights` of a model returns, with what their training has spent."""

    spent: Spent | None = None


class PrivateUpdates:
    """What makes a discriminator's updates private, and knows what they have spent.

    Sampling and noise are fixed before the first update; every further one is held
    against them. Updates are counted where their noise is drawn, and the count only
    grows: with weights, or a file, of which more was spent it becomes that, with those
    of which less was spent it stays. It covers what this object released and what it
    was given; where that came without its terms, or on several, epsilon is refused.
    Other trainings on the same images, copies that were trained on beside
    it, and updates since its last file of a process that was killed are not in it.

    This is a plain object on purpose, which neither Keras nor a checkpoint tracks: the
    state of the noise would reproduce all past noise, and a checkpoint that is restored
    would take the count back.

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
        self.multiplicity = settings.augmentation_multiplicity
        if not scores_suffice or self.multiplicity > 1:
            reason = "the loss has more than one score a row"
        if settings.engine == "ghost" and reason is not None:
            raise ValueError(
                "Ghost clipping needs layers and losses whose gradients it knows. "
                "Expected engine='query' here. Received: engine='ghost', but "
                f"{reason}. Use engine='auto'."
            )
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
        self._floor = count_updates
        self._count = _counter(0)
        self._limit = _counter(_UNLIMITED)
        self._terms = Spent()
        self._others: Spent | None = None
        self._rows_per_image = rows_per_image
        self._loss_scale = loss_scale
        self._private_gradients: Any = None
        self._ghost: GhostClipping | None = None

    # === Before training ===

    def begin(self, num_examples: int, batch_size: int) -> None:
        """Fixes the sampling that the accountant will assume, once for a model."""
        spent, noise = self.spent, self._settings.noise_multiplier
        before = spent.num_examples, spent.batch_size
        if spent.num_updates > 0:
            self._known()
            if before != (num_examples, batch_size):
                raise ValueError(
                    "The accountant composes steps of one sampling rate. Expected "
                    f"{before[0]} images in batches of {before[1]}, as before. "
                    f"Received: {num_examples} in batches of {batch_size}. Train a new "
                    "model."
                )
            self._check_terms(noise)
            self._count.assign(spent.num_updates)
        if noise is not None:
            spent = spent._replace(noise_multiplier=noise)
        self._keep(spent._replace(num_examples=num_examples, batch_size=batch_size))
        self._prepare_noise()

    def forget_unused_plan(self) -> bool:
        """Forgets what an earlier `fit` prepared if it made no update; true if so."""
        if self.num_updates > 0:
            return False
        self._private_gradients = self._ghost = None
        self._keep(Spent())
        return True

    def plan(self, num_updates: int) -> None:
        """Calibrates the noise to so many updates, or holds them against the plan."""
        target = self._settings.target_epsilon
        if target is None:
            return
        spent = self.spent
        done, planned = spent.num_updates, spent.planned_updates
        if done == planned == 0 and num_updates > 0:
            noise = accounting.noise_multiplier_for(
                target, self._settings.delta or 0, _rate(spent), num_updates
            )
            self._keep(
                spent._replace(noise_multiplier=noise, planned_updates=num_updates)
            )
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
        spent = self.spent
        sampling = spent.num_examples, spent.batch_size

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
        spent = self.spent
        if ready is None:
            self._private_gradients = PrivateGradients(
                self._settings.with_noise(noise),
                self._rows_per_image * spent.batch_size,
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
        views: Sequence[Any],
        mask: Tensor,
        discriminate: Callable[..., Tensor],
        number: Tensor,
    ) -> list[Tensor]:
        """The clipped and noised gradient by the network's trainable variables.

        `row_losses(rows, discriminate)` returns losses that each depend on their own
        row alone, and passes `network=` on; a row's loss is its mean over the `views`
        of the rows. `number` keys noise of a declared seed. Raises within the graph,
        before any noise is drawn, once the plan is done. XLA drops what raises there:
        it gets gradients of zeros instead.
        """
        if self._private_gradients is None:
            raise ValueError(
                "DP-SGD samples the training set itself. Expected training through "
                "`fit`. Received: a batch from elsewhere. Call `model.fit(x)`."
            )
        if self._ghost is not None:
            sums = self._ghost(
                lambda network: row_losses(
                    views[0], functools.partial(discriminate, network=network)
                ),
                mask,
            )
            return self._released(self._private_gradients.noised, sums, number)

        def row_loss(row: Any) -> Tensor:
            single = tf.nest.map_structure(lambda part: part[None], row)
            losses = [row_losses(view, discriminate)[0] for view in single]
            return tf.add_n(losses) / len(losses)

        variables = self._network.trainable_variables
        return self._released(
            self._private_gradients, row_loss, list(views), mask, variables, number
        )

    def _released(self, noised: Callable[..., list[Tensor]], *args: Any) -> Any:
        """Counts an update that the plan holds, then draws its noise."""
        within = self._count < self._limit
        target = self._settings.target_epsilon
        if target is None:
            checks = []
        else:
            message = (
                f"{OVERRUN}: more would exceed epsilon {target:g}. Expected at most"
            )
            rest = "of them. Received: one more. Train a new model."
            if tf.executing_eagerly() and not within:
                raise ValueError(f"{message} {int(self._limit)} {rest}")
            checks = [tf.debugging.Assert(within, [message, self._limit, rest])]
        with tf.control_dependencies([check for check in checks if check is not None]):
            counted = self._count.assign_add(tf.cast(within, tf.int64))
        with tf.control_dependencies([counted]):
            gradients = noised(*args)
            if target is None:
                return gradients
            return [tf.where(within, part, tf.zeros_like(part)) for part in gradients]

    # === What was spent ===

    @property
    def spent(self) -> Spent:
        """What was spent so far, and the terms of the updates that are to come.

        There are no terms where updates were on several, or on some that are unknown.
        """
        counted, floor = int(self._count), self._floor()
        # More than were counted came past `recall`, as from a checkpoint.
        is_known = self._others is None and floor <= counted
        terms = self._terms if is_known else Spent()
        return terms._replace(num_updates=max(counted, floor), seeded=self.seeded)

    def recall(self, carried: Spent) -> None:
        """Adds what came with weights that were restored."""
        if carried.num_updates == 0 == int(self._count):
            return
        if carried.num_updates == 0:  # from before the training: the terms stay
            self._keep(self._terms)
            return
        if int(self._count) == 0:
            self._terms = carried
        elif carried.terms != self._terms.terms:
            self._others = self._others or carried
        self._keep(self._terms)
        self._count.assign(max(int(self._count), carried.num_updates))
        self.noise_was_seeded |= carried.seeded

    def uncounted(self, num_updates: int, *, with_settings: bool) -> Spent:
        """What weights without a count say: no terms, unless the settings came too."""
        if not with_settings:
            return Spent(num_updates)
        noise, planned = self._settings.noise_multiplier, 0
        if self.planned_updates is not None:
            noise, planned = float(self.calibrated_noise), int(self.planned_updates)
        sampling = int(self._num_examples), int(self._expected_batch_size)
        return Spent(num_updates, *sampling, noise or 0.0, planned)

    @property
    def num_updates(self) -> int:
        """Noisy updates that were released; restored weights do not undo them."""
        return self.spent.num_updates

    @property
    def seeded(self) -> bool:
        """Whether some of the noise came from a declared seed."""
        return self._settings.noise_seed is not None or self.noise_was_seeded

    @property
    def noise_multiplier(self) -> float | None:
        """The noise, as given or calibrated; `None` where there is none yet."""
        spent = self.spent
        if spent.num_examples and (spent.num_updates or spent.planned_updates):
            return spent.noise_multiplier
        return self._settings.noise_multiplier

    def epsilon(self, delta: float, accountant: str = "pld") -> float:
        """Epsilon spent so far."""
        if self.num_updates == 0:
            return 0.0
        spent = self._known()
        return accounting.epsilon(
            _rate(spent), spent.noise_multiplier, spent.num_updates, delta, accountant
        )

    def statement(self, delta: float) -> str:
        """tensorflow-privacy's statement of what was spent."""
        if self.num_updates == 0:
            return "Not trained yet: epsilon is 0."
        spent = self._known()
        check_positive(delta=delta)
        check_in_range(0, 1, delta=delta)
        library = tfp.load("analysis.compute_dp_sgd_privacy_lib")
        accountant = accounting.tightest(spent.noise_multiplier).upper()
        statement = library.compute_dp_sgd_privacy_statement(
            number_of_examples=spent.num_examples,
            batch_size=spent.batch_size,
            num_epochs=epochs_of(spent),
            noise_multiplier=spent.noise_multiplier,
            delta=delta,
            used_microbatching=False,
            accountant_type=library.AccountantType[accountant],
        )
        statement += (
            "\nHere batches are Poisson-sampled, so the figure for Poisson sampling "
            "applies.\n"
        )
        if spent.seeded:
            statement += (
                "\nThe noise was drawn from a declared seed (a benchmark): the "
                "guarantee holds only while that seed is secret.\n"
            )
        return str(statement)

    def report(self, delta: float | None = None) -> PrivacyReport:
        """The guarantee of a training that ran."""
        spent = self._known()
        delta = min(1e-5, 0.1 / spent.num_examples) if delta is None else delta
        return PrivacyReport.of_training(
            sampling_rate=_rate(spent),
            noise_multiplier=spent.noise_multiplier,
            d_steps=spent.num_updates,
            delta=delta,
            seeded=spent.seeded,
            l2_norm_clip=self._settings.l2_norm_clip,
            statement=self.statement(delta),
        )

    def _known(self) -> Spent:
        """What was spent; raises unless all of it was on terms that are known."""
        spent = self.spent
        if spent.num_examples == 0 and self._others is None:
            raise ValueError(
                "The sampling and noise that the accountant needs went with the weights"
                " that were restored. Expected weights of a training that began. "
                f"Received: num_examples=0, num_updates={spent.num_updates}. Train a "
                "new model."
            )
        self._check_terms(spent.noise_multiplier)
        return spent

    def _check_terms(self, noise: float | None) -> None:
        """Raises unless past updates were of this noise, and none of another model."""
        terms, other = self._terms, self._others
        if other is None and noise in (None, terms.noise_multiplier):
            return
        received = other or terms._replace(noise_multiplier=noise or 0.0)
        raise ValueError(
            "The accountant composes steps of one sampling rate and one noise. Expected"
            f" {terms.words} as before. Received: {received.words} with weights that "
            "were restored. Train a new model."
        )

    def _keep(self, terms: Spent) -> None:
        """Fixes the terms of updates, also in the variables that files hold."""
        self._terms = terms
        self._num_examples.assign(terms.num_examples)
        self._expected_batch_size.assign(terms.batch_size)
        if self.planned_updates is not None:
            self.calibrated_noise.assign(terms.noise_multiplier)
            self.planned_updates.assign(terms.planned_updates)
            self._limit.assign(terms.planned_updates)


def _rate(spent: Spent) -> float:
    return spent.batch_size / spent.num_examples


def epochs_of(spent: Spent) -> float:
    """So many that the library, which rounds updates up, counts those there were."""
    epochs = spent.num_updates * spent.batch_size / spent.num_examples
    while math.ceil(epochs / _rate(spent)) > spent.num_updates:
        epochs = math.nextafter(epochs, 0.0)
    return epochs


def _counter(start: int) -> tf.Variable:
    return tf.Variable(
        tf.constant(start, tf.int64),
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
