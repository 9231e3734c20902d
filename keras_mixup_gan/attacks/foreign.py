"""Generators that this library did not train: Keras, PyTorch, ONNX, any function.

PyTorch is known by what its modules and tensors can do and is never imported.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.attacks.access import latent_sampler, sizes_of
from keras_mixup_gan.attacks.onnx_file import OnnxGenerator, is_onnx
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import (
    ROUNDING,
    ValueRange,
    check_value_range,
    plain_array,
    unit_range,
)

Shape: TypeAlias = tuple[int, int, int]
Call: TypeAlias = Callable[..., FloatArray]

_BATCH_SIZE = 256
_NAMES = ("latent_dim", "latent_size", "z_dim", "nz", "noise_dim", "dim_z")
_HOW = (
    "Pass `latent_dim`, or a function that takes latents `(num_images, latent_dim)` "
    "and returns images."
)


def is_generator(model: Any, latent_dim: int | None) -> bool:
    """Whether this is a network of latents rather than a sampling function."""
    if is_onnx(model):
        return True
    if not callable(model):
        return False
    return latent_dim is not None or _is_torch(model) or _is_keras(model)


def generator_accesses(
    model: Any,
    seed: int,
    image_shape: Shape | None,
    latent_dim: int | None,
    value_range: ValueRange | None = None,
) -> dict[str, Any]:
    """The fields of a target for a generator: images, and images of chosen latents.

    Latents are standard normal. Images may be channels first or last, uint8 or floats
    in `[-1, 1]`, unless another range is given. They are tried on two latents, by which
    `image_shape` is compared with what the network returns.
    """
    model = OnnxGenerator(model) if is_onnx(model) else model
    num_classes = model.num_classes if isinstance(model, OnnxGenerator) else None
    latent_dim = latent_dim or _latent_dim(model)
    if latent_dim is None:
        raise ValueError(
            "The generator does not tell its number of latent dimensions. Expected a "
            f"network that does. Received: model={model!r:.80}. {_HOW}"
        )
    call = _torch_call(model) if _is_torch(model) else _plain_call(model)
    tried = _tried(call, latent_dim)
    put_last = _channels_last(tried.shape[1:], image_shape)

    def decode(latents: FloatArray, labels: FloatArray | None) -> FloatArray:
        given = [latents] if num_classes is None else [latents, labels]
        parts = []
        for start in range(0, len(latents), _BATCH_SIZE):
            each = [
                one if one is None else one[start : start + _BATCH_SIZE]
                for one in given
            ]
            parts.append(_in_range(put_last(call(*each)), value_range))
        return np.concatenate(parts)

    return {
        "image_shape": decode(np.zeros((2, latent_dim), "float32"), None).shape[1:],
        "sampler": latent_sampler(decode, latent_dim, num_classes, seed),
        "queries": decode,
        "num_classes": num_classes,
        "latent_dim": latent_dim,
        "name": type(model).__name__ if _is_torch(model) else _name(model),
    }


def _is_keras(model: Any) -> bool:
    latents, _, images = sizes_of(model)
    return latents is not None and images is not None


def _is_torch(model: Any) -> bool:
    names = ("parameters", "state_dict", "eval", "train")
    return all(callable(getattr(model, name, None)) for name in names)


def _name(model: Any) -> str:
    return str(getattr(model, "name", None) or getattr(model, "__name__", "generator"))


def _parameters(module: Any) -> Iterator[Any]:
    yield from module.parameters()


def _latent_dim(model: Any) -> int | None:
    """From an attribute, a Keras input, or the first weight of a PyTorch module."""
    for name in _NAMES:
        if isinstance(found := getattr(model, name, None), int):
            return found
    if not _is_torch(model):
        return sizes_of(model)[0]
    for weight in _parameters(model):
        if len(weight.shape) == 2:  # linear: outputs, inputs
            return int(weight.shape[1])
        if len(weight.shape) == 4:  # transposed convolution: inputs, outputs, ...
            return int(weight.shape[0])
    return None


def _torch_call(module: Any) -> Call:
    """Images of a PyTorch module in inference mode, wherever its weights are."""
    weight = next(_parameters(module), None)
    if weight is None or not callable(getattr(weight, "new_tensor", None)):
        raise ValueError(
            "The PyTorch module has no parameter that tells its device. Expected a "
            f"trained generator. Received: {type(module).__name__}. {_HOW}"
        )
    as_maps = False

    def call(latents: FloatArray) -> FloatArray:
        nonlocal as_maps
        was_training = bool(getattr(module, "training", False))
        module.eval()
        try:
            return plain_array(module(weight.new_tensor(_shaped(latents, as_maps))))
        except (RuntimeError, ValueError):
            if as_maps:
                raise
            as_maps = True  # as DCGANs take them that begin with a convolution
            return plain_array(module(weight.new_tensor(_shaped(latents, as_maps))))
        finally:
            module.train(was_training)

    return call


def _shaped(latents: FloatArray, as_maps: bool) -> FloatArray:
    return latents[:, :, None, None] if as_maps else latents


def _plain_call(function: Any) -> Call:
    """Images of a Keras network in inference mode, or of any function."""
    is_keras = _is_keras(function)

    def call(*inputs: Any) -> FloatArray:
        if is_keras:
            return plain_array(function(*inputs, training=False))
        return plain_array(function(*inputs))

    return call


def _tried(call: Call, latent_dim: int) -> FloatArray:
    latents = np.random.default_rng(0).standard_normal((2, latent_dim), "float32")
    try:
        images = call(latents)
    except Exception as error:
        raise ValueError(
            f"The generator cannot be called on latents (2, {latent_dim}). Expected "
            f"images of them. Received: {type(error).__name__}: {error}. {_HOW}"
        ) from error
    if images.ndim != 4 or len(images) != 2:
        raise ValueError(
            "The generator must return images (2, height, width, channels) or (2, "
            f"channels, height, width) of two latents. Received: {images.shape}. "
            f"{_HOW}"
        )
    return images


def _channels_last(
    shape: tuple[int, ...], image_shape: Shape | None
) -> Callable[[FloatArray], FloatArray]:
    """What brings images of a shape to channels last; the queries' shape decides."""
    first = image_shape is not None and shape == tuple(image_shape)
    if image_shape is None:
        first = shape[2] in (1, 3) or shape[0] not in (1, 3)
    if first:
        return lambda images: images
    moved = (shape[1], shape[2], shape[0])
    if image_shape is not None and moved != tuple(image_shape):
        raise ValueError(
            f"The generator must return images of the members' shape {image_shape}, or "
            f"the same channels first. Received: {shape}. Resize the images."
        )
    return lambda images: images.transpose(0, 2, 3, 1)


def _in_range(images: FloatArray, value_range: ValueRange | None) -> FloatArray:
    """Floats in `[-1, 1]`, of uint8 or of floats that rounding put just outside."""
    if images.dtype == np.uint8:
        return unit_range(images)
    images = images.astype("float32")
    if value_range is not None:
        low, high = check_value_range(value_range)
        images = (images - low) * (2 / (high - low)) - 1
    excess = np.abs(images).max(initial=0) - 1
    return np.clip(images, -1, 1) if 0 < excess <= ROUNDING else images
