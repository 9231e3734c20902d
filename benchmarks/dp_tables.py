"""What arms of DP-SGD with more to them gain over those without, as a table."""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.defense_tables import table
from keras_mixup_gan.experiments import SuiteResults
from keras_mixup_gan.experiments.results import CellResult
from keras_mixup_gan.reports.tables import mean_text
from keras_mixup_gan.statistics.over_seeds import (
    MIN_SEEDS,
    Mean,
    directions,
    mean_over_seeds,
)

# Arms of the suite `dp`, each with that which it is compared with at the same epsilon.
PAIRS = (
    ("dp-10-augmented", "dp-10"),
    ("dp-1000-augmented", "dp-1000"),
    ("dp-million-augmented", "dp-million"),
    ("dp-10-steps", "dp-10"),
)
VERDICTS = {1: "worse images", 0: "not distinguishable", -1: "better images"}


@dataclass(frozen=True)
class Gain:
    """Frechet distances of trained models, those of two arms paired by seed.

    Attributes:
        difference: Of the arm less the other: negative means better images.
        verdict: After Holm's correction for all pairs.
    """

    arm: str
    other: str
    fid: Mean
    other_fid: Mean
    difference: Mean
    verdict: str


def gains(results: SuiteResults) -> list[Gain]:
    """What each arm of `PAIRS` gains over the other, on the seeds that both have.

    Pairs of fewer than three seeds are left out.
    """
    arms: dict[str, dict[int, CellResult]] = {}
    for cell in results.cells:
        arms.setdefault(cell.arm, {})[cell.seed] = cell
    compared = {
        (arm, other): seeds
        for arm, other in PAIRS
        if len(seeds := sorted({*arms.get(arm, ())} & {*arms.get(other, ())}))
        >= MIN_SEEDS
    }
    fids = {
        pair: [[arms[name][seed].last.fid for seed in seeds] for name in pair]
        for pair, seeds in compared.items()
    }
    apart = {pair: np.subtract(one, two).tolist() for pair, (one, two) in fids.items()}
    made = []
    for (pair, values), sign in zip(
        apart.items(), directions([*apart.values()]), strict=True
    ):
        titles = [next(iter(arms[name].values())).title for name in pair]
        means = [mean_over_seeds(side, (0.0, math.inf)) for side in fids[pair]]
        difference, verdict = mean_over_seeds(values), VERDICTS[sign]
        made.append(Gain(titles[0], titles[1], means[0], means[1], difference, verdict))
    return made


def pairs_table(results: SuiteResults) -> str:
    """A line for each pair, in Markdown."""
    heads = ("arm", "FID", "compared with", "FID", "FID less the other's", "seeds", "")
    rows = []
    for gain in gains(results):
        fid, other_fid, difference = (
            mean_text(mean, digits=1)
            for mean in (gain.fid, gain.other_fid, gain.difference)
        )
        seeds = str(gain.difference.num_seeds)
        rows.append(
            [gain.arm, fid, gain.other, other_fid, difference, seeds, gain.verdict]
        )
    return "\n".join(table(heads, rows)) + "\n"
