import numpy as np
import pytest

from keras_mixup_gan.attacks import AttackTarget
from keras_mixup_gan.attacks.discriminator.critic import (
    CalibratedCritic,
    CriticFluctuation,
    CriticGap,
)
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, FakeGAN, images

MEMBERS, NON_MEMBERS, OUTSIDE = images(60, 1), images(60, 2), images(40, 3)
OTHERS = [FakeGAN(images(60, 50)), FakeGAN(images(60, 51))]
SMALL = {
    "gap": lambda: CriticGap(num_samples=64),
    "calibrated": CalibratedCritic,
    "fluctuation": lambda: CriticFluctuation(num_moves=4),
}
each = pytest.mark.parametrize("name", SMALL)


def fitted(name, memorized=None, **settings):
    target = AttackTarget.from_model(
        FakeGAN(memorized), OUTSIDE, reference_models=OTHERS, **settings
    )
    return SMALL[name]().fit(target)


@each
def test_members_are_found_and_scores_depend_on_the_query_alone(name):
    attack = fitted(name, MEMBERS)
    scores = attack.score(np.concatenate([MEMBERS, NON_MEMBERS]))
    assert scores.dtype == np.float64
    assert auc(scores[:60], scores[60:]) > 0.9
    np.testing.assert_array_equal(attack.score(NON_MEMBERS[7:9]), scores[67:69])
    np.testing.assert_array_equal(attack.score(MEMBERS[::-1]), scores[:60][::-1])


@each
def test_a_model_of_other_data_leaks_nothing(name):
    attack = fitted(name, images(50, 4))
    area = auc(attack.score(images(300, 5)), attack.score(images(300, 6)))
    assert abs(area - 0.5) < 4 * np.sqrt(601 / (12 * 300 * 300))


def test_the_gap_is_the_score_less_the_mean_score_of_the_models_own_images():
    model = FakeGAN(MEMBERS)
    attack = CriticGap(num_samples=70).fit(AttackTarget.from_model(model, seed=4))
    own = model.generate(70, seed=4, dtype="float32")
    expected = model.score(NON_MEMBERS) - model.score(own).mean()
    np.testing.assert_allclose(attack.score(NON_MEMBERS), expected, rtol=1e-12)


def test_an_array_of_samples_bounds_the_gap_of_a_mere_discriminator():
    target = AttackTarget(
        image_shape=SHAPE,
        sampler=lambda start, stop: images(9, 8)[start:stop],
        num_samples=9,
        discriminator=lambda x, labels: x.mean(axis=(1, 2, 3)),
    )
    attack = CriticGap().fit(target)
    assert attack.settings == {"num_samples": 9}
    expected = MEMBERS.mean(axis=(1, 2, 3)) - images(9, 8).mean()
    np.testing.assert_allclose(attack.score(MEMBERS), expected, atol=1e-6)


def test_the_gap_of_a_conditional_model_generates_for_known_classes():
    seen = []

    def discriminator(x, labels):
        seen.append(labels)
        return x.mean(axis=(1, 2, 3)) + labels @ np.array([0.0, 10.0, 20.0])

    fields = {
        "image_shape": SHAPE,
        "sampler": lambda start, stop: images(stop, 0)[start:],
        "discriminator": discriminator,
        "num_classes": 3,
        "latent_dim": 2,
    }
    target = AttackTarget(
        queries=lambda z, labels: np.zeros((len(z), *SHAPE), "float32"), **fields
    )
    attack = CriticGap(num_samples=30).fit(target)
    np.testing.assert_array_equal(seen[0].sum(axis=0), [10, 10, 10])
    expected = MEMBERS.mean(axis=(1, 2, 3)) + 20 - 10
    scores = attack.score(MEMBERS, np.full(60, 2))
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    with pytest.raises(ValueError, match="Grant `queries`"):
        CriticGap().fit(AttackTarget(**fields))


def test_calibration_standardizes_every_critic_and_takes_the_mean_off():
    model = FakeGAN(MEMBERS)
    scores = fitted("calibrated", MEMBERS).score(NON_MEMBERS)

    def standardized(critic):
        level = critic.score(OUTSIDE)
        return (critic.score(NON_MEMBERS) - level.mean()) / level.std()

    expected = standardized(model) - np.mean([standardized(o) for o in OTHERS], axis=0)
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-12)


def test_calibration_takes_off_what_pleases_every_discriminator():
    # Everyone likes bright images; only the target knows its members.
    def critic(known):
        rows = known.reshape(len(known), -1)

        def score(x, labels):
            flat = x.reshape(len(x), -1)
            squares = ((flat[:, None] - rows[None]) ** 2).sum(axis=2).min(axis=1)
            return 30 * flat.mean(axis=1) + (squares < 1e-9)

        return AttackTarget(image_shape=SHAPE, discriminator=score)

    target = AttackTarget(
        image_shape=SHAPE,
        discriminator=critic(MEMBERS).discriminator,
        reference=AttackTarget.from_model(FakeGAN(), OUTSIDE).reference,
        reference_models=(critic(images(30, 70)), critic(images(30, 71))),
    )
    raw, calibrated = target.discriminator, CalibratedCritic().fit(target)
    assert auc(raw(MEMBERS, None), raw(NON_MEMBERS, None)) < 0.8
    assert auc(calibrated.score(MEMBERS), calibrated.score(NON_MEMBERS)) > 0.95


def test_fluctuation_is_the_score_less_the_mean_over_the_moves():
    model = FakeGAN(MEMBERS)
    attack = CriticFluctuation(num_moves=6).fit(AttackTarget.from_model(model))
    model.seen.clear()
    scores = attack.score(NON_MEMBERS)
    moved, raw = model.seen[:-1], model.seen[-1]
    assert len(moved) == 6
    np.testing.assert_array_equal(raw, NON_MEMBERS)
    levels = np.mean([model.score(batch) for batch in moved], axis=0)
    np.testing.assert_allclose(scores, model.score(NON_MEMBERS) - levels, rtol=1e-9)
    assert not any(np.array_equal(batch, NON_MEMBERS) for batch in moved)


@pytest.mark.parametrize("flips", [True, False])
def test_moves_are_small_shifts_with_the_border_repeated(flips):
    model = FakeGAN()
    attack = CriticFluctuation(num_moves=8, max_shift=1, flips=flips)
    attack.fit(AttackTarget.from_model(model))
    model.seen.clear()
    attack.score(MEMBERS[:1])
    views = {}
    for mirrored in (False, True):
        image = np.pad(MEMBERS[0, :, :, 0], 1, mode="edge")
        for row in range(3):
            for column in range(3):
                view = image[row : row + 4, column : column + 4]
                views[(view[:, ::-1] if mirrored else view).tobytes()] = mirrored
    mirrored = [
        views[np.ascontiguousarray(x[0, :, :, 0]).tobytes()] for x in model.seen[:-1]
    ]
    assert sum(mirrored) == (4 if flips else 0)


def test_reference_models_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="images of the target's shape"):
        AttackTarget.from_model(FakeGAN(), reference_models=[FakeGAN(shape=(5, 5, 1))])
