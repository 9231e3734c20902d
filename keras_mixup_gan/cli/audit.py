"""`keras-mixup-gan audit`."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_mixup_gan import storage
from keras_mixup_gan.cli.console import (
    MODEL_HELP,
    Console,
    Work,
    parse_range,
    printable,
    read_model,
    resumable,
)
from keras_mixup_gan.process import load_tensorflow


@resumable
def audit(
    *,
    model: Annotated[str | None, typer.Argument(help=MODEL_HELP)] = None,
    members: Annotated[
        Path, typer.Option(help="Images it was trained on: a folder or an .npz file.")
    ],
    non_members: Annotated[
        Path, typer.Option(help="Images of the same kind it was not trained on.")
    ],
    reference: Annotated[
        Path | None, typer.Option(help="Further images that the attacker knows.")
    ] = None,
    attacks: Annotated[
        str,
        typer.Option(
            is_eager=True,
            callback=lambda text: _list_attacks(text),
            help="Names, separated by commas; `--attacks list` tells what there is.",
        ),
    ] = "default",
    shadows: Annotated[
        int | None,
        typer.Option(help="Train so many models like this one, for stronger attacks."),
    ] = None,
    shadow_steps: Annotated[
        int | None,
        typer.Option(help="Steps of each of them; by default as many as the model's."),
    ] = None,
    shadow_batch_size: Annotated[
        int | None,
        typer.Option(
            help="Images in a batch of theirs; by default as `train` says of the "
            "model, else 64."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Dask scheduler that trains them, e.g. tcp://10.0.0.1:8786."),
    ] = None,
    null_target: Annotated[
        str | None,
        typer.Option(
            help="A model trained on other images, which no attack should find to leak."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = 0,
    out: Annotated[
        Path, typer.Option(help="Folder for the report; replaces one that is there.")
    ] = Path("runs/audit"),
    drop_duplicates: Annotated[
        bool,
        typer.Option(
            "--drop-duplicates",
            help="Leave out copies of an image; members come first.",
        ),
    ] = False,
    show_members: Annotated[
        bool,
        typer.Option(
            "--show-members", help="Show the most exposed training images on the page."
        ),
    ] = False,
    samples: Annotated[
        Path | None,
        typer.Option(
            help="Instead of a model of this library, its images (a folder or an .npz "
            "file) or a generator (an .onnx file)."
        ),
    ] = None,
    release: Annotated[
        str,
        typer.Option(
            help="What you mean to give away: samples, generator, everything."
        ),
    ] = "generator",
    coins: Annotated[
        bool,
        typer.Option(
            "--coins", help="A fair coin each decided who is a member: bounds epsilon."
        ),
    ] = False,
    value_range: Annotated[
        str | None,
        typer.Option(
            help="What black and white are, as 0,1 or 0,4095, where pixels are not of "
            "8 bits and not in [-1, 1]."
        ),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="A first look, by the quick attacks."),
    ] = False,
) -> None:
    """Attacks a trained model and reports what it gives away about its members.

    Images are brought to the model's shape as `data.load_images` does. Stopped at any
    moment, the same command continues with the attacks that are missing. The folder
    `scores` and `audit.npz` say who was a member, and the page names some: keep them
    like the images themselves.
    """
    load_tensorflow()
    from keras_mixup_gan.auditing import audit as run_audit
    from keras_mixup_gan.auditing.first_look import looked_at
    from keras_mixup_gan.data.archives import npz_names
    from keras_mixup_gan.data.folders import image_names
    from keras_mixup_gan.reports import save_audit
    from keras_mixup_gan.validation import check_integer

    sizes = {"shadow_batch_size": shadow_batch_size, "shadow_steps": shadow_steps}
    check_integer(1, **{name: n for name, n in sizes.items() if n is not None})
    asked = {"scheduler": scheduler, **sizes}
    if shadows is None and any(value is not None for value in asked.values()):
        received = ", ".join(f"{name}={value}" for name, value in asked.items())
        raise ValueError(
            "A scheduler, steps and batches are for shadow models. Expected "
            f"`--shadows` with them. Received: {received}. Add `--shadows 16`."
        )
    storage.check_outside(
        out, members=members, non_members=non_members, reference=reference
    )
    say = Console().say
    ends = parse_range(value_range)
    if (model is None) == (samples is None) or (samples and shadows is not None):
        raise ValueError(
            "An audit takes a model, or images that one generated, which cannot be "
            "trained like. Expected MODEL, or `--samples` without `--shadows`. "
            f"Received: model={model}, samples={samples}, shadows={shadows}. Leave one "
            "out."
        )
    say(f"reading {model or samples} and the images")
    sources = [path for path in (members, non_members, reference) if path is not None]
    target, (inside, outside, known), rows = _read(
        model, samples, sources, drop_duplicates, say, ends, seed
    )
    names_of = image_names if members.is_dir() else npz_names
    names = names_of(members) or [f"no. {row}" for row in range(max(rows) + 1)]
    fit = None
    if shadows is not None:
        from keras_mixup_gan.cli.training_folder import trained_batch_size

        steps = shadow_steps or max(1, getattr(target, "num_steps", 1))
        size = shadow_batch_size or trained_batch_size(model) or 64
        say(f"each shadow model is trained for {steps} steps of {size} images")
        fit = {"epochs": 1, "steps_per_epoch": steps, "batch_size": size}
    with storage.locked(out, "scores"), Work() as work:
        report = run_audit(
            target,
            inside,
            outside,
            reference=known,
            attacks="default" if attacks == "default" else _names(attacks),
            seed=seed,
            progress=functools.partial(_tell, work),
            folder=out / "scores",
            shadows=shadows,
            shadow_fit=fit,
            scheduler=scheduler,
            null_target=null_target and read_model(null_target),
            release=release,
            membership="coin" if coins else "fixed",
            fast=fast,
            # All were brought there when they were read: nothing is left to be doubted.
            value_range=None if ends is None else (-1.0, 1.0),
        )
        if fast:
            rows = [rows[place] for place in looked_at(len(rows), seed)]
        report = replace(report, member_names=tuple(names[row] for row in rows))
        report = replace(report, model_file=str(model or samples))
        for suffix in (".json", ".npz", ".md", ".html"):
            try:
                path = out / f"audit{suffix}"
                save_audit(report, path, show_members=show_members)
            except ImportError as error:  # an extra, for pages alone
                say(f"no {path.name}: {error}")
            else:
                say(f"wrote {path}")
    print(printable(report))


def _tell(work: Work, title: str, done: int, total: int) -> None:
    """How far an audit is: shadow models first, then attacks."""
    from keras_mixup_gan.auditing.run import GENERATED, SHADOW_MODELS

    if title == SHADOW_MODELS:
        work.at(title, done, total, f"shadow model {done} of {total} is trained")
        return
    if title == GENERATED:
        work.at(title, done, total, f"{done:,} of {total:,} images were generated")
        return
    text = f"attack {done + 1} of {total}: {title}" if title else "reporting"
    work.at("attacks", done, total, text)


def _read(
    name: str | None,
    samples: Path | None,
    sources: list[Path],
    drop_duplicates: bool,
    say: Callable[[str], None],
    value_range: tuple[float, float] | None,
    seed: int,
) -> tuple[Any, list[Any], list[int]]:
    """The model or its images, and members, non-members and reference (or None).

    Then which of the members that were given these are.
    """
    from keras_mixup_gan.attacks import AttackTarget
    from keras_mixup_gan.data import load_images

    def load(source: Any, shape: Any = None) -> Any:
        return load_images(source, image_shape=shape, value_range=value_range)

    model: Any
    missing = [None] * (3 - len(sources))
    if name is not None:
        model = read_model(name)
        parts = [load(source, model.image_shape) for source in sources]
    elif samples is not None and samples.suffix.lower() == ".onnx":
        model = AttackTarget.from_model(samples, seed=seed, value_range=value_range)
        parts = [load(source, model.image_shape) for source in sources]
    else:
        first = load(sources[0])
        shape = first.pixels.shape[1:]
        model, *rest = [load(source, shape) for source in (samples, *sources[1:])]
        model, parts = model.images, [first, *rest]
    loaded, rows = _distinct(sources, parts, drop_duplicates, say)
    if name is None or model.num_classes is None:
        return model, [*(part.pixels for part in loaded), *missing], rows
    unlabeled = [
        str(source)
        for source, part in zip(sources, loaded, strict=True)
        if part.labels is None
    ]
    named = {part.class_names for part in loaded if part.class_names is not None}
    if unlabeled or (model.class_names is None and len(named) > 1):
        raise ValueError(
            "The model is conditional and needs the class of every image. Expected "
            "the same sub-folder for each class in all folders, or labels in the .npz "
            f"files. Received: {', '.join(unlabeled) or 'folders of other classes'}."
        )
    return model, [*loaded, *missing], rows


def _distinct(
    sources: list[Path], parts: list[Any], drop: bool, say: Callable[[str], None]
) -> tuple[list[Any], list[int]]:
    """The parts, which share no image or lose their copies, and the members left."""
    from keras_mixup_gan.data import Images

    if not drop:
        _refuse_copies(sources, parts)
        return parts, list(range(len(parts[0].pixels)))
    kept = _first_copies(parts)
    number = sum(len(part.pixels) for part in parts)
    say(f"left out {number - sum(map(len, kept))} copies of images")
    distinct = [
        Images(
            part.pixels.take(rows),
            None if part.labels is None else part.labels[rows],
            part.class_names,
        )
        for part, rows in zip(parts, kept, strict=True)
    ]
    return distinct, kept[0]


def _first_copies(parts: list[Any]) -> list[list[int]]:
    """The rows of each part whose images do not occur before."""
    from keras_mixup_gan.data.splits import image_keys

    seen: set[bytes] = set()
    kept = []
    for part in parts:
        first = []
        for index, image in enumerate(image_keys(part.pixels)):
            if image not in seen:
                first.append(index)
            seen.add(image)
        kept.append(first)
    return kept


def _refuse_copies(sources: list[Path], parts: list[Any]) -> None:
    """Raises where parts share images, and names their files."""
    from keras_mixup_gan.data.splits import image_keys

    places: dict[bytes, dict[int, str]] = {}
    for number, (source, part) in enumerate(zip(sources, parts, strict=True)):
        names = _file_names(source, len(part.pixels))
        for name, image in zip(names, image_keys(part.pixels), strict=True):
            places.setdefault(image, {}).setdefault(number, name)
    shared = [list(found.values()) for found in places.values() if len(found) > 1]
    if shared:
        shown = "; ".join(" is ".join(names) for names in shared[:4])
        raise ValueError(
            f"{len(shared)} images occur in more than one part of the audit. Expected "
            "parts without a common image, or membership is undefined. Received: "
            f"{shown}{'; ...' * (len(shared) > 4)}. Remove the copies, or add "
            "`--drop-duplicates`."
        )


def _file_names(source: Path, number: int) -> list[str]:
    """The file of each image, or its place in an archive."""
    from keras_mixup_gan.data.folders import image_names

    if not source.is_dir():
        return [f"image {index} of {source}" for index in range(number)]
    return [str(source / name) for name in image_names(source)]


def _names(attacks: str) -> list[str]:
    return [name.strip() for name in attacks.split(",") if name.strip()]


def _list_attacks(text: str) -> str:
    """What was given for `--attacks`, unless that asks what there is."""
    if text != "list":
        return text
    from keras_mixup_gan.attacks import ATTACKS
    from keras_mixup_gan.attacks.base import default_attacks

    default = default_attacks()
    for name, kind in ATTACKS.items():
        needs = ", ".join(sorted(kind.requires)) or "nothing"
        mark = "*" if name in default else " "
        print(f"{mark} {name:22} {kind.title}; needs {needs}")
    print("* runs by default; some others do with shadow models or augmentation.")
    raise typer.Exit()
