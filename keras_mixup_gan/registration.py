"""Announces this library's classes to Keras without importing them.

`keras.saving.load_model` finds classes by their registered names, which importing them
sets. `import keras_mixup_gan` imports none, so that it is quick; instead each name is
registered with a stand-in that imports the class when a file asks for it.
"""

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = "keras_mixup_gan"
_MODELS = f"{PACKAGE}.models"
CLASSES = {
    "MixUp": f"{PACKAGE}.mixup",
    "DPSGD": f"{PACKAGE}.privacy.dpsgd",
    "DCGAN": f"{_MODELS}.dcgan",
    "WGANGP": f"{_MODELS}.wgan_gp",
    "PARGAN": f"{_MODELS}.par_gan",
    "PrivGAN": f"{_MODELS}.priv_gan",
    "RelaxLossDCGAN": f"{_MODELS}.relax_loss",
    "StyleGANLite": f"{_MODELS}.stylegan_lite",
    "LabelMaps": f"{_MODELS}.layers",
    "StatelessDropout": f"{_MODELS}.layers",
    "ConstantRows": f"{_MODELS}.style_layers",
    "EqualizedConv": f"{_MODELS}.style_layers",
    "EqualizedDense": f"{_MODELS}.style_layers",
    "MinibatchStddev": f"{_MODELS}.style_layers",
    "PixelNorm": f"{_MODELS}.style_layers",
    "StyledConv": f"{_MODELS}.style_layers",
    "ToImage": f"{_MODELS}.style_layers",
}


def announce_classes() -> None:
    """Registers all stand-ins now, or as soon as Keras is imported."""
    if "keras" in sys.modules:
        _register(sys.modules["keras"])
    elif not any(isinstance(finder, _AfterKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterKeras())


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Lets others find Keras, and registers the stand-ins once it is imported."""

    def __init__(self) -> None:
        self._is_searching = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != "keras" or self._is_searching:
            return None
        self._is_searching = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._is_searching = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                _register(module)

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def _register(keras: Any) -> None:
    """Gives Keras a stand-in for each class that it does not know yet."""
    if not hasattr(keras, "saving"):  # another thread is still importing it
        keras = importlib.import_module("keras")
    known = keras.saving.get_custom_objects()
    for name, module in CLASSES.items():
        known.setdefault(f"{PACKAGE}>{name}", _stand_in(name, module))


def _stand_in(name: str, module: str) -> type:
    """A class that builds another one, which it imports when it is asked to.

    Importing the other registers it in the place of the stand-in.
    """

    def from_config(cls: type, config: dict[str, Any]) -> Any:
        return getattr(importlib.import_module(module), name).from_config(config)

    return type(name, (), {"from_config": classmethod(from_config)})
