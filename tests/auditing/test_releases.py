"""What each release gives away, and what coins prove."""

from types import SimpleNamespace

import numpy as np
import pytest

import keras_mixup_gan
from keras_mixup_gan.attacks import GANLeaks, Release
from keras_mixup_gan.auditing import Concern, Leak
from tests.attacks.fakes import FakeGAN, images
from tests.auditing.audits import FAST, MEMBERS, NON_MEMBERS, OUTSIDE, audit, concerns


class OnlyTheCritic(FakeGAN):
    """Its discriminator knows the members, its images do not."""

    def generate(self, num_images, seed=None, start=0, dtype="uint8"):
        return images(start + num_images, 77, self.image_shape)[start:]


@pytest.fixture(scope="module")
def report():
    model = OnlyTheCritic(MEMBERS)
    attacks = ("logan", GANLeaks(300))
    return keras_mixup_gan.audit(
        model, MEMBERS, NON_MEMBERS, attacks=attacks, blind=False
    )


def test_the_headline_is_of_the_release_that_is_named(report):
    assert report.release is Release.GENERATOR
    assert report.verdict.leak is Leak.NOT_FOUND
    assert report.strongest.name == "gan_leaks"
    assert report.done[0].name == "logan"  # of all attacks the most threatening
    everything = audit(OnlyTheCritic(MEMBERS), MEMBERS, NON_MEMBERS, attacks="logan")
    assert everything.verdict.leak is Leak.SEVERE
    assert everything.strongest.name == "logan"


def test_every_report_tells_what_each_release_gives_away(report):
    leaks = {release: found.leak for release, found in report.verdicts.items()}
    assert leaks == {
        Release.SAMPLES: Leak.NOT_FOUND,
        Release.GENERATOR: Leak.NOT_FOUND,
        Release.EVERYTHING: Leak.SEVERE,
    }
    content = report.to_dict()
    assert content["release"] == "generator"
    assert content["releases"]["everything"]["leak"] == "severe"
    assert content["attacks"]["logan"]["release"] == "everything"
    assert content["attacks"]["gan_leaks"]["release"] == "samples"
    assert any("generated images" in step or "shadow" in step for step in report.advice)


def test_the_lesser_release_is_advised():
    report = audit(OnlyTheCritic(MEMBERS), MEMBERS, NON_MEMBERS, attacks=FAST[::2])
    assert report.advice[0].startswith("Release only the generator")


def test_images_alone_say_nothing_of_the_generator():
    report = audit(images(300, 9), MEMBERS, NON_MEMBERS, attacks=GANLeaks(300))
    assert report.release is Release.SAMPLES
    assert report.verdicts[Release.GENERATOR].leak is Leak.UNKNOWN
    assert Concern.LESS_GRANTED in concerns(report)
    asked = audit(
        *(images(300, 9), MEMBERS, NON_MEMBERS),
        attacks=GANLeaks(300),
        release="samples",
    )
    assert Concern.LESS_GRANTED not in concerns(asked)


def test_an_unknown_release_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'samples'"):
        audit(FakeGAN(), MEMBERS, NON_MEMBERS, release="sample")


@pytest.mark.parametrize(
    ("accesses", "release"),
    [
        ((), "samples"),
        (("samples", "reference", "shadows", "reference_models"), "samples"),
        (("queries", "reference_models"), "generator"),
        (("generator",), "generator"),
        (("discriminator", "samples", "shadows"), "everything"),
    ],
)
def test_accesses_need_a_release(accesses, release):
    assert Release.least_for(accesses) is Release(release)


# === Coins ===


def test_copies_had_no_coins_of_their_own():
    members, non_members = np.concatenate([MEMBERS, MEMBERS[:5]]), NON_MEMBERS
    options = {"attacks": "logan", "blind": False, "membership": "coin"}
    report = audit(FakeGAN(MEMBERS), members, non_members, **options)
    assert all(found.epsilon is None for found in report.verdicts.values())
    (caution,) = (c for c in report.warnings if c.concern is Concern.DUPLICATES)
    assert "5 images of the members" in str(caution)
    assert "bound no epsilon" in str(caution)
    plain = audit(FakeGAN(MEMBERS), MEMBERS, non_members, **options)
    assert plain.verdict.epsilon > 1


def test_coins_bound_epsilon_from_below():
    report = audit(
        *(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, OUTSIDE, FAST), membership="coin"
    )
    bounds = [report.verdicts[release].epsilon for release in Release]
    assert bounds == sorted(bounds)
    assert bounds[-1] > 1
    assert report.to_dict()["releases"]["samples"]["epsilon_from_below"] == bounds[0]
    fixed = audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, OUTSIDE, FAST)
    assert all(found.epsilon is None for found in fixed.verdicts.values())


def test_a_model_of_other_data_bounds_nothing():
    model = FakeGAN(images(50, 7))
    report = audit(
        *(model, images(400, 5), images(400, 6), OUTSIDE, FAST), membership="coin"
    )
    assert report.verdict.epsilon == 0


def test_numbers_that_coins_do_not_give_are_refused_before_any_attack():
    model = FakeGAN()
    with pytest.raises(ValueError, match="fair coins"):
        audit(model, MEMBERS, NON_MEMBERS[:10], attacks="logan", membership="coin")
    assert model.seen == []
    with pytest.raises(ValueError, match="membership"):
        audit(model, MEMBERS, NON_MEMBERS, membership="coins")


def test_delta_is_that_of_the_guarantee_or_small():
    report = audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, attacks="logan")
    assert report.delta == min(1e-5, 0.1 / 120)
    assert np.isfinite(report.verdict.auc)


def test_updates_on_unknown_terms_are_audited_without_a_guarantee():
    class Mixed(FakeGAN):
        privacy = SimpleNamespace(num_updates=3, spent=SimpleNamespace(num_examples=0))

    report = audit(Mixed(MEMBERS), MEMBERS, NON_MEMBERS, OUTSIDE, FAST)
    assert report.privacy is None
