"""`keras-mixup-gan train`."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mixup_gan.cli.console import Console, resumable


@resumable
def train(
    model: Annotated[
        str, typer.Argument(help="Family: dcgan, wgan_gp or stylegan_lite.")
    ],
    data: Annotated[
        str, typer.Option(help="digits, patches, tfds:NAME, a folder or an .npz file.")
    ] = "digits",
    mixup: Annotated[
        str,
        typer.Option(
            help="none, true (the recipe's), augmented, paper, or settings such as "
            "alpha=8,noise_stddev=1."
        ),
    ] = "none",
    dp_noise: Annotated[
        float | None,
        typer.Option(help="DP-SGD: noise in units of the clipping norm."),
    ] = None,
    dp_clip: Annotated[
        float | None, typer.Option(help="DP-SGD: the clipping norm; 1 by default.")
    ] = None,
    classes: Annotated[
        bool, typer.Option("--classes", help="Condition on the classes of the data.")
    ] = False,
    augment: Annotated[
        str | None, typer.Option(help="Such as color,translation,cutout.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the data; 50 by default.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Generator updates, in place of epochs.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images in a batch.")] = 64,
    image_size: Annotated[
        int | None, typer.Option(help="Height and width to bring images to, in RGB.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all but DP-SGD's noise.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for results; runs/MODEL by default.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the settings and stop.")
    ] = False,
) -> None:
    """Trains a GAN: checkpoints, pictures, history, model.keras and a preset.

    Stopped at any moment, the same command continues after the last whole epoch; with
    more epochs or steps, so does a finished training. A folder of other settings is
    refused.
    """
    import json

    from keras_mixup_gan.models.recipes import list_families
    from keras_mixup_gan.validation import check_choice, check_integer

    check_choice(model, list_families(), "model")
    check_integer(1, batch_size=batch_size)
    sizes = {"epochs": epochs, "steps": steps, "image_size": image_size}
    check_integer(1, **{name: n for name, n in sizes.items() if n is not None})
    if epochs is not None and steps is not None:
        raise ValueError(
            "Training ends after so many epochs or so many steps. Expected one of the "
            f"two. Received: epochs={epochs}, steps={steps}. Leave one out."
        )
    if dp_clip is not None and dp_noise is None:
        raise ValueError(
            "Clipping without noise is not DP-SGD. Expected `--dp-noise` with "
            f"`--dp-clip`. Received: dp_clip={dp_clip}, dp_noise=None. Add it, or "
            "leave `--dp-clip` out."
        )
    from keras_mixup_gan.cli import training_folder
    from keras_mixup_gan.privacy import DPSGD

    clip = 1.0 if dp_clip is None else dp_clip

    job = training_folder.resolve(
        model,
        data=data,
        image_size=image_size,
        mixup=mixup,
        dp=None if dp_noise is None else DPSGD(clip, dp_noise),
        classes=classes,
        augment=augment,
        batch_size=batch_size,
        seed=seed,
    )
    total = steps or (epochs or 50) * job.steps_per_epoch
    out = out or Path("runs") / model
    if dry_run:
        print(json.dumps({"out": str(out), "steps": total, **job.settings}, indent=1))
        return
    training_folder.run(job, total, out, Console().say)
