"""Presets that are handed to others: their cards, and repositories of the Hub."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.auditing.report import SCHEMA_VERSION, AuditReport
from keras_mixup_gan.auditing.results import TARGET_FPR
from keras_mixup_gan.metrics.quality import Metric
from keras_mixup_gan.models.card import (
    CARD,
    PICTURE,
    UNTOLD,
    card,
    is_ours,
    keep_card,
    weights_sha256,
)
from keras_mixup_gan.models.hub import PREFIX, asking, check_repository, client
from keras_mixup_gan.models.presets import CONFIG, WEIGHTS, PresetFiles
from keras_mixup_gan.models.saving import RELEASES, from_preset
from keras_mixup_gan.reports import render
from keras_mixup_gan.rounding import upper_text
from keras_mixup_gan.storage import (
    DamagedFileError,
    finite,
    read_json,
    reading,
    weights_digest,
    write_file,
    write_text,
)
from keras_mixup_gan.validation import check_choice

_ROWS, _MAX_SIDE = 4, 540
_THESE = "these very weights"
_LIKELY = (
    "other files of a model of the same image shape and training steps; that it is "
    "this one is said by whoever made this card"
)
_LOADING = re.compile(rb'from_preset\("hf://[^"@]*"\)')


def write_card(
    folder: str | os.PathLike[str],
    audit: AuditReport | str | os.PathLike[str] | None = None,
    *,
    data: str | None = None,
    quality: Sequence[Metric] = (),
    intended_use: str | None = None,
    license: str | None = None,
) -> Path:
    """Writes the model card of a preset, `README.md`, and a picture, `samples.png`.

    The card tells what the preset holds, how it was defended, how to load it, and what
    it is told here; what it is not told, it says is not known. Its front matter is that
    of the Hugging Face Hub.

    Args:
        folder: What `model.save_to_preset` wrote.
        audit: The report of an audit of this model, or its `audit.json`: what an
            attacker reaches by each of what he may be given, with intervals.
        data: What the model was trained on, as Markdown.
        quality: Figures of image quality, as `metrics.quality` returns them.
        intended_use: What the model is for, as Markdown.
        license: Identifier of a license, as the Hub knows it, e.g. `"apache-2.0"`.

    Returns:
        The path of the card.

    Raises:
        ValueError: If the folder holds no preset, its `README.md` is not a card that
            was written here, or the audit was of another model.

    Example:
    ```python
    report = keras_mixup_gan.audit(model, members, non_members, reference=reference)
    model.save_to_preset("my_generator", release="generator")
    keras_mixup_gan.zoo.write_card("my_generator", report, data="Scans of leaves.")
    ```
    """
    if license is not None and not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", license):
        raise ValueError(
            "A license is named by its identifier. Expected e.g. 'apache-2.0'. "
            f"Received: license={license!r}."
        )
    files, model = PresetFiles.read(folder), from_preset(folder, compile=False)
    path = files.folder / CARD
    if path.exists() and not is_ours(path):
        raise ValueError(
            f"The file {path} is not a card that was written here, or was made your "
            f"own. Expected none of that name. Received: folder={str(folder)!r}. Move "
            "it, and bring together by hand what both say."
        )
    leakage = None if audit is None else _leakage(audit, model, files)
    told = {
        "Data": data,
        "Leakage": leakage or _guaranteed(model),
        "Quality": "\n".join(f"* {_figure(each)}" for each in quality) or None,
        "Intended use": intended_use,
    }
    labels = None
    if model.num_classes is not None:
        labels = np.arange(_ROWS * render.COLUMNS) % model.num_classes
    images = model.generate(_ROWS * render.COLUMNS, labels, seed=0)
    write_file(files.folder / PICTURE, render.png(render.tile(images), _MAX_SIDE))
    known = {heading: text for heading, text in told.items() if text is not None}
    return write_text(path, card(files, known, license, picture=True))


def push_to_hub(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    release: str = "generator",
    private: bool = True,
    token: str | None = None,
) -> str:
    """Uploads a preset and its card to a repository of the Hugging Face Hub.

    Only the files of a preset are uploaded, after they were loaded as whoever gets them
    would: `preset.json`, `weights.npz`, `README.md` and `samples.png`. A repository
    that is not there yet is made; in one that is, earlier commits stay as they are, and
    with them a discriminator that was uploaded before. Needs the extra `hub`.

    Args:
        folder: What `model.save_to_preset` wrote.
        repo_id: `"owner/name"`.
        release: What may be given away. `"everything"` must be said for a preset that
            holds the discriminator.
        private: Whether the repository is for its owner alone. One that is there and is
            public is then refused, not changed.
        token: A token of the Hub with the right to write; by default that of
            `hf auth login`.

    Returns:
        The address of what was uploaded, `hf://owner/name@commit`, for `from_preset`.

    Raises:
        ValueError: If the folder holds no preset that loads, or more than may be given
            away; its card is missing or speaks of other weights; or the Hub refuses.
        ImportError: If the extra is missing.
    """
    check_choice(release, RELEASES, "release")
    check_repository(repo_id)
    files = PresetFiles.read(folder)
    held = files.content.get("release", "everything")
    if held != "generator" and release != held:
        raise ValueError(
            f"The preset {str(folder)!r} holds the discriminator, which gives most "
            "away of the training set. Expected the generator alone. Received: "
            f"release={release!r}. Save it by `model.save_to_preset(folder, "
            "release='generator')`, or say release='everything'."
        )
    from_preset(folder, compile=False)
    names = [CONFIG, WEIGHTS, *_card_files(files, repo_id)]
    api = client(token)
    with asking(repo_id):
        api.create_repo(repo_id, private=private, exist_ok=True)
        is_public = api.repo_info(repo_id).private is False
    if private and is_public:
        raise ValueError(
            f"The repository {repo_id!r} is there, for everyone to see. Expected a "
            "private one. Received: private=True. Say private=False, or choose "
            "another name."
        )
    with asking(repo_id):
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=str(files.folder),
            allow_patterns=names,
            commit_message=f"Upload {files.content['class']} by keras_mixup_gan",
        )
    return f"{PREFIX}{repo_id}@{commit.oid}"


def _card_files(files: PresetFiles, repo_id: str) -> list[str]:
    """The card and what it shows, after a look whether it is of these weights."""
    path = files.folder / CARD
    if not path.exists():
        keep_card(files)
    content = path.read_bytes() if path.is_file() else b""
    if weights_sha256(files).encode() not in content:
        raise ValueError(
            f"The card {path} does not speak of these weights. Expected their sha256 "
            f"in it, {weights_sha256(files)}. Received: another file. Write the card "
            "again with `zoo.write_card(folder)`, or add that line."
        )
    address = f'from_preset("{PREFIX}{repo_id}")'.encode()
    write_file(path, _LOADING.sub(address, content))
    has_picture = PICTURE.encode() in content and (files.folder / PICTURE).is_file()
    return [CARD, PICTURE] if has_picture else [CARD]


# === What an audit found ===


def _leakage(audit: Any, model: Any, files: PresetFiles) -> str:
    """What an audit found, as Markdown, if it was of this model."""
    path = Path("audit")
    what, remedy = "the JSON of a report", "Audit the model again."
    if isinstance(audit, AuditReport):
        found = finite(audit.to_dict())
    else:
        path = Path(audit)
        found = read_json(path, what, remedy)
    if (found.get("kind"), found.get("schema_version")) != ("audit", SCHEMA_VERSION):
        raise ValueError(
            f"The file {path} is no report of an audit by this version. Expected "
            f"kind='audit', schema_version={SCHEMA_VERSION}. Received: "
            f"kind={found.get('kind')!r}, schema_version="
            f"{found.get('schema_version')!r}. Audit the model again."
        )
    with reading(path, what, remedy):
        _check_model(found, model, path)
        same = found["model_hash"] == weights_digest(model)
        held = found["releases"][files.content.get("release", "everything")]
        about = (
            f"Audited on {found['date']}: {found['members']:,} members, "
            f"{found['non_members']:,} non-members, {found['reference']:,} reference "
            f"images, seed {found['seed']}, images sha256 {found['split_hash'][:12]}. "
            f"Attacks on what is given away here: {held['num_attacks']}. The audit was "
            f"of {_THESE if same else _LIKELY}."
        )
        guarantee = []
        if (privacy := found["privacy"]) is not None:
            terms = privacy["epsilon"], privacy["delta"], privacy["not_covered"]
            guarantee = [_guarantee(*terms)]
        share = f"{100 * found['confidence']:g} %"
        found_at = f"members found at {100 * TARGET_FPR:g} % false positives"
        rows = [
            ("given away", "leak", "attack", f"AUC [{share}]", f"{found_at} [{share}]"),
            ("---",) * 5,
            *(_row(name, each) for name, each in found["releases"].items()),
        ]
        return "\n\n".join(
            [
                f"**{render.escape_markdown(held['verdict'])}**",
                render.escape_markdown(about),
                "\n".join(f"| {' | '.join(cells)} |" for cells in rows),
                "An AUC of 0.5 is chance, 1 reveals every member.",
                *guarantee,
                "\n".join(
                    f"* {render.escape_markdown(each)}" for each in found["warnings"]
                ),
            ]
        ).rstrip()


def _check_model(found: dict[str, Any], model: Any, path: Path) -> None:
    """Raises unless a report can be of this model."""
    theirs: dict[str, Any] = {"image_shape": tuple(found["image_shape"])}
    ours: dict[str, Any] = {"image_shape": tuple(model.image_shape)}
    # A preset of DP-SGD counts updates too whose weights were given up.
    if model.dp is None and found["num_steps"] is not None:
        theirs["num_steps"], ours["num_steps"] = found["num_steps"], model.num_steps
    if theirs != ours:
        raise DamagedFileError(
            f"The report {path} is of another model. Expected {ours}. Received: "
            f"{theirs}. Audit this one."
        )


def _row(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    name, leak = map(render.escape_markdown, (name, found["leak"].replace("_", " ")))
    if found["auc"] is None:
        return name, leak, "none could be run", "", ""
    point = found["tpr_at_fpr"]
    rate = render.percent_with_interval(point["tpr"], point["tpr_ci"])
    area = render.with_interval(found["auc"], found["auc_ci"])
    return name, leak, render.escape_markdown(found["attack"]), area, rate


def _guarantee(epsilon: float, delta: float, not_covered: Sequence[str]) -> str:
    """What differential privacy guarantees, as Markdown."""
    return (
        f"Differential privacy: epsilon {upper_text(epsilon)} at delta "
        f"{upper_text(delta)} for one training image. Not covered:\n\n"
    ) + "\n".join(f"* {render.escape_markdown(each)}" for each in not_covered)


def _guaranteed(model: Any) -> str | None:
    """What is known without an audit, of a model that was trained by DP-SGD."""
    spent = None if model.privacy is None else model.privacy.spent
    if spent is None or 0 in (spent.num_updates, spent.num_examples):
        return None
    try:
        found = model.privacy_report()
    except ImportError:  # the extra `dp`, which nobody needs to generate
        return None
    guarantee = _guarantee(found.epsilon, found.delta, found.not_covered)
    return f"{UNTOLD['Leakage']}\n\n{guarantee}"


def _figure(each: Metric) -> str:
    """A figure with what it depends on and, where it is known, how sure it is."""
    text = f"{each.name} {each.value:.4g}"
    if each.interval is not None:
        low, high = each.interval
        text += f" [{low:.4g}, {high:.4g}]"
    elif each.standard_error is not None:
        text += f", standard error {each.standard_error:.2g}"
    return render.escape_markdown(f"{text} ({each.label}, generated against real)")
