"""The pages of the documentation as what a reader types in: files and commands."""

import json
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks(page, language):
    """The blocks of a page in a language, as text."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def commands(page):
    """The commands of a page, as words after `keras-mixup-gan`."""
    shell = "".join(blocks(page, "sh")).replace("\\\n", " ")
    found = (shlex.split(line, comments=True) for line in shell.splitlines())
    return [words[1:] for words in found if words and words[0] == "keras-mixup-gan"]


def notebook_code(name):
    """The cells of a tutorial that are code."""
    path = ROOT / "docs" / "tutorials" / f"{name}.ipynb"
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]


def write_extending(folder):
    """Writes the files of the page on extending, its suite quick; returns its lines."""
    *parts, use = blocks("extending.md", "python")
    (folder / "my_plugin.py").write_text("\n".join(parts))
    [suite] = blocks("extending.md", "toml")
    quick = "num_samples = 64\nnum_generated = 64\nutility = false\nseeds = [0]"
    suite = suite.replace("seeds = [0, 1, 2]", quick).replace("[200, 400]", "[2]")
    (folder / "my_suite.toml").write_text(suite)
    return f"import my_plugin\n{use}".replace("epochs=20", "epochs=1")
