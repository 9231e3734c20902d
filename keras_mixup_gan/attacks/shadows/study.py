"""Shadow studies: every model is a target, attacked with all the others."""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import ATTACKS, default_attacks
from keras_mixup_gan.attacks.shadows.comparison import ShadowAttack
from keras_mixup_gan.attacks.shadows.signals import SIGNALS, default_signals
from keras_mixup_gan.attacks.shadows.store import Shadows
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.attacks.target import as_target, policy_of
from keras_mixup_gan.statistics.over_seeds import Mean, mean_over_seeds
from keras_mixup_gan.statistics.roc import (
    OperatingPoint,
    WithheldPoint,
    auc,
    operating_points,
    tpr_at_fpr,
)
from keras_mixup_gan.typing import BoolArray, FloatArray, IntArray
from keras_mixup_gan.validation import check_choice, check_integer

RATES = (0.1, 0.01, 0.001)


@dataclass(frozen=True, eq=False)
class StudiedAttack:
    """What one attack finds, over all models as targets.

    Attributes:
        name: Name of the attack, or of a signal that is used alone.
        title: Name to show.
        requires: The accesses that it takes.
        scores: Float64 array `(num_models, num_records)`, higher = more likely a
            member; NaN where the others cannot tell, all or none having seen it.
        inside: Boolean array of that shape: whether the model was trained on it.
    """

    name: str
    title: str
    requires: frozenset[str]
    scores: FloatArray
    inside: BoolArray

    @property
    def areas(self) -> tuple[float, ...]:
        """The AUC on each model."""
        return tuple(
            auc(scores[known & usable], scores[~known & usable])
            for scores, known, usable in zip(
                self.scores, self.inside, self._usable, strict=True
            )
        )

    @property
    def area(self) -> Mean:
        """The mean AUC over models, with Student's t interval."""
        return mean_over_seeds(self.areas, (0.0, 1.0))

    @property
    def points(self) -> tuple[OperatingPoint | WithheldPoint, ...]:
        """Members found at 10 %, 1 % and .1 % false positives, all models pooled."""
        return operating_points(*self._pooled, RATES)

    def found(self, rate: float) -> Mean:
        """Members found at a pooled rate of false positives: the mean over models.

        Its interval is Student's t over models: those of `points` take the scores for
        independent, although all models are asked about the same records.
        """
        above = self.scores > tpr_at_fpr(*self._pooled, rate).threshold
        members = self.inside & self._usable
        shares = (above & members).sum(axis=1) / members.sum(axis=1)
        return mean_over_seeds(shares.tolist(), (0.0, 1.0))

    @property
    def _usable(self) -> BoolArray:
        return np.isfinite(self.scores)

    @property
    def _pooled(self) -> tuple[FloatArray, FloatArray]:
        """Scores of members and of non-members of all models; one threshold for all."""
        members, others = self.inside & self._usable, ~self.inside & self._usable
        return self.scores[members], self.scores[others]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values, without scores."""
        return {
            "name": self.name,
            "title": self.title,
            "requires": sorted(self.requires),
            "area": asdict(self.area),
            "areas": list(self.areas),
            "points": [asdict(point) for point in self.points],
            "found": {str(rate): asdict(self.found(rate)) for rate in RATES[:2]},
        }


@dataclass(frozen=True, eq=False)
class ShadowStudy:
    """What attacks find when each of several models is the target of the others.

    Attributes:
        shadows: The models' statistics, and who was a member of which.
        attacks: Signals alone, without shadow models, and attacks that use them; the
            strongest by mean AUC first.
    """

    shadows: Shadows
    attacks: tuple[StudiedAttack, ...]

    def __getitem__(self, name: str) -> StudiedAttack:
        """The attack of a name."""
        found = {attack.name: attack for attack in self.attacks}
        check_choice(name, found, "name")
        return found[name]

    def strongest(self, access: Collection[str]) -> StudiedAttack:
        """The attack of the highest mean AUC among those that an access allows.

        It is chosen by the figures that it shows, which flatters it a little.

        Args:
            access: Names of accesses, as in `AttackTarget.access`: `["samples"]`.
        """
        allowed = {*access, "shadows"}
        possible = [one for one in self.attacks if one.requires <= allowed]
        if not possible:
            raise ValueError(
                f"No attack of this study needs so little. Expected more than "
                f"{sorted(access)}. Received: attacks {[a.name for a in self.attacks]}."
            )
        return possible[0]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "num_models": self.shadows.num_shadows,
            "num_records": len(self.shadows.digests),
            "seed": self.shadows.seed,
            "num_samples": dict(self.shadows.num_samples),
            "defense": self.shadows.defense,
            "attacks": [attack.to_dict() for attack in self.attacks],
        }

    def __str__(self) -> str:
        shadows = self.shadows
        rows = [
            f"{shadows.num_shadows} models, each the target of the others, on random "
            f"halves of {len(shadows.digests)} images",
            f"{'AUC, 95 % over models':24}{'found at 1 %':14}attack",
        ]
        for attack in self.attacks:
            area, found = attack.area, attack.found(0.01)
            low, high = area.interval or (area.mean, area.mean)
            interval = f"{area.mean:.3f} [{low:.3f}, {high:.3f}]"
            rows.append(f"{interval:24}{found.mean:<14.3f}{attack.title}")
        return "\n".join(rows)


def shadow_study(
    model: Any,
    images: FloatArray,
    labels: IntArray | None = None,
    *,
    folder: str | os.PathLike[str],
    num_models: int = 16,
    fit: Mapping[str, Any] | None = None,
    seed: int = 0,
    signals: Iterable[str] | None = None,
    attacks: Iterable[str | ShadowAttack] | None = None,
    **training: Any,
) -> ShadowStudy:
    """Trains models on random halves of a pool and attacks each with all the others.

    One set of trainings gives as many targets as models: each is attacked by what the
    others know, as if it were not among them. So the figures of an attack come with
    their spread over trainings, and the scores of all models pooled show what is found
    at false-positive rates for which the non-members of a single model are too few.

    Halves are drawn by independent coins, so that the others' halves do not tell a
    target's. The models are those of `train_shadows`: written one by one when they are
    done, continued when called again, and the same from one core of this machine, from
    processes, or from a Dask cluster.

    Args:
        model: See `train_shadows`.
        images: See `train_shadows`.
        labels: See `train_shadows`.
        folder: See `train_shadows`.
        fit: See `train_shadows`.
        seed: See `train_shadows`.
        num_models: How many models, at least 4; with fewer than 10 the others cannot
            tell of some records, which are left out for that target.
        signals: See `train_shadows`; by default all that cost little.
        attacks: Names of attacks that use shadow models, or such attacks; by default
            all that audits run by default.
        **training: Further arguments of `train_shadows`, such as `n_jobs`,
            `scheduler`, `keep_models` and `progress`.

    Returns:
        The study; `print` it, or see `ShadowStudy.strongest` and `to_dict`.

    Raises:
        ValueError: If an argument is not as described, or the folder holds other
            models.

    Source: Carlini, Chien, Nasr, Song, Terzis, Tramer, "Membership Inference Attacks
    From First Principles", IEEE S&P 2022, who attack every model with the others.

    Example:
    ```python
    study = keras_mixup_gan.attacks.shadow_study(
        keras_mixup_gan.zoo.dcgan(seed=7), images[:500], folder="study",
        num_models=16, fit={"epochs": 50}, n_jobs=8,
    )
    print(study)
    study.strongest(["samples"]).area
    ```
    """
    check_integer(4, num_models=num_models)
    if own := sorted({"balanced", "num_shadows"} & training.keys()):
        raise ValueError(
            "A study draws halves by independent coins, for `num_models` models. "
            f"Expected no {' and no '.join(map(repr, own))}. Received: "
            f"{own[0]}={training[own[0]]!r:.80}. Leave it out."
        )
    if signals is None:
        is_model = callable(getattr(model, "score", None))  # else a function trains it
        accesses = as_target(model).access if is_model else ()
        signals = default_signals(policy_of(model), accesses)
    shadows = train_shadows(
        model,
        images,
        labels,
        folder=folder,
        num_shadows=num_models,
        fit=fit,
        seed=seed,
        signals=signals,
        balanced=False,
        **training,
    )
    return study_of(shadows, attacks)


def study_of(
    shadows: Shadows, attacks: Iterable[str | ShadowAttack] | None = None
) -> ShadowStudy:
    """The study of models that are trained, such as `Shadows.load(folder)`.

    Args:
        shadows: What `shadow_study` left, or `train_shadows(balanced=False)` returned:
            at least 4 models.
        attacks: See `shadow_study`.

    Raises:
        ValueError: If an attack needs other signals, or the halves are balanced.
    """
    check_integer(4, num_models=shadows.num_shadows)
    if attacks is None:
        given = {"shadows", "augmentation", *shadows.signals}
        attacks = [
            name
            for name in default_attacks(given)
            if "shadows" in ATTACKS[name].requires
        ]
    found = [
        StudiedAttack(
            name,
            f"{name} alone, without shadow models",
            SIGNALS[name].requires,
            values,
            shadows.inside,
        )
        for name, values in shadows.statistics.items()
        if name in SIGNALS  # one number of a panel is no attack
    ]
    for given_attack in attacks:
        attack = _made(given_attack)
        scores = [attack.rate(shadows, k) for k in range(shadows.num_shadows)]
        found.append(
            StudiedAttack(
                attack.name,
                attack.title,
                attack.requires,
                np.stack(scores),
                shadows.inside,
            )
        )
    found.sort(key=lambda one: one.area.mean, reverse=True)
    return ShadowStudy(shadows, tuple(found))


def _made(attack: str | ShadowAttack) -> ShadowAttack:
    if isinstance(attack, ShadowAttack):
        return attack
    names = [name for name, kind in ATTACKS.items() if issubclass(kind, ShadowAttack)]
    check_choice(attack, names, "attacks")
    made: Any = ATTACKS[attack]()
    return made
