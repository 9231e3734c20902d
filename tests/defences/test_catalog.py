"""Every defence by its name: built, described, and refused in a sentence."""

import dataclasses

import pytest

from keras_mixup_gan import defences
from tests.defences.tiny import build

DCGAN_ALONE = ["dropout", "relaxloss", "par-gan", "privgan"]


@pytest.mark.parametrize("name", list(defences.DEFENCES))
def test_a_defence_is_built_and_described(name):
    defence = defences.make(name)
    model = build(defence)
    assert model.image_shape == (8, 8, 1)
    assert model.latent_dim == 4
    assert model.g_optimizer.learning_rate > 0
    assert defence.describe("dcgan")
    assert "\n" not in defence.describe("dcgan")
    assert dataclasses.replace(defence) == defence
    assert type(defence)(**defence.get_config()) == defence


@pytest.mark.parametrize("name", DCGAN_ALONE)
def test_other_families_and_settings_are_refused(name):
    with pytest.raises(ValueError, match="not defined for every family"):
        defences.make(name).build("wgan_gp", (8, 8, 1))
    with pytest.raises(ValueError, match="takes other settings"):
        defences.make(name, temperature=1.0)


def test_an_unknown_defence_is_refused():
    with pytest.raises(ValueError, match="defence"):
        defences.make("prayer")


@pytest.mark.parametrize("name", DCGAN_ALONE)
def test_a_defence_can_be_left_uncompiled_and_unseeded(name):
    model = defences.make(name).build("dcgan", (8, 8, 1), width=4, compile=False)
    assert not hasattr(model, "d_optimizer")
    assert model.width == 4
    assert model.seed >= 0
