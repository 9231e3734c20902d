"""Small trainings that are interrupted."""

import keras

from tests.models.tiny import assert_same_state, random_images, random_labels


def build(defense, seed=0, **settings):
    """A compiled model for images of 8 x 8 pixels."""
    settings = {"latent_dim": 4, "width": 4, "seed": seed, **settings}
    return defense.build("dcgan", (8, 8, 1), **settings)


def train(model, epochs, initial_epoch=0):
    """Three steps an epoch."""
    labels = None if model.num_classes is None else random_labels(14)
    model.fit(
        random_images(14),
        labels,
        batch_size=4,
        epochs=epochs,
        initial_epoch=initial_epoch,
        verbose=0,
    )
    return model


def assert_resumes(defense, path, **settings):
    """Trains, saves and goes on, beside one training without a pause.

    Returns:
        The model that went on.
    """
    halfway = train(build(defense, **settings), 1)
    halfway.save(path)
    keras.utils.set_random_seed(99)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is type(halfway)
    assert loaded.get_config() == halfway.get_config()
    train(loaded, 2, initial_epoch=1)
    assert_same_state(loaded, train(build(defense, **settings), 2))
    assert loaded.generate(3).shape == (3, 8, 8, 1)
    labels = None if loaded.num_classes is None else random_labels(5)
    assert loaded.score(random_images(5), labels).shape == (5,)
    return loaded
