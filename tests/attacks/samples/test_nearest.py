import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from keras_mixup_gan.attacks.samples import nearest
from keras_mixup_gan.attacks.samples.nearest import nearest_samples


def exhaustive(queries, samples, k):
    """All distances in float64, ties ordered by position."""
    distances = cdist(
        np.float64(queries).reshape(len(queries), -1),
        np.float64(samples).reshape(len(samples), -1),
    )
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


def digits_like(number, dimensions, seed):
    """Smooth samples, mostly at -1, that lie close together as images do."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(12, dimensions))
    values = np.tanh(rng.normal(size=(number, 12)) @ mixing - 2)
    return values.astype("float32")


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("dimensions", [3, 784])
def test_it_agrees_with_an_exhaustive_float64_search(k, dimensions):
    queries, samples = digits_like(70, dimensions, 0), digits_like(5000, dimensions, 1)
    found = nearest_samples(queries, samples, k=k)
    distances, indices = exhaustive(queries, samples, k)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
    np.testing.assert_array_equal(found.indices, indices)
    assert found.distances.dtype == np.float64


def test_near_duplicates_keep_their_distances_where_a_matrix_product_loses_them():
    queries = np.random.default_rng(0).uniform(-1, 1, (200, 784)).astype("float32")
    samples = np.random.default_rng(1).uniform(-1, 1, (3000, 784)).astype("float32")
    planted = np.random.default_rng(2).permutation(3000)[:200]
    noise = np.random.default_rng(3).normal(0, 1e-4, queries.shape)
    noise *= np.linspace(0.2, 2, 200)[:, None]  # so that their order can be lost
    samples[planted] = queries + noise.astype("float32")
    found = nearest_samples(queries, samples)
    squares = found.distances[:, 0] ** 2
    expected = ((np.float64(queries) - samples[planted]) ** 2).sum(axis=1)
    np.testing.assert_array_equal(found.indices[:, 0], planted)
    np.testing.assert_allclose(squares, expected, rtol=1e-12)
    assert 1e-7 < squares.min() < 1e-5 < squares.max()
    # The plain float32 identity fails on the same data: this is the trap.
    product = np.einsum("ij,ij->i", queries, samples[planted])
    norms = [np.einsum("ij,ij->i", x, x) for x in (queries, samples[planted])]
    naive = norms[0] - 2 * product + norms[1]
    assert np.abs(naive - expected).max() > 0.5 * expected.max()


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=8), st.integers(1, 4000))
def test_chunks_make_no_bit_of_difference(cuts, chunk_size):
    queries, samples = digits_like(30, 50, 0), digits_like(4000, 50, 1)
    samples[1000:1100] = samples[500]  # exact ties, across chunks
    whole = nearest_samples(queries, samples, k=3)
    pieces = np.split(samples, sorted(set(cuts)))
    results = [
        nearest_samples(queries, iter(pieces), k=3),
        nearest_samples(
            queries, lambda i, j: samples[i:j], 4000, k=3, chunk_size=chunk_size
        ),
    ]
    for result in results:
        np.testing.assert_array_equal(result.distances, whole.distances)
        np.testing.assert_array_equal(result.indices, whole.indices)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.permutations(range(30)))
def test_a_query_is_measured_the_same_in_any_company(order):
    queries, samples = digits_like(30, 50, 0), digits_like(500, 50, 1)
    together = nearest_samples(queries, samples).distances
    shuffled = nearest_samples(queries[order], samples).distances
    alone = nearest_samples(queries[order[:1]], samples).distances
    np.testing.assert_array_equal(shuffled, together[order])
    np.testing.assert_array_equal(alone, together[order[:1]])


def test_more_queries_than_a_block(monkeypatch):
    monkeypatch.setattr(nearest, "QUERY_BLOCK", 16)
    monkeypatch.setattr(nearest, "SAMPLE_BLOCK", 32)
    queries, samples = digits_like(50, 20, 0), digits_like(333, 20, 1)
    found = nearest_samples(queries, samples, k=2)
    distances, indices = exhaustive(queries, samples, 2)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
    np.testing.assert_array_equal(found.indices, indices)


@pytest.mark.parametrize("scale", [0.0, 1e-9])
def test_a_collapsed_generator_is_searched_exactly_too(scale):
    queries = digits_like(20, 30, 0)
    noise = np.random.default_rng(1).normal(size=(3000, 30)) * scale
    samples = digits_like(1, 30, 1) + noise
    found = nearest_samples(queries, samples)
    distances, _ = exhaustive(queries, samples, 1)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
    if scale == 0:
        assert (found.indices == 0).all()


def test_images_are_flattened():
    queries, samples = digits_like(5, 48, 0), digits_like(100, 48, 1)
    images = nearest_samples(queries.reshape(5, 4, 4, 3), samples.reshape(100, 4, 4, 3))
    np.testing.assert_array_equal(
        images.distances, nearest_samples(queries, samples).distances
    )


def test_more_samples_never_move_the_nearest_away():
    queries, samples = digits_like(40, 30, 0), digits_like(2000, 30, 1)
    few = nearest_samples(queries, samples, num_samples=1000).distances
    many = nearest_samples(queries, samples).distances
    assert (many <= few).all()
    assert (many < few).any()


def test_memory_does_not_grow_with_the_number_of_samples():
    import tracemalloc

    queries = digits_like(100, 64, 0)
    chunk = digits_like(1000, 64, 1)
    peaks = []
    for number in (4_000, 64_000):
        tracemalloc.start()
        nearest_samples(queries, lambda i, j: chunk[: j - i], number, chunk_size=1000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 3)), np.zeros((5, 4))), "as many values each as a query"),
        ((np.zeros((2, 3)), np.zeros((5, 3), int)), "floating point"),
        ((np.zeros((2, 3)), np.full((5, 3), np.nan)), "`samples` must be finite"),
        ((np.full((2, 3), np.inf), np.zeros((5, 3))), "`queries` must be finite"),
        ((np.zeros((0, 3)), np.zeros((5, 3))), "at least one row"),
        ((np.zeros((2, 3)), lambda i, j: np.zeros((j - i, 3))), "`num_samples` is"),
        ((np.zeros((2, 3)), lambda i, j: np.zeros((1, 3)), 9), "`stop - start`"),
        ((np.zeros((2, 3)), []), "Too few samples"),
    ],
)
def test_unusable_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        nearest_samples(*arguments)
