"""`keras-mixup-gan export`."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mixup_gan.cli.console import MODEL_HELP, Console, read_model
from keras_mixup_gan.process import load_tensorflow


def export(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    format: Annotated[
        str, typer.Option(help="onnx, savedmodel, or preset (weights and settings).")
    ] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option(
            help="An .onnx file, or a folder; by default named generator, here."
        ),
    ] = None,
) -> None:
    """Writes the generator alone, averaged, to be handed over.

    The discriminator, which gives most away of the training set, stays here. How the
    model was trained is told in the metadata of the file, or beside it.
    """
    load_tensorflow()
    from keras_mixup_gan.models.released import FORMATS
    from keras_mixup_gan.storage import check_empty
    from keras_mixup_gan.validation import check_choice

    check_choice(format, (*FORMATS, "preset"), "format")
    if out is None:
        out = Path("generator.onnx" if format == "onnx" else "generator")
    if format != "onnx":
        check_empty(out)
    trained = read_model(model, compile=False)
    if format == "preset":
        from keras_mixup_gan import zoo

        zoo.save_to_preset(trained, out, release="generator")
    else:
        trained.export_generator(out, format)
    Console().say(f"wrote {out}, which holds the averaged generator and nothing else")
