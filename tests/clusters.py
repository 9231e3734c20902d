"""A Dask cluster of processes on this machine."""

import contextlib
import json
import subprocess
import sys
import time

SECONDS = 60  # for what takes less than one


@contextlib.contextmanager
def loopback_cluster(folder, num_workers=2):
    """Starts a scheduler and workers; yields its address and the workers."""
    note = folder / "scheduler.json"
    scheduler = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(folder)]
    with contextlib.ExitStack() as stack:

        def start(kind, *options):
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(stop, process)
            return process

        start("scheduler", *scheduler, "--scheduler-file", str(note))
        address, end = None, time.monotonic() + SECONDS
        while address is None:
            assert time.monotonic() < end, "the scheduler did not start"
            time.sleep(0.1)
            with contextlib.suppress(OSError, ValueError):
                address = json.loads(note.read_text())["address"]
        yield address, [start("worker", address, *worker) for _ in range(num_workers)]


def stop(process):
    process.terminate()
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(SECONDS)
