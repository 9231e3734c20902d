"""Every example of a docstring runs as it stands, but for sizes: it trains less."""

import ast
import dataclasses
import doctest
import functools
import importlib
import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup_gan
from keras_mixup_gan import attacks, data, zoo

PACKAGE = Path(keras_mixup_gan.__file__).parent
SMALLER = {"epochs": 1, "num_shadows": 4, "n_jobs": 1, "budget": 5}
SHAPE, NUM_CLASSES = (28, 28, 1), 10
FIT = {"epochs": 1, "batch_size": 8}


def examples():
    """Module, name, and text of each docstring with an example."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node) or ""
                if "```python" in text or ">>>" in text:
                    name = getattr(node, "name", "module")
                    yield pytest.param(module, text, id=f"{module[16:]}.{name}")


def images(number, seed):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (number, *SHAPE)).astype("float32")


def small_model(**arguments):
    return zoo.dcgan(SHAPE, width=4, latent_dim=4, seed=0, **arguments)


# What an example takes for granted, made when one names it.
GIVEN = {
    "model": small_model,
    "other": small_model,
    "model_of_other_images": small_model,
    "images": lambda: images(64, 0),
    "labels": lambda: np.arange(64) % NUM_CLASSES,
    "latents": lambda: np.zeros((2, 4), "float32"),
    "members": lambda: images(16, 1),
    "member_labels": lambda: np.arange(16) % 2,
    "non_members": lambda: images(16, 2),
    "reference": lambda: images(16, 3),
    "other_images": lambda: images(16, 4),
    "first_images": lambda: images(8, 5),
    "second_images": lambda: images(8, 6),
    "held_out": lambda: images(16, 7),
    "held_out_labels": lambda: np.arange(16) % 2,
    "others": lambda: images(32, 8),
    "queries": lambda: images(4, 9),
    "split": lambda: data.MembershipSplit.from_parts(images(16, 1), images(16, 2)),
    "checkpoints": lambda: [1],
    "step": lambda: 3,
    "shape": lambda: SHAPE,
    "fit": lambda: FIT,
    "generator": lambda: given("model").generator,
    "discriminator": lambda: given("model").discriminator,
    "target": lambda: attacks.AttackTarget.from_model(
        given("model"), given("reference")
    ),
    "report": lambda: keras_mixup_gan.audit(
        given("model"), given("members"), given("non_members"), attacks=["logan"]
    ),
}


@functools.cache
def given(name):
    return GIVEN[name]()


@pytest.fixture(scope="module")
def shadows(tmp_path_factory):
    """The figures of four models of one epoch."""
    return attacks.train_shadows(
        given("model"),
        np.concatenate([given("members"), given("non_members")]),
        folder=tmp_path_factory.mktemp("shadows"),
        num_shadows=4,
        signals=["critic", "nearest"],
        fit=FIT,
    )


def in_place_of(function, result):
    """A function that takes the same arguments and gives what was made already."""
    signature = inspect.signature(function)

    def replaced(*args, **kwargs):
        signature.bind(*args, **kwargs)
        return result()

    return replaced


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("module", "text"), list(examples()))
def test_every_example_runs(module, text, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    words = set(re.findall(r"\w+", text))
    audit = in_place_of(keras_mixup_gan.audit, lambda: given("report"))
    monkeypatch.setattr(keras_mixup_gan, "audit", audit)
    names = {name: given(name) for name in words & GIVEN.keys()}
    names |= vars(attacks) | {name: getattr(attacks, name) for name in dir(attacks)}
    names |= vars(importlib.import_module(module))
    names |= {"np": np, "tf": tf, "keras": keras, "zoo": zoo, "audit": audit}
    names |= {"keras_mixup_gan": keras_mixup_gan, "dataclasses": dataclasses}
    if "shadows" in words:
        made = request.getfixturevalue("shadows")
        trained = in_place_of(attacks.train_shadows, lambda: made)
        names |= {"shadows": made, "train_shadows": trained}
    if "labels" in words and "train_on_generated" in words:
        names["model"] = small_model(num_classes=NUM_CLASSES)
    if "load_gan" in words:
        given("model").save("model.keras")
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        for name, size in SMALLER.items():
            code = re.sub(rf"\b({name}\W*[=:] ?)\d+", rf"\g<1>{size}", code)
        exec(code, names)
    parsed = doctest.DocTestParser().get_doctest(text, names, module, module, 0)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    printed = []
    runner = doctest.DocTestRunner(optionflags=options)
    runner.run(parsed, out=printed.append)
    assert runner.failures == 0, "".join(printed)
