import warnings

import keras
import numpy as np
import pytest

from keras_mixup_gan.callbacks import ImageGrid, QualityMonitor
from tests.models.tiny import make, random_images

IMAGES = random_images(16)


@pytest.fixture(scope="module")
def diverged():
    """A model with a weight that is NaN in its averaged generator."""
    model = make()
    weight = model.ema_generator.weights[0]
    weight.assign(weight * np.nan)
    return model


@pytest.mark.parametrize(
    "use",
    [
        lambda model, path: model.generate(3),
        lambda model, path: model.generate(3, dtype="float32"),
        lambda model, path: model.decode(np.zeros((2, 4), "float32")),
        lambda model, path: model.export_generator(path / "generator"),
        lambda model, path: model.export(path / "generator"),
        lambda model, path: model.save_to_preset(path / "preset"),
    ],
    ids="uint8 float32 decode export_generator export preset".split(),
)
def test_what_diverged_makes_no_images_and_no_files(diverged, tmp_path, use):
    with warnings.catch_warnings(action="error"):
        with pytest.raises(ValueError, match="NaN or infinite"):
            use(diverged, tmp_path)
    assert not list(tmp_path.iterdir())


def test_scores_of_what_diverged_are_refused():
    model = make()
    weight = model.discriminator.trainable_variables[0]
    weight.assign(weight * np.inf)
    with pytest.raises(ValueError, match="scores must be finite"):
        model.score(IMAGES)


def test_a_training_that_diverges_stops_and_keeps_what_was_good(tmp_path):
    model = make()

    def spoil(epoch, logs=None):
        if epoch == 1:
            weight = model.discriminator.trainable_variables[0]
            weight.assign(weight * np.nan)

    callbacks = [
        ImageGrid(tmp_path / "grids"),
        QualityMonitor(IMAGES, kid=False),
        keras.callbacks.ModelCheckpoint(
            tmp_path / "{epoch}.keras", monitor="fid", mode="min"
        ),
        keras.callbacks.LambdaCallback(on_epoch_begin=spoil),
    ]
    with pytest.raises(ValueError, match="The model has diverged"):
        model.fit(IMAGES, batch_size=8, epochs=3, callbacks=callbacks, verbose=0)
    assert model.num_steps == 4  # two epochs of two steps
    assert [path.name for path in tmp_path.glob("*.keras")] == ["1.keras"]
    assert len(list((tmp_path / "grids").iterdir())) == 1
