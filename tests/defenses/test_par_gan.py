"""PAR-GAN: disjoint parts, one generator."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import defenses
from keras_mixup_gan.validation import unit_range
from tests.defenses.tiny import assert_resumes, build
from tests.models.tiny import random_images


def test_parts_are_stable_and_balanced():
    model = build(defenses.PARGANDefense())
    images = random_images(2000)
    parts = np.array(model.part_of(images))
    assert np.bincount(parts, minlength=4).min() > 430
    order = np.random.default_rng(0).permutation(2000)
    np.testing.assert_array_equal(model.part_of(images[order]), parts[order])
    model.steps.assign(7)
    np.testing.assert_array_equal(model.part_of(images), parts)
    assert (
        np.mean(build(defenses.PARGANDefense(), seed=1).part_of(images) == parts) < 0.3
    )


def test_a_discriminator_learns_nothing_of_other_parts():
    model = build(defenses.PARGANDefense(3))
    images = random_images(300)
    parts = np.array(model.part_of(images))
    batch = images[:8]
    part = parts[0]
    others = parts[:8] != part
    assert 0 < others.sum() < 8
    replaced = batch.copy()
    replaced[others] = images[8:][parts[8:] != part][: others.sum()]

    def gradients(batch, of):
        branch = model.discriminator.get_layer(f"part_{of}")
        with tf.GradientTape() as tape:
            losses = model.real_losses(model.logits(batch, None), batch)
            loss = tf.reduce_sum(losses)
        return tape.gradient(loss, branch.trainable_variables)

    for ours, theirs in zip(
        gradients(batch, part), gradients(replaced, part), strict=True
    ):
        assert np.any(np.array(ours))
        np.testing.assert_array_equal(ours, theirs)
    other = int(parts[:8][others][0])
    pairs = zip(gradients(batch, other), gradients(replaced, other), strict=True)
    assert any(np.any(np.array(a) != np.array(b)) for a, b in pairs)


def test_a_part_without_images_has_no_loss():
    model = build(defenses.PARGANDefense())
    image = random_images(1)
    losses = np.array(model.real_losses(model.logits(image, None), image))
    assert np.flatnonzero(losses).tolist() == [int(model.part_of(image)[0])]


def test_the_score_is_that_of_the_own_discriminator_beside_the_others():
    model = build(defenses.PARGANDefense())
    images = random_images(5)
    scores = np.array(model.logits(images, None, training=False))
    assert scores.shape == (5, 4)
    parts = np.array(model.part_of(images))
    for score, row, part in zip(model.score(images), scores, parts, strict=True):
        expected = row[part] - np.delete(row, part).mean()
        assert score == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("num_classes", [3, pytest.param(None, marks=pytest.mark.slow)])
def test_training_goes_on_to_the_bit(num_classes, tmp_path):
    path = tmp_path / "model.keras"
    loaded = assert_resumes(defenses.PARGANDefense(), path, num_classes=num_classes)
    assert loaded.num_parts == 4


def test_what_would_join_the_parts_is_refused():
    for settings in ({"mixup": True}, {"augment": "color"}):
        with pytest.raises(ValueError, match="PARGAN cannot be combined with"):
            build(defenses.PARGANDefense(), **settings)
    with pytest.raises(ValueError, match="norm='batch'"):
        defenses.PARGAN(norm="batch")
    with pytest.raises(ValueError, match="num_parts"):
        defenses.PARGAN(num_parts=1)


def test_an_image_of_8_bits_has_its_part_whatever_made_it_floats():
    model = build(defenses.PARGANDefense())
    stored = np.random.default_rng(0).integers(256, size=(200, 8, 8, 1), dtype="uint8")
    parts = np.array(model.part_of(unit_range(stored)))
    double = (stored / np.float64(127.5) - 1).astype("float32")
    assert (double != unit_range(stored)).mean() > 0.1
    np.testing.assert_array_equal(model.part_of(double), parts)
    assert np.isfinite(model.part_of(np.full((1, 8, 8, 1), np.nan))).all()


def test_weights_of_another_division_are_refused(tmp_path):
    path = tmp_path / "par_gan.weights.h5"
    build(defenses.PARGANDefense()).save_weights(path)
    build(defenses.PARGANDefense()).load_weights(path)
    with pytest.raises(ValueError, match="divides the images otherwise"):
        build(defenses.PARGANDefense(), seed=1).load_weights(path)
