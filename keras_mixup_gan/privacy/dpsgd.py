"""DP-SGD for the discriminator: per-example clipping, one noise draw, own noise source.

Abadi et al., "Deep learning with differential privacy", CCS 2016; for GANs Bie,
Kamath, Zhang, "Private GANs, revisited", TMLR 2023: only the discriminator reads real
images, so only its gradients are privatized, and the generator inherits the guarantee.
"""

import contextlib
import dataclasses
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.privacy import tfp
from keras_mixup_gan.privacy.sensitivity import of_mixup
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import (
    check_choice,
    check_in_range,
    check_integer,
    check_not_negative,
    check_positive,
    plain_fields,
)


@keras.saving.register_keras_serializable("keras_mixup_gan")
@dataclass(frozen=True)
class DPSGD:
    """Settings of differentially private discriminator updates.

    Every row of a batch, real or generated, has its gradient clipped to
    `l2_norm_clip`; the sum gets Gaussian noise once and is divided by the expected, not
    the realized, number of rows. Batches are Poisson-sampled.

    Args:
        l2_norm_clip: Largest L2 norm `C` of one row's gradient, above 0.
        noise_multiplier: Noise standard deviation in units of `C`, at least 0 and 1 by
            default; with 0 the model is clipped but not private.
        noise_seed: Seed of noise and sampling for a reproducible benchmark; the
            guarantee then holds only while the seed is secret, and a saved model
            contains it. A step that is repeated, as after loading earlier weights,
            draws the same noise again. `None` takes operating-system entropy, and a
            resumed training draws fresh noise.
        num_examples: Size of the training set that is taken as public, by default the
            true one. An image enters a step with probability `batch_size /
            num_examples`, and an epoch has `num_examples / batch_size` updates: where
            coins decide who is a member, neither may depend on the outcome.
        engine: How gradients are clipped. `"query"` makes one gradient for each row
            and passes it to tensorflow-privacy's query; `"ghost"` computes the same sum
            without them, in less than half the time, for discriminators of well-known
            layers in float32 and losses without a gradient penalty. `"auto"` takes
            `"ghost"` where it can. See `privacy.ghost`.
        target_epsilon: What training may spend, instead of `noise_multiplier`: when
            `fit` begins, the noise is calibrated to the number of updates that it is
            asked for, by `privacy.noise_multiplier_for`, and kept with the model. The
            step itself then refuses any update beyond that, whatever called it. A
            preset keeps the noise, but not the target.
        delta: The delta of `target_epsilon`, which needs one.
        augmentation_multiplicity: Over how many transforms of a row the gradient is
            averaged before it is clipped, by De, Berrada, Hayes, Smith, Balle,
            "Unlocking high-accuracy differentially private image classification through
            scale", arXiv:2204.13650; the sensitivity stays. More than one needs a model
            with `augment=`, costs as many times the discriminator's share of a step,
            and takes the engine `"query"`.
    """

    l2_norm_clip: float = 1.0
    noise_multiplier: float | None = None
    noise_seed: int | None = None
    num_examples: int | None = field(default=None, kw_only=True)
    engine: str = field(default="auto", kw_only=True)
    target_epsilon: float | None = field(default=None, kw_only=True)
    delta: float | None = field(default=None, kw_only=True)
    augmentation_multiplicity: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        check_positive(l2_norm_clip=self.l2_norm_clip)
        check_choice(self.engine, ("auto", "ghost", "query"), "engine")
        if self.target_epsilon is None and self.noise_multiplier is None:
            object.__setattr__(self, "noise_multiplier", 1.0)
        self._check_noise()
        if self.noise_seed is not None:
            check_integer(0, noise_seed=self.noise_seed)
            check_in_range(0, 2**63 - 1, noise_seed=self.noise_seed)
        if self.num_examples is not None:
            check_integer(1, num_examples=self.num_examples)
        check_integer(1, augmentation_multiplicity=self.augmentation_multiplicity)
        plain_fields(self)

    def _check_noise(self) -> None:
        """Raises unless the noise is given, or follows from a target, but not both."""
        if self.noise_multiplier is not None:
            check_not_negative(noise_multiplier=self.noise_multiplier)
        given = [self.noise_multiplier, self.target_epsilon, self.delta]
        missing = [value is None for value in given]
        if missing not in ([False, True, True], [True, False, False]):
            raise ValueError(
                "The noise is given or follows from a target. Expected "
                "`noise_multiplier` alone, or `target_epsilon` and `delta`. Received: "
                f"noise_multiplier={self.noise_multiplier}, target_epsilon="
                f"{self.target_epsilon}, delta={self.delta}."
            )
        if self.target_epsilon is not None and self.delta is not None:
            check_positive(target_epsilon=self.target_epsilon, delta=self.delta)
            check_in_range(0, 1, delta=self.delta)

    def with_noise(self, noise_multiplier: float) -> "DPSGD":
        """The same settings with this noise in place of a target."""
        return dataclasses.replace(
            self, noise_multiplier=noise_multiplier, target_epsilon=None, delta=None
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments.

        The last only where it is used: results kept under a key stay known.
        """
        config = dataclasses.asdict(self)
        if self.augmentation_multiplicity == 1:
            del config["augmentation_multiplicity"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DPSGD":
        """Builds the settings from `get_config()`."""
        return cls(**config)


class PrivateGradients:
    """Clips, sums and noises per-example gradients through tensorflow-privacy's query.

    A plain object on purpose: the noise generator's state would reproduce all past
    noise, so nothing that Keras or a checkpoint tracks may hold it. The sum is divided
    by the expected number of rows. Each row's loss is multiplied by `loss_scale` before
    differentiation and its gradient divided by it before clipping, for networks in
    float16.
    """

    def __init__(
        self, settings: DPSGD, expected_rows: float, loss_scale: float = 1.0
    ) -> None:
        if settings.noise_multiplier is None:
            raise ValueError(
                "The noise of a target epsilon is not known before training begins. "
                f"Expected a `noise_multiplier`. Received: {settings}."
            )
        self.noise_multiplier = settings.noise_multiplier
        self._loss_scale = loss_scale
        self._noise = _NoiseSource(settings.noise_seed)
        clip = settings.l2_norm_clip
        stddev = clip * self.noise_multiplier
        query = tfp.gaussian_query(clip, stddev, self._noise.add)
        # Divides by a constant, never by the realized number of rows.
        normalized = tfp.load("dp_query.normalized_query").NormalizedQuery
        self._query = normalized(query, expected_rows)

    def __call__(
        self,
        row_loss: Callable[[Any], Tensor],
        rows: Any,
        mask: Tensor,
        variables: list[Any],
        step: Tensor,
    ) -> list[Tensor]:
        """The private gradient of the summed loss over rows, per expected row.

        `row_loss` maps one row, without its first axis, to a scalar that depends on no
        other. Rows that the boolean mask leaves out, or whose gradient is not finite,
        count as absent. `step` keys noise of a declared seed.
        """
        state = self._query.initial_global_state()
        params = self._query.derive_sample_params(state)

        def clipped(row_and_mask: Any) -> Tensor:
            row, present = row_and_mask
            with tf.GradientTape() as tape:
                loss = self._loss_scale * row_loss(row)
            record = _flat(tape.gradient(loss, variables)) / self._loss_scale
            keep = present & tf.math.is_finite(tf.reduce_sum(tf.square(record)))
            record = self._query.preprocess_record(params, record)
            return tf.where(keep, record, tf.zeros_like(record))

        # One vector a row: the norm of a list has no vectorized form and would loop.
        with _quiet_tracing():
            records = tf.vectorized_map(clipped, (rows, mask), warn=False)
        return self.noised(_like(tf.reduce_sum(records, axis=0), variables), step)

    def noised(self, sums: list[Tensor], step: Tensor) -> list[Tensor]:
        """A sum of clipped gradients with noise, per expected row."""
        self._noise.begin(step)
        state = self._query.initial_global_state()
        result, _, _ = self._query.get_noised_result(_flat(sums), state)
        return _like(result, sums)


@contextlib.contextmanager
def _quiet_tracing() -> Iterator[None]:
    """Keeps back TensorFlow's remarks on operations that it vectorizes by a loop."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _flat(gradients: list[Tensor]) -> Tensor:
    return tf.concat([tf.reshape(part, (-1,)) for part in gradients], axis=0)


def _like(vector: Tensor, variables: list[Any]) -> list[Tensor]:
    """A flat vector cut into tensors of the variables' shapes."""
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    parts = tf.split(vector, sizes)
    return [
        tf.reshape(part, variable.shape)
        for part, variable in zip(parts, variables, strict=True)
    ]


class _NoiseSource:
    """Gaussian noise that no other randomness of the process can predict."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        start = secrets.randbits(63) if seed is None else seed
        self._generator = tf.random.Generator.from_seed(start, alg="philox")

    def begin(self, step: Tensor) -> None:
        """Rewinds a seeded source to the step's own noise, so resuming repeats it."""
        if self._seed is not None:
            counter = tf.stack([tf.constant(0, tf.int64), tf.cast(step, tf.int64)])
            self._generator.reset_from_key_counter(self._seed, counter)

    def add(self, total: Tensor, stddev: Tensor) -> Tensor:
        noise = self._generator.normal(tf.shape(total), stddev=stddev)
        return total + tf.cast(noise, total.dtype)


def refuse_mixup(dp: DPSGD, mixup: MixUp | None) -> None:
    """Raises a `ValueError` if images would not count once each in a private sum."""
    if mixup is not None:
        multiple = of_mixup(mixup)
        norms = f"{multiple:g}" if multiple < float("inf") else "unboundedly many"
        raise ValueError(
            "`mixup` cannot be combined with `dp`: one image enters several mixtures of"
            f" a step and can move their clipped sum by {norms} clipping norms, not "
            f"one. Expected one of the two. Received: mixup={mixup}, dp={dp}."
        )


def check_multiplicity(dp: DPSGD, augment: str | None) -> None:
    """Raises a `ValueError` if there are no transforms to average gradients over."""
    if dp.augmentation_multiplicity > 1 and augment is None:
        raise ValueError(
            "There are no transforms to average over. Expected `augment=`. Received: "
            f"augment=None, augmentation_multiplicity={dp.augmentation_multiplicity}. "
            "Pass e.g. augment='color,translation,cutout', or leave it at 1."
        )


def refuse_batch_norm(network: keras.Model) -> None:
    """Raises a `ValueError` if a layer of the network couples the rows of a batch."""
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            raise ValueError(
                "DP-SGD clips each example by itself, but batch normalization makes "
                "every gradient depend on the whole batch. Expected a discriminator "
                f"without it. Received: layer {layer.name!r}. Use norm='layer'."
            )
