import numpy as np
import pytest

from keras_mixup_gan.attacks.samples import feature_maps
from keras_mixup_gan.attacks.samples.feature_maps import PrincipalComponents


def spanned(number, factors, side=27, seed=0):
    """Images of `side * side * 3` pixels that span so many directions."""
    rng = np.random.default_rng(seed)
    scales = np.linspace(3, 1, factors)
    weights = rng.normal(size=(number, factors)) * scales
    return (weights @ rng.normal(size=(factors, side * side * 3))).reshape(
        number, side, side, 3
    )


@pytest.mark.parametrize("number", [40, 300])  # by decomposition, by products of rows
def test_components_are_those_of_the_decomposition(number):
    images, others = spanned(number, 12), spanned(5, 12, seed=0)
    rows = images.reshape(number, -1)
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    expected = (others.reshape(5, -1) - rows.mean(axis=0)) @ axes[:6].T
    found = PrincipalComponents(images, 6)(others)
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, rtol=1e-6, atol=1e-6)


def test_of_more_rows_than_values_the_products_of_columns_do(monkeypatch):
    monkeypatch.setattr(feature_maps, "_LONG_ROWS", 100)
    monkeypatch.setattr(feature_maps, "_MANY_ROWS", 50)
    images, others = spanned(300, 12, side=6), spanned(5, 12, side=6, seed=1)
    found = PrincipalComponents(images, 6)(others)
    monkeypatch.setattr(feature_maps, "_MANY_ROWS", 10**6)
    expected = PrincipalComponents(images, 6)(others)
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("number", [40, 300])
def test_components_are_as_many_as_the_images_span(number):
    assert PrincipalComponents(spanned(number, 12), 50).num_components == 12
    with pytest.raises(ValueError, match=f"Received: {number} equal images"):
        PrincipalComponents(np.ones((number, 27, 27, 3)), 5)


def test_given_images_stay_as_they_are():
    images = spanned(40, 12)
    before = images.copy()
    PrincipalComponents(images, 5)
    np.testing.assert_array_equal(images, before)
