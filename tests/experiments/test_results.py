import dataclasses
import json

import pytest

from keras_mixup_gan import storage
from keras_mixup_gan.experiments import read_results
from keras_mixup_gan.experiments.results import (
    RESULTS,
    ResultFiles,
    cell_key,
    write_results,
)
from tests.experiments import fake_results as fake


@pytest.fixture
def written(tmp_path):
    arm = dataclasses.replace(
        fake.DP,
        bound=0.9,
        utility=(fake.metric("precision", 0.7, neighbors=3),),
        extra={"shadow_attacks": (fake.shadow(0.8),), "num_pool": None},
    )
    results = fake.results(*fake.family(fake.UNDEFENDED, arm), missing=["a/1/b/2"])
    return results, write_results(results, tmp_path)


def test_what_is_read_is_what_was_written(written):
    results, path = written
    assert path.name == RESULTS
    assert read_results(path) == results


def at(content, *keys):
    for key in keys:
        content = content[key]
    return content


def seal(path, content):
    del content["digest"]
    storage.write_sealed(path, content)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("cells", 0, "seed"), "0", "seed: expected int, received '0'"),
        (("cells", 0, "seed"), True, "seed: expected int, received True"),
        (("cells", 0, "curve", 0, "quality", 0, "value"), None, "value: expected fl"),
        (("cells", 0, "curve", 0, "attacks"), {}, "attacks: expected"),
        (("cells", 0, "num_pool"), [1, 2, 3], "num_pool: expected"),
        (("cells", 0, "code"), "c0de", "unknown key 'code'"),
        (("suite", "seeds"), 3, "suite: seeds: expected"),
        (("suite", "batch_size"), 0, "`batch_size` must be"),
        (("schema_version",), 2, "schema_version=3. Received: schema_version=2"),
    ],
)
def test_whatever_is_not_as_it_was_written_is_one_sentence(
    written, keys, value, message
):
    _, path = written
    content = json.loads(path.read_text())
    at(content, *keys[:-1])[keys[-1]] = value
    seal(path, content)
    with pytest.raises(storage.DamagedFileError) as caught:
        read_results(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith("Choose another `--out`, or delete the file.")


@pytest.mark.parametrize("key", ["name", "curve", "key"])
def test_a_missing_field_is_named(written, key):
    _, path = written
    content = json.loads(path.read_text())
    del content["cells"][1][key]
    seal(path, content)
    with pytest.raises(storage.DamagedFileError, match=f"no key '{key}'"):
        read_results(path)


@pytest.mark.parametrize("content", ["", "[]", '{"cells": ', "\0"])
def test_other_files_are_one_sentence(tmp_path, content):
    path = tmp_path / RESULTS
    path.write_text(content)
    with pytest.raises(storage.DamagedFileError, match="cannot be read"):
        read_results(path)


def test_a_whole_number_is_read_where_a_float_is_meant(written):
    _, path = written
    content = json.loads(path.read_text())
    content["cells"][0]["cpu_seconds"] = 90
    seal(path, content)
    seconds = read_results(path).cells[0].cpu_seconds
    assert (seconds, type(seconds)) == (90.0, float)


def test_a_figure_that_was_changed_is_noticed(written):
    _, path = written
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))
    with pytest.raises(storage.DamagedFileError, match="digest is not that of its co"):
        read_results(path)


def test_other_options_lose_no_cell_that_the_results_file_alone_holds(tmp_path):
    results = fake.results(fake.cell(fake.UNDEFENDED, 0), seeds=(0,))
    cell = next(results.suite.cells(results.suite.blocks[0]))
    changes = {"key": cell_key(cell), "title": "Undefended"}
    entry = dataclasses.replace(results.cells[0], **changes)
    write_results(dataclasses.replace(results, cells=(entry,)), tmp_path)
    assert ResultFiles(results.suite.changed(seed=7), tmp_path).write().cells == ()
    assert ResultFiles(results.suite, tmp_path).entry(cell) == entry
