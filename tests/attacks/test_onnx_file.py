"""Generators in ONNX files, as other libraries export them."""

import numpy as np
import pytest

from keras_mixup_gan.attacks import AttackTarget
from keras_mixup_gan.attacks.onnx_file import OnnxGenerator
from tests.attacks.fakes import images
from tests.attacks.onnx_files import CLASSES, SHIFTS, made_of, write
from tests.attacks.test_foreign import LATENTS, SHAPE
from tests.auditing.audits import audit

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"first": True},
        {"maps": True},
        {"batch": 4},
        {"batch": 1, "maps": True, "first": True},
        {"scale": 1 + 1e-6},
    ],
    ids=str,
)
def test_a_generator_is_understood_however_it_was_exported(how, tmp_path):
    path = write(tmp_path / "generator.onnx", **how)
    target = AttackTarget.from_model(path, image_shape=SHAPE)
    assert (target.latent_dim, target.name) == (LATENTS, "generator.onnx")
    assert "discriminator" not in target.access
    latents = np.random.default_rng(1).normal(size=(7, LATENTS)).astype("float32")
    np.testing.assert_allclose(
        target.decode(latents, None), made_of(latents), atol=1e-5
    )
    assert np.abs(target.generate(0, 300)).max() <= 1


def test_a_conditional_generator_takes_rows(tmp_path):
    path = write(tmp_path / "generator.onnx", classes=CLASSES)
    target = AttackTarget.from_model(str(path), image_shape=SHAPE, seed=3)
    assert target.num_classes == CLASSES
    latents = np.zeros((CLASSES, LATENTS), "float32")
    found = target.decode(latents, np.eye(CLASSES, dtype="float32"))
    np.testing.assert_allclose(found, np.tanh(SHIFTS).reshape(found.shape), atol=1e-6)
    whole = target.generate(0, 300)
    np.testing.assert_array_equal(target.generate(250, 300), whole[250:])


def test_it_is_audited_and_continues(tmp_path):
    path = write(tmp_path / "generator.onnx", first=True)
    members = made_of(np.random.default_rng(2).normal(size=(60, LATENTS)))
    others = images(60, 4, SHAPE)
    options = {"attacks": ["gan_leaks"], "folder": tmp_path / "scores"}
    report = audit(path, members, others, **options)
    assert report["gan_leaks"].auc > 0.9
    assert str(report.release) == "the generator"
    (kept,) = (tmp_path / "scores").glob("*.npz")
    before = kept.stat().st_mtime_ns
    again = audit(path, members, others, **options)
    assert again["gan_leaks"].auc == report["gan_leaks"].auc
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path, "There is no file"),
        (lambda path: path.write_bytes(b"pickle"), "cannot be read as an ONNX model"),
        (lambda path: write(path, classes="k"), "understood. Expected floats: latents"),
        (lambda path: write(path, kind=7), "Received: z tensor\\(int64\\)|cannot be"),
    ],
)
def test_what_is_no_generator_is_one_sentence(tmp_path, spoil, message):
    path = tmp_path / "generator.onnx"
    spoil(path)
    with pytest.raises(ValueError, match=message) as caught:
        OnnxGenerator(path)
    assert "\n" not in str(caught.value)
