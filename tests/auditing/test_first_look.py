"""A first look: what is left out, and that the report says so."""

import numpy as np
import pytest

from keras_mixup_gan.attacks.base import default_attacks
from keras_mixup_gan.auditing import Concern, first_look
from tests.attacks.fakes import FakeGAN, images
from tests.auditing.audits import MEMBERS, NON_MEMBERS, OUTSIDE, audit, concerns


def test_it_takes_fewer_queries_samples_and_attacks(monkeypatch):
    monkeypatch.setattr(first_look, "NUM_QUERIES", 50)
    monkeypatch.setattr(first_look, "NUM_SAMPLES", 200)
    model = FakeGAN(MEMBERS)
    options = {"reference": OUTSIDE, "fast": True}
    report = audit(model, MEMBERS, NON_MEMBERS, **options)
    assert (report.num_members, report.num_non_members) == (50, 50)
    assert max(model.batch_sizes) <= 200
    names = {entry.name for entry in report.attacks}
    assert {"logan", "gan_leaks", "gan_leaks_data"} < names < set(default_attacks())
    assert Concern.FIRST_LOOK in concerns(report)
    assert report["gan_leaks"].auc > 0.9
    # What is shown is called by its place among those that were given.
    rows = first_look.looked_at(len(MEMBERS), report.seed)
    assert len(set(rows)) == 50 < rows.max()
    np.testing.assert_array_equal(report.member_images, MEMBERS[rows])
    assert report.member_names == tuple(f"no. {row}" for row in rows)


def test_the_attacker_knows_as_much_as_is_said(monkeypatch):
    monkeypatch.setattr(first_look, "NUM_QUERIES", 50)
    known = images(300, 9)
    rows = first_look.looked_at(300, 0)
    options = {"attacks": "domias", "blind": False}
    model = FakeGAN(MEMBERS)
    report = audit(model, MEMBERS, NON_MEMBERS, reference=known, fast=True, **options)
    assert report.num_reference == 50
    fewer = audit(
        model, MEMBERS, NON_MEMBERS, reference=known[rows], fast=True, **options
    )
    assert report.split_hash == fewer.split_hash
    np.testing.assert_array_equal(
        report["domias"].member_scores, fewer["domias"].member_scores
    )


def test_a_whole_audit_is_no_first_look():
    options = {"reference": OUTSIDE, "attacks": "logan"}
    report = audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, **options)
    assert Concern.FIRST_LOOK not in concerns(report)
    assert report.member_names is None


def test_shadow_models_are_no_first_look():
    with pytest.raises(ValueError, match="leaves no time to train"):
        audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, fast=True, shadows=2)


def test_a_look_at_some_of_the_images_is_no_game_of_coins():
    many = images(1100, 7), images(1000, 8)
    assert not audit(FakeGAN(), *many, fast=True, membership="coin").coins
    few = MEMBERS[:50], NON_MEMBERS[:50]
    assert audit(FakeGAN(), *few, fast=True, membership="coin").coins
    with pytest.raises(ValueError, match="fair coins"):
        audit(FakeGAN(), images(1500, 7), many[1], fast=True, membership="coin")
