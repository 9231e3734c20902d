"""`keras-mixup-gan split`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from keras_mixup_gan.cli.console import Console, parse_range
from keras_mixup_gan.storage import path_of


def split(
    source: Annotated[
        str, typer.Argument(help="Folder of images; for an archive any other source.")
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder for a folder of each part, or one .npz archive."),
    ] = Path("split"),
    members: Annotated[
        int | None, typer.Option(help="Images to train on; 40 % by default.")
    ] = None,
    non_members: Annotated[
        int | None, typer.Option(help="Images to tell them from; 40 % by default.")
    ] = None,
    reference: Annotated[
        int | None, typer.Option(help="Images for the attacker; 20 % by default.")
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(help="Height and width, for an archive; channels are kept."),
    ] = None,
    value_range: Annotated[
        str | None,
        typer.Option(help="What black and white are, where pixels have 12 or 16 bits."),
    ] = None,
    coins: Annotated[
        bool,
        typer.Option(
            "--coins", help="A fair coin decides on each: audits then bound epsilon."
        ),
    ] = False,
    drop_duplicates: Annotated[
        bool, typer.Option("--drop-duplicates", help="Leave out copies of an image.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
) -> None:
    """Draws members, non-members and reference from one set of images.

    Folders get copies of the files as they are, by the same names and in the same
    classes. Parts of an archive are read as `split.npz:members`,
    `split.npz:non_members` and `split.npz:reference`. `split.json` says how they were
    drawn.
    """
    from keras_mixup_gan.data.drawing import write_archive, write_folders
    from keras_mixup_gan.storage import check_outside

    check_outside(out, source=source)
    draw: dict[str, Any] = {
        "members": members,
        "non_members": non_members,
        "reference": reference,
        "seed": seed,
        "membership": "coin" if coins else "fixed",
        "drop_duplicates": drop_duplicates,
    }
    if out.suffix == ".npz":
        ends = parse_range(value_range)
        numbers = write_archive(source, out, image_size, ends, **draw)
    elif image_size is not None or value_range is not None:
        raise ValueError(
            "Files are copied as they are. Expected `--image-size` and `--value-range` "
            f"for an archive. Received: out={str(out)!r}. Give them to `train` and "
            "`audit`, or write `--out split.npz`."
        )
    else:
        numbers = write_folders(path_of(source), out, **draw)
    words = ", ".join(f"{number} {role}" for role, number in numbers.items())
    Console().say(f"wrote {out}: {words.replace('_', '-')}")
