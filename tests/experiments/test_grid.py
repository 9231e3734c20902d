"""The grid runner: the same numbers everywhere, and nothing finished is lost."""

import contextlib
import dataclasses
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
from keras_mixup_gan.experiments.results import (
    RESULTS,
    ResultFiles,
    StepTime,
    read_results,
    write_results,
)
from keras_mixup_gan.storage import locked
from tests.clusters import SECONDS, loopback_cluster
from tests.command_line import run

pytestmark = pytest.mark.long

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
rule = "noisy"

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
    cells = [
        dataclasses.replace(cell, cpu_seconds=0.0, shadow_attacks=())
        for cell in results.cells
        if cell.seed == 0
    ]
    assert len(cells) == 3
    return cells


def test_results_hold_every_cell_and_what_it_was_made_with(finished):
    folder, results = finished
    assert results == read_results(folder / RESULTS)
    assert results.missing == ()
    names = [cell.name for cell in results.cells]
    arms = ["undefended", "mixup-noise", "dp-sgd"]
    assert names == [f"dcgan/30/{arm}/{seed}" for seed in (0, 1) for arm in arms]
    for cell in results.cells:
        assert cell.members == 30
        assert sum(cell.num_pool) == 60
        point = cell.last.done["logan"].at_fpr
        assert point.num_members == cell.num_pool[0]
        assert point.num_non_members == cell.num_pool[1] + 10
        assert "covariance_shrinkage" in [m.name for m in cell.last.utility]
        assert cell.curve[0].utility == ()
        assert (cell.last.epsilon is None) == (cell.arm != "dp-sgd")
        assert (cell.last.bounds is None) == (cell.arm != "dp-sgd")
        assert cell.curve[0].bounds is None
        assert cell.cpu_seconds > 0
    assert {(cell.group, cell.kind) for cell in results.cells} == {
        ("undefended", "undefended"),
        ("mixup", "mixup"),
        ("dp-sgd", "dp-sgd"),
    }
    spent = [cell.last.epsilon for cell in results.cells if cell.last.epsilon]
    assert all(45 < epsilon <= 50 for epsilon in spent)


def test_what_epsilon_says_of_attacks_is_that_of_the_privacy_report(finished):
    folder, results = finished
    cell = next(cell for cell in results.cells if cell.arm == "dp-sgd")
    path = folder / "cells" / cell.name / cell.key[:16] / "model.keras"
    report = keras.saving.load_model(path).privacy_report(cell.delta)
    bounds = cell.last.bounds
    assert (bounds.auc, bounds.fpr) == (report.auc_bound, 0.01)
    assert bounds.tpr == report.tpr_bound(0.01)


def test_one_set_of_shadow_models_serves_the_targets_of_all_seeds(finished):
    folder, results = finished
    for cell in results.cells:
        kinds = {"plain", "adaptive"} if cell.arm == "mixup-noise" else {"plain"}
        found = {(one.kind, one.figures.name) for one in cell.shadow_attacks}
        assert found == {(k, name) for k in kinds for name in ("lira", "lira_offset")}
        for one in cell.shadow_attacks:
            point = one.figures.at_fpr
            assert one.num_shadows == 2
            assert point.num_members + point.num_non_members == 60  # of the pool alone
    assert len(list(folder.glob("shadows/dcgan/30/*/*/shadow-*.npz"))) == 4


def test_augmentation_is_attacked_by_its_own_transforms(write, tmp_path):
    text = ONE_SEED + SHADOWS.replace('"mixup-noise"', '"diffaugment"')
    text = text.replace('arms = ["undefended", "mixup-noise", "dp-sgd"]', "arms = ALL")
    text = text.replace("ALL", '["undefended", "diffaugment"]').replace("[2, 4]", "[2]")
    text = text.replace("[arms.dp-sgd]\ntarget_epsilon = 50.0", "[arms.diffaugment]")
    suite = Suite.read(write("augment", text))
    undefended, augmented = run_grid(suite, tmp_path).cells
    assert "logan_augmented" not in undefended.last.done
    assert "logan_augmented" in augmented.last.done
    found = {(one.kind, one.figures.name) for one in augmented.shadow_attacks}
    assert found == {
        ("plain", "lira"),
        ("plain", "lira_offset"),
        ("adaptive", "lira"),
        ("adaptive", "lira_offset"),
        ("adaptive", "lira_augmented"),
    }


def test_nothing_is_computed_twice(finished, write):
    folder, results = finished
    files = {path: path.stat().st_mtime_ns for path in folder.glob("cells/**/*.*")}
    lines = []
    suite = Suite.read(write(text=TEXT + SHADOWS))
    assert run_grid(suite, folder, say=lines.append) == results
    assert lines == []
    assert all(path.stat().st_mtime_ns == then for path, then in files.items())


def test_cells_of_another_version_do_not_count(finished, write, monkeypatch):
    folder, _ = finished
    suite = Suite.read(write(text=TEXT + SHADOWS))
    cell = next(iter(suite.cells(suite.blocks[0])))
    assert ResultFiles(suite, folder).model_path(cell).exists()
    assert ResultFiles(suite, folder).of_other_settings() == []
    monkeypatch.setattr("keras_mixup_gan.experiments.results.RESULTS_VERSION", 0)
    files = ResultFiles(suite, folder)
    assert files.entry(cell) is None
    assert len(files.of_other_settings()) == 6


def test_what_a_kill_left_in_the_cells_is_newer_than_the_results(
    finished, write, tmp_path
):
    folder, results = finished
    suite = Suite.read(write(text=TEXT + SHADOWS))
    cell = next(iter(suite.cells(suite.blocks[0])))
    shutil.copytree(folder / "cells", tmp_path / "cells")
    stale = [dataclasses.replace(one, shadow_attacks=()) for one in results.cells]
    write_results(dataclasses.replace(results, cells=tuple(stale)), tmp_path)
    assert ResultFiles(suite, tmp_path).entry(cell) == results.cells[0]


def test_a_truncated_results_file_is_made_again_of_the_cells(finished, write, tmp_path):
    folder, results = finished
    shutil.copytree(folder / "cells", tmp_path / "cells")
    path = tmp_path / RESULTS
    path.write_bytes((folder / RESULTS).read_bytes()[:-100])
    suite = Suite.read(write(text=TEXT + SHADOWS))
    assert ResultFiles(suite, tmp_path).write() == results
    assert path.read_bytes() == (folder / RESULTS).read_bytes()
    shutil.rmtree(tmp_path / "cells")
    path.write_text(path.read_text().replace('"auc": 0', '"auc": 1', 1))
    with pytest.raises(ValueError, match="digest is not that of its content"):
        ResultFiles(suite, tmp_path)


def test_figures_of_a_cell_that_were_changed_are_noticed(finished, write, tmp_path):
    folder, _ = finished
    entry = entries(folder)[0].relative_to(folder)
    shutil.copytree(folder / entry.parent, tmp_path / entry.parent)
    text = (tmp_path / entry).read_text()
    assert '"auc": 0.' in text
    (tmp_path / entry).write_text(text.replace('"auc": 0.', '"auc": 0.9', 1))
    suite = Suite.read(write(text=TEXT + SHADOWS))
    files = ResultFiles(suite, tmp_path)
    with pytest.raises(ValueError, match="digest is not that of its content"):
        [files.entry(cell) for cell in suite.cells(suite.blocks[0])]


def test_a_folder_in_use_is_refused(write, tmp_path):
    with locked(tmp_path), pytest.raises(ValueError, match="in use by another run"):
        run_grid(Suite.read(write()), tmp_path)
    assert not (tmp_path / RESULTS).exists()


def test_scores_are_readable_by_their_owner_alone(finished):
    folder, _ = finished
    modes = {path.stat().st_mode & 0o777 for path in folder.glob("cells/**/scores.npz")}
    assert modes == {0o600}


def test_a_results_file_alone_is_enough_to_continue(finished, write, tmp_path):
    folder, results = finished
    (tmp_path / RESULTS).write_bytes((folder / RESULTS).read_bytes())
    lines = []
    again = run_grid(Suite.read(write(text=TEXT + SHADOWS)), tmp_path, say=lines.append)
    assert lines == []
    assert again == results


def test_a_target_whose_model_is_gone_is_trained_again_to_be_attacked(
    finished, write, tmp_path
):
    _, results = finished
    [before] = [
        cell for cell in results.cells if (cell.arm, cell.seed) == ("undefended", 1)
    ]
    timed = StepTime(0.5, 1.0)
    known = dataclasses.replace(before, shadow_attacks=(), step_time=timed)
    write_results(dataclasses.replace(results, cells=(known,)), tmp_path)
    text = (TEXT + SHADOWS).replace(
        '"undefended", "mixup-noise", "dp-sgd"', '"undefended"'
    )
    text = text.replace('"undefended", "mixup-noise"', '"undefended"')
    text = text.replace("[0, 1]", "[1]")
    [cell] = run_grid(Suite.read(write(text=text)), tmp_path).cells
    assert {one.kind for one in cell.shadow_attacks} == {"plain"}
    assert (cell.curve, cell.step_time) == (before.curve, timed)


def test_a_suite_of_one_seed_with_a_fixed_draw_is_timed(tiny, tmp_path):
    """Everything that `make compare` does, in one process."""
    suite = tiny(arms=("undefended", "dp-sgd"), checkpoints=(2,))
    steps = []
    results = run_grid(suite, tmp_path, progress=lambda *one: steps.append(one[1:]))
    assert results == read_results(tmp_path / RESULTS)
    assert (2, "attacking and measuring") in steps
    undefended, private = results.cells
    assert undefended.step_time.ratio == 1.0
    assert private.step_time.ratio > 0 and private.step_time.seconds > 0
    assert (private.last.epsilon > 0, private.last.bounds) == (True, None)
    assert run_grid(suite, tmp_path) == results


def test_what_cannot_go_to_workers_is_refused_before_anything_is_trained(
    tiny, tmp_path
):
    lock = threading.Lock()

    def progress(*_):
        with lock:
            pass

    with pytest.raises(ValueError, match=r"pickled copies.* '_thread.lock' "):
        run_grid(tiny(checkpoints=(2,)), tmp_path, n_jobs=2, progress=progress)


def test_a_missing_extra_shows_before_anything_is_trained(tiny, tmp_path, monkeypatch):
    from keras_mixup_gan.privacy import tfp

    def missing(module):
        raise ImportError("DP-SGD needs tensorflow-privacy")

    monkeypatch.setattr(tfp, "load", missing)
    with pytest.raises(ImportError, match="needs tensorflow-privacy"):
        run_grid(tiny(arms=("undefended", "dp-sgd")), tmp_path)
    assert not list(tmp_path.rglob("state.json"))


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
    # The noise that the target takes, as searching for it takes long.
    suite = Suite.read(write(text=ONE_SEED))
    private = suite.cell(suite.blocks[0], 30, "dp-sgd", 0).defense.dp
    noise = f"noise_multiplier = {private.noise_multiplier!r}"
    path = write(text=ONE_SEED.replace("target_epsilon = 50.0", noise))
    process = subprocess.Popen(
        command(path, tmp_path, "--jobs", "2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: entries(tmp_path), process)
    process.terminate()  # alone: its workers end with it, and so does their writing
    _, told = process.communicate()
    assert "step 4 of 4: attacking and measuring" in told  # by workers too
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
    for cell in results.cells:
        place = folder / "cells" / cell.name / cell.key[:16]
        with np.load(place / "scores.npz", allow_pickle=False) as scores:
            for name, attack in cell.last.done.items():
                parts = [
                    scores[f"{name}/{role}"] for role in ("members", "non_members")
                ]
                truth = np.repeat([1, 0], list(map(len, parts)))
                auc = roc_auc_score(truth, np.concatenate(parts))
                assert attack.auc == pytest.approx(auc)


def test_a_folder_of_something_else_is_refused(write, tmp_path):
    (tmp_path / RESULTS).write_text('{"cells": [3]}')
    with pytest.raises(ValueError, match=r"no results of this version.*`--out`"):
        run_grid(Suite.read(write()), tmp_path)


def test_a_dry_run_prints_the_settings(write, tmp_path, monkeypatch, capsys):
    words = ["--suite", write(), "--out", tmp_path / "out", "--dry-run"]
    _, output = run(monkeypatch, capsys, "compare", *words, "--members", 50)
    (block,) = json.loads(output.out)["blocks"]
    assert (block["checkpoints"], block["members"]) == ([2, 4], [50])
    assert not (tmp_path / "out").exists()
