"""Every example of a docstring runs as it stands, on a world of a few digits."""

import ast
import doctest
import functools
import importlib
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup_gan
from keras_mixup_gan import attacks, data, models, zoo

PACKAGE = Path(keras_mixup_gan.__file__).parent
# As in an example, but quick: the smallest model, and the least of every effort.
QUICK = [
    (r"zoo\.dcgan\(", r"\g<0>width=2, latent_dim=4, "),
    (r"\bepochs=\d+", "epochs=1, batch_size=4"),
    (r"\bfit=\{.*?\}", 'fit={"epochs": 1, "batch_size": 4}'),
    (r"(\b(?:every|n_jobs)=)\d+", r"\g<1>1"),
    (r"\bbudget=\d+", "budget=7"),
    (r"\bnum_samples=\d+", "num_samples=200"),
    (r"reference=reference\)", 'reference=reference, attacks=["logan"])'),
    (r"\bnum_shadows=\d+", "num_shadows=2"),
    (
        r"\bnum_models=\d+",
        'num_models=4, signals=["critic", "nearest"], num_samples={"nearest": 100}',
    ),
]


def examples():
    """The module and the text of each docstring with an example."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if re.search(r"Examples?:|```|>>>", text):
                    name = getattr(node, "name", "module")
                    yield pytest.param(module, text, id=f"{module}.{name}")


def idle_step(model, data):
    """A step of training without updates."""
    return model.finish_step(tf.zeros(()), tf.zeros(()))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """What examples take for granted: images, models of them, and what those made."""
    images, labels = data.load_images("digits")
    members, non_members, reference = images[:32], images[32:64], images[64:128]
    small = functools.partial(zoo.dcgan, width=2, latent_dim=4)
    model = small(seed=0)
    shadows = attacks.train_shadows(
        *(lambda images, labels, seed: small(seed=seed), images[:64]),
        folder=tmp_path_factory.mktemp("shadows"),
        num_shadows=4,
        signals=["critic", "nearest"],
        num_samples={"nearest": 100},
    )
    return {
        **{"np": np, "tf": tf, "keras": keras, "keras_mixup_gan": keras_mixup_gan},
        **{"images": images[:64], "labels": labels[:64], "model": model},
        **{"members": members, "non_members": non_members, "reference": reference},
        "other": small(seed=1),
        "target": attacks.AttackTarget.from_model(model, reference),
        "shadows": shadows,
        "report": keras_mixup_gan.audit(
            model, members, non_members, attacks=["logan", "dpi"]
        ),
    }


@pytest.mark.parametrize(("module", "text"), list(examples()))
def test_an_example_runs(module, text, world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Training is compiled anew for each model: here it leaves weights as they are.
    monkeypatch.setattr(models.GAN, "train_step", idle_step)
    names = {**vars(importlib.import_module(module)), **world}
    snippets = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for snippet in snippets:
        for pattern, quick in QUICK:
            snippet = re.sub(pattern, quick, snippet)
        exec(snippet, names)
    session = doctest.DocTestParser().get_doctest(text, names, module, None, 0)
    assert snippets or session.examples
    printed = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(session, out=printed.append)
    assert runner.failures == 0, "".join(printed)
