"""A classifier of generated and outside images."""

import numpy as np
import pytest

from keras_mixup_gan.attacks import AttackTarget, ClassifierLOGAN
from keras_mixup_gan.attacks.samples.classifier import balanced_folds, train_network
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import images


def gaussians(number, shift, seed):
    rows = np.random.default_rng(seed).normal(shift, 1, (number, 4))
    return np.clip(rows / 10, -1, 1).astype("float32").reshape(number, 2, 2, 1)


def test_two_shifted_gaussians_are_separated():
    target = AttackTarget.from_model(
        gaussians(400, 1.5, 1), reference=gaussians(400, 0, 2)
    )
    attack = ClassifierLOGAN(num_folds=2).fit(target)
    scores = [attack.score(gaussians(300, shift, 3)) for shift in (1.5, 0)]
    assert auc(*scores) > 0.9
    # Balanced training: the log odds are those of equally many of both kinds.
    rows = gaussians(300, 0.75, 4).reshape(300, 4) * 10
    exact = (1.5 * rows - 1.5**2 / 2).sum(axis=1)
    found = attack.score(gaussians(300, 0.75, 4))
    assert np.corrcoef(found, exact)[0, 1] > 0.95
    assert abs(found.mean() - exact.mean()) < 1


@pytest.mark.parametrize("numbers", [(50, 200), (200, 50)])
def test_as_many_generated_as_outside_images_are_learned_from(numbers):
    target = AttackTarget.from_model(
        images(numbers[0], 1), reference=images(numbers[1], 2)
    )
    attack = ClassifierLOGAN(num_folds=2).fit(target)
    assert attack.settings["num_samples"] == 50
    assert len(attack.settings["num_epochs"]) == 2


def test_folds_hold_both_classes_in_equal_numbers():
    classes = np.repeat([1, 0], 50)
    folds = balanced_folds(classes, 5, seed=0)
    for fold in range(5):
        assert classes[folds == fold].sum() == 10
        assert (folds == fold).sum() == 20


def test_the_network_is_put_back_to_where_the_held_out_loss_was_least():
    # Random classes: training on can only make the held-out loss worse.
    rng = np.random.default_rng(0)
    rows, classes = rng.normal(size=(200, 20)), np.arange(200) % 2
    held_out = np.arange(200) >= 150
    network = train_network(rows, classes, held_out, seed=0)
    assert network.num_epochs < 20
    logits = network.logits(rows)
    losses = np.logaddexp(0, np.where(classes == 1, -logits, logits))
    assert losses[held_out].mean() < 0.75


def test_logits_are_those_of_scikit_learn():
    from sklearn.neural_network import MLPClassifier

    from keras_mixup_gan.attacks.samples.classifier import _frozen

    rng = np.random.default_rng(0)
    rows, classes = rng.normal(size=(60, 5)), np.arange(60) % 2
    network = MLPClassifier((8, 8), random_state=0, batch_size=60)
    network.partial_fit(rows, classes, classes=[0, 1])
    chances = network.predict_proba(rows)
    expected = np.log(chances[:, 1]) - np.log(chances[:, 0])
    logits = _frozen(network, 1).logits(rows)
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-12)


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="at least 10 reference images"):
        ClassifierLOGAN().fit(
            AttackTarget.from_model(images(50, 1), reference=images(9, 2))
        )
    with pytest.raises(ValueError, match="at least 10 generated images"):
        ClassifierLOGAN().fit(
            AttackTarget.from_model(images(9, 1), reference=images(50, 2))
        )
