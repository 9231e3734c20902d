"""Any input at all: a right value or one sentence, nothing written, no gigabyte taken.

Archives and images are in `data/test_hostile_files.py`.
"""

import contextlib
import json
import resource
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy

from keras_mixup_gan import zoo
from keras_mixup_gan.data import load_images
from keras_mixup_gan.experiments import read_results
from keras_mixup_gan.experiments.suite import Suite
from keras_mixup_gan.models.presets import CONFIG, WEIGHTS, PresetFiles
from keras_mixup_gan.models.saving import load_gan, variables
from tests import doors
from tests.data.test_hostile_files import change, changed
from tests.doors import IMAGES, PRESET, keras_file, put, results
from tests.doors import given_files as given_files
from tests.doors import here as here
from tests.experiments.test_suite import TEXT
from tests.zoo.test_presets import replace_weights

pytestmark = pytest.mark.usefixtures("here")


def fuzz(max_examples):
    return settings(
        derandomize=True,
        deadline=None,
        max_examples=max_examples,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner)
    ),
    max_leaves=4,
)


@contextlib.contextmanager
def one_sentence_at_most():
    """Nothing is raised but a sentence, no file is written, and no gigabyte taken."""

    def state():
        files = {path: path.stat().st_mtime_ns for path in Path("..").rglob("*")}
        return files, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    files, peak = state()
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except ValueError as error:
        assert "\n" not in str(error)
    left, new_peak = state()
    assert left == files
    assert new_peak - peak < 2**20  # KiB


def places(content, *keys):
    """Where something stands in nested objects."""
    for key, value in content.items():
        yield *keys, key
        if isinstance(value, dict):
            yield from places(value, *keys, key)


def replaced(content, keys, value):
    first, *rest = keys
    return {**content, first: replaced(content[first], rest, value) if rest else value}


@pytest.mark.long
@fuzz(30)
@given(data=st.data())
def test_presets_with_any_settings(data):
    path = Path(PRESET, CONFIG)
    whole = path.read_text()
    content = json.loads(whole)
    keys = data.draw(st.sampled_from(list(places(content))))
    path.write_text(json.dumps(replaced(content, keys, data.draw(ANYTHING))))
    with one_sentence_at_most():
        zoo.from_preset(PRESET, compile=False)
    path.write_text(whole)


@fuzz(100)
@given(data=st.data())
def test_presets_of_any_bytes(data):
    path = Path(PRESET, data.draw(st.sampled_from([CONFIG, WEIGHTS])))
    whole, config = path.read_bytes(), Path(PRESET, CONFIG).read_bytes()
    spoilt = change(whole, data.draw(changed(whole)))
    if path.name == WEIGHTS:
        replace_weights(path.parent, spoilt)
    else:
        path.write_bytes(spoilt)
    shapes = {key: tuple(one.shape) for key, one in variables(doors.model()).items()}
    with one_sentence_at_most():
        PresetFiles.read(path.parent).arrays(shapes)
    path.write_bytes(whole)
    Path(PRESET, CONFIG).write_bytes(config)


@fuzz(8)
@given(data=st.data())
def test_saved_models_with_any_settings(data):
    with zipfile.ZipFile("in/model.keras") as archive:
        content = json.loads(archive.read("config.json"))
    keys = data.draw(st.sampled_from(list(places(content))))
    text = json.dumps(replaced(content, keys, data.draw(ANYTHING)))
    path = keras_file({"config.json": text})
    with one_sentence_at_most():
        load_gan(path)


@fuzz(8)
@given(data=st.data())
def test_saved_models_of_any_bytes(data):
    whole = Path("in/model.keras").read_bytes()
    put("model.keras", change(whole, data.draw(changed(whole))))
    with one_sentence_at_most():
        load_gan("model.keras")


LINES = [line for line in TEXT.splitlines() if " = " in line]
TOML = ANYTHING.filter(lambda value: value is not None).map(
    lambda value: json.dumps(value).replace("Infinity", "inf").replace("NaN", "nan")
)


@fuzz(100)
@given(line=st.sampled_from(LINES), value=TOML)
def test_suites_with_any_settings(line, value):
    key = line.partition(" = ")[0]
    put("mine.toml", TEXT.replace(line, f"{key} = {value}").encode())
    with one_sentence_at_most():
        suite = Suite.read("mine.toml")
        for block in suite.blocks:
            assert not any(".." in cell.name for cell in suite.cells(block))


@fuzz(100)
@given(how=changed(TEXT.encode()))
def test_suites_of_any_bytes(how):
    put("mine.toml", change(TEXT.encode(), how))
    with one_sentence_at_most():
        Suite.read("mine.toml")


@fuzz(30)
@given(data=st.data())
def test_results_of_any_bytes(data):
    path = results()
    whole = path.read_bytes()
    path.write_bytes(change(whole, data.draw(changed(whole))))
    with one_sentence_at_most():
        read_results(path)


@fuzz(100)
@given(
    labels=numpy.arrays(numpy.scalar_dtypes(), numpy.array_shapes(max_dims=2)),
    names=st.none() | numpy.arrays("U3", numpy.array_shapes(max_dims=1, max_side=9)),
)
def test_archives_with_any_labels(labels, names):
    more = {} if names is None else {"class_names": names}
    np.savez("d.npz", images=IMAGES, labels=labels, **more)
    with one_sentence_at_most():
        loaded = load_images("d.npz").labels
        np.testing.assert_array_equal(loaded, labels)
