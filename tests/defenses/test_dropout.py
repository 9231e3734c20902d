"""Dropout in the discriminator."""

import numpy as np
import pytest

from keras_mixup_gan import DPSGD, defenses, zoo
from tests.defenses.tiny import assert_resumes, build, train
from tests.models.tiny import assert_same_state, differs, random_images


def test_no_dropout_is_the_plain_model():
    plain = train(build(defenses.Undefended()), 1)
    assert plain.get_config()["dropout"] == 0
    assert_same_state(train(build(defenses.Dropout(0.0)), 1), plain)


@pytest.mark.long
def test_training_goes_on_to_the_bit(tmp_path):
    loaded = assert_resumes(defenses.Dropout(), tmp_path / "model.keras")
    counts = [
        int(layer.passes)
        for layer in loaded.discriminator.layers
        if hasattr(layer, "passes")
    ]
    assert counts == [12]  # two passes in each of six steps
    assert differs(loaded, train(build(defenses.Dropout(0.4)), 2))


def test_scores_drop_nothing_and_passes_differ():
    model = build(defenses.Dropout())
    images = random_images(6)
    np.testing.assert_array_equal(model.score(images), model.score(images))
    first = model.discriminate(images, None)
    assert not np.array_equal(first, model.discriminate(images, None))
    np.testing.assert_array_equal(
        model.score(images), build(defenses.Undefended()).score(images)
    )


def test_dropout_keeps_the_mean():
    model = build(defenses.Dropout(0.25))
    layer = next(n for n in model.discriminator.layers if hasattr(n, "passes"))
    dropped = np.array(layer(np.ones((50, 4, 4, 4), "float32"), training=True))
    assert np.mean(dropped) == pytest.approx(1, abs=0.05)
    assert np.mean(dropped == 0) == pytest.approx(0.25, abs=0.05)


def test_private_models_and_impossible_rates_are_refused():
    with pytest.raises(ValueError, match="`dropout` cannot be combined with `dp`"):
        zoo.dcgan(dropout=0.5, dp=DPSGD())
    with pytest.raises(ValueError, match="below 1"):
        zoo.dcgan(dropout=1.0)
    with pytest.raises(ValueError, match="dropout"):
        zoo.dcgan(dropout=-0.1)
