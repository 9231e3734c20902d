"""Results of comparisons that never ran: what the types allow, with known answers."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from keras_mixup_gan.experiments.pool import Data
from keras_mixup_gan.experiments.results import (
    AttackFigures,
    Bounds,
    CellResult,
    Checkpoint,
    ShadowAttack,
    SuiteResults,
)
from keras_mixup_gan.experiments.suite import Block, Suite
from keras_mixup_gan.metrics import Metric
from keras_mixup_gan.statistics.roc import OperatingPoint

TITLES = {
    "logan": "LOGAN (discriminator score)",
    "gan_leaks": "GAN-Leaks (nearest sample)",
}
STEPS = (500, 1000, 2000)
# A leak that grows as the images get better.
FIDS, AUCS = (40.0, 20.0, 10.0), (0.6, 0.75, 0.9)


@dataclass(frozen=True)
class FakeArm:
    """An arm whose seeds have the same qualities and nearly the same AUCs.

    Args:
        name: Name of the arm.
        aucs: AUC of LOGAN at each checkpoint; GAN-Leaks stays at .52.
        fids: Frechet distance at each checkpoint.
        group: Group of the arm.
        kind: Name of the defense.
        defense: The defense in words.
        epsilons: Epsilon at each checkpoint.
        seeds: The seeds that are there.
        steps: Discriminator steps of the checkpoints.
        spread: How far the AUCs of neighboring seeds are apart.
        extra: Other fields of the cells.
        utility: Of the last checkpoint.
        bound: The AUC that no attack exceeds.
    """

    name: str
    aucs: tuple[float, ...] = AUCS
    fids: tuple[float, ...] = FIDS
    group: str | None = None
    kind: str = "other"
    defense: str = "none"
    epsilons: tuple[float, ...] | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: tuple[int, ...] = STEPS
    spread: float = 0.005
    extra: dict = field(default_factory=dict)
    utility: tuple[Metric, ...] = ()
    bound: float | None = None


UNDEFENDED = FakeArm("undefended", kind="undefended")
PROTECTIVE = FakeArm("mixup-noise", (0.52, 0.56, 0.6), group="mixup", kind="mixup")
HARMFUL = FakeArm("mixup-paper", (0.7, 0.85, 0.97), group="mixup", kind="mixup")
IDLE = FakeArm("mixup-idle", group="mixup", kind="mixup")
DP = FakeArm(
    "dp-sgd-10",
    (0.5, 0.51, 0.52),
    (60.0, 45.0, 30.0),
    kind="dp-sgd",
    defense="DP-SGD (clip 1, noise 2)",
    epsilons=(5.0, 7.5, 10.0),
    extra={"noise_seed": 0},
)


def metric(name, value, **changes):
    return Metric(name, value, "digits-cnn-v1", 5000, 2000, **changes)


def attack(name, area, members=250, non_members=1000, title=None):
    interval = (0.98, 1.0)
    if 0 < area < 1:
        width, logit = 1.96 * 0.01 / (area * (1 - area)), np.log(area / (1 - area))
        interval = tuple(float(1 / (1 + np.exp(-logit - s * width))) for s in (-1, 1))
    found = max(0.0, area - 0.5)
    point = OperatingPoint(
        target_fpr=0.01,
        threshold=0.0,
        tpr=round(found, 3),
        tpr_interval=(0.0, 1.0),
        realized_fpr=0.01,
        true_positives=round(members * found),
        false_positives=10,
        num_members=members,
        num_non_members=non_members,
    )
    title = title or TITLES[name]
    return AttackFigures(name, title, "done", "", area, interval, point)


def failed(name, reason="it diverged"):
    return AttackFigures(name, TITLES.get(name, name), "failed", reason)


def shadow(area, kind="plain", num_shadows=16):
    figures = attack("lira", area, 120, 130, "LiRA (shadow models)")
    return ShadowAttack(kind, num_shadows, figures)


def checkpoint(steps, fid, area, offset=0.0, epsilon=None):
    return Checkpoint(
        steps,
        (attack("gan_leaks", 0.52 - offset), attack("logan", area + offset)),
        (metric("FID", fid), metric("KID", fid / 50, standard_error=0.01)),
        epsilon,
    )


def cell(arm, seed, model="dcgan", members=250):
    epsilons = arm.epsilons or (None,) * len(arm.steps)
    curve = [
        checkpoint(*point, arm.spread * (seed - 1), epsilon)
        for *point, epsilon in zip(arm.steps, arm.fids, arm.aucs, epsilons, strict=True)
    ]
    bounds = None if arm.bound is None else Bounds(arm.bound, 0.01, 0.3)
    curve[-1] = dataclasses.replace(curve[-1], utility=arm.utility, bounds=bounds)
    values = {
        "name": f"{model}/{members}/{arm.name}/{seed}",
        "model": model,
        "arm": arm.name,
        "group": arm.group or arm.name,
        "kind": arm.kind,
        "title": arm.name.capitalize(),
        "defense": arm.defense,
        "seed": seed,
        "members": members,
        "non_members": 1000,
        "reference": 2000,
        "split_hash": f"{seed:064x}",
        "num_pool": (members, members),
        "batch_size": 64,
        "delta": 1e-4,
        "noise_seed": None,
        "curve": tuple(curve),
        "key": f"{arm.name}-{seed}".encode().hex(),
        "versions": {"keras": "3.0"},
        "cpu_seconds": 90.0,
    }
    return CellResult(**values | arm.extra)


def family(*arms, model="dcgan", members=250):
    """Cells of one family."""
    return [cell(arm, seed, model, members) for arm in arms for seed in arm.seeds]


def changed_last(result, **changes):
    """A cell whose last checkpoint differs."""
    last = dataclasses.replace(result.last, **changes)
    return dataclasses.replace(result, curve=(*result.curve[:-1], last))


def results(*cells, missing=(), seeds=(0, 1, 2)):
    """Results of a suite."""
    arms = {one.arm: {} for one in cells}
    blocks = [
        Block(model, (members,), tuple(arms), STEPS)
        for model, members in dict.fromkeys((c.model, c.members) for c in cells)
    ]
    suite = Suite(
        "test",
        "Nothing was trained",
        Data(),
        arms,
        tuple(blocks),
        tuple(seeds),
        path="test",
    )
    return SuiteResults(suite, tuple(cells), tuple(missing), {"keras": "3.0"})
