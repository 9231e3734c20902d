"""The command line: `keras-mixup-gan --help`."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from keras_mixup_gan.experiments import Cell

# TensorFlow greets with a dozen lines about the machine.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

app = typer.Typer(
    help="GANs trained on mixtures of images, and what they still give away.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _commands() -> None:
    """Keeps `compare` a sub-command while it is the only one."""


@app.command()
def compare(
    out: Annotated[Path, typer.Option(help="Folder for results.")] = Path(
        "runs/compare"
    ),
    data: Annotated[
        str, typer.Option(help="digits, patches, tfds:NAME, a folder or an .npz file.")
    ] = "digits",
    members: Annotated[
        int | None, typer.Option(help="Number of training images.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Discriminator steps of every arm.")
    ] = None,
    noise_multiplier: Annotated[
        float | None, typer.Option(help="Noise of the DP-SGD arm.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look in three minutes.")
    ] = False,
) -> None:
    """Trains a DCGAN undefended, with mixup and with DP-SGD, and attacks them alike.

    Stopped at any moment, the same command goes on where it was.
    """
    from keras_mixup_gan.experiments import Comparison, run_comparison
    from keras_mixup_gan.reports import compare_report

    given: dict[str, Any] = {
        "members": members,
        "noise_multiplier": noise_multiplier,
        "data": data,
        "seed": seed,
    }
    given = {name: value for name, value in given.items() if value is not None}
    settings = Comparison.quick(**given) if quick else Comparison(**given)
    if steps is not None:
        settings = settings.stopped_at(steps)
    progress = Progress()
    results = run_comparison(settings, out, progress)
    paths = compare_report.save(results, out)
    print(compare_report.to_text(results))
    for path in paths:
        progress.say(f"wrote {path}")


class Progress:
    """Tells on stderr how far a comparison is."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._next = 0.0

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

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(text, markup=False, soft_wrap=True)


def main(*arguments: str) -> None:
    """Runs a command; what goes wrong is one sentence and a non-zero exit.

    Args:
        *arguments: Words to put before those of the command line.
    """
    try:
        app([*arguments, *sys.argv[1:]])
    except (ValueError, ImportError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        sys.exit(130)
