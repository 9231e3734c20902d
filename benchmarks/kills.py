"""Kills runs at random moments and compares what they resume to with undisturbed ones.

    python -m benchmarks.kills [--kills 60] [--seed 0]

Trains, audits with shadow models, compares, and computes a grid by two jobs, all tiny.
Each run is ended by SIGKILL, SIGTERM or SIGINT, and its command is given again at once,
until one comes to its end; what that leaves must be what an undisturbed run left, bit
for bit and file by file, but for times. Prints a line for each kind of run, and exits
with 1 if any result differs, a command is refused, or a worker outlives its run.
"""

import argparse
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from keras_mixup_gan import storage

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
RUN = "from keras_mixup_gan.cli import main; main()"
END_SECONDS = 10  # for workers to end after their run
# What differs between two undisturbed runs too: times, and digests over them.
TIMES = {"seconds", "cpu_seconds", "digest", "sha256", "model_sha256"}
SUITE = """
title = "Seconds"
seeds = [0]
batch_size = 16
num_samples = 64
num_blends = 2
num_generated = 64
utility = false

[data]
data = "{data}"
non_members = 40
reference = 30

[arms.undefended]

[arms.mixup-noise]
defense = "mixup"
rule = "noisy"

[arms.dp-sgd]
noise_multiplier = 3.0

[[blocks]]
model = "dcgan"
members = [30]
width = 4
arms = {arms}
checkpoints = [2, 4]
"""


@dataclass
class Outcome:
    """What came of the kills of one kind of run."""

    kind: str
    seconds: float  # of the undisturbed run
    kills: dict[str, int] = field(default_factory=dict)
    resumed: int = 0  # runs that were killed, some several times, and came to an end
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        by = ", ".join(f"{number} by {name}" for name, number in self.kills.items())
        return (
            f"{self.kind}: {sum(self.kills.values())} kills ({by}) of {self.resumed} "
            f"runs of {self.seconds:.0f} s; {len(self.problems)} problems"
        )


def inputs(folder: Path) -> dict[str, list[str]]:
    """Writes what the commands need; returns their words by kind, `--out` excepted."""
    rng = np.random.default_rng(0)
    pixels = rng.uniform(-1, 1, (140, 4, 4, 1)).astype("float32")
    images = pixels.repeat(2, axis=1).repeat(2, axis=2)
    parts = {"images": images, "in": images[:40], "outside": images[40:80]}
    paths = {name: str(folder / f"{name}.npz") for name in parts}
    for name, part in parts.items():
        np.savez(paths[name], images=part)
    suites = {"compare": '["undefended", "mixup-noise"]'}
    suites["grid"] = '["undefended", "mixup-noise", "dp-sgd"]'
    for name, arms in suites.items():
        text = SUITE.format(data=paths["images"], arms=arms)
        (folder / f"{name}.toml").write_text(text)
    train = ["train", "dcgan", "--batch-size", "20", "--data"]
    model = folder / "model"
    if start([*train, paths["in"], "--steps", "4"], model).wait():
        raise ValueError(f"No model could be trained in {str(model)!r}.")
    shadows = ["--shadows", "3", "--shadow-batch-size", "10", "--shadow-steps", "4"]
    audit = ["audit", str(model / "model.keras"), "--members", paths["in"]]
    audit += ["--non-members", paths["outside"], "--attacks", "logan,gan_leaks,lira"]
    return {
        "train": [*train, paths["images"], "--epochs", "12"],
        "audit with shadow models": [*audit, *shadows],
        "compare": ["compare", "--suite", str(folder / "compare.toml")],
        "grid of two jobs": [
            *("compare", "--jobs", "2", "--suite", str(folder / "grid.toml"))
        ],
    }


def start(words: list[str], out: Path) -> subprocess.Popen[str]:
    """Starts a command, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *words, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill_runs(
    kind: str, words: list[str], folder: Path, kills: int, seed: int
) -> Outcome:
    """Runs a command undisturbed, and then kills it so many times."""
    rng = random.Random(seed)
    begun = time.monotonic()
    process = start(words, folder / "undisturbed")
    while process.poll() is None and not (folder / "undisturbed").exists():
        time.sleep(0.05)
    first = time.monotonic() - begun  # nothing is written before
    errors = process.communicate()[1]
    outcome = Outcome(kind, time.monotonic() - begun)
    if process.returncode:
        outcome.problems.append(errors)
        return outcome
    expected = content(folder / "undisturbed")
    killed: list[subprocess.Popen[str]] = []
    while killed or sum(outcome.kills.values()) < kills:
        out = folder / f"killed-{outcome.resumed}"
        process = start(words, out)
        given = sum(outcome.kills.values())
        with contextlib.suppress(subprocess.TimeoutExpired):
            moment = rng.uniform(first, outcome.seconds)
            process.wait(moment if given < kills else None)
        for one in killed:  # while the next run is on its way
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.communicate(timeout=END_SECONDS)
                continue
            outcome.problems.append(f"{out.name}: workers outlive their run")
        if process.poll() is None:
            how = SIGNALS[given % len(SIGNALS)]
            process.send_signal(how)
            outcome.kills[how.name] = outcome.kills.get(how.name, 0) + 1
            process.wait()
            killed = [process]
            continue
        errors, killed = process.communicate()[1], []
        outcome.resumed += 1
        if process.returncode:
            outcome.problems.append(f"{out.name}: {errors}")
            continue
        found = content(out)
        names = {*expected, *found}
        differing = [n for n in sorted(names) if expected.get(n) != found.get(n)]
        if differing:
            outcome.problems.append(f"{out.name}: {', '.join(differing)} differ")
    return outcome


def content(folder: Path) -> dict[str, str]:
    """A digest of each file of a run, by its path, times left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): digest(path) for path in paths}


def digest(path: Path) -> str:
    """SHA-256 of all that two undisturbed runs have in common."""
    if path.suffix == ".json":
        return storage.digest_json(timeless(json.loads(path.read_text("utf-8"))))
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            kept = {name: arrays[name] for name in arrays.files if name not in TIMES}
        if "about" in kept:
            about = timeless(json.loads(str(kept["about"])))
            kept["about"] = np.array(json.dumps(about))
        return storage.digest_arrays([np.array(list(kept)), *kept.values()])
    if path.suffix == ".keras":
        return storage.digest_json(list(saved(path)))
    if path.suffix in (".html", ".md"):  # which tell seconds
        return "a page"
    return str(storage.digest_file(path))


def timeless(value: Any) -> Any:
    """JSON values without times."""
    if isinstance(value, dict):
        return {key: timeless(value[key]) for key in value if key not in TIMES}
    return [timeless(one) for one in value] if isinstance(value, list) else value


def saved(path: Path) -> list[str]:
    """The configuration and every variable of a model."""
    found: list[str] = []
    with zipfile.ZipFile(path) as archive:
        found.append(storage.digest_bytes(archive.read("config.json")))
        with archive.open("model.weights.h5") as packed, h5py.File(packed) as weights:
            weights.visititems(
                lambda name, item: (
                    found.append(f"{name} {storage.digest_arrays([item[()]])}")
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
    return found


def main() -> int:
    """Prints what came of it; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(2) as pool:
        kinds = inputs(Path(place))
        shares = [given.kills // len(kinds)] * len(kinds)
        shares[0] += given.kills - sum(shares)
        jobs = []
        for number, ((kind, words), share) in enumerate(
            zip(kinds.items(), shares, strict=True)
        ):
            folder = Path(place) / str(number)
            seed = given.seed + number
            jobs.append(pool.submit(kill_runs, kind, words, folder, share, seed))
        outcomes = []
        for job in as_completed(jobs):
            outcomes.append(job.result())
            print(outcomes[-1], *outcomes[-1].problems, sep="\n  ", flush=True)
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
