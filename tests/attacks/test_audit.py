import json

import numpy as np
import pytest

from keras_mixup_gan.attacks import (
    LOGAN,
    Attack,
    AttackTarget,
    GANLeaks,
    MixupLOGAN,
    audit,
)
from keras_mixup_gan.attacks.statistics import auc, delong_interval, tpr_at_fpr
from keras_mixup_gan.data.splits import MembershipSplit
from tests.attacks.fakes import SHAPE, FakeGAN, defence, images

MEMBERS, NON_MEMBERS, OUTSIDE = images(120, 1), images(110, 2), images(40, 3)
FAST = ("logan", "logan_mixup", GANLeaks(num_samples=300))


def leaky_report(**options):
    options = {"reference": OUTSIDE, "attacks": FAST, **options}
    return audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, **options)


class Failing(Attack):
    name, title, requires, paper = "failing", "Failing", frozenset(), "none"

    def __init__(self, error):
        self.error = error

    def _score(self, images, labels):
        raise self.error


class Scripted(Attack):
    """Scores an image by a function of its first pixel."""

    name, title, requires, paper = "scripted", "Scripted", frozenset(), "none"

    def __init__(self, rule):
        self.rule = rule

    def _score(self, images, labels):
        return self.rule(np.float64(images[:, 0, 0, 0]))


def marked(values, seed):
    """Images whose first pixel carries a value."""
    marked = images(len(values), seed)
    marked[:, 0, 0, 0] = values
    return marked


def report_of(rule, members, non_members):
    return audit(
        AttackTarget(image_shape=SHAPE),
        marked(members, 1),
        marked(non_members, 2),
        attacks=Scripted(rule),
    )


def test_a_memorising_model_is_found_out_by_every_default_attack():
    report = leaky_report()
    assert {result.name for result in report.done} == {
        "logan",
        "logan_mixup",
        "gan_leaks",
    }
    assert all(result.auc > 0.9 for result in report.done)
    assert "gives its training images away" in report.verdict


def test_a_model_of_other_data_is_not_accused():
    report = audit(
        FakeGAN(images(50, 7)), images(400, 5), images(400, 6), OUTSIDE, FAST
    )
    error = np.sqrt(801 / (12 * 400 * 400))
    assert all(abs(result.auc - 0.5) < 4 * error for result in report.done)
    assert report.verdict.startswith("No leak was found")


def test_results_are_those_of_the_attacks_and_statistics_alone():
    report = leaky_report(seed=4)
    target = AttackTarget.from_model(FakeGAN(MEMBERS), OUTSIDE, seed=4)
    for name, attack in (
        ("logan", LOGAN()),
        ("logan_mixup", MixupLOGAN()),
        ("gan_leaks", GANLeaks(num_samples=300)),
    ):
        scores = [attack.fit(target).score(part) for part in (MEMBERS, NON_MEMBERS)]
        result = report[name]
        np.testing.assert_array_equal(result.member_scores, scores[0])
        np.testing.assert_array_equal(result.non_member_scores, scores[1])
        assert result.auc == auc(*scores)
        assert result.auc_interval == delong_interval(*scores)
        assert result.operating_point == tpr_at_fpr(*scores, 0.01)


def test_samples_are_generated_once_for_all_queries():
    model = FakeGAN()
    audit(model, MEMBERS, NON_MEMBERS, attacks=GANLeaks(num_samples=300))
    assert model.batch_sizes == [300]


def test_members_and_non_members_share_batches():
    model = FakeGAN()
    audit(model, MEMBERS, NON_MEMBERS, attacks="logan")
    known = {image.tobytes() for image in MEMBERS}
    first = [image.tobytes() in known for image in model.seen[0][:60]]
    assert 15 < sum(first) < 45


def test_the_same_seed_gives_the_same_report():
    def comparable(**options):
        report = leaky_report(**options).to_dict()
        for result in report["attacks"].values():
            del result["seconds"]
        return report

    assert comparable(seed=1) == comparable(seed=1)
    assert comparable(seed=1) != comparable(seed=2)


def test_a_target_keeps_its_own_seed_and_reference():
    target = AttackTarget.from_model(FakeGAN(MEMBERS), OUTSIDE, seed=9)
    report = audit(target, MEMBERS, NON_MEMBERS, attacks=FAST, seed=1)
    assert report.seed == 9
    assert report.num_reference == 40
    np.testing.assert_array_equal(
        report["logan_mixup"].member_scores,
        leaky_report(seed=9)["logan_mixup"].member_scores,
    )


def test_parts_of_a_split_are_accepted_and_its_hash_is_reported():
    split = MembershipSplit.from_parts(MEMBERS, NON_MEMBERS, OUTSIDE)
    report = audit(
        FakeGAN(), split.members, split.non_members, split.reference, attacks="logan"
    )
    assert report.split_hash == split.content_hash


def test_labels_reach_the_discriminator_of_a_conditional_model():
    model = FakeGAN(num_classes=5)
    labels = np.arange(120) % 5, np.arange(110) % 5
    report = audit(
        model, (MEMBERS, labels[0]), (NON_MEMBERS, labels[1]), attacks="logan"
    )
    assert report["logan"].status == "done"
    by_image = {
        image.tobytes(): label
        for image, label in zip(
            np.concatenate([MEMBERS, NON_MEMBERS]), np.concatenate(labels), strict=True
        )
    }
    for image, row in zip(model.seen[0], model.seen_labels[0], strict=True):
        assert row.argmax() == by_image[image.tobytes()]


# === What runs, what is skipped, what fails ===


def test_without_reference_the_adaptive_attack_is_listed_as_skipped():
    report = audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, seed=0)
    skipped = report["logan_mixup"]
    assert skipped.status == "skipped"
    assert "no reference was given" in skipped.reason
    assert report.attacks[-1] is skipped
    assert len(report.done) == 2
    assert report.to_dict()["attacks"]["logan_mixup"]["auc"] is None
    assert not report.warnings  # the model was not trained with mixup


def test_ignoring_a_known_defence_is_warned_about():
    model = FakeGAN(MEMBERS, mixup=defence())
    report = audit(model, MEMBERS, NON_MEMBERS, attacks="logan")
    assert "no attack that knows it was run" in report.warnings[0]
    assert report.to_dict()["mixup"]["num_samples"] == 2
    report = audit(model, MEMBERS, NON_MEMBERS, OUTSIDE, attacks="logan_mixup")
    assert not report.warnings


def test_samples_alone_can_be_audited():
    rng = np.random.default_rng(0)
    for model in (images(200, 8), lambda n: rng.uniform(-1, 1, (n, *SHAPE))):
        report = audit(model, MEMBERS, NON_MEMBERS)
        assert [result.name for result in report.done] == ["gan_leaks"]
        assert report.access == ("samples",)


def test_a_failed_attack_is_an_entry_and_the_others_go_on():
    report = leaky_report(attacks=[Failing(RuntimeError("out\nof luck")), "logan"])
    failed = report["failing"]
    assert (failed.status, failed.reason) == ("failed", "RuntimeError: out of luck")
    assert report["logan"].status == "done"
    assert report.strongest is report["logan"]


def test_an_audit_without_any_result_says_so():
    report = leaky_report(attacks=[Failing(ValueError("no"))])
    assert "no attack could be run" in report.verdict
    assert report.strongest is None
    assert report["failing"].reason == "no"


def test_an_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        leaky_report(attacks=[Failing(KeyboardInterrupt())])


def test_two_attacks_of_a_kind_have_names_of_their_own():
    report = leaky_report(attacks=[GANLeaks(50), GANLeaks(300)])
    assert report["gan_leaks"].settings["num_samples"] == 50
    assert report["gan_leaks_2"].settings["num_samples"] == 300


def test_results_are_sorted_by_threat():
    weak = Scripted(lambda x: x)
    report = leaky_report(attacks=[Failing(ValueError("no")), weak, "logan"])
    assert [result.name for result in report.attacks] == [
        "logan",
        "scripted",
        "failing",
    ]
    assert report["logan"].auc > report["scripted"].auc
    assert report.strongest is report["logan"]


def test_progress_is_told_before_each_attack_and_at_the_end():
    calls = []
    leaky_report(progress=lambda *state: calls.append(state))
    assert [call[1:] for call in calls] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert calls[0][0] == LOGAN.title
    assert calls[-1][0] == ""


# === Verdict and warnings ===


def test_few_queries_and_repeated_images_are_warned_about():
    repeated = np.concatenate([images(30, 1), images(3, 1)])
    report = audit(FakeGAN(), repeated, images(40, 2), attacks="logan")
    text = " ".join(report.warnings)
    assert "Only 33 members and 40 non-members" in text
    assert "3 images of the members repeat" in text
    assert "no false positive at all" in text


def test_an_auc_below_one_half_is_no_privacy():
    values = np.linspace(-1, 1, 200)
    report = report_of(lambda x: -x, np.clip(values + 0.5, -1, 1), values * 0.999)
    assert report["scripted"].auc < 0.4
    assert "scores non-members higher" in report.warnings[0]
    assert report.verdict.startswith("No leak was found")


def test_a_leak_of_few_images_is_seen_although_the_auc_is_not():
    values = np.linspace(-0.9, 0.9, 400)
    members = values.copy()
    members[::20] = 0.95  # 5 % of the members stand out
    report = report_of(lambda x: x, members, values * 0.999)
    assert report["scripted"].auc_interval[0] < 0.5
    assert report.verdict.startswith("Some training images are exposed")


@pytest.mark.parametrize(
    ("shift", "words"), [(0.14, "leaks a little"), (0.35, "clearly leaks")]
)
def test_the_verdict_grows_with_the_leak(shift, words):
    values = np.linspace(-0.5, 0.5, 600)
    report = report_of(lambda x: x, values + 0.5 * shift, values * 0.999)
    assert words in report.verdict


def test_models_that_leak_nothing_are_rarely_accused():
    accused = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        members, non_members = rng.uniform(-1, 1, (2, 120))
        values = np.concatenate([members, non_members])
        noise = dict(zip(np.float32(values), rng.normal(size=240), strict=True))
        report = report_of(
            lambda x, noise=noise: np.array([noise[np.float32(v)] for v in x]),
            members,
            non_members,
        )
        accused += not report.verdict.startswith("No leak")
    # At most 5 % in truth; four standard errors above.
    assert accused / 200 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)


# === Refusals ===


def test_copies_across_parts_are_refused_with_their_number():
    for members, non_members, reference in (
        (MEMBERS, np.concatenate([NON_MEMBERS, MEMBERS[:3]]), None),
        (MEMBERS, NON_MEMBERS, np.concatenate([OUTSIDE, MEMBERS[:3]])),
        (MEMBERS, NON_MEMBERS, np.concatenate([OUTSIDE, NON_MEMBERS[:3]])),
    ):
        with pytest.raises(ValueError, match="3 images occur in more than one part"):
            audit(FakeGAN(), members, non_members, reference)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": MEMBERS[:1]}, "`members` must hold at least 2 images"),
        ({"non_members": NON_MEMBERS[:1]}, "`non_members` must hold at least 2"),
        ({"members": MEMBERS * 2}, "`members` must lie in"),
        ({"members": (MEMBERS * 127).astype("uint8")}, "`members` must be floating"),
        ({"members": images(9, 1, (5, 5, 1))}, "images of"),
        ({"non_members": images(9, 1, (5, 5, 1))}, "images of"),
        ({"members": (MEMBERS, np.zeros(120, int))}, "both have labels"),
        ({"attacks": "logn"}, "Did you mean 'logan'"),
        ({"attacks": ["logan", "gan_leak"]}, "Did you mean 'gan_leaks'"),
        ({"attacks": []}, "at least one attack"),
        ({"seed": -1}, "`seed` must be"),
    ],
)
def test_unusable_input_is_refused(options, message):
    arguments = {"members": MEMBERS, "non_members": NON_MEMBERS, **options}
    with pytest.raises(ValueError, match=message):
        audit(FakeGAN(), **arguments)


def test_an_unknown_result_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'logan"):
        leaky_report(attacks="logan")["logen"]


def test_the_report_is_plain_json():
    report = leaky_report(attacks=[*FAST, Failing(ValueError("no"))]).to_dict()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["schema_version"] == 1
    assert set(report["attacks"]["logan"]) >= {"auc", "auc_ci", "tpr_at_fpr", "n"}
    assert report["attacks"]["logan"]["n"] == {"members": 120, "non_members": 110}
