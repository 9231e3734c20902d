"""Jobs in this process, in worker processes, or on a Dask cluster."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError
from typing import Any, TypeAlias, TypeVar

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from keras_mixup_gan.process import (
    ONEDNN,
    kept_from_workers,
    load_tensorflow,
    this_process,
    use_one_core,
)
from keras_mixup_gan.registry import loaded_plugins, reload_plugins
from keras_mixup_gan.versions import (
    RESULTS_VERSION,
    git_revision,
    software_versions,
)

CONNECT_SECONDS = 10  # for a scheduler to answer
READY_SECONDS = 120  # for its workers to come and to import this library
WATCH_SECONDS = 0.1

_Plugins: TypeAlias = tuple[tuple[str, str], ...]
Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkerError(ValueError):
    """Worker processes ended, or could not be given their work."""


def run_jobs(
    job: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    n_jobs: int | None = None,
    scheduler: str | None = None,
) -> Generator[tuple[Task, Result], None, None]:
    """Runs a job for each task and yields each with its result once that is there.

    Workers use one core each, so that a result is the same to the last bit whichever of
    them computes it. In this process TensorFlow keeps the cores that it was given. The
    job is pickled for workers, and sent to a cluster once; its first error ends the
    others and is raised here. Close the iterator if it may not be read to its end.
    `n_jobs` and `scheduler` are those of `train_shadows`. Workers load the plugins that
    this process has loaded.

    Example:
    >>> sorted(run_jobs(abs, [-2, 1]))
    [(-2, 2), (1, 1)]
    """
    tasks = list(tasks)
    if not tasks:
        return
    caller, plugins = this_process(), loaded_plugins()
    calls = [joblib.delayed(_run_job)(job, task, caller, plugins) for task in tasks]
    try:
        with _workers(scheduler, n_jobs, job) as parallel:
            # Ctrl-C is for this process, which ends its workers; they start here.
            with kept_from_workers(signal.SIGINT):
                finished = parallel(calls)
            yield from finished
    except TerminatedWorkerError as error:
        raise WorkerError(
            "A worker process ended unexpectedly, as where memory runs out; what it "
            f"said stands above. Received: {_number_of(n_jobs)} jobs at the same time. "
            "Start again, with fewer of them if memory was short."
        ) from error
    except (BrokenProcessPool, PicklingError) as error:
        if isinstance(error, PicklingError) and "to the workers" not in str(error):
            raise  # of the job itself
        raise WorkerError(
            "This process and its workers exchange pickled copies. Expected functions, "
            f"objects and results that can be pickled, and loaded again. Received: "
            f"{_reason(error)}. Leave out what cannot, such as a progress bar, or set "
            "n_jobs=1."
        ) from error


def _number_of(n_jobs: int | None) -> int:
    return int(joblib.effective_n_jobs(n_jobs))


def _reason(error: BaseException) -> str:
    """What a traceback that came as text says at its end, without notes."""
    lines = str(error.__cause__ or error).strip('\n"').splitlines() or [repr(error)]
    named = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return (named or lines)[-1]


def _run_job(
    job: Callable[[Task], Result],
    task: Task,
    caller: tuple[str, int],
    plugins: _Plugins,
) -> tuple[Task, Result]:
    if this_process() == caller:
        return task, job(task)
    use_one_core()
    reload_plugins(plugins)  # on workers of a cluster that came later
    with threadpool_limits(1):
        return task, job(task)


def _begin(parent: int, plugins: _Plugins) -> None:
    """Prepares a worker process of this machine for what it is going to unpickle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that started later
    _end_with_parent(parent)
    load_tensorflow()
    reload_plugins(plugins)


def _end_with_parent(parent: int) -> None:
    """Ends this worker as soon as its parent is gone, however that ended.

    A worker that goes on writes where the next run writes. (The kernel's own signal of
    a parent's death tells of the end of the thread that started the worker.)
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _workers(scheduler: str | None, n_jobs: int | None, job: Any) -> Iterator[Any]:
    """A `joblib.Parallel` whose results come as they finish."""
    options = {
        **{"n_jobs": n_jobs, "batch_size": 1, "return_as": "generator_unordered"},
        # Of worker processes of this machine, before they look for a first job.
        **{"initializer": _begin, "initargs": (os.getpid(), loaded_plugins())},
    }
    if scheduler is None:
        with joblib.Parallel(**options) as parallel:
            yield parallel
        return
    with (
        _connected(scheduler) as client,
        joblib.parallel_config("dask", client=client, scatter=[job]),
    ):
        yield joblib.Parallel(**options)


@contextlib.contextmanager
def _connected(scheduler: str) -> Iterator[Any]:
    """A client of the cluster, after its workers have shown that they can do it."""
    try:
        import distributed
    except ImportError as error:
        raise ImportError(
            "Training on a cluster needs Dask. Install it by "
            '`pip install "keras-mixup-gan[cluster]"`.'
        ) from error
    settings = {"timeout": CONNECT_SECONDS, "set_as_default": False}
    try:
        # In a thread, as this one may run an event loop already.
        with ThreadPoolExecutor(1) as thread:
            reached = _reach(distributed.Client, scheduler, settings)
            thread.submit(asyncio.run, reached).result()
        client = distributed.Client(scheduler, **settings)
    except (OSError, ValueError, TypeError, MemoryError) as error:
        # Memory, as the page of another server is read as a size.
        raise ValueError(
            "No Dask scheduler answers. Expected the address that `dask scheduler` "
            f"shows, such as 'tcp://10.0.0.1:8786'. Received: scheduler={scheduler!r}. "
            "Start one, or leave `scheduler` out to train on this machine."
        ) from error
    with client, _same_kernels(client):
        _check_workers(client, scheduler)
        try:
            yield client
        except distributed.KilledWorker as error:
            raise ValueError(
                "Workers of the cluster died again and again over one training. "
                f"Received: scheduler={scheduler!r}. Look into their logs, give them "
                "more memory, and start again: what was finished is kept."
            ) from error


@contextlib.contextmanager
def _same_kernels(client: Any) -> Iterator[None]:
    """Workers, and those that come later, take the kernels that are taken here."""
    from distributed import WorkerPlugin

    onednn = os.environ.get(ONEDNN)

    class Kernels(WorkerPlugin):
        name = "keras-mixup-gan kernels"

        def setup(self, worker: Any) -> None:
            if onednn is not None and "tensorflow" not in sys.modules:
                os.environ[ONEDNN] = onednn

    client.register_plugin(Kernels())
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # the cluster may be gone
            client.unregister_worker_plugin(Kernels.name)


async def _reach(client_class: Any, address: str, settings: dict[str, Any]) -> None:
    """Connects once and closes again, whether or not the scheduler answers.

    A client with a thread of its own that fails to connect cannot be closed; if it is
    collected while another client starts, both wait for the same lock forever.
    """
    client = client_class(address, **settings, asynchronous=True)
    try:
        # The client's own limit does not hold where something else than Dask answers.
        await asyncio.wait_for(client, CONNECT_SECONDS)
    finally:
        await client.close()


def _versions() -> dict[str, str]:
    """What must be the same wherever models are trained."""
    revision = git_revision() or ""  # unknown where the package was installed
    own = {"results version": str(RESULTS_VERSION), "revision": revision}
    return {**software_versions(), **own, ONEDNN: os.environ.get(ONEDNN, "not set")}


def _ready(plugins: _Plugins) -> dict[str, str]:
    """The versions of a worker that has loaded the plugins."""
    reload_plugins(plugins)
    return _versions()


def _check_workers(client: Any, scheduler: str) -> None:
    """Raises unless all workers have the software that is used here."""
    ours, plugins = _versions(), loaded_plugins()
    try:
        # Waits for a first worker, which a cluster may start only when asked to.
        client.submit(_ready, plugins, pure=False).result(READY_SECONDS)
        asked = {
            name: client.submit(_ready, plugins, workers=[name], pure=False)
            for name in client.nthreads()
        }
        theirs = {name: asked[name].result(READY_SECONDS) for name in asked}
    except TimeoutError as error:
        raise ValueError(
            f"The Dask scheduler has no worker that answers in {READY_SECONDS} seconds."
            f" Received: scheduler={scheduler!r}. Start some by `dask worker "
            f"{scheduler} --nthreads 1`."
        ) from error
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            "The Dask workers cannot run this library. Expected "
            f"keras-mixup-gan {ours['keras_mixup_gan']} on each of them. Received: "
            f"{reason:.200}. Install it where the workers run."
        ) from error
    for name, versions in theirs.items():
        others = [
            f"{package} {versions.get(package)} instead of {ours.get(package)}"
            for package in sorted(ours | versions)
            if versions.get(package) != ours.get(package)
            and not (package == "revision" and "" in (versions[package], ours[package]))
        ]
        if others:
            raise ValueError(
                "Models are only comparable if all are trained by the same software. "
                f"Received: a worker at {name} with {', '.join(others)}. "
                "Install the same versions, and set the same variables, everywhere."
            )
