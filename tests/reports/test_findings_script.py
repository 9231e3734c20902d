import json

import pytest

from benchmarks import findings
from keras_mixup_gan.experiments.results import write_results
from tests.experiments import fake_results as fake


@pytest.fixture
def written(tmp_path):
    cells = fake.family(fake.UNDEFENDED, fake.PROTECTIVE)
    made = fake.results(*cells, missing=["a/1/b/0"])
    return made, write_results(made, tmp_path / "run")


def test_the_script_prints_and_writes(written, tmp_path, monkeypatch, capsys):
    _, source = written
    argv = ["findings", str(source), "--out", str(tmp_path / "a")]
    monkeypatch.setattr("sys.argv", argv)
    findings.main()
    printed = capsys.readouterr().out
    assert "DCGAN, 250 members" in printed
    assert "Not run yet: a/1/b/0" in printed
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        *("findings.md", "findings.html", "frontier.json", "frontier-grid.png"),
    }
    numbers = json.loads((tmp_path / "a" / "frontier.json").read_text("utf-8"))
    rows = numbers["families"][0]["arms"][1]["at_quality"]
    assert {row["verdict"] for row in rows} == {"LEAKS_LESS"}
    picture = (tmp_path / "a" / "frontier-grid.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
