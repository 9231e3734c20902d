"""What all GANs of the zoo share: data, randomness, optimizers, averaging."""

from typing import Any, ClassVar, Self

import keras
import tensorflow as tf

from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.models import feeding, optimizing, recipes
from keras_mixup_gan.models.augment import augment as diff_augment
from keras_mixup_gan.models.augment import check_policy
from keras_mixup_gan.models.private_gan import PrivateGAN
from keras_mixup_gan.privacy import tfp
from keras_mixup_gan.privacy.dpsgd import DPSGD, refuse_batch_norm
from keras_mixup_gan.privacy.sensitivity import of_mixup
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_images, check_in_range, check_integer

# Streams of random numbers; families use numbers from 10 on.
_LATENTS, _FAKE_NOISE, _FAKE_LABELS, _AUGMENT = range(4)


class GAN(PrivateGAN):
    """Base class of the zoo's models; a subclass adds networks and `train_step`.

    `fit` mixes the training images where `mixup` is given, and samples them as DP-SGD
    demands where `dp` is given. The moving average of the generator is what is called,
    sampled and exported. Every random number is a function of `seed`, the step counter
    and its purpose, all of which are saved: an interrupted training that is resumed
    gives the same weights to the bit as one that was not.

    Under `tf.distribute.MirroredStrategy` each replica takes its share of the batch,
    of the latents and of the noise, so that a step is that of one device on the whole
    batch; only augmentation is drawn, and groups of the minibatch standard deviation
    are formed, within a replica. Under the policy `"mixed_float16"` both optimizers
    scale their losses.

    Args:
        generator: Maps latents `(batch, latent_dim)`, or `[latents, labels]`, to images
            in `[-1, 1]`.
        discriminator: Maps images, or `[images, labels]`, to raw scores `(batch, 1)`.
        ema_generator: A network like `generator` for the moving average.
        image_shape: `(height, width, channels)`.
        latent_dim: Number of latent dimensions.
        num_classes: Number of classes of a conditional model, or `None`.
        mixup: The `MixUp` that training images go through, or `None`.
        dp: `DPSGD` settings, or `None`.
        augment: Policy of differentiable augmentation for what the discriminator
            sees, such as `"color,translation,cutout"`, or `None`; see
            `models.augment`. It comes after mixing, on reals and fakes alike.
        discriminator_steps: Discriminator updates in a training step, each on a batch
            of its own, for one generator update.
        ema_momentum: Momentum of the moving average, in `[0, 1)`.
        seed: Integer seed.

    Raises:
        ValueError: If an argument is out of range, `mixup` meets `dp`, or the
            discriminator has layers that DP-SGD cannot treat.
    """

    # Of a class that has a recipe of its own: the recipe's name, and what pages call
    # the family. Variants inherit both.
    family: ClassVar[str]
    title: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "family" in vars(cls):
            recipes.FAMILIES[cls.family] = cls

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        ema_generator: keras.Model,
        *,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        num_classes: int | None = None,
        mixup: MixUp | None = None,
        dp: DPSGD | None = None,
        augment: str | None = None,
        discriminator_steps: int = 1,
        seed: int,
        ema_momentum: float = 0.999,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_in_range(0, 1, ema_momentum=ema_momentum)
        check_integer(0, seed=seed)
        check_in_range(0, 2**31 - 1, seed=seed)
        check_integer(1, discriminator_steps=discriminator_steps)
        if augment is not None:
            check_policy(augment)
        if num_classes is not None:
            check_integer(2, num_classes=num_classes)
        if mixup is not None and dp is not None:
            multiple = of_mixup(mixup)
            norms = f"{multiple:g}" if multiple < float("inf") else "unboundedly many"
            raise ValueError(
                "`mixup` and `dp` do not add up: one image enters several mixtures of "
                f"a step and can move their clipped sum by {norms} clipping norms, not "
                f"one. Expected one of the two. Received: mixup={mixup}, dp={dp}."
            )
        if augment is not None and dp is not None:
            raise ValueError(
                "`augment` and `dp` do not add up: an image's augmentation hangs on "
                "its place in the batch, so that one image more or less would change "
                "the others' gradients. Expected one of the two. Received: "
                f"augment={augment!r}, dp={dp}."
            )
        if mixup is not None and mixup.same_class and num_classes is None:
            raise ValueError(
                "`same_class` mixes by labels, which an unconditional model does not "
                "take. Expected `num_classes`. Received: num_classes=None. Set it, or "
                "mix in the pipeline, `dataset.apply(MixUp(same_class=True))`."
            )
        if dp is not None:
            refuse_batch_norm(discriminator)
            if dp.engine == "ghost":
                self.refuse_unknown_gradients(discriminator)
            tfp.load("dp_query.gaussian_query")
        self.image_shape = image_shape
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.mixup = mixup
        self.dp = dp
        self.augment = augment
        self.discriminator_steps = discriminator_steps
        self.ema_momentum = ema_momentum
        self.seed = seed

        self.generator = generator
        self.discriminator = discriminator
        self.ema_generator = ema_generator
        self.ema_generator.set_weights(generator.get_weights())
        self.ema_generator.trainable = False
        self.steps = self._counter("steps")
        # What the privacy accountant needs, kept with the weights.
        self.num_examples = self._counter("num_examples")
        self.expected_batch_size = self._counter("expected_batch_size")
        if dp is not None and dp.target_epsilon is not None:
            self.calibrated_noise = self._counter("calibrated_noise", "float64")
            self.planned_updates = self._counter("planned_updates")
        self._d_loss = keras.metrics.Mean(name="d_loss")
        self._g_loss = keras.metrics.Mean(name="g_loss")
        self.built = True

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
            mixup: `False`; `True` for the recipe's choice; `"paper"` for the published
                rule of Ji et al.; or a `MixUp`.
            dp: `DPSGD` settings for a differentially private discriminator.
            num_classes: Number of classes of a conditional model.
            latent_dim: Latent dimensions; the recipe's by default.
            width: Channels at full resolution; the recipe's by default.
            seed: Integer seed; `None` draws one.
            compile: Whether to compile with the recipe's optimizers.
            **kwargs: Further arguments of the class.

        Returns:
            The model.

        Raises:
            ValueError: If an argument is out of range or `mixup` meets `dp`.
            ImportError: If `dp` is given and its extra is not installed.

        Example:
        ```python
        model = keras_mixup_gan.zoo.dcgan(mixup=True)
        model.fit(images, epochs=50)
        ```
        """
        recipe = recipes.load_recipe(cls.family)
        sizes = {"latent_dim": latent_dim, "width": width}
        given = {name: size for name, size in sizes.items() if size is not None}
        settings = {**recipe["model"], **given, **kwargs}
        transform = recipes.resolve_mixup(mixup, recipe)
        fixed = {"mixup": transform, "dp": dp, "num_classes": num_classes, "seed": seed}
        model = cls(image_shape, **{**settings, **fixed})
        if compile:
            recipes.compile_from(recipe, model)
        return model

    # === Keras ===

    @property
    def trained_generators(self) -> list[keras.Model]:
        """What the generator's optimizer trains."""
        return [self.generator]

    @property
    def trained_discriminators(self) -> list[keras.Model]:
        """What the discriminator's optimizer trains."""
        return [self.discriminator]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Running means of the losses; with DP-SGD of the generator's alone.

        The discriminator's loss reads real images without noise.
        """
        return [self._g_loss] if self.dp else [self._d_loss, self._g_loss]

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the model, networks left to the subclass."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
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
        return cls(**{**config, **restored})

    def compile(
        self,
        g_optimizer: Any = "adam",
        d_optimizer: Any = "adam",
        **kwargs: Any,
    ) -> None:
        """Sets the two optimizers and builds their state.

        Args:
            g_optimizer: Optimizer of the generator: a name or an instance.
            d_optimizer: Optimizer of the discriminator.
            **kwargs: Further arguments of `keras.Model.compile`, such as
                `jit_compile` (off by default on CPU, where it is slower, and with
                `dp`, where every batch has another size) and `steps_per_execution`.
        """
        if self.dp is not None or not tf.config.list_physical_devices("GPU"):
            kwargs.setdefault("jit_compile", False)
        optimizing.check_compile(g_optimizer, d_optimizer, kwargs, self.dp)
        super().compile(optimizer=None, **kwargs)
        self.g_optimizer = optimizing.prepared(g_optimizer, *self.trained_generators)
        self.d_optimizer = optimizing.prepared(
            d_optimizer, *self.trained_discriminators, scales_loss=self.dp is None
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
        self.compile(
            **{
                name: keras.saving.deserialize_keras_object(value)
                if name.endswith("optimizer")
                else value
                for name, value in config.items()
            }
        )

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """Images of the averaged generator for latents, or `[latents, labels]`."""
        parts = inputs if isinstance(inputs, list | tuple) else (inputs, None)
        return self.synthesize(self.ema_generator, *parts)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        steps_per_epoch: int | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains the model.

        Args:
            x: Images in `[-1, 1]`: an array `(num_images, height, width, channels)`,
                or a batched `tf.data.Dataset` of images, `(images, labels)` or dicts.
                Arrays are shuffled anew each epoch and a last incomplete batch is
                left out; a data set keeps its own order, so the exact resumption of a
                training is only up to it.
            y: Class labels of an array `x`, integers or one-hot rows; for conditional
                models.
            batch_size: Images in a batch of an array, 64 by default. With `dp` it is
                the expected size.
            epochs: Number of epochs.
            steps_per_epoch: Batches in an epoch; by default the data set's length.
            **kwargs: Further arguments of `keras.Model.fit`, such as `callbacks`,
                `validation_data`, `initial_epoch` and `verbose`.

        Returns:
            The history of the epoch's losses.

        Raises:
            ValueError: If the data have a wrong type, shape or range, hold fewer
                images than a batch, or are already mixed.
        """
        kwargs.pop("shuffle", None)  # arrays always are, data sets never
        self.forget_unused_plan()
        with feeding.plain_data_errors():
            batches, length = feeding.training_batches(self, x, y, batch_size)
            if self.dp is not None:
                steps = steps_per_epoch or length or 0
                kwargs["callbacks"] = self.guarded(
                    kwargs.get("callbacks"),
                    epochs,
                    kwargs.get("initial_epoch", 0),
                    steps,
                )
            if steps_per_epoch is None and length is not None:
                batches = batches.take(length)
                batches = batches.apply(tf.data.experimental.assert_cardinality(length))
            return super().fit(
                batches,
                epochs=epochs,
                steps_per_epoch=steps_per_epoch,
                shuffle=False,
                **kwargs,
            )

    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> Any:
        """Losses on raw images; takes and checks images as `fit` does.

        Args:
            x: Images in `[-1, 1]`, an array or a batched data set.
            y: Class labels of an array `x`.
            batch_size: Images in a batch of an array.
            **kwargs: Further arguments of `keras.Model.evaluate`.

        Returns:
            What `keras.Model.evaluate` returns.

        Raises:
            ValueError: If the images do not fit the model.
        """
        if x is not None and not isinstance(x, tf.data.Dataset):
            x = check_images(x, "x", self.image_shape)
        return super().evaluate(x, y, batch_size=batch_size, **kwargs)

    def test_step(self, data: Any) -> dict[str, Tensor]:
        """Losses on raw images in inference mode."""
        batch = feeding.raw_batch(self, data)
        images, labels = batch["images"], batch.get("labels")
        # The running mean counts batches: each is met by latents of its own.
        latents = self.latents(tf.shape(images)[0], self._g_loss.count.value)
        fakes = self.synthesize(self.ema_generator, latents, labels)
        real = self.discriminate(images, labels, training=False)
        fake = self.discriminate(fakes, labels, training=False)
        d_loss, g_loss = self.losses(real, fake)
        return self.report(d_loss, g_loss)

    # === What a training step is made of ===

    def losses(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Discriminator and generator loss of raw scores, for `evaluate`."""
        raise NotImplementedError

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

    def counterparts(
        self, batch: dict[str, Tensor], draw: int
    ) -> tuple[Tensor, Tensor | None]:
        """Generated counterparts of a batch and their labels.

        With DP-SGD they say nothing of the batch: as many as a batch is expected to
        hold, of uniformly drawn classes.
        """
        if self.dp is None:
            return self.fakes(batch, draw), batch.get("labels")
        num_images = tf.cast(self.expected_batch_size.value, tf.int32)
        labels = self.random_labels(num_images, draw)
        return self.clean_fakes(num_images, labels, draw), labels

    def fakes(self, batch: dict[str, Tensor], draw: int) -> Tensor:
        """Generated counterparts of a batch, mixed as its images are.

        Args:
            batch: A prepared batch.
            draw: Which of the step's draws of latents to use.

        Returns:
            Images of the shape of `batch["images"]`.
        """
        if self.mixup is None or not self.mixup.mix_fakes:
            num_images = tf.shape(batch["images"])[0]
            return self.clean_fakes(num_images, batch.get("labels"), draw)
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync
        num_sources = tf.shape(batch["weights"])[1] // replicas
        images = self.clean_fakes(num_sources, batch.get("source_labels"), draw)
        if replicas > 1:  # a mixture's sources may be anywhere in the whole batch
            images = context.all_gather(images, axis=0)
        images, _ = self.mixup.mix(images, None, batch["weights"])
        return images + batch["fake_noise"]

    def with_fake_noise(
        self, batch: dict[str, Tensor], draw: int = 0
    ) -> dict[str, Tensor]:
        """A mixed batch with the noise that its generated counterparts get.

        One draw serves all that is generated for a batch.
        """
        mixup = self.mixup
        if mixup is None or not (mixup.mix_fakes and mixup.noise_stddev):
            return {**batch, "fake_noise": tf.zeros(())}
        noise = self.random_normal(tf.shape(batch["images"]), _FAKE_NOISE, draw)
        return {**batch, "fake_noise": mixup.noise_stddev * noise}

    def augmented(self, images: Tensor, draw: int) -> Tensor:
        """Images as the discriminator sees them; draws 2n and 2n + 1 go together."""
        if self.augment is None:
            return images
        key = self.random_key(_AUGMENT, draw, per_replica=True)
        return diff_augment(images, self.augment, key)

    def clean_fakes(
        self, num_images: Tensor, labels: Tensor | None, draw: int
    ) -> Tensor:
        """Images of the generator in training mode, not mixed."""
        latents = self.latents(num_images, draw)
        return self.synthesize(self.generator, latents, labels, draw)

    def latents(self, batch_size: Tensor, draw: int = 0) -> Tensor:
        """Standard normal latents `(batch_size, latent_dim)` of this step."""
        return self.random_normal((batch_size, self.latent_dim), _LATENTS, draw)

    def random_labels(self, batch_size: Tensor, draw: int) -> Tensor | None:
        """Uniformly drawn one-hot labels, which say nothing of the training set."""
        if self.num_classes is None:
            return None
        uniform = self.random_uniform((batch_size,), _FAKE_LABELS, draw)
        classes = tf.cast(uniform * self.num_classes, tf.int32)
        return tf.one_hot(classes, self.num_classes)

    def random_normal(self, shape: Any, stream: int, draw: Any) -> Tensor:
        """Standard normal numbers; the first axis counts this replica's examples."""
        return self._share(tf.random.stateless_normal, shape, stream, draw)

    def random_uniform(self, shape: Any, stream: int, draw: Any) -> Tensor:
        """Uniform numbers in `[0, 1)`; the first axis as in `random_normal`."""
        return self._share(tf.random.stateless_uniform, shape, stream, draw)

    def random_key(
        self, stream: int, draw: Any, *, per_replica: bool = False
    ) -> Tensor:
        """A seed for stateless operations, unique to step, stream and draw.

        Args:
            stream: What the numbers are for.
            draw: Which of the step's draws from the stream.
            per_replica: Whether each replica gets a seed of its own.

        Returns:
            Int64 tensor `(2,)`.
        """
        replica = 0
        if per_replica:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        key = tf.stack([tf.constant(self.seed, tf.int64), self.steps.value])
        for part in (replica, stream, draw):
            key = tf.random.experimental.stateless_fold_in(key, tf.cast(part, tf.int64))
        return key

    def _share(self, sample: Any, shape: Any, stream: int, draw: Any) -> Tensor:
        """This replica's rows of what one device would draw for the whole batch."""
        key = self.random_key(stream, draw)
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        if replicas == 1:
            return sample(shape, key)
        context = tf.distribute.get_replica_context()
        rows, *rest = tf.unstack(tf.convert_to_tensor(shape))
        whole = sample(tf.stack([rows * replicas, *rest]), key)
        start = rows * tf.cast(context.replica_id_in_sync_group, rows.dtype)
        return whole[start : start + rows]

    def minimize(
        self,
        tape: tf.GradientTape,
        loss: Tensor,
        networks: keras.Model | list[keras.Model],
        optimizer: keras.optimizers.Optimizer,
    ) -> None:
        """One update of a network, or of several, by a loss that a tape has seen."""
        variables = optimizing.trainable_variables(*tf.nest.flatten(networks))
        gradients = self.gradients(tape, loss, variables, optimizer)
        optimizer.apply(gradients, variables)

    def gradients(
        self,
        tape: tf.GradientTape,
        loss: Tensor,
        variables: list[Any],
        optimizer: keras.optimizers.Optimizer,
    ) -> list[Tensor]:
        """Gradients as the optimizer's `apply` expects them.

        They are scaled up where the optimizer scales its loss, and down by the number
        of replicas, whose gradients it will sum.

        Args:
            tape: Has seen the loss.
            loss: Mean loss of this replica's batch.
            variables: What to differentiate by.
            optimizer: Will apply the gradients.

        Returns:
            One gradient for each variable.
        """
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        scale = tf.ones_like(loss) / replicas
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            scale = optimizer.scale_loss(scale)
        return tape.gradient(loss, variables, output_gradients=scale)

    def finish_step(self, d_loss: Tensor | None, g_loss: Tensor) -> dict[str, Tensor]:
        """Averages the generator, counts the step and returns the running losses."""
        done = tf.cast(self.steps.value, tf.float32)
        momentum = tf.minimum(self.ema_momentum, (1 + done) / (10 + done))
        for average, weight in zip(
            self.ema_generator.weights, self.generator.weights, strict=True
        ):
            if weight.trainable:
                average.assign(momentum * average + (1 - momentum) * weight)
            else:
                average.assign(weight)
        # The first pull of an epoch reads the counter: count only once that is done.
        # Of a generator that was updated beside the discriminator, only the latter's
        # loss has seen the batch.
        losses = [g_loss] if d_loss is None else [d_loss, g_loss]
        with tf.control_dependencies(losses):
            self.steps.assign_add(1)
        return self.report(d_loss, g_loss)

    def report(self, d_loss: Tensor | None, g_loss: Tensor) -> dict[str, Tensor]:
        """Updates the metrics with the losses of a step."""
        if d_loss is not None and self.dp is None:
            self._d_loss.update_state(d_loss)
        self._g_loss.update_state(g_loss)
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
