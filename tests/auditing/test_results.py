import json

import numpy as np
import pytest

from keras_mixup_gan.attacks import (
    LOGAN,
    AttackTarget,
    GANLeaks,
    MixupLOGAN,
)
from keras_mixup_gan.statistics.roc import auc, delong_interval, tpr_at_fpr
from tests.attacks.fakes import FakeGAN
from tests.auditing.audits import (
    FAST,
    MEMBERS,
    NON_MEMBERS,
    OUTSIDE,
    Failing,
    Scripted,
    leaky_report,
)


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


def test_an_unknown_result_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'logan"):
        leaky_report(attacks="logan")["logen"]


def test_the_report_is_plain_json():
    report = leaky_report(attacks=[*FAST, Failing(ValueError("no"))]).to_dict()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["leak"] == "severe"
    assert report["schema_version"] == 3
    assert set(report["attacks"]["logan"]) >= {"auc", "auc_ci", "tpr_at_fpr", "n"}
    assert report["attacks"]["logan"]["n"] == {"members": 120, "non_members": 110}
