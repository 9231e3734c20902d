import copy
import json

import numpy as np
import pytest

from keras_mixup_gan.experiments import run_comparison
from keras_mixup_gan.experiments.cell import Cell, run_cell
from keras_mixup_gan.experiments.comparison import choose_extractor
from keras_mixup_gan.models import recipes

TIMES = ("seconds_per_step", "step_time_ratio")


def without_times(results):
    results = copy.deepcopy(results)
    for cell in results["cells"]:
        for name in TIMES:
            assert cell.pop(name) > 0
    return results


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, run_comparison(tiny(), folder)


def test_results_hold_what_a_reader_needs_to_check_them(finished):
    folder, results = finished
    assert results == json.loads((folder / "results.json").read_text())
    assert results["schema_version"] == 1
    assert results["split"] == {"members": 40, "non_members": 40, "reference": 60}
    names = [cell["name"] for cell in results["cells"]]
    assert names == ["undefended", "mixup-paper", "mixup-noise", "dp-sgd"]
    hashes = {cell["split_hash"] for cell in results["cells"]}
    assert len(hashes) == 1
    for cell in results["cells"]:
        assert cell["model"] == "dcgan"
        assert cell["seed"] == 0
        assert cell["members"] == 40
        assert cell["d_steps"] == 4
        assert [point["d_steps"] for point in cell["curve"]] == [2, 4]
        assert {"python", "tensorflow", "keras"} <= set(cell["versions"])
        assert set(cell["attacks"]) == {"logan", "logan_mixup", "gan_leaks"}
        for attack in cell["attacks"].values():
            low, high = attack["auc_ci"]
            assert low <= attack["auc"] <= high
            assert attack["n"] == {"members": 40, "non_members": 40}
        assert all("[" in name for name in cell["quality"])


def test_only_dp_sgd_has_an_epsilon(finished):
    _, results = finished
    epsilons = {cell["name"]: cell["epsilon"] for cell in results["cells"]}
    assert epsilons.pop("dp-sgd") > 0
    assert set(epsilons.values()) == {None}


def test_defenses_are_described_with_their_settings(finished):
    _, results = finished
    assert [cell["defense"] for cell in results["cells"]] == [
        "none",
        "mixup (Beta(1, 1) per batch, reals only)",
        "mixup (Beta(8, 8) per sample, two-sided, noise 1)",
        "DP-SGD (clip 1, noise 3)",
    ]


def test_raw_scores_give_the_published_statistics(finished):
    from sklearn.metrics import roc_auc_score

    folder, results = finished
    for cell in results["cells"]:
        path = folder / "cells" / cell["name"] / "scores-4.npz"
        with np.load(path, allow_pickle=False) as scores:
            assert scores["samples"].shape == (64, 8, 8, 1)
            for name, attack in cell["attacks"].items():
                members = scores[f"{name}/members"]
                non_members = scores[f"{name}/non_members"]
                truth = np.repeat([1, 0], [len(members), len(non_members)])
                both = np.concatenate([members, non_members])
                assert attack["auc"] == pytest.approx(roc_auc_score(truth, both))


@pytest.mark.parametrize("stop_after", [pytest.param(5, marks=pytest.mark.slow), 14])
def test_a_stopped_run_goes_on_and_gives_the_same_numbers(
    tiny, finished, tmp_path, stop_after
):
    calls = 0

    def stop(cell, step, message):
        nonlocal calls
        calls += 1
        if calls == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_comparison(tiny(), tmp_path, stop)
    done = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("scores-*.npz")}
    results = run_comparison(tiny(), tmp_path)
    assert without_times(results) == without_times(finished[1])
    assert all(path.stat().st_mtime_ns == then for path, then in done.items())


def test_another_seed_gives_other_numbers(tiny, finished, tmp_path):
    settings = tiny(seed=1)
    split = settings.split()
    entry = run_cell(
        settings.cells()[0], split, choose_extractor(split), tmp_path / "cell"
    )
    first = finished[1]["cells"][0]
    assert entry["split_hash"] != first["split_hash"]
    assert entry["attacks"] != first["attacks"]
    assert entry["quality"] != first["quality"]


def test_other_settings_neither_reuse_nor_delete_old_results(tiny, tmp_path):
    settings = tiny(checkpoints=(3,))
    split, extractor = settings.split(), choose_extractor(settings.split())
    old = Cell("arm", batch_size=20, checkpoints=(2,), num_samples=64, num_blends=2)
    new = Cell("arm", batch_size=20, checkpoints=(3,), num_samples=64, num_blends=2)
    assert run_cell(old, split, extractor, tmp_path / "arm")["d_steps"] == 2
    before = {path: path.read_bytes() for path in (tmp_path / "arm").iterdir()}
    with pytest.raises(ValueError, match="holds results of other settings"):
        run_cell(new, split, extractor, tmp_path / "arm")
    after = {path: path.read_bytes() for path in (tmp_path / "arm").iterdir()}
    assert after == before


def test_the_key_follows_the_recipe(tiny, monkeypatch):
    split = tiny().split()
    cell, extractor = tiny().cells()[2], choose_extractor(split)
    key = cell.key(split, extractor)
    assert cell.key(split, extractor) == key
    recipe = copy.deepcopy(recipes.load_recipe("dcgan"))
    recipe["mixup"]["alpha"] = 0.5
    monkeypatch.setattr(recipes, "load_recipe", lambda name: recipe)
    assert cell.key(split, extractor) != key


def test_a_missing_extra_shows_before_anything_is_trained(tiny, tmp_path, monkeypatch):
    from keras_mixup_gan.privacy import tfp

    def missing(module):
        raise ImportError("DP-SGD needs tensorflow-privacy")

    monkeypatch.setattr(tfp, "load", missing)
    with pytest.raises(ImportError, match="needs tensorflow-privacy"):
        run_comparison(tiny(), tmp_path)
    assert not list(tmp_path.rglob("state.json"))


@pytest.mark.parametrize("content", ["[]", "{", "3"])
def test_a_foreign_state_file_is_one_sentence(tiny, tmp_path, content):
    folder = tmp_path / "cells" / "undefended"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(content)
    with pytest.raises(ValueError, match=r"cannot be used|other settings"):
        run_comparison(tiny(), tmp_path)


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_checkpoint_is_named_and_the_rest_kept(tiny, tmp_path, damage):
    def stop(cell, step, message):
        if step == 2 and message == "training":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_comparison(tiny(), tmp_path, stop)
    path = tmp_path / "cells" / "undefended" / "model-2.keras"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.unlink()
    with pytest.raises(ValueError, match=r"model-2\.keras.* is truncated or damaged"):
        run_comparison(tiny(), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 10}, "must fill at least one batch"),
        ({"checkpoints": (4, 2)}, "ascending"),
        ({"checkpoints": ()}, "ascending"),
        ({"noise_multiplier": 0.0}, "`noise_multiplier` must be a finite number above"),
        ({"seed": -1}, "`seed` must be an integer"),
        ({"seed": 10**20}, "`seed` must be a number in"),
    ],
)
def test_settings_are_checked_before_anything_runs(tiny, changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_more_images_than_there_are_is_one_sentence(tiny):
    with pytest.raises(ValueError, match="needs 600 images and there are 140"):
        tiny(members=500).split()
