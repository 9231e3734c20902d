"""Shadow models: fair halves, resumed identically, the target never among them."""

import dataclasses
import functools
import json

import joblib
import keras
import numpy as np
import pytest

from keras_mixup_gan import MixUp
from keras_mixup_gan.attacks import AttackTarget
from keras_mixup_gan.attacks.shadows.recipes import training_of
from keras_mixup_gan.attacks.shadows.store import (
    Shadows,
    answer_probes,
    draw_halves,
    image_digests,
)
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.models import DCGAN
from tests.attacks.fakes import FakeGAN, defense, images
from tests.models.tiny import make, random_images

POOL = images(30, 1)


class Trainer:
    """Trains fakes that memorize, and remembers what it was given."""

    def __init__(self, fail_at=None, mixup=None):
        self.calls = []
        self._stops = fail_at
        self.mixup = mixup

    def __call__(self, train_images, labels, seed):
        if len(self.calls) == self._stops:
            raise RuntimeError("killed")
        self.calls.append((train_images, labels, seed))
        return FakeGAN(train_images, mixup=self.mixup)


def trained(folder, trainer=None, **settings):
    small = {"num_shadows": 4, "num_samples": {"critic": 16, "nearest": 20}}
    return train_shadows(trainer or Trainer(), POOL, folder=folder, **small | settings)


def contents(shadows):
    return {
        **shadows.statistics,
        "inside": shadows.inside,
        "probe_answers": shadows.probe_answers,
        "ids": np.array(shadows.ids),
        "digests": np.array(shadows.digests),
    }


def assert_same(first, second):
    ours, theirs = contents(first), contents(second)
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name])
    assert first.seed == second.seed
    assert first.defense == second.defense


@pytest.mark.parametrize("num_shadows", [2, 7, 16])
def test_every_record_is_in_half_of_the_shadows_by_a_fair_coin(num_shadows):
    inside = draw_halves(num_shadows, 4000, seed=1)
    counts = inside.sum(axis=0)
    assert set(counts) <= {num_shadows // 2, (num_shadows + 1) // 2}
    assert abs(inside.mean() - 0.5) < 0.02
    # Each shadow's half is its own draw, and records are independent of each other.
    sizes = inside.sum(axis=1)
    assert np.abs(sizes - 2000).max() < 5 * np.sqrt(1000)
    assert abs(np.corrcoef(inside[0, :-1], inside[0, 1:])[0, 1]) < 0.08
    assert (draw_halves(num_shadows, 4000, seed=2) != inside).any()


def test_shadows_are_trained_on_the_halves_that_are_noted(tmp_path):
    trainer = Trainer()
    shadows = trained(tmp_path, trainer)
    assert shadows.num_shadows == len(trainer.calls) == 4
    assert shadows.digests == tuple(image_digests(POOL))
    for (half, labels, _), inside in zip(trainer.calls, shadows.inside, strict=True):
        np.testing.assert_array_equal(half, POOL[inside])
        assert labels is None
    seeds = {seed for _, _, seed in trainer.calls}
    assert len(seeds) == 4
    assert len(set(shadows.ids)) == 4


def test_statistics_are_those_of_the_attacks_on_each_shadow(tmp_path):
    trainer = Trainer()
    shadows = trained(tmp_path, trainer, signals=["critic", "nearest"], seed=5)
    for k, (half, _, _) in enumerate(trainer.calls):
        model = FakeGAN(half)
        samples = model.generate(20, seed=5, dtype="float32")
        critic = model.score(POOL) - model.score(samples[:16]).mean()
        np.testing.assert_allclose(shadows.statistics["critic"][k], critic, rtol=1e-12)
        flat = POOL.reshape(30, 1, -1) - np.float64(samples.reshape(1, 20, -1))
        nearest = -np.sqrt((flat**2).sum(axis=2)).min(axis=1)
        np.testing.assert_allclose(shadows.statistics["nearest"][k], nearest)


def test_statistics_can_be_means_over_mirror_images(tmp_path):
    trainer = Trainer()
    shadows = trained(tmp_path, trainer, flips=True)
    model = FakeGAN(trainer.calls[0][0])
    level = model.score(model.generate(16, dtype="float32")).mean()
    both = (model.score(POOL) + model.score(POOL[:, :, ::-1])) / 2 - level
    np.testing.assert_allclose(shadows.statistics["critic"][0], both)


def test_copies_of_an_image_share_their_coins(tmp_path):
    trainer = Trainer()
    pool = np.concatenate([POOL[:10], POOL[:3]])
    shadows = train_shadows(trainer, pool, folder=tmp_path, num_shadows=4)
    assert len(shadows.digests) == 10
    for (half, _, _), inside in zip(trainer.calls, shadows.inside, strict=True):
        assert len(half) == inside.sum() + inside[:3].sum()
    np.testing.assert_array_equal(shadows.records_of(pool[8:]), [8, 9, 0, 1, 2])


def test_queries_outside_the_pool_are_scored_and_never_trained_on(tmp_path):
    trainer = Trainer()
    queries = np.concatenate([images(5, 9), POOL[:2]])
    shadows = trained(tmp_path, trainer, queries=queries)
    assert shadows.inside.shape == (4, 35)
    assert not shadows.inside[:, 30:].any()
    records = shadows.records_of(queries)
    np.testing.assert_array_equal(records, [30, 31, 32, 33, 34, 0, 1])
    assert np.isfinite(shadows.statistics["critic"][:, records]).all()


def test_labels_go_with_their_images(tmp_path):
    trainer = Trainer()
    labels = np.arange(30)
    shadows = train_shadows(trainer, POOL, labels, folder=tmp_path, num_shadows=3)
    for (_, half, _), inside in zip(trainer.calls, shadows.inside, strict=True):
        np.testing.assert_array_equal(half, labels[inside])


def test_an_interrupted_training_goes_on_and_ends_the_same(tmp_path):
    whole = trained(tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        trained(tmp_path / "killed", Trainer(fail_at=2))
    with pytest.raises(ValueError, match="Only 2 of 4"):
        Shadows.load(tmp_path / "killed")
    told, rest = [], Trainer()
    resumed = trained(
        tmp_path / "killed", rest, progress=lambda *number: told.append(number)
    )
    assert len(rest.calls) == 2
    assert told == [(3, 4), (4, 4)]
    assert_same(resumed, whole)
    again = Trainer()
    assert_same(trained(tmp_path / "killed", again), whole)
    assert again.calls == []
    assert_same(Shadows.load(tmp_path / "whole"), whole)


def test_a_damaged_shadow_is_trained_again(tmp_path):
    whole = trained(tmp_path)
    path = tmp_path / "shadow-001.npz"
    path.write_bytes(path.read_bytes()[:100])
    rest = Trainer()
    assert_same(trained(tmp_path, rest), whole)
    assert len(rest.calls) == 1


def test_side_by_side_training_ends_the_same(tmp_path):
    whole = trained(tmp_path / "one")
    with joblib.parallel_config("threading", n_jobs=2):
        assert_same(trained(tmp_path / "two"), whole)


@pytest.mark.parametrize("change", [{"seed": 1}, {"num_shadows": 5}, {"flips": True}])
def test_a_folder_of_other_shadows_is_left_alone(tmp_path, change):
    trained(tmp_path)
    before = sorted(path.read_bytes() for path in tmp_path.iterdir())
    with pytest.raises(ValueError, match="holds other shadow models"):
        trained(tmp_path, **change)
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == before


def test_a_target_among_its_shadows_is_refused(tmp_path):
    trainer = Trainer()
    shadows = trained(tmp_path, trainer)
    for half, _, _ in trainer.calls:
        with pytest.raises(ValueError, match="one of its own shadow models"):
            shadows.refuse(AttackTarget.from_model(FakeGAN(half)))
    shadows.refuse(AttackTarget.from_model(FakeGAN(POOL[:15])))
    mute = AttackTarget.from_model(images(5, 0))
    shadows.refuse(mute)


def test_a_training_that_returns_the_target_is_refused(tmp_path):
    class Known(FakeGAN):
        def get_weights(self):
            return [np.ones(3)]

        def get_config(self):
            return {}

        @classmethod
        def from_config(cls, config):
            return cls(POOL)

        def fit(self, *args, **kwargs):
            pass

        get_compile_config, compile_from_config = get_config, fit

    with pytest.raises(ValueError, match="equals the target, weight by weight"):
        trained(tmp_path, Known(POOL), fit={"epochs": 1})


def test_a_target_given_other_latents_is_refused(tmp_path):
    shadows = trained(tmp_path, seed=3)
    shadows.refuse(AttackTarget.from_model(FakeGAN(POOL), seed=3))
    with pytest.raises(ValueError, match=r"Expected seed=3\. Received: seed=0"):
        shadows.refuse(AttackTarget.from_model(FakeGAN(POOL)))


def test_answers_to_probes_tell_models_apart_and_are_silent_without_access():
    first = answer_probes(AttackTarget.from_model(FakeGAN(POOL)))
    assert np.isfinite(first).all()
    other = answer_probes(AttackTarget.from_model(FakeGAN(POOL[:20])))
    assert np.abs(first - other).max() > 1e-3
    assert np.isnan(answer_probes(AttackTarget.from_model(images(20, 0)))).all()


def test_what_few_shadows_cannot_show_is_said(tmp_path):
    shadows = trained(tmp_path)
    assert "no evidence of safety" in shadows.caution
    assert "about 2 models" in shadows.caution
    fields = {**vars(shadows), "inside": np.tile(shadows.inside, (16, 1))}
    fields.pop("_places", None)
    assert Shadows(**fields).caution is None


def test_unknown_images_are_refused(tmp_path):
    shadows = trained(tmp_path)
    with pytest.raises(ValueError, match="know nothing of 4 of 6 images"):
        shadows.records_of(np.concatenate([POOL[:2], images(4, 9)]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_shadows": 1}, "`num_shadows` must be"),
        ({"signals": ["loss"]}, "Unknown `signals`"),
        ({"num_samples": {"critic": 0}}, "`critic` must be"),
    ],
)
def test_unusable_settings_are_refused(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        trained(tmp_path, **settings)


def test_a_diverged_shadow_is_noticed(tmp_path):
    class Broken(FakeGAN):
        def score(self, *args, **kwargs):
            return np.full(len(args[0]), np.nan)

    with pytest.raises(
        ValueError, match=r"Shadow 0 cannot be compared .* must be finite"
    ):
        train_shadows(lambda x, labels, seed: Broken(x), POOL, folder=tmp_path)


def test_a_folder_without_shadows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no shadow models"):
        Shadows.load(tmp_path)


# === Models of the zoo ===


@pytest.mark.long
def test_shadows_of_a_gan_have_its_defense_and_resume_identically(tmp_path):
    pool = random_images(24)
    target = make(mixup="paper", seed=9)
    target.fit(pool[:12], batch_size=4, epochs=1, verbose=0)
    settings = {
        "num_shadows": 2,
        "fit": {"batch_size": 4, "epochs": 1},
        "num_samples": {"critic": 32},
        "keep_models": True,
    }
    whole = train_shadows(target, pool, folder=tmp_path, **settings)
    kept = whole.load_models()
    assert [model.mixup for model in kept] == [target.mixup, target.mixup]
    assert len({model.seed for model in kept} | {target.seed}) == 3
    assert all(
        int(model.steps) == whole.inside[k].sum() // 4 for k, model in enumerate(kept)
    )
    score = (
        kept[1].score(pool)
        - kept[1].score(kept[1].generate(32, dtype="float32")).mean()
    )
    np.testing.assert_allclose(whole.statistics["critic"][1], score, atol=1e-6)
    (tmp_path / "shadow-001.keras").write_bytes(b"damaged")
    resumed = train_shadows(target, pool, folder=tmp_path, **settings)
    assert_same(resumed, whole)
    again = resumed.load_models()[1]
    for ours, theirs in zip(again.weights, kept[1].weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert whole.defense == {
        name: value
        for name, value in json.loads(json.dumps(target.mixup.get_config())).items()
        if name != "seed"
    }
    whole.refuse(AttackTarget.from_model(target))
    with pytest.raises(ValueError, match="one of its own shadow models"):
        whole.refuse(AttackTarget.from_model(kept[0]))


def test_a_model_needs_to_know_how_it_was_trained(tmp_path):
    with pytest.raises(ValueError, match="is needed to train"):
        train_shadows(make(), random_images(8), folder=tmp_path)
    with pytest.raises(ValueError, match="trained like one with"):
        train_shadows("dcgan", POOL, folder=tmp_path)


def test_models_that_were_not_kept_cannot_be_loaded(tmp_path):
    with pytest.raises(ValueError, match="were not kept"):
        trained(tmp_path, Trainer(mixup=defense())).load_models()


def test_shadows_of_another_version_are_refused(tmp_path):
    trained(tmp_path)
    path = tmp_path / "shadows.json"
    manifest = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**manifest, "results_version": 0}))
    with pytest.raises(ValueError, match=r"another version .*Received: 0\."):
        Shadows.load(tmp_path)


def after(steps):
    return lambda images, labels, seed: FakeGAN(images[:steps])


def at_least(*, steps=1):
    return lambda images, labels, seed, *, least=steps: FakeGAN(images[:least])


def edited(body):
    """A function of a user's module, which is always called the same."""
    found = {"__name__": "of_a_user", "FakeGAN": FakeGAN}
    exec(f"def train(images, labels, seed):\n    return FakeGAN({body})", found)
    return found["train"]


class Cut:
    def __init__(self, steps):
        self.steps = steps

    def __call__(self, images, labels, seed):
        return FakeGAN(images[: self.steps])

    def train(self, images, labels, seed):
        return self(images, labels, seed)


@dataclasses.dataclass(slots=True)
class Steps:
    number: int


@functools.lru_cache
def cached(*_):
    return None


def wrapped(by):
    def train(images, labels, seed):
        return FakeGAN(images[:by])

    return functools.wraps(cached)(train)


FEW = 3


def constant(images, labels, seed):
    return FakeGAN(images[:FEW])


FUNCTIONS = [
    after(1),
    edited("images"),
    edited("images + 1"),
    Cut(1),
    Cut(2),
    Cut(1).train,
    Cut(2).train,
    after(Steps(1)),
    after(Steps(2)),
    after(edited("images")),
    after(edited("images + 1")),
    after(functools.partial(DCGAN, width=8)),
    after(functools.partial(DCGAN, width=16)),
    after(keras.optimizers.Adam(1e-4)),
    after(keras.optimizers.Adam(1e-2)),
    after(Cut(1).train),
    after(Cut(2).train),
    wrapped(1),
    wrapped(2),
    Cut,
    int.from_bytes,
    max,
    after(2),
    at_least(steps=1),
    at_least(steps=2),
    after(np.arange(2000)),
    after(np.arange(2000) + 1),
    after({(1, "a"): 1, 2: 3}),
    lambda images, labels, seed: [FakeGAN(each) for each in images if each in {"a", 3}],
    lambda images, labels, seed: [FakeGAN(each) for each in images if each in {"b", 3}],
    functools.partial(after, 1),
    functools.partial(after, 2),
    draw_halves,
]


def test_functions_are_known_by_what_they_do():
    names = [training_of(one, None)[1] for one in FUNCTIONS]
    assert len(set(names)) == len(names)
    assert names[-1] == "keras_mixup_gan.attacks.shadows.store.draw_halves"
    assert training_of(after(1), None)[1] == names[0]
    given = [training_of(after(FakeGAN()), None)[1] for _ in range(2)]
    assert given[0] == given[1]  # no address


def test_constants_that_a_function_names_count_and_what_holds_itself_ends(monkeypatch):
    _, name = training_of(constant, None)
    monkeypatch.setitem(globals(), "FEW", 4)
    assert training_of(constant, None)[1] != name
    endless = {}
    endless["self"] = endless
    one, other = (training_of(after(endless), None)[1] for _ in range(2))
    assert one == other
    optimizers = [after(keras.optimizers.Adam(1e-4)) for _ in range(2)]
    one, other = (training_of(each, None)[1] for each in optimizers)
    assert one == other  # whatever names Keras gives them


def test_a_recipe_may_be_named():
    def train(images, labels, seed):
        return FakeGAN(images)

    train.recipe = "mine"
    assert training_of(train, None)[1] == "mine"


@pytest.mark.long
def test_callbacks_change_while_shadows_are_trained(tmp_path):
    stop = keras.callbacks.EarlyStopping("g_loss", mode="min", min_delta=0.1)
    for _ in range(2):
        found = train_shadows(
            make(),
            random_images(8),
            folder=tmp_path,
            num_shadows=2,
            fit={"epochs": 2, "batch_size": 2, "callbacks": [stop]},
            signals=["critic"],
            n_jobs=1,
        )
    assert found.num_shadows == 2


def test_what_fit_takes_is_known_by_its_values():
    def recipe(**fit):
        return training_of(make(), fit)[1]

    stop = keras.callbacks.EarlyStopping
    assert recipe(callbacks=[stop()]) == recipe(callbacks=[stop()])
    assert recipe(callbacks=[stop()]) != recipe(callbacks=[stop(patience=3)])
    long = [np.zeros(5000), np.zeros(5000)]
    long[1][2500] = 1.0
    one, other = (recipe(class_weight=each) for each in long)
    assert one != other


def test_classes_are_known_by_what_they_do_to_the_same_settings():
    class Calm(DCGAN):
        def discriminator_loss(self, real, fake):
            return super().discriminator_loss(real, fake) / 2

    settings = {"width": 4, "seed": 0, "name": "gan"}
    plain, calm = (kind((8, 8, 1), **settings) for kind in (DCGAN, Calm))
    for model in (plain, calm):
        model.compile("adam", "adam")
    assert plain.get_config() == calm.get_config()
    fit = {"epochs": 1}
    assert training_of(plain, fit)[1] != training_of(calm, fit)[1]
    assert training_of(calm, fit)[1] == training_of(calm, fit)[1]


def test_secret_seeds_are_in_no_record_of_a_training():
    secret = 987654321987654321
    mixup = MixUp(num_samples=1, noise_stddev=1.0, noise="once", seed=secret)
    _, recipe = training_of(make(mixup=mixup), {"epochs": 1})
    assert str(secret) not in recipe
    assert "noise_stddev" in recipe
