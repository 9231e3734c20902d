import math
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keras_mixup_gan import theory
from keras_mixup_gan.statistics import roc


def test_needs_neither_tensorflow_nor_an_extra():
    code = (
        "import sys, keras_mixup_gan; keras_mixup_gan.theory.gaussian_mean_auc(9, 2);"
        "print({'tensorflow', 'keras', 'matplotlib', 'dp_accounting'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_auc_of_simulated_ratios_counts_ties_half():
    rng = np.random.default_rng(0)
    ins, outs = rng.integers(0, 9, 300) + 1.0, rng.integers(0, 9, 200)
    labels = np.repeat([1, 0], [300, 200])
    expected = roc_auc_score(labels, np.concatenate([ins, outs]))
    estimate = theory.monte_carlo_auc(ins, outs)
    assert estimate.value == pytest.approx(expected, abs=1e-12)
    assert estimate.value == pytest.approx(roc.auc(ins, outs), abs=1e-12)


def test_error_is_the_spread_over_repetitions():
    rng = np.random.default_rng(0)
    runs = [
        theory.monte_carlo_auc(rng.normal(1, 1, 200), rng.normal(size=300))
        for _ in range(250)
    ]
    values, errors = np.array(runs).T
    assert values.mean() == pytest.approx(theory.gaussian_shift_auc(1.0), abs=0.008)
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.15)


def test_infinite_ratios_are_ordered():
    assert theory.monte_carlo_auc([np.inf, 1.0], [-np.inf, 1.0]).value == 0.875


@pytest.mark.parametrize("wrong", [[1.0], [[1.0, 2.0]], [1.0, float("nan")]])
def test_refuses_what_cannot_be_ranked(wrong):
    with pytest.raises(ValueError, match="non_member_ratios"):
        theory.monte_carlo_auc([1.0, 2.0], wrong)


def test_shifted_gaussians():
    rng = np.random.default_rng(0)
    ins, outs = rng.normal(1.5, 1, 200_000), rng.normal(size=200_000)
    measured = theory.monte_carlo_auc(ins, outs)
    exact = theory.gaussian_shift_auc(1.5)
    assert measured.value == pytest.approx(exact, abs=5 * measured.standard_error)
    threshold = np.quantile(outs, 0.9)
    power = theory.gaussian_shift_tpr(1.5, 0.1)
    assert (ins > threshold).mean() == pytest.approx(power, abs=0.01)
    assert theory.gaussian_shift_tpr(0.0, 0.3) == pytest.approx(0.3)
    assert theory.gaussian_shift_tpr(1.0, 0.0) == 0.0


def test_a_shift_without_end_is_found_whatever_the_rate():
    for fpr in (0.0, 0.5, 1.0):
        assert theory.gaussian_shift_tpr(math.inf, fpr) == 1.0
