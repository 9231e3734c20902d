"""The student: a defense, an attack and a data set of her own, up to the page."""

import json

import pytest

from tests.guides import commands, write_extending

pytestmark = pytest.mark.slow


def test_from_the_guide_to_the_page(installed, tmp_path):
    use = write_extending(tmp_path)
    place = installed.run(
        *(tmp_path, "python", "-c"),
        "import importlib.util as u, keras_mixup_gan as k\n"
        "print(k.__file__); assert u.find_spec('benchmarks') is None",
    )
    assert "site-packages" in place
    assert "Distance to the mean sample" in installed.run(tmp_path, "python", "-c", use)
    train, listed, compare = commands("extending.md")
    train[train.index("--epochs") + 1] = "1"
    installed.run(tmp_path, "keras-mixup-gan", *train)
    assert (tmp_path / "runs" / "rings" / "model.keras").is_file()
    assert "mean_distance" in installed.run(tmp_path, "keras-mixup-gan", *listed)
    said = installed.run(tmp_path, "keras-mixup-gan", *compare)
    assert "Calm discriminator" in said
    folder = tmp_path / "runs" / "calm"
    assert "Calm discriminator" in (folder / "report.html").read_text("utf-8")
    numbers = json.loads((folder / "report.json").read_text("utf-8"))
    [family] = numbers["families"]
    assert {arm["arm"] for arm in family["arms"]} == {"undefended", "calm"}
