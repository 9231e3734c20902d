"""The notebooks run, cell by cell; the first page claims what was published alone."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from keras_mixup_gan.attacks import base
from tests.command_line import run
from tests.guides import notebook_code

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted((DOCS / "tutorials").glob("*.ipynb"))


@pytest.fixture
def play(tmp_path, monkeypatch, capsys):
    """Runs a notebook in an empty folder; returns its names and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(base, "ATTACKS", base.ATTACKS.copy())

    def play(name):
        names, printed = {}, ""
        for text in notebook_code(name):
            if text.startswith("!keras-mixup-gan "):
                words = shlex.split(text.replace("\\\n", " "))
                code, output = run(monkeypatch, capsys, *words[1:])
                assert code == 0, output.err
                printed += output.out
            else:
                exec(text, names)
        return names, printed + capsys.readouterr().out

    return play


@pytest.mark.long
def test_from_a_folder_to_a_generator(play, tmp_path):
    names, printed = play("hospital")
    assert "first look" in printed
    assert (tmp_path / "runs" / "audit" / "audit.html").stat().st_size > 10_000
    assert names["images"].shape[0] == 16
    assert np.abs(names["images"]).max() <= 1
    [node] = onnxruntime.InferenceSession(tmp_path / "generator.onnx").get_outputs()
    assert node.shape[1:] == list(names["images"].shape[1:])


@pytest.mark.long
def test_the_audit_of_a_foreign_generator(play, tmp_path):
    names, _ = play("own_generator")
    assert names["report"].strongest.auc > 0.8
    assert names["of_samples"].strongest.auc > 0.8
    assert names["of_file"].strongest.auc < 0.6
    assert (tmp_path / "audit.html").stat().st_size > 10_000


@pytest.mark.long
def test_a_new_idea_compared(play):
    names, printed = play("new_idea")
    assert [row[0] for row in names["rows"]] == list(names["arms"])
    assert all(0 <= auc <= 1 for row in names["rows"] for auc in row[2:])
    assert names["model"].ema_momentum == 0.8
    assert "short averaging" in printed


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_it_printed(notebook):
    content = json.loads(notebook.read_text("utf-8"))
    text = ""
    for cell in content["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        text += "".join(cell["source"])
    for link in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (notebook.parent / link).exists(), link


def test_the_first_page_has_no_figure_of_its_own():
    pages = (DOCS.parent / "README.md", DOCS / "comparison.md")  # made of results
    published = " ".join(path.read_text("utf-8") for path in pages)
    published = " ".join(published.replace("\\", "").split())
    page = (DOCS / "index.md").read_text("utf-8")
    table = re.search(r"^\| You.*?\n\n", page, re.M | re.S)[0]
    assert len(re.findall(r"^\|", table, re.M)) == 8
    for figure in re.findall(r"\d+\.\d+(?: \[.*?\])?", page):
        assert figure in published, figure
