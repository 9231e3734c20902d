"""Attacks that compare what a model says of an image with what shadow models say."""

import abc
import copy
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.shadows.store import Shadows
from keras_mixup_gan.attacks.target import AttackTarget, Labels, defense_of
from keras_mixup_gan.typing import BoolArray, FloatArray, IntArray

Statistics: TypeAlias = Mapping[str, FloatArray]  # of each signal, by name


class ShadowAttack(Attack):
    """Base class: subclasses say which signals they take, learn, and rate.

    `_learn` sees the shadows alone, so what an attack knows does not depend on its
    target, and `rate` can make a target of one of the shadows.
    """

    _least_inside: ClassVar[int] = 1

    @abc.abstractmethod
    def _signals(self, shadows: Shadows) -> tuple[str, ...]:
        """The signals that the attack takes, of those that these shadows offer."""

    @abc.abstractmethod
    def _learn(self, shadows: Shadows) -> None:
        """Prepares to compare with these shadows."""

    @abc.abstractmethod
    def _rate(
        self, own: Statistics, others: Statistics, inside: BoolArray
    ) -> FloatArray:
        """Rates a model's signals `(n,)` by those of others `(num_shadows, n)`."""

    def rate(self, shadows: Shadows, number: int) -> FloatArray:
        """Scores of all records with one of the shadows as the target of the others.

        Args:
            shadows: What `train_shadows` returned.
            number: Which of them is the target.

        Returns:
            Float64 array `(num_records,)`, higher = more likely a member; NaN for
            records that all of the others saw, or none.

        Raises:
            ValueError: If the shadows' halves are balanced: those of the others then
                tell a target's.
        """
        if shadows.balanced:
            raise ValueError(
                f"{self.title} would read the target's members from the halves of the "
                "others. Expected shadow models of independent coins. Received: "
                "balanced ones. Train them by `shadow_study`, or by "
                "`train_shadows(balanced=False)`."
            )
        others = shadows.without(number)
        names = self._checked(others)
        usable = ~self._lacking(others.inside)
        attack = copy.copy(self)  # which may be fitted to another target
        attack._learn(others.of_records(usable))
        scores = np.full(len(usable), np.nan)
        scores[usable] = attack._rate(
            {name: shadows.statistics[name][number, usable] for name in names},
            {name: others.statistics[name][:, usable] for name in names},
            others.inside[:, usable],
        )
        return scores

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        shadows = self._shadows(target)
        return {
            "num_shadows": shadows.num_shadows,
            "adaptive": same_defense(target, shadows),
        }

    def _fit(self, target: AttackTarget) -> None:
        shadows = self._shadows(target)
        self._checked(shadows)
        shadows.refuse(target)
        usable = ~self._lacking(shadows.inside)
        if not usable.any():
            raise ValueError(
                f"{self.title} learns from images that some shadow models saw and "
                f"others did not. Received: none of {len(usable)} records of "
                f"{shadows.num_shadows} shadow models. Train at least 4."
            )
        self._learn(shadows.of_records(usable))

    def _score(self, images: FloatArray, labels: Labels) -> FloatArray:
        target = self._fitted()
        shadows = self._shadows(target)
        records, inside = self._records(shadows, images)
        names = self._signals(shadows)
        rows = None
        if self.requires & {"discriminator", "generator"}:
            rows = self._class_rows(target, labels, "images")
        return self._rate(
            shadows.signals_of(names, target, images, rows),
            {name: shadows.statistics[name][:, records] for name in names},
            inside,
        )

    def _checked(self, shadows: Shadows) -> tuple[str, ...]:
        """The signals that the attack takes, all of which the shadows must have."""
        names = self._signals(shadows)
        missing = [name for name in names if name not in shadows.statistics]
        if missing or not names:
            needed = ", ".join(map(repr, missing)) or "of samples"
            raise ValueError(
                f"{self.title} needs the signal {needed} of the shadow models. "
                f"Received: {list(shadows.statistics)}. Name it in "
                "`train_shadows(signals=...)`."
            )
        return names

    def _records(
        self, shadows: Shadows, images: FloatArray
    ) -> tuple[IntArray, BoolArray]:
        """The record of each image, and which shadows saw it."""
        records = shadows.records_of(images)
        inside = shadows.inside[:, records]
        lacking = self._lacking(inside)
        if lacking.any():
            raise ValueError(
                f"{self.title} needs shadow models with and without each image. "
                f"Received: {int(lacking.sum())} of {inside.shape[1]} images that all "
                "or none were trained on. Put these images into the pool of "
                "`train_shadows`, or use the offline attack."
            )
        return records, inside

    def _lacking(self, inside: BoolArray) -> BoolArray:
        """Which records too few shadows saw, or all."""
        return np.asarray(
            (inside.sum(axis=0) < self._least_inside) | inside.all(axis=0)
        )

    def _shadows(self, target: AttackTarget) -> Shadows:
        if not isinstance(target.shadows, Shadows):
            raise ValueError(
                f"{self.title} needs `Shadows`. Received: "
                f"shadows={target.shadows!r:.80}. Make them with `train_shadows`."
            )
        return target.shadows


def same_defense(target: AttackTarget, shadows: Shadows) -> bool:
    """Whether shadows were trained with the target's mixup and augmentation."""
    return defense_of(target) == shadows.defense


def centers(values: FloatArray, chosen: BoolArray, center: str = "mean") -> FloatArray:
    """Mean or median of each image's scores in a group; 0 for an empty group."""
    counts = chosen.sum(axis=0)
    if center == "mean":
        total = np.where(chosen, values, 0).sum(axis=0)
        return np.asarray(total / np.maximum(counts, 1))
    ordered = np.sort(np.where(chosen, values, np.inf), axis=0)
    at = np.stack([np.maximum(counts - 1, 0) // 2, counts // 2])
    at = np.minimum(at, len(values) - 1)
    middle = np.take_along_axis(ordered, at, axis=0)
    return np.where(counts > 0, np.where(counts > 0, middle, 0).mean(axis=0), 0.0)


def common_deviation(
    values: FloatArray, chosen: BoolArray, center: str = "mean"
) -> float:
    """Deviation of all scores about their centers, each a degree of freedom less."""
    counts = chosen.sum(axis=0)
    chosen = chosen & (counts > 1)
    residuals = np.where(chosen, values - centers(values, chosen, center), 0)
    freedom = int(np.maximum(counts - 1, 0).sum())
    return float(np.sqrt((residuals**2).sum() / max(freedom, 1)))
