"""Every door: what is put in, and the one sentence or the right value that comes out.

The tables are numbered by the kind of mistake, one line a case.
"""

import re
import shlex
import shutil
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD, MixUp, metrics, privacy, statistics, storage, zoo
from keras_mixup_gan.attacks.samples import nearest
from keras_mixup_gan.cli.console import printable
from keras_mixup_gan.data import load_images
from keras_mixup_gan.data.classes import numbered_by
from keras_mixup_gan.models.presets import CONFIG
from keras_mixup_gan.models.saving import load_gan
from keras_mixup_gan.reports import render
from keras_mixup_gan.statistics import leaks, roc
from tests import doors
from tests.attacks.fakes import FakeGAN, images
from tests.command_line import run
from tests.data.test_hostile_files import archive, claim, foreign, png
from tests.doors import (
    FEATURES,
    IMAGES,
    INF,
    LABELS,
    NAN,
    SQUARE,
    WHOLE,
    arguments,
    arrays,
    audited,
    batches,
    build,
    config,
    counters,
    fit,
    listing,
    model,
    of_classes,
    plain,
    preset,
    profile,
    put,
    sealed,
    uint16,
    written,
)
from tests.doors import given_files as given_files
from tests.doors import here as here
from tests.experiments.test_suite import TEXT
from tests.models import tiny

pytestmark = pytest.mark.usefixtures("here")
TARGET = DPSGD(target_epsilon=2.0, delta=1e-3)
BRIGHT = tiny.random_images(32) / 2 + 0.5
SWAPPED = keras.optimizers.Adam(use_ema=True)
PIXELS = metrics.pixel_features((8, 8, 1))


# === Refused from Python ===

REFUSED = {
    1: [
        (lambda: fit(dp=TARGET, steps_per_epoch=np.int64(0)), "`steps_per_epoch` must"),
        (lambda: fit(dp=TARGET, steps_per_epoch="2"), "`steps_per_epoch` must"),
        (lambda: fit(dp=TARGET, steps_per_epoch=NAN), "`steps_per_epoch` must"),
        (lambda: DPSGD(noise_multiplier=NAN), "`noise_multiplier` must"),
        (lambda: DPSGD(target_epsilon=NAN, delta=0.1), "`target_epsilon` must"),
        (lambda: privacy.epsilon(0.1, 1.0, 2.5, 1e-3), "`steps` must"),
        (lambda: counters(steps=True), "not say how it was trained"),
        (lambda: counters(steps="20"), "not say how it was trained"),
    ],
    2: [
        (lambda: fit(batches(IMAGES * 255).apply(MixUp())), r"lie in \[-1, 1\]"),
        (lambda: fit(batches(IMAGES * NAN).apply(MixUp())), r"lie in \[-1, 1\]|finite"),
        (lambda: fit(batches(IMAGES - 1), mixup="paper"), r"lie in \[-1, 1\]"),
        (lambda: fit(batches(IMAGES * INF).apply(MixUp(noise_stddev=1.0))), "lie in"),
    ],
    3: [
        (lambda: metrics.quality(BRIGHT, IMAGES, PIXELS), "look like"),
        (lambda: metrics.quality(IMAGES, BRIGHT, PIXELS), "look like"),
        (lambda: audited(images(40, 3) / 2 + 0.5, attacks="gan_leaks"), "look like"),
        (lambda: audited(FakeGAN(), members=images(40, 3) / 2 + 0.5), "look like"),
        (lambda: load_images(BRIGHT, value_range=(0.0, 0.5)), "must lie in"),
    ],
    4: [
        (lambda: metrics.frechet_distance(FEATURES, FEATURES * NAN), "must be finite"),
        (lambda: metrics.frechet_distance(FEATURES * INF, FEATURES), "must be finite"),
        (lambda: metrics.kernel_distance(FEATURES, FEATURES * NAN), "must be finite"),
        (lambda: model().score(IMAGES * NAN, LABELS), "`images` must be finite"),
        (lambda: doors.diverged().generate(2), "the model has diverged"),
        (lambda: plain().decode(np.full((2, 4), NAN)), "the model has diverged"),
        (lambda: statistics.auc([NAN, 1.0], [0.0]), "`member_scores` must be finite"),
    ],
    5: [
        (lambda: plain().train_on_batch(IMAGES * 2), r"lie in \[-1, 1\]"),
        (lambda: plain().test_on_batch(IMAGES * NAN), "must be finite"),
        (lambda: plain().evaluate(batches(IMAGES * 9), verbose=0), "lie in"),
        (lambda: fit(validation_data=batches(IMAGES * NAN)), "lie in|finite"),
        (lambda: model().test_on_batch(IMAGES, LABELS + 7), "0 to 2"),
        (lambda: model().test_on_batch(IMAGES, np.eye(8)[:, :3] * NAN), "of sum 1"),
        (lambda: model().score(IMAGES, LABELS[:3]), "must be"),
        (lambda: fit([IMAGES, IMAGES[:3]]), "must be"),
    ],
    6: [
        (lambda: plain().compile("adam", "adam", weighted_metrics=["mse"]), "no `wei"),
        (lambda: plain().compile("adam", SWAPPED), "use_ema"),
        (lambda: plain().compile(d_optimizer="adam"), "two optimizers"),
        (lambda: plain().evaluate(IMAGES, sample_weight=LABELS), "sample_weight"),
        (lambda: plain().test_on_batch(IMAGES, sample_weight=LABELS), "sample_weight"),
        (lambda: fit(callbacks=[[keras.callbacks.SwapEMAWeights()]]), "SwapEMAWeights"),
        (lambda: fit(batches(IMAGES), validation_split=0.5), "`validation_split`"),
    ],
    8: [
        (lambda: build("wgan_gp", dtype="float64"), "dtype='float64'"),
        (lambda: build(dtype="int8"), "policy=int8"),
        (lambda: build(dtype=tf.float64), "dtype='float64'"),
        (lambda: build(dtype="float16", dp=DPSGD()), "dtype='float16'"),
        (lambda: arguments(dtype="mixed_float8"), "dtype='mixed_float8'"),
    ],
    10: [
        (lambda: model().save("model.h5"), "two networks"),
        (lambda: model().save("model"), "extension"),
        (lambda: model().save_weights("model.txt"), r"filepath=model\.txt"),
        (lambda: model().get_layer("generators"), "No such layer: generators"),
        (lambda: model().export("model", format="onnxx"), "format=onnxx"),
    ],
    11: [
        (lambda: audited(None), "model=None"),
        (lambda: audited(3), "model=3"),
        (lambda: audited("no such folder"), "'no such folder'"),
        (lambda: audited(FakeGAN(), attacks="logan_mixup"), "No attack could be run"),
        (lambda: audited(images(30, 3), attacks="logan"), "No attack could be run"),
        (lambda: audited(lambda n: None, attacks="gan_leaks"), "No attack could"),
        (lambda: audited(images(30, 3, (5, 5, 1))), "images of shape"),
    ],
    12: [
        (lambda: statistics.auc([], [1.0]), "one or more scores|at least one score"),
        (lambda: roc.delong_interval([1.0], [0.0, 2.0], 1.0), "`confidence` must lie"),
        (lambda: roc.clopper_pearson(3, 2), "must not exceed `trials`"),
        (lambda: profile([1.0], steps=-1), "`steps` must be"),
        (lambda: profile([1.0], noise=NAN), "`noise_multiplier` must"),
        (lambda: profile([NAN, 1.0]), "`epsilons` must be numbers"),
    ],
    13: [
        (lambda: build(image_shape="8x8"), "`image_shape` must be"),
        (lambda: build(image_shape=8), "`image_shape` must be"),
        (lambda: build(image_shape=(8.5, 8, 1)), "`height` must be"),
        (lambda: build("stylegan_lite", image_shape=("8", 8, 1)), "`height` must be"),
        (lambda: MixUp(alpha="1"), "`alpha` must be"),
        (lambda: build(mixup="papr"), "`mixup` must be"),
        (lambda: build(dp=1.0), "`dp` must be settings"),
        (lambda: load_images("C:\\images\\cats"), "There is no folder or file"),
    ],
    14: [
        (lambda: numbered_by(("a",), np.array([0]), ("A",), "data"), "Received: 'A'"),
        (lambda: model().fit(of_classes("x", "b"), verbose=0), "Received: 'x'"),
        (lambda: build(num_classes=3, class_names=["a", "b"]), "Expected 3 different"),
        (lambda: arguments(class_names=["a", "a", "b"]), "Expected 3 different names"),
        (lambda: arguments(class_names="abc"), "names of the classes"),
        (lambda: arrays(images=IMAGES, labels=LABELS, class_names=["a"]), "different"),
        (lambda: audited(model(), members=of_classes("a", "z")), "Received: 'z'"),
    ],
    15: [
        (lambda: listing("a.gif", "b.jp2"), "2 other files"),
        (lambda: listing("a.png", "cat/b.png"), "both directly and in"),
        (lambda: listing(links=[("a.png", "a.png")]), "a link to nothing"),
        (lambda: listing(links=[("up", "../new"), ("me", ".")]), "holds no images"),
    ],
    17: [
        (lambda: load_images(uint16(9, "uint32")), "dtype=uint32"),
        (lambda: load_images(uint16(-3, "int8")), "dtype=int8"),
        (lambda: arrays(images=uint16(9)), "dtype=uint16"),
        (lambda: load_images(uint16(9), value_range=(0, 8)), "9"),
        (lambda: load_images(uint16(9), value_range=(0, 0)), "ascending order"),
    ],
    18: [
        (lambda: arguments(width=4096), "far larger than its file"),
        (lambda: arguments(latent_dim=2.5), "`latent_dim` must be"),
        (lambda: arguments(latent_dim=True), "`latent_dim` must be"),
        (lambda: arguments(num_classes=10**30), "`num_classes` must be at most"),
        (lambda: arguments(image_shape=[8, 8, True]), "three positive integers"),
        (lambda: arguments(dp={"engine": "os.system"}), "Unknown `engine`"),
        (lambda: preset(lambda held: held.update({"../x": SQUARE})), "another model"),
        (lambda: preset(**{"class": "../dcgan"}), "Unknown `class`"),
        (lambda: preset(counters=[]), "not complete"),
        (lambda: zoo.from_preset("../../etc"), r"no preset '\.\./\.\./etc'"),
        (lambda: load_gan(shutil.copy(doors.MODEL, "model.h5")), r"ends in \.keras"),
        (lambda: load_gan("in"), r"ends in \.keras"),
        (lambda: config("[" * 10**5), "could not be read as a model"),
        (lambda: config("1" * 10**5), "could not be read as a model"),
        (lambda: config("null"), "could not be read as a model"),
        (lambda: config('{"module": "os", "class_name": "system"}'), "no model of"),
        (lambda: load_gan(doors.keras_file({"model.weights.h5": b""})), "could not"),
    ],
    19: [
        (lambda: arrays(images=IMAGES, labels=np.full(8, 2**64 - 1)), "0 to 65535"),
        (lambda: arrays(images=IMAGES, labels=np.full(8, 10**6)), "lie in 0 to 65535"),
        (lambda: arrays(images=IMAGES, labels=LABELS - 1), "labels of d.npz` must lie"),
        (lambda: arrays(images=IMAGES, labels=LABELS[:3]), "labels of d.npz` must be"),
        (lambda: arrays(labels=LABELS), "no array called 'images'"),
        (lambda: arrays(images=np.zeros(3, [("a", "i4")])), "images of d.npz` must be"),
        (lambda: arrays(images=IMAGES.astype("complex64")), "images of d.npz` must be"),
    ],
    23: [
        (lambda: sealed("0.5", "0.4"), "its digest is not"),
        (lambda: sealed('"step": 2,', ""), "its digest is not"),
        (lambda: sealed('"digest"', ""), "'state.json' cannot be read"),
        (lambda: sealed("0.5", "NaN"), "NaN is no JSON"),
        (lambda: doors.changed_results(lambda t: t.replace("0.", "0.1", 1)), "digest"),
        (lambda: doors.changed_results(lambda t: t[:-999]), "cannot be read"),
    ],
    24: [
        (lambda: written("a.json", auc=NAN), "not JSON compliant: nan"),
        (lambda: written("a.json", auc=[-INF]), "not JSON compliant: -inf"),
        (lambda: written("a" * 300), "File name too long"),
        (lambda: storage.check_outside(Path("in/a"), data="in"), "among the images"),
    ],
}


def rows(table):
    return [
        pytest.param(*row, id=f"{kind}-{number}")
        for kind, of_kind in table.items()
        for number, row in enumerate(of_kind)
    ]


@pytest.mark.filterwarnings("ignore:The data set is mixed")
@pytest.mark.parametrize(("call", "said"), rows(REFUSED))
def test_what_is_refused(call, said):
    with warnings.catch_warnings(action="ignore"):
        with pytest.raises(ValueError, match=said) as caught:
            call()
    assert "\n" not in str(caught.value)


# === Right values ===

VALUES = {
    1: [
        (lambda: privacy.epsilon(0.1, 1.0, 0, 1e-3), 0),
        (lambda: privacy.epsilon(0.1, 0.0, 1, 1e-3), INF),
    ],
    9: [
        (lambda: doors.examples(leaks), 0),
        (lambda: doors.examples(nearest), 0),
        (lambda: doors.examples(privacy.accounting), 0),
    ],
    10: [
        (lambda: model().get_layer("ema_generator") is model().ema_generator, True),
        (lambda: len({w.path for w in model().weights}), len(model().weights)),
    ],
    12: [
        (lambda: roc.delong_interval([1.0], [0.0, 2.0]), (0, 1)),
        (lambda: np.argsort(profile([3.0, 1.0, 2.0])), [0, 2, 1]),
    ],
    15: [
        (lambda: len(listing("a.png", links=[("up", "../new"), ("me", ".")])[0]), 1),
        (lambda: listing("a/1.png", links=[("b", "a"), ("a/b", "..")]).labels, [0]),
        (lambda: len(listing("a/1.png", links=[("a/2.png", "1.png")]).images), 2),
    ],
    24: [
        (lambda: storage.finite([INF, {"b": NAN}]) == [None, {"b": None}], True),
        (lambda: printable("a\x07\x9b\n\tb\x7f"), "a\\x07\\x9b\n\tb\\x7f"),
        (lambda: doors.private_mode("s.npz"), 0o600),
        (lambda: render.escape_markdown("<b>|`"), "&lt;b&gt;\\|\\`"),
    ],
}


@pytest.mark.parametrize(("call", "value"), rows(VALUES))
def test_what_is_right(call, value):
    with warnings.catch_warnings(action="ignore"):
        np.testing.assert_array_equal(call(), value)


# === Told in a warning ===

TOLD = {
    3: [
        (lambda: fit(BRIGHT, batch_size=16), r"range \[0, 1\]"),
        (lambda: fit(batches(BRIGHT, size=16)), r"\[0, 1\]"),
        (lambda: load_images(BRIGHT), r"\[0, 1\]"),
    ],
    7: [
        (lambda: listing("a.png", "b.svg"), r"1 other files, the first being .*b\.svg"),
        (lambda: listing("a.png", "b.mp4", "c.psd"), r"2 other files, .*b\.mp4"),
        (lambda: listing("a/1.png", "a/2.jxl"), r"1 other files, .*2\.jxl"),
        (lambda: listing("a.png", links=[("b.png", "b.png")]), r"b\.png, a link to no"),
        (lambda: listing("a.png", "b.png.part"), r"b\.png\.part"),
    ],
    14: [
        (lambda: listing("a/1.png", "b/1.gif"), "No images of their own .*'b'"),
        (lambda: listing("a/1.png", "b/c/1.gif", "d/1.gif"), "in 2 sub-folders"),
        (lambda: listing("b/1.png", links=[("a", "b")]), "first being 'a'"),
    ],
    17: [
        (lambda: load_images(uint16(4095), value_range=(0, 65535)), "nearly black"),
        (lambda: load_images(uint16(1023), value_range=(0, 65535)), "nearly black"),
        (lambda: load_images(uint16(255), value_range=(0, 4095)), "nearly black"),
    ],
}


@pytest.mark.parametrize(("call", "said"), rows(TOLD))
def test_what_is_told_once(call, said):
    with pytest.warns(UserWarning, match=said) as told:
        call()
    assert len(told) == 1


# === Files ===

FILES = {
    16: [
        ("a.jpg", lambda: foreign("gif"), r"a\.jpg"),
        ("a.webp", lambda: foreign("tiff"), r"a\.webp"),
        ("a.bmp", lambda: foreign("ppm"), r"a\.bmp"),
        ("a.png", lambda: foreign("ico"), r"a\.png"),
        ("a.jpeg", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", r"a\.jpeg"),
        ("a.png", lambda: png(2**16, 2**15), r"a\.png"),
        ("a.png", lambda: b"", r"a\.png"),
        ("a.bmp", lambda: b"BM" + b"\xff" * 60, r"a\.bmp"),
    ],
    17: [
        ("a.png", lambda: png(depth=16), "8 bits per channel"),
        ("a/b.png", lambda: png(depth=16, color=2), "8 bits per channel"),
        ("a/b.png", lambda: png(depth=16, color=6), "8 bits per channel"),
    ],
    18: [
        ("m.keras", lambda: b"", r"m\.keras could not be read"),
        ("m.keras", lambda: archive(config_npy=WHOLE), r"m\.keras could not be read"),
        ("m.h5", lambda: b"\x89HDF\r\n\x1a\n", r"ends in \.keras"),
        ("preset.json", lambda: b'{"format": 1e999}', "no preset"),
        ("preset.json", lambda: b'{"format": 1, "format": 2}', "format=2"),
        ("preset.json", lambda: b"\xff\xfe", "no preset"),
    ],
    19: [
        ("d.npz", lambda: archive(images_npy=WHOLE)[:-30], r"d\.npz"),
        ("d.npz", lambda: archive(images_npy=claim((64,), "|S1")), r"d\.npz"),
        ("d.npz", lambda: archive(images_npy=WHOLE, labels_npy=claim((8,))), "labels"),
        ("d.npz", lambda: archive(images_npy=WHOLE, class_names_npy=WHOLE), "names"),
        ("d.npz", lambda: archive(images_npy=archive(images_npy=WHOLE)), r"d\.npz"),
    ],
}


def read(path):
    """What a user would read such a file with."""
    if path.name == CONFIG:
        return zoo.from_preset(path.parent)
    if path.suffix in (".keras", ".h5"):
        return load_gan(path)
    return load_images(path if path.suffix == ".npz" else "new")


@pytest.mark.parametrize(("name", "content", "said"), rows(FILES))
def test_which_files_are_refused(name, content, said):
    path = put(f"new/{name}", content())
    with pytest.raises(ValueError, match=said) as caught:
        read(path)
    assert "\n" not in str(caught.value)


# === Suites ===

SUITES = {
    20: [
        ("members = [40]", "members = [40.0]", "expected int"),
        ("members = [40]", "members = [inf]", "expected int"),
        ("batch_size = 20", "batch_size = true", "batch_size: expected int"),
        ("batch_size = 20", "batch_size = 0", "`batch_size` must be"),
        ("delta = 1e-3", "delta = '1e-3'", "delta: expected"),
        ("delta = 1e-3", "delta = 0.0", "`delta` must be"),
        ("delta = 1e-3", "delta = 1979-05-27", "delta: expected"),
        ("delta = 1e-3", "path = 3", "unknown key 'path'"),
        ("delta = 1e-3", "options = []", "unknown key 'options'"),
        ('model = "dcgan"', 'model = "../dcgan"', "Unknown `model`"),
        ("[arms.u", '[arms.".hidden"]\n[arms.u', "become names of folders"),
        ("[arms.u", '[arms."a/b"]\n[arms.u', "become names of folders"),
        ("[arms.u", '[arms."CON\\n"]\n[arms.u', "become names of folders"),
        ("[arms.u", f"[arms.{'a' * 300}]\n[arms.u", "become names of folders"),
        ('data = "digits"', "data = 3", "data: expected"),
        ('data = "digits"', 'data = "digits"\nimage_shape = [8, 8]', "image_shape"),
        ("non_members = 60", "non_members = -60", "`non_members` must be"),
        ("noise_multiplier = 8.0", "noise_multiplier = inf", "finite number above 0"),
        ("noise_multiplier = 8.0", "noise_multiplier = [8.0]", "arms: expected"),
        ("checkpoints = [3]", "checkpoints = [0]", "`checkpoints` of a block"),
        ("checkpoints = [3]", "checkpoints = [-3]", "`checkpoints` of a block"),
        ("seeds = [0, 5]", "seeds = [99999999999]", "`seed` must be"),
        ("[data]", "[[data]]", "data: expected"),
    ],
}


@pytest.mark.parametrize(("old", "new", "said"), rows(SUITES))
def test_which_suites_are_refused(monkeypatch, capsys, old, new, said):
    assert old in TEXT
    put("mine.toml", TEXT.replace(old, new, 1).encode())
    words = ("compare", "--suite", "mine.toml", "--out", "new", "--dry-run")
    code, output = run(monkeypatch, capsys, *words)
    assert (code, output.err.count("\n")) == (2, 1)
    assert re.search(said, output.err), output.err
    assert not Path("new").exists()


# === Commands ===

TRAIN = "train dcgan --data in/images.npz --batch-size 4"
IN_FOLDER = "train dcgan --data in/folder --batch-size 1"
MEMBERS = "--members in/images.npz --non-members in/others.npz"
AUDIT = f"audit in/model.keras {MEMBERS}"
COMMANDS = {
    4: [
        ("generate in/nan.keras --out new", 2, "has diverged"),
        ("generate in/nan.keras --out new/a.npz", 2, "has diverged"),
        (f"audit in/nan.keras {MEMBERS} --attacks logan --out new", 2, "has diverged"),
    ],
    11: [
        (f"{AUDIT} --attacks lira --out new", 2, "No attack could be run"),
        (f"{AUDIT} --attacks logan_mixup --out new", 2, "No attack could be run"),
    ],
    16: [
        (f"{IN_FOLDER} --image-size 100000 --out new", 2, "hold at most"),
        (f"{IN_FOLDER} --image-size -8 --out new", 2, "`image_size` must be"),
        ("compare --data in/folder --image-size 99999999 --out new", 2, "hold at most"),
    ],
    20: [
        ("compare --suite ../../etc/passwd --out new", 2, "There is no suite"),
        ("compare --suite in/images.npz --out new", 2, "There is no suite"),
        (f"compare --suite {'a' * 300} --out new", 2, "There is no suite"),
    ],
    21: [
        (f"{TRAIN} --out held", 2, "in use by another run"),
        ("compare --quick --out held", 2, "in use by another run"),
        (f"{AUDIT} --out held", 2, "in use by another run"),
    ],
    22: [
        (f"{IN_FOLDER} --out in/folder", 2, "among the images"),
        (f"{IN_FOLDER} --out in/folder/../folder/deep/er", 2, "among the images"),
        (f"{TRAIN} --out in", 2, "holds other files"),
        (f"{TRAIN} --steps 0 --out new", 2, "`steps` must be"),
    ],
    24: [
        (f"audit 'a\x1b[2Jb.keras' {MEMBERS} --out new", 2, r"a\\x1b\[2Jb"),
        ("generate 'x\x9b31m' --out new", 2, r"x\\x9b31m"),
        (f"{AUDIT} --reference in/others.npz --out new", 2, "image 0 of in/others.npz"),
        (f"{AUDIT} --non-members in/images.npz --out new", 2, "`--drop-duplicates`"),
    ],
}


@pytest.mark.parametrize(("words", "status", "said"), rows(COMMANDS))
def test_what_commands_say(monkeypatch, capsys, words, status, said):
    with storage.locked(Path("held")):
        code, output = run(monkeypatch, capsys, *shlex.split(words))
    assert code == status, output.err
    assert re.search(said, output.err), output.err
    assert "Traceback" not in output.err
    assert not [path for path in Path("new").rglob("*") if path.is_file()]


def test_every_kind_has_three_cases_or_more():
    tables = (REFUSED, VALUES, TOLD, FILES, SUITES, COMMANDS)
    counts = {kind: sum(len(t.get(kind, ())) for t in tables) for kind in range(1, 25)}
    assert [kind for kind, count in counts.items() if count < 3] == [], counts
