import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from keras_mixup_gan import theory

SETTINGS = settings(deadline=None, max_examples=40)


@st.composite
def pairs_of_laws(draw):
    """Two laws on up to eight outcomes, from nearly equal to nearly disjoint."""
    size = draw(st.integers(2, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    base = rng.dirichlet(np.full(size, draw(st.floats(0.05, 5.0))))
    share = draw(st.floats(0.0, 1.0))
    other = (1 - share) * base + share * rng.dirichlet(np.full(size, 0.3))
    return other, base


def best_auc(p, q):
    """The likelihood-ratio test's AUC, each pair of outcomes by itself."""
    larger = np.outer(p, q)
    better = np.sign(np.outer(p, q) - np.outer(q, p))  # p_i / q_i > p_j / q_j
    return float((larger * (1 + better) / 2).sum())


def any_auc(p, q, scores):
    better = np.sign(np.subtract.outer(scores, scores))
    return float((np.outer(p, q) * (1 + better) / 2).sum())


@SETTINGS
@given(laws=pairs_of_laws(), seed=st.integers(0, 2**31))
def test_hold_for_every_pair_of_laws_and_every_attack(laws, seed):
    p, q = laws
    distance = float(min(1.0, np.abs(p - q).sum() / 2))
    best = best_auc(p, q)
    assert theory.smallest_auc(distance) - 1e-12 <= best
    assert best <= theory.largest_auc(distance) + 1e-12
    scores = np.random.default_rng(seed).normal(size=len(p))
    assert any_auc(p, q, scores) <= best + 1e-12
    for a, b in ((p, q), (q, p)):
        divergence = float(max(0.0, special.rel_entr(a, b).sum()))
        assert distance <= theory.pinsker(divergence) + 1e-7
        assert distance <= theory.bretagnolle_huber(divergence) + 1e-7
        assert best <= theory.largest_auc_from_divergence(divergence) + 1e-7


@pytest.mark.parametrize("distance", [0.0, 0.2, 0.7, 1.0])
def test_largest_auc_is_attained(distance):
    """A record that shows itself, hides itself, or is as all others are."""
    grid = 800
    common = np.full(grid, (1 - distance) / grid)
    p = np.concatenate([[distance], common, [0.0]])
    q = np.concatenate([[0.0], common, [distance]])
    order = np.arange(len(p))[::-1]
    assert any_auc(p, q, order) == pytest.approx(theory.largest_auc(distance), abs=1e-3)


@SETTINGS
@given(mu=st.floats(0, 10))
def test_hold_for_shifted_gaussians(mu):
    distance = 2 * special.ndtr(mu / 2) - 1
    area = theory.gaussian_shift_auc(mu)
    assert theory.smallest_auc(distance) - 1e-12 <= area
    assert area <= theory.largest_auc(distance) + 1e-12
    assert distance <= theory.pinsker(mu**2 / 2) + 1e-12
    assert area <= theory.largest_auc_from_divergence(mu**2 / 2) + 1e-12


def test_say_nothing_about_laws_that_never_meet():
    assert theory.largest_auc_from_divergence(float("inf")) == 1.0
    assert theory.largest_auc_from_divergence(0.0) == 0.5


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), 1.1])
def test_refuse_what_is_no_distance(wrong):
    with pytest.raises(ValueError, match="total_variation"):
        theory.largest_auc(wrong)
    with pytest.raises(ValueError, match="total_variation"):
        theory.smallest_auc(wrong)


@pytest.mark.parametrize("bound", [theory.pinsker, theory.bretagnolle_huber])
def test_refuse_what_is_no_divergence(bound):
    with pytest.raises(ValueError, match="divergence"):
        bound(-1.0)
