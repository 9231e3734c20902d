"""What the numbers of a grid mean, in words: the same words for good news and bad."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.experiments.grid_arms import BASELINE
from keras_mixup_gan.reports import compare_words
from keras_mixup_gan.reports import grid_numbers as numbers
from keras_mixup_gan.reports import grid_sentences as sentences
from keras_mixup_gan.statistics.over_seeds import LESS, MORE, SAME

Row = dict[str, Any]

MIXUP, DP, OTHER = "mixup", "DP-SGD", "other defenses"
ARM_TITLES = {
    **compare_words.ARM_TITLES,
    "mixup-two-sided": "Two-sided mixup",
    "mixup-uniform": "Two-sided mixup, uniform weights",
    "mixup-less-noise": "Mixup with less noise",
    "noise": "Noise alone",
    "less-noise": "Less noise alone",
    "diffaugment": "DiffAugment",
    "dropout": "Dropout",
    "relaxloss": "RelaxLoss",
    "par-gan": "PAR-GAN",
    "privgan": "privGAN",
}
QUESTIONS = {
    MIXUP: "Does mixup lower the strongest attack at the same image quality?",
    DP: "What does DP-SGD do?",
    OTHER: "What do the other defenses do?",
}
EARLY_STOPPING = {
    LESS: "leaks less than early stopping",
    SAME: "cannot be told from early stopping",
    MORE: "leaks more than early stopping",
    None: "is not judged",
}
_COUNTED = {
    LESS: "leaks less in {}",
    MORE: "leaks more in {}",
    SAME: "cannot be told from it in {}",
    None: "not judged in {}",
}


@dataclass(frozen=True)
class Verdict:
    """What is said of one arm.

    Attributes:
        title: The arm's name to show.
        verdict: Whether it beats stopping the undefended model early, in few words.
        text: The numbers.
    """

    title: str
    verdict: str
    text: str


@dataclass(frozen=True)
class Section:
    """What is said of the undefended model, or of one kind of defense.

    Attributes:
        title: What it is about.
        text: The answer in short.
        verdicts: The numbers, arm by arm.
    """

    title: str
    text: str
    verdicts: tuple[Verdict, ...] = ()


def arm_title(name: str) -> str:
    """The arm's name to show."""
    epsilon = name.removeprefix("dp-epsilon-")
    if epsilon != name:
        return f"DP-SGD for epsilon {epsilon}"
    return ARM_TITLES.get(name, name)


def family_title(family: Row) -> str:
    """`DCGAN, 250 members`."""
    name = compare_words.MODEL_TITLES.get(family["model"], family["model"])
    return f"{name}, {family['members']:,} members"


def kind_of(arm: Row) -> str:
    """Whether an arm is mixup, DP-SGD or something else."""
    if arm["epsilon"] is not None or arm["defense"].startswith(DP):
        return DP
    return MIXUP if MIXUP in (arm["group"], arm["defense"].split(" ")[0]) else OTHER


def defended(family: Row) -> list[Row]:
    """The arms of a family that are compared with the undefended one."""
    return [arm for arm in family["arms"] if arm["arm"] != BASELINE]


def headline(findings: Row) -> str:
    """How often each kind of defense leaks less than early stopping, and how often not.

    Args:
        findings: What `analyze` returned.

    Returns:
        One sentence for each kind of defense.
    """
    counts = []
    for kind in QUESTIONS:
        verdicts = Counter(
            arm["at_final_quality"]["verdict"]
            for family in findings["families"]
            for arm in defended(family)
            if kind_of(arm) == kind
        )
        if number := sum(verdicts.values()):
            parts = [
                words.format(count)
                for verdict, words in _COUNTED.items()
                if (count := verdicts[verdict])
            ]
            plural = "" if number == 1 else "s"
            counts.append(
                f"{numbers.capitalized(kind)}, {number} comparison{plural}: "
                f"{', '.join(parts)}."
            )
    if not counts:
        return "No defended model is finished: nothing is compared yet."
    return " ".join(
        ["Against the undefended model, stopped when it was as good:", *counts]
    )


def baseline_text(family: Row) -> str:
    """What the undefended model leaks, and whether there is anything to defend."""
    arm = next((arm for arm in family["arms"] if arm["arm"] == BASELINE), None)
    if arm is None:
        return (
            "No undefended model of this family is finished, so the others are "
            "compared with nothing."
        )
    if arm["auc"] is None:
        return "No attack ran on the undefended model."
    text = f"{sentences.after_training(arm)}."
    low = (arm["auc"]["interval"] or arm["auc_of_queries"][0])[0]
    if low <= 0.5:
        text += (
            " The interval does not leave out chance (.5), so that no defense can be "
            "shown to help here."
        )
    return text


def sections(family: Row) -> list[Section]:
    """One section on the undefended model and one on each kind of defense."""
    made = [Section("Undefended.", baseline_text(family))]
    for kind, question in QUESTIONS.items():
        arms = [arm for arm in defended(family) if kind_of(arm) == kind]
        if arms:
            said = tuple(verdict_on(arm) for arm in arms)
            answer = "; ".join(f"{one.title} {one.verdict}" for one in said)
            made.append(Section(question, f"{answer}.", said))
        elif kind != OTHER:
            missing = f"No {kind} arm of this family is finished."
            made.append(Section(question, missing))
    return made


def verdict_on(arm: Row) -> Verdict:
    """What is said of one arm: at equal quality, over a range of it, at equal steps."""
    title = arm_title(arm["arm"])
    if arm["epsilon"] is not None:
        title += f" (epsilon {arm['epsilon']:.3g})"
    matched = arm["at_final_quality"]
    parts = [
        f"{sentences.after_training(arm)}.",
        *sentences.quality_sentences(matched),
    ]
    if arm["between_curves"] is not None:
        low, high = arm["between_curves"]["fid_range"]
        parts.append(
            f"On average over the qualities that both pass, FID {high:.1f} to "
            f"{low:.1f}, the undefended model leaks "
            f"{numbers.signed(arm['between_curves']['difference'])}."
        )
    parts += sentences.steps_sentences(arm["at_equal_steps"])
    parts += sentences.noise_sentences(arm.get("beside_noise"))
    parts += sentences.shadow_sentences(arm)
    if arm["epsilon"] is not None:
        guarantee = "It has a guarantee"
        if arm["noise_is_known"]:
            guarantee = "It would have a guarantee, were its noise secret"
        parts.append(
            f"{guarantee}: epsilon {arm['epsilon']:.3g} at delta {arm['delta']:g}."
        )
    parts += sentences.bound_sentences(arm)
    if arm["defense"]:
        parts.append(f"Settings: {arm['defense']}.")
    verdict = EARLY_STOPPING[matched["verdict"]]
    return Verdict(title, verdict, " ".join(parts))
