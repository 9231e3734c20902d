"""Recipes of the families: settings that the zoo ships, and models built from them.

A family is a class with an attribute `family`, the module of that name in this package,
and a file `<family>/recipe.toml` in the zoo's folder. Importing this module does not
import Keras.
"""

import functools
import importlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_mixup_gan.validation import check_choice

if TYPE_CHECKING:
    from keras_mixup_gan.mixup import MixUp
    from keras_mixup_gan.models.gan import GAN

# Classes that define `family`, by it; each enters when its module is imported.
FAMILIES: dict[str, type["GAN"]] = {}


def zoo_folder() -> Path:
    """The zoo's files: inside an installed package, or the folder of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "zoo" / "recipes"
    return installed if installed.is_dir() else package.parent / "zoo"


def list_families() -> list[str]:
    """Names of all families: every model that has a recipe."""
    return sorted(path.parent.name for path in zoo_folder().glob("*/recipe.toml"))


def family_class(family: str) -> type["GAN"]:
    """The class of a family, imported if need be."""
    if family not in FAMILIES:
        check_choice(family, list_families(), "family")
        importlib.import_module(f"keras_mixup_gan.models.{family}")
    return FAMILIES[family]


def family_classes() -> dict[str, type["GAN"]]:
    """All classes that have a recipe of their own, by name."""
    return {kind.__name__: kind for kind in map(family_class, list_families())}


def read_toml(name: str) -> dict[str, Any]:
    """A TOML file of the zoo, e.g. `"dcgan/recipe.toml"`."""
    return tomllib.loads((zoo_folder() / name).read_text("utf-8"))


@functools.cache
def load_recipe(family: str) -> dict[str, Any]:
    """The recipe of a family: network, optimizer and mixing, as the zoo ships them."""
    return read_toml(f"{family}/recipe.toml")


def resolve_mixup(mixup: "bool | str | MixUp | None", recipe: dict[str, Any]) -> Any:
    """The transform, if any, that the argument `mixup` of the zoo's functions means.

    Args:
        mixup: `None` or `False`, `True`, `"augmented"`, `"noisy"`, `"paper"` or a
            `MixUp`.
        recipe: The model's recipe, which says what `True` and the names mean.
    """
    from keras_mixup_gan.mixup import MixUp

    if mixup is None or mixup is False:
        return None
    if mixup is True:
        mixup = recipe["mixup"]
        if isinstance(mixup, dict):
            raise ValueError(
                "The recipe says by a table what `mixup=True` means. Expected the name "
                f"of one. Received: [mixup] with {mixup}. Call the table [noisy], and "
                'write mixup = "noisy" on top.'
            )
    if mixup in ("augmented", "noisy") and mixup in recipe:
        return MixUp(**recipe[mixup])
    if mixup == "paper":
        return MixUp.paper()
    if isinstance(mixup, MixUp):
        return mixup
    raise ValueError(
        "`mixup` must be False, True, 'augmented', 'noisy', 'paper' or a `MixUp`. "
        f"Received: mixup={mixup!r}. Build one with `keras_mixup_gan.MixUp(alpha=1.0)`."
    )


def optimizer_from(recipe: dict[str, Any], name: str | None = None) -> Any:
    """A fresh optimizer as the recipe describes it, under a name of its own."""
    import keras

    settings = dict(recipe["optimizer"])
    kind = settings.pop("name")
    return keras.optimizers.get(
        {"class_name": kind, "config": {**settings, "name": name}}
    )


def compile_from(recipe: dict[str, Any], model: "GAN") -> None:
    """Compiles a model with two optimizers of the recipe.

    Keras would number their names by what else its process has made.
    """
    names = "d_optimizer", "g_optimizer"
    model.compile(**{name: optimizer_from(recipe, name) for name in names})
