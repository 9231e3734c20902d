"""`keras-mixup-gan zoo`: the trained models that come with the library."""

from typing import Annotated, Any

import typer

from keras_mixup_gan.rounding import upper_text

app = typer.Typer(help="Trained models of the library.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """Lists the trained models with their quality, leakage and epsilon."""
    from keras_mixup_gan.models.presets import read_manifest

    titles = ("preset", "FID", "strongest attack", "AUC [95 %]", "epsilon", "kB")
    rows = [titles]
    for name, entry in sorted(read_manifest().items()):
        rows.append((name, *_row(entry["scores"]), f"{entry['bytes'] // 1000}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a preset, or its folder.")],
) -> None:
    """Prints what is known of a trained model, as JSON."""
    import json

    from keras_mixup_gan.models.presets import read_manifest, read_preset

    content = read_preset(name).content
    published = read_manifest().get(name, {})  # nothing of a folder of one's own
    kept = {key: content[key] for key in ("class", "arguments", "counters")}
    kept["release"] = content.get("release", "everything")  # whether it can score
    print(json.dumps({"name": name, **published, **kept}, indent=1))


@app.command()
def verify() -> None:
    """Compares the checksums of all trained models with the manifest."""
    from keras_mixup_gan.models.presets import verify_presets

    for name in verify_presets():
        print(f"{name}: as published")


def _row(scores: dict[str, Any]) -> tuple[str, str, str, str]:
    """The cells of a preset's row."""
    fid, guarantee = scores.get("fid"), "no guarantee"
    low, high = scores["auc_ci"]
    if scores["epsilon"] is not None:
        epsilon, delta = map(upper_text, (scores["epsilon"], scores["delta"]))
        guarantee = f"{epsilon} at {delta}"
    return (
        "" if fid is None else f"{fid['value']:.2f}",
        scores["strongest_attack"],
        f"{scores['auc']:.3f} [{low:.3f}, {high:.3f}]",
        guarantee,
    )
