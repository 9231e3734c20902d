"""Small trainings that are interrupted."""

import keras

from tests.models.tiny import assert_same_state, random_images, random_labels


def build(defense, seed=0, **settings):
    """A compiled model for images of 8 x 8 pixels."""
    settings = {"latent_dim": 4, "width": 4, "seed": seed, **settings}
    return defense.build("dcgan", (8, 8, 1), **settings)


def train(model, epochs, initial_epoch=0, callbacks=()):
    """Three steps an epoch."""
    labels = None if model.num_classes is None else random_labels(14)
    model.fit(
        random_images(14),
        labels,
        batch_size=4,
        epochs=epochs,
        initial_epoch=initial_epoch,
        callbacks=list(callbacks),
        verbose=0,
    )
    return model


def assert_resumes(defense, path, **settings):
    """Trains without a pause, and again from what was saved after the first epoch.

    Returns:
        The model that continued.
    """
    whole = build(defense, **settings)
    save = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: epoch or whole.save(path)
    )
    train(whole, 2, callbacks=[save])
    keras.utils.set_random_seed(99)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is type(whole)
    assert loaded.get_config() == whole.get_config()
    assert loaded.num_steps == 3
    train(loaded, 2, initial_epoch=1)
    assert_same_state(loaded, whole)
    assert loaded.generate(3).shape == (3, 8, 8, 1)
    labels = None if loaded.num_classes is None else random_labels(5)
    assert loaded.score(random_images(5), labels).shape == (5,)
    return loaded
