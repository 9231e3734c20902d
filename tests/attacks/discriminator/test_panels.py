"""Panels against formulas in plain loops, and fusions of them on known leaks."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_mixup_gan import zoo
from keras_mixup_gan.attacks import (
    AttackTarget,
    MomentFusion,
    WhiteBoxFusion,
    train_shadows,
)
from keras_mixup_gan.attacks.discriminator.panels import (
    NUM_VIEWS,
    WEIGHTS,
    LayerNorms,
    ScoreMoments,
)
from keras_mixup_gan.attacks.shadows.store import draw_halves
from keras_mixup_gan.attacks.shadows.study import study_of
from keras_mixup_gan.augment import augment
from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.randomness import Stream, generator, sequence
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, FakeGAN, images
from tests.attacks.shadows.test_lira import shadows_of

QUERIES = images(9, 4)
KINDS = ("transforms", "blends", "noise")
MOMENTS = ("mean", "spread", "least", "greatest")


def test_moments_are_of_the_scores_of_transforms_blends_and_noise():
    model = FakeGAN(images(20, 1))
    target = AttackTarget.from_model(model, seed=3, augment="translation")
    found = ScoreMoments(16).fit(target).measure(QUERIES, None)
    made = model.generate(16, seed=3, dtype="float32")
    level = model.score(made).mean()
    assert set(found) == {f"{kind}/{name}" for kind in KINDS for name in MOMENTS}
    for row, query in enumerate(QUERIES):
        views = {kind: [] for kind in KINDS}
        for k in range(NUM_VIEWS):
            key = sequence(3, Stream.TRANSFORMS, k).generate_state(2).astype("int64")
            views["transforms"].append(
                augment(query[None], "translation", key, shared=True)[0].numpy()
            )
            weight = np.float32(WEIGHTS[k % 3])
            blend = weight * query + (np.float32(1) - weight) * made[k]
            views["blends"].append(blend)
            noise = generator(3, Stream.MOMENT_NOISE, k).standard_normal(
                SHAPE, dtype="float32"
            )
            views["noise"].append(query + np.float32(0.1) * noise)
        for kind, seen in views.items():
            scores = [
                float(model.score(v[None], check_range=False)[0]) - level for v in seen
            ]
            mean = sum(scores) / NUM_VIEWS
            spread = np.sqrt(sum((s - mean) ** 2 for s in scores) / NUM_VIEWS)
            expected = (mean, spread, min(scores), max(scores))
            for name, value in zip(MOMENTS, expected, strict=True):
                close = 1e-9 if kind != "blends" else 1e-6  # of float32 weights
                assert found[f"{kind}/{name}"][row] == pytest.approx(value, abs=close)


@pytest.mark.long
@pytest.mark.parametrize(
    ("mixup", "augment_by"),
    [
        (None, None),
        (None, "color,cutout"),
        (MixUp(num_samples=3, noise_stddev=0.2), None),
        (MixUp(num_samples=2, augment="translation"), None),
        (MixUp(num_samples=2), "translation"),
        (MixUp(num_samples=1, noise_stddev=0.3), None),
    ],
)
def test_a_target_is_measured_as_the_shadow_models_were(mixup, augment_by, tmp_path):
    """Of the same model, trained and given, all signals are the same."""

    class Defended(FakeGAN):
        augment = augment_by

    pool = images(8, 5)
    shadows = train_shadows(
        lambda x, labels, seed: Defended(x, mixup=mixup),
        pool,
        folder=tmp_path,
        num_shadows=2,
        signals=["critic", "moments"],
        num_samples={"critic": 20, "moments": 20},
    )
    assert shadows.signals == ("critic", "moments")
    for number, inside in enumerate(shadows.inside):
        target = AttackTarget.from_model(Defended(pool[inside], mixup=mixup))
        found = shadows.signals_of(shadows.statistics, target, pool, None)
        for name, values in found.items():
            np.testing.assert_array_equal(values, shadows.statistics[name][number])
    blends = [values for name, values in found.items() if "blends/spread" in name]
    assert (blends[0] > 0).all()


def two_layers(seed=0):
    """A functional network of 64-bit numbers, and its weights."""
    inputs = keras.Input(SHAPE)
    flat = keras.layers.Flatten(dtype="float64")(inputs)
    init = keras.initializers.RandomNormal(0, 1, seed)
    settings = {"dtype": "float64", "kernel_initializer": init}
    hidden = keras.layers.Dense(5, **settings)(flat)
    active = keras.layers.LeakyReLU(0.25, dtype="float64")(hidden)
    network = keras.Model(inputs, keras.layers.Dense(1, **settings)(active))
    return network, [weight.numpy() for weight in network.weights]


@pytest.fixture(scope="module")
def networks():
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(int(np.prod(SHAPE)), activation="tanh")(inputs)
    generates = keras.Model(inputs, keras.layers.Reshape(SHAPE)(outputs))
    return generates, *two_layers()


def test_norms_are_those_of_the_gradients_by_hand(networks):
    generates, network, (first, bias, second, last) = networks
    target = AttackTarget.from_networks(generates, network, seed=2)
    assert "layers" in target.access
    found = target.norms(QUERIES, None)
    assert found.shape == (len(QUERIES), 4)
    for row, query in enumerate(QUERIES.reshape(len(QUERIES), -1).astype("float64")):
        hidden = query @ first + bias
        active = np.where(hidden > 0, hidden, 0.25 * hidden)
        slope = second[:, 0] * np.where(hidden > 0, 1, 0.25)
        by_first = np.sqrt((np.outer(query, slope) ** 2).sum() + (slope**2).sum())
        by_second = np.sqrt((active**2).sum() + 1)
        score = abs(float(active @ second[:, 0] + last[0]))
        expected = [by_first, by_second, np.sqrt((hidden**2).sum()), score]
        np.testing.assert_allclose(found[row], expected, rtol=1e-9)


def test_panels_of_norms_are_logarithms_less_those_of_generated_images(networks):
    generates, network, _ = networks
    target = AttackTarget.from_networks(generates, network, seed=2)
    found = LayerNorms(32).fit(target).measure(QUERIES, None)
    names = [f"{kind}/{k:02d}" for kind in ("gradient", "output") for k in (0, 1)]
    assert list(found) == names
    made = np.log(target.norms(target.generate(0, 32), None)).mean(axis=0)
    expected = np.log(target.norms(QUERIES, None)) - made
    np.testing.assert_allclose(np.stack(list(found.values()), 1), expected, atol=1e-9)
    alone = LayerNorms(32).fit(target).measure(QUERIES[4:5], None)
    for name, values in alone.items():
        assert values[0] == pytest.approx(found[name][4], abs=1e-9)


@pytest.mark.long
def test_an_image_has_its_norms_in_any_company():
    """Also where a layer of the discriminator compares the images of a batch."""
    model = zoo.stylegan_lite((8, 8, 1), seed=1)
    target, seen = AttackTarget.from_model(model), images(3, 1, (8, 8, 1))
    found = target.norms(seen, None)
    np.testing.assert_allclose(target.norms(seen[2:], None)[0], found[2], rtol=1e-5)


def test_networks_whose_layers_are_not_known_grant_no_look_inside(networks):
    target = AttackTarget.from_networks(networks[0], lambda x, training: x[:, 0, 0])
    assert "layers" not in target.access
    with pytest.raises(ValueError, match="grants no access to: layers"):
        target.norms(QUERIES, None)


POOL = images(300, 3)


def drawn(leak_in=None, num_models=10, seed=0):
    """Shadow models of noise, of which one signal rises where it saw the image."""
    rng = np.random.default_rng(seed)
    inside = draw_halves(num_models, len(POOL), seed, balanced=False)
    panels = [f"moments/{kind}/{name}" for kind in KINDS for name in MOMENTS]
    panels += [f"layers/{kind}/0{k}" for kind in ("gradient", "output") for k in (0, 1)]
    statistics = {
        name: rng.normal(0, 3, len(POOL)) + rng.normal(size=inside.shape)
        for name in ("critic", *panels)
    }
    if leak_in is not None:
        statistics[leak_in] = statistics[leak_in] + 2 * inside
    shadows = shadows_of(statistics["critic"], inside, POOL, balanced=False)
    return dataclasses.replace(shadows, statistics=statistics)


def areas(shadows):
    study = study_of(shadows, ["fusion", "fusion_moments", "fusion_white_box"])
    return {one.name: one.area.mean for one in study.attacks}


def test_a_leak_in_one_moment_or_layer_is_found_by_who_can_see_it():
    found = areas(drawn("moments/noise/spread"))
    assert set(found) == {"critic", "fusion", "fusion_moments", "fusion_white_box"}
    # Two deviations apart, less the noise of the middle: Phi(2 / sqrt 2 / 1.05).
    assert found["fusion_moments"] > 0.85
    assert found["fusion_white_box"] > 0.85
    assert found["fusion"] < 0.6
    found = areas(drawn("layers/gradient/01"))
    assert found["fusion_white_box"] > 0.85
    assert found["fusion_moments"] < 0.6


@pytest.mark.parametrize("attack", [MomentFusion, WhiteBoxFusion])
def test_models_without_leaks_give_nothing_away_by_panels(attack):
    """One target a study: targets of one study share what their scores learned."""
    found = []
    for seed in range(16):
        shadows = drawn(num_models=8, seed=100 + seed)
        scores, inside = attack().rate(shadows, 0), shadows.inside[0]
        known = np.isfinite(scores)
        found.append(auc(scores[known & inside], scores[known & ~inside]))
    error = np.sqrt(301 / (12 * 150 * 150) / 16)
    assert abs(np.mean(found) - 0.5) < 4 * error


def test_a_target_with_other_layers_is_refused(networks):
    generates, network, _ = networks
    shadows = dataclasses.replace(drawn(), num_samples={"layers": 8})
    target = AttackTarget.from_networks(generates, network)
    fewer = dataclasses.replace(target, layers=lambda x, rows: np.ones((len(x), 2)))
    names = [name for name in shadows.statistics if name.startswith("layers")]
    assert len(shadows.signals_of(names, target, QUERIES, None)) == 4
    with pytest.raises(ValueError, match="must have the layers"):
        shadows.signals_of(names, fewer, QUERIES, None)
