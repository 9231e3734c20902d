"""Every defense by its name: built, described, and refused in a sentence."""

import dataclasses

import pytest

from keras_mixup_gan import DPSGD, MixUp, defenses, zoo
from tests.defenses.tiny import build

DCGAN_ALONE = ["dropout", "relaxloss", "par-gan", "privgan"]


@pytest.mark.parametrize("name", list(defenses.DEFENSES))
def test_a_defense_is_built_and_described(name):
    defense = defenses.make(name)
    model = build(defense)
    assert model.image_shape == (8, 8, 1)
    assert model.latent_dim == 4
    assert model.g_optimizer.learning_rate > 0
    assert defense.describe("dcgan")
    assert "\n" not in defense.describe("dcgan")
    assert dataclasses.replace(defense) == defense
    assert type(defense)(**defense.get_config()) == defense


@pytest.mark.parametrize("name", DCGAN_ALONE)
def test_other_families_and_settings_are_refused(name):
    with pytest.raises(ValueError, match="not defined for every family"):
        defenses.make(name).build("wgan_gp", (8, 8, 1))
    with pytest.raises(ValueError, match="takes other settings"):
        defenses.make(name, temperature=1.0)


def test_an_unknown_defense_is_refused():
    with pytest.raises(ValueError, match="defense"):
        defenses.make("prayer")


@pytest.mark.parametrize("name", DCGAN_ALONE)
def test_a_defense_can_be_left_uncompiled_and_unseeded(name):
    model = defenses.make(name).build("dcgan", (8, 8, 1), width=4, compile=False)
    assert not hasattr(model, "d_optimizer")
    assert model.width == 4
    assert model.seed >= 0


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("undefended", {}, "none"),
        (
            "mixup",
            {"rule": "noisy"},
            "mixup (Beta(8, 8) per sample, two-sided, noise 1)",
        ),
        ("mixup", {"rule": "paper"}, "mixup (Beta(1, 1) per batch, reals only)"),
        (
            "mixup",
            {"rule": "augmented"},
            "augment (color,translation=0.25,cutout), then mixup (Beta(8, 8) per "
            "sample, two-sided, noise 0.25)",
        ),
        (
            "mixup",
            {"num_samples": 1, "noise_stddev": 0.5, "augment": "cutout"},
            "augment (cutout), then noise alone (two-sided, noise 0.5)",
        ),
        (
            "mixup",
            {"region": "cutmix"},
            "mixup (Beta(1, 1) per sample, two-sided, by regions)",
        ),
        (
            "mixup",
            {"alpha": 0.5, "num_samples": 3, "max_weight": 0.6, "same_class": True},
            "mixup (Dirichlet(0.5, 0.5, 0.5) per sample, two-sided, weights up to 0.6, "
            "same class)",
        ),
        ("noise", {"noise_stddev": 0.5}, "noise alone (two-sided, noise 0.5)"),
        (
            "noise-once",
            {"noise_stddev": 0.5},
            "noise alone (two-sided, noise 0.5, drawn once)",
        ),
        ("dp-sgd", {"noise_multiplier": 3.0}, "DP-SGD (clip 1, noise 3)"),
        (
            "dp-sgd",
            {
                "noise_multiplier": 3.0,
                "augment": "color,cutout",
                "augmentation_multiplicity": 2,
            },
            "DP-SGD (clip 1, noise 3, augment color,cutout, 2 transforms averaged)",
        ),
    ],
)
def test_descriptions_name_every_setting_that_matters(name, settings, words):
    assert defenses.make(name, **settings).describe("dcgan") == words


def test_settings_reach_the_model():
    recipe = zoo.load_recipe("dcgan")
    assert build(defenses.make("mixup")).mixup == MixUp(**recipe["augmented"])
    noisy = build(defenses.make("mixup", rule="noisy")).mixup
    assert noisy == MixUp(**recipe["noisy"])
    assert build(defenses.make("mixup", rule="paper")).mixup == MixUp.paper()
    assert build(defenses.make("mixup", alpha=2.0)).mixup == MixUp(alpha=2.0)
    once = MixUp(num_samples=1, noise_stddev=0.5, noise="once")
    assert build(defenses.make("noise-once", noise_stddev=0.5)).mixup == once
    dp = {"noise_multiplier": 3.0, "l2_norm_clip": 0.5, "noise_seed": 1}
    assert build(defenses.make("dp-sgd", **dp)).dp == DPSGD(**dp)
    more = defenses.make("dp-sgd", **dp, augment="color", discriminator_steps=3)
    assert build(more).augment == "color" and build(more).discriminator_steps == 3
    assert more.build("wgan_gp", (8, 8, 1)).critic_steps == 3
    assert build(defenses.make("diffaugment", policy="cutout")).augment == "cutout"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("mixup", {"alpha": -1.0}, "`alpha`"),
        ("mixup", {"alhpa": 1.0}, "takes other settings.*alhpa"),
        ("mixup", {"rule": "papers"}, "Unknown `mixup`"),
        ("mixup", {"rule": "paper", "alpha": 1.0}, "published rule.*alpha"),
        ("dp-sgd", {"noise_multiplier": -1.0}, "`noise_multiplier`"),
    ],
)
def test_unsuitable_settings(name, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        defenses.make(name, **settings)
    assert "\n" not in str(caught.value)
