"""Shadow models for an audit: trained on random halves of all its queries."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.shadows.recipe import training_of
from keras_mixup_gan.attacks.shadows.signals import critic_signals
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.validation import check_integer


def with_shadows(
    target: AttackTarget,
    model: Any,
    split: MembershipSplit,
    shadows: Any,
    fit: Mapping[str, Any] | None,
    folder: str | os.PathLike[str] | None,
    scheduler: str | None,
    progress: Callable[[int, int], None] | None,
) -> AttackTarget:
    """Grants access to shadow models, after training them where a number is given.

    Args:
        target: The target.
        model: The model that shadows are trained like.
        split: Members and non-members, the pool of the shadows.
        shadows: `Shadows`, the number to train, or None.
        fit: Arguments of `model.fit` for the training.
        folder: Where trained shadows are kept; by default nowhere.
        scheduler: Address of a Dask scheduler whose workers train them, if any.
        progress: Called as `progress(num_done, num_shadows)`.

    Returns:
        The target with its shadows.

    Raises:
        ValueError: If the number is too small, `fit` is missing, the model is not one
            that can be trained, or the scheduler cannot be used.
        ImportError: If `scheduler` is given and the `cluster` extra is not installed.
    """
    if scheduler is not None and not isinstance(shadows, int):
        raise ValueError(
            "`scheduler` is where shadow models are trained. Expected the number of "
            f"them. Received: shadows={shadows!r:.80}, scheduler={scheduler!r}. Pass "
            "`shadows=16`, or no scheduler."
        )
    if shadows is None:
        return target
    if not isinstance(shadows, int):
        return replace(target, shadows=shadows)
    check_integer(2, shadows=shadows)
    parts = (split.members, split.non_members)
    labels = [part.labels for part in parts if part.labels is not None]
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary if folder is None else folder)
        trained = train_shadows(
            model,
            np.concatenate([part.images for part in parts]),
            np.concatenate(labels) if labels else None,
            folder=place / f"shadows-{_key(model, split, shadows, fit, target.seed)}",
            num_shadows=shadows,
            signals=critic_signals(target.augment),
            fit=fit,
            seed=target.seed,
            scheduler=scheduler,
            progress=progress,
        )
    return replace(target, shadows=trained)


def _key(
    model: Any,
    split: MembershipSplit,
    number: int,
    fit: Mapping[str, Any] | None,
    seed: int,
) -> str:
    """Tells the shadows of different audits apart that share a folder."""
    _, recipe = training_of(model, fit)
    content = [split.content_hash, number, recipe, seed]
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
