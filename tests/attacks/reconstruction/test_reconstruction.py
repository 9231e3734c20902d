"""Reconstruction attacks on generators whose best reconstructions are known."""

import keras
import numpy as np
import pytest
from scipy import optimize

from keras_mixup_gan.attacks import AttackTarget, GANLeaks
from keras_mixup_gan.attacks.reconstruction import latent_search
from keras_mixup_gan.attacks.reconstruction.latent_search import (
    CalibratedReconstruction,
    LatentGradient,
    LatentSearch,
)
from keras_mixup_gan.attacks.reconstruction.optimizers import (
    adam,
    lbfgs,
    least_squares,
)
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, images
from tests.attacks.linear import LATENT_DIM, Linear

QUERIES = images(40, 1) / 2


def search(**settings):
    return LatentSearch(**{"num_samples": 50, "budget": 60, **settings})


def gradient(**settings):
    small = {"num_samples": 50, "num_steps": 30, "num_polish_steps": 40}
    return LatentGradient(**{**small, **settings})


# === Optimizers ===


def rosenbrock(points):
    x, y = points[..., 0], points[..., 1]
    return np.stack([10 * (y - x**2), 1 - x], axis=-1)


def test_least_squares_solves_a_curved_problem_by_values_alone():
    start = np.random.default_rng(0).uniform(-2, 2, (50, 2))
    points = least_squares(rosenbrock, start, budget=300)
    np.testing.assert_allclose(points, 1, atol=1e-3)


def test_least_squares_spends_its_budget_on_every_row():
    counts = []

    def residuals(points):
        counts.append(points.shape[1])
        return rosenbrock(points)

    for budget in (4, 5, 17, 40):
        counts.clear()
        least_squares(residuals, np.zeros((3, 2)), budget)
        assert sum(counts) == budget


def quartic(points):
    return (points**4 / 4 + points**2).sum(axis=1), points**3 + 2 * points


def test_lbfgs_reaches_the_minimum_that_scipy_reaches():
    matrix = np.random.default_rng(1).normal(0, 1, (6, 6))
    matrix = matrix @ matrix.T + 0.1 * np.eye(6)
    goal = np.arange(6.0)

    def objective(points):
        gradients = (points - goal) @ matrix
        return ((points - goal) * gradients).sum(axis=1) / 2, gradients

    start = np.random.default_rng(2).normal(0, 3, (4, 6))
    minimum = lbfgs(objective, start, 200)
    np.testing.assert_allclose(minimum.points, np.tile(goal, (4, 1)), atol=1e-5)
    for row, value in zip(start, minimum.values, strict=True):
        theirs = optimize.minimize(
            lambda z: objective(z[None])[0][0],
            row,
            jac=lambda z: objective(z[None])[1][0],
            method="L-BFGS-B",
        )
        assert value <= theirs.fun + 1e-8
    assert minimum.gradient_norms.max() < 1e-4
    assert (minimum.num_iterations > 3).all()


def test_optimizers_treat_each_row_as_if_it_were_alone():
    start = np.random.default_rng(3).normal(0, 3, (7, 2))
    together = lbfgs(quartic, start, 20)
    for i in range(7):
        alone = lbfgs(quartic, start[i : i + 1], 20)
        np.testing.assert_array_equal(alone.points[0], together.points[i])
        assert alone.num_iterations[0] == together.num_iterations[i]
        pair = [adam(quartic, rows, 50, 0.1)[0] for rows in (start[i : i + 1], start)]
        np.testing.assert_array_equal(pair[0][0], pair[1][i])
        pair = [
            least_squares(rosenbrock, rows, 30) for rows in (start[i : i + 1], start)
        ]
        np.testing.assert_array_equal(pair[0][0], pair[1][i])


def test_adam_keeps_the_best_point_on_the_way():
    start = np.full((1, 2), 0.05)
    point, value = adam(quartic, start, 3, learning_rate=5.0)
    np.testing.assert_array_equal(point, start)
    assert value == quartic(start)[0]


# === Linear generators ===


def test_queries_alone_find_the_projection_of_a_linear_generator():
    model = Linear()
    attack = search(prior_weight=0).fit(model.target())
    gap = -attack.score(QUERIES) - model.best_losses(QUERIES)
    assert gap.min() > -1e-7
    assert gap.max() < 9e-7


def test_gradients_find_the_projection_of_a_linear_generator():
    model = Linear()
    attack = gradient(prior_weight=0).fit(model.target(gradients=True))
    found = attack.reconstruct(QUERIES)
    gap = found.losses - model.best_losses(QUERIES)
    assert gap.min() > -1e-7
    assert gap.max() < 1e-7
    assert found.gradient_norms.max() < 1e-3
    np.testing.assert_array_equal(attack.score(QUERIES), -found.losses)


def test_the_budget_is_the_same_for_every_query_and_kept():
    model = Linear()
    attack = search(budget=33).fit(model.target())
    for number, blocks in ((1, 1), (32, 1), (33, 2)):
        model.num_queries = 0
        attack.reconstruct(QUERIES[:number])
        assert model.num_queries == 50 + blocks * 32 * 33
    assert (attack.reconstruct(QUERIES).num_iterations == 33).all()


def test_more_budget_never_ends_worse_on_a_linear_generator():
    model = Linear()
    losses = [
        -search(budget=budget, prior_weight=0).fit(model.target()).score(QUERIES)
        for budget in (LATENT_DIM + 3, 20, 60)
    ]
    assert (losses[1] <= losses[0] + 1e-9).all()
    assert (losses[2] <= losses[1] + 1e-9).all()


@pytest.mark.parametrize("make", [search, gradient])
def test_a_score_depends_on_its_query_alone(make):
    model = Linear()
    attack = make().fit(model.target(gradients=make is gradient))
    scores = attack.score(QUERIES)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(attack.score(QUERIES[::-1]), scores[::-1])
    for part in (slice(0, 1), slice(30, 37)):
        np.testing.assert_array_equal(attack.score(QUERIES[part]), scores[part])


@pytest.mark.parametrize("make", [search, gradient])
def test_images_that_the_generator_makes_are_reconstructed(make):
    model = Linear()
    latents = np.random.default_rng(5).normal(0, 1, (20, LATENT_DIM))
    known = model.queries(latents.astype("float32"), None).clip(-1, 1)
    attack = make(prior_weight=1e-4).fit(model.target(gradients=make is gradient))
    found = attack.reconstruct(known)
    assert auc(attack.score(known), attack.score(QUERIES)) > 0.99
    expected = np.sqrt((latents**2).sum(axis=1))
    errors = np.sqrt(((found.latents - latents) ** 2).sum(axis=1))
    assert np.median(errors / expected) < 0.25


def test_the_prior_guides_the_search_and_is_no_part_of_the_score():
    model = Linear()
    free = search(prior_weight=0).fit(model.target())
    bound = search(prior_weight=100.0, budget=200).fit(model.target())
    found = bound.reconstruct(QUERIES)
    squares = (found.latents**2).sum(axis=1)
    np.testing.assert_allclose(squares, LATENT_DIM, rtol=0.02)
    made = model.queries(found.latents.astype("float32"), None)
    losses = ((np.float64(QUERIES) - made) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found.losses, losses, rtol=1e-5)
    assert (found.losses >= -free.score(QUERIES) - 1e-7).all()


@pytest.mark.parametrize("make", [search, gradient])
def test_features_are_compared_beside_the_pixels(make):
    def features(x):
        return x[:, :2, :, 0] * 3.0  # of numbers and of tensors

    model = Linear()
    attack = make(features=features, feature_weight=0.5, prior_weight=0)
    attack.fit(model.target(gradients=make is gradient))
    found = attack.reconstruct(QUERIES)
    made = model.queries(found.latents.astype("float32"), None)
    change = np.float64(QUERIES) - made
    weights = np.ones(SHAPE)
    weights[:2] += 0.5 * 9 * 16 / 8
    losses = (weights * change**2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found.losses, losses, rtol=1e-4)
    scale = np.sqrt(weights.reshape(-1))
    rows = scale * (QUERIES.reshape(len(QUERIES), -1) - model.shift)
    matrix = scale[:, None] * model.matrix
    best = rows.T - matrix @ np.linalg.lstsq(matrix, rows.T, rcond=None)[0]
    np.testing.assert_allclose(losses, (best**2).mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("make", [search, gradient])
def test_calibration_takes_off_the_loss_under_other_models(make):
    target, others = Linear(), [Linear(1), Linear(2)]
    gradients = make is gradient
    attack = CalibratedReconstruction(make(prior_weight=0)).fit(
        target.target(
            gradients, reference_models=tuple(o.target(gradients) for o in others)
        )
    )
    expected = np.mean([o.best_losses(QUERIES) for o in others], axis=0)
    expected -= target.best_losses(QUERIES)
    np.testing.assert_allclose(attack.score(QUERIES), expected, atol=2e-6)
    assert attack.settings["num_reference_models"] == 2


# === Networks ===


def network(conditional=False):
    keras.utils.set_random_seed(0)
    latents = keras.Input((3,))
    inputs, x = latents, latents
    if conditional:
        labels = keras.Input((2,))
        inputs, x = [latents, labels], keras.layers.Concatenate()([latents, labels])
    x = keras.layers.Dense(16, activation="tanh")(x)
    x = keras.layers.Dense(16, activation="tanh")(x)
    return keras.Model(inputs, keras.layers.Reshape(SHAPE)(x))


def test_both_attacks_reconstruct_what_a_network_made():
    target = AttackTarget.from_networks(network(), seed=0)
    known = target.sampler(1000, 1020)
    for attack in (search(prior_weight=0), gradient(prior_weight=0)):
        attack.fit(target)
        assert np.median(-attack.score(known)) < 1e-5
        scores = attack.score(known)
        np.testing.assert_allclose(attack.score(known[3:5]), scores[3:5], atol=1e-7)
        assert auc(scores, attack.score(QUERIES)) > 0.99


def test_a_conditional_generator_is_asked_for_the_class_of_the_query():
    target = AttackTarget.from_networks(network(conditional=True))
    assert target.num_classes == 2
    labels = np.arange(20) % 2
    latents = np.random.default_rng(9).standard_normal((20, 3)).astype("float32")
    known = target.queries(latents, np.eye(2, dtype="float32")[labels])
    for attack in (search(prior_weight=0), gradient(prior_weight=0)):
        attack.fit(target)
        right = -attack.score(known, labels)
        wrong = -attack.score(known, 1 - labels)
        assert np.median(right) < 1e-4
        assert np.median(wrong) > 10 * np.median(right)
        with pytest.raises(ValueError, match="needs the class labels"):
            attack.score(known)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: search(budget=6).fit(Linear().target()), "`budget` must be at least"),
        (lambda: gradient().fit(Linear().target()), "needs access to: generator"),
        (
            lambda: CalibratedReconstruction().fit(Linear().target()),
            "needs access to: reference_models",
        ),
        (lambda: search(prior_weight=-1), "`prior_weight` must be"),
        (lambda: gradient(learning_rate=0), "`learning_rate` must be"),
    ],
)
def test_unusable_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_diverged_generator_is_noticed():
    def broken(latents, labels):
        return np.full((len(latents), *SHAPE), np.nan)

    target = AttackTarget(image_shape=SHAPE, queries=broken, latent_dim=2)
    with pytest.raises(ValueError, match="not finite"):
        search().fit(target).score(QUERIES)


def test_only_reconstructions_are_calibrated():
    for attack in ("latent_search", GANLeaks()):
        with pytest.raises(ValueError, match="`attack` must be one that reconstructs"):
            CalibratedReconstruction(attack)


def test_smaller_blocks_find_the_same(monkeypatch):
    attack = search().fit(Linear().target())
    whole = attack.score(QUERIES)
    numbers = QUERIES[0].size * LATENT_DIM
    monkeypatch.setattr(latent_search, "_MOST_NUMBERS", 3 * numbers)
    np.testing.assert_allclose(attack.score(QUERIES), whole, rtol=1e-4, atol=1e-6)
