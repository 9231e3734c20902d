"""How an attacker's own model is trained: like a given one, or by a function."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from keras_mixup_gan.attacks.target import AttackTarget
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
    """The function that trains a model, and a text that tells it from others."""
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
        return clone, json.dumps(parts, sort_keys=True, default=repr)
    if not callable(model):
        raise ValueError(
            "A model is trained like one with `get_config` and `fit`, or by a "
            f"function `train(images, labels, seed)`. Received: model={model!r:.80}."
        )
    named = model if hasattr(model, "__qualname__") else type(model)
    return model, f"{named.__module__}.{named.__qualname__}"


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


def defense_of(target: AttackTarget) -> dict[str, Any] | None:
    """The settings of the defenses that a target is known for, or None."""
    mixup = _settings_of(target.mixup)
    if target.augment is None:
        return mixup
    return {**(mixup or {}), "augment": target.augment}


def _settings_of(mixup: Any) -> dict[str, Any] | None:
    """The settings of a defense as JSON values, without its seed."""
    if mixup is None:
        return None
    if not callable(getattr(mixup, "get_config", None)):
        return {"name": str(mixup)}
    config = dict(json.loads(json.dumps(mixup.get_config(), default=str)))
    config.pop("seed", None)
    return config
