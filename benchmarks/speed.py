"""What a training step costs, as ratios within one process.

    python -m benchmarks.speed [--rounds N] [--out FILE]

Fresh DCGANs take steps in turns on the embedded digits: undefended (twice, to show the
noise of the measurement), with the paper's mixup, with two-sided mixup and with the
recipe's mixup. DP-SGD takes turns with an undefended model alone, in a quarter of the
rounds: its long steps would otherwise slow down whatever comes after them.
"""

import argparse
import json
import statistics
from pathlib import Path

from keras_mixup_gan import DPSGD, MixUp, data, zoo
from keras_mixup_gan.attacks.results import software_versions
from keras_mixup_gan.experiments.timing import median_ratios, step_seconds

BASELINE = "undefended"
MIXUP_ARMS = {
    BASELINE: {},
    "undefended again": {},
    "mixup, paper's rule": {"mixup": "paper"},
    "mixup, two-sided": {"mixup": MixUp(alpha=8.0)},
    "mixup, recipe": {"mixup": True},
}
DP_ARMS = {
    BASELINE: {},
    "DP-SGD, query engine": {"dp": DPSGD(1.0, 1.0, noise_seed=0)},
}


def measure(arms: dict, batch_size: int, rounds: int) -> dict[str, dict[str, float]]:
    """Times the arms in turns; a row for each."""
    images = data.load_images("digits").images[:1000]
    models = {name: zoo.dcgan(seed=0, **arm) for name, arm in arms.items()}
    seconds = step_seconds(models, images, batch_size, rounds)
    ratios = median_ratios(seconds, BASELINE)
    return {
        name: {
            "ratio": ratios[name],
            "median_seconds": statistics.median(times),
            "min_seconds": min(times),
            "rounds": rounds,
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

    rows = {
        **measure(DP_ARMS, given.batch_size, max(1, given.rounds // 4)),
        **measure(MIXUP_ARMS, given.batch_size, given.rounds),
    }
    for name, row in rows.items():
        print(
            f"{name:22}  {row['ratio']:.3f} times the undefended step  "
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
