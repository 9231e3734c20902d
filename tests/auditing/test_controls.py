"""The blind baseline finds shifted splits; the null target is at chance."""

import numpy as np
import pytest

from keras_mixup_gan import MixUp
from keras_mixup_gan.attacks import LOGAN, Attack, AttackTarget, GANLeaks
from keras_mixup_gan.attacks.samples.density import DOMIAS
from keras_mixup_gan.auditing import Concern, audit, blind_baseline
from keras_mixup_gan.auditing.controls import as_null_target
from keras_mixup_gan.data import MembershipSplit, load_images
from keras_mixup_gan.reports import save_audit
from tests.attacks.fakes import FakeGAN, images
from tests.auditing.audits import concerns


def test_two_halves_of_one_set_cannot_be_told_apart():
    for seed in range(3):
        baseline = blind_baseline(images(150, 2 * seed), images(150, 2 * seed + 1))
        error = np.sqrt(301 / (12 * 150 * 150))
        assert abs(baseline.auc - 0.5) < 4 * error
        low, high = baseline.interval
        assert low < baseline.auc < high


def test_a_shift_of_the_pixels_is_found():
    brighter = np.clip(images(150, 2) + 0.3, -1, 1)
    baseline = blind_baseline(images(150, 1), brighter)
    assert baseline.auc > 0.8
    assert baseline.is_shifted


def test_a_difference_in_contrast_is_found_too():
    baseline = blind_baseline(images(150, 1), images(150, 2) * 0.5)
    assert baseline.auc > 0.7
    assert baseline.is_shifted


def test_unequal_numbers_are_no_hint():
    baseline = blind_baseline(images(300, 1), images(60, 2))
    assert abs(baseline.auc - 0.5) < 4 * np.sqrt(361 / (12 * 300 * 60))
    assert (baseline.num_members, baseline.num_non_members) == (300, 60)


def test_the_seed_alone_decides():
    first = blind_baseline(images(40, 1), images(40, 2), seed=3)
    assert blind_baseline(images(40, 1), images(40, 2), seed=3) == first


def test_any_seed_will_do():
    assert 0 <= blind_baseline(images(12, 1), images(12, 2), seed=2**40).auc <= 1


def test_memorizing_its_training_images_does_not_help_the_classifier():
    # With more pixels than images a classifier can learn any labels by heart; scored
    # on those images it would be perfect.
    members, non_members = images(60, 1, (12, 12, 1)), images(60, 2, (12, 12, 1))
    error = np.sqrt(121 / (12 * 60 * 60))
    assert abs(blind_baseline(members, non_members).auc - 0.5) < 4 * error


def test_copies_of_an_image_tell_nothing():
    once = [images(60, seed) for seed in (1, 2)]
    assert blind_baseline(*(np.repeat(each, 2, 0) for each in once)) == (
        blind_baseline(*once)
    )


def test_too_few_images_are_refused():
    for few in (images(9, 1), np.repeat(images(9, 1), 2, 0)):
        with pytest.raises(ValueError, match="needs 10 distinct"):
            blind_baseline(few, images(50, 2))
    with pytest.raises(ValueError, match="images of shape"):
        blind_baseline(images(20, 1), images(20, 2, (5, 5, 1)))


# === The null target ===

MEMBERS, NON_MEMBERS, OUTSIDE = images(60, 1), images(50, 2), images(40, 3)
ATTACKS = ["logan", "gan_leaks"]


def report_of(null_target, members=MEMBERS, non_members=NON_MEMBERS, **options):
    few = [LOGAN(), GANLeaks(num_samples=400)]
    settings = {"attacks": few, "blind": False, **options}
    return audit(
        FakeGAN(members), members, non_members, null_target=null_target, **settings
    )


def weighted(model, value):
    """The same model with weights to be recognized by."""
    model.get_weights = lambda: [np.full(3, value)]
    return model


def test_the_same_attacks_run_on_it_and_are_at_chance():
    attacks = [LOGAN(), GANLeaks(400), DOMIAS(400)]
    report = report_of(FakeGAN(OUTSIDE), attacks=attacks, reference=images(30, 4))
    null = report.null_target
    assert [result.name for result in null.attacks] == [*ATTACKS, "domias"]
    assert set(null.areas) == {result.name for result in report.done}
    error = np.sqrt(111 / (12 * 60 * 50))
    assert null.error == pytest.approx(error, rel=1e-12)
    assert all(abs(area - 0.5) < 4 * error for area in null.areas.values())
    assert null.deviating == ()
    assert report.strongest.auc > 0.95
    assert Concern.NULL_TARGET_DEVIATES not in concerns(report)


def test_its_scores_are_those_of_the_attack_alone():
    other = FakeGAN(OUTSIDE)
    result = report_of(other).null_target.attacks[0]
    scores = LOGAN().fit(AttackTarget.from_model(other)).score(MEMBERS)
    np.testing.assert_array_equal(result.member_scores, scores)


def test_it_is_attacked_by_one_who_knows_of_the_target_what_there_is_to_know():
    mixup = MixUp(noise_stddev=0.3, augment="translation", seed=3)
    target = AttackTarget.from_model(FakeGAN(MEMBERS), mixup=mixup)
    null = as_null_target(FakeGAN(OUTSIDE), target, None)
    assert (null.mixup, null.augment) == (mixup, target.augment)


@pytest.mark.parametrize("trained_on", ["members", "non-members"])
def test_one_that_knows_a_side_is_warned_about(trained_on):
    known = MEMBERS if trained_on == "members" else NON_MEMBERS
    null_target = FakeGAN(np.concatenate([known[:30], OUTSIDE]))
    report = report_of(null_target)
    assert {result.name for result in report.null_target.deviating} == set(ATTACKS)
    (warning,) = report.warnings[-1:]
    assert warning.concern is Concern.NULL_TARGET_DEVIATES
    assert "LOGAN" in str(warning) and "GAN-Leaks" in str(warning)


def test_sets_that_differ_are_seen_without_a_leak():
    # Noise about darker images: any model of darker images prefers the members.
    members, non_members = MEMBERS * 0.3 - 0.5, NON_MEMBERS * 0.3 + 0.5
    null_target = FakeGAN(OUTSIDE * 0.3 - 0.5)
    report = report_of(null_target, members, non_members, value_range=(-1, 1))
    assert report.null_target.areas["gan_leaks"] > 0.9
    assert Concern.NULL_TARGET_DEVIATES in concerns(report)


def test_the_report_says_what_was_found_in_every_form():
    report = report_of(FakeGAN(OUTSIDE))
    areas = report.null_target.areas.values()
    sentence = str(report.null_target)
    assert f"between {min(areas):.3f} and {max(areas):.3f}" in sentence
    assert sentence in str(report)
    found = report.to_dict()["null_target"]
    assert found["areas"] == report.null_target.areas
    assert found["standard_error"] == report.null_target.error
    assert found["deviating"] == []


def test_the_pages_say_it_too(tmp_path):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    report = report_of(FakeGAN(OUTSIDE), attacks="logan")
    area = f"{report.null_target.areas['logan']:.3f}"
    for suffix in (".md", ".html", ".txt"):
        page = save_audit(report, tmp_path / f"audit{suffix}").read_text("utf-8")
        assert "On the null target" in page
        assert f"between {area} and {area}" in page


def test_without_one_the_report_says_how_to_give_one():
    report = report_of(None)
    assert report.null_target is None
    assert report.to_dict()["null_target"] is None
    assert "as `null_target`" in report.caveats[-1]
    assert report.caveats[-1] in str(report)
    tested = report_of(FakeGAN(OUTSIDE))
    assert report.caveats[-1] not in tested.caveats


def test_attacks_of_the_caller_stay_fitted_to_the_model():
    attack = LOGAN()
    report = report_of(FakeGAN(OUTSIDE), attacks=attack)
    np.testing.assert_array_equal(attack.score(MEMBERS), report["logan"].member_scores)


class Choosy(Attack):
    name, title, requires, paper = "choosy", "Choosy", frozenset(), ""

    def _fit(self, target):
        if target.name == "sample array":
            raise ValueError("Samples are not to its taste.")

    def _score(self, images, labels):
        return images.mean(axis=(1, 2, 3))


def test_what_cannot_run_on_it_is_named():
    report = report_of(OUTSIDE, attacks=["logan", GANLeaks(400), Choosy()])
    null = report.null_target
    assert list(null.areas) == ["gan_leaks"]
    not_run = null.to_dict()["not_run"]
    assert list(not_run) == ["logan", "choosy"]
    assert "not to its taste" in not_run["choosy"]
    nothing = report_of(OUTSIDE, attacks="logan")
    assert nothing.warnings[-1].concern is Concern.NULL_TARGET_NOT_ATTACKED
    assert "No attack could be run" in str(nothing.warnings[-1])


def test_progress_counts_its_attacks_too():
    told = []
    report_of(FakeGAN(OUTSIDE), progress=lambda *words: told.append(words))
    assert [words[1:] for words in told] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    titles = [words[0] for words in told]
    assert titles[2] == f"{titles[0]}, on the null target"


def test_its_scores_are_kept_too(tmp_path):
    def model():
        return weighted(FakeGAN(OUTSIDE), 2.0)

    first = report_of(model(), folder=tmp_path)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2 * len(ATTACKS)
    again = model()
    second = report_of(again, folder=tmp_path)
    assert second.null_target.areas == first.null_target.areas
    assert again.seen == []
    assert sorted(tmp_path.iterdir()) == kept


def test_the_model_itself_is_refused():
    model = weighted(FakeGAN(MEMBERS), 1.0)
    with pytest.raises(ValueError, match="`null_target` has the weights of the"):
        audit(model, MEMBERS, NON_MEMBERS, null_target=model)


def test_other_shapes_are_refused():
    other = FakeGAN(images(9, 1, (5, 5, 1)), shape=(5, 5, 1))
    with pytest.raises(ValueError, match=r"target's shape \(4, 4, 1\)"):
        report_of(other)


class Lowest(Attack):
    """Notes the lowest pixels of the target and of the reference models."""

    name = title = paper = "lowest"
    requires = frozenset({"samples", "reference_models"})

    def __init__(self):
        self.seen = []

    def _fit(self, target):
        for model in (target, *target.reference_models):
            self.seen.append(float(model.generate(0, 20).min()))

    def _score(self, images, labels):
        return images[:, 0, 0, 0]


def test_what_is_said_of_images_holds_for_models_beside_the_target():
    """Reference models and the null target, given as arrays of `[0, 1]`."""
    parts = [(images(60, 30 + k) + 1) / 2 for k in range(5)]
    attack = Lowest()
    audit(
        *parts[:3],
        attacks=attack,
        reference_models=[parts[3]],
        null_target=parts[4],
        value_range=(0, 1),
    )
    assert len(attack.seen) == 4
    assert max(attack.seen) < -0.5


def test_images_that_are_in_range_are_not_brought_there_twice():
    """Parts of a split and loaded images, beside a model of another range."""
    bytes_ = np.random.default_rng(4).integers(0, 256, (100, 4, 4, 1), dtype="uint8")
    sizes = {"num_members": 30, "num_non_members": 30, "num_reference": 20}
    split = MembershipSplit.draw(load_images(bytes_), **sizes)
    loaded = load_images(bytes_[:30])
    # These take the place of what is stored.
    assert split.members.images.shape == loaded.images.shape == (30, 4, 4, 1)
    assert load_images(loaded, value_range=(-3, 3)).images.min() == -1

    drawn = images(4000, 5, (4, 4, 1)) * 3
    attack = Lowest()
    report = audit(
        drawn,
        split.members,
        split.non_members,
        split.reference,
        attacks=attack,
        reference_models=[images(30, 6, (4, 4, 1)) * 3],
        value_range=(-3, 3),
    )
    np.testing.assert_array_equal(report.member_images, split.members.images)
    assert -1 <= min(attack.seen) < -0.9
    target = AttackTarget.from_model(drawn, split.reference, value_range=(-3, 3))
    np.testing.assert_array_equal(target.reference.images, split.reference.images)


def test_models_beside_the_target_may_be_functions_of_latents():
    def generator(latents):
        return np.tanh(np.resize(latents, (len(latents), 4, 4, 1)))

    report = audit(
        generator,
        *(MEMBERS, NON_MEMBERS),
        attacks="gan_leaks",
        reference_models=[generator],
        null_target=generator,
        latent_dim=4,
    )
    assert report.null_target.areas.keys() == {"gan_leaks"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference_models": FakeGAN()}, "must be a list of models"),
        ({"attacks": None}, "`attacks` must be names or attacks"),
        ({"shadows": "a folder"}, "`shadows` are models"),
        ({"shadows": np.int64(2)}, "trained like the model"),
    ],
)
def test_what_is_no_list_and_no_number_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, **options)
