import ast
import sys
from pathlib import Path

import pytest

import keras_mixup_gan
from keras_mixup_gan import DPSGD
from keras_mixup_gan.privacy import epsilon, tfp
from tests.models.tiny import make
from tests.privacy.missing import without_privacy

PACKAGE = Path(keras_mixup_gan.__file__).parent


def test_one_module_alone_imports_tensorflow_privacy():
    users = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call):
                names = [
                    part.value
                    for arg in node.args
                    for part in ast.walk(arg)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
            if any(name.startswith("tensorflow_privacy") for name in names):
                users.add(path.relative_to(PACKAGE).as_posix())
    assert users == {"privacy/tfp.py"}


def test_the_import_hook_is_taken_back():
    tfp.load("dp_query.dp_query")
    assert not hasattr(sys, "skip_tf_privacy_import")


def test_missing_extra_is_one_sentence(monkeypatch):
    without_privacy(monkeypatch)
    for needs_it in (
        lambda: make(dp=DPSGD()),
        lambda: epsilon(0.1, 1.0, 10, 1e-5),
    ):
        with pytest.raises(ImportError, match=r"keras-mixup-gan\[dp\]") as caught:
            needs_it()
        assert "\n" not in str(caught.value)
    assert not hasattr(sys, "skip_tf_privacy_import")
    make()  # everything else works
