import numpy as np
import pytest
from scipy import stats

from keras_mixup_gan.statistics.exposure import (
    exposure,
    exposure_at_chance,
    spread_over_checkpoints,
    stratified_auc,
)
from keras_mixup_gan.statistics.roc import auc


def test_exposure_counts_those_left_out_that_score_as_high():
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 9, 20) * 1.0, rng.integers(0, 9, 15) * 1.0
    found = exposure(inside, outside)
    for score, bits in zip(inside, found, strict=True):
        rank = 1 + sum(other >= score for other in outside)
        assert bits == pytest.approx(np.log2(16) - np.log2(rank), abs=1e-9)
    assert exposure(np.array([10.0]), outside)[0] == 4


def test_exposure_at_chance_is_what_exchangeable_scores_give():
    rng = np.random.default_rng(1)
    bits = [exposure(*np.split(rng.normal(size=31), [1]))[0] for _ in range(4000)]
    error = np.std(bits) / np.sqrt(len(bits))
    assert abs(np.mean(bits) - exposure_at_chance(30)) < 4 * error


def test_strata_are_compared_within_themselves():
    rng = np.random.default_rng(2)
    sizes = [(5, 8), (12, 3), (7, 7)]
    pairs = [
        (k + rng.normal(size=m), 50 * k + rng.normal(size=n))
        for k, (m, n) in enumerate(sizes)
    ]
    area, error = stratified_auc(pairs)
    won = sum((a > b) + (a == b) / 2 for one, two in pairs for a in one for b in two)
    assert area == pytest.approx(won / sum(m * n for m, n in sizes), abs=1e-9)
    # Independent Mann-Whitney statistics add up.
    tests = [stats.mannwhitneyu(*pair, method="asymptotic") for pair in pairs]
    assert sum(test.statistic for test in tests) == pytest.approx(won, abs=1e-9)
    variance = sum(m * n * (m + n + 1) / 12 for m, n in sizes)
    assert error == pytest.approx(
        np.sqrt(variance) / sum(m * n for m, n in sizes), abs=1e-12
    )


def test_the_error_at_chance_is_the_spread_of_the_area():
    rng = np.random.default_rng(3)
    sizes = [(6, 9), (4, 5)]
    found = [
        stratified_auc([(rng.normal(size=m), rng.normal(size=n)) for m, n in sizes])
        for _ in range(3000)
    ]
    areas = np.array([area for area, _ in found])
    assert abs(areas.mean() - 0.5) < 4 * areas.std() / np.sqrt(len(areas))
    assert areas.std() == pytest.approx(found[0][1], rel=0.05)


def test_the_spread_is_the_interquartile_range_of_what_is_a_records_own():
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(7, 9)) + rng.normal(0, 50, (7, 1))
    own = [[row[j] - sorted(row)[4] for row in scores] for j in range(9)]
    expected = [stats.iqr(column) for column in own]
    np.testing.assert_allclose(spread_over_checkpoints(scores), expected, atol=1e-9)


@pytest.mark.parametrize("leak", [0.0, 6.0])
def test_records_that_are_memorized_on_the_way_spread_most(leak):
    """Scores of a tenth of the records rise in the course of training, if any do."""
    rng = np.random.default_rng(5)
    areas = []
    for _ in range(20):
        scores = rng.normal(0, 2, 200) + rng.normal(size=(12, 200))
        scores[:, :20] += np.linspace(0, leak, 12)[:, None]
        found = spread_over_checkpoints(scores)
        areas.append(auc(found[:20], found[20:]))
    error = np.sqrt(201 / (12 * 20 * 180) / 20)
    if leak:
        assert np.mean(areas) > 0.95
    else:
        assert abs(np.mean(areas) - 0.5) < 4 * error
