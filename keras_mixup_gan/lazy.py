"""What is imported when it is first asked for: names of packages, and Keras' classes.

`keras.saving.load_model` finds classes by their registered names, which importing them
sets. So that `import keras_mixup_gan` stays quick, each name is registered with a
stand-in that imports the class when a file asks for it. That is done where Keras is
imported already, whenever a package with lazy names or one of these is imported. A
program that imports Keras after all of these imports a class too, such as
`keras_mixup_gan.models.DCGAN`, or loads by `keras_mixup_gan.models.load_gan`.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

PACKAGE = "keras_mixup_gan"
# Of each module the classes that it registers; a test compares them with Keras.
CLASSES = {
    "mixup": ("MixUp",),
    "privacy.dpsgd": ("DPSGD",),
    "models.dcgan": ("DCGAN",),
    "models.layers": ("LabelMaps", "StatelessDropout"),
    "models.style_layers": (
        *("ConstantRows", "EqualizedConv", "EqualizedDense", "MinibatchStddev"),
        *("PixelNorm", "StyledConv", "ToImage"),
    ),
    "models.stylegan_lite": ("StyleGANLite",),
    "models.wgan_gp": ("WGANGP",),
    "defenses.par_gan": ("PARGAN",),
    "defenses.priv_gan": ("PrivGAN",),
    "defenses.relax_loss": ("RelaxLossDCGAN",),
}


def lazy_names(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package (PEP 562).

    `names` tells of each public name the module that defines it. Modules of the package
    need no entry to be found, only to be listed.
    """

    def get(name: str) -> Any:
        own = f"{package}.{name}"
        if names.get(name, own) != own:
            value = getattr(importlib.import_module(names[name]), name)
        elif not name.startswith("_") and importlib.util.find_spec(own) is not None:
            value = importlib.import_module(own)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        announce_classes()  # to Keras, which that may have imported
        return value

    def names_of_package() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names})

    announce_classes()
    return get, names_of_package


def announce_classes() -> None:
    """Gives Keras, once it is imported, a stand-in for each class it does not know."""
    keras = sys.modules.get("keras")
    saving = getattr(keras, "saving", None)  # absent while Keras is being imported
    if saving is None:
        return
    known = saving.get_custom_objects()
    for module, names in CLASSES.items():
        for name in names:
            if f"{PACKAGE}>{name}" not in known:
                known[f"{PACKAGE}>{name}"] = _stand_in(name, f"{PACKAGE}.{module}")


def check_backend() -> None:
    """Raises an `ImportError` unless Keras, once imported, computes by TensorFlow."""
    backend = sys.modules["keras"].config.backend()
    if backend != "tensorflow":
        raise ImportError(
            "Models, mixing and DP-SGD of keras_mixup_gan compute by TensorFlow. "
            f"Expected Keras on it. Received: backend={backend!r}. Set KERAS_BACKEND="
            "tensorflow before anything imports Keras."
        )


def _stand_in(name: str, module: str) -> type:
    """A class that builds another one, which it imports when it is asked to.

    Importing the other registers it in the place of the stand-in.
    """

    def from_config(cls: type, config: dict[str, Any]) -> Any:
        return getattr(importlib.import_module(module), name).from_config(config)

    return type(name, (), {"from_config": classmethod(from_config)})
