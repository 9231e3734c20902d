"""The defense: training images are replaced by mixtures of them.

Ji, Hu, Xiang, Zhou, "Mixup Training for Generative Models to Defend Membership
Inference Attacks", INFOCOM 2023; mixup itself is Zhang et al., ICLR 2018; by regions
Yun et al., "CutMix", ICCV 2019. It is an empirical defense and carries no epsilon.
"""

import dataclasses
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan import blending
from keras_mixup_gan.augment import augment, check_policy
from keras_mixup_gan.data.batches import count_from
from keras_mixup_gan.data.datasets import (
    check_elements,
    check_rows,
    first_batch_size,
    in_unit_range,
    keep_cardinality,
)
from keras_mixup_gan.data.labeled import IMAGE_KEYS, as_batch
from keras_mixup_gan.lazy import check_backend
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import (
    check_choice,
    check_in_range,
    check_integer,
    check_not_negative,
    check_positive,
    plain_fields,
)

# Images that a data set's second pass holds in memory to permute them.
_SHUFFLE_WINDOW = 10_000
_UNEQUAL_BATCHES = (
    "Mixing passes over the data needs batches of one size. Use "
    "batch(..., drop_remainder=True) before any repeat()."
)


check_backend()


@keras.saving.register_keras_serializable("keras_mixup_gan")
@dataclass(frozen=True)
class MixUp:
    """Replaces each image of a batch by a convex combination of several images.

    Each mixture is `sum_j w_j * x_j` over `num_samples` images with weights
    `w ~ Dirichlet(alpha, ..., alpha)`; for two images that is the usual
    `lam * x_i + (1 - lam) * x_j` with `lam ~ Beta(alpha, alpha)`.

    Use it as a `tf.data` transform, `ds.apply(MixUp(alpha=1.0))`, or hand it to a
    model, `keras_mixup_gan.zoo.dcgan(mixup=MixUp(alpha=8.0, noise_stddev=1.0))`,
    which then mixes inside `fit`. All randomness is a pure function of the seed, the
    training step and the row, so parallel maps do not change it.

    Args:
        alpha: Concentration of the Dirichlet weights, above 0. Small values leave
            nearly raw images, 1 is uniform, large values average evenly.
        num_samples: How many distinct images are blended into one; 1 blends none and
            needs `noise_stddev` above 0 or `augment`.
        per: `"sample"` draws weights for every mixed image, `"batch"` once a batch.
        mix_fakes: Whether a model blends its generated images with the same weights
            before the discriminator sees them ("two-sided"). The discriminator then
            compares like with like, and the generator can still learn clean images.
        same_class: Blend only images of one class; needs labels. An image that has
            too few partners of its class in the batch is replaced by one that has
            enough, so nothing enters unmixed.
        max_weight: No image enters a mixture with more than this weight, in
            `[1 / num_samples, 1]`. Weights above it are drawn evenly toward
            `1 / num_samples`; for two images that clips `lam`.
        noise_stddev: Standard deviation of Gaussian noise added after blending, or
            before it with `noise="once"`, in units of the `[-1, 1]` pixel scale; to the
            fakes too where `mix_fakes`.
        pairing: `"batch"` blends images of the same batch, never one with itself;
            `"passes"` blends independently shuffled passes over the data set, where
            an image can by chance meet itself.
        seed: Integer seed. `None` draws one from the operating system, or takes the
            model's where a model uses the transform. The seed of
            `tf.random.set_seed`, if set, enters `ds.apply` too, as it does all of
            `tf.data`.
        augment: Policy of differentiable augmentation such as
            `"color,translation,cutout"`, by which each image is transformed by itself
            before it is blended; see `keras_mixup_gan.augment`. The order is:
            transform, blend, add noise; for the fakes too where `mix_fakes`.
        region: `"cutmix"` blends by regions: each pixel is that of one image, those
            after the first filling boxes that go on at the opposite edge. Weights, of
            labels too, are the areas that the images have in the mixture.
        noise: `"each_step"`, or `"once"`: each image gets its noise before training, by
            its row in the array that is passed to `fit`, and before it is transformed
            and blended; generated images still get fresh noise. Training then is
            post-processing of the noisy images: see `theory.noisy_image_guarantee` for
            their epsilon. It needs a seed of its own that stays secret, such as
            `secrets.randbits(63)` (the model's, which is taken without, is none), is
            spent anew by another array or seed, and does not cover labels.

    Raises:
        ValueError: If an argument is outside the ranges above.

    Example:
    ```python
    ds = tf.data.Dataset.from_tensor_slices(images).shuffle(1000).batch(64)
    mixed = ds.apply(keras_mixup_gan.MixUp(alpha=1.0, seed=0))
    ```
    """

    alpha: float = 1.0
    num_samples: int = 2
    per: str = "sample"
    mix_fakes: bool = True
    same_class: bool = False
    max_weight: float = 1.0
    noise_stddev: float = 0.0
    pairing: str = "batch"
    seed: int | None = None
    augment: str | None = field(default=None, kw_only=True)
    region: str | None = field(default=None, kw_only=True)
    noise: str = field(default="each_step", kw_only=True)

    def __post_init__(self) -> None:
        check_positive(alpha=self.alpha)
        check_integer(1, num_samples=self.num_samples)
        check_choice(self.per, ("sample", "batch"), "per")
        check_choice(self.pairing, ("batch", "passes"), "pairing")
        check_in_range(1 / self.num_samples, 1, max_weight=self.max_weight)
        check_not_negative(noise_stddev=self.noise_stddev)
        if self.seed is not None:
            check_integer(0, seed=self.seed)
            check_in_range(0, 2**63 - 1, seed=self.seed)
        plain_fields(self)
        if self.augment is not None:
            policy = ",".join(check_policy(self.augment))
            object.__setattr__(self, "augment", policy)
        check_choice(self.region, ("cutmix", None), "region")
        check_choice(self.noise, ("each_step", "once"), "noise")
        if self.noise == "once" and not self.noise_stddev:
            raise ValueError(
                "There is no noise to draw once. Expected noise_stddev above 0 with "
                "noise='once'. Received: noise_stddev=0. Set it, or leave `noise` out."
            )
        if self.num_samples == 1 and not self.noise_stddev and self.augment is None:
            raise ValueError(
                "One sample without noise leaves every image as it is. Expected "
                "num_samples=2 or more, or noise_stddev above 0, or `augment`. "
                "Received: num_samples=1, noise_stddev=0."
            )
        if self.region is not None and (self.num_samples == 1 or self.max_weight < 1):
            raise ValueError(
                "Regions are those of several images, and hold whole pixels. Expected "
                "num_samples=2 or more, and max_weight=1. Received: num_samples="
                f"{self.num_samples}, max_weight={self.max_weight}. Use region=None."
            )
        if self.max_weight < 1 and self.pairing == "passes":
            raise ValueError(
                "`max_weight` cannot be kept where an image may meet itself. Expected "
                "pairing='batch'. Received: pairing='passes'. Drop one of the two."
            )
        if self.same_class and self.pairing == "passes":
            raise ValueError(
                "`same_class` looks for partners in the batch. Expected "
                "pairing='batch'. Received: pairing='passes'. Drop one of the two."
            )

    @classmethod
    def paper(cls, seed: int | None = None) -> "MixUp":
        """The published rule of Ji et al.

        Two independently shuffled passes over the members, one weight a batch from
        `Beta(1, 1)`, labels mixed with the same weight, generated images not mixed.

        The rule hides less than its idea: now and then, about once an epoch, an image
        meets itself in the other pass and is seen as it is, and a weight near 0 or 1
        leaves one image almost alone. `MixUp(alpha, max_weight=...)` excludes both.
        """
        return cls(alpha=1.0, per="batch", mix_fakes=False, pairing="passes", seed=seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments.

        The later ones only where they are used: results kept under a key stay known.
        """
        config = dataclasses.asdict(self)
        unused = {"augment": None, "region": None, "noise": "each_step"}
        return dict(item for item in config.items() if item not in unused.items())

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MixUp":
        """Builds the transform from `get_config()`."""
        return cls(**config)

    def __call__(self, dataset: tf.data.Dataset, *others: Any) -> tf.data.Dataset:
        """Mixes a batched data set; the form that `Dataset.apply` takes.

        Args:
            dataset: Yields images `(batch, height, width, channels)`, pairs
                `(images, labels)` or dicts with `"images"` and `"labels"`. Images are
                floating point in `[-1, 1]`, or uint8, which is mapped there from
                0..255; labels are one-hot or soft rows `(batch, num_classes)`.
            *others: None: `Dataset.map`, which will not do, calls with several.

        Returns:
            A data set of the same structure; every iteration over it draws new
            mixtures, reproducibly so where `seed` is set. It stops with
            `tf.errors.InvalidArgumentError` at images that are not in `[-1, 1]`.

        Raises:
            ValueError: If images are not batched or of another type, labels are
                integers, or the data set is already mixed.
        """
        if others or not isinstance(dataset, tf.data.Dataset):
            kind = "tensors" if others else f"a {type(dataset).__name__}"
            raise ValueError(
                "`MixUp` mixes a data set, batch by batch. Expected a batched "
                f"`tf.data.Dataset`. Received: {kind}. Call `dataset.apply(MixUp())` "
                "instead of `map`, and make a data set of an array by "
                "`tf.data.Dataset.from_tensor_slices(images).batch(64)`."
            )
        seed = secrets.randbits(31) if self.seed is None else self.seed
        epoch = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
        steps = epoch.take(1).flat_map(lambda start: count_from(start % (2**32)))
        spec = dataset.element_spec
        check_elements(spec)
        mixed = self.mixed_batches(
            dataset, steps, seed, _checked, lambda batch: _restore(batch, spec)
        )
        mixed._keras_mixup_gan_mixed = True
        return mixed

    def mixed_batches(
        self,
        dataset: tf.data.Dataset,
        steps: tf.data.Dataset,
        seed: int,
        read: Callable[..., dict[str, Tensor]] = as_batch,
        finish: Callable[[dict[str, Tensor]], Any] = dict,
    ) -> tf.data.Dataset:
        """Mixes batch `n` of a data set with the randomness of the `n`-th of the steps.

        `read` makes checked batches as of `as_batch` of its elements, `steps` yields an
        int64 counter for each, and `finish` takes what `mix_batch` returns.
        """
        if is_mixed(dataset):
            raise ValueError(
                "The data set is mixed twice. Expected raw images. Received: a data "
                "set to which MixUp was already applied. Apply it once: in the "
                "pipeline, or through the model's `mixup=`."
            )
        if self.noise == "once":
            raise ValueError(
                "A data set does not tell which image is which, so that none can keep "
                "its noise. Expected an array. Received: noise='once' and a data set. "
                "Pass images to `fit` as an array, or draw the noise each step."
            )
        check_mixable(as_batch(dataset.element_spec), self)
        passes = [dataset]
        if self.pairing == "passes":
            batches = dataset.map(read)
            size, passes = first_batch_size(batches), [batches]
            passes += [
                _reshuffled(batches, size, steps, seed + 1 + n)
                for n in range(self.num_samples - 1)
            ]

        def mix(step: Tensor, *each: Any) -> Any:
            batches = each if self.pairing == "passes" else (read(each[0]),)
            return finish(self.mix_batch(batches, (seed, step)))

        # One function: it leaves out what its result does not need, such as weights.
        mixed = tf.data.Dataset.zip(steps, *passes).map(
            mix, num_parallel_calls=tf.data.AUTOTUNE
        )
        return keep_cardinality(mixed, dataset)

    def mix_batch(
        self, passes: tuple[dict[str, Tensor], ...], seed: tuple[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        """Mixes a batch as `as_batch` returns it, as a pure function of two integers.

        Where `pairing="passes"` it takes `num_samples` batches. Besides mixed `images`
        and `labels` it returns `weights` `(batch, num_sources)`, by which generated
        counterparts are to be mixed, with `region` also `origins`, the source of each
        pixel, and `source_labels`, from before mixing.
        """
        first = passes[0]
        batch_size = tf.shape(first["images"])[0]
        key = tf.stack([tf.cast(part, tf.int64) for part in seed])
        weight_key, partner_key, noise_key = tf.unstack(tf.random.split(key, 3))
        if self.pairing == "passes":
            for batch in passes[1:]:
                is_equal = tf.equal(tf.shape(batch["images"])[0], batch_size)
                tf.debugging.Assert(is_equal, [_UNEQUAL_BATCHES])
            sources = {
                name: tf.concat([batch[name] for batch in passes], 0) for name in first
            }
            turns = batch_size * tf.range(self.num_samples)[None]
            partners = tf.range(batch_size)[:, None] + turns
        else:
            sources = first
            partners = self.draw_partners(batch_size, partner_key, first.get("labels"))
        shares = self.draw_shares(batch_size, weight_key)
        images, mixed = sources["images"], {}
        if self.augment is not None:
            images = augment(images, self.augment, tf.random.fold_in(key, 0))
        if self.region is not None:
            own_key, (height, width) = tf.random.fold_in(key, 1), images.shape[1:3]
            regions = blending.draw_regions(shares, height, width, own_key)
            numbers, shares = regions
            mixed["origins"] = tf.gather(partners, numbers, batch_dims=1)
        if self.region is None:
            images = blending.shared(images, shares, partners)
        else:
            images = blending.patched(images, mixed["origins"])
        if self.noise_stddev and self.noise != "once":
            noise = tf.random.stateless_normal(
                tf.shape(images), noise_key, dtype=images.dtype
            )
            images += self.noise_stddev * noise
        num_sources = tf.shape(sources["images"])[0]
        weights = blending.weight_matrix(shares, partners, num_sources)
        mixed |= {"images": images, "weights": weights}
        if "labels" in sources:
            mixed["labels"] = blending.shared(sources["labels"], shares, partners)
            mixed["source_labels"] = sources["labels"]
        return mixed

    @staticmethod
    def mix(rows: Tensor, weights: Tensor, origins: Tensor | None = None) -> Tensor:
        """Blends images, or labels, by weights `(num_mixtures, num_rows)`.

        Images are put together of regions instead where the row that each pixel comes
        from is given.
        """
        if origins is not None:
            return blending.patched(rows, origins)
        return blending.weighted(rows, weights)

    def draw_shares(self, batch_size: Tensor, seed: Tensor) -> Tensor:
        """Dirichlet weights `(batch, num_samples)`, none above `max_weight`."""
        shares = blending.draw_shares(
            1 if self.per == "batch" else batch_size,
            self.num_samples,
            self.alpha,
            self.max_weight,
            seed,
        )
        return tf.broadcast_to(shares, (batch_size, self.num_samples))

    def draw_partners(
        self, batch_size: Tensor, seed: Tensor, labels: Tensor | None = None
    ) -> Tensor:
        """Indices `(batch, num_samples)` of distinct rows to blend.

        Neighbors share an image; where fakes are not blended rows are shuffled, or a
        discriminator that compares neighbors in a batch would see that only reals do.
        """
        if self.same_class:
            classes = tf.argmax(labels, axis=1)
            partners = blending.draw_partners_of_class(classes, self.num_samples, seed)
        else:
            partners = blending.draw_partners(batch_size, self.num_samples, seed)
        if self.mix_fakes:
            return partners
        shuffle = tf.random.experimental.stateless_shuffle
        order_key = tf.random.fold_in(seed, 1)
        return tf.gather(partners, shuffle(tf.range(batch_size), order_key))


def check_mixable(batch: dict[str, Any], mixup: MixUp) -> None:
    """Raises a `ValueError` unless the transform can mix batches of such a spec."""
    images, labels = batch["images"], batch.get("labels")
    needs_sides = mixup.augment is not None or mixup.region is not None
    if needs_sides and not images.shape[1:].is_fully_defined():
        raise ValueError(
            "Transforms and regions need images of a known size. Expected batches of "
            f"shape (batch, height, width, channels). Received: shape={images.shape}. "
            "Set it with `tf.ensure_shape` in `dataset.map`."
        )
    if labels is None and mixup.same_class:
        raise ValueError(
            "`same_class` needs labels. Expected (images, labels). Received: images "
            "alone. Add the labels, or set same_class=False."
        )
    if labels is not None and (labels.shape.rank != 2 or not labels.dtype.is_floating):
        raise ValueError(
            "Labels must be one-hot or soft floating-point rows of shape (batch, "
            f"num_classes) to be mixed. Received: shape={labels.shape}, "
            f"dtype={labels.dtype.name}. Convert them with "
            "`tf.one_hot(labels, num_classes)`."
        )


def is_mixed(dataset: tf.data.Dataset) -> bool:
    """Whether a `MixUp` was applied to the data set or to one that it is made from."""
    if getattr(dataset, "_keras_mixup_gan_mixed", False):
        return True
    return any(is_mixed(source) for source in dataset._inputs())


def _checked(*element: Any) -> dict[str, Tensor]:
    """An element with its images and labels, in a range in which they can be mixed."""
    batch = in_unit_range(as_batch(*element))
    if "labels" in batch and batch["labels"].shape.rank == 2:
        check_rows(batch["labels"])
    return batch


def _restore(batch: dict[str, Tensor], spec: Any) -> Any:
    """A mixed batch in the structure that its data set came in."""
    if isinstance(spec, dict):
        return {key: batch["images" if key in IMAGE_KEYS else "labels"] for key in spec}
    if isinstance(spec, (tuple, list)):
        return tuple(batch[key] for key in ("images", "labels")[: len(spec)])
    return batch["images"]


def _reshuffled(
    batches: tf.data.Dataset, size: int, steps: tf.data.Dataset, seed: int
) -> tf.data.Dataset:
    """The same images in another order, keyed by the step an epoch starts at.

    `Dataset.shuffle` will not do: it mixes TensorFlow's global seed into its own.
    """

    def one_pass(start: Tensor) -> tf.data.Dataset:
        pass_key = tf.stack([tf.constant(seed, tf.int64), start])

        def permuted(number: Tensor, rows: dict[str, Tensor]) -> tf.data.Dataset:
            key = tf.random.experimental.stateless_fold_in(pass_key, number)
            order = tf.random.experimental.stateless_shuffle(
                tf.range(tf.shape(rows["images"])[0]), key
            )
            return tf.data.Dataset.from_tensor_slices(
                {name: tf.gather(part, order) for name, part in rows.items()}
            )

        windows = batches.unbatch().batch(_SHUFFLE_WINDOW).enumerate()
        return windows.flat_map(permuted).batch(size)

    return steps.take(1).flat_map(one_pass)
