"""Comparisons of defenses: training runs, their audits, and what they show together."""

from keras_mixup_gan.experiments.cell import Cell as Cell
from keras_mixup_gan.experiments.cell import run_cell as run_cell
from keras_mixup_gan.experiments.comparison import Comparison as Comparison
from keras_mixup_gan.experiments.comparison import run_comparison as run_comparison
from keras_mixup_gan.experiments.frontier import (
    matched_checkpoint as matched_checkpoint,
)
from keras_mixup_gan.experiments.grid import run_grid as run_grid
from keras_mixup_gan.experiments.suite import Suite as Suite
