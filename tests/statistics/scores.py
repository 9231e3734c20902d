"""Scores whose statistics are known in closed form."""

import numpy as np


def normal_scores(shift, num_members, num_non_members, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, num_members), rng.normal(0, 1, num_non_members)
