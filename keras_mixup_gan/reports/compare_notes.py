"""What a reader must know to judge a comparison, and how to repeat it."""

import dataclasses
import shlex
from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.attacks import ATTACKS
from keras_mixup_gan.experiments.comparison import Comparison
from keras_mixup_gan.reports import compare_words as words

ARM_NOTES = {
    "undefended": "Trained on the images as they are.",
    "mixup-paper": (
        "The rule of the published code, without labels: every training image is "
        "blended with one from another shuffled pass, all images of a batch with the "
        "same weight; generated images are not blended. About once an epoch an image "
        "meets itself and is seen as it is. Ji, Hu, Xiang, Zhou: Mixup Training for "
        "Generative Models to Defend Membership Inference Attacks. INFOCOM 2023."
    ),
    "mixup-noise": (
        "The library's own recipe: real and generated images are "
        "blended with the same weights and both get Gaussian noise, so that the "
        "generator can still learn what unblended images look like."
    ),
    "dp-sgd": (
        "Only the discriminator sees training images, so only its gradients are "
        "clipped, image by image, and noised, through tensorflow-privacy. Abadi et "
        "al.: Deep Learning with Differential Privacy. CCS 2016, arXiv:1607.00133. "
        "Batch size, clipping norm, noise and number of steps were not tuned for it, "
        "and DP-SGD profits from larger batches and longer training: this is a "
        "baseline at equal steps, not the best that DP-SGD can do."
    ),
}


# Settings that the command line has an option for, under the same name.
OPTIONS = ("data", "members", "non_members", "reference", "noise_multiplier", "seed")


@dataclass(frozen=True)
class Note:
    """A paragraph with a title and, where it has one, the key it goes by in files."""

    title: str
    text: str
    key: str = ""


def arms(results: dict[str, Any]) -> list[Note]:
    """What each arm is."""
    return [
        Note(
            words.arm_title(cell),
            f"{_upper(cell['defense'])}. {ARM_NOTES.get(cell['name'], '')}".strip()
            if cell["defense"] != "none"
            else ARM_NOTES["undefended"],
            cell["name"],
        )
        for cell in results["cells"]
    ]


def attacks(results: dict[str, Any]) -> list[Note]:
    """What each attack knows and where it comes from."""
    notes = []
    for name, title in words.attack_titles(results["cells"]).items():
        text = ""
        if name in ATTACKS:
            requires = ATTACKS[name].requires
            needs = [what for need, what in _ACCESS.items() if need in requires]
            needs += sorted(requires - _ACCESS.keys())
            text = f"Knows {' and '.join(needs)}. {ATTACKS[name].paper}"
        notes.append(Note(title, text, name))
    return notes


def method(results: dict[str, Any]) -> list[Note]:
    """How leakage, quality, guarantees and time were measured."""
    return [
        Note("Members and non-members", _data(results)),
        Note("Leakage", LEAKAGE),
        Note("Stopped at the same quality", _early_stopping(results)),
        Note("Image quality", _quality(results)),
        Note("Guarantees", _guarantees(results)),
        Note("Step time", _time(results)),
    ]


def command(settings: dict[str, Any]) -> str:
    """What to type to repeat a comparison: only what differs from the defaults.

    Args:
        settings: The `settings` of the results.

    Returns:
        A shell command, which is a line of Python where no option sets what differs.
    """
    wanted = {name: _plain(value) for name, value in settings.items()}
    candidates = [
        _options(wanted, base, flag)
        for base, flag in ((Comparison(), ""), (Comparison.quick(), "--quick"))
    ]
    found = [words for words in candidates if words is not None]
    if found:
        return shlex.join(["keras-mixup-gan", "compare", *min(found, key=len)])
    defaults = dataclasses.asdict(Comparison())
    changed = ", ".join(
        f"{name}={value!r}"
        for name, value in wanted.items()
        if name not in defaults or value != defaults[name]
    )
    code = (
        "from pathlib import Path; "
        "from keras_mixup_gan.experiments import Comparison, run_comparison; "
        f'run_comparison(Comparison({changed}), Path("runs/compare"))'
    )
    return shlex.join(["python", "-c", code])


LEAKAGE = (
    "Scores are compared as they are, higher meaning member, ties counted one half. "
    "AUC with DeLong's 95 % interval on the logit scale. Members found: by counting at "
    "the lowest threshold that keeps false positives at or below 1 %, with the "
    "Clopper-Pearson 95 % interval. The strongest attack is picked on the very images "
    "it is reported for, which flatters the attacker a little, in every arm. Two AUCs "
    "are called different if their intervals are disjoint: a strict test for one pair, "
    "but nothing corrects for making several comparisons. More than these attacks find "
    "may be found by others."
)

_ACCESS = {
    "discriminator": "the discriminator",
    "samples": "generated images",
    "reference": "outside images of the same kind",
}


def _data(results: dict[str, Any]) -> str:
    split = results["split"]
    return (
        f"{split['members']:,} members, {split['non_members']:,} non-members and "
        f"{split['reference']:,} reference images (the attackers' own, and what "
        "quality is measured against) come from one random permutation of "
        f"{words.data_title(results['settings']['data'])}, exact duplicates left out. "
        f"Split sha256 {results['cells'][0]['split_hash']}."
    )


def _early_stopping(results: dict[str, Any]) -> str:
    steps = ", ".join(f"{point['d_steps']:,}" for point in results["cells"][0]["curve"])
    return (
        "Any defense that slows training down lowers the AUC at equal steps. So each "
        "is held against the earliest checkpoint of the undefended model with a FID "
        f"no larger than the defense's. It was measured at steps {steps}; where FIDs "
        "lie far apart, the checkpoint may have trained longer than needed, which "
        "flatters the defense."
    )


def _quality(results: dict[str, Any]) -> str:
    return (
        "Frechet (FID) and kernel (KID) distance of generated from held-out images; "
        f"lower is better. {words.quality_label(results['cells'][0])} names the "
        "features and how many generated and held-out images were compared; figures "
        "under another name are not comparable. KID with its standard error."
    )


def _guarantees(results: dict[str, Any]) -> str:
    text = (
        "Mixup carries no epsilon (\N{INFINITY} in the table): it protects as far as "
        "these attacks measured, no further."
    )
    private = [cell for cell in results["cells"] if cell["epsilon"] is not None]
    if private:
        text += (
            f" The epsilon of {words.arm_title(private[0])} follows from the steps "
            f"that ran, at delta {private[0]['delta']:g}, for Poisson-sampled batches "
            "and data sets that differ by adding or removing one image."
        )
    seeds = {cell["noise_seed"] for cell in private} - {None}
    if seeds:
        text += (
            f" Its noise comes from the published seed {min(seeds)}, so that this "
            "benchmark repeats to the digit; a guarantee needs noise that nobody "
            "knows, which the library draws from the operating system unless a seed "
            "is given."
        )
    return text


def _time(results: dict[str, Any]) -> str:
    base = results["cells"][0]
    return (
        "Median ratio of a training step's time to the undefended model's step "
        f"({1000 * base['seconds_per_step']:.0f} ms), all arms taking turns in one "
        f"process for {results['settings']['timed_rounds']} rounds."
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _options(wanted: dict[str, Any], base: Comparison, flag: str) -> list[str] | None:
    """Options that turn `base` into what is wanted, `None` if there are none."""
    options = [flag] if flag else []
    given = {name: _plain(value) for name, value in dataclasses.asdict(base).items()}
    for name, value in wanted.items():
        if name in given and value == given[name]:
            continue
        if name in OPTIONS:
            options += [f"--{name.replace('_', '-')}", f"{value}"]
        elif name == "checkpoints" and base.stopped_at(value[-1]).checkpoints == value:
            options += ["--steps", f"{value[-1]}"]
        else:
            return None
    return options


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
