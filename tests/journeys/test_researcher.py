"""The researcher: only the audit, of a generator of her own, up to the page."""

import json

import pytest

from tests.guides import commands, notebook_code

pytestmark = pytest.mark.slow

FOLDERS = """
from PIL import Image
from pathlib import Path
for name in ("members", "non_members", "reference"):
    Path(name).mkdir()
    for number, image in enumerate(getattr(split, name).images[:200]):
        pixels = ((image[..., 0] + 1) * 127.5).round().astype("uint8")
        Image.fromarray(pixels).save(f"{name}/{number}.png")
"""


def test_from_a_generator_to_a_page(installed, tmp_path):
    script = tmp_path / "tutorial.py"
    script.write_text("\n\n".join([*notebook_code("own_generator"), FOLDERS]))
    said = installed.run(tmp_path, "python", script)
    assert "AUC" in said
    assert (tmp_path / "audit.html").stat().st_size > 10_000

    [audit] = [words for words in commands("audit.md") if "--samples" in words]
    installed.run(tmp_path, "keras-mixup-gan", *audit, "--fast")
    folder = tmp_path / "runs" / "audit"
    report = json.loads((folder / "audit.json").read_text("utf-8"))
    assert report["attacks"] and report["release"] == "generator"
    assert (folder / "audit.html").stat().st_size > 10_000
