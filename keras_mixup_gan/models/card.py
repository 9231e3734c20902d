"""Model cards: what whoever is given a preset must know, as a `README.md`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_mixup_gan.models.presets import WEIGHTS, PresetFiles
from keras_mixup_gan.storage import write_text

CARD, PICTURE = "README.md", "samples.png"
_OURS = (
    "<!-- Written by keras_mixup_gan, which replaces this file when the model is saved"
    " again. Delete this line to keep what you change. -->"
)
_HOLDS = {
    "generator": (
        "It holds the averaged generator alone. The discriminator, which gives most "
        "away of the training set, was left out."
    ),
    "everything": (
        "It holds the averaged generator **and the discriminator**, which gives most "
        "away of the training set and which nobody needs to generate."
    ),
}
# What a card says until it is told.
UNTOLD = {
    "Data": "Whoever made this model does not say what it was trained on.",
    "Quality": "Not measured.",
    "Leakage": (
        "Not measured: no audit was given to this card, so it is not known what "
        "attacks find out about the images that the model was trained on."
    ),
    "Intended use": "Whoever made this model does not say what it is for.",
}
_LIMITS = (
    "An audit says what its attacks found, not that no other finds more; it speaks of "
    "the images that it asked about.",
    "Mixup and augmentation are empirical defenses and carry no epsilon.",
    "Generated images can resemble images of the training set, and what they show "
    "need not be real.",
)


def keep_card(files: PresetFiles) -> Path:
    """Writes what is known of a preset beside it, unless another README.md is there."""
    path = files.folder / CARD
    if not path.exists() or is_ours(path):
        write_text(path, card(files))
    return path


def is_ours(path: Path) -> bool:
    """Whether a card was written here, and may be written again."""
    return path.is_file() and _OURS in path.read_text("utf-8", errors="replace")


def card(
    files: PresetFiles,
    told: Mapping[str, str] | None = None,
    license: str | None = None,
    picture: bool = False,
) -> str:
    """The card of a preset; `told` is Markdown by the headings of `UNTOLD`."""
    content = files.content
    arguments, release = content["arguments"], content.get("release", "everything")
    height, width, channels = arguments["image_shape"]
    told = {**UNTOLD, **(told or {})}
    sections = {
        "Data": told["Data"],
        "Defense": _defense(content),
        **told,
        "Limits": "\n".join(f"* {sentence}" for sentence in _LIMITS),
        "Files": (
            f"`{WEIGHTS}`: {content['weights']['bytes']:,} bytes, sha256 "
            f"`{weights_sha256(files)}`, written by keras_mixup_gan "
            f"{_plain(content.get('library'))} and Keras "
            f"{_plain(content.get('keras'))}. Plain arrays and settings: nothing in "
            "the files is executed."
        ),
    }
    classes = arguments.get("num_classes")
    of_classes = "" if classes is None else f", of {classes} classes"
    lines = [
        *_front_matter(content, license),
        _OURS,
        "",
        f"# {content['class']} for images of {height} x {width} x {channels}",
        "",
        f"A generative adversarial network, trained for "
        f"{content['counters']['steps']:,} steps on images of {height} x {width} "
        f"pixels, {channels} channel{'s' * (channels > 1)}{of_classes}. "
        f"{_HOLDS[release]}",
        "",
        "```python",
        "import keras_mixup_gan",
        "",
        'model = keras_mixup_gan.zoo.from_preset("hf://OWNER/NAME")  # or a folder',
        "images = model.generate(64, seed=0)",
        "```",
    ]
    if picture:
        lines += ["", f"![Generated images]({PICTURE})"]
    for heading, text in sections.items():
        lines += ["", f"## {heading}", "", text]
    return "\n".join(lines) + "\n"


def weights_sha256(files: PresetFiles) -> str:
    """By which a card says which weights it speaks of."""
    return str(files.content["weights"]["sha256"])


def _front_matter(content: Mapping[str, Any], license: str | None) -> list[str]:
    tags = ["keras", "gan", "membership-inference"]
    tags += ["mixup"] * bool(content["arguments"].get("mixup"))
    tags += ["differential-privacy"] * _carries_epsilon(content)
    return [
        "---",
        "library_name: keras-mixup-gan",
        "pipeline_tag: unconditional-image-generation",
        *([] if license is None else [f"license: {license}"]),
        "tags:",
        *(f"- {tag}" for tag in tags),
        "---",
    ]


def _carries_epsilon(content: Mapping[str, Any]) -> bool:
    terms, counters = content["arguments"].get("dp"), content["counters"]
    is_noisy = bool(terms and terms.get("noise_multiplier"))
    is_counted = bool(counters["steps"] and counters["num_examples"])
    return is_noisy and is_counted and not content.get("noise_was_seeded")


def _defense(content: Mapping[str, Any]) -> str:
    """The defenses that a preset's settings tell of, in words."""
    arguments, counters = content["arguments"], content["counters"]
    found = []
    if arguments.get("mixup"):
        settings = ", ".join(f"{k}={v}" for k, v in arguments["mixup"].items())
        found.append(f"Mixup: trained on mixtures of images, `MixUp({settings})`.")
    if arguments.get("augment"):
        found.append(f"Augmentation: `{arguments['augment']}`.")
    if arguments.get("dp"):
        terms = arguments["dp"]
        found.append(
            f"DP-SGD: gradients of the discriminator clipped to norm "
            f"{terms.get('l2_norm_clip')}, noise multiplier "
            f"{terms.get('noise_multiplier')}, {counters['num_examples']:,} training "
            f"images, {counters['expected_batch_size']} a batch on average."
        )
        if counters["steps"] and not counters["num_examples"]:
            found[-1] = "DP-SGD, on terms that are not known: it carries no epsilon."
        elif terms.get("noise_multiplier") == 0:
            found.append("**Clipped without noise: it carries no epsilon.**")
        if content.get("noise_was_seeded"):
            found.append(
                "**The noise came from a declared seed: against anyone who knows it, "
                "there is no guarantee.**"
            )
    return "\n\n".join(found) or (
        "None: no mixup, no augmentation, no differential privacy."
    )


def _plain(value: object) -> str:
    """A version as a file tells it, without what Markdown would make of it."""
    return re.sub(r"[^\w.+-]", "", str(value))[:40]
