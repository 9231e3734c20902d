"""A step is counted only after its batch was pulled, which reads the counter."""

import time

import pytest
import tensorflow as tf

from keras_mixup_gan import zoo
from tests.models.tiny import assert_same_state, random_images

FAMILIES = {
    "dcgan": {"image_shape": (8, 8, 1), "width": 4},
    "wgan_gp": {"image_shape": (8, 8, 1), "width": 4},
    "stylegan_lite": {"image_shape": (16, 16, 1), "width": 4},
}


@pytest.mark.parametrize(
    ("family", "mixup"),
    [
        ("dcgan", "paper"),
        pytest.param("wgan_gp", False, marks=pytest.mark.long),
        pytest.param("stylegan_lite", False, marks=pytest.mark.long),
        pytest.param("dcgan", False, marks=pytest.mark.slow),
        pytest.param("wgan_gp", "paper", marks=pytest.mark.slow),
        pytest.param("stylegan_lite", "paper", marks=pytest.mark.slow),
    ],
)
def test_the_first_pull_of_an_epoch_sees_the_steps_before_it(family, mixup):
    settings = FAMILIES[family]
    model = getattr(zoo, family)(**settings, latent_dim=4, seed=0, mixup=mixup)
    images = random_images(8, settings["image_shape"])
    seen = []

    def slowly():
        time.sleep(0.3)  # for whatever does not wait
        seen.append(model.num_steps)
        while True:
            yield images

    spec = tf.TensorSpec((8, *settings["image_shape"]), tf.float32)
    dataset = tf.data.Dataset.from_generator(slowly, output_signature=spec)
    for _ in range(3):
        model.fit(dataset, steps_per_epoch=1, verbose=0)
    assert sorted(set(seen)) == [0, 1, 2]
    assert seen == sorted(seen)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras, of any such
@pytest.mark.parametrize(
    "family",
    ["dcgan", pytest.param("stylegan_lite", marks=pytest.mark.long)],
)
def test_data_of_unknown_length_train_as_those_of_known(family):
    """The step in which such data end does nothing, not even count."""
    settings = FAMILIES[family]
    batches = tf.data.Dataset.from_tensor_slices(
        random_images(16, settings["image_shape"])
    ).batch(8)
    found = []
    for dataset in (batches, batches.filter(lambda images: True)):
        model = getattr(zoo, family)(**settings, latent_dim=4, seed=0)
        history = model.fit(dataset, epochs=2, verbose=0).history
        found.append((model, history))
    (known, its_history), (unknown, history) = found
    assert history == its_history
    assert_same_state(known, unknown)
    assert int(unknown.d_optimizer.iterations) == unknown.num_steps == 4
