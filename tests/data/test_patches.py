import importlib.util
import sys

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from keras_mixup_gan.data import load_images, patches

pytest.importorskip("skimage")


@pytest.fixture(scope="module")
def loaded():
    return load_images("patches")


def test_patches_have_the_documented_counts(loaded):
    assert loaded.images.shape == (2385, 32, 32, 3)
    assert loaded.images.dtype == np.float32
    counts = [286, 317, 309, 154, 269, 422, 310, 318]
    np.testing.assert_array_equal(np.bincount(loaded.labels), counts)


def test_patches_are_distinct_and_have_contrast(loaded):
    levels = (loaded.images + 1) * 127.5
    assert len(np.unique(levels.reshape(2385, -1), axis=0)) == 2385
    assert levels.std(axis=(1, 2)).mean(axis=1).min() >= 1.4999


def test_patches_are_tiles_of_the_photograph_at_two_scales(loaded):
    flower = load_sample_image("flower.jpg").astype("float64")
    of_flower = loaded.images[loaded.labels == 1]
    found = np.abs(of_flower - (flower[:32, :32] / 127.5 - 1)).max(axis=(1, 2, 3))
    assert (found < 1e-5).sum() == 1
    half = flower[:426].reshape(213, 2, 320, 2, 3).mean(axis=(1, 3))
    found = np.abs(of_flower - (half[:32, :32] / 127.5 - 1)).max(axis=(1, 2, 3))
    assert (found < 0.6 / 127.5).sum() == 1


def test_patches_need_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert len(load_images("patches").images) == 2385


def test_patches_can_be_resized():
    images, labels = load_images("patches", image_shape=(16, 16, 1))
    assert images.shape == (2385, 16, 16, 1)
    assert labels.shape == (2385,)


def test_missing_extra_is_one_sentence(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "skimage" else find(n)
    )
    with pytest.raises(ImportError, match=r"keras-mixup-gan\[patches\]"):
        load_images("patches")


def test_another_photograph_is_refused(monkeypatch):
    package, file, _ = patches._PHOTOGRAPHS[0]
    monkeypatch.setattr(patches, "_PHOTOGRAPHS", [(package, file, "0" * 64)])
    with pytest.raises(ValueError, match=r"china\.jpg is missing or not the one"):
        load_images("patches")
