"""Fakes are transformed, blended and made noisy by the law of the reals."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import DPSGD, MixUp, zoo
from keras_mixup_gan.augment import augment
from keras_mixup_gan.models.inputs import Batch
from keras_mixup_gan.randomness import StepStream
from tests.models.tiny import make, random_images

POLICY = "color,translation,cutout"


def batch_of(mixup, step=0):
    mixed = mixup.mix_batch(({"images": random_images(6)},), (0, step))
    return Batch(**mixed)


def sources_of(model, draw=0):
    """Its images before they are blended."""
    latents = model.latents(6, draw)
    images = model.synthesize(model.generator, latents, None, draw)
    key = model.random.key(StepStream.SOURCE_TRANSFORMS, draw)
    return augment(images, POLICY, key).numpy()


@pytest.mark.parametrize("region", [None, "cutmix"])
def test_fakes_are_transformed_blended_and_made_noisy_as_reals_are(region):
    mixup = MixUp(alpha=8.0, noise_stddev=0.25, augment=POLICY, region=region)
    model, batch = make(mixup=mixup), batch_of(mixup)
    fakes, _ = model.counterparts(batch, draw=1)
    sources = sources_of(model, draw=1)
    if region is None:
        blended = np.einsum("mn,nhwc->mhwc", batch.weights, sources)
    else:
        blended = np.take_along_axis(sources, batch.origins.numpy()[..., None], axis=0)
    noise = model.random.normal((6, 8, 8, 1), StepStream.FAKE_NOISE, 1)
    np.testing.assert_allclose(fakes, blended + 0.25 * noise, atol=1e-5)


def test_fakes_of_one_source_are_those_of_augmentation_alone():
    mixup = MixUp(num_samples=1, augment=POLICY)
    model = make(mixup=mixup)
    batch = batch_of(mixup)
    fakes, _ = model.counterparts(batch, draw=0)
    order = np.argmax(batch.weights, axis=1)
    np.testing.assert_array_equal(fakes, sources_of(model)[order])


def test_gradients_reach_the_generator_through_transforms_and_regions():
    mixup = MixUp(alpha=8.0, augment=POLICY, region="cutmix")
    model = make(mixup=mixup)
    with tf.GradientTape() as tape:
        fakes, _ = model.counterparts(batch_of(mixup), draw=0)
        loss = tf.reduce_sum(fakes**2)
    slopes = tape.gradient(loss, model.generator.trainable_variables)
    assert all(np.count_nonzero(slope) for slope in slopes)


def test_fakes_of_one_sided_mixing_stay_as_they_are():
    mixup = MixUp(mix_fakes=False, augment=POLICY)
    model = make(mixup=mixup)
    fakes, _ = model.counterparts(batch_of(mixup), draw=0)
    latents = model.latents(6, 0)
    expected = model.synthesize(model.generator, latents, None, 0)
    np.testing.assert_array_equal(fakes, expected)


def test_images_are_not_transformed_twice():
    with pytest.raises(ValueError, match=r"transformed twice.*augment='color', mixup="):
        make(augment="color", mixup=MixUp(augment="cutout"))


# === With DP-SGD ===


def sums_of_gradients(model, images, num_fakes=4):
    """The clipped sum of a private update without noise, as one vector."""
    caught = []
    model.d_optimizer.apply = lambda slopes, weights: caught.extend(slopes)
    fakes = model.synthesize(model.generator, model.latents(num_fakes), None, 0)
    mask = tf.ones(len(images), bool)
    model.privately_update(Batch(tf.constant(images), mask=mask), fakes, None, 0)
    expected_rows = 4 * model.rows_per_image
    return expected_rows * np.concatenate([np.ravel(slope) for slope in caught])


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("dcgan", {"engine": "ghost"}),
        ("dcgan", {"engine": "query"}),
        pytest.param("dcgan", {"augmentation_multiplicity": 3}, marks=pytest.mark.long),
        pytest.param("wgan_gp", {}, marks=pytest.mark.long),
        pytest.param(
            "wgan_gp", {"augmentation_multiplicity": 2}, marks=pytest.mark.long
        ),
        pytest.param("stylegan_lite", {}, marks=pytest.mark.long),
    ],
)
def test_one_record_less_takes_its_own_gradient_and_no_other(family, settings):
    clip, images = 0.01, random_images(12)
    dp = DPSGD(clip, noise_multiplier=0.0, **settings)
    build = getattr(zoo, family)
    model = build((8, 8, 1), latent_dim=4, width=8, seed=0, dp=dp, augment=POLICY)
    model.privacy.begin(12, 4)
    total = sums_of_gradients(model, images)
    for left_out in (0, 5, 11):
        rest = np.delete(images, left_out, axis=0)
        difference = np.linalg.norm(total - sums_of_gradients(model, rest))
        # All gradients are longer than that; were the others' transforms to change,
        # the difference would be of several such lengths.
        assert difference == pytest.approx(clip, rel=1e-3)


def test_a_row_is_clipped_once_after_its_views_were_averaged():
    """One image, no fakes: the clipped mean of the gradients of its views."""
    image = random_images(1)
    sums = {}
    for clip in (1e-3, 1e6):  # always, and never
        dp = DPSGD(clip, noise_multiplier=0.0, augmentation_multiplicity=2)
        model = make(dp=dp, augment=POLICY)
        model.privacy.begin(12, 4)
        sums[clip] = sums_of_gradients(model, image, num_fakes=0)
    views = []
    model.privacy.multiplicity = 1
    for view in range(2):
        seen = model.seen(view, Batch(tf.constant(image)), image, 0)[0].images
        model.seen = lambda view, batch, fakes, draw, seen=seen: (
            batch._replace(images=seen),
            fakes,
        )
        views.append(sums_of_gradients(model, image, num_fakes=0))
        del model.seen
    assert np.abs(views[0] - views[1]).max() > 1e-3 * np.abs(views[0]).max()
    mean = np.mean(views, axis=0)
    np.testing.assert_allclose(sums[1e6], mean, atol=1e-6 * np.abs(mean).max())
    clipped = 1e-3 * mean / np.linalg.norm(mean)
    np.testing.assert_allclose(sums[1e-3], clipped, atol=1e-5 * np.abs(clipped).max())


def test_views_without_transforms_are_refused():
    with pytest.raises(ValueError, match=r"no transforms to average.*Received: augmen"):
        make(dp=DPSGD(augmentation_multiplicity=2))


def test_transforms_of_records_hang_on_the_record_and_the_step():
    model = make(dp=DPSGD(), augment=POLICY)
    images = random_images(30)
    seen = model.transformed_records(tf.constant(images), POLICY, 0).numpy()
    shuffled = np.random.default_rng(0).permutation(30)[:20]
    again = model.transformed_records(tf.constant(images[shuffled]), POLICY, 0)
    np.testing.assert_array_equal(again, seen[shuffled])
    model.steps.assign(1)
    later = model.transformed_records(tf.constant(images), POLICY, 0).numpy()
    assert np.all(np.abs(later - seen).max(axis=(1, 2, 3)) > 0)
    # Shifts are drawn evenly: images of one dot show where it went.
    dots = np.zeros((2000, 8, 8, 1), "float32")
    dots[:, 4, 4] = np.random.default_rng(1).uniform(0.5, 1, (2000, 1))
    moved = model.transformed_records(tf.constant(dots), "translation", 0).numpy()
    places = (moved[..., 0] > 0).mean(axis=0)[3:6, 3:6]
    assert places.sum() == pytest.approx(1)
    error = np.sqrt(1 / 9 * 8 / 9 / 2000)
    np.testing.assert_allclose(places, 1 / 9, atol=5 * error)
