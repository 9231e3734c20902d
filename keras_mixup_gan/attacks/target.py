"""What an attacker may touch of a trained model, and nothing more."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.attacks import access as means
from keras_mixup_gan.attacks import foreign
from keras_mixup_gan.attacks.access import (
    Decoder,
    Discriminator,
    Generator,
    Layers,
    Sampler,
)
from keras_mixup_gan.data.classes import (
    ClassNames,
    check_same_classes,
    names_of,
    numbered_by,
)
from keras_mixup_gan.data.labeled import split_labels
from keras_mixup_gan.data.pixels import range_of
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import (
    ValueRange,
    check_classes,
    check_images,
    check_integer,
    check_value_range,
    finite_scores,
)

# Integers `(num_images,)`, rows `(num_images, num_classes)`, or no classes.
Labels: TypeAlias = FloatArray | IntArray | None


@dataclass(frozen=True)
class ReferenceData:
    """Images that the attacker knows: neither members nor queries.

    Attributes:
        images: Float array `(num_images, height, width, channels)` in `[-1, 1]`.
        labels: Class labels: integers `(num_images,)`, rows
            `(num_images, num_classes)`, or None.
        class_names: Names of the classes in the order of their numbers, or None.
    """

    images: FloatArray
    labels: Labels = None
    class_names: ClassNames = None

    def __post_init__(self) -> None:
        images = check_images(self.images, "reference")
        object.__setattr__(self, "images", images)
        if self.labels is not None:
            labels = check_classes(self.labels, len(images), "reference labels")
            object.__setattr__(self, "labels", labels)


# What a target may grant, and the field that grants it.
ACCESSES = {
    "samples": "sampler",
    "discriminator": "discriminator",
    "layers": "layers",
    "reference": "reference",
    "queries": "queries",
    "generator": "generator",
    "shadows": "shadows",
    "reference_models": "reference_models",
}


@dataclass(frozen=True)
class AttackTarget:
    """A trained model as one kind of attacker sees it.

    Each field that is not None is an access the attacker has; see `access`. Attacks
    are given a target and never the model, so that no attack can use more than it
    declares. They use the fields by three methods, named as those of models are, which
    check what comes back: `generate` (by `sampler`), `score` (by `discriminator`) and
    `decode` (by `queries`).

    Attributes:
        image_shape: `(height, width, channels)` of the images.
        sampler: Function `(start, stop) -> images`: generated images `start` to
            `stop` of one endless sequence, float `(stop - start, height, width,
            channels)` in `[-1, 1]`.
        discriminator: Function `(images, labels) -> scores` with the raw score of
            each image, `(num_images,)`. Images may leave `[-1, 1]`, as noisy blends
            do; labels are rows `(num_images, num_classes)`, or None for a model
            without classes.
        reference: Images known to the attacker, neither members nor queries.
        name: What reports call the model.
        mixup: The defense that the attacker knows was used (a `MixUp`), if any.
        augment: The policy of differentiable augmentation that the attacker knows was
            used, if any; that of `mixup` where it has one. See
            `keras_mixup_gan.augment`.
        num_classes: Number of classes of a conditional model, else None.
        num_samples: How many images `sampler` can give; None if any number.
        seed: Seed of everything that attacks draw at random.
        generator: Differentiable function `(latents, labels) -> images` of TensorFlow
            tensors: latents `(n, latent_dim)`, labels rows `(n, num_classes)` or None,
            images `(n, height, width, channels)` in `[-1, 1]`. It must treat rows
            independently (inference mode). Whoever has it can also query it.
        queries: The same without gradients, on arrays: images of chosen latents.
        latent_dim: Number of latent dimensions; needed with either of the two.
            Latents are standard normal.
        shadows: The `Shadows` that the attacker trained, see `train_shadows`.
        reference_models: Targets for models that the attacker trained on other data,
            by which scores are calibrated.
        class_names: Names of the classes of a conditional model, if known: those of
            the reference are then numbered alike.
        layers: Function `(images, labels) -> norms`, `(num_images, num_norms)`, of what
            an attacker sees inside of the discriminator who has its weights.

    Raises:
        ValueError: If images of the reference or of reference models have another
            shape, `latent_dim` is missing, `augment` is no policy, or `seed` is not a
            non-negative integer.
    """

    image_shape: tuple[int, int, int]
    sampler: Sampler | None = None
    discriminator: Discriminator | None = None
    reference: ReferenceData | None = None
    name: str = "target"
    mixup: Any = None
    augment: str | None = None
    num_classes: int | None = None
    num_samples: int | None = None
    seed: int = 0
    generator: Generator | None = None
    queries: Decoder | None = None
    latent_dim: int | None = None
    shadows: Any = None
    reference_models: tuple["AttackTarget", ...] = ()
    class_names: ClassNames = None
    layers: Layers | None = None

    def __post_init__(self) -> None:
        check_integer(0, seed=self.seed)
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        if self.augment is None:
            object.__setattr__(self, "augment", getattr(self.mixup, "augment", None))
        if self.augment is not None:
            from keras_mixup_gan.augment import check_policy

            object.__setattr__(self, "augment", ",".join(check_policy(self.augment)))
        object.__setattr__(self, "reference_models", tuple(self.reference_models))
        if self.reference is not None:
            check_images(self.reference.images, "reference", self.image_shape)
            object.__setattr__(self, "reference", self._named(self.reference))
        if self.generator is not None and self.queries is None:
            queries = means.generator_decoder(self.generator)
            object.__setattr__(self, "queries", queries)
        if self.queries is not None and self.latent_dim is None:
            raise ValueError(
                "`latent_dim` is needed if the generator can be queried. Received: "
                "latent_dim=None. Pass the number of latent dimensions."
            )
        for other in self.reference_models:
            if other.image_shape != self.image_shape:
                raise ValueError(
                    "Reference models must make images of the target's shape "
                    f"{self.image_shape}. Received: {other.image_shape}."
                )
            check_same_classes(self.class_names, other.class_names, "Reference models")

    def _named(self, reference: ReferenceData) -> ReferenceData:
        """The reference with its classes numbered as the model's."""
        labels, own = reference.labels, reference.class_names
        if self.class_names in (None, own) or own is None or labels is None:
            return reference
        labels = numbered_by(self.class_names, labels, own, "reference images")
        return ReferenceData(reference.images, labels, self.class_names)

    @property
    def access(self) -> frozenset[str]:
        """The names of the accesses granted."""
        granted = {name: getattr(self, field) for name, field in ACCESSES.items()}
        return frozenset(
            name for name, given in granted.items() if given not in (None, ())
        )

    def num_available(self, wanted: int) -> int:
        """The number of images wanted, or as many as the target holds."""
        return wanted if self.num_samples is None else min(wanted, self.num_samples)

    def generate(self, start: int, stop: int) -> FloatArray:
        """Generated images `start` to `stop` as `sampler` gives them, checked."""
        if self.sampler is None:
            raise ValueError(f"The target {self.name!r} grants no access to: samples.")
        images = self.sampler(start, stop)
        images = check_images(images, "generated images", self.image_shape)
        if len(images) != stop - start:
            raise ValueError(
                "The sampler must return `stop - start` images. Received: "
                f"{len(images)} images for start={start}, stop={stop}."
            )
        return images

    def score(self, images: FloatArray, rows: FloatArray | None) -> FloatArray:
        """The raw scores of `discriminator`, checked: float64 `(num_images,)`."""
        if self.discriminator is None:
            raise ValueError(
                f"The target {self.name!r} grants no access to: discriminator."
            )
        scores = self.discriminator(images, rows)
        return finite_scores(scores, "scores of the discriminator", len(images))

    def norms(self, images: FloatArray, rows: FloatArray | None) -> FloatArray:
        """The norms of `layers`, checked: float64 `(num_images, num_norms)`."""
        if self.layers is None:
            raise ValueError(f"The target {self.name!r} grants no access to: layers.")
        norms = np.asarray(self.layers(images, rows), "float64")
        finite_scores(norms.ravel(), "norms of the discriminator", norms.size)
        return norms.reshape(len(images), -1)

    def decode(self, latents: FloatArray, rows: FloatArray | None) -> FloatArray:
        """Images of chosen latents by `queries`, checked but for their range."""
        if self.queries is None:
            raise ValueError(f"The target {self.name!r} grants no access to: queries.")
        images = np.asarray(self.queries(latents.astype("float32"), rows))
        if images.shape != (len(latents), *self.image_shape):
            raise ValueError(
                f"The generator must return images {self.image_shape}, one for each "
                f"of {len(latents)} latents. Received: shape={images.shape}."
            )
        if not np.isfinite(images).all():
            raise ValueError(
                "The generator returned values that are not finite. Look for a model "
                "that diverged."
            )
        return images

    @classmethod
    def from_model(
        cls,
        model: Any,
        reference: Any = None,
        mixup: Any = "own",
        seed: int = 0,
        image_shape: tuple[int, int, int] | None = None,
        *,
        augment: str | None = "own",
        shadows: Any = None,
        reference_models: Iterable[Any] = (),
        latent_dim: int | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> "AttackTarget":
        """Grants full access to a model, or access to nothing but samples.

        Args:
            model: A model with `generate` and `score` (full access). Or, of a model
                that this library never trained: a Keras or PyTorch generator, or a
                function of standard normal latents with `latent_dim` (access to
                images of chosen latents), images channels first or last; a function
                `num_images -> images` that draws fresh ones, an array of generated
                images in `[-1, 1]` or uint8, a folder of image files or an `.npz`
                file, the latter three looked at in random order (access to samples).
                For a pair of networks see
                `from_networks`.
            reference: Other images `(num_images, height, width, channels)` in
                `[-1, 1]` or uint8, a pair `(images, labels)`, a part of a
                `MembershipSplit`, or None.
            mixup: The defense that the attacker knows of; by default the model's own.
            seed: Seed of the attacks and of the generated images.
            image_shape: `(height, width, channels)`; needed for a function (it is not
                called to find out), and what the files of a folder are resized to.
            augment: The policy of augmentation that the attacker knows of; by default
                the model's own.
            shadows: The `Shadows` that the attacker trained, if any.
            reference_models: Models trained on other data, or targets for such.
            latent_dim: Number of latent dimensions; by it a function is known to be
                one of latents, `(num_images, latent_dim)`.
            value_range: The range of images that an array or a function gives, of the
                reference, and of reference models, such as `(0, 1)`; by default
                `[-1, 1]`.

        Raises:
            ValueError: If `model` is none of these, or shapes do not fit.

        Example:
        ```python
        target = AttackTarget.from_model(model, reference=(images, labels), seed=1)
        target = AttackTarget.from_model(model.generate, image_shape=(28, 28, 1))
        ```
        """
        if isinstance(mixup, str) and mixup == "own":
            mixup = getattr(model, "mixup", None)
        if augment == "own":
            augment = policy_of(model)
        granted = _accesses(model, seed, image_shape, latent_dim, value_range)
        return cls(
            **granted,
            reference=as_reference(reference, value_range),
            mixup=mixup,
            augment=augment,
            seed=seed,
            shadows=shadows,
            reference_models=tuple(
                as_target(
                    other,
                    seed,
                    image_shape=granted["image_shape"],
                    latent_dim=latent_dim,
                    value_range=value_range,
                )
                for other in reference_models
            ),
        )

    @classmethod
    def from_networks(
        cls,
        generator: Any,
        discriminator: Any = None,
        *,
        latent_dim: int | None = None,
        image_shape: tuple[int, int, int] | None = None,
        num_classes: int | None = None,
        seed: int = 0,
        value_range: tuple[float, float] | None = None,
        **fields: Any,
    ) -> "AttackTarget":
        """Grants access to any Keras generator and discriminator.

        Args:
            generator: Network of standard normal latents, or `[latents, labels]`, with
                one-hot rows for labels, and with images in `value_range`. It is called
                with `training=False`.
            discriminator: Network of images, or `[images, labels]`, with one raw score
                per image (before any sigmoid) that no other image of the batch has an
                influence on, or None.
            latent_dim: Number of latent dimensions; by default, as the next two, read
                from the network.
            image_shape: `(height, width, channels)`.
            num_classes: Number of classes, if conditional.
            seed: Seed of the attacks and of the generated images.
            value_range: The range of the networks' images, and of the reference, such
                as `(0, 1)` after a sigmoid; by default `[-1, 1]`, which attacks see.
            **fields: Further fields of `AttackTarget`, such as `reference` (anything
                that `from_model` takes), `mixup` and `augment`.

        Raises:
            ValueError: If a size is neither given nor told by the network.

        Example:
        ```python
        target = AttackTarget.from_networks(model.generator, model.discriminator)
        ```
        """
        means.check_rows_of_labels(generator)
        told = means.sizes_of(generator)
        latent_dim, num_classes = latent_dim or told[0], num_classes or told[1]
        shape: Any = image_shape or told[2]
        if latent_dim is None or shape is None:
            raise ValueError(
                "The generator does not tell its sizes. Expected a network with fixed "
                f"shapes. Received: latent_dim={latent_dim}, image_shape={shape}. Pass "
                "both."
            )
        ends = None if value_range is None else check_value_range(value_range)
        differentiable = means.network_generator(generator, ends)
        if differentiable is None:
            raise ValueError(
                "`generator` must be a network or a function of latents. "
                f"Received: generator={generator!r:.80}."
            )
        decoder = means.generator_decoder(differentiable)
        score = discriminator and means.network_discriminator(discriminator, ends)
        return cls(
            image_shape=shape,
            sampler=means.latent_sampler(decoder, latent_dim, num_classes, seed),
            discriminator=score or None,
            layers=means.network_layers(discriminator, None, ends),
            num_classes=num_classes,
            seed=seed,
            generator=differentiable,
            queries=decoder,
            latent_dim=latent_dim,
            reference=as_reference(fields.pop("reference", None), value_range),
            name=fields.pop("name", getattr(generator, "name", "networks")),
            **fields,
        )


def _accesses(
    model: Any,
    seed: int,
    image_shape: tuple[int, int, int] | None,
    latent_dim: int | None,
    value_range: ValueRange | None,
) -> dict[str, Any]:
    if not means.is_ours(model) and foreign.is_generator(model, latent_dim):
        return foreign.generator_accesses(
            model, seed, image_shape, latent_dim, value_range
        )
    return means.accesses_of(model, seed, image_shape, value_range)


def defense_of(target: AttackTarget) -> dict[str, Any] | None:
    """The settings of the defenses that a target is known for, without seeds."""
    mixup = _settings_of(target.mixup)
    if target.augment is None:
        return mixup
    mixup = mixup or {}
    if "augment" in mixup:  # not the same as blending first
        mixup["order"] = "augment, blend"
    return {**mixup, "augment": target.augment}


def _settings_of(mixup: Any) -> dict[str, Any] | None:
    if mixup is None:
        return None
    if not callable(getattr(mixup, "get_config", None)):
        return {"name": str(mixup)}
    config = dict(json.loads(json.dumps(mixup.get_config(), default=str)))
    config.pop("seed", None)
    return config


def policy_of(model: Any) -> str | None:
    """The policy by which a model or its mixup augments images, or None."""
    policy = getattr(model, "augment", None)  # elsewhere the name of a method
    if not isinstance(policy, str):
        policy = getattr(getattr(model, "mixup", None), "augment", None)
    return policy if isinstance(policy, str) else None


def as_target(model: Any, seed: int = 0, **known: Any) -> AttackTarget:
    """Returns a target unchanged, and anything else through `from_model`."""
    if isinstance(model, AttackTarget):
        return model
    return AttackTarget.from_model(model, seed=seed, **known)


def as_reference(
    reference: Any, value_range: tuple[float, float] | None = None
) -> ReferenceData | None:
    """Returns images, or `(images, labels)`, as `ReferenceData`; None stays None."""
    if reference is None or isinstance(reference, ReferenceData):
        return reference
    images, labels = split_labels(reference)
    value_range = range_of(reference, value_range)
    images = check_images(images, "reference", None, value_range)
    return ReferenceData(images, labels, names_of(reference))
