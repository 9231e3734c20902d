"""Attacks that know of augmentation, on models that remember nothing but transforms."""

import numpy as np
import pytest

from keras_mixup_gan.attacks import (
    LOGAN,
    AttackTarget,
    AugmentedLiRA,
    AugmentedLOGAN,
    LiRA,
    train_shadows,
)
from keras_mixup_gan.attacks.discriminator.logan import mean_scores, transforms
from keras_mixup_gan.attacks.shadows.store import NUM_DRAWS
from keras_mixup_gan.auditing import audit
from keras_mixup_gan.auditing.controls import as_null_target
from keras_mixup_gan.models.augment import translate
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, FakeGAN, defense, images
from tests.models.tiny import make, random_images

MEMBERS, NON_MEMBERS, OUTSIDE = images(60, 1), images(60, 2), images(40, 3)


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
        num_shadows=8,
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
    found = shadows.signal_of("augmented", target, pool, None)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # The shadow models' transforms, also where the target is not known for them.
    unknown = AttackTarget.from_model(model, shadows=shadows, augment=None)
    again = shadows.signal_of("augmented", unknown, pool, None)
    np.testing.assert_array_equal(again, found)
    assert not LiRA().fit(unknown).settings["adaptive"]


# === In an audit ===


def test_an_audit_asks_an_augmented_model_about_transforms_by_default():
    report = audit(AugmentedGAN(MEMBERS), MEMBERS, NON_MEMBERS, blind=False)
    assert report["logan_augmented"].auc > 0.95
    assert report.ignored_defenses == ()
    plain = audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, blind=False)
    assert "logan_augmented" not in plain.to_dict()["attacks"]


def test_an_audit_trains_shadow_models_that_know_the_transforms(tmp_path):
    model = make(augment="translation")
    images = random_images(24)
    report = audit(
        model,
        images[:12],
        images[12:],
        shadows=4,
        shadow_fit={"batch_size": 4, "epochs": 1},
        folder=tmp_path,
        blind=False,
    )
    assert report["lira_augmented"].status == "done"


def test_no_attack_knows_of_both_mixup_and_augmentation():
    model = AugmentedGAN(MEMBERS)
    model.mixup = defense()
    report = audit(model, MEMBERS, NON_MEMBERS, OUTSIDE, blind=False)
    assert report.ignored_defenses == ("both",)


def test_a_null_target_is_asked_about_the_same_transforms():
    null = as_null_target(
        FakeGAN(), AttackTarget.from_model(AugmentedGAN(MEMBERS)), None
    )
    assert null.augment == "translation"


def test_leaving_augmentation_out_of_account_is_warned_about():
    model = AugmentedGAN(MEMBERS)
    report = audit(model, MEMBERS, NON_MEMBERS, attacks="logan", blind=False)
    assert report.ignored_defenses == ("augment",)


def test_kept_scores_are_not_used_for_another_policy(tmp_path):
    def scores(policy):
        model = AugmentedGAN(MEMBERS, policy)
        arguments = model, MEMBERS, NON_MEMBERS
        report = audit(*arguments, attacks="logan_augmented", folder=tmp_path)
        return report["logan_augmented"].member_scores

    first = scores("translation")
    np.testing.assert_array_equal(scores("translation"), first)
    assert (scores("cutout") != first).all()
