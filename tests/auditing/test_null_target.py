"""The null target: at chance where the audit is sound, warned of where it is not."""

import numpy as np
import pytest

from keras_mixup_gan.attacks import LOGAN, Attack, AttackTarget, GANLeaks
from keras_mixup_gan.attacks.samples.density import DOMIAS
from keras_mixup_gan.auditing import audit
from tests.attacks.fakes import FakeGAN, images

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
    assert not any("null target" in warning for warning in report.warnings)


def test_its_scores_are_those_of_the_attack_alone():
    other = FakeGAN(OUTSIDE)
    result = report_of(other).null_target.attacks[0]
    scores = LOGAN().fit(AttackTarget.from_model(other)).score(MEMBERS)
    np.testing.assert_array_equal(result.member_scores, scores)


@pytest.mark.parametrize("trained_on", ["members", "non-members"])
def test_one_that_knows_a_side_is_warned_about(trained_on):
    known = MEMBERS if trained_on == "members" else NON_MEMBERS
    null_target = FakeGAN(np.concatenate([known[:30], OUTSIDE]))
    report = report_of(null_target)
    assert {result.name for result in report.null_target.deviating} == set(ATTACKS)
    (warning,) = [text for text in report.warnings if "null target" in text]
    assert "LOGAN" in warning and "GAN-Leaks" in warning
    assert "no evidence of a leak" in warning


def test_sets_that_differ_are_seen_without_a_leak():
    # Noise about darker images: any model of darker images prefers the members.
    members, non_members = MEMBERS * 0.3 - 0.5, NON_MEMBERS * 0.3 + 0.5
    null_target = FakeGAN(OUTSIDE * 0.3 - 0.5)
    report = report_of(null_target, members, non_members)
    assert report.null_target.areas["gan_leaks"] > 0.9
    assert any("null target" in warning for warning in report.warnings)


def test_the_report_says_what_was_found_in_every_form():
    report = report_of(FakeGAN(OUTSIDE))
    areas = report.null_target.areas.values()
    sentence = report.null_target.sentence
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
    for suffix in (".md", ".html"):
        page = report.save(tmp_path / f"audit{suffix}").read_text()
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
    assert "No attack could be run on the null target" in nothing.warnings[-1]


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
    assert len(kept) == 2 * 2 * len(ATTACKS)
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
