"""The README's snippets run, in order, as a newcomer would paste them."""

import importlib.util
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def snippets():
    return re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


def test_the_snippets_run_in_order(tmp_path, monkeypatch, capsys):
    if importlib.util.find_spec("tensorflow_privacy") is None:
        pytest.skip("needs the dp extra")
    monkeypatch.chdir(tmp_path)
    names = {}
    assert len(snippets()) >= 3
    for snippet in snippets():
        # One epoch on few images shows that it runs.
        quick = re.sub(r"(epochs|every)=\d+", r"\1=1", snippet)
        exec(re.sub(r"(num_\w*(members|reference))=\d+", r"\1=150", quick), names)
    assert names["pictures"].shape == (64, 28, 28, 1)
    assert names["pictures"].dtype == "uint8"
    assert (tmp_path / "audit.html").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "LOGAN" in printed
    assert "Any membership inference" in printed
    assert len(list((tmp_path / "grids").glob("*.png"))) == 1


def test_the_commands_it_names_exist():
    text = README.read_text("utf-8")
    makefile = (README.parent / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make (\w+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
