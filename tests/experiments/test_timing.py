import numpy as np
import pytest

from keras_mixup_gan import zoo
from keras_mixup_gan.experiments.timing import median_ratios, step_seconds


def test_ratios_compare_steps_of_the_same_round():
    seconds = {"a": [1.0, 10.0, 2.0], "b": [2.0, 20.0, 2.0]}
    assert median_ratios(seconds, "a") == {"a": 1.0, "b": 2.0}


@pytest.mark.long
def test_every_model_takes_every_step():
    images = np.zeros((40, 8, 8, 1), "float32")
    settings = {"num_classes": 2, "width": 8, "seed": 0}
    models = {
        "plain": zoo.dcgan((8, 8, 1), **settings),
        "mixed": zoo.dcgan((8, 8, 1), **settings, mixup="paper"),
    }
    labels = np.arange(40) % 2
    seconds = step_seconds(models, images, 20, rounds=3, warm_up=1, labels=labels)
    assert {name: len(times) for name, times in seconds.items()} == {
        "plain": 3,
        "mixed": 3,
    }
    assert all(second > 0 for times in seconds.values() for second in times)
    assert [int(model.steps) for model in models.values()] == [4, 4]


def test_an_unknown_baseline_is_an_error():
    with pytest.raises(KeyError):
        median_ratios({"a": [1.0]}, "b")
