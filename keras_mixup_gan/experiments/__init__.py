"""Comparisons of defenses: training runs, their audits, and what they show together."""

from keras_mixup_gan.experiments.cell import run_cell as run_cell
from keras_mixup_gan.experiments.grid import run_grid as run_grid
from keras_mixup_gan.experiments.results import CellResult as CellResult
from keras_mixup_gan.experiments.results import SuiteResults as SuiteResults
from keras_mixup_gan.experiments.results import read_results as read_results
from keras_mixup_gan.experiments.suite import Cell as Cell
from keras_mixup_gan.experiments.suite import Suite as Suite
