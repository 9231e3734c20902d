"""What holds for every attack."""

import inspect
import json

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
    train_shadows,
)
from keras_mixup_gan.attacks.base import default_attacks
from keras_mixup_gan.attacks.shadows.signals import SAMPLE_SIGNALS, default_signals
from keras_mixup_gan.auditing import audit
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, FakeGAN, defense, images

EVERY = [
    kind
    for kind in ATTACKS.values()
    if kind.__module__.startswith("keras_mixup_gan.attacks.")
]
each = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)

SMALL = {
    "logan": LOGAN,
    "logan_mixup": MixupLOGAN,
    "logan_augmented": lambda: AugmentedLOGAN(num_draws=8),
    "gan_leaks": lambda: GANLeaks(num_samples=500, chunk_size=97),
}
every_attack = pytest.mark.parametrize("name", SMALL)

MEMBERS, NON_MEMBERS, OUTSIDE = images(60, 1), images(60, 2), images(40, 3)


def fitted(name, memorized=None, **settings):
    model = FakeGAN(memorized, mixup=settings.pop("mixup", None))
    target = AttackTarget.from_model(model, OUTSIDE, **settings)
    return SMALL[name]().fit(target)


@pytest.fixture(scope="module")
def shadows(tmp_path_factory):
    return train_shadows(
        lambda x, labels, seed: FakeGAN(x),
        np.concatenate([images(40, 1), images(40, 2)]),
        folder=tmp_path_factory.mktemp("shadows"),
        num_shadows=6,
        signals=default_signals("color"),
        num_samples={"critic": 30} | dict.fromkeys(SAMPLE_SIGNALS, 200),
    )


@each
def test_labels_of_membership_cannot_reach_an_attack(kind):
    assert list(inspect.signature(kind.score).parameters) == [
        "self",
        "images",
        "labels",
    ]
    assert list(inspect.signature(kind.fit).parameters) == ["self", "target"]


@each
def test_an_attack_is_known_by_name_and_says_where_it_comes_from(kind):
    assert ATTACKS[kind.name] is kind
    assert kind.title
    assert "20" in kind.paper
    json.dumps(kind().settings)


@each
def test_missing_access_is_refused_in_one_sentence(kind):
    with pytest.raises(ValueError, match=r"needs access to: .* grants nothing"):
        kind().fit(AttackTarget(image_shape=SHAPE))


@each
def test_scoring_before_fitting_is_refused(kind):
    with pytest.raises(ValueError, match=r"Call `fit\(target\)` first"):
        kind().score(MEMBERS)


def test_names_and_titles_are_distinct():
    assert len({kind.name for kind in EVERY}) == len(EVERY)
    assert len({kind.title for kind in EVERY}) == len(EVERY)


@pytest.mark.long
def test_an_audit_runs_them_by_name(shadows):
    folders = ("discriminator.critic", "reconstruction", "shadows")
    names = [
        kind.name
        for kind in EVERY
        if kind.__module__.removeprefix("keras_mixup_gan.attacks.").startswith(folders)
        and "queries" not in kind.requires
    ]
    members, non_members = images(40, 1), images(40, 2)
    report = audit(
        FakeGAN(members),
        members,
        non_members,
        reference=images(30, 3),
        attacks=names,
        shadows=shadows,
        reference_models=[FakeGAN(images(40, 60))],
    )
    status = {result.name: result.status for result in report.attacks}
    # A fake shows no weights.
    hidden = ("latent_gradient", "lira_reconstruction", "fusion_white_box")
    for name in hidden:
        assert status.pop(name) == "skipped"
    assert status == {name: "done" for name in names if name in status}
    assert len(status) == len(names) - len(hidden)
    for result in report.done:
        assert result.auc > 0.9, result.name
        json.dumps(result.to_dict())


def test_the_attacks_that_run_by_default_follow_from_what_an_audit_is_given():
    always = (
        *("logan", "logan_mixup", "critic_fluctuation", "gan_leaks", "gan_leaks_data"),
        *("monte_carlo", "monte_carlo_log", "parzen_window", "log_density", "domias"),
        *("gen_lra", "dpi", "gan_leaks_quantile", "logan_classifier"),
    )
    assert default_attacks() == always
    augmented = (*always, "logan_augmented")
    assert default_attacks(["augmentation"]) == augmented
    compared = (*always, "critic_calibrated", "gan_leaks_models")
    assert set(default_attacks(["reference_models"])) == set(compared)
    # Shadow models that say nothing of a discriminator serve attacks on samples.
    released = ("lira_nearest", "lira_features", "fusion_samples")
    assert default_attacks(["shadows", "nearest", "features"]) == (*always, *released)
    judged = ("lira", "lira_offset", "rmia", "lira_bayes", "fusion")
    assert default_attacks(["shadows", "critic"]) == (*always, *judged)
    more = ("lira_neighbors", "lira_density", "logan_augmented", "lira_augmented")
    own = default_attacks(["augmentation", "shadows", *default_signals("color")])
    assert set(own) == {*always, *released, *judged, *more, "fusion_moments"}
    inside = default_attacks(["shadows", *default_signals(None, ["layers"])])
    assert {"fusion_moments", "fusion_white_box"} <= set(inside)


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
        (np.zeros((3, *SHAPE), "int16"), "floating point"),
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


@pytest.mark.parametrize("name", ["logan", "logan_mixup", "logan_augmented"])
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (lambda x: np.full(len(x), np.nan), "must be finite"),
        (lambda x: np.zeros((len(x), 2)), "array of .* scores"),
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
    assert "brightness" not in ATTACKS
