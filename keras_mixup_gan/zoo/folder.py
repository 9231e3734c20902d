"""Where the zoo's recipes, cards and presets are, whichever way it was installed."""

import tomllib
from pathlib import Path
from typing import Any


def zoo_folder() -> Path:
    """The `zoo` folder: inside an installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "recipes"
    return installed if installed.is_dir() else here.parents[1] / "zoo"


def list_models() -> list[str]:
    """Names of the factories: every model that has a recipe."""
    return sorted(path.parent.name for path in zoo_folder().glob("*/recipe.toml"))


def read_toml(name: str) -> dict[str, Any]:
    """A TOML file of the zoo, e.g. `"dcgan/recipe.toml"`."""
    return tomllib.loads((zoo_folder() / name).read_text("utf-8"))
