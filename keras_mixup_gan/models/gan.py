"""The base class of the GANs, as users meet it: recipes, fitting, the guarantee."""

import os
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import tensorflow as tf

from keras_mixup_gan.data.classes import check_class_names, names_of, renumbered
from keras_mixup_gan.data.datasets import plain_data_errors
from keras_mixup_gan.data.labeled import batches_of, is_endless, is_read_once
from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.models import recipes
from keras_mixup_gan.models.divergence import StopAtDivergence
from keras_mixup_gan.models.refusals import refuse_swapping, refuse_weights
from keras_mixup_gan.models.training_step import AdversarialModel
from keras_mixup_gan.privacy import tfp
from keras_mixup_gan.privacy.accounting import PrivacyReport
from keras_mixup_gan.privacy.dpsgd import DPSGD
from keras_mixup_gan.privacy.updates import OVERRUN
from keras_mixup_gan.registry import register
from keras_mixup_gan.validation import check_integer, plain_number


class GAN(AdversarialModel):
    """Base class of the zoo's models; a subclass adds networks and losses.

    `fit` mixes the training images where `mixup` is given, and samples them as DP-SGD
    demands where `dp` is given. Every random number is a function of `seed`, the step
    counter and its purpose: an interrupted training that is resumed gives the same
    weights to the bit as one that was not. Files of weights hold the counter alone:
    with them, give the model the same `seed`.

    Under `tf.distribute.MirroredStrategy` each replica takes its share of the batch,
    of the latents and of the noise, so that a step is that of one device on the whole
    batch; only augmentation and dropout are drawn, and groups of the minibatch standard
    deviation are formed, within a replica. Models with `dp`, PAR-GAN, privGAN and
    RelaxLoss take one replica. Under the policy `"mixed_float16"` both optimizers
    scale their losses.

    Args:
        *networks: Functions that make the generator and the discriminator; see
            `NetworkPair`.
        mixup: The `MixUp` that training images go through, or `None`.
        dp: `DPSGD` settings, or `None`.
        augment: Policy of differentiable augmentation for what the discriminator
            sees, such as `"color,translation,cutout"`, or `None`; see
            `keras_mixup_gan.augment`. It comes after mixing, on reals and fakes alike;
            `MixUp(augment=...)` comes before instead.
        discriminator_steps: Discriminator updates in a training step, each on a batch
            of its own, for one generator update.
        ema_momentum: Momentum of the generator's moving average, in `[0, 1]`.
        **kwargs: `image_shape`, `latent_dim`, `num_classes`, `class_names`, `seed`,
            see `NetworkPair`, and arguments of `keras.Model`.

    Raises:
        ValueError: If an argument is out of range, `mixup` meets `dp`, or the
            discriminator has layers that DP-SGD cannot treat.
    """

    # The recipe's name, and what pages call the family. Variants inherit both.
    family: ClassVar[str]
    title: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "family" in vars(cls):
            register(recipes.FAMILIES, cls.family, cls)

    @classmethod
    def from_recipe(
        cls,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        *,
        mixup: bool | str | MixUp | None = False,
        dp: DPSGD | None = None,
        num_classes: int | None = None,
        latent_dim: int | None = None,
        width: int | None = None,
        seed: int | None = None,
        compile: bool = True,
        **kwargs: Any,
    ) -> Self:
        """A model with its recipe's settings, compiled and ready to `fit`.

        `keras_mixup_gan.zoo.dcgan`, `zoo.wgan_gp` and `zoo.stylegan_lite` are this
        method of `models.DCGAN`, `models.WGANGP` and `models.StyleGANLite`.
        `zoo.wgan_gp(mixup="paper", num_classes=10)` is the published method of Ji et
        al. in the family they published it for.

        Args:
            image_shape: `(height, width, channels)`; which sizes suit is told by the
                class.
            mixup: `False`; `"augmented"` to transform images before they are blended,
                and to add a little noise; `"noisy"` for blends and strong noise;
                `True` for the recipe's choice of the two;
                `"paper"` for the published rule of Ji et al.; or a `MixUp`.
            dp: `DPSGD` settings for a differentially private discriminator.
            num_classes: Number of classes of a conditional model.
            latent_dim: The recipe's by default.
            width: Channels at full resolution; the recipe's by default.
            seed: Integer seed; `None` draws one.
            compile: Whether to compile with the recipe's optimizers.
            **kwargs: Further arguments of the class.

        Raises:
            ValueError: If an argument is out of range or `mixup` meets `dp`.
            ImportError: If `dp` is given and its extra is not installed.

        Example:
        ```python
        model = keras_mixup_gan.zoo.dcgan(mixup=True)
        model.fit(images, epochs=50)
        ```
        """
        if dp is not None:
            tfp.check()
        recipe = recipes.load_recipe(cls.family)
        sizes = {"latent_dim": latent_dim, "width": width}
        given = {name: size for name, size in sizes.items() if size is not None}
        settings = {"name": cls.family, **recipe["model"], **given, **kwargs}
        transform = recipes.resolve_mixup(mixup, recipe)
        fixed = {"mixup": transform, "dp": dp, "num_classes": num_classes, "seed": seed}
        every = {**settings, **fixed}
        plain = {name: plain_number(value) for name, value in every.items()}
        model = cls(image_shape, **plain)
        if compile:
            recipes.compile_from(recipe, model)
        return model

    # === Keras ===

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the model, without its networks."""
        serialize, names = keras.saving.serialize_keras_object, self.class_names
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
            **({} if names is None else {"class_names": list(names)}),
            "mixup": serialize(self.mixup),
            "dp": serialize(self.dp),
            "augment": self.augment,
            "discriminator_steps": self.discriminator_steps,
            "ema_momentum": self.ema_momentum,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GAN":
        """Builds the model from `get_config()`."""
        restored = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("mixup", "dp", "dtype")
        }
        model = cls(**{**config, **restored})
        model._with_settings = True
        return model

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        *,
        steps_per_epoch: int | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains the model.

        Args:
            x: Images: an array `(num_images, height, width, channels)` in `[-1, 1]`,
                or uint8 of 0..255, of which each batch is mapped there; a pair
                `(images, labels)`, an `Images` or a `SplitPart`; or batches of images,
                `(images, labels)` or dicts: a `tf.data.Dataset`, a Keras `PyDataset`,
                a torch `DataLoader` (channels may be first), or a generator, with
                `steps_per_epoch`. Arrays are shuffled anew each epoch and a last
                incomplete batch is left out; batches keep their own order, so the
                exact resumption of a training is only up to them.
            y: Class labels of an array `x`, integers or one-hot rows; for conditional
                models.
            batch_size: Images in a batch of an array, 64 by default. With `dp` it is
                the expected size.
            epochs: Number of epochs.
            steps_per_epoch: Batches in an epoch, at least 1; by default the data set's
                length.
            **kwargs: Further arguments of `keras.Model.fit`, such as `callbacks`,
                `validation_data` (taken as `x` is), `validation_split` (of an array:
                its last images), `initial_epoch` and `verbose`.

        Returns:
            The history of the epoch's losses.

        Raises:
            ValueError: If the data have a wrong type, shape or range, hold fewer
                images than a batch, or are already mixed; after an epoch, if weights
                are NaN or infinite.
        """
        refuse_weights(
            class_weight=kwargs.pop("class_weight", None),
            sample_weight=kwargs.pop("sample_weight", None),
        )
        check_integer(0, epochs=epochs)
        if steps_per_epoch is not None:
            check_integer(1, steps_per_epoch=steps_per_epoch)
        if kwargs.pop("shuffle", True) is False and batches_of(x) is None:
            raise ValueError(
                "Arrays are shuffled anew each epoch. Expected `shuffle=True` for an "
                "array. Received: shuffle=False. To keep an order, pass a batched "
                "`tf.data.Dataset`."
            )
        if is_endless(x) and steps_per_epoch is None:
            raise ValueError(
                "The data set has no end, and its first epoch would have none. "
                "Expected `steps_per_epoch` with it. Received: steps_per_epoch=None. "
                "Pass that too, or leave out `repeat()`."
            )
        if is_read_once(x) and steps_per_epoch is None:
            raise ValueError(
                "A generator can be read once. Expected `steps_per_epoch` with it. "
                f"Received: x={type(x).__name__}, steps_per_epoch=None. Pass that too, "
                "or a `tf.data.Dataset`, which begins anew."
            )
        self._initial_epoch = None  # Keras leaves that of a backup restored earlier
        callbacks = tf.nest.flatten(kwargs.get("callbacks") or [])
        refuse_swapping(callbacks)
        kwargs["callbacks"] = [StopAtDivergence(), *callbacks]
        x = self.numbered(x, training=True)
        if self.privacy is not None and self.privacy.forget_unused_plan():
            self.train_function = None  # which may have been traced with the plan
        pipeline = self.pipeline
        with plain_data_errors(OVERRUN):
            held_out = kwargs.pop("validation_data", None)
            if type(held_out) is tuple and len(held_out) == 3:
                refuse_weights(sample_weight=held_out[2])
                held_out = held_out[:2]
            if share := kwargs.pop("validation_split", 0):
                x, y, held_out = pipeline.held_out(x, y, share, held_out)
            if held_out is not None:
                kwargs["validation_data"] = pipeline.evaluation_data(
                    self.numbered(held_out), name="validation_data"
                )
            batches, length, sampling = pipeline.training_batches(x, y, batch_size)
            if self.privacy is not None and sampling is not None:
                self.privacy.begin(*sampling)
                steps = length or 0
                if steps_per_epoch is not None:  # a whole number of executions
                    at_once = self.steps_per_execution
                    steps = -(-steps_per_epoch // at_once) * at_once
                updates = steps * self.discriminator_steps
                first = kwargs.get("initial_epoch", 0)
                guard = self.privacy.guard(epochs, first, updates)
                kwargs["callbacks"].append(guard)
            if steps_per_epoch is None and length is not None:
                if length % self.steps_per_execution == 0:
                    steps_per_epoch = length  # Keras then keeps the iterator
                else:
                    whole = tf.data.experimental.assert_cardinality(length)
                    batches = batches.take(length).apply(whole)
            return super().fit(
                batches,
                epochs=epochs,
                steps_per_epoch=steps_per_epoch,
                shuffle=False,
                **kwargs,
            )

    def numbered(self, data: Any, *, training: bool = False) -> Any:
        """Data with their classes numbered as the model's, where both have names.

        A model without names takes those of the first data that it is trained on.
        """
        names = names_of(data)
        if names is None or self.num_classes is None:
            return data
        if training and self.num_steps == 0 and self.class_names is None:
            if len(names) == self.num_classes:
                self.class_names = check_class_names(names)
        if not isinstance(data, tuple) and self.class_names not in (None, names):
            raise ValueError(
                "The data set numbers its classes otherwise than the model. Expected "
                f"{self.class_names}. Received: class_names={names}. Read it with "
                "`class_names=` in that order."
            )
        return renumbered(data, self.class_names, "training images")

    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> Any:
        """Losses on raw images, which are taken and checked as `fit` does."""
        refuse_weights(sample_weight=kwargs.pop("sample_weight", None))
        if kwargs.get("_use_cached_eval_dataset"):  # that of `fit`
            return super().evaluate(x, y, batch_size=batch_size, **kwargs)
        with plain_data_errors():
            data = self.pipeline.evaluation_data(self.numbered(x), y)
            return super().evaluate(*data, batch_size=batch_size, **kwargs)

    def train_on_batch(
        self, x: Any, y: Any = None, *, return_dict: bool = False, **weights: Any
    ) -> Any:
        """One training step on raw images, which are taken and checked as `fit` does.

        Several discriminator updates are all on these images. A model with `mixup` or
        `dp` is trained by `fit` alone.
        """
        refuse_weights(**weights)
        self._refuse_whole_batches()
        x = self.numbered(x, training=True)
        return super().train_on_batch(
            *self.pipeline.arrays(x, y, "x"), return_dict=return_dict
        )

    def test_on_batch(
        self, x: Any, y: Any = None, *, return_dict: bool = False, **weights: Any
    ) -> Any:
        """Losses on one batch of raw images, taken and checked as `fit` does."""
        refuse_weights(**weights)
        self._refuse_whole_batches()
        return super().test_on_batch(
            *self.pipeline.arrays(self.numbered(x), y, "x"), return_dict=return_dict
        )

    def _refuse_whole_batches(self) -> None:
        if (replicas := self.pipeline.num_replicas) > 1:
            raise ValueError(
                "Keras hands every replica the whole batch here. Expected one replica. "
                f"Received: {replicas}. Call `fit` or `evaluate`, which share it out."
            )

    # === What ran ===

    def save_to_preset(
        self, folder: str | os.PathLike[str], release: str = "everything"
    ) -> Path:
        """Writes weights and settings to a folder, without pickle or code.

        `keras_mixup_gan.zoo.from_preset(folder)` reads it. It holds the discriminator
        too, unless `release="generator"`, and a card; see `zoo.save_to_preset`.
        """
        from keras_mixup_gan.models.saving import save_to_preset

        return save_to_preset(self, folder, release)

    @property
    def noise_multiplier(self) -> float | None:
        """Noise of DP-SGD, as given or calibrated; `None` where there is none yet."""
        return None if self.privacy is None else self.privacy.noise_multiplier

    @property
    def clipping_engine(self) -> str | None:
        """How DP-SGD clips here, `"ghost"` or `"query"`; `None` without `dp`."""
        return None if self.privacy is None else self.privacy.engine

    def epsilon(self, delta: float, accountant: str = "pld") -> float:
        """Epsilon of one training image spent so far: infinite without `dp`.

        It follows from the updates and the sampling rate of the training that ran.

        Args:
            delta: Target delta, e.g. below one over the number of training images.
            accountant: `"pld"` (tight) or `"rdp"`.
        """
        if self.privacy is None:
            return float("inf")
        return self.privacy.epsilon(delta, accountant)

    def privacy_statement(self, delta: float) -> str:
        """What was guaranteed at a delta, in tensorflow-privacy's words."""
        if self.privacy is None:
            return "No differential-privacy guarantee: epsilon is infinite."
        return self.privacy.statement(delta)

    def privacy_report(self, delta: float | None = None) -> PrivacyReport:
        """What was guaranteed, in numbers, and how far any attack can then come.

        Args:
            delta: Target delta; by default 1e-5 or a tenth of one over the number of
                training images, whichever is less.

        Raises:
            ValueError: If the model has no `dp`, or was not trained yet.
        """
        if self.privacy is None or self.privacy.num_updates == 0:
            raise ValueError(
                "There is no guarantee to report. Expected a model that was trained "
                f"with `dp`. Received: dp={self.dp}. {self.privacy_statement(0.5)}"
            )
        return self.privacy.report(delta)
