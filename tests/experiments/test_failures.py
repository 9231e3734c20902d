"""What goes wrong in one part of a comparison costs no other part."""

import dataclasses

import pytest
import tensorflow as tf

from keras_mixup_gan import experiments
from keras_mixup_gan.experiments import grid, shadow_targets
from keras_mixup_gan.experiments.pool import Data
from keras_mixup_gan.experiments.results import cell_key
from keras_mixup_gan.experiments.suite import Block
from keras_mixup_gan.reports import comparison
from tests.command_line import run
from tests.experiments import fake_results as fake


def test_what_fails_is_named_when_all_others_are_finished(
    tiny, small_images, tmp_path, monkeypatch
):
    message = (
        "2 parts of the comparison could not be computed. Received: "
        "dcgan/30/mixup-noise/0: The model has diverged. "
        "dcgan/30: no undefended shadow models: No Dask scheduler answers. All others"
    )

    def train_shadows(*_, **options):
        raise ValueError("No Dask scheduler answers.")

    monkeypatch.setattr(shadow_targets, "train_shadows", train_shadows)
    assert message in failures(tiny, small_images, tmp_path, monkeypatch)


def test_a_target_that_cannot_be_attacked_stops_no_other(
    tiny, small_images, tmp_path, monkeypatch
):
    def attack(*_):
        raise ValueError("The checkpoint is truncated.")

    monkeypatch.setattr(shadow_targets, "train_shadows", lambda *_, **options: None)
    monkeypatch.setattr(shadow_targets.ShadowTargets, "_attack", attack)
    told = failures(tiny, small_images, tmp_path, monkeypatch)
    assert "dcgan/30/undefended/0: not attacked: The checkpoint is truncated." in told


def test_an_attack_by_shadow_models_that_failed_is_named(
    tiny, small_images, tmp_path, monkeypatch
):
    shadows = dataclasses.make_dataclass("S", ["num_shadows", "statistics"])(2, {})
    found = [fake.shadow(0.6).figures, fake.failed("lira", "It diverged.")]
    attacked = shadow_targets, "attacked"
    monkeypatch.setattr(shadow_targets, "train_shadows", lambda *_, **options: shadows)
    monkeypatch.setattr(*attacked, lambda *_, **options: (found, None))
    monkeypatch.setattr(shadow_targets, "load_keras", lambda path: None)
    told = failures(tiny, small_images, tmp_path, monkeypatch)
    assert "dcgan/30/undefended/0: not attacked: lira: It diverged." in told


@pytest.mark.parametrize(
    "error",
    [MemoryError("7 GiB"), tf.errors.ResourceExhaustedError(None, None, "7 GiB")],
)
def test_a_cell_that_memory_does_not_suffice_for_costs_no_other(
    tiny, small_images, tmp_path, monkeypatch, error
):
    monkeypatch.setattr(shadow_targets.ShadowTargets, "attack", lambda _: [])
    told = failures(tiny, small_images, tmp_path, monkeypatch, error)
    assert "dcgan/30/mixup-noise/0: not enough memory: 7 GiB" in told


DIVERGED = ValueError("The model has diverged.")


def failures(tiny, small_images, tmp_path, monkeypatch, error=DIVERGED):
    """What is said of a comparison of two arms, one of which fails."""

    def run_cell(cell, *_):
        if cell.arm == "mixup-noise":
            raise error
        arm = dataclasses.replace(fake.UNDEFENDED, extra={"key": cell_key(cell)})
        return dataclasses.replace(fake.cell(arm, cell.seed), name=cell.name)

    (tmp_path / "file").write_text("")
    files = (tmp_path / "file", tmp_path / "file")
    monkeypatch.setattr(grid, "run_cell", run_cell)
    monkeypatch.setattr(grid, "last_files", lambda place: files)
    arms = ("mixup-noise", "undefended")
    trained = {"width": 4, "shadows": 2, "shadow_arms": arms}
    suite = tiny(
        arms,
        data=Data(str(small_images), None, 40, 60),
        blocks=(Block("dcgan", (30,), arms, (2,), **trained),),
        timed_rounds=0,
    )
    with pytest.raises(grid.UnfinishedError) as caught:
        experiments.run_grid(suite, tmp_path / "out")
    assert [cell.arm for cell in caught.value.results.cells] == ["undefended"]
    assert caught.value.results.missing == ("dcgan/30/mixup-noise/0",)
    return str(caught.value)


def test_the_page_of_what_is_finished_is_written_before_another_run_may_write(
    tmp_path, monkeypatch, capsys
):
    def unfinished(*_, **options):
        results = fake.results(*fake.family(fake.UNDEFENDED), missing=["a/1/b/2"])
        raise grid.UnfinishedError(results, ["a/1/b/2: The model has diverged."])

    def save(results, folder):
        with pytest.raises(ValueError, match="in use by another run"):
            experiments.run_grid(results.suite, folder)
        return kept(results, folder)

    kept = comparison.save
    monkeypatch.setattr(comparison, "save", save)
    monkeypatch.setattr(grid, "_run_grid", unfinished)
    code, output = run(monkeypatch, capsys, "compare", "--quick", "--out", tmp_path)
    assert (code, "a/1/b/2: The model has diverged." in output.err) == (2, True)
    assert "Not finished: a/1/b/2" in (tmp_path / "report.html").read_text("utf-8")
