import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan.blending import (
    draw_partners,
    draw_regions,
    draw_shares,
    patched,
    shared,
    weight_matrix,
    weighted,
)

KEY = tf.constant([3, 5], tf.int64)


def regions(shares, height=8, width=12, key=KEY):
    numbers, areas = draw_regions(np.array(shares, "float32"), height, width, key)
    return numbers.numpy(), areas.numpy()


def test_a_box_has_the_area_of_its_share_and_goes_on_at_the_opposite_edge():
    shares = np.tile([0.75, 0.25], (400, 1))
    numbers, areas = regions(shares)
    np.testing.assert_allclose(areas, shares, atol=1e-6)  # 4 of 8 rows, 6 of 12 columns
    # Every box is a product of a stretch of rows and one of columns, on a torus.
    rows, columns = numbers.any(axis=2), numbers.any(axis=1)
    np.testing.assert_array_equal(numbers, rows[:, :, None] & columns[:, None])
    for sides in (rows, columns):
        assert set((sides != np.roll(sides, 1, axis=1)).sum(axis=1)) == {2}
        assert (sides[:, 0] & sides[:, -1]).any()
        error = np.sqrt(0.25 / len(sides))
        np.testing.assert_allclose(sides.mean(axis=0), 0.5, atol=5 * error)


@pytest.mark.parametrize(
    ("share", "area"), [(0.0, 0.0), (1.0, 1.0), (0.01, 1 / 96), (0.5, 6 * 8 / 96)]
)
def test_areas_are_those_of_the_pixels_not_those_asked_for(share, area):
    numbers, areas = regions([[1 - share, share]])
    assert (numbers == 1).mean() == pytest.approx(area)
    assert areas[0, 1] == pytest.approx(area)


def test_boxes_of_several_sources_have_the_areas_asked_for_on_average():
    shares = np.tile([0.5, 0.3, 0.2], (3000, 1))
    numbers, areas = regions(shares, 28, 28)
    np.testing.assert_allclose(areas.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(areas[:, 2], areas[0, 2])  # the last one is not covered
    np.testing.assert_allclose(areas.mean(axis=0), shares[0], atol=0.01)
    assert set(np.unique(numbers)) == {0, 1, 2}


def test_shares_of_nothing_are_no_box():
    assert np.all(regions([[0, 0, 1]])[0] == 2)
    assert np.all(regions([[1, 0, 0]])[0] == 0)


def test_pixels_are_those_of_their_source_and_so_are_gradients():
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (3, 4, 5, 2)).astype("float32")
    origins = random.integers(3, size=(6, 4, 5)).astype("int32")
    tensor = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        result = patched(tensor, origins)
    expected = np.take_along_axis(images, origins[..., None] * np.ones(2, int), axis=0)
    np.testing.assert_array_equal(result, expected)
    counts = np.stack([(origins == n).sum(axis=0) for n in range(3)])[..., None]
    slopes = tape.gradient(result, tensor)
    np.testing.assert_array_equal(slopes, counts * np.ones(2))


@pytest.mark.parametrize("num_samples", [1, 2, 3])
@pytest.mark.parametrize(("num_rows", "width"), [(4, 2), (64, 784), (1500, 7)])
def test_few_terms_give_the_same_bits_on_every_processor(num_samples, num_rows, width):
    rows = tf.random.stateless_uniform((num_rows, width), KEY, -1, 1)
    partners = draw_partners(tf.constant(num_rows), num_samples, KEY)
    shares = draw_shares(num_rows, num_samples, 8.0, 1.0, KEY)
    blended = shared(rows, shares, partners)
    expected = np.zeros((num_rows, width), "float32")
    for share, partner in zip(shares.numpy().T, partners.numpy().T, strict=True):
        expected += share[:, None] * rows.numpy()[partner]
    np.testing.assert_array_equal(blended, expected)


@pytest.mark.parametrize("num_samples", [1, 2, 3])
@pytest.mark.parametrize(("num_rows", "width"), [(4, 2), (64, 784), (1500, 7)])
def test_few_terms_differ_from_the_product_with_all_weights_in_rounding_alone(
    num_samples, num_rows, width
):
    rows = tf.random.stateless_uniform((num_rows, width), KEY, -1, 1)
    partners = draw_partners(tf.constant(num_rows), num_samples, KEY)
    shares = draw_shares(num_rows, num_samples, 8.0, 1.0, KEY)
    weights = weight_matrix(shares, partners, num_rows)
    expected = np.zeros((num_rows, num_rows), "float32")
    np.put_along_axis(expected, partners.numpy(), shares.numpy(), axis=1)
    np.testing.assert_array_equal(weights, expected)
    difference = shared(rows, shares, partners) - weighted(rows, weights)
    assert np.abs(difference).max() <= num_samples * np.finfo("float32").eps
