"""What holds for every attack, and for each of them."""

import inspect

import numpy as np
import pytest

from keras_mixup_gan.attacks import (
    ATTACKS,
    LOGAN,
    Attack,
    AttackTarget,
    AugmentedLOGAN,
    GANLeaks,
    MixupLOGAN,
)
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, FakeGAN, defense, images

SMALL = {
    "logan": LOGAN,
    "logan_mixup": MixupLOGAN,
    "logan_augmented": AugmentedLOGAN,
    "gan_leaks": lambda: GANLeaks(num_samples=500, chunk_size=97),
}
every_attack = pytest.mark.parametrize("name", SMALL)

MEMBERS, NON_MEMBERS, OUTSIDE = images(60, 1), images(60, 2), images(40, 3)


def fitted(name, memorized=None, **settings):
    model = FakeGAN(memorized, mixup=settings.pop("mixup", None))
    target = AttackTarget.from_model(model, OUTSIDE, **settings)
    return SMALL[name]().fit(target)


@every_attack
def test_labels_of_membership_cannot_reach_an_attack(name):
    parameters = inspect.signature(ATTACKS[name].score).parameters
    assert list(parameters) == ["self", "images", "labels"]
    assert list(inspect.signature(ATTACKS[name].fit).parameters) == ["self", "target"]


@every_attack
def test_a_score_depends_on_its_query_alone(name):
    attack = fitted(name, MEMBERS, mixup=defense(noise_stddev=0.3))
    queries = np.concatenate([MEMBERS, NON_MEMBERS])
    scores = attack.score(queries)
    order = np.random.default_rng(0).permutation(len(queries))
    np.testing.assert_array_equal(attack.score(queries[order]), scores[order])
    for part in (slice(0, 1), slice(7, 30), slice(110, None)):
        np.testing.assert_array_equal(attack.score(queries[part]), scores[part])


@every_attack
def test_queries_beyond_a_block_are_scored_like_the_others(name):
    attack = fitted(name, MEMBERS)
    queries = images(1500, 9)
    scores = attack.score(queries)
    assert len(scores) == 1500
    np.testing.assert_array_equal(attack.score(queries[1400:]), scores[1400:])


@every_attack
def test_scores_are_float64_repeatable_and_of_this_target(name):
    first = fitted(name, MEMBERS).score(NON_MEMBERS)
    assert first.dtype == np.float64
    assert first.shape == (60,)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(fitted(name, MEMBERS).score(NON_MEMBERS), first)
    assert (fitted(name, NON_MEMBERS).score(NON_MEMBERS) != first).all()


@pytest.mark.parametrize("name", sorted(SMALL.keys() - {"logan_augmented"}))
def test_members_of_a_memorizing_model_are_found(name):
    attack = fitted(name, MEMBERS)
    assert auc(attack.score(MEMBERS), attack.score(NON_MEMBERS)) > 0.9


@every_attack
@pytest.mark.parametrize("memorized", [None, images(50, 4)])
def test_a_model_of_other_data_leaks_nothing(name, memorized):
    attack = fitted(name, memorized)
    members, non_members = images(300, 5), images(300, 6)
    error = np.sqrt(601 / (12 * 300 * 300))
    area = auc(attack.score(members), attack.score(non_members))
    assert abs(area - 0.5) < 4 * error


@every_attack
@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (np.zeros((3, *SHAPE), "uint8"), "floating point"),
        (np.full((3, *SHAPE), 1.5), "lie in"),
        (np.full((3, *SHAPE), np.nan), "finite"),
        (np.zeros((3, 5, 4, 1)), "images of shape"),
        (np.zeros((0, *SHAPE)), "at least one image"),
        (np.zeros(SHAPE), "batch of images"),
    ],
)
def test_queries_are_checked(name, queries, message):
    with pytest.raises(ValueError, match=message):
        fitted(name).score(queries)


@every_attack
def test_missing_access_is_refused_in_one_sentence(name):
    with pytest.raises(ValueError, match=r"needs access to: .* grants nothing"):
        SMALL[name]().fit(AttackTarget(image_shape=SHAPE))


@every_attack
def test_scoring_before_fitting_is_refused(name):
    with pytest.raises(ValueError, match=r"Call `fit\(target\)` first"):
        SMALL[name]().score(MEMBERS)


@pytest.mark.parametrize("name", ["logan", "logan_mixup", "logan_augmented"])
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (lambda x: np.full(len(x), np.nan), "not finite"),
        (lambda x: np.zeros((len(x), 2)), "one score for each"),
    ],
)
def test_a_broken_discriminator_is_noticed(name, scores, message):
    target = AttackTarget(
        image_shape=SHAPE,
        discriminator=lambda x, labels: scores(x),
        reference=AttackTarget.from_model(FakeGAN(), OUTSIDE).reference,
    )
    with pytest.raises(ValueError, match=message):
        SMALL[name]().fit(target).score(MEMBERS)


def test_a_column_of_scores_is_accepted():
    target = AttackTarget(
        image_shape=SHAPE, discriminator=lambda x, labels: x.mean(axis=(1, 2))
    )
    scores = LOGAN().fit(target).score(MEMBERS)
    np.testing.assert_allclose(scores, MEMBERS.mean(axis=(1, 2, 3)), rtol=1e-6)


# === LOGAN ===


def test_logan_is_the_raw_score_of_the_raw_image():
    model = FakeGAN(MEMBERS)
    attack = LOGAN().fit(AttackTarget.from_model(model))
    np.testing.assert_array_equal(attack.score(NON_MEMBERS), model.score(NON_MEMBERS))


# === LOGAN on blends ===


def blends_seen(own, num_blends=4, weights=(0.6,), labels=None, model=None, **target):
    """What the discriminator is shown for two queries, and the attack."""
    model = model or FakeGAN(mixup=own)
    attack = MixupLOGAN(num_blends=num_blends, weights=weights)
    attack.fit(AttackTarget.from_model(model, **{"reference": OUTSIDE, **target}))
    model.seen.clear()
    model.seen_labels.clear()
    attack.score(MEMBERS[:2], labels)
    return np.stack(model.seen), model.seen_labels, attack


def partners_in(blends, weight):
    """What is left of each blend when the query's share is taken out."""
    return (blends - np.float32(weight) * MEMBERS[:2]) / (1 - weight)


def test_blends_are_made_of_the_query_and_of_reference_images():
    blends, _, _ = blends_seen(defense())
    partners = partners_in(blends, 0.6)
    assert partners.shape == (4, 2, *SHAPE)
    for blend in partners:
        distances = np.abs(OUTSIDE - blend[0]).max(axis=(1, 2, 3))
        assert distances.min() < 1e-5
        # Every query meets the same partners.
        np.testing.assert_allclose(blend[0], blend[1], atol=1e-5)
    assert len({partner.tobytes() for partner in partners[:, 0].round(3)}) > 1


def test_more_than_two_samples_share_the_remaining_weight():
    blends, _, attack = blends_seen(defense(num_samples=3))
    partner = partners_in(blends, 0.6)[0, 0]
    means = (OUTSIDE[:, None] + OUTSIDE[None]) / 2
    distances = np.abs(means - partner).max(axis=(2, 3, 4))
    first, second = np.unravel_index(distances.argmin(), distances.shape)
    assert distances.min() < 1e-5
    assert first != second
    assert attack.settings["num_partners"] == 2


def test_the_noise_of_the_defense_is_added_and_may_leave_the_range():
    blends, _, attack = blends_seen(defense(noise_stddev=1.0), num_blends=64)
    clean, _, _ = blends_seen(defense(), num_blends=64)
    noise = blends - clean
    assert np.abs(blends).max() > 1
    assert noise.std() == pytest.approx(1.0, abs=0.1)
    np.testing.assert_allclose(noise[:, 0], noise[:, 1], atol=1e-5)
    assert np.abs(noise[0] - noise[1]).max() > 0.1
    assert attack.settings["noise_stddev"] == 1.0


def test_against_noise_alone_the_query_is_not_blended():
    own = defense(num_samples=1, noise_stddev=1.0)
    labels = np.array([0, 2])
    model = FakeGAN(num_classes=3, mixup=own)
    reference = (OUTSIDE, np.arange(40) % 3)
    seen, rows, attack = blends_seen(
        None, 64, labels=labels, model=model, reference=reference
    )
    noise = seen - MEMBERS[:2]
    assert noise.std() == pytest.approx(1.0, abs=0.1)
    assert abs(noise.mean()) < 0.1
    np.testing.assert_array_equal(rows[0], np.eye(3)[labels])
    assert attack.settings["weights"] == [1.0]


def test_an_undefended_model_is_attacked_without_noise():
    blends, _, attack = blends_seen(None)
    assert np.abs(blends).max() <= 1
    assert attack.settings["noise_stddev"] == 0.0


def test_a_defense_known_otherwise_replaces_that_of_the_model():
    _, _, attack = blends_seen(defense(), mixup=defense(noise_stddev=0.5))
    assert attack.settings["noise_stddev"] == 0.5
    _, _, attack = blends_seen(defense(noise_stddev=0.5), mixup=None)
    assert attack.settings["noise_stddev"] == 0.0


def test_labels_are_blended_with_the_images():
    outside_labels = np.arange(40) % 3
    model = FakeGAN(num_classes=3, mixup=defense())
    blends, labels, _ = blends_seen(
        None,
        labels=np.array([0, 2]),
        model=model,
        reference=(OUTSIDE, outside_labels),
    )
    for blend, rows in zip(blends, labels, strict=True):
        partner = np.abs(OUTSIDE - partners_in(blend, 0.6)[0]).max(axis=(1, 2, 3))
        expected = np.zeros((2, 3))
        expected[0, 0] = expected[1, 2] = 0.6
        expected[:, outside_labels[partner.argmin()]] += 0.4
        np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_same_class_defenses_are_attacked_with_partners_of_the_class():
    model = FakeGAN(num_classes=3, mixup=defense(same_class=True))
    _, labels, attack = blends_seen(
        None,
        labels=np.array([0, 2]),
        model=model,
        num_blends=8,
        reference=(OUTSIDE, np.arange(40) % 3),
    )
    assert attack.settings["same_class"]
    for rows in labels:
        np.testing.assert_allclose(rows, [[1, 0, 0], [0, 0, 1]], atol=1e-6)


def rated(model, batches):
    return np.array([model.score(batch, check_range=False) for batch in batches])


def test_the_score_is_the_mean_over_all_blends_in_units_of_reference_blends():
    model = FakeGAN(MEMBERS, mixup=defense(noise_stddev=0.2))
    attack = MixupLOGAN(num_blends=3, weights=(0.4, 0.8))
    attack.fit(AttackTarget.from_model(model, OUTSIDE))
    on_reference = rated(model, model.seen[:6])
    model.seen.clear()
    scores = attack.score(NON_MEMBERS)
    on_queries = rated(model, model.seen[:6])
    expected = np.zeros(len(NON_MEMBERS))
    for at in (slice(0, 3), slice(3, 6)):
        yardstick = on_reference[at].mean(axis=0)
        mean = on_queries[at].mean(axis=0)
        expected += (mean - yardstick.mean()) / yardstick.std() / 2
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_reference_images_are_never_blended_with_themselves():
    model = FakeGAN()
    few = OUTSIDE[:8]
    MixupLOGAN(weights=(0.6,)).fit(AttackTarget.from_model(model, few))
    blends = np.concatenate(model.seen)
    distances = np.abs(blends[:, None] - few[None]).max(axis=(2, 3, 4))
    assert distances.min() > 1e-3


def test_no_weight_outweighs_the_others():
    # At weight .9 this score is 1,000 times larger, and it points the wrong way.
    query = images(30, 7)

    def discriminator(blends, labels):
        return 1000 * blends.mean(axis=(1, 2, 3))

    target = AttackTarget.from_model(FakeGAN(), OUTSIDE)
    target = AttackTarget(
        image_shape=SHAPE, discriminator=discriminator, reference=target.reference
    )
    scores = [
        MixupLOGAN(weights=weights).fit(target).score(query)
        for weights in ((0.5,), (0.7,), (0.9,), (0.5, 0.7, 0.9))
    ]
    np.testing.assert_allclose(scores[3], np.mean(scores[:3], axis=0), atol=0.2)
    assert all(0.3 < score.std() < 3 for score in scores)


def test_a_constant_discriminator_scores_everything_alike():
    target = AttackTarget(
        image_shape=SHAPE,
        discriminator=lambda x, labels: np.zeros(len(x)),
        reference=AttackTarget.from_model(FakeGAN(), OUTSIDE).reference,
    )
    assert (MixupLOGAN().fit(target).score(MEMBERS) == 0).all()


def test_other_seeds_draw_other_partners():
    first, _, _ = blends_seen(defense(), seed=0)
    same, _, _ = blends_seen(defense(), seed=0)
    other, _, _ = blends_seen(defense(), seed=1)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.1


def test_a_discriminator_that_leaks_on_blends_only_is_caught():
    # Raw images score alike; halfway to the outside the model knows its members.
    def discriminator(blends, labels):
        rows = blends.reshape(len(blends), -1)
        known = 0.5 * MEMBERS.reshape(60, -1)
        squares = ((rows[:, None] - known[None]) ** 2).sum(axis=2).min(axis=1)
        is_raw = np.abs(rows).max(axis=1) > 0.75
        return np.where(is_raw, 0.0, -squares)

    outside = images(20, 8) * 0.01
    target = AttackTarget(
        image_shape=SHAPE,
        discriminator=discriminator,
        reference=AttackTarget.from_model(FakeGAN(), outside).reference,
    )
    plain, adaptive = LOGAN().fit(target), MixupLOGAN(weights=(0.5,)).fit(target)
    assert auc(adaptive.score(MEMBERS), adaptive.score(NON_MEMBERS)) > 0.9
    assert auc(plain.score(MEMBERS), plain.score(NON_MEMBERS)) < 0.6


def test_conditional_models_need_labels():
    target = AttackTarget.from_model(FakeGAN(num_classes=3), OUTSIDE)
    with pytest.raises(ValueError, match="needs the class labels of the images"):
        LOGAN().fit(target).score(MEMBERS)
    with pytest.raises(ValueError, match="needs the class labels of the reference"):
        MixupLOGAN().fit(target)
    with pytest.raises(ValueError, match=r"must lie in 0 \.\.\. 2"):
        LOGAN().fit(target).score(MEMBERS, np.full(60, 3))
    with pytest.raises(ValueError, match="3 columns"):
        LOGAN().fit(target).score(MEMBERS, np.zeros((60, 4)))


def test_too_few_reference_images_are_refused():
    target = AttackTarget.from_model(FakeGAN(), OUTSIDE[:3])
    with pytest.raises(ValueError, match="at least 4 reference images"):
        MixupLOGAN().fit(target)


def test_a_refit_that_fails_does_not_score_the_old_target():
    attack = fitted("logan_mixup")
    with pytest.raises(ValueError, match="reference images"):
        attack.fit(AttackTarget.from_model(FakeGAN(), OUTSIDE[:3]))
    with pytest.raises(ValueError, match="before fit"):
        attack.score(MEMBERS)


@pytest.mark.parametrize("weights", [(), (0.0,), (0.5, 1.2)])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValueError, match="`weights` must be"):
        MixupLOGAN(weights=weights)


# === GAN-Leaks ===


def test_gan_leaks_is_minus_the_distance_to_the_nearest_sample():
    model = FakeGAN()
    attack = GANLeaks(num_samples=300).fit(AttackTarget.from_model(model, seed=5))
    samples = model.generate(300, seed=5, dtype="float32").reshape(300, -1)
    rows = np.float64(MEMBERS).reshape(60, -1)
    distances = np.linalg.norm(rows[:, None] - samples[None], axis=2).min(axis=1)
    np.testing.assert_allclose(attack.score(MEMBERS), -distances, rtol=1e-12)


def test_samples_are_generated_in_chunks_and_none_is_dropped():
    model = FakeGAN()
    attack = GANLeaks(num_samples=250, chunk_size=100)
    attack.fit(AttackTarget.from_model(model)).score(MEMBERS)
    assert model.batch_sizes == [100, 100, 50]


def test_an_array_of_samples_is_searched_as_far_as_it_goes():
    samples = images(70, 11)
    attack = GANLeaks(num_samples=1000).fit(AttackTarget.from_model(samples))
    assert attack.score(samples[60:61])[0] == 0
    assert attack.settings["num_samples"] == 70


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda n: np.zeros((n, *SHAPE), "uint8"), "`generated images` must be float"),
        (lambda n: np.full((n, *SHAPE), 3.0), "`generated images` must lie in"),
        (lambda n: np.zeros((n, 2, 2, 1)), "`generated images` must hold images of"),
        (lambda n: np.zeros((n + 1, *SHAPE)), "must return `stop - start`"),
        (lambda n: images(n, 0), "returned the same images twice"),
    ],
)
def test_unusable_samples_are_refused(draw, message):
    target = AttackTarget.from_model(draw, image_shape=SHAPE)
    attack = GANLeaks(num_samples=30, chunk_size=10).fit(target)
    with pytest.raises(ValueError, match=message):
        attack.score(MEMBERS)


def test_a_collapsed_generator_is_not_mistaken_for_a_repeating_one():
    target = AttackTarget.from_model(lambda n: np.zeros((n, *SHAPE)), image_shape=SHAPE)
    scores = GANLeaks(num_samples=30, chunk_size=10).fit(target).score(MEMBERS)
    np.testing.assert_allclose(scores, -np.linalg.norm(MEMBERS.reshape(60, -1), axis=1))


def test_attacks_of_ones_own_need_only_a_score():
    class Brightness(Attack):
        name = "brightness"
        title = "Brightness"
        requires = frozenset()
        paper = "none"

        def _score(self, images, labels):
            return images.mean(axis=(1, 2, 3))

    scores = Brightness().fit(AttackTarget(image_shape=SHAPE)).score(MEMBERS)
    assert scores.dtype == np.float64
    assert Brightness().settings == {}
