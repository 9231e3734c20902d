"""Statistics are imported without anything that trains models."""

import subprocess
import sys

import keras_mixup_gan.statistics

HEAVY = ("tensorflow", "keras", "sklearn", "scipy.stats", "scipy.optimize")


def test_importing_statistics_imports_numpy_and_special_functions_only():
    code = f"""
import sys
import keras_mixup_gan.statistics
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in ("auc", "delong_interval", "epsilon_one_run", "holm", "detectable_auc"):
        assert callable(getattr(keras_mixup_gan.statistics, name))
