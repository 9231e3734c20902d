"""The command line: `keras-mixup-gan --help`.

TensorFlow is imported by the commands that need it, and only when they run.
"""

import io
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_mixup_gan.cli import audit, compare, export, generate, split, train, zoo
from keras_mixup_gan.cli.console import Console as Console
from keras_mixup_gan.cli.console import Progress as Progress
from keras_mixup_gan.cli.console import printable, with_homes
from keras_mixup_gan.process import load_tensorflow, settle_tensorflow
from keras_mixup_gan.registry import load_plugins
from keras_mixup_gan.versions import __version__

settle_tensorflow()

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
COMMANDS = (split.split, train.train, generate.generate, audit.audit, export.export)
for command in (*COMMANDS, compare.compare):
    app.command()(with_homes(command))
app.add_typer(zoo.app, name="zoo")


def _tell_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_tell_version,
            help="Print the version and stop.",
        ),
    ] = False,
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            help="A module, installed or here, that registers attacks, defenses or "
            "data sets; it runs as code of yours."
        ),
    ] = None,
) -> None:
    """GANs trained on mixtures of images, and what they still give away."""
    if plugin:
        load_tensorflow()
        load_plugins(plugin, Path.cwd())


def main(*arguments: str) -> None:
    """Runs a command, by these words and those of the command line."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if isinstance(sys.stdout, io.TextIOWrapper):  # which may lack a sign, as ε
        sys.stdout.reconfigure(errors="backslashreplace")
    plainly(lambda: app([*arguments, *sys.argv[1:]], prog_name="keras-mixup-gan"))


def plainly(run: Callable[[], Any]) -> None:
    """Runs something of which what goes wrong is one sentence and a non-zero exit."""
    try:
        run()
    except (ValueError, ImportError, OSError) as error:
        print(f"Error: {printable(error)}", file=sys.stderr)
        sys.exit(2)
