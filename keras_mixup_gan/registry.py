"""Registries of attacks, defenses and data sets by name, and plugins that add to them.

A plugin is a module that registers what it defines when it is imported. It is code, and
runs with the rights of whoever names it.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from keras_mixup_gan.storage import digest_file

_PACKAGE = __name__.partition(".")[0]
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
# Of each plugin that was loaded the folder it may lie in, for workers to load it too.
_PLUGINS: dict[str, str] = {}


def register(registry: dict[str, Any], name: Any, variant: Any) -> None:
    """Enters a variant by its name, unless another one has taken that.

    What is defined again at the same place, as in a notebook, replaces itself.
    """
    check_name(name)
    taken = registry.get(name)
    if taken is not None and _place(taken) != _place(variant):
        raise ValueError(
            f"The name {name!r} is taken by {_place(taken)}. Expected a name of its "
            f"own. Received: {_place(variant)}. Choose another."
        )
    registry[name] = variant


def check_name(name: Any, *reserved: str) -> None:
    """Raises unless commands, suites and files can call a variant by this name."""
    if isinstance(name, str) and _NAME.fullmatch(name) and name not in reserved:
        return
    but = f", but not {' or '.join(map(repr, reserved))}" if reserved else ""
    raise ValueError(
        "A name is what commands, suites and results call a variant. Expected a small "
        f"letter, then at most 39 small letters, digits, '_' and '-'{but}. Received: "
        f"name={name!r:.80}. Choose another."
    )


def check_attributes(
    kind: Any, base: type, wrong: Callable[[Any], Iterable[str]]
) -> None:
    """Raises if anything is wrong with a class that is to be registered.

    `wrong` tells what, of a subclass of the base.
    """
    is_one = isinstance(kind, type) and issubclass(kind, base)
    if problems := "; ".join(wrong(kind) if is_one else ["something else"]):
        name = getattr(kind, "__qualname__", repr(kind))
        raise ValueError(
            f"{name:.80} cannot be registered. Expected a subclass of "
            f"`{base.__name__}` with all that its docstring asks for. Received: "
            f"{problems}. Mend the class."
        )


def lacks_text(kind: type, *names: str) -> list[str]:
    """Sentences on the attributes that are not there, or no text."""
    found = {name: getattr(kind, name, None) for name in names}
    return [
        f"no text for `{name}`"
        for name, text in found.items()
        if not (isinstance(text, str) and text.strip())
    ]


def code_digest(variant: Any) -> str | None:
    """SHA-256 of the file that defines a variant; None for those of this library.

    Who changes a number of this library raises `RESULTS_VERSION`; a plugin has none.
    """
    defined = _definition(variant)
    if defined.__module__.partition(".")[0] == _PACKAGE:
        return None
    try:
        return digest_file(Path(inspect.getsourcefile(defined) or "")) or ""
    except (OSError, TypeError):  # typed into an interpreter
        return ""


def load_plugins(plugins: Iterable[str], folder: Path | None = None) -> None:
    """Imports modules that register attacks, defenses or data sets.

    Args:
        plugins: Names of modules, as Python imports them.
        folder: Where modules are looked for that are not installed.

    Raises:
        ValueError: If one cannot be imported, or what it registers is refused.
    """
    for name in plugins:
        if folder is not None and str(folder) not in sys.path:
            sys.path.append(str(folder))
        try:
            importlib.import_module(name)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ValueError(
                f"The plugin {name!r} cannot be imported. Expected the name of a "
                f"module that is installed{f', or lies in {folder}' if folder else ''}."
                f" Received: {reason:.300}. Install or mend it."
            ) from error
        _PLUGINS[name] = "" if folder is None else str(folder)


def loaded_plugins() -> tuple[tuple[str, str], ...]:
    """What `reload_plugins` takes in another process."""
    return tuple(_PLUGINS.items())


def reload_plugins(plugins: Iterable[tuple[str, str]]) -> None:
    """Loads what another process has loaded."""
    for name, folder in plugins:
        load_plugins([name], Path(folder) if folder else None)


def _definition(variant: Any) -> Any:
    """The class, or the function that a data set is loaded by."""
    return variant if isinstance(variant, type) else variant.load


def _place(variant: Any) -> str:
    defined = _definition(variant)
    return f"{defined.__module__}.{defined.__qualname__}"
