import numpy as np
import pytest
from scipy.stats import binom

from keras_mixup_gan.statistics.held_out import (
    cross_fitted_advantage,
    strongest_held_out,
)
from keras_mixup_gan.statistics.roc import auc, delong_interval
from tests.statistics.scores import normal_scores


def test_cross_fitted_advantage_is_that_of_the_definition():
    members, non_members = normal_scores(1.0, 41, 30, seed=5)
    found = cross_fitted_advantage(members, non_members, seed=2)
    folds = []
    for scores in (members, non_members):
        order = np.random.default_rng([2, len(scores)]).permutation(len(scores))
        folds.append(
            (scores[order[: len(scores) // 2]], scores[order[len(scores) // 2 :]])
        )
    true = false = 0
    for here, there in ((0, 1), (1, 0)):
        a, b = folds[0][here], folds[1][here]
        values = np.unique(np.r_[a, b])
        cuts = np.r_[-np.inf, (values[1:] + values[:-1]) / 2, np.inf]
        gains = [(a > cut).mean() - (b > cut).mean() for cut in cuts]
        best = max(gains)
        # Of several best thresholds the highest.
        cut = max(c for c, g in zip(cuts, gains, strict=True) if g == best)
        true += (folds[0][there] > cut).sum()
        false += (folds[1][there] > cut).sum()
    assert (found.true_positives, found.false_positives) == (true, false)
    assert found.advantage == pytest.approx(true / 41 - false / 30)
    assert found.balanced_accuracy == pytest.approx((1 + found.advantage) / 2)


def test_a_model_that_leaks_nothing_has_no_advantage():
    found = [
        cross_fitted_advantage(*normal_scores(0.0, 100, 100, seed), seed=seed)
        for seed in range(300)
    ]
    advantages = np.array([each.advantage for each in found])
    # The best threshold of the same scores would give .12 on average.
    assert abs(advantages.mean()) < 4 * advantages.std() / np.sqrt(300)
    assert np.mean(advantages > found[0].null_quantile) < 0.05 + 4 * 0.0126
    covered = [each.interval[0] <= 0 <= each.interval[1] for each in found]
    assert np.mean(covered) > 0.95 - 4 * 0.0126


def test_advantage_of_clear_and_of_constant_scores():
    clear = cross_fitted_advantage(np.arange(40) + 100.0, np.arange(30.0))
    assert (clear.advantage, clear.balanced_accuracy) == (1, 1)
    assert clear.interval[0] < 1
    constant = cross_fitted_advantage(np.zeros(40), np.zeros(30))
    assert (constant.advantage, constant.balanced_accuracy) == (0, 0.5)


def test_the_best_of_many_useless_attacks_is_not_flattered():
    held, naive = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        scores = {str(k): (rng.normal(size=60), rng.normal(size=60)) for k in range(8)}
        held.append(strongest_held_out(scores, seed=seed).auc)
        naive.append(max(auc(*pair) for pair in scores.values()))
    assert np.mean(naive) > 0.55
    assert abs(np.mean(held) - 0.5) < 4 * np.std(held) / np.sqrt(150)


def test_the_strongest_attack_is_chosen_and_judged_on_different_halves():
    rng = np.random.default_rng(0)
    order = np.random.default_rng([7, 100]).permutation(100)
    first, second = order[:50], order[50:]
    members, others = np.zeros(100), rng.normal(size=100)
    members[first], members[second] = 9.0, -9.0  # strong where attacks are chosen
    honest = rng.normal(0.5, 1, 100), others
    found = strongest_held_out({"a": honest, "b": (members, others)}, seed=7)
    assert (found.name, found.auc) == ("b", 0)
    assert found.operating_point.num_members == 50
    assert found.interval == delong_interval(members[second], others[second])


def test_the_largest_area_may_choose_instead_of_the_threat():
    rng = np.random.default_rng(0)
    others, few = rng.normal(size=1000), rng.normal(-0.2, 1, size=1000)
    few[rng.permutation(1000)[:200]] = 9.0  # found for certain, others not at all
    scores = {"few": (few, others), "all": (rng.normal(0.3, 1, 1000), others)}
    assert strongest_held_out(scores).name == "few"
    assert strongest_held_out(scores, by_area=True).name == "all"


def test_attacks_on_different_queries_are_not_compared():
    with pytest.raises(ValueError, match="same queries"):
        strongest_held_out({"a": ([1.0, 2.0], [0.0, 1.0]), "b": ([1.0] * 3, [0.0] * 2)})
    with pytest.raises(ValueError, match="same queries"):
        strongest_held_out({})
    with pytest.raises(ValueError, match="at least 2 members"):
        cross_fitted_advantage([1.0], [0.0, 1.0])


@pytest.mark.parametrize("confidence", [-0.5, 0.0, 1.0, 1.5])
def test_a_confidence_is_what_was_given(confidence):
    message = f"Received: confidence={confidence}"
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        cross_fitted_advantage([1.0, 2.0], [0.0, 1.0], confidence=confidence)


@pytest.mark.parametrize("number", [5, 11, 17, 26, 100])
def test_the_quantile_is_exceeded_as_seldom_as_it_says(number):
    """By a fixed threshold at the middle of scores that are coins, exactly."""
    scores = np.arange(float(number)), np.arange(float(number))
    quantile = cross_fitted_advantage(*scores).null_quantile
    fewest = int(np.floor(quantile * number + 1e-9)) + 1
    # The difference of two binomials is a binomial of both, shifted.
    assert binom.sf(number + fewest - 1, 2 * number, 0.5) <= 0.05


def test_scores_that_are_neighboring_floats_are_told_apart():
    members, others = [1.0] * 10, [float(np.nextafter(1.0, 0.0))] * 10
    assert cross_fitted_advantage(members, others).advantage == 1
