"""Plugins: modules that register what audits, suites and workers know by name."""

import json
import os
import sys

import pytest

from keras_mixup_gan import registry
from keras_mixup_gan.attacks import ATTACKS
from keras_mixup_gan.experiments import Suite
from keras_mixup_gan.experiments.results import cell_key
from keras_mixup_gan.parallel import run_jobs
from tests.clusters import loopback_cluster

PLUGIN = """
import numpy as np
from dataclasses import dataclass
from keras_mixup_gan.attacks import Attack, register_attack
from keras_mixup_gan.data import data_set, register_data
from keras_mixup_gan.defenses import Defense, register_defense

@register_attack
class Mine(Attack):
    name, title, paper, requires = "{name}", "Mine", "none", frozenset()

    def _score(self, images, labels):
        return images.mean(axis=(1, 2, 3))

@register_defense
@dataclass(frozen=True)
class Slow(Defense):
    name, title, description = "{name}", "Slow", "none"
    ema_momentum: float = 0.5

images = np.random.default_rng(0).uniform(-1, 1, (300, 8, 8, 1))
register_data(data_set("{name}", lambda: images))
"""
SUITE = """
title = "Seconds"
plugins = ["{name}"]
attacks = ["logan", "{name}"]
batch_size = 20

[data]
data = "{name}"
non_members = 60
reference = 60

[arms.undefended]

[arms.{name}]
ema_momentum = 0.25

[[blocks]]
model = "dcgan"
members = [40]
width = 4
arms = ["undefended", "{name}"]
checkpoints = [2]
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a plugin and its suite; what it registers is gone after the test."""
    from keras_mixup_gan.data import SOURCES
    from keras_mixup_gan.defenses import DEFENSES

    known = (ATTACKS, DEFENSES, SOURCES, registry._PLUGINS)
    kept = [(one, dict(one)) for one in known]
    monkeypatch.setattr(sys, "path", list(sys.path))
    written = []

    def write(name):
        written.append(name)
        code, suite = tmp_path / f"{name}.py", tmp_path / f"{name}.toml"
        code.write_text(PLUGIN.format(name=name))
        suite.write_text(SUITE.format(name=name))
        return suite

    yield write
    for one, before in kept:
        one.clear()
        one.update(before)
    for name in written:
        sys.modules.pop(name, None)


def cells(suite):
    return list(suite.cells(suite.blocks[0]))


def test_a_suite_names_what_its_plugins_register(plugin):
    suite = Suite.read(plugin("named_one"))
    undefended, slow = cells(suite)[:2]
    assert suite.attacks == undefended.attacks == ("logan", "named_one")
    assert (slow.title, slow.defense.ema_momentum) == ("Slow", 0.25)
    assert slow.data.split(40, 0).image_shape == (8, 8, 1)


def test_results_depend_on_the_code_and_the_images_of_plugins(plugin, tmp_path):
    path = plugin("named_two")
    undefended, slow = cells(Suite.read(path))[:2]
    keys = cell_key(undefended), cell_key(slow)
    assert (cell_key(undefended), cell_key(slow)) == keys
    code = tmp_path / "named_two.py"
    code.write_text(f"{code.read_text()}\n# changed")
    assert all(map(str.__ne__, (cell_key(undefended), cell_key(slow)), keys))
    path.write_text(path.read_text().replace("attacks = ", "# "))
    without = cells(Suite.read(path))[0]
    assert without.attacks == ()
    key = cell_key(without)
    code.write_text(f"{code.read_text()} again")
    assert cell_key(without) == key  # undefended, attacked by none of its own


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("plugins = [", 'plugins = ["no_module", '),
            "'no_module' cannot be imp",
        ),
        (('["logan", ', '["lira", '), "'lira', which needs models of its own"),
        (('["logan", ', '["logan", "logan", '), "'logan', which is there twice"),
        (('["logan", ', '["logann", '), "Unknown `attacks`.*'logann'.*mean 'logan'"),
        (('["logan", ', '["logan", 3, '), "attacks: expected str, received 3"),
    ],
)
def test_what_is_wrong_with_attacks_and_plugins_is_one_sentence(
    plugin, change, message
):
    path = plugin("named_three")
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(ValueError, match=message):
        Suite.read(path)


def test_a_plugin_that_fails_or_is_refused_says_why(plugin, tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(ValueError, match=r"'broken' cannot .*ZeroDivisionError"):
        registry.load_plugins(["broken"], tmp_path)
    plugin("logan")
    with pytest.raises(ValueError, match=r"'logan' is taken by keras_mixup_gan"):
        registry.load_plugins(["logan"], tmp_path)
    assert registry.loaded_plugins() == ()


def test_commands_are_told_of_plugins(plugin, tmp_path, monkeypatch, capsys):
    from tests.command_line import run

    plugin("named_four")
    monkeypatch.chdir(tmp_path)
    listed = ("audit", "--attacks", "list")
    _, output = run(monkeypatch, capsys, "--plugin", "named_four", *listed)
    assert "named_four" in output.out and "Mine; needs nothing" in output.out
    words = ("--plugin", "named_four", "train", "dcgan", "--data", "named_four")
    code, output = run(monkeypatch, capsys, *words, "--dry-run")
    assert (code, '"data": "named_four"' in output.out) == (0, True)
    words = ("--plugin", "named_four", "compare", "--data", "named_four", "--dry-run")
    code, output = run(monkeypatch, capsys, *words)
    options = json.loads(output.out)["options"]
    assert (code, options) == (0, ["--plugin=named_four", "--data=named_four"])
    code, output = run(monkeypatch, capsys, "--plugin", "absent", *listed)
    assert code == 2 and "The plugin 'absent' cannot be imported" in output.err


def knows(name):
    return name in ATTACKS and os.getpid()


@pytest.mark.long
def test_workers_know_what_plugins_registered(plugin, tmp_path):
    plugin("named_five")
    registry.load_plugins(["named_five"], tmp_path)
    names = ["named_five", "logan"]
    pytest.importorskip("distributed")
    with loopback_cluster(tmp_path) as (address, _):
        for where in ({"n_jobs": 2}, {"scheduler": address}):
            workers = dict(run_jobs(knows, names, **where))
            assert not {False, os.getpid()} & set(workers.values())
