"""Attacks and bounds where the answer is known exactly."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from keras_mixup_gan.attacks import LOGAN, AttackTarget, GANLeaks
from keras_mixup_gan.attacks.samples.kernels import KernelDensity, gaussian_log_density
from keras_mixup_gan.statistics.epsilon_bounds import epsilon_one_run
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.samples.test_density import KernelGenerator
from tests.statistics.test_epsilon_bounds import gaussian_epsilon

SCALE = 10.0  # images must lie in [-1, 1]


def as_images(rows):
    return (rows / SCALE).astype("float32")[:, None, :, None]


# === The mean of the training set is released ===


def released_mean(dimensions, number, noise, seed):
    """Training points, as many others, and their mean with noise."""
    rng = np.random.default_rng([seed, dimensions])
    members, others = rng.normal(size=(2, number, dimensions))
    return members, others, members.mean(axis=0) + noise * rng.normal(size=dimensions)


def inner_product_target(mean, dimensions):
    def discriminator(queries, labels):
        return SCALE * queries.reshape(len(queries), -1) @ mean

    return AttackTarget((1, dimensions, 1), discriminator=discriminator)


@pytest.mark.parametrize(
    ("dimensions", "noise"), [(50, 0.0), (200, 0.0), (200, 0.1), (200, 0.3)]
)
def test_the_inner_product_with_a_released_mean_has_its_closed_form(dimensions, noise):
    number, areas = 100, []
    for seed in range(40):
        members, others, mean = released_mean(dimensions, number, noise, seed)
        attack = LOGAN().fit(inner_product_target(mean, dimensions))
        scores = [attack.score(as_images(rows)) for rows in (members, others)]
        areas.append(auc(*scores))
    spread = number * np.sqrt(1 / number + noise**2)
    expected = stats.norm.cdf(np.sqrt(dimensions / 2) / spread)
    error = np.std(areas) / np.sqrt(len(areas))
    assert abs(np.mean(areas) - expected) < 4 * error + 0.005


def test_the_exact_ratio_is_at_least_as_good_as_the_inner_product():
    number, dimensions, noise, gains = 100, 200, 0.1, []
    for seed in range(40):
        members, others, mean = released_mean(dimensions, number, noise, seed)
        inside = (number - 1) / number**2 + noise**2
        outside = 1 / number + noise**2

        def ratio(rows, mean=mean, inside=inside, outside=outside):
            near = ((mean - rows / number) ** 2).sum(axis=1) / inside
            return -near / 2 + (mean**2).sum() / (2 * outside)

        products = auc(members @ mean, others @ mean)
        gains.append(auc(ratio(members), ratio(others)) - products)
    assert np.mean(gains) > -2 * np.std(gains) / np.sqrt(len(gains))


def test_one_run_on_a_clipped_and_noisy_mean_stays_below_its_epsilon():
    """One step of DP-SGD: the sum of clipped rows with noise is mu-GDP."""
    number, delta, sigma = 1000, 1e-5, 0.5
    truth = gaussian_epsilon(1 / sigma, delta)
    found = []
    for seed in range(10):
        rng = np.random.default_rng([seed, 3])
        canaries = 5 * np.eye(number)  # far beyond the clip norm of 1
        lengths = np.linalg.norm(canaries, axis=1, keepdims=True)
        clipped = canaries / np.maximum(1, lengths)
        included = rng.random(number) < 0.5
        release = clipped[included].sum(axis=0) + sigma * rng.normal(size=number)
        scores = clipped @ release
        found.append(epsilon_one_run(scores[included], scores[~included], delta=delta))
    assert max(found) <= truth
    assert np.mean(found) > 2


# === Kernels ===


@pytest.mark.parametrize(
    ("alpha", "expected"), [(None, 0.970), (0.2, 0.955), (1.0, 0.898), (4.0, 0.777)]
)
def test_the_nearest_of_many_samples_of_a_known_generator(alpha, expected):
    """Ten thousand samples in eight dimensions, of points or of blends of them."""
    areas = []
    for seed in range(8):
        generator = KernelGenerator(8, 0.5, seed, alpha)
        others = np.random.default_rng([seed, 1]).normal(size=(300, 8))
        target = AttackTarget.from_model(as_images(generator.sample(10_000)))
        attack = GANLeaks(10_000).fit(target)
        scores = [attack.score(as_images(x)) for x in (generator.members, others)]
        areas.append(auc(*scores))
    assert np.mean(areas) == pytest.approx(expected, abs=0.03)


def test_a_kernel_density_describes_a_mixture_better_than_one_gaussian():
    """On rows it was not fitted to, where a density may be judged."""
    centers = np.array([[-3.0, 0.0], [3.0, 1.0], [0.0, 4.0]])
    rng = np.random.default_rng(0)
    known, held = (
        centers[rng.integers(3, size=1500)] + 0.5 * rng.normal(size=(1500, 2))
        for _ in range(2)
    )
    squares = ((held[:, None] - centers) ** 2).sum(axis=2)
    exact = logsumexp(-squares / (2 * 0.25), axis=1) - np.log(3 * 2 * np.pi * 0.25)
    kernels = KernelDensity(known).log_density(held)
    single = gaussian_log_density(held, known)
    assert single.mean() + 0.2 < kernels.mean() < exact.mean()
    assert exact.mean() - kernels.mean() < 0.5 * (exact.mean() - single.mean())
