"""Shadows trained elsewhere: the same wherever it is, and refusals in a sentence."""

import asyncio
import contextlib
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pickle import PicklingError

import joblib
import numpy as np
import pytest

from keras_mixup_gan import parallel
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.auditing import audit
from keras_mixup_gan.parallel import WorkerError, run_jobs
from keras_mixup_gan.process import ONEDNN, handled, kept_from_workers
from keras_mixup_gan.versions import software_versions
from tests.attacks.fakes import FakeGAN, images
from tests.clusters import loopback_cluster
from tests.models.tiny import make, random_images

POOL = images(30, 1)
SECONDS = 60  # for what takes less than one
SLOW_SECONDS = 600


def memorizer(train_images, labels, seed):
    return FakeGAN(train_images)


def trained(folder, **settings):
    small = {"num_shadows": 4, "num_samples": {"critic": 16, "nearest": 20}}
    return in_time(train_shadows, memorizer, POOL, folder=folder, **small | settings)


def in_time(call, *args, seconds=SECONDS, **kwargs):
    """What a call gives or raises, which must not take longer."""
    future = Future()

    def run():
        try:
            future.set_result(call(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return future.result(0)


def assert_same(first, second):
    assert first.ids == second.ids
    np.testing.assert_array_equal(first.inside, second.inside)
    np.testing.assert_array_equal(first.probe_answers, second.probe_answers)
    for name, values in first.statistics.items():
        np.testing.assert_array_equal(values, second.statistics[name])


@pytest.fixture
def cluster(tmp_path):
    """Starts a scheduler with some workers, which are threads of this process."""
    distributed = pytest.importorskip("distributed")
    # By default all schedulers want the same port for their status page.
    page = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    server = {"host": "127.0.0.1", "port": 0, **page}
    worker = {**server, "nthreads": 1, "memory_limit": 0, "local_directory": tmp_path}
    running, stack = Future(), contextlib.AsyncExitStack()

    async def serve():
        stop = asyncio.Event()
        running.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()

    async def begin(num_workers):
        scheduler = distributed.Scheduler(**server)
        await stack.enter_async_context(scheduler)
        for _ in range(num_workers):
            one = distributed.Worker(scheduler.address, **worker)
            await stack.enter_async_context(one)
        return scheduler.address

    def wait(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(SECONDS)

    thread = threading.Thread(target=asyncio.run, args=[serve()], daemon=True)
    thread.start()
    loop, stop = running.result(SECONDS)
    try:
        yield lambda num_workers: wait(begin(num_workers))
    finally:
        wait(stack.aclose())
        loop.call_soon_threadsafe(stop.set)
        thread.join(SECONDS)


def on_a_worker():
    import distributed

    with contextlib.suppress(ValueError):
        return distributed.get_worker() is not None
    return False


def test_a_cluster_trains_the_same_shadows(tmp_path, cluster):
    here = trained(tmp_path / "here", signals=["critic", "nearest"])
    told = []
    there = trained(
        tmp_path / "there",
        signals=["critic", "nearest"],
        scheduler=cluster(2),
        progress=lambda *numbers: told.append(numbers),
    )
    assert_same(there, here)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_a_cluster_began_goes_on_here_and_the_reverse(tmp_path, cluster):
    whole = trained(tmp_path)
    (tmp_path / "shadow-002.npz").unlink()
    assert_same(trained(tmp_path, scheduler=cluster(1)), whole)
    # Nothing is left to do, so that no scheduler is needed.
    assert_same(trained(tmp_path, scheduler="tcp://127.0.0.1:1"), whole)


def test_an_error_on_a_worker_is_that_of_the_training(tmp_path, cluster):
    class Broken(FakeGAN):
        def score(self, *args, **kwargs):
            return np.full(len(args[0]), np.nan)

    with pytest.raises(ValueError, match="must be finite"):
        in_time(
            train_shadows,
            lambda x, labels, seed: Broken(x),
            POOL,
            folder=tmp_path,
            num_shadows=2,
            scheduler=cluster(1),
        )


def test_each_shadow_is_kept_as_soon_as_it_is_trained(tmp_path):
    # The first is the slowest; the others must not wait for it.
    lock, finished = threading.Event(), []

    def slow(train_images, labels, seed):
        if train_images.shape == first.shape and (train_images == first).all():
            lock.wait(SECONDS)
        return FakeGAN(train_images)

    def progress(done, total):
        finished.extend(sorted(p.name for p in tmp_path.glob("shadow-*")))
        lock.set()

    first = POOL[trained(tmp_path / "other").inside[0]]
    with joblib.parallel_config("threading", n_jobs=2):
        train_shadows(slow, POOL, folder=tmp_path, num_shadows=4, progress=progress)
    assert finished[0] == "shadow-001.npz"


PARENT = """
import signal, time
from keras_mixup_gan.parallel import run_jobs

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started this
print("ready", flush=True)
list(run_jobs(time.sleep, [600, 600], n_jobs=2))
"""


@pytest.mark.parametrize("seconds", [0.1, 0.7, 3])  # while workers start, or at work
def test_workers_end_with_their_parent(seconds):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline() == "ready\n"
        time.sleep(seconds)
        parent.kill()
        parent.wait()
        # The pipe is closed when the last process that can write to it has ended.
        assert in_time(parent.stdout.read) == ""


@pytest.mark.parametrize("seconds", [0, 0.1, 0.5, 3])
def test_ctrl_c_ends_workers_that_say_nothing_of_it(seconds):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout.readline() == "ready\n"
        time.sleep(seconds)
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
        _, told = in_time(parent.communicate)
    assert told.count("Traceback") == told.count("KeyboardInterrupt") == 1


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="on Windows")
def test_a_signal_that_workers_never_get_is_not_lost():
    caught = []
    ask = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    woken = threading.Event()
    threading.Thread(target=woken.wait, daemon=True).start()
    with handled(signal.SIGUSR1, lambda *_: caught.append(True)):
        with kept_from_workers(signal.SIGUSR1):
            os.kill(os.getpid(), signal.SIGUSR1)  # which any thread may catch
            told = subprocess.run([sys.executable, "-c", ask], stdout=subprocess.PIPE)
            assert not caught
        assert caught
    woken.set()
    assert b"SIGUSR1" in told.stdout


def test_a_signal_is_handled_as_before_afterwards(monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    with handled(signal.SIGINT, signal.SIG_IGN):
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # not Python's
    monkeypatch.setattr(signal, "signal", None)
    with handled(signal.SIGINT, signal.SIG_IGN):
        pass


def end(task):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.long
def test_a_worker_that_memory_ran_out_for_is_one_sentence():
    with pytest.raises(WorkerError, match=r"ended unexpectedly.* 2 jobs .* fewer"):
        list(run_jobs(end, [0, 1], n_jobs=2))


class Unreadable:
    """What can be pickled, and not loaded again."""

    def __reduce__(self):
        return int, ("no number",)


def unreadable(task):
    return Unreadable()


@pytest.mark.long
@pytest.mark.parametrize(
    ("job", "tasks", "reason"),
    [
        (abs, [threading.Lock(), 1], "TypeError: cannot pickle '_thread.lock' object"),
        (abs, [Unreadable(), 1], "ValueError: invalid literal for int"),
        (unreadable, [0, 1], "ValueError: invalid literal for int"),
    ],
)
def test_what_workers_cannot_be_given_is_one_sentence(job, tasks, reason):
    with pytest.raises(WorkerError, match=f"pickled copies.*Received: {reason}"):
        list(run_jobs(job, tasks, n_jobs=2))


def test_a_job_that_cannot_pickle_something_says_so_itself():
    def job(task):
        raise PicklingError("mine")

    with pytest.raises(PicklingError, match=r"^mine$"):
        list(run_jobs(job, [0]))


def test_without_dask_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "keras-mixup-gan\[cluster\]"'):
        trained(tmp_path, scheduler="tcp://127.0.0.1:8786")


@pytest.mark.parametrize("address", ["carrier-pigeon://x:1", "tcp://127.0.0.1:1", ""])
def test_a_scheduler_that_does_not_answer_is_refused(tmp_path, monkeypatch, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr(parallel, "CONNECT_SECONDS", 0.5)
    before = threading.enumerate()
    with pytest.raises(ValueError, match="No Dask scheduler answers") as caught:
        trained(tmp_path, scheduler=address)
    assert f"scheduler={address!r}" in str(caught.value)
    # A client left half open can block the next one when it is collected.
    assert set(threading.enumerate()) <= set(before)


@pytest.mark.parametrize("page", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_is_no_scheduler_is_refused(tmp_path, monkeypatch, page):
    pytest.importorskip("distributed")
    monkeypatch.setattr(parallel, "CONNECT_SECONDS", 0.5)

    class Page(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                self.request.sendall(page)
                while self.request.recv(1024):
                    pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Page) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(ValueError, match="No Dask scheduler answers"):
            trained(tmp_path, scheduler=address)
        server.shutdown()


def test_a_scheduler_without_workers_is_refused(tmp_path, monkeypatch, cluster):
    monkeypatch.setattr(parallel, "READY_SECONDS", 0.5)
    with pytest.raises(ValueError, match="has no worker that answers in"):
        trained(tmp_path, scheduler=cluster(0))


@pytest.mark.parametrize("package", ["keras", "results version", "revision"])
def test_workers_with_other_software_are_refused(
    tmp_path, monkeypatch, cluster, package
):
    def versions():
        other = {package: "3.0"} if on_a_worker() else {}
        return {**software_versions(), package: "1", **other}

    monkeypatch.setattr(parallel, "_versions", versions)
    with pytest.raises(ValueError, match=rf"with {package} 3\.0 instead of"):
        trained(tmp_path, scheduler=cluster(1))


@pytest.mark.long
def test_workers_take_the_kernels_of_the_caller(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    with loopback_cluster(tmp_path, num_workers=1) as (address, _):
        monkeypatch.setenv(ONEDNN, "0")  # the worker began with another
        with parallel._connected(address) as client:
            found = client.submit(os.environ.get, ONEDNN).result(SECONDS)
    assert found == "0"


def test_workers_that_cannot_run_the_library_are_refused(
    tmp_path, monkeypatch, cluster
):
    def versions():
        if on_a_worker():
            raise ModuleNotFoundError("No module named 'keras_mixup_gan'")
        return software_versions()

    monkeypatch.setattr(parallel, "_versions", versions)
    with pytest.raises(ValueError, match=r"cannot run this library.*No module named"):
        trained(tmp_path, scheduler=cluster(1))


@pytest.mark.parametrize("shadows", [None, "loaded"])
def test_an_audit_that_trains_no_shadows_needs_no_scheduler(tmp_path, shadows):
    if shadows is not None:
        shadows = trained(tmp_path)
    with pytest.raises(ValueError, match="`scheduler` is where shadow models are"):
        audit(
            FakeGAN(POOL[:15]),
            POOL[:15],
            POOL[15:],
            attacks="logan",
            blind=False,
            shadows=shadows,
            scheduler="tcp://127.0.0.1:8786",
        )


# === Models of the zoo, in processes of their own ===


@pytest.fixture
def processes(tmp_path):
    """The address of a scheduler on loopback with two worker processes."""
    pytest.importorskip("distributed")
    with loopback_cluster(tmp_path) as (address, _):
        yield address


@pytest.mark.slow
def test_gans_are_the_same_from_processes_and_from_a_cluster(tmp_path, processes):
    pool = random_images(24)
    target = make(mixup="paper", seed=9)
    target.fit(pool[:12], batch_size=4, epochs=1, verbose=0)
    settings = {
        "num_shadows": 4,
        "fit": {"batch_size": 4, "epochs": 2},
        "signals": ["critic", "nearest"],
        "num_samples": {"critic": 32, "nearest": 32},
        "keep_models": True,
    }
    places = {"here": {}, "loky": {"n_jobs": 2}, "dask": {"scheduler": processes}}
    here, beside, there = (
        in_time(
            train_shadows,
            target,
            pool,
            folder=tmp_path / place,
            seconds=SLOW_SECONDS,
            **settings,
            **where,
        )
        for place, where in places.items()
    )
    assert_same(there, beside)
    for ours, theirs in zip(beside.load_models(), there.load_models(), strict=True):
        for a, b in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_array_equal(a, b)
    # Here TensorFlow may use more cores than one, which changes the rounding.
    for name, values in here.statistics.items():
        np.testing.assert_allclose(there.statistics[name], values, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_an_audit_by_a_cluster_has_the_scores_of_one_by_hand(tmp_path, processes):
    pool = random_images(24)
    target = make(seed=9)
    settings = {"batch_size": 4, "epochs": 2}
    target.fit(pool[:12], **settings, verbose=0)
    reports = [
        in_time(
            audit,
            target,
            pool[:12],
            pool[12:],
            seconds=SLOW_SECONDS,
            attacks=["lira", "lira_offset"],
            blind=False,
            shadows=4,
            shadow_fit=settings,
            scheduler=scheduler,
        )
        for scheduler in (None, processes)
    ]
    for name in ("lira", "lira_offset"):
        here, there = (report[name] for report in reports)
        np.testing.assert_allclose(here.member_scores, there.member_scores, atol=0.01)
        assert abs(here.auc - there.auc) < 0.05
