"""What a training step costs, as ratios within one process.

    python -m benchmarks.speed [--rounds N] [--torch PYTHON] [--out FILE]

Fresh DCGANs take steps in turns on the embedded digits: undefended (twice, to show the
noise of the measurement), with the paper's mixup, with two-sided mixup and with the
noisy mixup. Mixup of augmented images takes turns with augmentation alone. DP-SGD
takes turns with an undefended model alone, in a quarter of the rounds: its long steps
would otherwise slow down whatever comes after them.

Each family then takes turns with the same networks in a loop written as Keras'
documentation shows (`benchmarks/documented.py`), with the same number of updates.

`fit` over a hundred short epochs takes turns with its own steps, taken one by one, and,
where `--torch` names the Python of an environment that has PyTorch, with the same
training in that (`benchmarks/torch_loop.py`), in several ways of writing it.
"""

import argparse
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import documented
from keras_mixup_gan import DPSGD, MixUp, data, storage, zoo
from keras_mixup_gan.experiments import timing
from keras_mixup_gan.models.recipes import optimizer_from
from keras_mixup_gan.versions import software_versions

BASELINE = "undefended"
DOCUMENTED = {
    "dcgan": documented.DocumentedGAN,
    "wgan_gp": documented.DocumentedWGANGP,
}
MIXUP_ARMS = {
    BASELINE: {},
    "undefended again": {},
    "mixup, paper's rule": {"mixup": "paper"},
    "mixup, two-sided": {"mixup": MixUp(alpha=8.0)},
    "mixup, noisy": {"mixup": "noisy"},
}
AUGMENTED_ARMS = {
    "DiffAugment": {"augment": "color,translation,cutout"},
    "mixup, augmented": {"mixup": "augmented"},
}
FIT_EXAMPLES, FIT_EPOCHS = 250, 100
TORCH_LOOP = Path(__file__).with_name("torch_loop.py")
TORCH_WAYS = ((), ("channels_last",), ("compile",), ("channels_last", "compile"))
DP_ARMS = {
    BASELINE: {},
    "DP-SGD, query engine": {"dp": DPSGD(1.0, 1.0, noise_seed=0)},
}


def measure(arms: dict, images: Any, batch_size: int, rounds: int) -> dict[str, Any]:
    """Times defenses in turns, against the first; a row for each."""
    models = {name: zoo.dcgan(seed=0, **arm) for name, arm in arms.items()}
    return rows_of(
        timing.step_seconds(models, images, batch_size, rounds), next(iter(arms))
    )


def measure_family(
    name: str, images: Any, batch_size: int, rounds: int
) -> dict[str, Any]:
    """Times a model of the zoo and its documented counterpart in turns."""
    model = getattr(zoo, name)(seed=0)
    baseline = f"{name}, documented loop"
    counterpart = DOCUMENTED[name](model)
    optimizer = optimizer_from(zoo.load_recipe(name))
    twin = optimizer_from(zoo.load_recipe(name))
    counterpart.compile(optimizer, twin)
    takers = {
        baseline: documented.step_taker(counterpart, images, batch_size),
        f"{name}, fit": timing.step_taker(model, images, batch_size),
    }
    return rows_of(timing.seconds_in_turns(takers, rounds), baseline)


def measure_fit(
    images: Any, batch_size: int, rounds: int, torch: Path | None
) -> dict[str, Any]:
    """Times `fit` over many short epochs, its steps one by one, and PyTorch's."""
    num_steps = FIT_EPOCHS * (len(images) // batch_size)
    model, twin = zoo.dcgan(seed=0), zoo.dcgan(seed=0)
    take_step = timing.step_taker(twin, images, batch_size)
    settings = {"batch_size": batch_size, "epochs": FIT_EPOCHS, "verbose": 0}
    takers: dict[str, Callable[[], Any]] = {
        "steps one by one": lambda: [take_step() for _ in range(num_steps)],
        "fit, 100 epochs": lambda: model.fit(images, **settings),
    }
    if torch is None:
        return rows_of(timing.seconds_in_turns(takers, rounds, 1), "steps one by one")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, images)
        loops = {way: torch_loop(torch, path, batch_size, way) for way in TORCH_WAYS}
        for way, (version, loop) in loops.items():
            name = ", ".join((f"PyTorch {version}", *way))
            takers[name] = lambda loop=loop: loop(num_steps)
        seconds = timing.seconds_in_turns(takers, rounds, 1)
    best = min(
        (name for name in seconds if name.startswith("PyTorch")),
        key=lambda name: statistics.median(seconds[name]),
    )
    ours = rows_of(seconds, "steps one by one")
    fit = rows_of({name: seconds[name] for name in (best, "fit, 100 epochs")}, best)
    return {**ours, "fit, against the best of PyTorch": fit["fit, 100 epochs"]}


def torch_loop(
    python: Path, images: Path, batch_size: int, way: tuple[str, ...]
) -> tuple[str, Callable[[int], None]]:
    """PyTorch's version, and a function that takes so many steps in its process."""
    process = subprocess.Popen(
        [python, TORCH_LOOP, images, str(batch_size), *way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    asked: Any = process.stdin
    said: Any = process.stdout
    version = said.readline().strip()
    if not version:
        raise SystemExit(f"PyTorch does not start. Received: --torch {python}.")

    def take(num_steps: int) -> None:
        print(num_steps, file=asked, flush=True)
        float(said.readline())  # fails where the process did

    return version, take


def rows_of(seconds: dict[str, list[float]], baseline: str) -> dict[str, Any]:
    """Medians of the times and of their ratios to the baseline's."""
    ratios = timing.median_ratios(seconds, baseline)
    return {
        name: {
            "baseline": baseline,
            "ratio": ratios[name],
            "median_seconds": statistics.median(times),
            "min_seconds": min(times),
            "rounds": len(times),
        }
        for name, times in seconds.items()
    }


def main() -> None:
    """Measures, prints and saves the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="timed steps per arm")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--torch", type=Path, help="a Python that has PyTorch")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()

    images = data.load_images("digits").images[:1000]
    if given.batch_size > FIT_EXAMPLES:
        parser.error(f"Expected --batch-size of at most {FIT_EXAMPLES}.")
    few = max(1, given.rounds // 4)
    rows = {
        **measure(DP_ARMS, images, given.batch_size, few),
        **measure(MIXUP_ARMS, images, given.batch_size, given.rounds),
        **measure(AUGMENTED_ARMS, images, given.batch_size, given.rounds),
        **measure_family("dcgan", images, given.batch_size, given.rounds),
        **measure_family("wgan_gp", images, given.batch_size, few),
        **measure_fit(
            images[:FIT_EXAMPLES], given.batch_size, max(1, few // 5), given.torch
        ),
    }
    for name, row in rows.items():
        print(
            f"{name:34}  {row['ratio']:.3f} times the step of {row['baseline']}  "
            f"(median {1000 * row['median_seconds']:.1f} ms)"
        )
    if given.out is not None:
        content = {
            "command": f"python -m benchmarks.speed --rounds {given.rounds} "
            f"--batch-size {given.batch_size}{' --torch PYTHON' * bool(given.torch)}",
            "batch_size": given.batch_size,
            "arms": rows,
            "versions": software_versions(),
        }
        storage.write_json(given.out, content)


if __name__ == "__main__":
    main()
