"""Saved models: presets and `.keras` files, which are read without running code.

A preset holds weights and plain settings; only classes of the families' registry are
built from one. A `.keras` file holds the whole state of a training; before Keras loads
one, everything that it names is held against an allow-list.
"""

import contextlib
import dataclasses
import functools
import inspect
import json
import os
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup_gan.data.classes import check_class_names
from keras_mixup_gan.lazy import PACKAGE, announce_classes
from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.models.card import keep_card
from keras_mixup_gan.models.layers import POLICIES
from keras_mixup_gan.models.presets import PresetFiles, read_preset
from keras_mixup_gan.models.recipes import compile_from, family_classes, load_recipe
from keras_mixup_gan.models.released import ReleasedGenerator
from keras_mixup_gan.privacy.dpsgd import DPSGD
from keras_mixup_gan.validation import check_choice, reason_of
from keras_mixup_gan.versions import __version__

if TYPE_CHECKING:
    from keras_mixup_gan.models.gan import GAN

RELEASES = ("everything", "generator")
_NESTED: dict[str, Any] = {"mixup": MixUp, "dp": DPSGD}
_NOT_SAVED = {"make_generator", "make_discriminator", "networks", "is_private"}
_NO_NAMES = {"self", "args", "kwargs"}
_COUNTERS = ("steps", "num_examples", "expected_batch_size")
# Stands in the settings of a preset, if at all.
_CALIBRATED = ("calibrated_noise", "planned_updates")
# Larger numbers than these are no sizes of a network that fits into a preset.
_MAX_SIZE, _MAX_PIXELS = 2**12, 2**20
_MAX_CONFIG_BYTES = 2**24
# How much larger than its file a model may be: a preset holds one of two generators,
# and weights hardly compress. One without the discriminator tells little of its size.
_MAX_GROWTH, _SPARE_BYTES, _DISCRIMINATOR_BYTES = 8, 2**20, 2**27

# === Presets ===


def save_to_preset(
    model: "GAN | ReleasedGenerator",
    folder: str | os.PathLike[str],
    release: str | None = None,
) -> Path:
    """Writes a model's weights and settings to a folder.

    It then holds `preset.json`, which says so, and `weights.npz`: the averaged
    generator and, unless only that is released, the discriminator, which gives most
    away of the training set. Optimizers and the generator as it is in training stay
    out, and so do seeds of noise that a guarantee depends on. A model card,
    `README.md`, says what is known, unless another file has that name.

    Args:
        model: A model of this library.
        folder: Where to; missing folders are made.
        release: `"everything"`, or `"generator"` to leave the discriminator out: a
            `ReleasedGenerator` is then loaded, which generates but scores no images.
            By default as much of the model as there is.

    Returns:
        The folder.

    Raises:
        ValueError: If the model is of another class, or the files cannot be written.

    Example:
    ```python
    keras_mixup_gan.zoo.save_to_preset(model, "my_gan")
    same = keras_mixup_gan.zoo.from_preset("my_gan")
    ```
    """
    held = "everything"
    if isinstance(model, ReleasedGenerator):
        model, held = model.source, model.release
    release = held if release is None else release
    check_choice(release, RELEASES, "release")
    if held != "everything" and release != held:
        raise ValueError(
            "The model came without its discriminator. Expected "
            f"release={held!r}. Received: release={release!r}. Save the whole model."
        )
    name, known = type(model).__name__, family_classes()
    if type(model) is not known.get(name):
        raise ValueError(
            f"Presets hold models of this library. Expected {' or '.join(known)}. "
            f"Received: {type(model).__module__}.{name}. Save other models with "
            '`model.save("model.keras")`.'
        )
    arguments = plain_arguments(model)
    try:
        _checked(arguments, type(model))
    except ValueError as error:
        raise ValueError(
            "A preset holds a model whose arguments can be read again. Expected sizes "
            f"within the limits of presets. Received: {error}. Save the model with "
            '`model.save("model.keras")`.'
        ) from error
    content: dict[str, Any] = {
        "class": name,
        "release": release,
        "arguments": arguments,
        "counters": {key: int(_value(getattr(model, key))) for key in _COUNTERS},
        "library": __version__,
        "keras": keras.__version__,
    }
    if model.privacy is not None:
        spent = model.privacy.spent  # also on updates whose weights were given up
        steps = -(-spent.num_updates // model.discriminator_steps)
        content["counters"] |= {
            "steps": steps,
            "num_examples": spent.num_examples,
            "expected_batch_size": spent.batch_size,
        }
        content["noise_was_seeded"] = spent.seeded
    kept = variables(model, release)
    named = {key: _value(variable) for key, variable in kept.items()}
    files = PresetFiles.write(folder, content, named)
    keep_card(files)
    return files.folder


def from_preset(preset: str | os.PathLike[str], *, compile: bool = True) -> Any:
    """A trained model, by its name or from a folder.

    Nothing in the files is executed. Their checksums are compared before anything is
    built, and nothing is built that is much larger than they are.

    Args:
        preset: One of `list_presets()`; or a folder that `model.save_to_preset` wrote,
            or a file in it; or `"hf://owner/name"` of the Hugging Face Hub, which needs
            the extra `hub`, with a branch, tag or commit behind an `@` if need be.
        compile: Whether to compile with the recipe's optimizers, to train further.

    Returns:
        The model. Its generator is the average that was saved. Of a preset without
        the discriminator, a `ReleasedGenerator`.

    Raises:
        ValueError: If there is no such preset, or its files were tampered with, are
            truncated or do not fit together.

    Example:
    ```python
    model = keras_mixup_gan.zoo.from_preset("dcgan_digits_mixup")
    images = model.generate(64)
    ```
    """
    files = read_preset(preset)
    release = files.content.get("release", "everything")
    check_choice(release, RELEASES, "release")
    model = _built(files, release)
    named = variables(model, release)
    shapes = {key: tuple(variable.shape) for key, variable in named.items()}
    counters = _counters(files)
    for key, array in files.arrays(shapes).items():
        named[key].assign(array)
    for key, number in counters.items():
        getattr(model, key).assign(number)
    model.generator.set_weights(model.ema_generator.get_weights())
    if model.privacy is not None:
        seeded = bool(files.content.get("noise_was_seeded", False))
        model.privacy.recall(
            model.uncounted(with_settings=True)._replace(seeded=seeded)
        )
    if release == "generator":
        return ReleasedGenerator(model)
    if compile:
        compile_from(load_recipe(model.family), model)
    return model


def plain_arguments(model: "GAN") -> dict[str, Any]:
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
    mixup = config["mixup"] or {}
    if mixup.get("noise") == "once":  # drawn by its own seed, or else by the model's
        if mixup["seed"] is None:
            config["seed"] = None
        mixup["seed"] = None
    if config["dp"] is not None:
        config["dp"]["noise_seed"] = None
    return config


def variables(model: "GAN", release: str = "everything") -> dict[str, Any]:
    """The variables that a preset holds, by names that do not depend on the session."""
    networks = {"generator": model.ema_generator, "discriminator": model.discriminator}
    left_out = networks["discriminator"].weights if release == "generator" else []
    if left_out:
        del networks["discriminator"]
    named = {
        f"{prefix}/{number:03}": variable
        for prefix, network in networks.items()
        for number, variable in enumerate(network.weights)
    }
    outside = (*named.values(), *model.generator.weights, *left_out)
    known = {id(variable) for variable in outside}
    known |= {id(getattr(model, key)) for key in _COUNTERS}
    known |= {id(getattr(model.privacy, key, None)) for key in _CALIBRATED}
    own = [variable for variable in model.weights if id(variable) not in known]
    return named | {f"model/{number:03}": v for number, v in enumerate(own)}


def _built(files: PresetFiles, release: str) -> "GAN":
    """A fresh model of the class, and with the arguments, that a preset names."""
    name = files.content["class"]
    known = family_classes()
    check_choice(name, known, "class")
    kind = known[name]
    try:
        arguments = _checked(files.content["arguments"], kind)
        mixup = arguments.get("mixup")
        if mixup is not None and mixup.noise == "once":  # of a seed that nobody knows
            arguments["mixup"] = dataclasses.replace(mixup, seed=secrets.randbits(63))
        left_out = _DISCRIMINATOR_BYTES if release == "generator" else 0
        with _no_larger_than(len(files.weights), left_out):
            model: GAN = kind(**arguments)
    except (ValueError, TypeError) as error:
        reason = reason_of(error, 300)
        raise ValueError(
            f"The preset {files.folder} does not describe a {name} ({reason}). Expected"
            " the arguments of a saved model. Copy the whole folder again."
        ) from error
    return model


def _checked(arguments: Mapping[str, Any], kind: type["GAN"]) -> dict[str, Any]:
    """A constructor's arguments, after checking names, types and sizes."""
    own = kind.__mro__[: kind.__mro__.index(keras.Model)]
    constructors = [vars(base)["__init__"] for base in own if "__init__" in vars(base)]
    signatures = map(inspect.signature, constructors)
    allowed = {"dtype"}.union(*(signature.parameters for signature in signatures))
    allowed -= _NOT_SAVED | _NO_NAMES
    checked = dict(arguments)
    for name, value in arguments.items():
        check_choice(name, sorted(allowed), "arguments")
        if name in _NESTED and value is not None:
            checked[name] = _NESTED[name](**_fields(value, _NESTED[name]))
        elif name == "image_shape":
            checked[name] = _image_shape(value)
        elif name == "class_names":
            check_class_names(value)
        elif not isinstance(value, (bool, int, float, str, type(None))):
            raise ValueError(f"`{name}` must be one plain value")
        elif isinstance(value, int) and name != "seed" and value > _MAX_SIZE:
            raise ValueError(f"`{name}` must be at most {_MAX_SIZE}, not {value}")
    check_choice(arguments.get("dtype", "float32"), POLICIES, "dtype")
    return checked


def _fields(value: Any, kind: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"settings of {kind.__name__} must be an object")
    names = [field.name for field in dataclasses.fields(kind)]
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


@contextlib.contextmanager
def _no_larger_than(file_size: int, left_out: int = 0) -> Iterator[None]:
    """Stops a model of which a file of so many bytes cannot hold the weights.

    Each is measured before memory is taken for it; some bytes may be left out of it.
    """
    sketch = tf.Graph()
    left = _MAX_GROWTH * file_size + _SPARE_BYTES + left_out

    def measured(create: Any, **kwargs: Any) -> Any:
        nonlocal left
        initial = kwargs["initial_value"]
        if callable(initial):
            with sketch.as_default():
                value = tf.convert_to_tensor(initial())
        else:
            value = tf.convert_to_tensor(initial)
        left -= value.shape.num_elements() * value.dtype.size
        if left < 0:
            raise ValueError(
                f"it asks for a model far larger than its file of {file_size} bytes"
            )
        return create(**kwargs)

    with tf.variable_creator_scope(measured):
        yield


# === .keras files ===


def load_gan(path: str | os.PathLike[str]) -> "GAN":
    """Loads a GAN that was saved by `model.save("name.keras")`.

    Before anything is built, the file's configuration is read as plain JSON and must
    name no classes but this library's and Keras' optimizers, schedules and precisions;
    layers, Lambda among them, and other code are refused. Then Keras loads it in its
    safe mode, and stops at a model that is much larger than the file.

    Returns:
        The model, with its optimizers and its random state.

    Raises:
        ValueError: If there is no such file, it is damaged, or it holds something else
            than a model of this library.

    Example:
    ```python
    model.save("model.keras")
    model = keras_mixup_gan.models.load_gan("model.keras")
    ```
    """
    path = Path(path)
    announce_classes()
    config = _read_config(path)
    if not str(config.get("registered_name")).startswith(f"{PACKAGE}>"):
        raise ValueError(
            f"The file {path} holds no model of this library. Expected one of its "
            f"GANs. Received: class_name={config.get('class_name')!r}. Audit other "
            "models from Python, `keras_mixup_gan.audit(...)`."
        )
    for entry in _class_entries(config):
        _check_entry(entry, path)
    model = load_keras(path)
    kinds: Any = tuple(family_classes().values())
    if not isinstance(model, kinds):
        raise ValueError(
            f"The file {path} holds no GAN. Received: {type(model).__name__}. Save "
            'the whole model with `model.save("model.keras")`.'
        )
    return model


def load_keras(path: Path) -> Any:
    """A model of a file that this library wrote and whose digest has been checked."""
    announce_classes()
    try:
        with _no_larger_than(path.stat().st_size):
            return keras.saving.load_model(path, safe_mode=True)
    # Keras reports what does not fit together with many exception types.
    except Exception as error:
        raise _damaged(path, error) from error


def _read_config(path: Path) -> dict[str, Any]:
    if path.suffix != ".keras":
        raise ValueError(
            "A model is read from the format that Keras loads without running code. "
            f"Expected a file whose name ends in .keras. Received: path={str(path)!r}. "
            'Save the model with `model.save("model.keras")`.'
        )
    if not path.is_file():
        raise ValueError(
            f"There is no file {path}. Expected a model saved by `model.save("
            f'"model.keras")`. Received: a path looked up from {Path.cwd()}.'
        )
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
                raise ValueError("its configuration is too large")
            config = json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    if not isinstance(config, dict):
        raise _damaged(path, ValueError("its configuration is no model"))
    return config


def _class_entries(value: Any) -> Iterator[dict[str, Any]]:
    """Every part of a configuration that names a class or a function."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part or "registered_name" in part:
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _check_entry(entry: dict[str, Any], path: Path) -> None:
    """Raises unless an entry names one of the classes that are loaded from files."""
    name, module = str(entry.get("class_name")), entry.get("module")
    registered = entry.get("registered_name")
    if registered in (None, name):
        is_known = name in _keras_classes().get(str(module), ())
    else:
        is_known = str(registered).startswith(f"{PACKAGE}>")
        is_known = is_known and registered in keras.saving.get_custom_objects()
    if not is_known:
        raise ValueError(
            f"The file {path} asks for code that is not loaded from files. Expected "
            f"classes of {PACKAGE}, and optimizers, schedules and precisions of Keras, "
            f"alone. Received: {module}.{name}, registered_name={registered!r}."
        )


@functools.cache
def _keras_classes() -> dict[str, frozenset[str]]:
    """What a saved GAN may hold of Keras, by the module that files name."""
    optimizers, schedules = keras.optimizers, keras.optimizers.schedules
    bases = {
        "keras.optimizers": (optimizers, optimizers.Optimizer),
        "keras.optimizers.schedules": (schedules, schedules.LearningRateSchedule),
    }
    names = {
        module: frozenset(
            name
            for name, kind in vars(space).items()
            if isinstance(kind, type) and issubclass(kind, base)
        )
        for module, (space, base) in bases.items()
    }
    return {**names, "keras": frozenset({"DTypePolicy"})}


def _damaged(path: Path, error: Exception) -> ValueError:
    reason = reason_of(error)
    return ValueError(
        f"The file {path} could not be read as a model ({reason}). Expected a complete "
        'file written by `model.save("model.keras")`. Save or copy it again.'
    )
