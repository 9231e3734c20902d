import numpy as np
import pytest

from keras_mixup_gan.attacks import AttackTarget, ReferenceData
from keras_mixup_gan.data.splits import MembershipSplit
from tests.attacks.fakes import SHAPE, FakeGAN, defence, images


def test_a_model_grants_everything_but_reference_images():
    model = FakeGAN(num_classes=4, mixup=defence())
    target = AttackTarget.from_model(model, seed=3)
    assert target.access == {"samples", "discriminator"}
    assert target.image_shape == SHAPE
    assert target.num_classes == 4
    assert target.mixup is model.mixup
    assert target.name == "FakeGAN"


def test_an_array_or_a_function_grants_samples_only():
    assert AttackTarget.from_model(images(5, 0)).access == {"samples"}
    target = AttackTarget.from_model(lambda n: images(n, 0), image_shape=SHAPE)
    assert target.access == {"samples"}


def test_reference_images_are_an_access_of_their_own():
    split = MembershipSplit.from_parts(
        images(5, 0), images(5, 1), (images(6, 2), np.arange(6))
    )
    for reference in (
        images(6, 2),
        (images(6, 2), np.arange(6)),
        ReferenceData(images(6, 2)),
        split.reference,
    ):
        target = AttackTarget.from_model(images(5, 9), reference)
        assert target.access == {"samples", "reference"}
        np.testing.assert_array_equal(target.reference.images, images(6, 2))
    np.testing.assert_array_equal(target.reference.labels, np.arange(6))


def test_sampling_in_parts_is_sampling_at_once():
    target = AttackTarget.from_model(FakeGAN(), seed=2)
    parts = np.concatenate([target.sampler(0, 3), target.sampler(3, 10)])
    np.testing.assert_array_equal(parts, target.sampler(0, 10))
    other = AttackTarget.from_model(FakeGAN(), seed=4).sampler(0, 10)
    assert np.abs(parts - other).max() > 0.1


def test_the_target_shows_no_more_than_its_fields():
    model = FakeGAN(images(5, 0))
    target = AttackTarget.from_model(model)
    assert not any(value is model for value in vars(target).values())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AttackTarget.from_model("model.keras"), "must be a model with"),
        (lambda: AttackTarget.from_model(lambda n: n), "`image_shape` is needed"),
        (lambda: AttackTarget.from_model(images(5, 0) * 9), "must lie in"),
        (
            lambda: AttackTarget.from_model(FakeGAN(), images(5, 0, (3, 3, 1))),
            "`reference` must hold images of shape",
        ),
        (
            lambda: AttackTarget.from_model(FakeGAN(), (images(5, 0), np.zeros(5))),
            "Labels of `reference`",
        ),
        (lambda: AttackTarget.from_model(FakeGAN(), seed=-1), "`seed` must be"),
    ],
)
def test_unusable_targets_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
