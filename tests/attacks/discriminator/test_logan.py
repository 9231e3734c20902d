"""LOGAN on raw images, on blends, and on transforms."""

import numpy as np
import pytest

from keras_mixup_gan.attacks import (
    LOGAN,
    AttackTarget,
    AugmentedLiRA,
    AugmentedLOGAN,
    LiRA,
    MixupLOGAN,
    train_shadows,
)
from keras_mixup_gan.attacks.discriminator.logan import mean_scores, transforms
from keras_mixup_gan.attacks.shadows.signals import NUM_DRAWS
from keras_mixup_gan.attacks.target import defense_of
from keras_mixup_gan.auditing import audit
from keras_mixup_gan.auditing.controls import as_null_target
from keras_mixup_gan.augment import translate
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, FakeGAN, defense, images
from tests.models.tiny import make, random_images

MEMBERS, NON_MEMBERS, OUTSIDE = images(60, 1), images(60, 2), images(40, 3)


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


def test_noise_that_is_drawn_once_comes_before_blends_and_transforms():
    own = defense(noise_stddev=0.5, noise="once")
    blends, _, attack = blends_seen(own, num_blends=64)
    clean, _, _ = blends_seen(defense(), num_blends=64)
    noise = blends - clean  # of two images, by their weights
    assert noise.std() == pytest.approx(0.5 * np.hypot(0.6, 0.4), rel=0.05)
    np.testing.assert_allclose(noise[:, 0], noise[:, 1], atol=1e-5)
    assert attack.settings["noise"] == "once"
    own = defense(num_samples=1, noise_stddev=0.5, noise="once", augment="cutout")
    seen, _, _ = blends_seen(own, num_blends=8)
    noise = seen - blends_seen(defense(num_samples=1, augment="cutout"), 8)[0]
    assert np.all((seen == 0).any(axis=(1, 2, 3, 4)))  # nothing is added to the cuts
    assert noise[seen != 0].std() == pytest.approx(0.5, rel=0.1)


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
    with pytest.raises(ValueError, match=r"must lie in 0 to 2"):
        LOGAN().fit(target).score(MEMBERS, np.full(60, 3))
    with pytest.raises(ValueError, match=r"rows of shape \(60, 3\)"):
        LOGAN().fit(target).score(MEMBERS, np.zeros((60, 4)))


def test_too_few_reference_images_are_refused():
    target = AttackTarget.from_model(FakeGAN(), OUTSIDE[:3])
    with pytest.raises(ValueError, match="at least 4 reference images"):
        MixupLOGAN().fit(target)


def test_a_refit_that_fails_does_not_score_the_old_target():
    attack = MixupLOGAN().fit(AttackTarget.from_model(FakeGAN(), OUTSIDE))
    with pytest.raises(ValueError, match="reference images"):
        attack.fit(AttackTarget.from_model(FakeGAN(), OUTSIDE[:3]))
    with pytest.raises(ValueError, match="before fit"):
        attack.score(MEMBERS)


@pytest.mark.parametrize("weights", [(), (0.0,), (0.5, 1.2)])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValueError, match="`weights` must be"):
        MixupLOGAN(weights=weights)


def shifts(images):
    """Images `(9, number, ...)` moved by up to a pixel: all that a policy may do."""
    ones = np.ones(len(images), "int32")
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return np.stack([translate(images, d * ones, r * ones) for d, r in moves])


def test_queries_and_partners_are_transformed_before_they_are_blended():
    own = defense(augment="translation", noise_stddev=0.25)
    blends, _, attack = blends_seen(own, num_blends=6)
    noise = blends - blends_seen(defense(augment="translation"), num_blends=6)[0]
    assert noise.std() == pytest.approx(0.25, rel=0.2)
    outside, found = shifts(OUTSIDE), []
    for blend in blends - noise:
        rests = (blend - np.float32(0.6) * shifts(MEMBERS[:2])) / np.float32(0.4)
        gaps = np.abs(rests[:, None, None] - outside[None, :, :, None])
        gaps = gaps.max(axis=(3, 4, 5, 6))  # of shifts of queries, of partners, partner
        assert gaps.min() < 1e-5  # both queries are moved alike and meet one partner
        found.append(np.unravel_index(gaps.argmin(), gaps.shape))
    assert len({query for query, _, _ in found}) > 1
    assert any(query != partner for query, partner, _ in found)
    assert attack.settings["augment"] == "translation"


def test_queries_are_blended_by_regions_as_training_images_were():
    model = FakeGAN(num_classes=3, mixup=defense(region="cutmix"))
    reference = (OUTSIDE, np.arange(40) % 3)
    blends, rows, attack = blends_seen(
        None, 6, labels=np.array([0, 0]), model=model, reference=reference
    )
    is_query = blends == MEMBERS[:2]
    np.testing.assert_array_equal(is_query[:, 0], is_query[:, 1])
    for blend, own, labels in zip(blends, is_query, rows, strict=True):
        is_partner = (blend[0] == OUTSIDE).sum(axis=(1, 2, 3))
        partner = is_partner.argmax()
        assert own[0].sum() + is_partner[partner] == own[0].size
        expected = own[0].mean() * np.eye(3)[0]
        expected += (1 - own[0].mean()) * np.eye(3)[partner % 3]
        np.testing.assert_allclose(labels[0], expected, atol=1e-6)
    assert np.abs(is_query.mean(axis=(1, 2, 3, 4)) - 0.6).max() < 0.1
    assert attack.settings["region"] == "cutmix"


# === LOGAN on transforms: of models that remember nothing else ===


class AugmentedGAN(FakeGAN):
    """Remembers its images moved by a pixel in every direction, never as they are."""

    def __init__(self, memorized, augment="translation"):
        moves = [(d, r) for d in (-1, 0, 1) for r in (-1, 0, 1) if (d, r) != (0, 0)]
        ones = np.ones(len(memorized), "int32")
        moved = [translate(memorized, d * ones, r * ones) for d, r in moves]
        super().__init__(np.concatenate(moved))
        self.augment = augment


def area(attack, model, **settings):
    attack.fit(AttackTarget.from_model(model, **settings))
    return auc(attack.score(MEMBERS), attack.score(NON_MEMBERS))


def test_a_model_that_remembers_transforms_is_found_by_them_alone():
    model = AugmentedGAN(MEMBERS)
    assert area(AugmentedLOGAN(), model) > 0.95
    assert area(LOGAN(), model) < 0.8


def test_the_score_is_the_mean_over_transforms_that_the_seed_decides():
    model = FakeGAN()
    model.augment = "color,cutout"
    target = AttackTarget.from_model(model, seed=3)
    seen = list(transforms(target, MEMBERS, 5))
    assert len({views.tobytes() for views in seen}) == 5
    expected = np.mean([model.score(views, check_range=False) for views in seen], 0)
    scores = AugmentedLOGAN(num_draws=5).fit(target).score(MEMBERS)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    means = mean_scores(target, 5)
    np.testing.assert_allclose(means(MEMBERS, None), expected)
    other = AttackTarget.from_model(model, seed=4)
    assert (AugmentedLOGAN(num_draws=5).fit(other).score(MEMBERS) != scores).all()


def test_every_image_gets_the_same_transforms():
    target = AttackTarget(image_shape=SHAPE, augment="color,translation,cutout")
    same = np.repeat(MEMBERS[:1], 1500, axis=0)
    for views in transforms(target, same, 3):
        np.testing.assert_array_equal(views, np.repeat(views[:1], 1500, axis=0))


@pytest.mark.parametrize(
    ("augment", "policy"),
    [("cutout", "cutout"), (None, "color,translation,cutout")],
)
def test_the_policy_is_the_models_or_all_there_is(augment, policy):
    attack = AugmentedLOGAN(num_draws=2)
    assert attack.settings == {"num_draws": 2}
    attack.fit(AttackTarget.from_model(AugmentedGAN(MEMBERS, augment)))
    assert attack.settings == {"num_draws": 2, "policy": policy}
    if augment == "cutout":  # what is left of an image is left as it is
        views = next(transforms(attack._target, MEMBERS, 1))
        assert set(np.unique(views)) <= {0.0, *np.unique(MEMBERS)}


def test_labels_reach_a_conditional_discriminator():
    model = FakeGAN(MEMBERS, num_classes=3)
    attack = AugmentedLOGAN(num_draws=2).fit(AttackTarget.from_model(model))
    attack.score(MEMBERS[:4], labels=np.array([0, 2, 1, 2]))
    assert len(model.seen_labels) == 2
    for rows in model.seen_labels:
        np.testing.assert_array_equal(rows, np.eye(3)[[0, 2, 1, 2]])


def test_unusable_settings_are_refused():
    with pytest.raises(ValueError, match="num_draws"):
        AugmentedLOGAN(num_draws=0)
    with pytest.raises(ValueError, match="unknown transforms: 'zoom'"):
        AttackTarget(image_shape=SHAPE, augment="zoom")


def test_a_policy_is_one_however_it_is_written():
    assert AttackTarget(SHAPE, augment="color, cutout").augment == "color,cutout"
    model = FakeGAN(MEMBERS)
    assert AttackTarget.from_model(model, augment="cutout").augment == "cutout"
    model.augment = lambda images: images  # another library's method
    assert AttackTarget.from_model(model).augment is None


# === With shadow models ===


def test_shadow_models_and_target_are_asked_about_the_same_transforms(tmp_path):
    pool = np.concatenate([MEMBERS, NON_MEMBERS])
    shadows = train_shadows(
        lambda x, labels, seed: AugmentedGAN(x),
        pool,
        folder=tmp_path,
        num_shadows=4,
        signals=["critic", "augmented"],
        num_samples={"critic": 32, "augmented": 32},
    )
    assert shadows.defense == {"augment": "translation"}
    model = AugmentedGAN(MEMBERS)
    attack = AugmentedLiRA()
    assert area(attack, model, shadows=shadows) > 0.95
    assert attack.settings["adaptive"]
    target = AttackTarget.from_model(model, shadows=shadows)
    means = mean_scores(target, NUM_DRAWS)
    expected = means(pool, None) - means(target.sampler(0, 32), None).mean()
    found = shadows.signals_of(["augmented"], target, pool, None)["augmented"]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # The shadow models' transforms, also where the target is not known for them.
    unknown = AttackTarget.from_model(model, shadows=shadows, augment=None)
    again = shadows.signals_of(["augmented"], unknown, pool, None)["augmented"]
    np.testing.assert_array_equal(again, found)
    assert not LiRA().fit(unknown).settings["adaptive"]


# === In an audit ===


@pytest.mark.long
def test_an_audit_asks_an_augmented_model_about_transforms_by_default():
    report = audit(AugmentedGAN(MEMBERS), MEMBERS, NON_MEMBERS, blind=False)
    assert report["logan_augmented"].auc > 0.95
    assert report.ignored_defenses == ()
    plain = audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, blind=False)
    assert "logan_augmented" not in plain.to_dict()["attacks"]


@pytest.mark.long
def test_an_audit_trains_shadow_models_that_know_the_transforms(tmp_path):
    model = make(augment="translation")
    images = random_images(24)
    report = audit(
        model,
        images[:12],
        images[12:],
        attacks="lira_augmented",
        shadows=2,
        shadow_fit={"batch_size": 4, "epochs": 1},
        folder=tmp_path,
        blind=False,
    )
    assert report["lira_augmented"].status == "done"


def test_no_attack_knows_of_both_mixup_and_augmentation():
    model = AugmentedGAN(MEMBERS)
    model.mixup = defense()
    names = ["logan_mixup", "logan_augmented"]
    report = audit(model, MEMBERS, NON_MEMBERS, OUTSIDE, attacks=names, blind=False)
    assert report.ignored_defenses == ("both",)


def test_transforms_within_mixup_are_known_to_every_attack():
    model = FakeGAN(mixup=defense(augment="translation"))
    target = AttackTarget.from_model(model)
    assert target.augment == "translation"
    assert AugmentedLOGAN().fit(target).settings["policy"] == "translation"
    report = audit(
        model, MEMBERS, NON_MEMBERS, OUTSIDE, attacks="logan_mixup", blind=False
    )
    assert report.ignored_defenses == ()
    # In another order it is another defense, also for shadow models.
    late = AugmentedGAN(MEMBERS)
    late.mixup = defense()
    assert defense_of(target) != defense_of(AttackTarget.from_model(late))


def test_a_null_target_is_asked_about_the_same_transforms():
    null = as_null_target(
        FakeGAN(), AttackTarget.from_model(AugmentedGAN(MEMBERS)), None
    )
    assert null.augment == "translation"


def test_leaving_augmentation_out_of_account_is_warned_about():
    model = AugmentedGAN(MEMBERS)
    report = audit(model, MEMBERS, NON_MEMBERS, attacks="logan", blind=False)
    assert report.ignored_defenses == ("augment",)
    assert any("'logan_augmented' does" in str(warning) for warning in report.warnings)


@pytest.mark.long
def test_kept_scores_are_not_used_for_another_policy(tmp_path):
    def scores(policy):
        model = AugmentedGAN(MEMBERS, policy)
        arguments = model, MEMBERS, NON_MEMBERS
        report = audit(*arguments, attacks="logan_augmented", folder=tmp_path)
        return report["logan_augmented"].member_scores

    first = scores("translation")
    np.testing.assert_array_equal(scores("translation"), first)
    assert (scores("cutout") != first).all()
