"""How shadow models are trained: like a model, or by a function, and under which name.

The name is part of what shadow models are kept by, so that others are not taken for
them.
"""

import contextlib
import enum
import functools
import inspect
import json
import os
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.registry import code_digest
from keras_mixup_gan.storage import digest_arrays, digest_json
from keras_mixup_gan.typing import FloatArray

Train: TypeAlias = Callable[[FloatArray, Any, int], Any]


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
        if code_digest(clone.kind) is not None:  # a class of the user's
            parts.append(_named(clone.kind))
        return clone, json.dumps(parts, sort_keys=True, default=plain)
    if not callable(model) or hasattr(model, "generate"):
        raise ValueError(
            "A model is trained like one with `get_config` and `fit`, or by a "
            f"function `train(images, labels, seed)`. Received: model={model!r:.80}."
        )
    return model, _named(model)


def _named(function: Any) -> str:
    """A text that identifies a function, a class, or an object that is called.

    It is the attribute `recipe`, if that is a text. Otherwise of one that is not this
    library's it also tells what that does itself, without what it calls, and what it
    was given: the values that it closes over, or those that its constructor was.
    """
    if isinstance(own := getattr(function, "recipe", None), str):
        return own
    if isinstance(function, functools.partial):
        return f"{_named(function.func)} {digest_json(plain(function))[:16]}"
    named = function if hasattr(function, "__qualname__") else type(function)
    name = f"{named.__module__}.{named.__qualname__}"
    if name.startswith("keras_mixup_gan."):
        return name
    if inspect.isclass(function):
        return f"{name} {str(code_digest(function))[:16]}"
    parts = [plain(function)]
    if not inspect.isroutine(function):
        parts.append(plain(type(function).__call__))
    return f"{name} {digest_json(parts)[:16]}"


def plain(value: Any, inside: tuple[int, ...] = ()) -> Any:
    """A value as JSON, the same in every process of one version of Python."""
    if id(value) in inside:  # it holds itself
        return None
    part = functools.partial(plain, inside=(*inside, id(value)))
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, enum.Enum):
        return str(value)
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, types.CodeType):
        return [value.co_code.hex(), value.co_names, part(value.co_consts)]
    if isinstance(value, list | tuple):
        return [part(each) for each in value]
    if isinstance(value, dict):
        return [[part(key), part(each)] for key, each in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, np.ndarray) and value.dtype != object:
        return digest_arrays([value])
    if isinstance(value, functools.partial):
        return [part(value.func), part(value.args), part(value.keywords)]
    if inspect.ismethod(value):
        return [part(value.__func__), part(value.__self__)]
    if inspect.isfunction(value):
        return [value.__qualname__, part(_known(value))]
    if inspect.isclass(value) or inspect.ismodule(value):
        return value.__name__
    return [type(value).__qualname__, part(_given(value))]


def _known(function: types.FunctionType) -> list[Any]:
    """What a function does, what it closes over, and constants that it names."""
    code = function.__code__
    cells = map(_content, function.__closure__ or ())
    known = dict(zip(code.co_freevars, cells, strict=True))
    named = {
        name: function.__globals__[name]
        for name in code.co_names
        if isinstance(function.__globals__.get(name), str | int | float)
    }
    wrapped = getattr(function, "__wrapped__", None)
    given = [function.__defaults__, function.__kwdefaults__, known, named, wrapped]
    return [code.replace(co_consts=_without(code, function.__doc__)), *given]


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that has no value yet
        return None


def _without(code: types.CodeType, docstring: str | None) -> tuple[Any, ...]:
    return tuple(one for one in code.co_consts if one is None or one != docstring)


def _given(value: Any) -> Any:
    """The configuration of an object, or attributes named as its arguments are.

    Others change while a model is trained, as those of callbacks do.
    """
    if callable(getattr(value, "get_config", None)):
        with contextlib.suppress(NotImplementedError):
            return {**value.get_config(), "name": None}
    if wrapped := getattr(value, "__wrapped__", None):
        return wrapped
    try:
        names = [*inspect.signature(type(value)).parameters]
    except (TypeError, ValueError):  # it tells of none
        return None
    known = {
        name: getattr(value, one)
        for name in names
        for one in (f"_{name}", name)
        if hasattr(value, one)
    }
    if "min_delta" in known:  # Keras turns its sign by the direction that is watched
        known["min_delta"] = abs(known["min_delta"])
    return known


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
