"""What the commands share: the models they take, what they say, how they stop."""

import contextlib
import functools
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from keras_mixup_gan.experiments import Cell

MODEL_HELP = "A .keras file, a preset's name or folder, or a folder of `train`."


class Console:
    """Lines on stderr, so that stdout can be piped."""

    def say(self, text: str) -> None:
        """One line; nobody has to listen."""
        with contextlib.suppress(OSError):
            print(printable(text), file=sys.stderr, flush=True)


class Progress(Console):
    """Tells on stderr how far a comparison is."""

    _next = 0.0

    def __call__(self, cell: "Cell", step: int, message: str) -> None:
        """A line for each stage, and every ten seconds while training."""
        total = cell.checkpoints[-1]
        if message:
            self.say(f"{cell.name}: step {step} of {total}: {message}")
        elif time.monotonic() > self._next:
            self.say(f"{cell.name}: step {step} of {total}")
        else:
            return
        self._next = time.monotonic() + 10


def printable(text: object) -> str:
    """Text without what would command a terminal, such as in the name of a file."""
    return "".join(
        f"\\x{ord(one):02x}"
        if unicodedata.category(one) == "Cc" and one not in "\n\t"
        else one
        for one in str(text)
    )


def resumable(command: Callable[..., None]) -> Callable[..., None]:
    """A command that, when stopped by Ctrl-C, says that it can continue."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt:
            print("Stopped. The same command continues from here.", file=sys.stderr)
            raise typer.Exit(130) from None

    return wrapped


def read_model(model: str, *, compile: bool = True) -> Any:
    """A trained model: a `.keras` file, a preset, or what `train` left in a folder."""
    from keras_mixup_gan import zoo
    from keras_mixup_gan.models.saving import load_gan

    path = Path(model).expanduser()
    if (path / "train.json").is_file():
        path = path / "model.keras"
        if not path.is_file():
            raise ValueError(
                f"The training in {model!r} has not ended. Expected a model.keras "
                f"there. Received: model={model!r}. Give the same `train` command "
                "again, or name one of its checkpoints."
            )
    if path.suffix == ".keras" or (path.is_file() and path.suffix != ".json"):
        return load_gan(path)
    return zoo.from_preset(model, compile=compile)
