"""The command line: `keras-mixup-gan --help`."""

import functools
import logging
import os
import sys
import time
from collections.abc import Callable
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


def _resumable(command: Callable[..., None]) -> Callable[..., None]:
    """A command that, when stopped by Ctrl-C, says that it can go on."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt:
            print("Stopped. The same command goes on from here.", file=sys.stderr)
            raise typer.Exit(130) from None

    return wrapped


@app.command()
@_resumable
def compare(
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for results; runs/compare, or runs/quick."),
    ] = None,
    data: Annotated[
        str, typer.Option(help="digits, patches, tfds:NAME, a folder or an .npz file.")
    ] = "digits",
    members: Annotated[
        int | None, typer.Option(help="Number of training images.")
    ] = None,
    non_members: Annotated[
        int | None, typer.Option(help="Number of images to tell them from.")
    ] = None,
    reference: Annotated[
        int | None, typer.Option(help="Number of outside and held-out images.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Height and width to bring images to, in RGB.")
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

    out = out or Path("runs/quick" if quick else "runs/compare")
    given: dict[str, Any] = {
        "image_shape": (image_size, image_size, 3) if image_size else None,
        "members": members,
        "non_members": non_members,
        "reference": reference,
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
    print(compare_report.to_text(results))
    for path in compare_report.save(results, out):
        progress.say(f"wrote {path}")


@app.command()
@_resumable
def audit(
    model: Annotated[Path, typer.Argument(help="A model saved as a .keras file.")],
    members: Annotated[
        Path, typer.Option(help="Images it was trained on: a folder or an .npz file.")
    ],
    non_members: Annotated[
        Path, typer.Option(help="Images of the same kind it was not trained on.")
    ],
    reference: Annotated[
        Path | None, typer.Option(help="Outside images that the attacker knows.")
    ] = None,
    attacks: Annotated[
        str, typer.Option(help="Names of attacks, separated by commas.")
    ] = "default",
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path(
        "runs/audit"
    ),
    show_members: Annotated[
        bool,
        typer.Option(
            "--show-members", help="Show the most exposed training images on the page."
        ),
    ] = False,
) -> None:
    """Attacks a saved model and reports what it gives away about its members.

    Images are brought to the model's shape as `data.load_images` does. Stopped at any
    moment, the same command goes on with the attacks that are missing. The folder
    `scores` of the report says who was a member: keep it like the images themselves.
    """
    from keras_mixup_gan import attacks as library

    say = _Console().say
    say(f"reading {model} and the images")
    target, (inside, outside, known) = _read_audit(
        model, members, non_members, reference
    )
    report = library.audit(
        target,
        inside,
        outside,
        reference=known,
        attacks="default" if attacks == "default" else _names(attacks),
        seed=seed,
        progress=lambda title, done, total: say(
            f"attack {done + 1} of {total}: {title}" if title else "reporting"
        ),
        folder=out / "scores",
    )
    print(report)
    for suffix in (".json", ".npz", ".md", ".html"):
        path = out / f"audit{suffix}"
        say(f"wrote {report.save(path, show_members=show_members)}")


def _read_audit(
    path: Path, members: Path, non_members: Path, reference: Path | None
) -> tuple[Any, list[Any]]:
    """The model, and members, non-members and reference (or None) for `audit`."""
    from keras_mixup_gan.data import load_images
    from keras_mixup_gan.models.loading import load_gan

    model: Any = load_gan(path)
    sources = [members, non_members, *([] if reference is None else [reference])]
    loaded = [load_images(source, image_shape=model.image_shape) for source in sources]
    missing = [None] * (3 - len(sources))
    if model.num_classes is None:
        return model, [*(part.images for part in loaded), *missing]
    classes = [_class_folders(source) for source in sources if source.is_dir()]
    unlabelled = [
        str(source)
        for source, part in zip(sources, loaded, strict=True)
        if part.labels is None
    ]
    if unlabelled or any(names != classes[0] for names in classes):
        raise ValueError(
            "The model is conditional and needs the class of every image. Expected "
            "the same sub-folder for each class in all folders, or labels in the .npz "
            f"files. Received: {', '.join(unlabelled) or 'folders of other classes'}."
        )
    return model, [*((part.images, part.labels) for part in loaded), *missing]


def _class_folders(folder: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith((".", "__MACOSX"))
    )


def _names(attacks: str) -> list[str]:
    return [name.strip() for name in attacks.split(",") if name.strip()]


class _Console:
    """Lines on stderr, so that stdout can be piped."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(text, markup=False, soft_wrap=True)


class Progress(_Console):
    """Tells on stderr how far a comparison is."""

    def __init__(self) -> None:
        super().__init__()
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


def main(*arguments: str) -> None:
    """Runs a command; what goes wrong is one sentence and a non-zero exit.

    Args:
        *arguments: Words to put before those of the command line.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        app([*arguments, *sys.argv[1:]])
    except (ValueError, ImportError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
