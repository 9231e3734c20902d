"""`keras-mixup-gan compare`."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_mixup_gan.cli.console import (
    Progress,
    printable,
    resumable,
)
from keras_mixup_gan.process import load_tensorflow
from keras_mixup_gan.registry import loaded_plugins

# Processes that train and attack take a gigabyte or more each.
MOST_JOBS = 4


@resumable
def compare(
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for results; by default runs/ and the suite's name."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="digits, patches, tfds:NAME, a folder or an .npz file."),
    ] = None,
    members: Annotated[
        int | None, typer.Option(help="Number of training images.")
    ] = None,
    non_members: Annotated[
        int | None, typer.Option(help="Number of images to tell them from.")
    ] = None,
    reference: Annotated[
        int | None, typer.Option(help="Number of reference and held-out images.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Height and width to bring images to, in RGB.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Training steps of every arm.")
    ] = None,
    noise_multiplier: Annotated[
        float | None, typer.Option(help="Noise of DP-SGD, without a target.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of everything, the only one.")
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="compare (the default), quick, smoke, paper, full, dp, noise_once, "
            "cifar10, celeb_a, or a .toml file."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Cells at the same time; -1 for all cores. By default up to four "
            "where one core computes a cell, else one."
        ),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler that computes the cells.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look in two minutes.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the settings and stop.")
    ] = False,
) -> None:
    """Trains models undefended and with defenses, and attacks them alike.

    By default a DCGAN undefended, with mixup and with DP-SGD; a suite may hold many
    models, defenses, training set sizes and seeds. Stopped at any moment, the same
    command continues where it was.
    """
    load_tensorflow()
    from keras_mixup_gan import experiments
    from keras_mixup_gan.reports import comparison
    from keras_mixup_gan.storage import check_outside

    if quick and suite is not None:
        raise ValueError(
            "A first look is a suite of its own. Expected `--quick` or `--suite`. "
            f"Received: both, suite={suite!r}. Leave one out."
        )
    if jobs is not None and scheduler is not None:
        raise ValueError(
            "A cluster has as many workers as it has. Expected `--jobs` or "
            f"`--scheduler`. Received: jobs={jobs}, scheduler={scheduler!r}. Leave one "
            "out."
        )
    name = "quick" if quick else suite or "compare"
    plugins = [plugin for plugin, _ in loaded_plugins()]  # before the suite's own
    settings = experiments.Suite.read(name).changed(
        data=data,
        members=members,
        non_members=non_members,
        reference=reference,
        image_size=image_size,
        steps=steps,
        noise_multiplier=noise_multiplier,
        seed=seed,
        plugins=plugins,
    )
    out = out or Path("runs") / settings.name
    check_outside(out, data=settings.data.data)
    if dry_run:
        print(json.dumps({"out": str(out), **dataclasses.asdict(settings)}, indent=1))
        return
    progress = Progress()

    def write(results: experiments.SuiteResults) -> None:
        try:
            for path in comparison.save(results, out):
                progress.say(f"wrote {path}")
        except ImportError as error:  # an extra, for pages alone
            progress.say(f"no page: {error}")
        print(printable(comparison.to_text(results)))

    experiments.run_grid(
        settings,
        out,
        n_jobs=_jobs(settings, scheduler) if jobs is None else jobs,
        scheduler=scheduler,
        say=progress.say,
        progress=progress,
        write=write,
    )


def _jobs(suite: Any, scheduler: str | None) -> int:
    """How many cells to compute here at the same time: it changes no numbers."""
    import joblib

    if scheduler is not None or not suite.one_core:
        return 1
    return min(MOST_JOBS, joblib.cpu_count())
