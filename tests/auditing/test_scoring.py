import numpy as np
import pytest

from keras_mixup_gan.attacks import (
    GANLeaks,
    MixupLOGAN,
)
from tests.attacks.fakes import FakeGAN
from tests.auditing.audits import (
    MEMBERS,
    NON_MEMBERS,
    OUTSIDE,
    Failing,
    audit,
    leaky_report,
)


def test_samples_are_generated_once_for_all_queries():
    model = FakeGAN()
    audit(model, MEMBERS, NON_MEMBERS, attacks=GANLeaks(num_samples=300))
    assert model.batch_sizes == [300]


def test_samples_are_generated_once_for_all_attacks():
    model = FakeGAN()
    attacks = [GANLeaks(300), GANLeaks(300)]
    report = audit(model, MEMBERS, NON_MEMBERS, attacks=attacks)
    assert model.batch_sizes == [300]
    first, second = report["gan_leaks"], report["gan_leaks_2"]
    np.testing.assert_array_equal(first.member_scores, second.member_scores)


def test_members_and_non_members_share_batches():
    model = FakeGAN()
    audit(model, MEMBERS, NON_MEMBERS, attacks="logan")
    known = {image.tobytes() for image in MEMBERS}
    first = [image.tobytes() in known for image in model.seen[0][:60]]
    assert 15 < sum(first) < 45


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


def test_what_each_attack_asked_is_counted():
    model = FakeGAN(MEMBERS)
    attacks = ["logan", GANLeaks(300), GANLeaks(200), MixupLOGAN(4, (0.5, 0.7))]
    report = audit(model, MEMBERS, NON_MEMBERS, OUTSIDE, attacks)
    assert report["logan"].num_queries == {"discriminator": 230}
    assert report["gan_leaks"].num_queries == {"samples": 300}
    assert report["gan_leaks_2"].num_queries == {"samples": 200}
    # Four blends at two weights, of all queries and of the calibration images.
    blends = report["logan_mixup"].num_queries["discriminator"]
    assert blends == 8 * (230 + 20)


def test_a_failed_attack_is_an_entry_and_the_others_continue():
    report = leaky_report(attacks=[Failing(RuntimeError("out\nof luck")), "logan"])
    failed = report["failing"]
    assert (failed.status, failed.reason) == ("failed", "RuntimeError: out of luck")
    assert report["logan"].status == "done"
    assert report.strongest is report["logan"]


def test_an_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        leaky_report(attacks=[Failing(KeyboardInterrupt())])
