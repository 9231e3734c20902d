"""Model cards of the zoo, rendered from the results of its presets."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan import storage
from keras_mixup_gan.models.recipes import read_toml
from keras_mixup_gan.rounding import upper_text

PICTURE, MAX_SIDE = "samples.png", 540
TEMPLATE = Path(__file__).parent / "templates" / "card.md.j2"
_DEFENSES = ("none", "mixup", "DP-SGD")


def write(zoo: Path, model: str) -> Path:
    """Writes the card of a model from the `results.json` of its presets, and a picture.

    Args:
        zoo: The zoo's folder.
        model: Name of the factory.

    Returns:
        The path of the card.
    """
    found = results_of(zoo, model)
    card = zoo / model / "card.md"
    card.write_text(render(model, found), "utf-8")
    folders = [zoo / model / preset["name"] for preset in found]
    storage.write_file(card.with_name(PICTURE), picture(folders))
    return card


def results_of(zoo: Path, model: str) -> list[dict[str, Any]]:
    """What is known of the presets of a model, in the order of its card."""
    paths = (zoo / model).glob("*/results.json")
    return sorted((json.loads(path.read_text("utf-8")) for path in paths), key=_order)


def picture(folders: list[Path]) -> bytes:
    """A PNG of what presets generate, a row for each."""
    from keras_mixup_gan.models.saving import from_preset
    from keras_mixup_gan.reports import render

    rows = [
        from_preset(folder, compile=False).generate(render.COLUMNS, seed=0)
        for folder in folders
    ]
    return render.png(render.tile(np.concatenate(rows)), MAX_SIDE)


def render(model: str, presets: list[dict[str, Any]]) -> str:
    """The text of a card.

    Args:
        model: Name of the factory.
        presets: Contents of `results.json`.

    Returns:
        Markdown.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(interval=_interval, figure=_figure, upper=upper_text)
    attacks: dict[str, str] = {}
    for preset in presets:
        for name, result in preset["audit"]["attacks"].items():
            attacks[name] = result["title"]
    return environment.get_template(TEMPLATE.name).render(
        model=model,
        about=read_toml("presets.toml")["cards"][model],
        presets=presets,
        attacks=attacks,
    )


def _order(preset: dict[str, Any]) -> tuple[int, str]:
    named = [word in preset["defense"] for word in _DEFENSES]
    return named.index(True), preset["name"]


def _interval(value: float | None, ends: list[float] | None, factor: float = 1) -> str:
    """A value with its interval, or a dash where it was not measured."""
    if value is None or ends is None:
        return "–"  # noqa: RUF001
    digits = 3 if factor == 1 else 1
    low, high = (factor * end for end in ends)
    return f"{factor * value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _figure(quality: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """A figure of image quality by its name."""
    return next(figure for figure in quality if figure["name"] == name)
