"""What the recipe's DCGAN gives away by its samples alone: every model a target.

    python -m benchmarks.shadow_study FOLDER [--models 16] [--steps 2000]
        [--members 250] [--augment POLICY] [--jobs N] [--scheduler ADDRESS] [--out FILE]

Models are trained on halves of a pool of digits, twice as many as members, by
independent coins, and kept in FOLDER: run again, it continues. `table` makes of the
files what docs/audit.md shows.
"""

import argparse
import functools
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keras_mixup_gan import attacks, data, zoo
from keras_mixup_gan.auditing.verdict import with_interval
from keras_mixup_gan.cli import plainly
from keras_mixup_gan.statistics.over_seeds import mean_over_seeds
from keras_mixup_gan.storage import write_json

# Pool 0 is where signals and forms of the attacks were chosen: others are reported.
DATA_SEED, MODEL_SEED, BATCH_SIZE = 1, 8, 64

# The committed studies, by the title of their column.
STUDIES = {
    "undefended": "shadow_study.json",
    "DiffAugment": "shadow_study_augmented.json",
}
# Attacks that know transforms, and those that were there before, on the latter study.
NEWER, OLDER = ("fusion_moments", "fusion_white_box"), ("augmented", "lira_augmented")


def table(studies: Mapping[str, dict[str, Any]]) -> str:
    """AUC and members found at 1 % false positives of every attack, in Markdown."""
    heads = "".join(f" {title}: AUC | members found |" for title in studies)
    lines = [f"| attack | has |{heads}", "|---|---|" + "---|---|" * len(studies)]
    found = [
        {attack["name"]: attack for attack in study["attacks"]}
        for study in studies.values()
    ]
    for name in dict.fromkeys(name for each in found for name in each):
        attack = next(each[name] for each in found if name in each)
        has = "everything" if "discriminator" in attack["requires"] else "samples"
        cells = "".join(_cells(each.get(name)) for each in found)
        lines.append(f"| {attack['title']} | {has} |{cells}")
    return "\n".join(lines) + "\n"


def comparisons(study: Mapping[str, Any]) -> str:
    """How much stronger the newer attacks are than the older, paired, in Markdown."""
    found = {attack["name"]: attack for attack in study["attacks"]}
    heads = "".join(f" minus {found[name]['title']} |" for name in OLDER)
    lines = [f"| AUC of |{heads}", "|---|" + "---|" * len(OLDER)]
    for name in NEWER:
        cells = "".join(
            f" {area_text(difference(found[name], found[other]))} |" for other in OLDER
        )
        lines.append(f"| {found[name]['title']} |{cells}")
    return "\n".join(lines) + "\n"


def difference(attack: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The mean difference of two AUCs over the same models, with its t interval."""
    pairs = zip(attack["areas"], other["areas"], strict=True)
    return asdict(mean_over_seeds([one - two for one, two in pairs], (-1.0, 1.0)))


def _cells(attack: Mapping[str, Any] | None) -> str:
    if attack is None:
        return " not run | not run |"
    found = attack["found"]["0.01"]["mean"]
    return f" {area_text(attack['area'])} | {100 * found:.1f} % |"


def area_text(area: Mapping[str, Any]) -> str:
    """An AUC over models with its interval."""
    return with_interval(area["mean"], area["interval"])


@functools.cache
def pool_of(source: str, members: int, reference: int = 2000) -> Any:
    """A pool of twice as many images, as members, and held-out ones."""
    return data.MembershipSplit.draw(
        data.load_images(source),
        num_members=2 * members,
        num_non_members=1000,
        num_reference=reference,
        seed=DATA_SEED,
    )


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
    pool = pool_of("digits", given.members).members.images
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
    plainly(main)
