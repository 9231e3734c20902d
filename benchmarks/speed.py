"""What a training step costs, as ratios within one process.

    python -m benchmarks.speed [--rounds N] [--out FILE]

Fresh DCGANs take steps in turns on the embedded digits: undefended (twice, to show the
noise of the measurement), with the paper's mixup, with two-sided mixup, with the
recipe's mixup, and with DP-SGD.
"""

import argparse
import json
import statistics
from pathlib import Path

from keras_mixup_gan import DPSGD, MixUp, data, zoo
from keras_mixup_gan.attacks.results import software_versions
from keras_mixup_gan.experiments.timing import median_ratios, step_seconds

ARMS = {
    "undefended": {},
    "undefended again": {},
    "mixup, paper's rule": {"mixup": "paper"},
    "mixup, two-sided": {"mixup": MixUp(alpha=8.0)},
    "mixup, recipe": {"mixup": True},
    "DP-SGD, query engine": {"dp": DPSGD(1.0, 1.0, noise_seed=0)},
}


def main() -> None:
    """Measures, prints and saves the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="timed steps per arm")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()

    images = data.load_images("digits").images[:1000]
    models = {name: zoo.dcgan(seed=0, **arm) for name, arm in ARMS.items()}
    seconds = step_seconds(models, images, given.batch_size, given.rounds)
    ratios = median_ratios(seconds, "undefended")
    rows = {
        name: {
            "ratio": ratios[name],
            "median_seconds": statistics.median(times),
            "min_seconds": min(times),
        }
        for name, times in seconds.items()
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
            "rounds": given.rounds,
            "batch_size": given.batch_size,
            "arms": rows,
            "versions": software_versions(),
        }
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
