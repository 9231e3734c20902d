"""What a training step costs, as ratios within one process.

    python -m benchmarks.speed [--rounds N] [--out FILE]

Fresh DCGANs take steps in turns on the embedded digits: undefended (twice, to show the
noise of the measurement), with the paper's mixup, with two-sided mixup and with the
recipe's mixup. Mixup of augmented images takes turns with augmentation alone. DP-SGD
takes turns with an undefended model alone, in a quarter of the rounds: its long steps
would otherwise slow down whatever comes after them.

Each family then takes turns with the same networks in a loop written as Keras'
documentation shows (`benchmarks/documented.py`), with the same number of updates.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks import documented
from keras_mixup_gan import DPSGD, MixUp, data, zoo
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
    "mixup, recipe": {"mixup": True},
}
AUGMENTED_ARMS = {
    "DiffAugment": {"augment": "color,translation,cutout"},
    "mixup, augmented": {"mixup": "augmented"},
}
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
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()

    images = data.load_images("digits").images[:1000]
    few = max(1, given.rounds // 4)
    rows = {
        **measure(DP_ARMS, images, given.batch_size, few),
        **measure(MIXUP_ARMS, images, given.batch_size, given.rounds),
        **measure(AUGMENTED_ARMS, images, given.batch_size, given.rounds),
        **measure_family("dcgan", images, given.batch_size, given.rounds),
        **measure_family("wgan_gp", images, given.batch_size, few),
    }
    for name, row in rows.items():
        print(
            f"{name:24}  {row['ratio']:.3f} times the step of {row['baseline']}  "
            f"(median {1000 * row['median_seconds']:.1f} ms)"
        )
    if given.out is not None:
        content = {
            "command": f"python -m benchmarks.speed --rounds {given.rounds} "
            f"--batch-size {given.batch_size}",
            "batch_size": given.batch_size,
            "arms": rows,
            "versions": software_versions(),
        }
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
