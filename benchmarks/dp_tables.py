"""What arms of DP-SGD with more to them gain over those without, as a table."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keras_mixup_gan.experiments import SuiteResults
from keras_mixup_gan.experiments.results import CellResult
from keras_mixup_gan.reports.tables import mean_text
from keras_mixup_gan.statistics.over_seeds import (
    Mean,
    direction,
    holm,
    mean_over_seeds,
    students_t,
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
    """What each arm of `PAIRS` gains over the other."""
    arms: dict[str, dict[int, CellResult]] = {}
    for cell in results.cells:
        arms.setdefault(cell.arm, {})[cell.seed] = cell
    apart = [
        [cell.last.fid - arms[other][seed].last.fid for seed, cell in arms[arm].items()]
        for arm, other in PAIRS
    ]
    p_values = [students_t(values)[1] for values in apart]
    adjusted = holm([1.0 if value is None else value for value in p_values])
    made = []
    for (arm, other), values, p_value in zip(PAIRS, apart, adjusted, strict=True):
        difference = mean_over_seeds(values)
        interval = difference.interval or (difference.mean,) * 2
        titles = [next(iter(arms[name].values())).title for name in (arm, other)]
        fids = [_fid(arms[name]) for name in (arm, other)]
        verdict = VERDICTS[direction(interval, p_value)]
        made.append(Gain(titles[0], titles[1], fids[0], fids[1], difference, verdict))
    return made


def _fid(cells: Mapping[int, CellResult]) -> Mean:
    return mean_over_seeds([cell.last.fid for cell in cells.values()], (0.0, math.inf))


def pairs_table(results: SuiteResults) -> str:
    """A line for each pair, in Markdown."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: SuiteResults) -> Iterator[str]:
    heads = ("arm", "FID", "compared with", "FID", "FID less the other's", "")
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for gain in gains(results):
        cells = [gain.arm, mean_text(gain.fid, digits=1)]
        cells += [gain.other, mean_text(gain.other_fid, digits=1)]
        cells += [mean_text(gain.difference, digits=1), gain.verdict]
        yield f"| {' | '.join(cells)} |"
