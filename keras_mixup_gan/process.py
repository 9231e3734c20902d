"""This process: its name, its cores, its signals, and how it loads TensorFlow."""

import contextlib
import importlib
import os
import platform
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import Any

# Which kernels TensorFlow takes, read when it is imported: they round differently.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def this_process() -> tuple[str, int]:
    """Tells this process from the workers."""
    return platform.node(), os.getpid()


def settle_tensorflow() -> None:
    """Sets what TensorFlow reads when it is imported, unless the user has.

    It greets with a dozen lines about the machine. Where processors lack AVX-512 VNNI
    or the like it leaves oneDNN off, with which steps are shorter there too.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault(ONEDNN, "1")


def load_tensorflow() -> None:
    """Imports TensorFlow without the lines on the machine that no setting silences.

    They are written past Python, before its own logging begins.
    """
    if "tensorflow" in sys.modules:
        return
    try:
        os.fstat(2)
    except OSError:  # it is closed: nobody reads those lines
        importlib.import_module("keras")
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        importlib.import_module("keras")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def use_one_core() -> bool:
    """Makes TensorFlow use one core; False where it has started on several."""
    import tensorflow as tf

    threads = tf.config.threading
    with contextlib.suppress(RuntimeError):
        threads.set_intra_op_parallelism_threads(1)
        threads.set_inter_op_parallelism_threads(1)
    return bool(threads.get_intra_op_parallelism_threads() == 1)


@contextlib.contextmanager
def kept_from_workers(number: signal.Signals) -> Iterator[None]:
    """Processes that are started meanwhile never get a signal; this one gets it later.

    Where signals cannot be held back, as on Windows, this one does not get it either.
    """
    if not hasattr(signal, "pthread_sigmask"):
        with handled(number, signal.SIG_IGN):
            yield
        return
    resource_tracker.ensure_running()  # which lets signals through when it is started
    caught: list[int] = []  # by a thread of its own, as those of TensorFlow are
    with handled(number, lambda received, _: caught.append(received)):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if caught:
        signal.raise_signal(number)


@contextlib.contextmanager
def handled(number: signal.Signals, handler: Any) -> Iterator[None]:
    """Handles a signal in a way of its own, in the main thread, which alone can.

    Processes that are started meanwhile ignore what this one ignores. A handler that
    is not Python's, as in a program that Python is embedded in, stays.
    """
    before = signal.getsignal(number)
    is_main = threading.current_thread() is threading.main_thread()
    if before is None or not is_main:
        yield
        return
    signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
