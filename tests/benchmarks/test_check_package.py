import io
import re
import tarfile
import zipfile

import pytest

from benchmarks import check_package
from keras_mixup_gan.versions import __version__

NAME = f"keras_mixup_gan-{__version__}"


@pytest.fixture
def built(tmp_path):
    """Writes archives with the right files, but for those that are changed."""

    def build(without=(), more=(), version=__version__):
        names = {*check_package.wheel_files(), f"{NAME}.dist-info/METADATA"}
        wheel = tmp_path / f"keras_mixup_gan-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name in sorted((names - set(without)) | set(more)):
                archive.writestr(name, "")
        with tarfile.open(tmp_path / f"{NAME}.tar.gz", "w:gz") as archive:
            for name in {"setup.py", "pyproject.toml", "README.md", "LICENSE"}:
                if name not in without:
                    member = tarfile.TarInfo(f"{NAME}/{name}")
                    archive.addfile(member, io.BytesIO())
        return list(check_package.problems(tmp_path))

    return build


def test_a_right_build_has_no_problems(built):
    assert built() == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"without": ["keras_mixup_gan/py.typed"]}, "lacks keras_mixup_gan/py.typed"),
        ({"more": ["tests/test_x.py"]}, r"more than the package: .*'tests'"),
        ({"more": ["benchmarks/x.py"]}, r"more than the package: \['benchmarks'"),
        ({"without": ["LICENSE"]}, "lacks LICENSE"),
        ({"version": "0.0.1"}, f"is not of version {__version__}"),
        (
            {"without": ["keras_mixup_gan/zoo/recipes/dcgan/dcgan_digits/weights.npz"]},
            "lacks .*dcgan_digits/weights.npz",
        ),
        (
            {"without": ["keras_mixup_gan/experiments/suites/paper.toml"]},
            "lacks .*paper.toml",
        ),
    ],
)
def test_what_is_wrong_is_told(built, changes, problem):
    [found] = built(**changes)
    assert re.search(problem, found), found


def test_nothing_built_is_told(tmp_path):
    [found] = check_package.problems(tmp_path)
    assert "one wheel and one source archive" in found
