"""LiRA against closed forms, and on a game whose answer is known."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from keras_mixup_gan.attacks import AttackTarget
from keras_mixup_gan.attacks.discriminator.critic import CriticGap
from keras_mixup_gan.attacks.shadows.black_box import NearestLiRA, ReconstructionLiRA
from keras_mixup_gan.attacks.shadows.lira import (
    AdaptiveLiRA,
    BlackBoxLiRA,
    LiRA,
    OfflineLiRA,
    OffsetLiRA,
)
from keras_mixup_gan.attacks.shadows.store import Shadows, draw_halves, image_digests
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, FakeGAN, defense, images

POOL = images(40, 1)
ONLINE = [LiRA, OfflineLiRA, OffsetLiRA]


class Scores:
    """A model that gives each image of a pool a score of its own."""

    image_shape = SHAPE
    num_classes = None
    mixup = None

    def __init__(self, pool, values):
        self.values = dict(zip(image_digests(pool), values, strict=True))

    def generate(self, num_images, seed=0, start=0, dtype="float32"):
        return images(start + num_images, 77)[start:]

    def score(self, queries, labels=None, check_range=True):
        return np.array([self.values.get(d, 0.0) for d in image_digests(queries)])


def target_of(values, shadows, pool=POOL, **fields):
    return AttackTarget.from_model(Scores(pool, values), shadows=shadows, **fields)


def shadows_of(values, inside, pool=POOL, **fields):
    return Shadows(
        statistics={"critic": values},
        inside=inside,
        digests=tuple(image_digests(pool)),
        probe_answers=np.arange(len(values) * 32.0).reshape(len(values), 32) + 1e3,
        ids=tuple(map(str, range(len(values)))),
        num_samples={"critic": 8},
        **fields,
    )


def drawn(num_shadows, seed=0, pool=POOL):
    rng = np.random.default_rng(seed)
    inside = draw_halves(num_shadows, len(pool), seed)
    values = rng.normal(0, 1, (num_shadows, len(pool))) + 2 * inside
    return shadows_of(values, inside, pool), rng.normal(1, 2, len(pool))


def expected_common(shadows, own, group):
    """Mean of each record, and the deviation of all residuals, in plain loops."""
    values = shadows.statistics["critic"]
    chosen = shadows.inside if group == "in" else ~shadows.inside
    means = np.array([values[chosen[:, j], j].mean() for j in range(len(own))])
    residuals = np.concatenate(
        [values[chosen[:, j], j] - means[j] for j in range(len(own))]
    )
    freedom = len(residuals) - len(own)
    return means, np.sqrt((residuals**2).sum() / freedom)


def test_with_few_shadows_the_ratio_has_a_common_deviation_for_each_group():
    shadows, own = drawn(16)
    scores = LiRA().fit(target_of(own, shadows)).score(POOL)
    known, unknown = (expected_common(shadows, own, group) for group in ("in", "out"))
    expected = stats.norm.logpdf(own, *known) - stats.norm.logpdf(own, *unknown)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)
    assert known[1] != pytest.approx(unknown[1], rel=1e-6)


def test_with_enough_shadows_each_record_has_its_own_deviation():
    shadows, own = drawn(64)
    values, inside = shadows.statistics["critic"], shadows.inside
    scores = LiRA().fit(target_of(own, shadows)).score(POOL)
    for j in range(len(POOL)):
        known, unknown = values[inside[:, j], j], values[~inside[:, j], j]
        expected = stats.norm.logpdf(own[j], known.mean(), known.std(ddof=1))
        expected -= stats.norm.logpdf(own[j], unknown.mean(), unknown.std(ddof=1))
        assert scores[j] == pytest.approx(expected, abs=1e-9)
    common = LiRA(variance="common").fit(target_of(own, shadows)).score(POOL)
    assert np.abs(common - scores).max() > 0.01


def test_31_of_a_kind_are_not_enough_for_a_deviation_of_ones_own():
    shadows, own = drawn(62)
    scores = [
        LiRA(variance=variance).fit(target_of(own, shadows)).score(POOL)
        for variance in ("auto", "common", "record")
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.abs(scores[0] - scores[2]).max() > 0.01


def test_offline_is_the_log_probability_of_less_among_models_without_the_image():
    shadows, own = drawn(16)
    scores = OfflineLiRA().fit(target_of(own, shadows)).score(POOL)
    expected = stats.norm.logcdf(own, *expected_common(shadows, own, "out"))
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


def test_offline_needs_no_shadow_that_saw_the_image_for_a_deviation_of_its_own():
    values = np.random.default_rng(0).normal(0, 1, (32, len(POOL)))
    own = np.linspace(-1, 3, len(POOL))
    for number, exact in ((32, True), (31, False)):
        shadows = shadows_of(values[:number], np.zeros((number, len(POOL)), bool))
        scores = OfflineLiRA().fit(target_of(own, shadows)).score(POOL)
        known = values[:number]
        deviations = known.std(axis=0, ddof=1)
        if not exact:
            deviations = np.sqrt((deviations**2).mean())
        expected = stats.norm.logcdf(own, known.mean(axis=0), deviations)
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("attack", [LiRA, OfflineLiRA])
def test_a_single_shadow_has_no_deviation_to_boast_of(attack):
    """A deviation of 0 would turn any distance from it into certainty."""
    shadows, own = drawn(8)
    inside = shadows.inside.copy()
    inside[:, 0] = np.arange(8) == 0
    inside[:, 1] = np.arange(8) != 0
    shadows = shadows_of(shadows.statistics["critic"], inside)
    scores = [
        attack(variance=variance).fit(target_of(own, shadows)).score(POOL)
        for variance in ("record", "common")
    ]
    assert np.abs(scores[0][:2]).max() < 20 * np.abs(scores[1]).max()


def test_offset_is_the_distance_from_the_middle_of_both_means():
    shadows, own = drawn(16)
    scores = OffsetLiRA().fit(target_of(own, shadows)).score(POOL)
    known, unknown = (expected_common(shadows, own, g)[0] for g in ("in", "out"))
    np.testing.assert_allclose(scores, own - (known + unknown) / 2, atol=1e-9)


def test_medians_shrug_off_a_shadow_that_failed():
    shadows, own = drawn(16)
    values = shadows.statistics["critic"]
    scores = OffsetLiRA(center="median").fit(target_of(own, shadows)).score(POOL)
    expected = [
        own[j]
        - np.median(values[shadows.inside[:, j], j]) / 2
        - np.median(values[~shadows.inside[:, j], j]) / 2
        for j in range(len(POOL))
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-9)
    values[3] = 1e4
    failed = OffsetLiRA(center="median").fit(target_of(own, shadows)).score(POOL)
    assert np.abs(failed - scores).max() < 3


@pytest.mark.parametrize("attack", ONLINE)
@pytest.mark.parametrize("values", [0.0, 1e6])
def test_shadows_that_all_agree_give_finite_scores(attack, values):
    inside = draw_halves(8, len(POOL), 0)
    shadows = shadows_of(np.full((8, len(POOL)), values), inside)
    own = np.linspace(-3, 3, len(POOL))
    assert np.isfinite(attack().fit(target_of(own, shadows)).score(POOL)).all()
    shadows = shadows_of(np.where(np.arange(len(POOL)) < 3, inside, values), inside)
    assert np.isfinite(attack().fit(target_of(own, shadows)).score(POOL)).all()


@pytest.mark.parametrize("attack", ONLINE)
def test_a_score_depends_on_its_query_and_on_the_target(attack):
    shadows, own = drawn(8)
    fitted = attack().fit(target_of(own, shadows))
    scores = fitted.score(POOL)
    np.testing.assert_array_equal(fitted.score(POOL[::-1]), scores[::-1])
    np.testing.assert_array_equal(fitted.score(POOL[4:6]), scores[4:6])
    other = attack().fit(target_of(own + 1, shadows)).score(POOL)
    assert (other != scores).all()


# === A game with known leaks ===


def game(num_shadows, leak, num_records=2000, seed=0):
    """Images differ a lot in how critics like them; members gain a little."""
    rng = np.random.default_rng(seed)
    pool = rng.uniform(-1, 1, (num_records, *SHAPE)).astype("float32")
    liking = rng.normal(0, 3, num_records)

    def critic(inside):
        return liking + leak * inside + rng.normal(0, 1, inside.shape)

    inside = draw_halves(num_shadows, num_records, seed)
    members = rng.random(num_records) < 0.5
    shadows = shadows_of(critic(inside), inside, pool)
    target = target_of(critic(members), shadows, pool)
    return target, pool[members], pool[~members]


def area(attack, target, members, non_members):
    attack = attack.fit(target)
    return auc(attack.score(members), attack.score(non_members))


@pytest.mark.parametrize("attack", ONLINE)
def test_shadows_find_what_the_score_alone_hides(attack):
    played = game(16, leak=1.0)
    alone = area(CriticGap(num_samples=8), *played)
    assert alone < 0.62
    # Known liking leaves AUC = Phi(leak / sqrt(2)) = .76, less the noise of the means.
    assert 0.70 < area(attack(), *played) < 0.78
    assert area(attack(), *played) > alone + 0.08


@pytest.mark.parametrize("attack", ONLINE)
@pytest.mark.parametrize("seed", [0, 1])
def test_eight_shadows_of_a_model_without_leaks_find_nothing(attack, seed):
    target, members, non_members = game(8, leak=0.0, num_records=1000, seed=seed)
    found = area(attack(), target, members, non_members)
    sizes = len(members), len(non_members)
    assert abs(found - 0.5) < 4 * np.sqrt((sum(sizes) + 1) / (12 * np.prod(sizes)))


def test_a_memorizing_model_is_caught_through_its_shadows(tmp_path):
    pool = images(60, 5)
    half = pool[:30]
    shadows = train_shadows(
        lambda x, labels, seed: FakeGAN(x),
        pool,
        folder=tmp_path,
        num_shadows=8,
        signals=["critic", "nearest"],
        num_samples={"critic": 32, "nearest": 100},
    )
    target = AttackTarget.from_model(FakeGAN(half), shadows=shadows)
    for attack in (LiRA, OfflineLiRA, OffsetLiRA, BlackBoxLiRA):
        assert area(attack(), target, half, pool[30:]) > 0.9
    samples = AttackTarget(
        image_shape=SHAPE, sampler=target.sampler, shadows=shadows, name="samples"
    )
    blind = BlackBoxLiRA().fit(samples).score(pool)
    np.testing.assert_array_equal(blind, BlackBoxLiRA().fit(target).score(pool))
    with pytest.raises(ValueError, match="needs access to: discriminator"):
        LiRA().fit(samples)
    with pytest.raises(ValueError, match="one of its own shadow models"):
        twin = FakeGAN(pool[shadows.inside[2]])
        LiRA().fit(AttackTarget.from_model(twin, shadows=shadows))
    with pytest.raises(ValueError, match="must be given the latents"):
        LiRA().fit(dataclasses.replace(target, seed=1))


def test_offline_works_with_shadows_of_outside_images(tmp_path):
    queries, half = images(60, 5), images(60, 5)[:30]
    shadows = train_shadows(
        lambda x, labels, seed: FakeGAN(x),
        images(80, 6),
        folder=tmp_path,
        queries=queries,
        num_shadows=6,
        num_samples={"critic": 16},
    )
    target = AttackTarget.from_model(FakeGAN(half), shadows=shadows)
    assert area(OfflineLiRA(), target, half, queries[30:]) > 0.9
    for attack in (LiRA, OffsetLiRA):
        with pytest.raises(ValueError, match="with and without each image"):
            attack().fit(target).score(queries)


# === The defense ===


def test_shadows_without_the_defense_are_told_from_those_with_it():
    shadows, own = drawn(8)
    mixup = defense(noise_stddev=0.5)
    plain = target_of(own, shadows)
    defended = target_of(own, shadows, mixup=mixup)
    adapted = dataclasses.replace(shadows, defense=mixup.get_config())
    assert LiRA().fit(plain).settings["adaptive"] is True
    assert LiRA().fit(defended).settings["adaptive"] is False
    with pytest.raises(ValueError, match="trained with the target's defense"):
        AdaptiveLiRA().fit(defended)
    matched = dataclasses.replace(defended, shadows=adapted)
    assert LiRA().fit(matched).settings["adaptive"] is True
    np.testing.assert_array_equal(
        AdaptiveLiRA().fit(matched).score(POOL), LiRA().fit(matched).score(POOL)
    )


def test_settings_tell_the_number_of_shadows():
    shadows, own = drawn(8)
    settings = LiRA().fit(target_of(own, shadows)).settings
    assert settings["num_shadows"] == 8
    assert settings["signal"] == "critic"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s, own: LiRA(variance="all"), "Unknown `variance`"),
        (lambda s, own: LiRA(center="mode"), "Unknown `center`"),
        (lambda s, own: LiRA().fit(target_of(own, None)), "needs access to: shadows"),
        (
            lambda s, own: LiRA().fit(target_of(own, SimpleNamespace())),
            "needs `Shadows`",
        ),
        (
            lambda s, own: BlackBoxLiRA().fit(target_of(own, s)),
            "needs the signal 'nearest'",
        ),
        (
            lambda s, own: LiRA().fit(target_of(own, s)).score(images(3, 8)),
            "know nothing of 3 of 3 images",
        ),
    ],
)
def test_unusable_shadows_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(*drawn(8))


@pytest.mark.parametrize(
    ("attack", "given"), [(ReconstructionLiRA(), True), (NearestLiRA(), False)]
)
def test_who_searches_latents_of_a_conditional_model_is_told_the_classes(
    monkeypatch, attack, given
):
    shadows, own = drawn(16)
    values = shadows.statistics["critic"]
    shadows = dataclasses.replace(shadows, statistics={attack.signal: values})
    seen = []

    def signals_of(self, names, target, images, rows):
        seen.append(rows)
        return {name: own for name in names}

    monkeypatch.setattr(Shadows, "signals_of", signals_of)
    target = target_of(own, shadows)
    granted = {"generator": lambda latents, rows: None, "latent_dim": 2}
    target = dataclasses.replace(target, num_classes=2, **granted)
    attack.fit(target).score(POOL, np.arange(40) % 2)
    assert (seen[0] is not None) == given


def test_a_target_of_fewer_images_is_not_compared_with_shadows_of_more():
    shadows, _ = drawn(16)
    shadows = dataclasses.replace(
        shadows,
        statistics={"nearest": shadows.statistics["critic"]},
        num_samples={"nearest": 50},
    )
    for number in (30, 60):
        target = AttackTarget.from_model(images(number, 77), shadows=shadows)
        fitted = NearestLiRA().fit(target)
        if number == 60:
            assert np.isfinite(fitted.score(POOL)).all()
        else:
            with pytest.raises(ValueError, match=r"Expected 50 .*Received: 30\."):
                fitted.score(POOL)
