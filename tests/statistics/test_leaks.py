import itertools

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from keras_mixup_gan.statistics.leaks import (
    equivalent_auc,
    evidence,
    excess_p_value,
    threat,
)
from keras_mixup_gan.statistics.roc import auc, delong_interval, tpr_at_fpr


@pytest.mark.parametrize(("members", "others", "allowed"), [(3, 4, 1), (5, 2, 0)])
def test_the_tail_test_is_that_of_all_orders(members, others, allowed):
    orders = list(itertools.combinations(range(members + others), others))

    def found(order):  # members before the first non-member that is not allowed
        return order[allowed] - allowed

    for number in range(members + 1):
        expected = np.mean([found(order) >= number for order in orders])
        value = excess_p_value(number, allowed, members, others)
        assert value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("number", [10, 60, 300])
def test_models_that_leak_nothing_are_accused_at_the_stated_rate(number):
    rng = np.random.default_rng(number)
    runs, attacks = 800, 5

    def accused():
        scores = rng.normal(size=(attacks, 2, number))
        return any(
            evidence(auc(*pair), tpr_at_fpr(*pair, 0.01), attacks).is_leak
            for pair in scores
        )

    rate = np.mean([accused() for _ in range(runs)])
    assert rate <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)


def test_the_worse_of_both_counts():
    rng = np.random.default_rng(0)
    others, members = rng.normal(size=(2, 1000))
    found = members.copy()
    found[:132] += 6  # 13 % of the members stand out
    point = tpr_at_fpr(found, others, 0.01)
    area = auc(found, others)
    proven = evidence(area, point, 10)
    assert area < 0.6
    assert proven.by_tail
    assert proven.size == equivalent_auc(point) > 0.75
    blunt = np.concatenate([members + 0.5])
    weaker = tpr_at_fpr(blunt, others, 0.01)
    assert auc(blunt, others) > area
    assert threat(delong_interval(found, others), point, 0.95) > threat(
        delong_interval(blunt, others), weaker, 0.95
    )


def test_normal_scores_have_the_equivalent_of_their_own_auc():
    separation, ranks = 1.0, (np.arange(100_000) + 0.5) / 100_000
    scores = ndtri(ranks)
    point = tpr_at_fpr(scores + separation, scores, 0.01)
    assert equivalent_auc(point) == pytest.approx(
        ndtr(separation / np.sqrt(2)), abs=1e-3
    )


@pytest.mark.parametrize(
    ("area", "error_rate", "name"),
    [
        (0.5, 5.0, "error_rate"),
        (0.5, float("nan"), "error_rate"),
        (float("nan"), 0.05, "area"),
    ],
)
def test_rates_that_are_none_prove_nothing(area, error_rate, name):
    point = tpr_at_fpr(np.arange(100.0), np.arange(100.0), 0.01)
    with pytest.raises(ValueError, match=f"`{name}` must be a number"):
        evidence(area, point, error_rate=error_rate)
