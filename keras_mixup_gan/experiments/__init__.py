"""Comparisons of defenses: training runs, their audits, and what they show together."""

from keras_mixup_gan.experiments.cell import run_cell
from keras_mixup_gan.experiments.grid import run_grid
from keras_mixup_gan.experiments.results import CellResult, SuiteResults, read_results
from keras_mixup_gan.experiments.suite import Cell, Suite

__all__ = [
    "Cell",
    "CellResult",
    "Suite",
    "SuiteResults",
    "read_results",
    "run_cell",
    "run_grid",
]
