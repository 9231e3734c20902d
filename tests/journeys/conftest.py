"""An environment of its own, into which the wheel was installed as a user would."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.guides import ROOT

# Another interpreter, such as `python3.13`, takes whatever versions pip finds for it.
PYTHON = os.environ.get("JOURNEY_PYTHON", sys.executable)
EXTRAS = "report,onnx,patches"


class Environment:
    """Runs programs of a virtual environment, none of the checkout."""

    def __init__(self, folder):
        self.bin = folder / "bin"
        kept = ("HOME", "PATH", "LANG", "TMPDIR")
        self.variables = {name: os.environ[name] for name in kept if name in os.environ}

    def run(self, folder, program, *words):
        """What a program says on stdout, in a folder; anything but success fails."""
        done = subprocess.run(
            [self.bin / program, *map(str, words)],
            cwd=folder,
            env=self.variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{program} {words}: {done.stderr[-3000:]}"
        assert "Traceback" not in done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The environment; made once for all journeys."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    ignored = shutil.ignore_patterns(
        *("__pycache__", ".git", ".venv", "runs", "dist", "build", "*.egg-info")
    )
    shutil.copytree(ROOT, source, ignore=ignored)
    wheel = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, source]
    subprocess.run(wheel, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    subprocess.run([PYTHON, "-m", "venv", folder / "venv"], check=True)
    environment = Environment(folder / "venv")
    limits = ["-c", ROOT / "constraints.txt"] if PYTHON == sys.executable else []
    pip = ["pip", "install", "--quiet", "--disable-pip-version-check", *limits]
    environment.run(folder, "python", "-m", *pip, f"{built}[{EXTRAS}]")
    return environment
