"""Settings of the whole test run."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as in every command
# Threads of their own gain tiny models nothing and get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import tensorflow as tf

# Two devices for the tests of data-parallel training; all others use the first.
_CPU = tf.config.list_physical_devices("CPU")[0]
# As in every worker, so that results are the same to the last bit.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
tf.config.set_logical_device_configuration(
    _CPU, [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="module")
def eagerly():
    """Runs what is compiled elsewhere as plain Python: a few calls are sooner made."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
