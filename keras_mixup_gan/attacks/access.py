"""The accesses of an attacker to a model, networks, a function or an array."""

import os
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.data.classes import names_of
from keras_mixup_gan.data.labeled import split_labels
from keras_mixup_gan.data.sources import load_images
from keras_mixup_gan.randomness import Stream, generator
from keras_mixup_gan.storage import path_of
from keras_mixup_gan.typing import FloatArray, Tensor
from keras_mixup_gan.validation import ValueRange, as_array, check_images

Sampler: TypeAlias = Callable[[int, int], FloatArray]
Discriminator: TypeAlias = Callable[[FloatArray, FloatArray | None], FloatArray]
Decoder: TypeAlias = Callable[[FloatArray, FloatArray | None], FloatArray]
Generator: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
Layers: TypeAlias = Callable[[FloatArray, FloatArray | None], FloatArray]

_METHODS = ("generate", "score", "decode")
_LATENT_BLOCK = 256
_BATCH_SIZE = 256


def accesses_of(
    model: Any,
    seed: int,
    image_shape: tuple[int, int, int] | None,
    value_range: ValueRange | None = None,
) -> dict[str, Any]:
    """The fields of a target that come from the model itself."""
    if is_ours(model):
        return _model_accesses(model, seed)
    if isinstance(model, (str, os.PathLike)) and path_of(model).exists():
        model = load_images(model, image_shape, value_range=value_range).images
        value_range = None
    if callable(model):
        if image_shape is None:
            raise ValueError(
                "`image_shape` is needed if the target is a function. Received: "
                "image_shape=None. Pass `(height, width, channels)`."
            )
        sampler = function_sampler(model, value_range)
        return {
            "sampler": sampler,
            "image_shape": image_shape,
            "name": "sampling function",
        }
    samples, _ = split_labels(model)
    if hasattr(samples, "__array__") or isinstance(samples, list):
        images = check_images(samples, "model", image_shape, value_range)
        return {
            "sampler": array_sampler(images, seed),
            "image_shape": images.shape[1:],
            "num_samples": len(images),
            "name": "sample array",
        }
    raise ValueError(
        "The target must be a model with `generate` and `score`, an array or a folder "
        "of generated images, or a function `num_images -> images`. Received: "
        f"model={model!r:.80}."
    )


def is_ours(model: Any) -> bool:
    """Whether this is a model of the library, or does what one does.

    It generates images, and scores others; a released generator decodes latents alone.
    """
    has = {name: callable(getattr(model, name, None)) for name in _METHODS}
    is_known = hasattr(model, "image_shape")  # foreign decoders may be called alike
    return is_known and has["generate"] and (has["score"] or has["decode"])


def _model_accesses(model: Any, seed: int) -> dict[str, Any]:
    """Everything that a model with `generate`, and perhaps `score`, offers."""

    def sampler(start: int, stop: int) -> FloatArray:
        return model.generate(stop - start, seed=seed, start=start, dtype="float32")

    def discriminator(images: FloatArray, labels: FloatArray | None) -> FloatArray:
        return model.score(images, labels, check_range=False)  # as noise is added

    latent_dim = getattr(model, "latent_dim", None)
    scores = getattr(model, "inference_scores", None)
    decode = getattr(model, "decode", None)
    is_open = latent_dim is not None
    return {
        "image_shape": tuple(model.image_shape),
        "sampler": sampler,
        "discriminator": discriminator if hasattr(model, "score") else None,
        "layers": network_layers(getattr(model, "discriminator", None), scores),
        "num_classes": getattr(model, "num_classes", None),
        "class_names": names_of(model),
        "name": type(model).__name__,
        "latent_dim": latent_dim,
        "generator": network_generator(model) if is_open else None,
        "queries": decode if is_open and callable(decode) else None,
    }


def network_generator(
    network: Any, value_range: ValueRange | None = None
) -> Generator | None:
    """A network in inference mode as a differentiable function, if it is callable.

    Its images are mapped from their range, if one is given, to `[-1, 1]`.
    """
    if not callable(network):
        return None
    low, high = value_range or (-1, 1)

    def images_of(latents: Tensor, labels: Tensor | None) -> Tensor:
        inputs = latents if labels is None else [latents, labels]
        images = network(inputs, training=False)
        if value_range is None:
            return images
        return (images - low) * (2 / (high - low)) - 1

    return images_of


def network_discriminator(
    network: Any, value_range: ValueRange | None = None
) -> Discriminator:
    """Scores of a network in inference mode, a bounded number of images at a time.

    It is shown images in its own range, if one is given.
    """
    tried = False

    def score(images: FloatArray, labels: FloatArray | None, part: slice) -> FloatArray:
        seen = _as_shown(images[part], value_range)
        inputs = seen if labels is None else [seen, labels[part]]
        return np.asarray(network(inputs, training=False), "float64")

    def score_all(images: FloatArray, labels: FloatArray | None) -> FloatArray:
        nonlocal tried
        parts = [
            score(images, labels, slice(start, start + _BATCH_SIZE))
            for start in range(0, len(images), _BATCH_SIZE)
        ]
        if not tried and len(parts[0]) > 1:
            _check_alone(score(images, labels, slice(0, 1)), parts[0])
            tried = True
        return np.concatenate(parts)

    return score_all


def network_layers(
    network: Any, scores: Any = None, value_range: ValueRange | None = None
) -> Layers | None:
    """What `layer_norms` says of a network, if its layers are known.

    `scores` are tensors as `inference_scores` of a model gives them; by default the
    network's own. Images are shown in the network's own range, if one is given.
    """
    if not hasattr(network, "_nodes_by_depth"):  # not a functional Keras model
        return None
    asked: list[Layers] = []

    def norms(images: FloatArray, labels: FloatArray | None) -> FloatArray:
        from keras_mixup_gan.attacks.layers import layer_norms

        if not asked:
            asked.append(layer_norms(network, scores))
        return asked[0](_as_shown(images, value_range), labels)

    return norms


def _as_shown(images: FloatArray, value_range: ValueRange | None) -> FloatArray:
    """Images of `[-1, 1]` in a network's own range, if one is given."""
    if value_range is None:
        return images
    low, high = value_range
    return (images + 1) * ((high - low) / 2) + low


def _check_alone(alone: FloatArray, together: FloatArray) -> None:
    """Raises unless an image has the score by itself that it has in company."""
    limit = 0.05 * together.std() + 0.001 * np.abs(together[0]).max() + 1e-6
    difference = np.abs(alone[0] - together[0]).max()
    if difference > limit:
        raise ValueError(
            "The discriminator must score each image by itself. Received: a score that "
            f"changes by {difference:.3g} with the other images of the batch, as by a "
            "minibatch standard deviation. Wrap it in a function that adds the same "
            "generated images to each query."
        )


def generator_decoder(network: Generator) -> Decoder:
    """Images for chosen latents from a differentiable generator."""

    def decode(latents: FloatArray, labels: FloatArray | None) -> FloatArray:
        images = []
        for start in range(0, len(latents), _BATCH_SIZE):
            part = slice(start, start + _BATCH_SIZE)
            rows = None if labels is None else labels[part]
            images.append(np.asarray(network(latents[part], rows), "float32"))
        return np.concatenate(images)

    return decode


def latent_sampler(
    decode: Decoder, latent_dim: int, num_classes: int | None, seed: int
) -> Sampler:
    """Images of standard normal latents; image i depends on `(seed, i)` alone."""

    def sampler(start: int, stop: int) -> FloatArray:
        first, last = start // _LATENT_BLOCK, (stop - 1) // _LATENT_BLOCK
        latents, classes = [], []
        for block in range(first, last + 1):
            rng = np.random.default_rng([seed, block])
            shape = (_LATENT_BLOCK, latent_dim)
            latents.append(rng.standard_normal(shape, dtype="float32"))
            classes.append(rng.integers(num_classes or 1, size=_LATENT_BLOCK))
        window = slice(start - first * _LATENT_BLOCK, stop - first * _LATENT_BLOCK)
        rows = None
        if num_classes is not None:
            rows = np.eye(num_classes, dtype="float32")[np.concatenate(classes)[window]]
        return decode(np.concatenate(latents)[window], rows)

    return sampler


def array_sampler(images: FloatArray, seed: int) -> Sampler:
    """The images of an array in random order.

    Arrays and folders are often sorted, by class for instance. An attack that looks
    at the first so many images would look at some kinds of images only.
    """
    order = generator(seed, Stream.ARRAY_SAMPLES).permutation(len(images))
    return lambda start, stop: images[order[start:stop]]


def _begin_alike(one: FloatArray, other: FloatArray) -> bool:
    number = min(len(one), len(other))
    return np.array_equal(one[:number], other[:number])


def function_sampler(
    draw: Callable[[int], Any], value_range: ValueRange | None = None
) -> Sampler:
    """Draws fresh images range by range; notices a function that repeats itself."""
    previous: list[FloatArray] = []

    def sampler(start: int, stop: int) -> FloatArray:
        images = as_array(draw(stop - start), "generated images")
        repeated = (
            start > 0
            and previous
            and _begin_alike(previous[0], images)
            and not np.array_equal(images[:-1], images[1:])
        )
        if repeated:
            raise ValueError(
                "The function that draws samples returned the same images twice. "
                f"Received: a repeated batch of {stop - start}. Let it draw fresh "
                "images at each call, or pass the images as one array."
            )
        previous[:] = [images]
        if value_range is None:
            return images
        return check_images(images, "generated images", None, value_range)

    return sampler


def check_rows_of_labels(network: Any) -> None:
    """Raises a `ValueError` if a Keras generator takes numbers of classes."""
    inputs: Any = getattr(network, "input_shape", None)
    if isinstance(inputs, list) and len(inputs) == 2 and inputs[1][-1] in (None, 1):
        raise ValueError(
            "A generator that takes numbers of classes does not tell how many there "
            "are. Expected a second input of one-hot rows, (batch, num_classes). "
            f"Received: one of shape {inputs[1]}. Wrap it in a model that takes rows "
            "and passes on their `keras.ops.argmax`."
        )


def sizes_of(network: Any) -> tuple[int | None, int | None, tuple[int, ...] | None]:
    """Latent dimensions, classes and image shape of a Keras generator, if it tells."""
    inputs: Any = getattr(network, "input_shape", None)
    parts = inputs if isinstance(inputs, list) else [inputs]
    latents: Any = parts[0] if parts else None
    has_width = isinstance(latents, tuple) and len(latents) == 2 and latents[1]
    images: Any = getattr(network, "output_shape", None)
    has_shape = isinstance(images, tuple) and len(images) == 4 and all(images[1:])
    return (
        int(latents[1]) if has_width else None,
        int(parts[1][-1]) if len(parts) == 2 else None,
        tuple(images[1:]) if has_shape else None,
    )
