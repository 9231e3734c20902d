"""How shadow models are trained: like a model, or by a function, and under which name.

The name is part of what shadow models are kept by, so that others are not taken for
them.
"""

import functools
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from keras_mixup_gan.storage import digest_json
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
        model = self.kind.from_config(_reseeded(self.config, seed))
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
                "`fit` is needed to train a model like another. Received: "
                f"fit={fit!r}. Pass what that was trained with, e.g. "
                "`fit={'epochs': 50}`."
            )
        clone = _Clone(
            type(model), model.get_config(), model.get_compile_config(), dict(fit)
        )
        parts = [clone.config, clone.compile_config, clone.fit]
        return clone, _text(parts)
    if not callable(model) or hasattr(model, "generate"):
        raise ValueError(
            "A model is trained like one with `get_config` and `fit`, or by a "
            f"function `train(images, labels, seed)`. Received: model={model!r:.80}."
        )
    return model, _named(model)


def _named(function: Any) -> str:
    """A text that identifies a function, or an object by its class.

    Of one without a name of its own, also what it does and what it was given.
    """
    if isinstance(function, functools.partial):
        given = _text([function.args, function.keywords])
        return f"{_named(function.func)} {given}"
    named = function if hasattr(function, "__qualname__") else type(function)
    name = f"{named.__module__}.{named.__qualname__}"
    if "<" not in name or not inspect.isfunction(function):
        return name
    code = function.__code__
    known = [cell.cell_contents for cell in function.__closure__ or ()]
    parts = code.co_code.hex(), code.co_consts, code.co_names, function.__defaults__
    return f"{name} {digest_json(_text([parts, known]))[:16]}"


def _text(parts: Any) -> str:
    """Settings as a text that is the same in every process."""
    return json.dumps(parts, sort_keys=True, default=_without_address)


def _without_address(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _reseeded(config: Any, seed: int) -> Any:
    """A configuration with every seed in it replaced, wherever one is set."""
    if isinstance(config, dict):
        return {
            key: seed
            if key in ("seed", "noise_seed") and isinstance(value, int)
            else _reseeded(value, seed)
            for key, value in config.items()
        }
    if isinstance(config, list):
        return [_reseeded(value, seed) for value in config]
    return config
