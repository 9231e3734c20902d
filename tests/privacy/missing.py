"""An environment without the extra `dp`."""

import importlib


def without_privacy(monkeypatch):
    load = importlib.import_module

    def refuse(name, package=None):
        if name.startswith(("tensorflow_privacy", "dp_accounting")):
            raise ImportError(f"No module named '{name}'")
        return load(name, package)

    monkeypatch.setattr(importlib, "import_module", refuse)
