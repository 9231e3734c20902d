"""What made a number: the version of the results, the software, and the source."""

import contextlib
import functools
import platform
import subprocess
from importlib import metadata
from pathlib import Path

__version__ = "0.2.0"  # its only place
# Raised by hand by whoever changes a number that the library computes from the same
# data, settings and seed. Results of another version are never mixed with new ones,
# but for the arms of `benchmarks.defense`, each of which tells its own.
RESULTS_VERSION = 2
# The release that first gave these numbers: later ones continue its results.
_SAME_NUMBERS_SINCE = "0.2.0"


def software_versions() -> dict[str, str]:
    """Versions of the software that numbers may depend on, where installed."""
    ours = {"keras_mixup_gan": __version__, "python": platform.python_version()}
    return ours | versions_of("keras", "numpy", "scipy", "tensorflow")


def versions_of(*packages: str) -> dict[str, str]:
    """Versions of packages, of those that are installed."""
    versions = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def versions_of_numbers() -> dict[str, str]:
    """Those by which results are kept apart: of this library, who gave them first."""
    return software_versions() | {"keras_mixup_gan": _SAME_NUMBERS_SINCE}


@functools.cache
def git_revision() -> str | None:
    """The commit of the checkout, if there is one, with `+` if files were changed."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    described = ("git", "-C", str(root), "describe", "--always", "--abbrev=40")
    try:
        output = subprocess.run(
            [*described, "--dirty=+"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return output.stdout.strip()
