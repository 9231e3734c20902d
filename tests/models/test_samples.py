"""Files of generated images: what is written is read again, and audited."""

import numpy as np
import pytest

from keras_mixup_gan.data import load_images
from keras_mixup_gan.models import export_samples
from tests.command_line import run
from tests.models import tiny

NUM = 9


@pytest.fixture(scope="module")
def model():
    return tiny.make(num_classes=tiny.NUM_CLASSES)


def test_the_benchmark_reads_what_it_expects_and_so_do_we(model, tmp_path):
    path = export_samples(model, tmp_path / "gen.npz", NUM, format="dpimagebench")
    with np.load(path, allow_pickle=False) as file:
        x, y = file["x"], file["y"]
    height, width, channels = model.image_shape
    assert (x.shape, x.dtype) == ((NUM, channels, height, width), np.float32)
    assert y.dtype == np.int64 and y.tolist() == [0, 1, 2] * 3
    expected = model.generate(NUM, y, dtype="float32")
    np.testing.assert_allclose(np.moveaxis(x, 1, -1) * 2 - 1, expected, atol=1e-6)
    assert 0 <= x.min() < x.max() <= 1
    images, labels = load_images(path)
    np.testing.assert_allclose(images, expected, atol=1e-6)
    np.testing.assert_array_equal(labels, y)


def test_plain_files_are_those_of_generate(model, tmp_path):
    chosen = np.full(NUM, 2)
    path = export_samples(model, tmp_path / "a.npz", NUM, chosen, seed=4)
    with np.load(path) as file:
        np.testing.assert_array_equal(
            file["images"], model.generate(NUM, chosen, seed=4)
        )
        np.testing.assert_array_equal(file["labels"], chosen)


def test_colors_come_first_and_go_back(tmp_path):
    colors = np.random.default_rng(0).uniform(0, 1, (4, 3, 8, 6)).astype("float32")
    np.savez(tmp_path / "gen.npz", x=colors, y=[0, 1, 0, 1])
    images, _ = load_images(tmp_path / "gen.npz", value_range=(0, 4095))
    np.testing.assert_allclose(images, colors.transpose(0, 2, 3, 1) * 2 - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.zeros((4, 8, 8, 1), "float32"),
            r"`x` of .* floats of shape \(num_images, c",
        ),
        (np.zeros((4, 3, 8, 8), "uint8"), "Received: shape=.*dtype=uint8"),
        (np.full((4, 3, 8, 8), -0.5), r"x of .*\[0, 1\]"),
        (np.full((4, 3, 8, 8), 200.0), r"x of .*\[0, 1\]"),
    ],
)
def test_other_layouts_are_refused(x, message, tmp_path):
    np.savez(tmp_path / "gen.npz", x=x, y=np.zeros(4, "int64"))
    with pytest.raises(ValueError, match=message):
        load_images(tmp_path / "gen.npz")


def test_what_cannot_be_written_is_one_sentence(model, tmp_path):
    unconditional = tiny.make()
    for arguments, format, message in (
        (
            (unconditional, "a.npz"),
            "dpimagebench",
            "conditional model. Received: num_cl",
        ),
        ((model, "a.npz"), "npy", "Unknown `format`"),
        ((model, "a.txt"), "npz", "ends in .npz"),
        ((model, "a.npz", 0), "npz", "`num_images` must be an integer of at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            export_samples(*arguments, format=format)


def test_the_shell_writes_it_and_audits_it(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model.save("model.keras")
    words = ("--format", "dpimagebench", "--num", 60, "--out", "gen.npz")
    code, output = run(monkeypatch, capsys, "generate", "model.keras", *words)
    assert (code, "wrote gen.npz" in output.err) == (0, True)
    for name, seed in (("members", 1), ("non_members", 2)):
        np.savez(f"{name}.npz", images=tiny.random_images(20, seed=seed))
    parts = ("--members", "members.npz", "--non-members", "non_members.npz")
    audit = ("audit", "--samples", "gen.npz", *parts, "--attacks", "gan_leaks")
    code, output = run(monkeypatch, capsys, *audit, "--release", "samples")
    assert code == 0, output.err
    assert "GAN-Leaks" in output.out
