"""Canaries: what attacks find of them, and nothing where nothing leaks."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_mixup_gan.attacks import AttackTarget
from keras_mixup_gan.auditing.canaries import exposed_canaries
from keras_mixup_gan.auditing.results import AttackResult, Scores
from keras_mixup_gan.auditing.verdict import at_least
from keras_mixup_gan.data import MembershipSplit
from keras_mixup_gan.reports import save_audit
from keras_mixup_gan.statistics.epsilon_bounds import epsilon_one_run
from keras_mixup_gan.statistics.exposure import exposure, exposure_at_chance
from tests.attacks.fakes import SHAPE, FakeGAN, images
from tests.auditing.audits import Scripted, audit

POOL = images(400, 1)
SIZES = {"num_members": 60, "num_non_members": 60, "num_reference": 20}
KINDS = {"blank": 24, "inverted": 24}


def result(members, non_members, num_canaries, name="scripted"):
    scores = Scores(members, non_members, 0.0, {}, {})
    return AttackResult.from_scores(name, Scripted(None), scores, 0, num_canaries)


def drawn(rng, leak, sizes=(10, 12, 9, 14)):
    """Scores of two kinds of canaries, of which the second leaks."""
    first_in, second_in, first_out, second_out = sizes
    inside = np.concatenate(
        [
            rng.normal(0, 1, 20),
            rng.normal(5, 1, first_in),
            rng.normal(leak, 1, second_in),
        ]
    )
    outside = np.concatenate(
        [
            rng.normal(0, 1, 20),
            rng.normal(5, 1, first_out),
            rng.normal(0, 1, second_out),
        ]
    )
    kinds = (
        ("blank",) * first_in + ("inverted",) * second_in,
        ("blank",) * first_out + ("inverted",) * second_out,
    )
    return result(inside, outside, tuple(map(len, kinds))), kinds


def test_each_kind_is_held_against_its_own_that_were_left_out():
    found, kinds = drawn(np.random.default_rng(0), leak=4.0)
    total, blank, inverted = exposed_canaries([found], kinds)
    inside, outside = found.canary_scores
    pairs = (inside[:10], outside[:9]), (inside[10:], outside[9:])
    for row, pair in zip((blank, inverted), pairs, strict=True):
        test = stats.mannwhitneyu(*pair)
        assert row.auc == pytest.approx(test.statistic / np.prod(tuple(map(len, pair))))
        assert row.bits == pytest.approx(exposure(*pair).mean(), abs=1e-9)
        assert row.bits_at_chance == pytest.approx(exposure_at_chance(len(pair[1])))
        assert (row.num_in, row.num_out) == tuple(map(len, pair))
    assert total.kind == "all"
    assert inverted.found and not blank.found
    assert "exposed" in str(inverted)
    # Of three rows by one attack.
    z = (0.5 - inverted.auc) / np.sqrt(27 / (12 * 12 * 14))
    assert inverted.p_value == pytest.approx(3 * stats.norm.cdf(z), rel=1e-9)


def test_canaries_of_models_that_leak_nothing_are_rarely_called_exposed():
    rng, wrong, bits = np.random.default_rng(1), 0, []
    for _ in range(400):
        pairs = [drawn(rng, leak=0.0) for _ in range(3)]
        rows = exposed_canaries([each for each, _ in pairs], pairs[0][1])
        wrong += any(row.found for row in rows)
        alone = exposed_canaries([pairs[0][0]], pairs[0][1])[0]
        bits.append(alone.bits - alone.bits_at_chance)
    assert wrong <= 400 * 0.05 + 4 * np.sqrt(400 * 0.05 * 0.95)
    assert abs(np.mean(bits)) < 4 * np.std(bits) / np.sqrt(len(bits))


def report_of(model, split, **options):
    fixed = {"attacks": ["logan", "critic_fluctuation"]}
    return audit(model, split.members, split.non_members, **fixed | options)


@pytest.fixture(scope="module")
def split():
    return MembershipSplit.draw(POOL, canaries=KINDS, **SIZES)


def test_a_model_that_remembers_canaries_alone_is_found_by_them(split):
    end = len(split.members.canary_kinds)
    report = report_of(FakeGAN(split.members.images[-end:]), split)
    assert all(row.found for row in report.canaries)
    assert {row.kind for row in report.canaries} == {"all", *KINDS}
    assert report.verdict.epsilon > 1
    pair = report["logan"].canary_scores
    expected = epsilon_one_run(*pair, delta=report.delta, significance=0.025, seed=0)
    assert report.verdict.epsilon >= expected > 1
    content = report.to_dict()
    assert content["canaries"][0]["found"] is True
    assert "Canaries, blank" in str(report)


def test_they_count_in_no_other_figure(split):
    """The report of all other images is that of the same audit without canaries."""
    model = FakeGAN(split.members.images)
    report = report_of(model, split, copies=True)
    plain = report_of(model, split.without_canaries(), copies=True)
    assert (report.num_members, report.num_non_members) == (60, 60)
    for name in ("logan", "critic_fluctuation"):
        np.testing.assert_array_equal(
            report[name].member_scores, plain[name].member_scores
        )
        assert report[name].auc == plain[name].auc
    assert report.copies.to_dict() == plain.copies.to_dict()
    assert report.duplicates == plain.duplicates
    assert report.member_images.shape == plain.member_images.shape
    assert plain.canaries == ()
    assert plain.verdict.epsilon is None


def test_a_model_of_other_data_exposes_none(split):
    report = report_of(FakeGAN(images(50, 9)), split)
    assert not any(row.found for row in report.canaries)
    assert report.verdict.epsilon == 0


def test_a_split_by_coins_needs_no_word_of_the_user():
    sizes = {**SIZES, "num_non_members": 60, "membership": "coin"}
    split = MembershipSplit.draw(POOL, **sizes)
    model = FakeGAN(split.members.images)
    report = report_of(model, split)
    assert report.coins
    assert report.verdict.epsilon > 1
    assert not report_of(model, split, membership="fixed").coins


def test_the_pages_show_them(split, tmp_path):
    report = report_of(FakeGAN(split.members.images), split)
    for suffix in (".html", ".md"):
        text = save_audit(report, tmp_path / f"audit{suffix}").read_text("utf-8")
        assert text.count(" bits of exposure (") == 3
        assert at_least(report.verdict.epsilon) in text
        assert "psilon" in text


def test_an_audit_of_samples_alone_exposes_canaries_too(split):
    end = len(split.members.canary_kinds)
    generated = np.repeat(split.members.images[-end:], 3, axis=0)
    target = AttackTarget.from_model(generated, image_shape=SHAPE)
    report = report_of(target, split, attacks="gan_leaks", release="samples")
    assert report.canaries[0].found


@pytest.mark.parametrize("sizes", [(2, 3), (2, 4), (3, 3)])
def test_few_canaries_in_perfect_order_prove_no_more_than_there_are_orders(sizes):
    num_in, num_out = sizes
    inside = np.concatenate([np.zeros(20), np.full(num_in, 2.0)])
    outside = np.concatenate([np.zeros(20), np.full(num_out, 1.0)])
    kinds = (("blank",) * num_in, ("blank",) * num_out)
    [found] = exposed_canaries([result(inside, outside, sizes)], kinds)
    assert found.auc == 1
    assert found.p_value == pytest.approx(1 / math.comb(num_in + num_out, num_in))
