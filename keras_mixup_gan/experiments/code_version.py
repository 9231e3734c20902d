"""Which code made a number: a hash that comments and layout do not change."""

import ast
import functools
import hashlib
from pathlib import Path

from keras_mixup_gan.models.recipes import zoo_folder

# What trains, attacks and measures; pages and commands change no number.
_PARTS = (
    "mixup.py",
    "data",
    "models",
    "privacy",
    "zoo",
    "defenses",
    "attacks",
    "metrics",
    "experiments/cell.py",
    "experiments/comparison.py",
    "experiments/pool.py",
    "experiments/shadow_targets.py",
    "experiments/usefulness.py",
)


@functools.cache
def code_version() -> str:
    """SHA-256 of the code, recipes and features that a cell's numbers depend on.

    Returns:
        64 hexadecimal digits; the same for code that differs in comments, docstrings
        and layout alone.
    """
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for part in _PARTS:
        place = package / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(f"{path.relative_to(package).as_posix()}\n".encode())
            digest.update(without_comments(path.read_text("utf-8")).encode())
    weights = sorted((package / "metrics").glob("*.npz"))
    for path in [*weights, *sorted(zoo_folder().glob("*/recipe.toml"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def without_comments(source: str) -> str:
    """Python source in a normal form without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body:
            continue
        first = body[0]
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            body[0] = ast.Pass()
    return ast.unparse(tree)
