"""The grid runner: the same numbers everywhere, and nothing finished is lost."""

import contextlib
import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest

from keras_mixup_gan.experiments import Suite, run_grid
from keras_mixup_gan.experiments.code_version import code_version
from keras_mixup_gan.experiments.grid_files import GridFiles
from tests.clusters import SECONDS, loopback_cluster
from tests.command_line import run

TEXT = """
title = "Seconds"
seeds = [0, 1]
batch_size = 16
num_samples = 64
num_blends = 2
num_generated = 64

[data]
data = "{data}"
non_members = 40
reference = 30

[arms.undefended]

[arms.mixup-noise]
group = "mixup"
defense = "mixup"

[arms.dp-sgd]
target_epsilon = 50.0

[[blocks]]
model = "dcgan"
members = [30]
width = 4
arms = ["undefended", "mixup-noise", "dp-sgd"]
checkpoints = [2, 4]
"""
ONE_SEED = TEXT.replace("[0, 1]", "[0]")
SHADOWS = """shadows = 2
shadow_arms = ["undefended", "mixup-noise"]
"""


@pytest.fixture(scope="module")
def write(small_images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("suites")

    def write_suite(name="tiny", text=TEXT):
        path = folder / f"{name}.toml"
        path.write_text(text.format(data=small_images))
        return path

    return write_suite


@pytest.fixture(scope="module")
def finished(write, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, run_grid(Suite.read(write(text=TEXT + SHADOWS)), folder)


def of_one_seed(results):
    """The cells of seed 0 without times, and without shadow models' attacks."""
    cells = [copy.deepcopy(cell) for cell in results["cells"] if cell["seed"] == 0]
    for cell in cells:
        assert cell.pop("cpu_seconds") > 0
        cell.pop("shadow_attacks", None)
    assert len(cells) == 3
    return cells


def test_results_hold_every_cell_and_what_it_was_made_with(finished):
    folder, results = finished
    assert results == json.loads((folder / "results.json").read_text())
    assert results["missing"] == []
    assert results["code"] == code_version()
    assert results["suite"]["command"].startswith("python -m benchmarks.compare")
    names = [cell["name"] for cell in results["cells"]]
    arms = ["undefended", "mixup-noise", "dp-sgd"]
    assert names == [f"dcgan/30/{arm}/{seed}" for seed in (0, 1) for arm in arms]
    for cell in results["cells"]:
        assert cell["members"] == 30
        assert sum(cell["num_pool"]) == 60
        last = cell["curve"][-1]
        assert last["attacks"]["logan"]["n"]["members"] == cell["num_pool"][0]
        assert last["attacks"]["logan"]["n"]["non_members"] == cell["num_pool"][1] + 10
        assert "covariance_shrinkage" in last["utility"]
        assert "utility" not in cell["curve"][0]
        assert (cell["epsilon"] is None) == (cell["arm"] != "dp-sgd")
        assert (last["bounds"] is None) == (cell["arm"] != "dp-sgd")
        assert "bounds" not in cell["curve"][0]
    assert {cell["group"] for cell in results["cells"]} == {
        "undefended",
        "mixup",
        "dp-sgd",
    }
    assert all(
        45 < cell["epsilon"] <= 50 for cell in results["cells"] if cell["epsilon"]
    )


def test_what_epsilon_says_of_attacks_is_that_of_the_privacy_report(finished):
    folder, results = finished
    entry = next(cell for cell in results["cells"] if cell["arm"] == "dp-sgd")
    path = folder / "cells" / entry["name"] / entry["key"][:16] / "model.keras"
    report = keras.saving.load_model(path).privacy_report(entry["delta"])
    assert entry["bounds"] == {
        "auc": report.auc_bound,
        "fpr": 0.01,
        "tpr": report.tpr_bound(0.01),
    }


def test_one_set_of_shadow_models_serves_the_targets_of_all_seeds(finished):
    folder, results = finished
    for cell in results["cells"]:
        kinds = {"plain", "adaptive"} if cell["arm"] == "mixup-noise" else {"plain"}
        assert set(cell["shadow_attacks"]) == kinds
        for figures in cell["shadow_attacks"].values():
            assert set(figures) == {"lira", "lira_offset"}
            for figure in figures.values():
                assert figure["num_shadows"] == 2
                assert sum(figure["n"].values()) == 60  # of the pool alone
    assert len(list(folder.glob("shadows/dcgan/30/*/*/shadow-*.npz"))) == 4


def test_augmentation_is_attacked_by_its_own_transforms(write, tmp_path):
    text = ONE_SEED + SHADOWS.replace('"mixup-noise"', '"diffaugment"')
    text = text.replace('arms = ["undefended", "mixup-noise", "dp-sgd"]', "arms = ALL")
    text = text.replace("ALL", '["undefended", "diffaugment"]').replace("[2, 4]", "[2]")
    text = text.replace("[arms.dp-sgd]\ntarget_epsilon = 50.0", "[arms.diffaugment]")
    suite = Suite.read(write("augment", text))
    undefended, augmented = run_grid(suite, tmp_path)["cells"]
    assert "logan_augmented" not in undefended["attacks"]
    assert augmented["attacks"]["logan_augmented"]["status"] == "done"
    plain, adaptive = map(augmented["shadow_attacks"].get, ("plain", "adaptive"))
    assert set(plain) == {"lira", "lira_offset"}
    assert set(adaptive) == {"lira", "lira_offset", "lira_augmented"}


def test_nothing_is_computed_twice(finished, write):
    folder, results = finished
    files = {path: path.stat().st_mtime_ns for path in folder.glob("cells/**/*.*")}
    lines = []
    suite = Suite.read(write(text=TEXT + SHADOWS))
    assert run_grid(suite, folder, say=lines.append) == results
    assert lines == []
    assert all(path.stat().st_mtime_ns == then for path, then in files.items())


def test_cells_of_other_code_count_only_when_accepted(finished, write, monkeypatch):
    folder, _ = finished
    suite = Suite.read(write(text=TEXT + SHADOWS))
    cell = next(iter(suite.cells(suite.blocks[0])))
    ours = code_version()
    monkeypatch.setattr(
        "keras_mixup_gan.experiments.grid_files.code_version", lambda: "changed"
    )
    assert GridFiles(suite, folder).entry(cell) is None
    found = GridFiles(suite, folder, [ours]).entry(cell)
    assert found["code"] == ours
    assert GridFiles(suite, folder, [ours[:12]]).entry(cell) == found
    assert GridFiles(suite, folder, [ours]).model_path(cell).exists()


def test_what_a_kill_left_in_the_cells_is_newer_than_the_results(
    finished, write, tmp_path
):
    folder, results = finished
    suite = Suite.read(write(text=TEXT + SHADOWS))
    cell = next(iter(suite.cells(suite.blocks[0])))
    shutil.copytree(folder / "cells", tmp_path / "cells")
    stale = copy.deepcopy(results)
    for one in stale["cells"]:
        del one["shadow_attacks"]
    (tmp_path / "results.json").write_text(json.dumps(stale))
    assert GridFiles(suite, tmp_path).entry(cell) == results["cells"][0]


def test_a_results_file_alone_is_enough_to_go_on(finished, write, tmp_path):
    folder, results = finished
    (tmp_path / "results.json").write_bytes((folder / "results.json").read_bytes())
    lines = []
    again = run_grid(Suite.read(write(text=TEXT + SHADOWS)), tmp_path, say=lines.append)
    assert lines == []
    assert again == results


def test_a_target_whose_model_is_gone_is_trained_again_to_be_attacked(
    finished, write, tmp_path
):
    _, results = finished
    known = copy.deepcopy(results)
    known["cells"] = [cell for cell in known["cells"] if cell["arm"] == "undefended"]
    for cell in known["cells"]:
        del cell["shadow_attacks"]
    (tmp_path / "results.json").write_text(json.dumps(known))
    text = (TEXT + SHADOWS).replace(
        '"undefended", "mixup-noise", "dp-sgd"', '"undefended"'
    )
    text = text.replace('"undefended", "mixup-noise"', '"undefended"')
    text = text.replace("[0, 1]", "[1]")
    again = run_grid(Suite.read(write(text=text)), tmp_path)
    [cell] = again["cells"]
    [before] = [
        cell
        for cell in results["cells"]
        if (cell["arm"], cell["seed"]) == ("undefended", 1)
    ]
    assert cell["shadow_attacks"].keys() == {"plain"}
    assert cell["curve"] == before["curve"]


def command(path, out, *options):
    words = [sys.executable, "-m", "benchmarks.compare", "--suite", str(path)]
    return [*words, "--out", str(out), *options]


def entries(folder):
    return sorted(folder.glob("cells/**/entry.json"))


def wait_for(condition, process):
    end = time.monotonic() + 3 * SECONDS
    while not condition():
        assert time.monotonic() < end, "nothing came of it"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_processes_give_the_same_numbers_and_a_kill_loses_no_cell(
    finished, write, tmp_path
):
    process = subprocess.Popen(
        command(write(text=ONE_SEED), tmp_path, "--jobs", "2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: entries(tmp_path), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kept = {path: path.stat().st_mtime_ns for path in entries(tmp_path)}
    assert 1 <= len(kept) < 3
    results = run_grid(Suite.read(write(text=ONE_SEED)), tmp_path, n_jobs=2)
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    assert of_one_seed(results) == of_one_seed(finished[1])


@pytest.mark.slow
def test_a_cluster_gives_the_same_numbers_though_a_worker_dies(
    finished, write, tmp_path
):
    pytest.importorskip("distributed")
    with loopback_cluster(tmp_path) as (address, workers):

        def kill_one_midway():
            end = time.monotonic() + 3 * SECONDS
            while not entries(tmp_path / "out") and time.monotonic() < end:
                time.sleep(0.05)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(workers[0].pid, signal.SIGKILL)

        thread = threading.Thread(target=kill_one_midway)
        thread.start()
        results = run_grid(
            Suite.read(write(text=ONE_SEED)), tmp_path / "out", scheduler=address
        )
        thread.join()
        assert workers[0].poll() is not None
    assert of_one_seed(results) == of_one_seed(finished[1])


def test_the_scores_give_the_published_statistics(finished):
    from sklearn.metrics import roc_auc_score

    folder, results = finished
    for cell in results["cells"]:
        place = folder / "cells" / cell["name"] / cell["key"][:16]
        with np.load(place / "scores.npz", allow_pickle=False) as scores:
            for name, attack in cell["curve"][-1]["attacks"].items():
                parts = [
                    scores[f"{name}/{role}"] for role in ("members", "non_members")
                ]
                truth = np.repeat([1, 0], list(map(len, parts)))
                auc = roc_auc_score(truth, np.concatenate(parts))
                assert attack["auc"] == pytest.approx(auc)


def test_a_folder_of_something_else_is_refused(write, tmp_path):
    (tmp_path / "results.json").write_text('{"cells": [3]}')
    with pytest.raises(ValueError, match=r"cannot be used.*Choose another `--out`"):
        run_grid(Suite.read(write()), tmp_path)


def test_a_suite_takes_no_settings_beside_it(write, tmp_path, monkeypatch, capsys):
    words = ["--suite", write(), "--out", tmp_path, "--members", 40]
    code, output = run(monkeypatch, capsys, "compare", *words)
    assert code == 2
    assert "A suite brings its own settings" in output.err
    assert "Received: members" in output.err


def test_a_dry_run_prints_the_settings(write, tmp_path, monkeypatch, capsys):
    words = ["--suite", write(), "--out", tmp_path / "out", "--dry-run"]
    _, output = run(monkeypatch, capsys, "compare", *words)
    assert json.loads(output.out)["blocks"][0]["checkpoints"] == [2, 4]
    assert not (tmp_path / "out").exists()
