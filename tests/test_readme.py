"""The snippets of README and docs run, in order, as a newcomer would paste them."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from keras_mixup_gan.experiments import read_results
from tests.guides import commands, write_extending

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def run_snippets(page, folder, monkeypatch):
    """What the snippets of a page leave: a small training shows that they run."""
    if importlib.util.find_spec("tensorflow_privacy") is None:
        pytest.skip("needs the dp extra")
    monkeypatch.chdir(folder)
    names = {}
    for snippet in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S):
        quick = re.sub(r"(epochs|every)=\d+", r"\1=1", snippet)
        quick = re.sub(r"(num_\w*(members|reference))=\d+", r"\1=150", quick)
        exec(quick, names)
    return names


@pytest.mark.long
def test_the_readme_leads_from_a_first_model_to_its_audit(
    tmp_path, monkeypatch, capsys
):
    names = run_snippets(ROOT / "README.md", tmp_path, monkeypatch)
    assert names["pictures"].shape == (64, 28, 28, 1)
    assert names["pictures"].dtype == "uint8"
    assert (tmp_path / "audit.html").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "LOGAN" in printed
    assert "Any membership inference" in printed


@pytest.mark.long
def test_the_page_on_training_runs(tmp_path, monkeypatch):
    run_snippets(ROOT / "docs" / "training.md", tmp_path, monkeypatch)
    assert len(list((tmp_path / "grids").glob("*.png"))) == 1
    assert (tmp_path / "my_preset").is_dir()
    assert (tmp_path / "generator" / "generator.json").is_file()
    assert (tmp_path / "generator.onnx").is_file()


@pytest.mark.long
def test_the_page_on_audits_runs(tmp_path, monkeypatch):
    names = run_snippets(ROOT / "docs" / "audit.md", tmp_path, monkeypatch)
    assert names["report"].done
    assert (tmp_path / "audit.html").stat().st_size > 10_000


@pytest.mark.long
def test_the_page_on_extending_runs(tmp_path):
    """Its file, its lines and its suite, in processes that know of nothing else."""
    use = write_extending(tmp_path)

    def run(*words):
        paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        environment = {**os.environ, "PYTHONPATH": paths}
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    assert "Distance to the mean sample" in run("-c", use)
    run("-m", "keras_mixup_gan", *commands("extending.md")[-1])
    folder = tmp_path / "runs" / "calm"
    names = {path.name for path in folder.glob("report.*")}
    assert names == {"report.md", "report.html", "report.json", "report.png"}
    cells = read_results(folder / "results.json").cells
    assert {cell.arm for cell in cells} == {"undefended", "calm"}
    for cell in cells:
        assert cell.last.done.keys() == {"logan", "gan_leaks", "mean_distance"}
    assert "Calm discriminator" in (folder / "report.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_and_files_it_names_exist(page):
    text = page.read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make (\w+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for module in re.findall(r"python -m (benchmarks\.\w+)", text):
        assert importlib.util.find_spec(module) is not None, module
    for link in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (page.parent / link).exists(), link


def test_the_readme_can_be_read_at_a_sitting():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150
