"""What holds for every attack that needs samples and outside images."""

import numpy as np
import pytest

from keras_mixup_gan.attacks import (
    ATTACKS,
    DOMIAS,
    DPI,
    AttackTarget,
    ClassifierLOGAN,
    DataCalibratedGANLeaks,
    GANLeaks,
    GenLRA,
    LogDensity,
    ModelCalibratedGANLeaks,
    MonteCarlo,
    MonteCarloInverse,
    MonteCarloLog,
    ParzenWindow,
    cached,
    score_in_one_pass,
)
from keras_mixup_gan.attacks.samples import classifier
from keras_mixup_gan.attacks.samples.streaming import StreamedAttack
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, images

SMALL = {
    "gan_leaks_models": lambda: ModelCalibratedGANLeaks(num_samples=1200),
    "gan_leaks_data": DataCalibratedGANLeaks,
    "monte_carlo": lambda: MonteCarlo(num_samples=1200, eps=0.1),
    "monte_carlo_log": lambda: MonteCarloLog(num_samples=1200),
    "monte_carlo_inverse": lambda: MonteCarloInverse(num_samples=1200, eps=0.1),
    "parzen_window": lambda: ParzenWindow(num_samples=1200),
    "log_density": LogDensity,
    "domias": DOMIAS,
    "dpi": lambda: DPI(k=5),
    "gen_lra": lambda: GenLRA(k=20),
    "logan_classifier": lambda: ClassifierLOGAN(num_folds=2),
}
every_attack = pytest.mark.parametrize("name", SMALL)


@pytest.fixture
def short_training(monkeypatch):
    """Classifiers stop early where they need not be the best there are."""
    monkeypatch.setattr(classifier, "MAX_EPOCHS", 12)


MEMBERS, NON_MEMBERS, OUTSIDE = images(60, 1), images(60, 2), images(300, 3)
OTHERS = images(1500, 4)


def memorized(seed=0, number=1500, members=MEMBERS):
    """Noisy copies of the members."""
    rng = np.random.default_rng(seed)
    copies = members[rng.integers(len(members), size=number)]
    return np.clip(copies + rng.normal(0, 0.05, copies.shape), -1, 1)


def fitted(name, samples=None, **given):
    samples = memorized() if samples is None else samples
    given = {"reference": OUTSIDE, "reference_models": [OTHERS], **given}
    return SMALL[name]().fit(AttackTarget.from_model(samples, **given))


@pytest.fixture(scope="module")
def against_memorizer():
    """The attacks on a memorizing model, fitted once."""
    attacks = {}

    def get(name):
        if name not in attacks:
            attacks[name] = fitted(name)
        return attacks[name]

    return get


def test_all_of_them_are_in_the_catalog_and_tested_here():
    folder = "keras_mixup_gan.attacks.samples."
    named = {n for n, kind in ATTACKS.items() if kind.__module__.startswith(folder)}
    elsewhere = {"gan_leaks", "gan_leaks_quantile"}  # in files of their own
    assert named == {*SMALL, *elsewhere}


@every_attack
def test_a_score_depends_on_its_query_alone(name, against_memorizer):
    attack = against_memorizer(name)
    queries = np.concatenate([MEMBERS, NON_MEMBERS, images(1000, 9)])
    scores = attack.score(queries)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    order = np.random.default_rng(0).permutation(len(queries))
    np.testing.assert_array_equal(attack.score(queries[order]), scores[order])
    for part in (slice(0, 1), slice(7, 30), slice(1050, None)):
        np.testing.assert_array_equal(attack.score(queries[part]), scores[part])


@every_attack
def test_members_of_a_memorizing_model_are_found(name, against_memorizer):
    attack = against_memorizer(name)
    assert auc(attack.score(MEMBERS), attack.score(NON_MEMBERS)) > 0.9


@pytest.mark.usefixtures("short_training")
@every_attack
def test_a_model_of_other_data_leaks_nothing(name):
    attack = fitted(name, memorized(members=images(60, 5)))
    members, non_members = images(300, 6), images(300, 7)
    error = np.sqrt(601 / (12 * 300 * 300))
    area = auc(attack.score(members), attack.score(non_members))
    assert abs(area - 0.5) < 4 * error


@pytest.mark.usefixtures("short_training")
@every_attack
def test_fitting_again_gives_the_same_scores_and_another_target_others(name):
    queries = images(40, 8)
    first = fitted(name).score(queries)
    np.testing.assert_array_equal(fitted(name).score(queries), first)
    assert (fitted(name, OTHERS[::-1]).score(queries) != first).mean() > 0.5


@pytest.mark.usefixtures("short_training")
@every_attack
def test_color_images_far_from_everything_have_finite_unique_scores(name):
    shape = (32, 32, 3)
    outside = images(40, 1, shape) * 0.01
    samples = images(60, 2, shape) * 0.01
    target = AttackTarget.from_model(
        samples, reference=outside, reference_models=[images(60, 4, shape)]
    )
    scores = ATTACKS[name]().fit(target).score(images(40, 3, shape))
    assert np.isfinite(scores).all()
    if not name.startswith("monte_carlo"):  # nothing lies within eps: all are 0
        assert len(np.unique(scores)) >= 38


@pytest.mark.usefixtures("short_training")
@every_attack
def test_a_collapsed_generator_has_finite_scores(name):
    samples = np.tile(images(1, 1), (400, 1, 1, 1))
    attack = fitted(name, samples)
    assert np.isfinite(attack.score(images(40, 3))).all()


@every_attack
def test_settings_are_plain_and_say_what_was_used(name, against_memorizer):
    settings = against_memorizer(name).settings
    kinds = (int, float, str, bool, list)
    assert all(isinstance(value, kinds) for value in settings.values())
    expected = 300 if name in ("gan_leaks_data", "dpi", "logan_classifier") else 1200
    kept = 1500 if name in ("log_density", "domias", "gen_lra") else expected
    assert settings["num_samples"] == kept


def test_one_pass_serves_several_attacks_with_just_their_own_scores():
    ranges = []
    samples = memorized(number=5000)

    def sampler(start, stop):
        ranges.append((start, stop))
        return samples[start:stop]

    base = AttackTarget.from_model(
        samples, reference=OUTSIDE, reference_models=[OTHERS]
    )
    target = AttackTarget(
        image_shape=SHAPE,
        sampler=sampler,
        reference=base.reference,
        reference_models=base.reference_models,
    )
    streamed = [name for name in SMALL if isinstance(SMALL[name](), StreamedAttack)]
    assert len(streamed) == 7
    attacks = [SMALL[name]().fit(target) for name in streamed]
    attacks.append(GANLeaks(num_samples=5000).fit(target))
    alone = [attack.score(NON_MEMBERS) for attack in attacks]
    ranges.clear()
    together = score_in_one_pass(attacks, NON_MEMBERS)
    assert ranges == [(0, 2048), (2048, 4096), (4096, 5000)]
    for scores, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(scores, expected)


def test_one_pass_is_for_one_target():
    attacks = [fitted("dpi"), fitted("dpi")]
    with pytest.raises(ValueError, match="One pass serves one target"):
        score_in_one_pass(attacks, NON_MEMBERS)
    assert score_in_one_pass([], NON_MEMBERS) == []


def test_a_cache_generates_each_range_once_up_to_its_size():
    calls = []

    def sampler(start, stop):
        calls.append(start)
        return images(stop - start, start)

    remembering = cached(sampler, max_bytes=2 * 10 * 16 * 4)
    for _ in range(2):
        for start in (0, 10, 20):
            np.testing.assert_array_equal(
                remembering(start, start + 10), images(10, start)
            )
    assert calls == [0, 10, 20, 20]
    with pytest.raises(ValueError, match="read-only"):
        remembering(0, 10)[0] = 0


@pytest.mark.parametrize("features", [0, "pixel", True, None])
def test_impossible_features_are_refused(features):
    with pytest.raises(ValueError, match="`features` must be"):
        DOMIAS(features=features)


def test_features_of_ones_own_are_checked_and_named():
    def half(images):
        return images.reshape(len(images), -1)[:, ::2]

    attack = MonteCarlo(num_samples=300, features=half)
    target = AttackTarget.from_model(memorized(), reference=OUTSIDE)
    attack.fit(target).score(MEMBERS)
    assert attack.settings["distance"] == "L2 of half"
    for broken in (lambda x: x[:3], lambda x: x * np.nan):
        with pytest.raises(ValueError, match="`features` must return"):
            DPI(features=broken).fit(target).score(MEMBERS)


def test_components_are_those_of_the_reference_alone():
    from sklearn.decomposition import PCA

    from keras_mixup_gan.attacks.samples.feature_maps import fit_features, pixels

    mapped = fit_features(5, OUTSIDE)(MEMBERS)
    expected = PCA(5, svd_solver="full").fit(pixels(OUTSIDE)).transform(pixels(MEMBERS))
    np.testing.assert_allclose(np.abs(mapped), np.abs(expected), rtol=1e-9, atol=1e-12)
    assert fit_features(500, OUTSIDE[:9]).num_components == 8
    with pytest.raises(ValueError, match="must not all be alike"):
        fit_features(5, np.tile(OUTSIDE[:1], (4, 1, 1, 1)))
