"""What the recipe's DCGAN gives away by its samples alone: every model a target.

    python -m benchmarks.shadow_study FOLDER [--models 16] [--steps 2000]
        [--members 250] [--augment POLICY] [--jobs N] [--scheduler ADDRESS] [--out FILE]

Models are trained on halves of a pool of digits, twice as many as members, by
independent coins, and kept in FOLDER: run again, it continues.
"""

import argparse
from pathlib import Path

from keras_mixup_gan import attacks, data, zoo
from keras_mixup_gan.storage import write_json

# Pool 0 is where signals and forms of the attacks were chosen: others are reported.
DATA_SEED, MODEL_SEED, BATCH_SIZE = 1, 8, 64


def main() -> None:
    """Trains what is missing, prints the study, and writes its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, default=16)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--members", type=int, default=250)
    parser.add_argument("--augment")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--scheduler")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    pool = data.MembershipSplit.draw(
        data.load_images("digits"),
        num_members=2 * given.members,
        num_non_members=1000,
        num_reference=2000,
        seed=DATA_SEED,
    ).members.images
    study = attacks.shadow_study(
        zoo.dcgan(pool.shape[1:], seed=MODEL_SEED, augment=given.augment),
        pool,
        folder=given.folder,
        num_models=given.models,
        fit={"batch_size": BATCH_SIZE, "epochs": 1, "steps_per_epoch": given.steps},
        n_jobs=given.jobs,
        scheduler=given.scheduler,
        progress=lambda done, of: print(f"model {done} of {of}", flush=True),
    )
    print(study)
    print("From samples alone:", study.strongest(["samples"]).title)
    if given.out is not None:
        write_json(given.out, study.to_dict())


if __name__ == "__main__":
    main()
