"""Studies: every model a target, on scores whose leak is known."""

import json

import numpy as np
import pytest
from scipy import stats

from keras_mixup_gan.attacks import (
    BayesianLiRA,
    LiRA,
    OffsetLiRA,
    SampleFusion,
    ShadowFusion,
)
from keras_mixup_gan.attacks.base import default_attacks
from keras_mixup_gan.attacks.shadows.signals import SAMPLE_SIGNALS, default_signals
from keras_mixup_gan.attacks.shadows.store import draw_halves
from keras_mixup_gan.attacks.shadows.study import shadow_study, study_of
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.statistics.over_seeds import mean_over_seeds
from keras_mixup_gan.statistics.roc import auc, tpr_at_fpr
from tests.attacks.fakes import FakeGAN, images
from tests.attacks.shadows import test_lira
from tests.attacks.shadows.test_lira import shadows_of, target_of
from tests.clusters import loopback_cluster

POOL = images(400, 3)


def trained(train_images, labels, seed):
    return FakeGAN(train_images)


def drawn(leak, num_models=12, seed=0):
    rng = np.random.default_rng(seed)
    inside = draw_halves(num_models, len(POOL), seed, balanced=False)
    values = rng.normal(0, 3, len(POOL)) + leak * inside
    values = values + rng.normal(size=inside.shape)
    return shadows_of(values, inside, POOL, balanced=False)


def test_each_model_is_compared_with_all_others_and_never_with_itself():
    shadows = drawn(leak=1.0, num_models=6)
    values, inside = shadows.statistics["critic"], shadows.inside
    scores = OffsetLiRA().rate(shadows, 2)
    others = [0, 1, 3, 4, 5]
    for j in range(len(POOL)):
        seen = [values[k, j] for k in others if inside[k, j]]
        unseen = [values[k, j] for k in others if not inside[k, j]]
        if not seen or not unseen:
            assert np.isnan(scores[j])
            continue
        expected = values[2, j] - (np.mean(seen) + np.mean(unseen)) / 2
        assert scores[j] == pytest.approx(expected, abs=1e-9)
    shadows.statistics["critic"][2] += 5.0
    np.testing.assert_allclose(OffsetLiRA().rate(shadows, 2), scores + 5.0)


def test_independent_coins_are_fair_and_the_others_tell_nothing_of_one():
    inside = draw_halves(9, 8000, seed=1, balanced=False)
    assert abs(inside.mean() - 0.5) < 4 * 0.5 / np.sqrt(inside.size)
    others = inside.sum(axis=0) - inside[0]
    assert abs(np.corrcoef(others, inside[0])[0, 1]) < 4 / np.sqrt(8000)
    # With balanced halves, which add up, the others' tell everything.
    balanced = draw_halves(8, 1000, seed=1)
    assert (balanced[0] == (balanced[1:].sum(axis=0) < 4)).all()


def test_figures_are_means_over_models_and_counts_over_all_of_them():
    shadows = drawn(leak=1.0, num_models=24)  # of which no record lacks a side
    study = study_of(shadows, ["lira_offset", BayesianLiRA()])
    assert {one.name for one in study.attacks} == {
        "critic",
        "lira_offset",
        "lira_bayes",
    }
    found = study["lira_offset"]
    areas = [
        auc(scores[known], scores[~known])
        for scores, known in zip(found.scores, found.inside, strict=True)
    ]
    assert found.area == mean_over_seeds(areas, (0, 1))
    point = found.points[1]
    pooled = found.scores[found.inside], found.scores[~found.inside]
    assert point == tpr_at_fpr(*pooled, 0.01)
    assert point.num_members == found.inside.sum()
    shares = (found.scores > point.threshold)[found.inside].mean()
    assert found.found(0.01).mean == pytest.approx(shares, abs=0.01)
    json.dumps(study.to_dict())
    assert str(study).count("\n") == 1 + len(study.attacks)


def test_a_known_leak_is_found_and_none_where_there_is_none():
    """A leak of one deviation: Phi(1 / sqrt(2)) = .76, less the noise of the means."""
    for leak in (1.0, 0.0):
        study = study_of(drawn(leak), ["lira_offset", "lira_bayes", "rmia", "fusion"])
        for name in ("lira_offset", "lira_bayes", "rmia", "fusion"):
            area = study[name].area
            error = np.std(study[name].areas, ddof=1) / np.sqrt(12)
            exact = stats.norm.cdf(leak / np.sqrt(2 * (1 + 0.1)))
            assert abs(area.mean - exact) < 4 * error + 0.015 * leak, (leak, name)


def test_the_strongest_attack_is_of_those_that_an_access_allows():
    shadows = drawn(leak=1.0)
    weak = {"nearest": shadows.statistics["critic"] - shadows.inside}
    both = {**shadows.statistics, **weak}
    study = study_of(
        type(shadows)(**{**vars(shadows), "statistics": both}),
        ["lira_offset", "lira_nearest"],
    )
    assert study.strongest(["samples", "discriminator"]).name == "lira_offset"
    assert study.strongest(["samples"]).requires <= {"samples", "shadows"}
    with pytest.raises(ValueError, match="needs so little"):
        study.strongest([])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return shadow_study(
        trained,
        images(60, 5),
        folder=tmp_path_factory.mktemp("study"),
        num_models=10,
        num_samples={name: 100 for name in default_signals(None)},
    )


def test_a_memorizing_generator_is_found_from_its_samples_alone(study):
    found = {one.name: one.area.mean for one in study.attacks}
    given = ["shadows", *default_signals(None)]
    expected = {n for n in default_attacks(given) if n not in default_attacks()}
    assert set(found) == expected | set(default_signals(None)) - {"moments"}
    for name in ("fusion_samples", *(f"lira_{signal}" for signal in SAMPLE_SIGNALS)):
        assert study[name].requires == {"shadows", "samples"}
        assert found[name] > 0.9, name
    assert study.strongest(["samples"]).area.mean > 0.9


def test_a_study_continues_and_ends_the_same(study, tmp_path, monkeypatch):
    calls, whole = [], FakeGAN

    def killed(train_images):
        calls.append(train_images)
        if len(calls) == 4:
            raise RuntimeError("killed")
        return whole(train_images)

    settings = {"folder": tmp_path, "num_models": 10} | {
        "num_samples": {name: 100 for name in default_signals(None)}
    }
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setitem(globals(), "FakeGAN", killed)
        shadow_study(trained, images(60, 5), **settings)
    again = shadow_study(trained, images(60, 5), **settings)
    assert json.dumps(again.to_dict()) == json.dumps(study.to_dict())


@pytest.mark.slow
def test_processes_and_clusters_find_the_same(study, tmp_path):
    def again(folder, **where):
        found = shadow_study(
            trained,
            images(60, 5),
            folder=tmp_path / folder,
            num_models=10,
            num_samples={name: 100 for name in default_signals(None)},
            **where,
        )
        return json.dumps(found.to_dict())

    expected = json.dumps(study.to_dict())
    assert again("processes", n_jobs=2) == expected
    with loopback_cluster(tmp_path) as (address, _):
        assert again("cluster", scheduler=address) == expected


def test_what_a_study_cannot_use_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`num_models` must be"):
        shadow_study(trained, POOL, folder=tmp_path, num_models=3)
    with pytest.raises(ValueError, match="Unknown `attacks`"):
        study_of(drawn(1.0), ["logan"])
    with pytest.raises(ValueError, match="needs the signal 'nearest'"):
        study_of(drawn(1.0), ["lira_nearest"])
    with pytest.raises(ValueError, match="Unknown `name`"):
        study_of(drawn(1.0), ["lira_offset"])["lira"]


def test_fusion_takes_signals_that_its_access_allows(tmp_path):
    shadows = train_shadows(
        trained,
        images(40, 5),
        folder=tmp_path,
        num_shadows=6,
        signals=["critic", "nearest"],
    )
    assert ShadowFusion()._signals(shadows) == ("critic", "nearest")
    assert SampleFusion()._signals(shadows) == ("nearest",)


def test_balanced_halves_would_tell_the_answer():
    with pytest.raises(ValueError, match=r"independent coins. Received: balanced ones"):
        study_of(test_lira.drawn(6)[0], ["lira_offset"])


def test_a_study_leaves_a_fitted_attack_as_it_is():
    shadows, own = test_lira.drawn(8)
    attack = LiRA().fit(target_of(own, shadows))
    before = attack.score(test_lira.POOL)
    study_of(drawn(leak=3.0), [attack])
    np.testing.assert_array_equal(attack.score(test_lira.POOL), before)


def test_a_study_draws_its_own_halves(tmp_path):
    for own in ({"balanced": True}, {"num_shadows": 8}):
        with pytest.raises(ValueError, match=f"Expected no '{next(iter(own))}'"):
            shadow_study(FakeGAN, images(8, 1), folder=tmp_path, **own)
