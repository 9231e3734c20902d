"""`keras-mixup-gan compare`."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_mixup_gan.cli.console import Progress, resumable


@resumable
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
    suite: Annotated[
        str | None,
        typer.Option(help="Run a grid instead: smoke, paper, full, or a .toml file."),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Cells of a grid at the same time; -1 for all cores.")
    ] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler that computes a grid's cells.")
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(help="Cells of a grid that this other code made count too."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look in three minutes.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the settings and stop.")
    ] = False,
) -> None:
    """Trains a DCGAN undefended, with mixup and with DP-SGD, and attacks them alike.

    With a suite: many models, defenses, training set sizes and seeds. Stopped at any
    moment, the same command goes on where it was.
    """
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
    if suite is not None:
        settings_given = {**given, "steps": steps, "quick": quick or None}
        settings_given |= {"data": None if data == "digits" else data}
        settings_given |= {"seed": seed or None}
        _compare_suite(
            suite, out, jobs, scheduler, accept or [], dry_run, settings_given
        )
        return
    from keras_mixup_gan.experiments import Comparison, run_comparison
    from keras_mixup_gan.reports import compare_report

    out = out or Path("runs/quick" if quick else "runs/compare")
    settings = Comparison.quick(**given) if quick else Comparison(**given)
    if steps is not None:
        settings = settings.stopped_at(steps)
    if dry_run:
        print(json.dumps({"out": str(out), **dataclasses.asdict(settings)}, indent=1))
        return
    progress = Progress()
    results = run_comparison(settings, out, progress)
    print(compare_report.to_text(results))
    for path in compare_report.save(results, out):
        progress.say(f"wrote {path}")


def _compare_suite(
    name: str,
    out: Path | None,
    jobs: int,
    scheduler: str | None,
    accept: list[str],
    dry_run: bool,
    others: dict[str, Any],
) -> None:
    """Runs a suite's grid and tells what came of it."""
    from keras_mixup_gan.experiments import Suite, run_grid

    given = [key for key, value in others.items() if value is not None]
    if given:
        raise ValueError(
            "A suite brings its own settings. Expected none beside it but --out, "
            f"--jobs, --scheduler and --dry-run. Received: {', '.join(given)}. Write "
            "them into a .toml file of your own."
        )
    suite = Suite.read(name)
    out = out or Path("runs") / suite.name
    if dry_run:
        print(json.dumps({"out": str(out), **suite.to_dict()}, indent=1))
        return
    progress = Progress()
    run_grid(
        suite, out, n_jobs=jobs, scheduler=scheduler, accept=accept, say=progress.say
    )
    progress.say(f"wrote {out / 'results.json'}")
