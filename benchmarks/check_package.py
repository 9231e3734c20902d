"""Checks that a built wheel and source archive hold what they should, and no more.

    python -m benchmarks.check_package dist

Prints what is wrong, one line each, and exits with 1 if anything is.
"""

import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from keras_mixup_gan.versions import __version__

ROOT = Path(__file__).parents[1]
PACKAGE = "keras_mixup_gan"
# Of folders of the checkout what a wheel holds, and where.
MOVED = {
    "zoo": (f"{PACKAGE}/zoo/recipes", ("recipe.toml", "card.md", "preset.json")),
    "benchmarks/suites": (f"{PACKAGE}/experiments/suites", (".toml",)),
}
MAX_BYTES = 40_000_000


def problems(dist: Path) -> Iterator[str]:
    """What is wrong with a folder of archives, a sentence each."""
    wheels, sources = list(dist.glob("*.whl")), list(dist.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sources) != 1:
        yield f"{dist} does not hold one wheel and one source archive"
        return
    [wheel], [source] = wheels, sources
    for archive in (wheel, source):
        if f"-{__version__}" not in archive.name:
            yield f"{archive.name} is not of version {__version__}"
        if archive.stat().st_size > MAX_BYTES:
            yield f"{archive.name} has more than {MAX_BYTES:,} bytes"
    held = set(zipfile.ZipFile(wheel).namelist())
    foreign = {name.split("/")[0] for name in held} - {PACKAGE}
    if foreign != {f"{PACKAGE}-{__version__}.dist-info"}:
        yield f"{wheel.name} holds more than the package: {sorted(foreign)}"
    wanted = set(wheel_files())
    yield from (f"{wheel.name} lacks {name}" for name in sorted(wanted - held))
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        if name not in names:
            yield f"{source.name} lacks {name}"


def wheel_files() -> Iterator[str]:
    """What a wheel must hold of the checkout."""
    for path in (ROOT / PACKAGE).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(ROOT).as_posix()
    for folder, (place, endings) in MOVED.items():
        for path in (ROOT / folder).rglob("*"):
            if path.name.endswith((*endings, "weights.npz", "manifest.json")):
                yield f"{place}/{path.relative_to(ROOT / folder).as_posix()}"


def main() -> int:
    """Prints the problems; returns the exit status."""
    found = list(problems(Path(sys.argv[1])))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
