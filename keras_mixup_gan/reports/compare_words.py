"""What the numbers of a comparison mean, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from keras_mixup_gan.attacks import ATTACKS
from keras_mixup_gan.experiments.frontier import fid_of
from keras_mixup_gan.reports import render

Point: TypeAlias = dict[str, Any]

ARM_TITLES = {
    "undefended": "Undefended",
    "mixup-paper": "Mixup as published",
    "mixup-noise": "Mixup with noise",
    "dp-sgd": "DP-SGD",
}
MODEL_TITLES = {
    "dcgan": "DCGAN",
    "wgan_gp": "WGAN-GP",
    "stylegan_lite": "StyleGAN-lite",
}
DATA_TITLES = {"digits": "MNIST digits", "patches": "patches of photographs"}

LESS, SAME, MORE = "less than", "not distinguishable from", "more than"
VERDICTS = {
    LESS: "beats early stopping",
    SAME: "is not distinguishable from early stopping",
    MORE: "is beaten by early stopping",
}
NO_MATCH = "makes better images than the undefended model ever did"
UNKNOWN = "cannot be judged"


_COMPARED = {
    VERDICTS[LESS]: ("leaks less", "leak less"),
    VERDICTS[SAME]: ("cannot be told from it", "cannot be told from it"),
    VERDICTS[MORE]: ("leaks more", "leak more"),
}
_AT_EQUAL_STEPS = {
    LESS: "leaks less than the undefended model",
    SAME: "is not distinguishable from the undefended model",
    MORE: "leaks more than the undefended model",
}
_OUTCOMES = {
    LESS: "are disjoint, the defense leaks less",
    SAME: "overlap, the two are not distinguishable",
    MORE: "are disjoint, the defense leaks more",
}


@dataclass(frozen=True)
class Finding:
    """What a comparison says about one defense.

    Attributes:
        cell: The defense's entry of the results.
        title: The defense's name to show.
        verdict: Whether it beats stopping the undefended model early, in few words.
        brief: The verdict's two comparisons, without numbers.
        sentences: The same with numbers.
        remarks: What else a reader must know of them.
    """

    cell: dict[str, Any]
    title: str
    verdict: str
    brief: str
    sentences: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The numbers and the remarks."""
        return " ".join((*self.sentences, *self.remarks))


def arm_title(cell: Point) -> str:
    """The arm's name to show."""
    return ARM_TITLES.get(cell["name"], str(cell["name"]))


def model_title(cell: Point) -> str:
    """The model's name to show."""
    return MODEL_TITLES.get(cell["model"], str(cell["model"]))


def data_title(name: str) -> str:
    """The data set's name to show."""
    return DATA_TITLES.get(name, name)


def attack_titles(cells: Sequence[Point]) -> dict[str, str]:
    """Titles of all attacks of a comparison by name, in the library's order."""
    titles = {
        name: str(attack["title"])
        for cell in cells
        for name, attack in cell["attacks"].items()
    }
    known = [name for name in ATTACKS if name in titles]
    return {name: titles[name] for name in [*known, *sorted(titles.keys() - known)]}


def strongest(point: Point) -> dict[str, Any] | None:
    """The attack with the largest AUC at a checkpoint, or `None` if none ran."""
    done = [attack for attack in point["attacks"].values() if attack["auc"] is not None]
    return max(done, key=lambda attack: attack["auc"], default=None)


def short_title(attack: dict[str, Any]) -> str:
    """An attack's title without what it adds in parentheses."""
    return str(attack["title"]).split(" (")[0]


def relation(one: dict[str, Any], other: dict[str, Any]) -> str:
    """How the AUC of one attack stands to that of another.

    Args:
        one: An attack that ran, with `auc_ci`.
        other: Another.

    Returns:
        `LESS` or `MORE` where the two intervals are disjoint, else `SAME`.
    """
    (low, high), (other_low, other_high) = one["auc_ci"], other["auc_ci"]
    if high < other_low:
        return LESS
    return MORE if low > other_high else SAME


def quality_figure(point: Point, name: str) -> float | None:
    """The figure of image quality that is called `name`, if there is one."""
    values = point["quality"].items()
    return next((value for key, value in values if key.startswith(f"{name}[")), None)


def quality_label(point: Point) -> str:
    """Extractor and sample counts of the image quality, as its figures name them."""
    key = next((key for key in point["quality"] if key.startswith("FID[")), "FID[]")
    return str(key[len("FID[") : -1])


def setting(results: dict[str, Any]) -> str:
    """What was done, in one paragraph."""
    cells, settings = results["cells"], results["settings"]
    first = cells[0]
    defenses = ", ".join(f"{arm_title(cell)}" for cell in cells[1:])
    non_members = results["split"]["non_members"]
    num_attacks = len(attack_titles(cells))
    return (
        f"A {model_title(first)} was trained {len(cells)} times on the same "
        f"{first['members']:,} images ({data_title(settings['data'])}), each time for "
        f"{first['d_steps']:,} discriminator steps of {first['batch_size']} images: "
        f"once undefended, and with each of these defenses: {defenses}. Every model "
        f"then faced the same {num_attacks} attacks, which try to tell those members "
        f"from {non_members:,} non-members (AUC .5 is guessing, 1 is certainty). Image "
        f"quality is measured against {results['split']['reference']:,} held-out "
        f"images. Seed {first['seed']}, split sha256 {first['split_hash'][:12]}. One "
        "seed: the intervals cover which images are queried, not what another "
        "training run would give."
    )


def headline(results: dict[str, Any]) -> str:
    """The outcome in two sentences: is there a leak, and who beats early stopping."""
    baseline = results["cells"][0]
    found = findings(results)
    attack = strongest(baseline)
    name = model_title(baseline)
    steps = f"{baseline['d_steps']:,} steps"
    if attack is None:
        return f"No attack could be run on the undefended {name}: nothing is compared."
    done = [other for other in baseline["attacks"].values() if other["auc"] is not None]
    if any(other["auc_ci"][0] > 0.5 for other in done):
        first = (
            f"After {steps} the undefended {name} leaks: the strongest attack reaches "
            f"AUC {_with_interval(attack)}."
        )
    else:
        first = (
            f"After {steps} no attack on the undefended {name} is distinguishable from "
            f"chance (strongest: AUC {_with_interval(attack)}), so there is little to "
            "defend yet: train longer, or on fewer images."
        )
    parts = [
        f"{_listed(titles)} {_COMPARED[verdict][len(titles) > 1]}"
        for verdict in VERDICTS.values()
        if (titles := [f.title for f in found if f.verdict == verdict])
    ]
    second = (
        " Against the undefended model, stopped as soon as its images were as good: "
        f"{'; '.join(parts)}."
    )
    better = [f.title for f in found if f.verdict == NO_MATCH]
    third = f" {_listed(better)} made better images than it ever did."
    return first + (second if parts else "") + (third if better else "")


def findings(results: dict[str, Any]) -> tuple[Finding, ...]:
    """What can be said of each defense, in the order of the results.

    Two AUCs count as different if their DeLong intervals are disjoint.

    Args:
        results: Content of `results.json`; the first cell is the undefended arm.

    Returns:
        One finding for each of the other cells.
    """
    baseline, *defended = results["cells"]
    return tuple(_finding(cell, baseline) for cell in defended)


def _finding(cell: Point, baseline: Point) -> Finding:
    attack, undefended = strongest(cell), strongest(baseline)
    title, match = arm_title(cell), cell["undefended_at_same_quality"]
    early = None if match is None else strongest(match)
    if attack is None or undefended is None or (match is not None and early is None):
        reason = "No attack ran on one of the models to be compared."
        return Finding(cell, title, UNKNOWN, reason, (reason,))
    equal_steps = (
        f"After {cell['d_steps']:,} steps its strongest attack, "
        f"{short_title(attack)}, reaches AUC {_with_interval(attack)}, "
        f"{relation(attack, undefended)} the undefended model's "
        f"{_with_interval(undefended)} ({short_title(undefended)})."
    )
    brief = f"At equal steps it {_AT_EQUAL_STEPS[relation(attack, undefended)]}; "
    remarks = []
    if match is None or early is None:
        verdict = NO_MATCH
        brief += "at equal quality there is nothing to compare it with."
        equal_quality = (
            f"No checkpoint of the undefended model was as good (FID {fid_of(cell):.1f}"
            "), so there is nothing to stop early at."
        )
    else:
        how = relation(attack, early)
        verdict = VERDICTS[how]
        brief += f"against early stopping the intervals {_OUTCOMES[how]}."
        equal_quality = _against_early_stopping(cell, match, attack, early)
        remarks += _bracket(cell, match, baseline["curve"])
    if cell["epsilon"] is not None:
        epsilon = f"epsilon {cell['epsilon']:.1f} at delta {cell['delta']:g}."
        if cell["noise_seed"] is None:
            remarks.append(f"It also has a guarantee: {epsilon}")
        else:
            remarks.append(
                f"It would also have a guarantee, were its noise secret: {epsilon}"
            )
    sentences = (equal_steps, equal_quality)
    return Finding(cell, title, verdict, brief, sentences, tuple(remarks))


def _against_early_stopping(
    cell: Point, match: Point, attack: dict[str, Any], early: dict[str, Any]
) -> str:
    return (
        f"The undefended model, stopped as soon as its images were as good (step "
        f"{match['d_steps']:,}, FID {fid_of(match):.1f} against {fid_of(cell):.1f}), "
        f"is at AUC {_with_interval(early)} ({short_title(early)}): the intervals "
        f"{_OUTCOMES[relation(attack, early)]}."
    )


def _bracket(cell: Point, match: Point, curve: Sequence[Point]) -> list[str]:
    """What checkpoints that lie far apart leave open."""
    attack, early = strongest(cell), strongest(match)
    if attack is None or early is None:
        return []
    if relation(attack, early) != LESS:
        if fid_of(match) > 0.8 * fid_of(cell):
            return []
        return [
            "For want of a checkpoint in between, the early one makes clearly better "
            f"images: FID {fid_of(match):.1f} against {fid_of(cell):.1f}."
        ]
    before = [point for point in curve if point["d_steps"] < match["d_steps"]]
    if not before:
        return ["No earlier checkpoint was measured; stopping still earlier may do."]
    previous = strongest(before[-1])
    if previous is None or relation(attack, previous) == LESS:
        return []
    how = SAME if relation(attack, previous) == SAME else LESS
    return [
        f"One checkpoint before, at step {before[-1]['d_steps']:,} and FID "
        f"{fid_of(before[-1]):.1f}, the undefended model was at AUC "
        f"{_with_interval(previous)}, {how} the defense: the gap at exactly the same "
        "quality lies in between."
    ]


def _with_interval(attack: dict[str, Any]) -> str:
    return render.with_interval(attack["auc"], attack["auc_ci"])


def _listed(titles: Sequence[str]) -> str:
    if len(titles) < 3:
        return " and ".join(titles)
    return f"{', '.join(titles[:-1])} and {titles[-1]}"
