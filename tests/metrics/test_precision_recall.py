import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from keras_mixup_gan.metrics import (
    density_coverage,
    expected_coverage,
    neighbor_figures,
    neighbor_quality,
    pixel_features,
    precision_recall,
)

# The function of this name hides the module as an attribute of the package.
MODULE = sys.modules["keras_mixup_gan.metrics.precision_recall"]


def normal(count, width=4, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(size=(count, width)) + shift


def oracle(real, fake, k):
    """All four figures as the definitions write them, sample by sample."""

    def radius(points, i):
        others = [p for j, p in enumerate(points) if j != i]
        return sorted(np.sqrt(((points[i] - p) ** 2).sum()) for p in others)[k - 1]

    def inside(point, center, reach):
        return np.sqrt(((point - center) ** 2).sum()) <= reach

    real_balls = [(x, radius(real, i)) for i, x in enumerate(real)]
    fake_balls = [(y, radius(fake, j)) for j, y in enumerate(fake)]
    hits = [sum(inside(y, *ball) for ball in real_balls) for y in fake]
    return (
        np.mean([hit > 0 for hit in hits]),
        np.mean([any(inside(x, *ball) for ball in fake_balls) for x in real]),
        sum(hits) / (k * len(fake)),
        np.mean([any(inside(y, *ball) for y in fake) for ball in real_balls]),
    )


def figures(real, fake, k):
    return *precision_recall(real, fake, k), *density_coverage(real, fake, k)


@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(6, 20),
    m=st.integers(6, 20),
    width=st.integers(1, 4),
    k=st.integers(1, 5),
    shift=st.sampled_from([0.0, 1.0]),
    on_grid=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_agrees_with_the_definitions(n, m, width, k, shift, on_grid, seed):
    real, fake = normal(n, width, seed), normal(m, width, seed + 1, shift)
    if on_grid:  # copies and ties
        real, fake = np.rint(real), np.rint(fake)
    assert figures(real, fake, k) == pytest.approx(oracle(real, fake, k), abs=1e-12)


@settings(deadline=None, max_examples=15)
@given(k=st.integers(1, 6), scale=st.floats(0.1, 10), seed=st.integers(0, 2**31))
def test_order_and_scale_do_not_matter(k, scale, seed):
    real, fake = normal(40, 3, seed), normal(30, 3, seed + 1, 0.5)
    rng = np.random.default_rng(seed)
    shuffled = figures(rng.permutation(real), rng.permutation(fake), k)
    assert shuffled == figures(real, fake, k)
    assert figures(scale * real, scale * fake, k) == pytest.approx(shuffled)


@pytest.mark.parametrize(("precision_k", "density_k"), [(3, 5), (5, 3), (4, 4)])
def test_all_four_at_once_are_those_taken_apart(precision_k, density_k):
    real, fake = normal(60), normal(50, seed=1, shift=0.7)
    together = neighbor_figures(real, fake, precision_k, density_k)
    assert together[0] == precision_recall(real, fake, precision_k)
    assert together[1] == density_coverage(real, fake, density_k)


def test_precision_and_recall_trade_places_with_the_sets():
    real, fake = normal(60), normal(50, seed=1, shift=0.7)
    there, back = precision_recall(real, fake), precision_recall(fake, real)
    assert there == (back.recall, back.precision)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_a_set_compared_with_itself(k):
    points = normal(80)
    assert precision_recall(points, points, k) == (1.0, 1.0)
    assert density_coverage(points, points, k) == pytest.approx(((k + 1) / k, 1.0))


def test_sets_far_apart_have_nothing_in_common():
    assert figures(normal(50), normal(40, seed=1, shift=1e3), 3) == (0, 0, 0, 0)


def test_copies_far_from_the_origin_are_still_copies():
    """Where distances by products of vectors would lose every digit."""
    points = normal(50, shift=1e7)
    assert precision_recall(points, points[::-1].copy()) == (1.0, 1.0)


def test_closed_form_on_a_line():
    """Real 0, 1, 3 reach 1, 1 and 2; generated 1.5, 10, 11 reach 8.5, 1 and 1."""
    real, fake = np.array([[0.0], [1.0], [3.0]]), np.array([[1.5], [10.0], [11.0]])
    assert precision_recall(real, fake, k=1) == pytest.approx((1 / 3, 1.0))
    assert density_coverage(real, fake, k=1) == pytest.approx((2 / 3, 2 / 3))


def test_a_collapsed_generator_is_precise_and_misses_most():
    real = normal(300)
    collapsed = real[:1] + 1e-3 * normal(300, seed=1)
    precision, recall = precision_recall(real, collapsed)
    assert precision == 1.0
    assert recall < 0.02
    assert density_coverage(real, collapsed).coverage < 0.1


def test_one_outlier_gains_precision_but_little_density():
    real = normal(300, 2)
    fake = normal(300, 2, seed=1, shift=20.0)
    with_outlier = np.concatenate([real, np.full((1, 2), 40.0)])
    assert precision_recall(real, fake).precision == 0.0
    assert precision_recall(with_outlier, fake).precision == 1.0
    assert density_coverage(with_outlier, fake).density == pytest.approx(0.2)


def test_radii_are_those_of_scikit_learn():
    points = normal(120, 6)
    search = NearestNeighbors(n_neighbors=4, algorithm="kd_tree").fit(points)
    expected = search.kneighbors()[0][:, -1]
    np.testing.assert_allclose(MODULE._radii(points, 4)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("values", [1, 100, 1000])
def test_blocks_do_not_change_the_result(monkeypatch, values):
    real, fake = normal(37), normal(53, seed=1)
    whole = figures(real, fake, 3)
    monkeypatch.setattr(MODULE, "_BLOCK_VALUES", values)
    assert figures(real, fake, 3) == whole


def test_no_block_is_larger_than_allowed(monkeypatch):
    sizes, blocks = [], MODULE._blocks

    def watched(x, y):
        for block in blocks(x, y):
            sizes.append(block.squares.size)
            yield block

    monkeypatch.setattr(MODULE, "_blocks", watched)
    monkeypatch.setattr(MODULE, "_BLOCK_VALUES", 500)
    precision_recall(normal(90), normal(70, seed=1))
    assert max(sizes) <= 500
    assert sum(sizes) == 90**2 + 70**2 + 90 * 70


def test_few_distances_are_taken_by_subtraction(monkeypatch):
    """Of separate samples the radii need theirs, and comparisons almost none."""
    numbers, measure = [], MODULE.cdist

    def watched(x, y):
        numbers.append(len(x) * len(y))
        return measure(x, y)

    monkeypatch.setattr(MODULE, "cdist", watched)
    precision_recall(normal(400, 64), normal(300, 64, seed=1), k=3)
    assert sum(numbers) <= 1.01 * 4 * 700


@pytest.mark.parametrize("shift", [0.0, 1e3, 1e7])
def test_figures_are_those_of_all_distances_by_subtraction(shift):
    rng = np.random.default_rng(0)
    real = normal(120, 16, shift=shift)
    fake = np.concatenate([real[:40], real[40:80] + 1e-9, normal(60, 16, 1, shift)])
    fake = rng.permutation(fake)
    across, k = MODULE.cdist(real, fake), 4
    own = [np.sort(MODULE.cdist(each, each), axis=1)[:, k] for each in (real, fake)]
    inside = across <= own[0][:, None]
    assert precision_recall(real, fake, k) == (
        inside.any(axis=0).mean(),
        (across <= own[1]).any(axis=1).mean(),
    )
    assert density_coverage(real, fake, k) == (
        inside.sum() / (k * len(fake)),
        inside.any(axis=1).mean(),
    )


@pytest.mark.parametrize(("n", "m", "k"), [(60, 60, 5), (80, 30, 3), (30, 80, 1)])
def test_between_equal_laws_density_is_one_and_coverage_as_expected(n, m, k):
    draws = np.array(
        [
            density_coverage(normal(n, 3, 2 * i), normal(m, 3, 2 * i + 1), k)
            for i in range(300)
        ]
    )
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    expected = [1.0, expected_coverage(n, m, k)]
    assert (np.abs(draws.mean(axis=0) - expected) < 4 * error).all()


def test_expected_coverage_of_one_neighbor():
    assert expected_coverage(10, 10, k=1) == pytest.approx(1 - 9 / 19)
    with pytest.raises(ValueError, match="`num_real` must be an integer of at least 6"):
        expected_coverage(5, 10, k=5)


def test_named_figures_are_those_of_the_features():
    rng = np.random.default_rng(0)
    fake, real = rng.uniform(-1, 1, (2, 30, 3, 3, 1)).astype("float32")
    extractor = pixel_features((3, 3, 1))
    named = neighbor_quality(fake[:20], real, extractor, density_k=4)
    assert [(figure.name, figure.label) for figure in named] == [
        ("precision", "pixels-3x3x1, k=3, 20 vs 30"),
        ("recall", "pixels-3x3x1, k=3, 20 vs 30"),
        ("density", "pixels-3x3x1, k=4, 20 vs 30"),
        ("coverage", "pixels-3x3x1, k=4, 20 vs 30"),
    ]
    features = extractor(real), extractor(fake[:20])
    expected = *precision_recall(*features), *density_coverage(*features, 4)
    assert tuple(figure.value for figure in named) == expected
    assert all(type(figure.value) is float for figure in named)
    assert neighbor_quality(features[1], features[0], extractor, density_k=4) == named


@pytest.mark.parametrize(
    "measure",
    [precision_recall, density_coverage, lambda *args: neighbor_figures(*args, 3)],
)
@pytest.mark.parametrize(
    ("features", "k", "message"),
    [
        (np.zeros((3, 2)), 3, "`generated_features` must hold at least 4 samples"),
        (np.zeros((9, 3)), 3, "`generated_features` must have 2 features"),
        (np.full((9, 2), np.nan), 3, "`generated_features` must be finite"),
        (np.zeros(9), 3, "`generated_features` must be features"),
        (np.zeros((9, 2)), 0, "k` must be an integer of at least 1"),
        (np.zeros((9, 2)), 2.0, "k` must be an integer of at least 1"),
        (np.zeros((9, 2)), 9, "`real_features` must hold at least 10 samples"),
    ],
)
def test_unfit_arguments_are_refused(measure, features, k, message):
    with pytest.raises(ValueError, match=message):
        measure(normal(9, 2), features, k)
