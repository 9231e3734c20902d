import math

import pytest

from keras_mixup_gan.privacy import epsilon, noise_multiplier_for

# Noise multiplier, sampling rate and steps of trainings whose epsilon is published;
# the values are those of independent implementations of the two accountants.
PUBLISHED = [
    # Abadi et al. 2016.
    (4.0, 0.01, 10_000, 1.035, 0.947),
    # The tutorial of tensorflow-privacy: 60 epochs in batches of 256.
    (1.1, 256 / 60_000, 14_063, 2.597, 2.382),
    # Bie, Kamath, Zhang 2023 for epsilon 10, 1, and 10 with adaptive updates.
    (1.0, 1 / 469, 450_000, 9.963, 9.273),
    (5.0, 1 / 469, 325_000, 0.994, 0.913),
    (2.0, 1 / 118, 174_000, 9.995, 9.307),
]


@pytest.mark.parametrize(("noise", "rate", "steps", "rdp", "pld"), PUBLISHED)
def test_published_trainings(noise, rate, steps, rdp, pld):
    assert epsilon(rate, noise, steps, 1e-5, "rdp") == pytest.approx(rdp, abs=0.005)
    assert epsilon(rate, noise, steps, 1e-5, "pld") == pytest.approx(pld, abs=0.005)


def by_the_first_papers(noise, rate, steps, delta=1e-5):
    """Moments of whole orders and the conversion of Abadi et al., in a few lines."""
    found = []
    for order in range(2, 257):
        # log E[(p / q)^order] of the mixture against the plain Gaussian.
        terms = [
            math.lgamma(order + 1)
            - math.lgamma(k + 1)
            - math.lgamma(order - k + 1)
            + k * math.log(rate)
            + (order - k) * math.log1p(-rate)
            + k * (k - 1) / (2 * noise**2)
            for k in range(order + 1)
        ]
        largest = max(terms)
        log_moment = largest + math.log(sum(math.exp(t - largest) for t in terms))
        found.append((steps * log_moment - math.log(delta)) / (order - 1))
    return min(found)


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "published"),
    [
        (1.3, 256 / 60_000, 15 * 60_000 / 256, 1.19),
        (1.1, 256 / 60_000, 60 * 60_000 / 256, 3.01),
        (4.0, 0.01, 10_000, 1.26),
    ],
)
def test_older_published_figures_are_those_of_an_older_conversion(
    noise, rate, steps, published
):
    older = by_the_first_papers(noise, rate, steps)
    assert older == pytest.approx(published, abs=0.01)
    assert 0.7 * older < epsilon(rate, noise, round(steps), 1e-5, "rdp") < older


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_epsilon_grows_with_steps_rate_and_shrinks_with_noise_and_delta(accountant):
    def spent(rate=0.05, noise=3.0, steps=100, delta=1e-4):
        return epsilon(rate, noise, steps, delta, accountant)

    assert spent() < spent(steps=200)
    assert spent() < spent(rate=0.1)
    assert spent(noise=4.0) < spent()
    assert spent(delta=1e-3) < spent()


def test_tight_accountant_is_never_above_renyi():
    for rate, noise, steps in ((0.1, 2.0, 10), (0.01, 1.5, 1000), (1.0, 5.0, 3)):
        tight = epsilon(rate, noise, steps, 1e-5)
        assert 0 < tight <= epsilon(rate, noise, steps, 1e-5, "rdp")


def test_a_full_batch_is_a_plain_gaussian_mechanism():
    # delta(eps) of one Gaussian release in closed form (Balle and Wang 2018).
    noise = 2.0
    spent = epsilon(1.0, noise, 1, 1e-3)

    def cdf(x):
        return 0.5 * math.erfc(-x / math.sqrt(2))

    half, shift = 1 / (2 * noise), spent * noise
    delta = cdf(half - shift) - math.exp(spent) * cdf(-half - shift)
    assert delta == pytest.approx(1e-3, rel=0.01)


def test_nothing_is_spent_without_steps_and_everything_without_noise():
    assert epsilon(0.1, 1.0, 0, 1e-5) == 0
    assert epsilon(0.1, 0.0, 0, 1e-5) == 0
    assert epsilon(0.1, 0.0, 1, 1e-5) == math.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1.0, 10, 1e-5), "sampling_rate"),
        ((1.5, 1.0, 10, 1e-5), "sampling_rate"),
        ((0.1, -1.0, 10, 1e-5), "noise_multiplier"),
        ((0.1, 1.0, 10, 0.0), "delta"),
        ((0.1, 1.0, 10, 2.0), "delta"),
        ((0.1, 1.0, 10, 1e-5, "gdp"), "accountant"),
        ((0.1, 1.0, -3, 1e-5), "steps"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"`{message}`"):
        epsilon(*arguments)


# === Noise for a target ===


@pytest.mark.long
@pytest.mark.parametrize(
    ("target", "delta", "rate", "steps", "noise"),
    [
        # By Renyi accounting: 10.10, 3.90, 3.20.
        (1, 1e-4, 64 / 1000, 2000, 9.18),
        (3, 1e-4, 64 / 1000, 2000, 3.60),
        (10, 1e-4, 64 / 1000, 10_000, 3.00),
        (0.05, 1e-5, 0.1, 1000, None),
        (2, 1e-5, 1.0, 3, None),
        (5, 1e-3, 0.25, 6, None),
        (200, 1e-4, 64 / 250, 1200, None),
    ],
)
def test_noise_for_a_target_uses_it_up(target, delta, rate, steps, noise):
    found = noise_multiplier_for(target, delta, rate, steps)
    if noise is not None:
        assert found == pytest.approx(noise, abs=0.006)
    assert 0.998 * target < epsilon(rate, found, steps, delta) <= target


@pytest.mark.long
@pytest.mark.parametrize(
    "problem", [(20, 1e-3, 0.5, 1), (10, 1e-20, 0.1, 100), (1e-3, 1e-5, 0.1, 10**5)]
)
def test_renyi_accounting_decides_where_the_tight_one_cannot(problem):
    target, delta, rate, steps = problem
    found = noise_multiplier_for(target, delta, rate, steps)
    assert epsilon(rate, found, steps, delta, "rdp") <= target


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1e-5, 0.1, 10), "target_epsilon"),
        ((math.inf, 1e-5, 0.1, 10), "target_epsilon"),
        ((1.0, 0.0, 0.1, 10), "delta"),
        ((1.0, 1e-5, 2.0, 10), "sampling_rate"),
        ((1.0, 1e-5, 0.1, 0), "steps"),
    ],
)
def test_bad_targets(arguments, message):
    with pytest.raises(ValueError, match=f"`{message}`"):
        noise_multiplier_for(*arguments)


def test_a_target_that_no_noise_meets_is_one_sentence():
    with pytest.raises(ValueError, match=r"No noise.*Received: target_eps") as caught:
        noise_multiplier_for(1e-9, 1e-9, 1.0, 10**9)
    assert "\n" not in str(caught.value)
