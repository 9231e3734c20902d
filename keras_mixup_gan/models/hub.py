"""The Hugging Face Hub: repositories of models, by `hf://owner/name`."""

import contextlib
import importlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_mixup_gan.versions import __version__

PREFIX = "hf://"
_LIBRARY = {"library_name": "keras-mixup-gan", "library_version": __version__}
# Two names, or words between slashes: none may begin with a dot, or go up by two.
_REPOSITORY = r"(?!.*(?:\.\.|--))[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
_REVISION = r"(?!.*\.\.)[A-Za-z0-9][\w.-]*(?:/\w[\w.-]*)*"


def check_repository(repo_id: str) -> None:
    """Raises unless this names a repository by its owner and its name."""
    if not isinstance(repo_id, str) or not _matches(_REPOSITORY, repo_id):
        raise ValueError(
            "A repository is named by its owner and its name. Expected e.g. "
            f"'owner/name', of letters, digits and '-_.'. Received: {repo_id!r}."
        )


def download(address: str, names: Sequence[str]) -> Path:
    """The folder with these files of `hf://owner/name`, or of a revision behind an `@`.

    Nothing else of the repository is taken. The folder, in the Hub's own cache, has the
    name of the commit.
    """
    repo_id, at, revision = address.removeprefix(PREFIX).partition("@")
    check_repository(repo_id)
    if at and not _matches(_REVISION, revision):
        raise ValueError(
            "What follows the @ is a revision. Expected a branch, a tag or a commit. "
            f"Received: {address!r}."
        )
    arguments = {"revision": revision or None, "allow_patterns": list(names)}
    hub = library()
    with asking(address):
        folder = Path(hub.snapshot_download(repo_id, **arguments, **_LIBRARY))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"The repository {address!r} holds no preset. Expected "
            f"{' and '.join(names)}, as `model.save_to_preset(folder)` writes them. "
            f"Received: no {' and no '.join(missing)}. Ask for another one."
        )
    return folder


def client(token: str | None) -> Any:
    """What creates repositories and uploads files."""
    return library().HfApi(token=token, **_LIBRARY)


def library() -> Any:
    """The module `huggingface_hub`, which is an extra."""
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ImportError(
            f"The Hub needs huggingface_hub, which is not usable here ({error}). "
            "Install it with `pip install 'keras-mixup-gan[hub]'`."
        ) from error


@contextlib.contextmanager
def asking(what: str) -> Iterator[None]:
    """Turns whatever goes wrong between here and the Hub into one sentence."""
    try:
        yield
    # The client reports a missing repository, a missing right and a missing network
    # by exception types that have no base in common.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ValueError(
            f"The Hub did not do what was asked ({reason}). Expected a repository that "
            f"is there for you. Received: {what!r}. Check its name, the network, and "
            "that `hf auth login` knows you."
        ) from error


def _matches(pattern: str, text: str) -> bool:
    return len(text) <= 96 and re.fullmatch(pattern, text, re.ASCII) is not None
