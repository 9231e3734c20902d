"""Leakage at matched quality; equal steps flatter what only slows training."""

from collections.abc import Sequence
from typing import Any


def fid_of(point: dict[str, Any]) -> float:
    """The Frechet distance of a point of a curve."""
    return next(
        value for name, value in point["quality"].items() if name.startswith("FID[")
    )


def matched_checkpoint(
    curve: Sequence[dict[str, Any]], fid: float
) -> dict[str, Any] | None:
    """The earliest checkpoint at which a model was at least as good as `fid`.

    This is early stopping, the defence that costs nothing: what another defence leaks
    at its quality has to be held against what this checkpoint leaks.

    Args:
        curve: Checkpoints in the order of training.
        fid: Frechet distance to reach; smaller is better.

    Returns:
        The checkpoint, or `None` where the model never was as good.
    """
    return next((point for point in curve if fid_of(point) <= fid), None)
