"""`keras-mixup-gan generate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from keras_mixup_gan.cli.console import MODEL_HELP, Console, read_model


def generate(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    num: Annotated[int, typer.Option(help="Number of images.")] = 64,
    out: Annotated[
        Path,
        typer.Option(
            help="A .png file for one picture of all, an .npz file for arrays, or a "
            "folder for one file each."
        ),
    ] = Path("grid.png"),
    seed: Annotated[int, typer.Option(help="Seed of the images.")] = 0,
    labels: Annotated[
        str | None,
        typer.Option(help="Classes such as 3 or 0,1,2, taken in turn."),
    ] = None,
    truncation: Annotated[
        float, typer.Option(help="Below 1: more typical, less diverse.")
    ] = 1.0,
    format: Annotated[
        str | None,
        typer.Option(help="dpimagebench: an .npz file for that benchmark to evaluate."),
    ] = None,
) -> None:
    """Generates images with a trained model."""
    import numpy as np

    from keras_mixup_gan.validation import check_integer

    check_integer(1, num=num)
    classes = None
    if labels is not None:
        classes = np.resize(_classes(labels), num)
    trained = read_model(model, compile=False)
    if format is not None:
        from keras_mixup_gan.models.samples import export_samples

        export_samples(
            *(trained, out, num, classes, seed), truncation=truncation, format=format
        )
        Console().say(f"wrote {out}")
        return
    _check(out, trained.image_shape[-1])
    if classes is None and trained.num_classes is not None and out.suffix == ".npz":
        from keras_mixup_gan.models.portions import latents_and_classes

        # Those that are drawn anyway, which the file then tells.
        _, classes = latents_and_classes(
            num, seed, 0, trained.latent_dim, trained.num_classes
        )
    images = trained.generate(num, classes, seed, truncation=truncation)
    _write(out, images, classes)
    Console().say(f"wrote {out}")


def _classes(labels: str) -> list[int]:
    try:
        return [int(label) for label in labels.split(",")]
    except ValueError:
        raise ValueError(
            "`--labels` must be whole numbers, separated by commas. Received: "
            f"labels={labels!r}. Write e.g. `--labels 0,1,2`."
        ) from None


def _check(out: Path, channels: int) -> None:
    """Raises unless images of so many channels can be written to this path."""
    from keras_mixup_gan import storage

    if out.suffix == ".npz":
        return
    if channels not in (1, 3):
        raise ValueError(
            "Pictures are gray or RGB. Expected images of 1 or 3 channels. Received: "
            f"{channels}. Write arrays, `--out images.npz`."
        )
    if not out.suffix:
        storage.check_empty(out)
    elif out.suffix != ".png":
        raise ValueError(
            "Images are written as one .png file, as an .npz file, or into a folder. "
            f"Received: out={str(out)!r}. Leave the suffix out for a folder."
        )


def _write(out: Path, images: Any, labels: Any) -> None:
    """Writes images in the form that the path asks for."""
    from keras_mixup_gan import storage
    from keras_mixup_gan.reports import render

    if out.suffix == ".npz":
        named = {} if labels is None else {"labels": labels}
        storage.write_arrays(out, {"images": images, **named})
        return
    if out.suffix == ".png":
        storage.write_file(out, render.png(render.tile(images), 448))
        return
    for number, image in enumerate(images):
        file = out / f"{number:06}.png"
        storage.write_file(file, render.png(render.tile(image[None], 1)))
