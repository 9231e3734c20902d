import numpy as np
import pytest

from keras_mixup_gan import DPSGD, MixUp, zoo
from keras_mixup_gan.models.recipes import load_recipe
from tests.models.tiny import make


def test_defaults_are_the_recipe():
    recipe = load_recipe("dcgan")
    model = zoo.dcgan(mixup=True)
    assert model.image_shape == (28, 28, 1)
    for name, value in recipe["model"].items():
        assert getattr(model, name) == value, name
    assert model.mixup == MixUp(**recipe[recipe["mixup"]])
    for optimizer in (model.g_optimizer, model.d_optimizer):
        settings = dict(recipe["optimizer"])
        assert type(optimizer).__name__.lower() == settings.pop("name")
        for name, value in settings.items():
            assert optimizer.get_config()[name] == pytest.approx(value), name
    assert model.g_optimizer is not model.d_optimizer


@pytest.mark.parametrize(
    ("mixup", "expected"),
    [
        (False, None),
        (None, None),
        ("paper", MixUp.paper()),
        (True, MixUp(**load_recipe("dcgan")["augmented"])),
        ("augmented", MixUp(**load_recipe("dcgan")["augmented"])),
        ("noisy", MixUp(alpha=8.0, noise_stddev=1.0)),
        (MixUp(alpha=0.3), MixUp(alpha=0.3)),
    ],
)
def test_meaning_of_mixup(mixup, expected):
    assert make(mixup=mixup, compile=False).mixup == expected


@pytest.mark.parametrize("mixup", ["papers", 1, 0.5, {"alpha": 1.0}])
def test_unknown_mixup(mixup):
    with pytest.raises(ValueError, match=r"`mixup` must be.*Received: mixup="):
        make(mixup=mixup)


def test_arguments_win_over_the_recipe():
    model = zoo.dcgan(
        (16, 16, 3),
        latent_dim=3,
        width=4,
        norm=None,
        ema_momentum=0.5,
        num_classes=2,
        dp=DPSGD(),
        compile=False,
    )
    assert (model.latent_dim, model.width, model.norm) == (3, 4, None)
    assert (model.ema_momentum, model.num_classes) == (0.5, 2)
    assert model.image_shape == (16, 16, 3)
    assert model.dp == DPSGD()
    assert not model.compiled


def test_seed_decides_the_initial_weights():
    def weights(seed):
        return np.array(make(seed=seed, compile=False).generator.weights[0])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))
    assert not np.array_equal(weights(None), weights(None))


def test_unknown_argument():
    with pytest.raises((TypeError, ValueError), match="color"):
        make(color="blue")
