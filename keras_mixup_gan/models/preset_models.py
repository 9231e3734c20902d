"""Models to presets and back: only weights travel, and only our classes are built."""

import dataclasses
import importlib
import inspect
import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.models.gan import GAN
from keras_mixup_gan.models.preset_files import PresetFiles
from keras_mixup_gan.privacy.dpsgd import DPSGD
from keras_mixup_gan.validation import check_choice

# What a preset may name, and where it lives.
CLASSES = {
    "DCGAN": "keras_mixup_gan.models.dcgan",
    "WGANGP": "keras_mixup_gan.models.wgan_gp",
    "StyleGANLite": "keras_mixup_gan.models.stylegan_lite",
}
_NESTED: dict[str, Any] = {"mixup": MixUp, "dp": DPSGD}
_POLICIES = ("float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
_NETWORKS = {"self", "generator", "discriminator", "ema_generator", "kwargs"}
_COUNTERS = ("steps", "num_examples", "expected_batch_size")
# Stands in the settings of a preset, if at all.
_CALIBRATED = ("calibrated_noise", "planned_updates")
# Larger numbers than these are no sizes of a network that fits into a preset.
_MAX_SIZE, _MAX_PIXELS = 2**12, 2**20


def save_preset(model: GAN, folder: str | os.PathLike[str]) -> PresetFiles:
    """Writes a model's averaged generator, discriminator and settings.

    Optimizers and the generator as it is in training stay out, and so does the seed
    of DP-SGD's noise, which a guarantee depends on.

    Args:
        model: A model of this library.
        folder: Where to.

    Returns:
        The files.

    Raises:
        ValueError: If the model is of another class, or the files cannot be written.
    """
    name = type(model).__name__
    if type(model).__module__ != CLASSES.get(name):
        raise ValueError(
            f"Presets hold models of this library. Expected {' or '.join(CLASSES)}. "
            f"Received: {type(model).__module__}.{name}. Save other models with "
            '`model.save("model.keras")`.'
        )
    content: dict[str, Any] = {
        "class": name,
        "arguments": plain_arguments(model),
        "counters": {key: int(_value(getattr(model, key))) for key in _COUNTERS},
        "library": _library_version(),
        "keras": keras.__version__,
    }
    if model.dp is not None:
        # Updates whose weights were given up count too.
        updates = model._private_steps()
        content["counters"]["steps"] = -(-updates // model.discriminator_steps)
        seeded = model.dp.noise_seed is not None or model.noise_was_seeded
        content["noise_was_seeded"] = seeded
    named = {key: _value(variable) for key, variable in variables(model).items()}
    return PresetFiles.write(folder, content, named)


def load_preset(files: PresetFiles) -> GAN:
    """Builds the model of a preset, not compiled, and gives it its weights.

    Args:
        files: The preset's files, whose checksums were compared.

    Returns:
        The model; its generator begins as the average.

    Raises:
        ValueError: If the preset names another class or unsuitable arguments, or the
            weights are those of another model.
        ImportError: If the model needs an extra that is not installed.
    """
    model = _built(files)
    named = variables(model)
    shapes = {key: tuple(variable.shape) for key, variable in named.items()}
    counters = _counters(files)
    for key, array in files.arrays(shapes).items():
        named[key].assign(array)
    for key, number in counters.items():
        getattr(model, key).assign(number)
    model.generator.set_weights(model.ema_generator.get_weights())
    model.noise_was_seeded = bool(files.content.get("noise_was_seeded", False))
    return model


def plain_arguments(model: GAN) -> dict[str, Any]:
    """The arguments that rebuild a model, as JSON values."""
    config = model.get_config()
    for key in ("name", "trainable"):
        config.pop(key, None)
    config["dtype"] = model.dtype_policy.name
    config["image_shape"] = list(config["image_shape"])
    for key in _NESTED:
        value = getattr(model, key)
        if key == "dp" and model.noise_multiplier is not None:
            value = value.with_noise(model.noise_multiplier)  # once calibrated, plain
        config[key] = None if value is None else value.get_config()
    if config["dp"] is not None:
        config["dp"]["noise_seed"] = None
    return config


def variables(model: GAN) -> dict[str, Any]:
    """The variables that a preset holds, by names that do not depend on the session."""
    networks = {"generator": model.ema_generator, "discriminator": model.discriminator}
    named = {
        f"{prefix}/{number:03}": variable
        for prefix, network in networks.items()
        for number, variable in enumerate(network.weights)
    }
    known = {id(variable) for variable in (*named.values(), *model.generator.weights)}
    known |= {id(getattr(model, key, None)) for key in (*_COUNTERS, *_CALIBRATED)}
    own = [variable for variable in model.weights if id(variable) not in known]
    return named | {f"model/{number:03}": v for number, v in enumerate(own)}


def _built(files: PresetFiles) -> GAN:
    """A fresh model of the class and with the arguments that a preset names."""
    name = files.content["class"]
    check_choice(name, CLASSES, "class")
    kind = getattr(importlib.import_module(CLASSES[name]), name)
    try:
        arguments = _checked(files.content["arguments"], kind)
        model: GAN = kind(**arguments)
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"The preset {files.folder} does not describe a {name} ({reason}). Expected"
            " the arguments of a saved model. Copy the whole folder again."
        ) from error
    return model


def _checked(arguments: Mapping[str, Any], kind: type[GAN]) -> dict[str, Any]:
    """Arguments of a constructor, after checking names, types and sizes."""
    allowed = {
        name
        for constructor in (kind.__init__, GAN.__init__)
        for name in inspect.signature(constructor).parameters
    }
    allowed = (allowed | {"dtype"}) - _NETWORKS
    checked = dict(arguments)
    for name, value in arguments.items():
        check_choice(name, sorted(allowed), "arguments")
        if name in _NESTED and value is not None:
            checked[name] = _NESTED[name](**_fields(value, _NESTED[name]))
        elif name == "image_shape":
            checked[name] = _image_shape(value)
        elif not isinstance(value, (bool, int, float, str, type(None))):
            raise ValueError(f"`{name}` must be one plain value")
        elif isinstance(value, int) and name != "seed" and value > _MAX_SIZE:
            raise ValueError(f"`{name}` must be at most {_MAX_SIZE}, not {value}")
    check_choice(arguments.get("dtype", "float32"), _POLICIES, "dtype")
    return checked


def _fields(value: Any, kind: Any) -> dict[str, Any]:
    """Arguments of a frozen data class."""
    names = [field.name for field in dataclasses.fields(kind)]
    if not isinstance(value, dict):
        raise ValueError(f"settings of {kind.__name__} must be an object")
    for name in value:
        check_choice(name, names, kind.__name__)
    return value


def _image_shape(value: Any) -> tuple[int, ...]:
    is_list = isinstance(value, list) and len(value) == 3
    if not is_list or not all(type(side) is int and side > 0 for side in value):
        raise ValueError("`image_shape` must be three positive integers")
    if value[0] * value[1] * value[2] > _MAX_PIXELS:
        raise ValueError(f"`image_shape` must hold at most {_MAX_PIXELS} values")
    return tuple(value)


def _counters(files: PresetFiles) -> dict[str, int]:
    counters = files.content["counters"]
    numbers = [counters.get(key) for key in _COUNTERS]
    if set(counters) != set(_COUNTERS) or not all(
        type(number) is int and 0 <= number < 2**62 for number in numbers
    ):
        raise ValueError(
            f"The preset {files.folder} does not say how it was trained. Expected "
            f"whole numbers {', '.join(_COUNTERS)}. Received: {counters}. Copy the "
            "whole folder again."
        )
    return dict(counters)


def _value(variable: Any) -> Any:
    return np.asarray(keras.ops.convert_to_numpy(variable))


def _library_version() -> str:
    from keras_mixup_gan import __version__

    return __version__
