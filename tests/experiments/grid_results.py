"""Results of grids that never ran: what the schema allows, with known answers."""

import json
from dataclasses import dataclass, field

import numpy as np

TITLES = {
    "logan": "LOGAN (discriminator score)",
    "gan_leaks": "GAN-Leaks (nearest sample)",
}
LABEL = "[digits-cnn-v1, 5000 vs 2000]"
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
        defense: The defense in words.
        epsilons: Epsilon at each checkpoint.
        seeds: The seeds that are there.
        steps: Discriminator steps of the checkpoints.
        spread: How far the AUCs of neighboring seeds are apart.
        extra: What the entries hold besides.
        utility: What the last checkpoint holds under `utility`.
        bound: The AUC that no attack exceeds.
    """

    name: str
    aucs: tuple[float, ...] = AUCS
    fids: tuple[float, ...] = FIDS
    group: str | None = None
    defense: str = "none"
    epsilons: tuple[float, ...] | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: tuple[int, ...] = STEPS
    spread: float = 0.005
    extra: dict = field(default_factory=dict)
    utility: dict | None = None
    bound: float | None = None


UNDEFENDED = FakeArm("undefended")
PROTECTIVE = FakeArm(
    "mixup-noise", (0.52, 0.56, 0.6), group="mixup", defense="mixup (noise 1)"
)
HARMFUL = FakeArm(
    "mixup-paper", (0.7, 0.85, 0.97), group="mixup", defense="mixup (reals only)"
)
IDLE = FakeArm("mixup-idle", group="mixup", defense="mixup (idle)")
DP = FakeArm(
    "dp-sgd-10",
    (0.5, 0.51, 0.52),
    (60.0, 45.0, 30.0),
    defense="DP-SGD (clip 1, noise 2)",
    epsilons=(5.0, 7.5, 10.0),
    extra={"noise_seed": 0},
)


def attack(title, area, members=250, non_members=1000):
    width = 1.96 * 0.01 / (area * (1 - area)) if 0 < area < 1 else 0.0
    logit = np.log(area / (1 - area)) if 0 < area < 1 else 0.0
    low, high = (float(1 / (1 + np.exp(-logit - s * width))) for s in (-1, 1))
    return {
        "title": title,
        "status": "done",
        "reason": "",
        "auc": area,
        "auc_ci": [low, high] if 0 < area < 1 else [0.98, 1.0],
        "tpr_at_fpr": {
            "fpr": 0.01,
            "tpr": round(max(0.0, area - 0.5), 3),
            "tpr_ci": [0.0, 1.0],
            "realized_fpr": 0.01,
            "threshold": 0.0,
            "true_positives": round(members * max(0.0, area - 0.5)),
            "false_positives": 10,
        },
        "n": {"members": members, "non_members": non_members},
    }


def failed(title, reason="it diverged"):
    nothing = dict.fromkeys(("auc", "auc_ci", "tpr_at_fpr", "n"))
    return {"title": title, "status": "failed", "reason": reason, **nothing}


def shadows(area, num_shadows=16):
    found = attack("LiRA (shadow models)", area, 120, 130)
    return {"lira": {**found, "num_shadows": num_shadows}}


def entry(arm, seed, model="dcgan", members=250):
    offset = arm.spread * (seed - 1)
    curve = [
        {
            "d_steps": steps,
            "attacks": {
                "gan_leaks": attack(TITLES["gan_leaks"], 0.52 - offset),
                "logan": attack(TITLES["logan"], area + offset),
            },
            "quality": {f"FID{LABEL}": fid, f"KID{LABEL}": fid / 50},
            "epsilon": None if arm.epsilons is None else arm.epsilons[number],
        }
        for number, (steps, fid, area) in enumerate(
            zip(arm.steps, arm.fids, arm.aucs, strict=True)
        )
    ]
    if arm.utility is not None:
        curve[-1]["utility"] = dict(arm.utility)
    if arm.bound is not None:
        curve[-1]["bounds"] = {"auc": arm.bound, "fpr": 0.01, "tpr": 0.3}
    return {
        "name": f"{model}/{members}/{arm.name}/{seed}",
        "model": model,
        "arm": arm.name,
        "group": arm.group or arm.name,
        "defense": arm.defense,
        "seed": seed,
        "members": members,
        "non_members": 1000,
        "reference": 2000,
        "split_hash": f"{seed:064x}",
        "batch_size": 64,
        **curve[-1],
        "delta": 1e-4,
        "noise_seed": None,
        "curve": curve,
        "cpu_seconds": 90.0,
        **arm.extra,
    }


def family(*arms, model="dcgan", members=250):
    """Cells of one family."""
    return [entry(arm, seed, model, members) for arm in arms for seed in arm.seeds]


def grid(*cells, missing=()):
    """Content of `results.json`; it has been through JSON."""
    content = {
        "schema_version": 2,
        "kind": "grid",
        "suite": {
            "name": "test",
            "title": "Nothing was trained",
            "command": "python -m benchmarks.compare --suite test",
            "data": {"data": "digits"},
            "seeds": [0, 1, 2],
        },
        "code": "c0de" * 16,
        "versions": {"keras": "3.0", "python": "3.11"},
        "missing": list(missing),
        "cells": list(cells),
    }
    return json.loads(json.dumps(content, allow_nan=False))
