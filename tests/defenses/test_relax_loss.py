"""RelaxLoss on the discriminator's reals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import defenses
from tests.defenses.tiny import assert_resumes, build, train
from tests.models.tiny import assert_same_state, random_images


def mean_real_loss(model):
    return np.mean(np.logaddexp(0, -model.score(random_images(14))))


def test_the_three_kinds_of_steps():
    model = build(defenses.RelaxLoss(alpha=0.5))
    hard, easy = np.float32([-1, 0]), np.float32([3, 4])
    fake = np.float32([0.5, -0.5])
    fake_side = np.mean(np.logaddexp(0, fake))

    def real_side(scores):
        objective = model.discriminator_objective(scores, fake)
        return pytest.approx(float(objective) - fake_side, abs=1e-6)

    for step in range(2):
        model.steps.assign(step)
        assert np.mean(np.logaddexp(0, -hard)) == real_side(hard)
        expected = 0 if step else -np.mean(np.logaddexp(0, -easy))
        assert expected == real_side(easy)


def settled_loss(defense):
    """Mean loss on reals late in a fast training against a generator that rests."""
    model = build(defense)
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.Adam(0.005))
    losses = []
    record = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda step, logs: (
            losses.append(mean_real_loss(model)) if step >= 140 else None
        )
    )
    batches = tf.data.Dataset.from_tensors(random_images(14)).repeat()
    model.fit(batches, steps_per_epoch=200, callbacks=[record], verbose=0)
    return np.mean(losses)


@pytest.mark.long
def test_the_loss_on_reals_settles_near_alpha():
    assert settled_loss(defenses.Undefended()) < 0.05
    assert settled_loss(defenses.RelaxLoss(alpha=0.3)) == pytest.approx(0.3, abs=0.1)
    assert settled_loss(defenses.RelaxLoss(alpha=0.5)) == pytest.approx(0.5, abs=0.1)


def test_alpha_zero_is_the_plain_model():
    relaxed = train(build(defenses.RelaxLoss(alpha=0.0)), 1)
    assert_same_state(relaxed, train(build(defenses.Undefended()), 1))


@pytest.mark.long
@pytest.mark.parametrize("num_classes", [None, pytest.param(3, marks=pytest.mark.slow)])
def test_training_goes_on_to_the_bit(num_classes, tmp_path):
    settings = {"num_classes": num_classes}
    loaded = assert_resumes(
        defenses.RelaxLoss(alpha=0.7), tmp_path / "model.keras", **settings
    )
    assert loaded.alpha == 0.7


def test_a_second_defense_and_impossible_levels_are_refused():
    with pytest.raises(ValueError, match="cannot be combined with `augment`"):
        defenses.RelaxLossDCGAN(augment="color")
    with pytest.raises(ValueError, match="cannot be combined with `mixup`"):
        build(defenses.RelaxLoss(), mixup=True)
    with pytest.raises(ValueError, match="alpha"):
        defenses.RelaxLossDCGAN(alpha=-1.0)
