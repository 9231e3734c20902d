"""A new variant is one record or one class: found, built and listed without more."""

import shutil
from dataclasses import dataclass

import keras
import numpy as np
import pytest

import keras_mixup_gan
from keras_mixup_gan import MixUp, attacks, data, defenses, metrics, models, zoo
from keras_mixup_gan.attacks import ATTACKS, Attack, register_attack
from keras_mixup_gan.attacks.base import default_attacks
from keras_mixup_gan.data import SOURCES
from keras_mixup_gan.defenses import DEFENSES, Defense, register_defense
from keras_mixup_gan.models import presets, recipes
from tests.command_line import run
from tests.models.tiny import random_images

SHAPE = (8, 8, 1)
RECIPE = """
mixup = "noisy"

[model]
latent_dim = 3
width = 4

[optimizer]
name = "sgd"
learning_rate = 0.01

[noisy]
alpha = 2.0
"""


@pytest.fixture(autouse=True)
def registries():
    """What a test registers is gone after it."""
    kept = [(registry, dict(registry)) for registry in (ATTACKS, DEFENSES, SOURCES)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


@pytest.fixture
def family(tmp_path, monkeypatch):
    """A family: its recipe in the zoo's folder, and its class."""
    folder = tmp_path / "zoo"
    for name in recipes.list_families():
        (folder / name).mkdir(parents=True)
        shutil.copy(recipes.zoo_folder() / name / "recipe.toml", folder / name)
    (folder / "tiny_gan").mkdir()
    (folder / "tiny_gan" / "recipe.toml").write_text(RECIPE)
    for module in (recipes, presets):
        monkeypatch.setattr(module, "zoo_folder", lambda: folder)

    @keras.saving.register_keras_serializable("keras_mixup_gan")
    class TinyGAN(models.DCGAN):
        family = "tiny_gan"
        title = "TinyGAN"

    yield TinyGAN
    del recipes.FAMILIES["tiny_gan"]
    del keras.saving.get_custom_objects()["keras_mixup_gan>TinyGAN"]
    recipes.load_recipe.cache_clear()


def test_a_family(family, tmp_path, monkeypatch, capsys):
    assert "tiny_gan" in dir(zoo)
    model = zoo.tiny_gan(SHAPE, mixup=True, seed=0)
    assert type(model) is family
    assert (model.latent_dim, model.width, model.mixup.alpha) == (3, 4, 2.0)
    assert isinstance(model.g_optimizer, keras.optimizers.SGD)
    model.fit(random_images(8), batch_size=4, epochs=1, verbose=0)

    expected = model.generate(2, seed=0)
    same = zoo.from_preset(zoo.save_to_preset(model, tmp_path / "preset"))
    assert type(same) is family
    np.testing.assert_array_equal(same.generate(2, seed=0), expected)
    model.save(tmp_path / "model.keras")
    loaded = models.load_gan(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.generate(2, seed=0), expected)

    assert type(defenses.make("noise").build("tiny_gan", SHAPE)) is family
    data = ("--data", "digits")
    code, output = run(monkeypatch, capsys, "train", "tiny_gan", *data, "--dry-run")
    assert code == 0
    assert '"model": "tiny_gan"' in output.out


def test_a_defense():
    @register_defense
    @dataclass(frozen=True)
    class Slow(Defense):
        name = "slow"
        title = "Slow averaging"
        families = ("dcgan", "wgan_gp")
        ema_momentum: float = 0.5

        def describe(self, family):
            return f"averaging of {family} by {self.ema_momentum:g}"

    defense = defenses.make("slow", ema_momentum=0.25)
    assert DEFENSES["slow"] is Slow
    assert defense.describe("dcgan") == "averaging of dcgan by 0.25"
    model = defense.build("wgan_gp", SHAPE, width=4, latent_dim=3, seed=0)
    assert model.ema_momentum == 0.25
    assert model.score(random_images(3)).shape == (3,)
    with pytest.raises(ValueError, match=r"Slow averaging is not defined for every"):
        defense.build("stylegan_lite", SHAPE)
    with pytest.raises(ValueError, match="'slow'"):
        defenses.make("slaw")


@pytest.fixture
def attack():
    """An attack that any audit runs by default, and that knows of mixup."""

    @register_attack
    class Darkness(Attack):
        name, title, paper = "darkness", "Darkness", "Nobody, 2026."
        requires = frozenset()
        default_with = frozenset()
        knows = frozenset({"mixup"})

        def _score(self, images, labels):
            return -images.mean(axis=(1, 2, 3))

    return Darkness


def test_an_attack(attack):
    assert "darkness" in default_attacks()
    samples, dark, bright = random_images(8), random_images(4), random_images(4, seed=1)
    dark, bright = (dark - 1) / 2, (bright + 0.5) / 1.5
    report = keras_mixup_gan.audit(samples, dark, bright, attacks="darkness")
    assert report["darkness"].auc == 1
    target = attacks.AttackTarget.from_model(samples, mixup=MixUp())
    report = keras_mixup_gan.audit(target, dark, bright, attacks=["darkness"])
    assert report.ignored_defenses == ()
    with pytest.raises(ValueError, match="'darkness'"):
        keras_mixup_gan.audit(samples, dark, bright, attacks="darknes")


def test_a_data_set_and_its_features(monkeypatch):
    means = metrics.FeatureExtractor("means-v1", None, 1, lambda x: x.mean((1, 2)))
    monkeypatch.setitem(metrics.EXTRACTORS, "means", lambda image_shape: means)
    stripes = np.linspace(-1, 1, 5, dtype="float32")[:, None, None, None]
    record = data.data_set(
        "stripes",
        lambda: (np.broadcast_to(stripes, (5, *SHAPE)), np.arange(5)),
        title="stripes of gray",
        image_shape=SHAPE,
        extractor="means",
    )
    assert data.register_data(record) is record
    images, labels = data.load_images("stripes", image_shape=(4, 4, 1))
    assert images.shape == (5, 4, 4, 1)
    assert labels.tolist() == [0, 1, 2, 3, 4]
    assert data.source_title("stripes") == "stripes of gray"
    with pytest.raises(ValueError, match=r"'stripes', or an array.*mean 'stripes'"):
        data.load_images("strips")
    assert data.extractor_name("stripes", (4, 4, 1)) is None
    extractor = metrics.extractor_for(SHAPE, data.extractor_name("stripes", SHAPE))
    np.testing.assert_allclose(extractor(images), stripes[:, :, 0, 0])


def test_a_metric(monkeypatch):
    def spread(real, generated):
        return float(generated.std() / real.std())

    monkeypatch.setitem(metrics.MEASURES, "spread", spread)
    real, generated = random_images(8), random_images(8, seed=1) / 2
    extractor = metrics.pixel_features(SHAPE)
    figures = metrics.quality(generated, real, extractor)
    assert [figure.name for figure in figures] == ["FID", "KID", "spread"]
    assert figures[-1].value == spread(extractor(real), extractor(generated))
    assert figures[-1].label == "pixels-8x8x1, 8 vs 8"


@pytest.mark.parametrize("source", data.SOURCES.values(), ids=lambda one: one.name)
def test_the_features_of_a_data_set_suit_it(source):
    assert source.extractor in (None, *metrics.EXTRACTORS)
    if source.image_shape is not None:
        extractor = metrics.extractor_for(source.image_shape, source.extractor)
        assert extractor.image_shape in (None, source.image_shape)
        assert data.load_images(source.name).images.shape[1:] == source.image_shape


def test_a_name_is_taken_once():
    class Other(Attack):
        name, title, requires, paper = "logan", "Other", frozenset(), "none"

        def _score(self, images, labels):
            return images.mean(axis=(1, 2, 3))

    with pytest.raises(ValueError, match=r"taken by keras_mixup_gan\.attacks.*LOGAN"):
        register_attack(Other)

    @dataclass(frozen=True)
    class Another(Defense):
        name, title, description = "dropout", "Another", "none"

    with pytest.raises(ValueError, match=r"taken by keras_mixup_gan\.defenses"):
        register_defense(Another)
    mine = data.data_set("digits", lambda: np.zeros((3, *SHAPE)))
    with pytest.raises(ValueError, match=r"by keras_mixup_gan\.data\.digits.*lambda"):
        data.register_data(mine)
    assert ATTACKS["logan"] is attacks.LOGAN
    assert data.find_source("digits") is not mine


def test_what_is_defined_again_replaces_itself():
    """As a cell of a notebook does that is run twice."""

    def define():
        @register_attack
        class Mine(attacks.LOGAN):
            name = "mine"

        return Mine

    first, second = define(), define()
    assert first is not second and ATTACKS["mine"] is second


def test_a_subclass_is_no_default_unless_it_says_so():
    before = default_attacks()

    @register_attack
    class Mine(attacks.LOGAN):
        name = "mine"

    assert ATTACKS["mine"] is Mine
    assert default_attacks() == before


def attack_with(**attributes):
    complete = {
        **{"name": "mine", "title": "Mine", "paper": "none", "requires": frozenset()},
        "_score": lambda self, images, labels: images.mean(axis=(1, 2, 3)),
    }
    return type("Mine", (Attack,), complete | attributes)


def defense_with(frozen=True, **attributes):
    complete = {"name": "mine", "title": "Mine", "description": "none"}
    kind = type("Mine", (Defense,), complete | attributes)
    return dataclass(frozen=True)(kind) if frozen else kind


@pytest.mark.parametrize(
    ("register", "wrong", "message"),
    [
        (register_attack, attack_with(name="Big Name"), "Received: name='Big Name'"),
        (register_attack, attack_with(name="list"), "but not 'default' or 'list'"),
        (register_attack, attack_with(name="mine_2"), "attacks do that are asked for"),
        (register_attack, attack_with(name=3), "no text for `name`"),
        (register_attack, attack_with(title=" ", paper=None), "`title`; .* `paper`"),
        (register_attack, attack_with(requires={"samples"}), "is no frozenset of samp"),
        (
            register_attack,
            attack_with(requires=frozenset({"x"})),
            r"frozenset.*, which",
        ),
        (register_attack, attack_with(_score=Attack._score), "no _score"),
        (
            register_attack,
            attack_with(__init__=lambda self, strength: None),
            "arguments without defaults: strength",
        ),
        (register_attack, attacks.LOGAN(), "LOGAN object .*something else"),
        (register_defense, attack_with(), "subclass of `Defense`.*something else"),
        (register_defense, defense_with(frozen=False), r"no `@dataclass\(frozen=True"),
        (register_defense, defense_with(description=""), "no text for `description`"),
        (register_defense, defense_with(name="../x"), r"Received: name='\.\./x'"),
        (data.register_data, data.data_set("a b", lambda: 0), "name='a b'"),
        (data.register_data, "rings", r"registered by a record.*Received: 'rings'"),
    ],
)
def test_what_is_incomplete_is_refused_in_a_sentence(register, wrong, message):
    before = [dict(one) for one in (ATTACKS, DEFENSES, SOURCES)]
    with pytest.raises(ValueError, match=message) as refused:
        register(wrong)
    assert "Expected" in str(refused.value)
    assert [ATTACKS, DEFENSES, SOURCES] == before


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (np.full((3, *SHAPE), 200.0), r"images of 'wrong'` must lie in"),
        (np.full((3, *SHAPE), np.nan), "images of 'wrong'` must be finite"),
        ((np.zeros((3, *SHAPE)), [0, 1]), "labels of 'wrong'"),
        (np.zeros((3, 8)), "images of 'wrong'` must be a batch of images"),
    ],
)
def test_what_a_data_set_loads_is_checked(loaded, message):
    data.register_data(data.data_set("wrong", lambda: loaded))
    with pytest.raises(ValueError, match=message):
        data.load_images("wrong")


def test_every_attack_that_needs_no_arguments_can_be_asked_for_by_name():
    """A class that was forgotten to be registered is none of the audits'."""
    waiting, found = [Attack], set()
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("keras_mixup_gan.") and "name" in vars(kind):
            found.add(kind)
    unnamed = {"logan_local", "neighbors", "feature_neighbors", "neighbor_density"}
    missing = {kind.name for kind in found} - ATTACKS.keys()
    assert missing == unnamed
