"""What the commands share: the models they take, what they say, how they stop."""

import contextlib
import functools
import signal
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from keras_mixup_gan.process import handled, load_tensorflow
from keras_mixup_gan.storage import path_of

if TYPE_CHECKING:
    from keras_mixup_gan.experiments import Cell

MODEL_HELP = (
    "A .keras file, a preset (its name, folder or hf://), or what `train` left."
)


class Console:
    """Lines on stderr, so that stdout can be piped."""

    def say(self, text: str) -> None:
        """One line; nobody has to listen."""
        with contextlib.suppress(OSError):
            # In one piece, as processes write at the same time.
            print(f"{printable(text)}\n", end="", file=sys.stderr, flush=True)


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


class Work(Console):
    """How far something long is: a bar on a terminal, and lines elsewhere.

    To be used in a `with` block. Work has phases, one after the other, of so many
    parts; what is left of a phase is told from the time that its parts took so far.
    """

    def __init__(self) -> None:
        self._began: dict[str, tuple[float, int]] = {}
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "Work":
        with contextlib.suppress(ValueError):  # a stream that was closed
            if sys.stderr is not None and sys.stderr.isatty():
                self._bar = _bar()
                self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, phase: str, done: int, total: int, text: str) -> None:
        """Tells where a phase is, with the time it took and about what is left."""
        now = time.monotonic()
        began, first = self._began.setdefault(phase, (now, done))
        if self._bar is None:
            spent, parts = now - began, done - first
            times = [f"{_clock(spent)} so far"] if parts else []
            if 0 < parts and done < total:
                times.append(f"about {_clock(spent / parts * (total - done))} left")
            self.say(" · ".join([text, ", ".join(times)]) if times else text)
            return
        if phase not in self._tasks:
            self._tasks[phase] = self._bar.add_task("", total=total, completed=done)
        shown = printable(text).replace("[", "\\[")  # rich reads marks between brackets
        self._bar.update(self._tasks[phase], completed=done, description=shown)


def _bar() -> Any:
    """A bar with elapsed time and time left."""
    from rich import console, progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("so far, about"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("left"),
        console=console.Console(stderr=True),
    )


def _clock(seconds: float) -> str:
    """Seconds as minutes and seconds, or hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def printable(text: object) -> str:
    """Text without what would command a terminal, such as in the name of a file."""
    return "".join(
        f"\\x{ord(one):02x}"
        if unicodedata.category(one) == "Cc" and one not in "\n\t"
        else one
        for one in str(text)
    )


def parse_range(text: str | None) -> tuple[float, float] | None:
    """The two ends that a `--value-range` names."""
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ValueError(
            "`--value-range` must be two numbers, what black and white are. Expected "
            f"e.g. 0,1 or 0,4095. Received: value_range={text!r}."
        ) from None
    return low, high


def resumable(command: Callable[..., None]) -> Callable[..., None]:
    """A command that, when stopped by Ctrl-C or `kill`, says that it can continue."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            with handled(signal.SIGTERM, _stop):
                command(*arguments, **options)
        except KeyboardInterrupt as stopped:
            print("Stopped. The same command continues from here.", file=sys.stderr)
            [number] = stopped.args or [signal.SIGINT]
            raise typer.Exit(128 + number) from None

    return wrapped


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt(number)


def with_homes(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose paths may begin with `~`, as after `=` no shell replaces it."""

    @functools.wraps(command)
    def wrapped(**options: Any) -> None:
        command(
            **{
                name: path_of(value) if isinstance(value, Path) else value
                for name, value in options.items()
            }
        )

    return wrapped


def read_model(model: str, *, compile: bool = True) -> Any:
    """A trained model: a `.keras` file, a preset, or what `train` left in a folder."""
    load_tensorflow()
    from keras_mixup_gan import zoo
    from keras_mixup_gan.models.saving import load_gan

    path = path_of(model)
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
