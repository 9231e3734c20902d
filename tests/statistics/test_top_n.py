import doctest
from itertools import permutations

import numpy as np
import pytest

from keras_mixup_gan.statistics import top_n
from keras_mixup_gan.statistics.top_n import top_n_accuracy


def test_the_example_in_the_documentation_is_true():
    assert doctest.testmod(top_n, raise_on_error=True).attempted > 0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_ties_are_worth_the_mean_over_all_orders(n):
    scores = np.array([2.0, 1.0, 1.0, 1.0, 0.0])
    inside = np.array([False, True, False, True, True])
    shares = []
    for order in permutations(range(5)):
        ranked = sorted(order, key=lambda i: -scores[i])  # stable: ties as they came
        shares.append(inside[ranked[:n]].mean())
    found = top_n_accuracy(scores[inside], scores[~inside], n)
    assert found == pytest.approx(np.mean(shares), abs=1e-12)


def test_constant_scores_are_worth_the_share_of_members():
    assert top_n_accuracy(np.zeros(30), np.zeros(10)) == 0.75
    assert top_n_accuracy(np.zeros(50), np.zeros(50), n=7) == 0.5


def test_without_ties_it_is_counted():
    rng = np.random.default_rng(0)
    members, others = rng.normal(1, 1, 40), rng.normal(0, 1, 60)
    highest = np.argsort(-np.concatenate([members, others]))[:40]
    assert top_n_accuracy(members, others) == (highest < 40).mean()
    assert top_n_accuracy(np.ones(5), np.zeros(5)) == 1
    assert top_n_accuracy(np.zeros(5), np.ones(5)) == 0


@pytest.mark.parametrize("n", [0, 11])
def test_impossible_numbers_are_refused(n):
    with pytest.raises(ValueError, match="`n`"):
        top_n_accuracy(np.zeros(5), np.zeros(5), n)
