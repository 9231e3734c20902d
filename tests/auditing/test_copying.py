"""The copying panel against plain loops, where nothing is copied, and where all is."""

import numpy as np
import pytest
from scipy import stats

from keras_mixup_gan.attacks import AttackTarget
from keras_mixup_gan.auditing import copying
from keras_mixup_gan.auditing.copying import authenticity, copying_panel, data_copying
from keras_mixup_gan.data import MembershipSplit
from keras_mixup_gan.reports import save_audit
from tests.attacks.fakes import FakeGAN, images
from tests.auditing.audits import MEMBERS, NON_MEMBERS, audit


def rows(number, seed, width=3):
    return np.random.default_rng(seed).normal(size=(number, width)).astype("float32")


def distances(first, second):
    gaps = np.float64(first)[:, None] - np.float64(second)[None]
    return np.sqrt((gaps**2).sum(axis=2))


def test_c_t_is_the_standardized_statistic_of_distances_to_members():
    train, held_out, made = rows(50, 0), rows(30, 1), 1.2 * rows(41, 2)
    found, cells = data_copying(train, held_out, made)
    assert cells == 1
    far = [distances(part, train).min(axis=1) for part in (made, held_out)]
    wins = sum((a > b) + (a == b) / 2 for a in far[0] for b in far[1])
    expected = (wins - 30 * 41 / 2) / np.sqrt(30 * 41 * 72 / 12)
    assert found == pytest.approx(expected, abs=1e-9)
    assert wins == pytest.approx(stats.mannwhitneyu(*far).statistic)


def test_authenticity_counts_images_nearer_than_the_members_neighbor():
    train, made = rows(40, 3), rows(60, 4)
    to_train, within = distances(made, train), distances(train, train)
    np.fill_diagonal(within, np.inf)
    expected = np.mean([row.min() > within[row.argmin()].min() for row in to_train])
    assert authenticity(train, made) == pytest.approx(expected, abs=1e-9)
    assert 0.2 < expected < 0.9
    assert authenticity(train, train[:20]) == 0


@pytest.mark.parametrize("number", [35, 160])
def test_images_of_the_same_law_as_those_held_out_are_no_copies(number):
    """Over one cell, or four, whose mean has a variance of about a quarter."""
    found, cells = zip(
        *(
            data_copying(
                rows(100, 3 * k), rows(number, 3 * k + 1), rows(200, 3 * k + 2)
            )
            for k in range(100)
        ),
        strict=True,
    )
    assert max(cells) == max(1, number // 40)
    assert abs(np.mean(found)) < 4 * np.std(found) / 10
    assert np.std(found) == pytest.approx(1 / np.sqrt(np.mean(cells)), rel=0.25)


def test_copies_are_below_and_a_bad_fit_above():
    train, held_out = rows(300, 0), rows(300, 1)
    copied = train[:200] + 0.01 * rows(200, 2)
    assert data_copying(train, held_out, copied)[0] < -3
    assert data_copying(train, held_out, 3 * rows(200, 3))[0] > 3
    assert authenticity(train, copied) < 0.05
    assert authenticity(train, held_out) > 0.35  # of the same law it is near one half


def panel_of(model):
    split = MembershipSplit.from_parts(MEMBERS, NON_MEMBERS)
    return copying_panel(AttackTarget.from_model(model), split)


@pytest.mark.long
def test_a_model_is_looked_at_by_its_images():
    copying, other = panel_of(FakeGAN(MEMBERS)), panel_of(FakeGAN(images(90, 9)))
    assert copying.c_t < -3
    assert abs(other.c_t) < 3
    assert copying.authenticity < 0.1 < other.authenticity
    assert copying.authenticity_of_non_members == other.authenticity_of_non_members
    assert "no evidence of privacy" in str(other)
    assert panel_of(images(19, 3)) is None
    split = MembershipSplit.from_parts(MEMBERS, NON_MEMBERS)
    silent = AttackTarget(image_shape=MEMBERS.shape[1:])
    assert copying_panel(silent, split) is None


@pytest.mark.long
def test_reports_show_the_panel_and_what_is_told_of_the_set(tmp_path):
    report = audit(
        FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, attacks="gan_leaks", copies=True
    )
    found = report.set_inference
    assert found.p_value < 1e-9
    assert found.num_needed < 10
    content = report.to_dict()
    assert content["set_inference"]["num_needed"] == found.num_needed
    assert content["copying"]["c_t"] == report.copying.c_t
    for suffix in (".html", ".md", ".txt"):
        text = save_audit(report, tmp_path / f"audit{suffix}").read_text("utf-8")
        assert "no evidence of privacy" in text
        assert "As a set the members are told" in text
    other = audit(FakeGAN(images(50, 9)), MEMBERS, NON_MEMBERS, copies=True)
    assert other.set_inference.p_value > 0.01
    assert "are not told" in str(other)


def test_of_parts_sorted_by_class_all_classes_are_looked_at(monkeypatch):
    seen = []
    monkeypatch.setattr(copying, "MAX_FITTED", 60)
    monkeypatch.setattr(copying, "fld_gap", lambda *parts: seen.extend(parts))
    dark, bright = (images(100, k) / 5 + level for k, level in ((1, -0.6), (2, 0.6)))
    split = MembershipSplit.from_parts(
        np.concatenate([dark[:50], bright[:50]]),
        np.concatenate([dark[50:], bright[50:]]),
    )
    copying_panel(AttackTarget.from_model(FakeGAN()), split)
    for part in seen[:2]:
        assert len(part) == 60
        assert 10 < np.sum(part.mean(axis=1) > 0) < 50
