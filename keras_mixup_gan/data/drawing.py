"""Splits as files: members, non-members and reference, in folders or one archive."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.data.choosing import choose, first_copies
from keras_mixup_gan.data.folders import checked_names, image_names
from keras_mixup_gan.data.images import DeepImageError, read_image
from keras_mixup_gan.data.sources import find_source, load_images
from keras_mixup_gan.data.splits import image_keys
from keras_mixup_gan.storage import (
    check_empty,
    digest_arrays,
    digest_file,
    read_json,
    write_arrays,
    write_json,
    writing,
)
from keras_mixup_gan.typing import IntArray
from keras_mixup_gan.validation import ValueRange

_SHARES = {"members": 0.4, "non_members": 0.4, "reference": 0.2}
DRAWN = "split.json"


def write_folders(folder: Path, out: Path, **draw: Any) -> dict[str, int]:
    """Copies the files of a folder into one folder for each part, by the same names.

    Images may be of many shapes; copies of an image are known by their pixels.
    """
    if not folder.is_dir():
        raise ValueError(
            "Files are drawn from a folder. Expected a folder of images. Received: "
            f"source={str(folder)!r}. Write an archive, `--out split.npz`."
        )
    check_empty(out)
    names = checked_names(folder)
    digests = [_digest(folder / name) for name in names]
    drawn = _drawn(digests, names, **draw)
    for role, rows in drawn.items():
        for row in rows:
            with writing(out / role / names[row], private=True) as place:
                shutil.copyfile(folder / names[row], place)
    return _told(out / DRAWN, drawn, draw, str(folder))


def write_archive(
    source: Any,
    out: Path,
    image_size: int | None,
    value_range: ValueRange | None,
    **draw: Any,
) -> dict[str, int]:
    """Writes images of any source, with labels and file names, to one file."""
    told = out.with_suffix(".json")
    _refuse_another(told)
    if out.exists() and not told.exists():
        raise ValueError(
            "An archive would be replaced that is no split. Expected a new file, or an "
            f"earlier split and the {told.name} beside it. Received: out={str(out)!r}. "
            "Choose another `--out`."
        )
    shape = None if image_size is None else (image_size, image_size, None)
    loaded = load_images(source, shape, value_range=value_range)
    found = find_source(source)
    names = [f"no. {row}" for row in range(len(loaded.pixels))]
    if found is not None and found.name == "folder":
        names = list(image_names(Path(source)))
    drawn = _drawn(image_keys(loaded.pixels), names, **draw)
    arrays: dict[str, Any] = {}
    for role, rows in drawn.items():
        images = loaded.pixels.as_stored(rows)
        arrays |= {role: images, f"{role}_names": np.array(names)[rows]}
        if loaded.labels is not None:
            arrays[f"{role}_labels"] = loaded.labels[rows]
    if loaded.class_names is not None:
        arrays["class_names"] = np.array(loaded.class_names)
    with writing(out, private=True) as place:
        write_arrays(place, arrays, private=True)
        numbers = _told(told, drawn, draw, str(source))  # by which it is known
    return numbers


def _digest(file: Path) -> bytes:
    """What is the same for files of the same pixels."""
    try:
        pixels = read_image(file)
    except DeepImageError:  # whose range only the reader will know: any that holds all
        try:
            pixels = read_image(file, (-(2.0**16), 2.0**16))
        except DeepImageError:
            return str(digest_file(file)).encode()
    return digest_arrays([pixels]).encode()


def _drawn(
    digests: Sequence[bytes],
    names: Sequence[str],
    *,
    members: int | None,
    non_members: int | None,
    reference: int | None,
    seed: int,
    membership: str,
    drop_duplicates: bool,
) -> dict[str, IntArray]:
    """Rows of each part, in the order of the names, no image in two of them."""
    pool = first_copies(digests) if drop_duplicates else np.arange(len(names))
    if membership == "coin":  # as many of each
        members = non_members if members is None else members
        non_members = members if non_members is None else non_members
    given = {"members": members, "non_members": non_members, "reference": reference}
    numbers = {
        role: int(len(pool) * _SHARES[role]) if number is None else number
        for role, number in given.items()
    }
    if membership == "coin" and numbers["members"] != numbers["non_members"]:
        raise ValueError(
            "Fair coins make as many members as non-members. Expected equal numbers. "
            f"Received: members={numbers['members']}, non_members="
            f"{numbers['non_members']}. Give the same for both, or leave `--coins` out."
        )
    drawn = choose(
        pool,
        num_members=numbers["members"],
        num_non_members=numbers["non_members"],
        num_reference=numbers["reference"],
        seed=seed,
        membership=membership,
        is_distinct=drop_duplicates,
    )
    side: dict[bytes, tuple[str, int]] = {}
    for role, rows in drawn.items():
        for row in rows:
            other, before = side.setdefault(digests[row], (role, row))
            if other != role:
                raise ValueError(
                    "An image is in two parts of the split, and membership would be "
                    f"undefined. Expected distinct images. Received: {names[before]} "
                    f"is {names[row]}. Add `--drop-duplicates`."
                )
    return {role: np.sort(rows) for role, rows in drawn.items()}


def _refuse_another(path: Path) -> None:
    """Raises where the record of a split would replace another file."""
    what, remedy = "the record of a split", "Choose another `--out`."
    if path.exists() and "membership" not in read_json(path, what, remedy):
        raise ValueError(
            "A split is told of in a file of its own. Expected none, or that of an "
            f"earlier split. Received: {str(path)!r}, which is another. {remedy}"
        )


def _told(
    path: Path, drawn: dict[str, IntArray], draw: dict[str, Any], source: str
) -> dict[str, int]:
    numbers = {role: len(rows) for role, rows in drawn.items()}
    settings = {key: draw[key] for key in ("seed", "membership", "drop_duplicates")}
    write_json(path, {"source": source, **numbers, **settings})
    return numbers
