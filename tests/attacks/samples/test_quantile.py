"""The quantile attack: calibrated on outside images, to what is usual for an image."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_info

from keras_mixup_gan.attacks import AttackTarget, GANLeaks, QuantileGANLeaks
from keras_mixup_gan.attacks.samples.quantile import MIDDLE, _boosting
from keras_mixup_gan.statistics.roc import auc
from tests.attacks.fakes import SHAPE, FakeGAN, images


def kinds(number, seed):
    """Images of two kinds: dull ones, which are near to everything, and vivid ones."""
    vivid = np.arange(number) % 2
    return images(number, seed) * (0.02 + 0.98 * vivid[:, None, None, None]), vivid


@pytest.fixture(scope="module")
def audited():
    members, non_members, reference = (kinds(n, n)[0] for n in (120, 121, 600))
    target = AttackTarget.from_model(FakeGAN(members), reference)
    return target, members, non_members


def test_scores_are_distances_from_the_median_of_such_images(audited):
    target, members, non_members = audited
    attack = QuantileGANLeaks(num_samples=500).fit(target)
    queries = np.concatenate([members[:5], non_members[:5]])
    distances = -GANLeaks(500).fit(target).score(queries)
    flat = target.reference.images.reshape(600, -1).astype("float64")
    gaps = queries.reshape(10, 1, -1) - flat
    inputs = attack._inputs(queries, np.sqrt((gaps**2).sum(axis=2)).min(axis=1))
    middle, high = (model.predict(inputs) for model in attack._models)
    expected = (-distances - middle) / np.maximum(high - middle, attack._least)
    np.testing.assert_allclose(attack.score(queries), expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(
        attack.score(queries[3:5]), attack.score(queries)[3:5]
    )


def test_a_quantile_is_above_its_share_of_outside_scores():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(2000, 3))
    scores = 2 * inputs[:, 0] + np.exp(inputs[:, 1] / 2) * rng.normal(size=2000)
    for quantile in (MIDDLE, 0.9):
        model = _boosting(quantile, 0).fit(inputs[:1000], scores[:1000])
        for kind in (inputs[1000:, 0] > 0, inputs[1000:, 0] < 0):
            share = (scores[1000:] <= model.predict(inputs[1000:]))[kind].mean()
            assert share == pytest.approx(quantile, abs=0.08)


def test_it_sees_what_kinds_of_images_hide_from_the_distance_alone(audited):
    target, members, non_members = audited
    areas = [
        auc(attack.score(members), attack.score(non_members))
        for attack in (a(500).fit(target) for a in (GANLeaks, QuantileGANLeaks))
    ]
    # Dull images are all alike to it, whoever is a member: AUC at most 7 / 8.
    assert 0.875 > areas[1] > areas[0] + 0.05


def test_a_model_of_other_data_gives_nothing_away(audited):
    _, members, non_members = audited
    reference = kinds(600, 7)[0]
    target = AttackTarget.from_model(FakeGAN(kinds(120, 8)[0]), reference)
    attack = QuantileGANLeaks(num_samples=500).fit(target)
    area = auc(attack.score(members), attack.score(non_members))
    assert abs(area - 0.5) < 4 * np.sqrt(242 / (12 * 120 * 121))


def test_too_few_reference_images_are_refused():
    target = AttackTarget.from_model(FakeGAN(), images(20, 1))
    with pytest.raises(ValueError, match="at least 50 reference images"):
        QuantileGANLeaks().fit(target)
    assert target.image_shape == SHAPE


def test_its_small_models_take_one_thread(monkeypatch):
    numbers = []

    class Counted(HistGradientBoostingRegressor):
        def fit(self, *arguments):
            numbers.append(threads())
            return super().fit(*arguments)

        def predict(self, *arguments):
            numbers.append(threads())
            return super().predict(*arguments)

    def threads():
        return {
            pool["num_threads"]
            for pool in threadpool_info()
            if pool["user_api"] == "openmp"
        }

    path = "sklearn.ensemble.HistGradientBoostingRegressor"
    monkeypatch.setattr(path, Counted)
    target = AttackTarget.from_model(FakeGAN(), images(60, 1))
    QuantileGANLeaks(num_samples=100).fit(target).score(images(10, 2))
    assert len(numbers) == 6
    assert all(found == {1} for found in numbers)
