"""`keras-mixup-gan train`."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mixup_gan.cli.console import (
    Console,
    Work,
    parse_range,
    resumable,
)
from keras_mixup_gan.process import load_tensorflow


@resumable
def train(
    model: Annotated[
        str, typer.Argument(help="Family: dcgan, wgan_gp or stylegan_lite.")
    ],
    data: Annotated[
        str | None,
        typer.Option(help="A folder, an .npz file, tfds:NAME, or digits for a try."),
    ] = None,
    mixup: Annotated[
        str,
        typer.Option(
            help="none, true (the recipe's), augmented, noisy, paper, or settings such "
            "as alpha=8,noise_stddev=1."
        ),
    ] = "none",
    dp_noise: Annotated[
        float | None,
        typer.Option(help="DP-SGD: noise in units of the clipping norm."),
    ] = None,
    target_epsilon: Annotated[
        float | None,
        typer.Option(help="DP-SGD with the noise that spends so much, or less."),
    ] = None,
    delta: Annotated[
        float | None,
        typer.Option(help="Of that; a tenth of one over the images by default."),
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
        int | None,
        typer.Option(help="Height and width to bring images to; channels are kept."),
    ] = None,
    value_range: Annotated[
        str | None,
        typer.Option(help="What black and white are, where pixels have 12 or 16 bits."),
    ] = None,
    monitor: Annotated[
        str | None,
        typer.Option(
            help="Images that are not trained on, by which quality and leak are logged."
        ),
    ] = None,
    monitor_every: Annotated[
        int | None, typer.Option(help="Epochs between measurements; 10 by default.")
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            help="What the leak is measured for: everything, or by default generator."
        ),
    ] = None,
    grid_every: Annotated[
        int | None,
        typer.Option(help="Epochs between pictures; twenty to forty by default."),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write its logs to the folder too.")
    ] = False,
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
    if monitor is None and (monitor_every, release) != (None, None):
        raise ValueError(
            "Quality and leak are measured by images that are not trained on. Expected "
            "`--monitor` with `--monitor-every` or `--release`. Received: "
            f"monitor_every={monitor_every}, release={release} alone."
        )
    release = release or "generator"
    check_choice(release, ("generator", "everything"), "release")
    check_integer(1, batch_size=batch_size)
    sizes = {"epochs": epochs, "steps": steps, "image_size": image_size}
    sizes |= {"grid_every": grid_every, "monitor_every": monitor_every}
    if data is None:
        raise ValueError(
            "There is nothing to train on. Expected `--data` with a folder of images "
            "or an .npz file. Received: no data. For a first try add `--data digits`."
        )
    check_integer(1, **{name: n for name, n in sizes.items() if n is not None})
    if epochs is not None and steps is not None:
        raise ValueError(
            "Training ends after so many epochs or so many steps. Expected one of the "
            f"two. Received: epochs={epochs}, steps={steps}. Leave one out."
        )
    noise = {"dp_noise": dp_noise, "target_epsilon": target_epsilon}
    if all(value is not None for value in noise.values()):
        raise ValueError(
            "The noise is given or follows from a target. Expected `--dp-noise` or "
            f"`--target-epsilon`. Received: dp_noise={dp_noise}, target_epsilon="
            f"{target_epsilon}. Leave one out."
        )
    if dp_clip is not None and all(value is None for value in noise.values()):
        raise ValueError(
            "Clipping without noise is not DP-SGD. Expected `--dp-noise` or "
            f"`--target-epsilon` with `--dp-clip`. Received: dp_clip={dp_clip}, "
            "dp_noise=None. Add it, or leave `--dp-clip` out."
        )
    if delta is not None and target_epsilon is None:
        raise ValueError(
            "Delta belongs to a target. Expected `--target-epsilon` with `--delta`. "
            f"Received: delta={delta}, target_epsilon=None. Leave it out."
        )
    ends = parse_range(value_range)
    load_tensorflow()
    from keras_mixup_gan.cli import training_folder, watching
    from keras_mixup_gan.privacy import DPSGD

    clip = 1.0 if dp_clip is None else dp_clip

    def private(num_images: int) -> DPSGD | None:
        if target_epsilon is None:
            return None if dp_noise is None else DPSGD(clip, dp_noise)
        share = 0.1 / num_images if delta is None else delta
        return DPSGD(clip, target_epsilon=target_epsilon, delta=share)

    job = training_folder.resolve(
        model,
        data=data,
        image_size=image_size,
        mixup=mixup,
        dp=private,
        classes=classes,
        augment=augment,
        batch_size=batch_size,
        seed=seed,
        value_range=ends,
    )
    total = steps or (epochs or 50) * job.steps_per_epoch
    if target_epsilon is not None and total % job.steps_per_epoch:
        raise ValueError(
            "The noise is calibrated to whole epochs. Expected `--epochs`, or a "
            f"multiple of {job.steps_per_epoch} steps. Received: steps={steps}. "
            "Round it."
        )
    out = out or Path("runs") / model
    if dry_run:
        print(json.dumps({"out": str(out), "steps": total, **job.settings}, indent=1))
        return
    say = Console().say
    if job.model.mixup is None and job.model.dp is None and augment is None:
        say(
            "No defense: what is trained now may give its training images away. Add "
            "`--mixup true`, an empirical defense that guarantees nothing, or "
            "`--target-epsilon 10`, which is a guarantee."
        )
    watch = watching.Watch(
        monitor=monitor,
        monitor_every=monitor_every or 10,
        release=release,
        grid_every=grid_every,
        tensorboard=tensorboard,
        value_range=ends,
    )
    with Work() as work:
        training_folder.run(job, total, out, say, watch, work.at)
