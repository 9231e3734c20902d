import numpy as np
import pytest
from scipy.special import ndtri

from keras_mixup_gan.attacks.release import Release
from keras_mixup_gan.auditing import Concern, Leak
from keras_mixup_gan.auditing.advice import next_steps
from keras_mixup_gan.auditing.text import of_the_set
from keras_mixup_gan.auditing.verdict import AuditVerdict, at_least, judge
from keras_mixup_gan.statistics.power import SetInference
from tests.attacks.fakes import FakeGAN, defense, images
from tests.auditing.audits import (
    FAST,
    MEMBERS,
    NON_MEMBERS,
    OUTSIDE,
    Failing,
    audit,
    concerns,
    leaky_report,
    report_of,
)


def test_an_audit_without_any_result_is_an_error():
    with pytest.raises(ValueError, match=r"No attack could be run.*Failing: no"):
        leaky_report(attacks=[Failing(ValueError("no"))])
    with pytest.raises(ValueError, match="It needs reference images"):
        audit(FakeGAN(), MEMBERS, NON_MEMBERS, attacks="logan_mixup")
    # What failed comes first, and each reason once.
    asked = ["logan_mixup", Failing(ValueError("no"))]
    with pytest.raises(ValueError, match=r"\(Failing: no; .*needs reference"):
        audit(FakeGAN(), MEMBERS, NON_MEMBERS, attacks=asked)


def test_few_queries_and_repeated_images_are_warned_about():
    repeated = np.concatenate([images(30, 1), images(3, 1)])
    report = audit(FakeGAN(), repeated, images(40, 2), attacks="logan")
    found = {warning.concern: warning.values for warning in report.warnings}
    few = found[Concern.FEW_QUERIES]
    assert (few["members"], few["non_members"]) == (33, 40)
    assert few["smallest"] == report.detectable_auc == pytest.approx(0.69, abs=0.005)
    assert found[Concern.DUPLICATES] == {"number": 3, "part": "members"}
    assert found[Concern.FEW_NON_MEMBERS] == {"non_members": 40}
    assert all("{" not in str(warning) for warning in report.warnings)


def test_sets_that_differ_without_a_model_are_warned_about():
    brighter = np.clip(NON_MEMBERS + 0.5, -1, 1)
    options = {"attacks": "logan", "blind": True}
    report = audit(FakeGAN(), MEMBERS, brighter, **options)
    assert report.blind.auc > 0.8
    assert concerns(report)[0] is Concern.SHIFTED_PARTS
    assert report.verdict.leak is Leak.UNDECIDED
    assert report.verdict.pixels == report.blind.auc
    assert report.set_inference is None
    assert report.to_dict()["blind"]["auc"] == report.blind.auc
    alike = audit(FakeGAN(), MEMBERS, NON_MEMBERS, **options)
    assert abs(alike.blind.auc - 0.5) < 4 * np.sqrt(231 / (12 * 120 * 110))
    warned = Concern.SHIFTED_PARTS in concerns(alike)
    assert warned == alike.blind.is_shifted
    too_few = audit(FakeGAN(), MEMBERS[:9], NON_MEMBERS, **options)
    assert too_few.blind is None


def test_an_audit_says_what_it_could_have_seen():
    small = audit(FakeGAN(), MEMBERS[:60], NON_MEMBERS[:60], attacks="logan")
    assert small.detectable_auc == pytest.approx(0.648, abs=0.001)
    several = audit(FakeGAN(), MEMBERS[:60], NON_MEMBERS[:60], OUTSIDE, FAST)
    assert several.detectable_auc > 0.65
    assert several.warnings[0].values["smallest"] == several.detectable_auc
    assert "below AUC 0.67 could have gone" in str(several.warnings[0])


def test_the_size_of_a_leak_is_that_on_the_half_that_did_not_choose():
    report = leaky_report()
    found = report.strongest_held_out
    assert found.operating_point.num_members == 60
    verdict = report.verdict
    assert (verdict.auc, verdict.interval) == (found.auc, found.interval)
    assert verdict.point == found.operating_point
    assert "measured on the other" in str(verdict)
    alone = leaky_report(attacks="logan")
    assert alone.verdict.auc == alone["logan"].auc
    assert f"reaches AUC {alone['logan'].auc:.3f}" in str(alone.verdict)


def test_an_auc_below_one_half_is_no_privacy():
    values = np.linspace(-1, 1, 200)
    report = report_of(lambda x: -x, np.clip(values + 0.5, -1, 1), values * 0.999)
    assert report["scripted"].auc < 0.4
    assert concerns(report)[0] is Concern.BELOW_CHANCE
    assert report.verdict.leak is Leak.NOT_FOUND


def test_a_leak_of_few_images_is_seen_although_the_auc_is_not():
    values = np.linspace(-0.9, 0.9, 400)
    members = values.copy()
    members[::20] = 0.95  # 5 % of the members stand out
    report = report_of(lambda x: x, members, values * 0.999)
    assert report["scripted"].auc_interval[0] < 0.5
    assert report.verdict.leak is Leak.FEW


@pytest.mark.parametrize(
    ("shift", "leak"), [(0.2, Leak.LITTLE), (0.5, Leak.CLEAR), (1.2, Leak.SEVERE)]
)
def test_the_verdict_grows_with_the_leak(shift, leak):
    values = ndtri((np.arange(1000) + 0.5) / 1000)  # normal: AUC and tail agree
    report = report_of(lambda x: x, (values + shift) / 6, values / 6 * 0.999)
    assert report.verdict.leak is leak


@pytest.mark.long
def test_models_that_leak_nothing_are_rarely_accused():
    accused = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        members, non_members = rng.uniform(-1, 1, (2, 60))
        values = np.concatenate([members, non_members])
        noise = dict(zip(np.float32(values), rng.normal(size=120), strict=True))
        report = report_of(
            lambda x, noise=noise: np.array([noise[np.float32(v)] for v in x]),
            members,
            non_members,
        )
        accused += report.verdict.leak is not Leak.NOT_FOUND
    # At most 5 % in truth; four standard errors above.
    assert accused / 200 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)


def test_ignoring_a_known_defense_is_warned_about():
    model = FakeGAN(MEMBERS, mixup=defense())
    report = audit(model, MEMBERS, NON_MEMBERS, attacks="logan")
    assert concerns(report) == [Concern.MIXUP_IGNORED]
    assert report.ignored_defenses == ("mixup",)
    assert report.to_dict()["mixup"]["num_samples"] == 2
    report = audit(model, MEMBERS, NON_MEMBERS, OUTSIDE, attacks="logan_mixup")
    assert not report.warnings


class Copies:
    """A check that found copies."""

    found, num_samples, num_members, num_non_members = True, 100, 10, 10
    members_copied, samples_of_members, non_members_copied = 4, 5, 0


def test_copies_are_found_although_no_attack_could_be_run():
    verdict = judge(Release.GENERATOR, (), 1, None, None, Copies())
    assert verdict.leak is Leak.COPIED
    assert "copies 4 of 10 members" in str(verdict)
    assert "the generator, no attack could be run." in str(verdict)


def test_where_parts_differ_copies_are_still_a_reason_not_to_publish():
    brighter = np.clip(NON_MEMBERS + 0.5, -1, 1)
    report = audit(MEMBERS[:50], MEMBERS, brighter, blind=True, copies=True)
    assert report.verdict.leak is Leak.UNDECIDED
    assert {found.leak for found in report.verdicts.values()} == {
        Leak.UNDECIDED,
        Leak.UNKNOWN,
    }
    assert report.copies.found
    assert next(next_steps(report)).startswith("Do not publish the model")


def test_coins_that_prove_epsilon_are_told_beside_an_absent_leak():
    point = leaky_report(attacks="logan")["logan"].operating_point
    found = {"attack": "LOGAN", "num_attacks": 2, "point": point}
    verdict = AuditVerdict(Leak.NOT_FOUND, Release.GENERATOR, **found, epsilon=3.0)
    assert "prove an epsilon above 3.00" in str(verdict)
    assert "chosen and measured on the same images" in str(verdict)
    calm = AuditVerdict(Leak.NOT_FOUND, Release.GENERATOR, **found, epsilon=0.0)
    assert "epsilon" not in str(calm)


def test_an_epsilon_from_below_is_never_printed_above_itself():
    assert [at_least(bound) for bound in (0.0177, 1.125, 3.0)] == [
        "0.01",
        "1.12",
        "3.00",
    ]


def test_a_set_is_told_by_the_p_value_alone():
    assert of_the_set(SetInference(1e-9, None)).endswith("(p < 0.0001).")
    assert "are told" in of_the_set(SetInference(1e-9, None))
    assert "are not told" in of_the_set(SetInference(0.5, 40))
    assert "some 40 of them" in of_the_set(SetInference(1e-3, 40))


@pytest.mark.parametrize(("number", "is_few"), [(5, True), (1000, False)])
def test_few_generated_images_are_warned_about(number, is_few):
    given = {"attacks": ["gan_leaks"], "release": "samples", "copies": True}
    report = audit(images(number, 9), MEMBERS, NON_MEMBERS, **given)
    found = {warning.concern: warning.values for warning in report.warnings}
    assert found.get(Concern.FEW_SAMPLES) == ({"samples": 5} if is_few else None)
