"""Densities against closed forms, scipy, scikit-learn, and the exact attack."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import gaussian_kde, norm

from keras_mixup_gan.attacks import DOMIAS, DPI, AttackTarget, GenLRA, LogDensity
from keras_mixup_gan.attacks.samples.plagiarism import generated_share
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import images

QUERIES, SAMPLES, OUTSIDE = images(50, 1), images(600, 2) * 0.8, images(300, 3)
TARGET = AttackTarget.from_model(SAMPLES, reference=OUTSIDE)
SCALE = 16.0  # toy data in units of standard deviations, put in [-1, 1]


def flat(values):
    return np.float64(values).reshape(len(values), -1)


def as_images(rows):
    return (rows / SCALE).astype("float32")[:, None, :, None]


def test_the_log_density_is_that_of_scipy():
    attack = LogDensity(features="pixels").fit(TARGET)
    expected = gaussian_kde(flat(SAMPLES).T).logpdf(flat(QUERIES).T)
    np.testing.assert_allclose(attack.score(QUERIES), expected, rtol=1e-9)


def test_domias_is_the_difference_of_two_log_densities():
    attack = DOMIAS(features="pixels").fit(TARGET)
    expected = gaussian_kde(flat(SAMPLES).T).logpdf(flat(QUERIES).T)
    expected -= gaussian_kde(flat(OUTSIDE).T).logpdf(flat(QUERIES).T)
    np.testing.assert_allclose(attack.score(QUERIES), expected, rtol=1e-9, atol=1e-9)


def test_domias_keeps_its_precision_in_128_dimensions():
    shape = (8, 16, 1)
    samples, outside = images(500, 1, shape) * 0.5, images(400, 2, shape)
    queries = images(40, 3, shape)
    target = AttackTarget.from_model(samples, reference=outside)
    scores = DOMIAS(features="pixels").fit(target).score(queries)
    expected = gaussian_kde(flat(samples).T).logpdf(flat(queries).T)
    expected -= gaussian_kde(flat(outside).T).logpdf(flat(queries).T)
    np.testing.assert_allclose(scores, expected, rtol=1e-9)
    assert len(np.unique(scores)) == 40


def test_equal_sizes_use_as_many_samples_as_outside_images():
    attack = DOMIAS(features="pixels", equal_sizes=True).fit(TARGET)
    expected = gaussian_kde(flat(TARGET.sampler(0, 300)).T).logpdf(flat(QUERIES).T)
    expected -= gaussian_kde(flat(OUTSIDE).T).logpdf(flat(QUERIES).T)
    np.testing.assert_allclose(attack.score(QUERIES), expected, rtol=1e-9, atol=1e-9)
    few = AttackTarget.from_model(SAMPLES[:100], reference=OUTSIDE)
    attack = DOMIAS(equal_sizes=True).fit(few)
    assert attack.settings["num_samples"] == attack.settings["num_reference"] == 100


def test_the_ratio_by_neighbors_agrees_with_scikit_learn():
    from sklearn.neighbors import NearestNeighbors

    attack = DOMIAS(features="pixels", estimator="knn", k=3).fit(TARGET)
    radii = [
        NearestNeighbors(n_neighbors=3, algorithm="brute")
        .fit(flat(part))
        .kneighbors(flat(QUERIES))[0][:, -1]
        for part in (OUTSIDE, SAMPLES)
    ]
    expected = 16 * np.log(radii[0] / radii[1]) + np.log(300 / 600)
    np.testing.assert_allclose(attack.score(QUERIES), expected, rtol=1e-9, atol=1e-9)
    assert attack.settings["k"] == 3


def test_the_gaussian_ratio_tends_to_its_closed_form():
    rng = np.random.default_rng(0)
    generated = rng.normal(size=(20_000, 2)) * 0.5 + [1, 0]
    outside, queries = rng.normal(size=(20_000, 2)), rng.normal(size=(200, 2))
    target = AttackTarget.from_model(as_images(generated), reference=as_images(outside))
    attack = DOMIAS(features="pixels", estimator="gaussian").fit(target)
    expected = norm.logpdf(queries, [1, 0], 0.5) - norm.logpdf(queries, 0, 1)
    scores = attack.score(as_images(queries))
    np.testing.assert_allclose(scores, expected.sum(axis=1), rtol=0.05, atol=0.15)


# === Gen-LRA ===


def test_gen_lra_orders_queries_by_the_local_likelihood_ratio():
    attack = GenLRA(features="pixels", k=20).fit(TARGET)
    outside = gaussian_kde(flat(OUTSIDE).T)
    precision = np.linalg.inv(outside.covariance)
    whiten = np.linalg.cholesky(np.linalg.inv(np.cov(flat(OUTSIDE).T)))
    log_norm = -0.5 * np.linalg.slogdet(2 * np.pi * outside.covariance)[1]
    ratios = []
    for query in flat(QUERIES):
        differences = flat(SAMPLES) - query
        nearest = np.argsort(((differences @ whiten) ** 2).sum(axis=1))[:20]
        near = differences[nearest]
        kernels = np.exp(
            log_norm - 0.5 * np.einsum("ij,jk,ik->i", near, precision, near)
        )
        densities = outside.pdf(flat(SAMPLES)[nearest].T)
        updated = (300 * densities + kernels) / 301
        ratios.append(np.log(updated / densities).sum())
    rebuilt = np.exp(attack.score(QUERIES)) + 20 * np.log(300 / 301)
    np.testing.assert_allclose(rebuilt, ratios, rtol=1e-9, atol=1e-10)


def test_gen_lra_tells_far_queries_apart_where_the_ratio_underflows():
    outside = images(200, 1) * 0.01
    target = AttackTarget.from_model(images(300, 2) * 0.01, reference=outside)
    scores = GenLRA(features="pixels").fit(target).score(QUERIES)
    assert scores.max() < -1000
    assert len(np.unique(scores)) == 50


# === DPI ===


def test_dpi_is_the_share_of_generated_neighbors():
    from sklearn.neighbors import NearestNeighbors

    attack = DPI(features="pixels", k=10).fit(TARGET)
    pool = np.concatenate([flat(TARGET.sampler(0, 300)), flat(OUTSIDE)])
    found = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(pool)
    _, indices = found.kneighbors(flat(QUERIES))
    share = (indices < 300).mean(axis=1)
    scores = attack.score(QUERIES)
    within = scores - share
    assert (within > 0).all()
    assert (within < 1 / 20).all()
    assert attack.settings["num_samples"] == 300


def test_equal_distances_count_one_half_in_a_share():
    distances = np.array([[1.0, 2.0], [0.0, 1.0]])
    np.testing.assert_array_equal(generated_share(distances, distances), [0.5, 0.5])
    near, far = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    assert generated_share(near, far) == [1.0]
    assert generated_share(far, near) == [0.0]


def test_equal_shares_are_ordered_by_distance():
    rng = np.random.default_rng(0)
    generated, outside = rng.normal(size=(2, 300, 1))
    target = AttackTarget.from_model(as_images(generated), reference=as_images(outside))
    scores = (
        DPI(features="pixels", k=3).fit(target).score(as_images(outside[:90] + 1e-3))
    )
    assert len(np.unique(scores)) >= 86


# === The exact attack on a generator of known density ===


class KernelGenerator:
    """Kernels of width `h` on `n` training points, or on blends of two of them."""

    def __init__(self, dimensions, h, seed, alpha=None, n=100, num_blends=20_000):
        self.rng = np.random.default_rng(seed)
        self.h = h
        self.members = self.centers = self.rng.normal(size=(n, dimensions))
        if alpha is not None:
            first, shift = (
                self.rng.integers(n, size=num_blends),
                self.rng.integers(1, n, size=num_blends),
            )
            second = (first + shift) % n
            weight = self.rng.beta(alpha, alpha, num_blends)[:, None]
            self.centers = weight * self.members[first]
            self.centers += (1 - weight) * self.members[second]

    def sample(self, number):
        chosen = self.rng.integers(len(self.centers), size=number)
        noise = self.rng.normal(size=(number, self.centers.shape[1]))
        return self.centers[chosen] + self.h * noise

    def exact(self, rows):
        """The log ratio of the true densities: no attack on samples beats it."""
        exponents = cdist(rows, self.centers, "sqeuclidean") / (-2 * self.h**2)
        return logsumexp(exponents, axis=1) + (rows**2).sum(axis=1) / 2


@pytest.mark.parametrize(
    ("dimensions", "h", "alpha", "expected"),
    [
        (2, 0.2, None, 0.791),
        (2, 0.2, 0.2, 0.781),
        (2, 0.2, 1.0, 0.675),
        (2, 0.2, 4.0, 0.547),
        (8, 0.5, None, 0.998),
        (8, 0.5, 4.0, 0.994),
    ],
)
def test_what_mixup_can_hide_when_a_model_fits_the_mixed_law(
    dimensions, h, alpha, expected
):
    """In few dimensions blends hide their parts; in many they hardly do.

    The generator here has learned the law of blends exactly, and the attacker knows
    all densities. What protects a real model is what its networks fail to learn.
    """
    areas = []
    for seed in range(8):
        generator = KernelGenerator(dimensions, h, seed, alpha, num_blends=10_000)
        outsiders = np.random.default_rng([seed, 1]).normal(size=(200, dimensions))
        areas.append(
            auc(generator.exact(generator.members), generator.exact(outsiders))
        )
    assert np.mean(areas) == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize(
    ("attack", "gap"),
    [
        (lambda: DOMIAS(features="pixels"), 0.08),
        (lambda: DOMIAS(features="pixels", estimator="knn", k=80), 0.05),
        (lambda: DPI(features="pixels", k=100), 0.06),
    ],
)
def test_attacks_on_samples_come_near_the_exact_attack_and_do_not_beat_it(attack, gap):
    differences = []
    for seed in range(4):
        generator = KernelGenerator(2, 0.2, seed)
        rng = np.random.default_rng([seed, 1])
        outsiders, outside = rng.normal(size=(400, 2)), rng.normal(size=(20_000, 2))
        target = AttackTarget.from_model(
            as_images(generator.sample(20_000)), reference=as_images(outside)
        )
        fitted = attack().fit(target)
        members = generator.members
        reached = auc(
            fitted.score(as_images(members)), fitted.score(as_images(outsiders))
        )
        exact = auc(generator.exact(members), generator.exact(outsiders))
        differences.append(reached - exact)
    error = np.std(differences) / np.sqrt(3)
    assert -gap < np.mean(differences) < 4 * error
