"""RMIA and Bayesian LiRA against formulas in plain loops, and under a null."""

import numpy as np
import pytest
from scipy import integrate, stats

from keras_mixup_gan.attacks.shadows.bayes import (
    RMIA,
    BayesianLiRA,
    Prior,
    _log_predictive,
    learn_priors,
)
from keras_mixup_gan.attacks.shadows.lira import LiRA, OffsetLiRA
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.shadows.test_lira import (
    POOL,
    area,
    drawn,
    game,
    shadows_of,
    target_of,
)

FEW_SHADOWS = [RMIA, BayesianLiRA]


def test_rmia_is_the_likelihood_against_that_of_models_on_average():
    shadows, own = drawn(8)
    values, inside = shadows.statistics["critic"], shadows.inside
    scores = RMIA().fit(target_of(own, shadows)).score(POOL)
    squares = [
        ((values[:, j][group] - values[:, j][group].mean()) ** 2).sum()
        for chosen in (inside, ~inside)
        for j, group in enumerate(chosen.T)
    ]
    # Each group of 4 scores has 3 degrees of freedom.
    scale = np.sqrt(sum(squares) / (3 * len(squares)))
    for j, score in enumerate(scores):
        likely = np.exp(values[:, j] / scale)
        average = likely[inside[:, j]].mean() / 2 + likely[~inside[:, j]].mean() / 2
        assert score == pytest.approx(own[j] / scale - np.log(average), abs=1e-9)


def test_the_share_of_the_population_that_rmia_counts_orders_images_alike():
    shadows, own = drawn(8)
    scores = RMIA().fit(target_of(own, shadows)).score(POOL)
    population = np.random.default_rng(0).normal(scores.mean(), scores.std(), 500)
    shares = (np.exp(scores[:, None] - population) >= 2).mean(axis=1)
    assert (np.diff(shares[np.argsort(scores)]) >= 0).all()


@pytest.mark.parametrize(("freedom", "weight"), [(3.0, 0.5), (40.0, 12.0)])
def test_the_predictive_density_is_the_integral_over_mean_and_variance(freedom, weight):
    """Of normal scores, whose mean is normal and whose variance inverse-gamma."""
    values, new = np.array([1.3, 2.1, 0.4]), 1.7
    prior = Prior(variance=0.8, freedom=freedom, weight=weight)

    def joint(extra):
        """The likelihood of scores, integrated over the mean in closed form."""
        scores = np.append(values, extra)
        number = len(scores)

        def given(variance):
            covariance = variance * (
                np.eye(number) + np.ones((number, number)) / weight
            )
            law = stats.multivariate_normal(np.full(number, 0.5), covariance)
            gamma = stats.invgamma(freedom / 2, scale=freedom * prior.variance / 2)
            return law.pdf(scores) * gamma.pdf(variance)

        return integrate.quad(
            lambda log: given(np.exp(log)) * np.exp(log), -9, 9, limit=500, epsabs=0
        )[0]

    expected = np.log(joint([new]) / joint([]))
    found = _log_predictive(
        np.array([new]), values[:, None], np.ones((3, 1), bool), np.array([0.5]), prior
    )
    assert found[0] == pytest.approx(expected, abs=1e-9)


def test_the_score_is_the_ratio_of_both_predictive_densities():
    shadows, own = drawn(16)
    values, inside = shadows.statistics["critic"], shadows.inside
    gap, priors = learn_priors(values, inside)
    scores = BayesianLiRA().fit(target_of(own, shadows)).score(POOL)
    for j, score in enumerate(scores):
        groups = values[inside[:, j], j], values[~inside[:, j], j]
        middle = (groups[0].mean() + groups[1].mean()) / 2
        logs = []
        for group, prior, sign in zip(groups, priors, (1, -1), strict=True):
            start, number = middle + sign * gap / 2, len(group)
            weight, freedom = prior.weight + number, prior.freedom + number
            mean = (prior.weight * start + group.sum()) / weight
            spread = prior.freedom * prior.variance + (group**2).sum()
            spread += prior.weight * start**2 - weight * mean**2
            scale = np.sqrt(spread / freedom * (1 + 1 / weight))
            logs.append(stats.t(freedom, mean, scale).logpdf(own[j]))
        assert score == pytest.approx(logs[0] - logs[1], abs=1e-9)


def test_priors_are_those_that_records_were_drawn_from():
    rng = np.random.default_rng(0)
    inside = rng.random((40, 20_000)) < 0.5
    freedom, spread = 6.0, 0.7
    variances = 2.0 * freedom / rng.chisquare(freedom, 20_000)
    gaps = rng.normal(1.5, spread, 20_000)
    values = rng.normal(0, 3, 20_000) + gaps * inside
    values = values + np.sqrt(variances) * rng.normal(size=inside.shape)
    gap, priors = learn_priors(values, inside)
    assert gap == pytest.approx(1.5, abs=0.03)
    for prior in priors:
        assert prior.variance == pytest.approx(2.0, rel=0.03)
        assert prior.freedom == pytest.approx(freedom, rel=0.05)


def test_records_that_are_alike_make_a_certain_prior_and_the_offset_form():
    rng = np.random.default_rng(1)
    inside = rng.random((40, 5000)) < 0.5
    values = rng.normal(0, 3, 5000) + inside + rng.normal(size=inside.shape)
    gap, priors = learn_priors(values, inside)
    assert min(prior.freedom for prior in priors) > 100
    assert min(prior.weight for prior in priors) > 20
    assert gap == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("attack", FEW_SHADOWS)
def test_few_shadows_find_more_than_by_lira(attack):
    played = game(8, leak=1.0)
    found = area(attack(), *played)
    assert found > area(LiRA(), *played) - 0.003
    assert found > area(OffsetLiRA(), *played) - 0.01
    assert 0.70 < found < 0.78


@pytest.mark.parametrize("attack", FEW_SHADOWS)
@pytest.mark.parametrize("num_shadows", [4, 16])
def test_models_without_leaks_give_nothing_away(attack, num_shadows):
    target, members, non_members = game(num_shadows, leak=0.0, num_records=1000)
    found = area(attack(), target, members, non_members)
    sizes = len(members), len(non_members)
    assert abs(found - 0.5) < 4 * np.sqrt((sum(sizes) + 1) / (12 * np.prod(sizes)))


@pytest.mark.parametrize("attack", FEW_SHADOWS)
@pytest.mark.parametrize("value", [0.0, 1e6])
def test_shadows_that_all_agree_give_finite_scores(attack, value):
    shadows, own = drawn(8)
    shadows.statistics["critic"][:] = value
    scores = attack().fit(target_of(own, shadows)).score(POOL)
    assert np.isfinite(scores).all()
    assert auc(scores[:20], scores[20:]) >= 0


@pytest.mark.parametrize("attack", [LiRA, OffsetLiRA, *FEW_SHADOWS])
def test_images_that_no_shadow_saw_teach_nothing(attack):
    """Those of `queries`, and by chance some of the pool."""
    shadows, own = drawn(12)
    values, inside = shadows.statistics["critic"], shadows.inside
    more = np.random.default_rng(5).normal(3, 1, values.shape)
    wide = shadows_of(
        np.concatenate([values, more], axis=1),
        np.concatenate([inside, np.zeros_like(inside)], axis=1),
        np.concatenate([POOL, -POOL]),
    )
    alone = attack().fit(target_of(own, shadows)).score(POOL)
    beside = attack().fit(target_of(own, wide)).score(POOL)
    np.testing.assert_array_equal(beside, alone)


def test_shadows_that_saw_all_or_nothing_teach_no_attack():
    shadows, own = drawn(4)
    same = shadows_of(shadows.statistics["critic"], np.ones_like(shadows.inside))
    with pytest.raises(ValueError, match="Received: none of"):
        BayesianLiRA().fit(target_of(own, same))
