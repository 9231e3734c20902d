"""How shadow models are trained: like a model, or by a function, and under which name.

The name is part of what shadow models are kept by, so that others are not taken for
them.
"""

import functools
import inspect
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.registry import code_digest
from keras_mixup_gan.storage import digest_arrays, digest_json
from keras_mixup_gan.typing import FloatArray

Train: TypeAlias = Callable[[FloatArray, Any, int], Any]
# What is compared of the objects that a training is given, besides their classes.
_PLAIN = (str, int, float, np.generic, np.ndarray, types.FunctionType)


@dataclass(frozen=True)
class _Clone:
    """Trains a fresh model with the settings of a given one, and its defense."""

    kind: Any
    config: dict[str, Any]
    compile_config: dict[str, Any]
    fit: dict[str, Any]

    def __call__(self, images: FloatArray, labels: Any, seed: int) -> Any:
        model = self.kind.from_config(reseeded(self.config, seed))
        model.compile_from_config(self.compile_config)
        if getattr(model, "num_classes", None) is None:
            labels = None
        model.fit(images, labels, **{"verbose": 0, **self.fit})
        return model


def training_of(model: Any, fit: Mapping[str, Any] | None) -> tuple[Train, str]:
    """The function that trains a model, and a text that identifies it."""
    if all(callable(getattr(model, name, None)) for name in ("get_config", "fit")):
        if not fit:
            raise ValueError(
                "What `fit` takes is needed to train a model like another. Expected "
                f"what that was trained with. Received: {fit!r}. Pass e.g. "
                "`fit={'epochs': 50}`, to `audit` as `shadow_fit=`."
            )
        clone = _Clone(
            type(model), model.get_config(), model.get_compile_config(), dict(fit)
        )
        # Without seeds, of which one may be secret: each training gets its own.
        parts = [reseeded(clone.config, 0), clone.compile_config, clone.fit]
        if (digest := code_digest(clone.kind)) is not None:  # a class of the user's
            parts.append([_named(clone.kind), digest])
        return clone, json.dumps(parts, sort_keys=True, default=_plain)
    if not callable(model) or hasattr(model, "generate"):
        raise ValueError(
            "A model is trained like one with `get_config` and `fit`, or by a "
            f"function `train(images, labels, seed)`. Received: model={model!r:.80}."
        )
    return model, _named(model)


def _named(function: Any) -> str:
    """A text that identifies a function, or an object that is called.

    Of one that is not this library's, also what it does itself, without what it calls,
    and which plain values and arrays it was given: those that it closes over, and
    public attributes.
    """
    if isinstance(function, functools.partial):
        digest = digest_json(_plain([function.args, function.keywords]))
        return f"{_named(function.func)} {digest[:16]}"
    named = function if hasattr(function, "__qualname__") else type(function)
    name = f"{named.__module__}.{named.__qualname__}"
    if inspect.isclass(function) or name.startswith("keras_mixup_gan."):
        return name
    own: Any = function
    given: Any = {}
    if not inspect.isfunction(function):  # a method of an object, or one to be called
        owner = getattr(function, "__self__", function)
        own = getattr(function, "__func__", type(function).__call__)
        given = {} if inspect.ismodule(owner) else _public(owner)
    if inspect.isfunction(own):
        known = inspect.getclosurevars(own).nonlocals
        given = [own.__code__, own.__defaults__, own.__kwdefaults__, known, given]
    return f"{name} {digest_json(_plain(given))[:16]}"


def _plain(value: Any) -> Any:
    """A value as JSON, the same in every process; of other objects the plain parts."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, types.CodeType):
        return [value.co_code.hex(), value.co_names, _plain(value.co_consts)]
    if inspect.isfunction(value):  # without what it knows, which may be itself
        return [value.__qualname__, _plain(value.__code__)]
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return [[_plain(key), _plain(each)] for key, each in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, np.ndarray):
        return digest_arrays([value])
    known = _public(value).items()
    parts = {name: each for name, each in known if isinstance(each, _PLAIN)}
    return [type(value).__qualname__, _plain(parts)]


def _public(value: Any) -> dict[str, Any]:
    """Attributes of an object, without those that are its own affair."""
    known = getattr(value, "__dict__", {}).items()
    return {name: each for name, each in known if not name.startswith("_")}


def reseeded(config: Any, seed: int) -> Any:
    """A configuration with every seed in it replaced, wherever one is set."""
    if isinstance(config, dict):
        return {
            key: seed
            if key in ("seed", "noise_seed") and isinstance(value, int)
            else reseeded(value, seed)
            for key, value in config.items()
        }
    if isinstance(config, list):
        return [reseeded(value, seed) for value in config]
    return config
