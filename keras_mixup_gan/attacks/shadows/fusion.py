"""Fusion of several attacks in one score by logistic regression."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.base import register_attack
from keras_mixup_gan.attacks.shadows.comparison import (
    ShadowAttack,
    Statistics,
    centers,
)
from keras_mixup_gan.attacks.shadows.signals import SIGNALS, panel_of
from keras_mixup_gan.attacks.shadows.store import Shadows
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.randomness import Stream, derived_seed, generator
from keras_mixup_gan.typing import BoolArray, FloatArray
from keras_mixup_gan.validation import check_choice, check_integer, check_positive


@register_attack
class ShadowFusion(ShadowAttack):
    """Signals of the shadow models in one score, learned on the shadows.

    For each signal, a model's value and its offset from the middle between the shadows
    that saw the image and the others go into a logistic regression. It learns from the
    shadows, whose members are known, each in turn being the target of the others. The
    evaluated model is never learned from.

    Args:
        regularization: Inverse strength of the L2 penalty on standardized inputs.

    Example:
    ```python
    target = AttackTarget.from_model(model, shadows=shadows)
    scores = ShadowFusion().fit(target).score(images)
    ```
    """

    name = "fusion"
    title = "Fusion of signals, learned on shadow models"
    paper = (
        "Shadow models of Carlini, Chien, Nasr, Song, Terzis, Tramer: Membership "
        "Inference Attacks From First Principles. IEEE S&P 2022, arXiv:2112.03570, "
        "with a logistic regression on their signals."
    )
    requires = frozenset({"shadows", "discriminator", "samples"})
    default_with = frozenset({"shadows", "critic"})
    _recorded = ("regularization",)

    def __init__(self, regularization: float = 1.0) -> None:
        check_positive(regularization=regularization)
        self.regularization = regularization

    def _signals(self, shadows: Shadows) -> tuple[str, ...]:
        return tuple(name for name in sorted(shadows.statistics) if self._takes(name))

    def _takes(self, name: str) -> bool:
        """Whether a signal is among those that are fused."""
        return name in SIGNALS and SIGNALS[name].requires <= self.requires

    def _found(self, target: AttackTarget) -> dict[str, Any]:
        return {
            **super()._found(target),
            "signal": list(self._signals(self._shadows(target))),
            "weights": self._model.coef_[0].tolist(),
        }

    def _learn(self, shadows: Shadows) -> None:
        signals = [shadows.statistics[name] for name in self._signals(shadows)]
        inputs, answers = _lessons(signals, shadows.inside)
        self._mean, self._deviation = inputs.mean(axis=0), inputs.std(axis=0)
        self._deviation = np.where(self._deviation > 0, self._deviation, 1.0)
        self._model = _logistic(self.regularization)
        self._model.fit((inputs - self._mean) / self._deviation, answers)

    def _rate(
        self, own: Statistics, others: Statistics, inside: BoolArray
    ) -> FloatArray:
        columns = []
        for name, values in sorted(others.items()):
            columns += [own[name], own[name] - _middle(values, inside)]
        inputs = (np.stack(columns, axis=1) - self._mean) / self._deviation
        # Row by row: a matrix product may round differently in other company.
        return (inputs * self._model.coef_[0]).sum(axis=1) + self._model.intercept_[0]


@register_attack
class SampleFusion(ShadowFusion):
    """`ShadowFusion` of the signals that generated images alone give.

    Args:
        regularization: See `ShadowFusion`.
    """

    name = "fusion_samples"
    title = "Fusion of signals from samples, learned on shadow models"
    requires = frozenset({"shadows", "samples"})
    paper = f"{ShadowFusion.paper} Of samples alone."
    default_with = frozenset({"shadows", "nearest"})


@register_attack
class MomentFusion(ShadowFusion):
    """`ShadowFusion` of moments of the discriminator's scores over views of an image.

    Views are transforms of the image by the model's own policy of augmentation, blends
    as its own mixup makes them, and noise; the moments are mean, spread, least and
    greatest. The score of the image itself is fused too, and that of
    `AugmentedLiRA` where the shadow models have it. It is the attack on a model whose
    discriminator hardly ever saw an image as it is. It takes
    `train_shadows(..., signals=["critic", "moments"])`.

    Args:
        regularization: See `ShadowFusion`.
    """

    name = "fusion_moments"
    title = "Fusion of moments over views (knows augmentation and mixup)"
    paper = (
        "Yu, Zhang, Chen, Yin, Liu: How Does Data Augmentation Affect Privacy in "
        "Machine Learning? AAAI 2021, arXiv:2007.10567, on the discriminator of a GAN "
        "and with a logistic regression."
    )
    default_with = frozenset({"shadows", "moments"})
    knows = frozenset({"augment", "mixup"})

    def _takes(self, name: str) -> bool:
        return name in ("critic", "augmented") or panel_of(name) == "moments"


@register_attack
class WhiteBoxFusion(ShadowFusion):
    """`ShadowFusion` of everything that who has the whole model can measure.

    That is the norms of the gradients of the discriminator's score by the weights of
    each layer and of the activations that leave it, moments of scores over views, and
    all single signals but that of reconstruction. It takes
    `train_shadows(..., signals=["layers", ...])`.

    Args:
        regularization: See `ShadowFusion`.
    """

    name = "fusion_white_box"
    title = "Fusion of gradients, activations and scores (white box)"
    requires = ShadowFusion.requires | {"layers"}
    paper = (
        "Pang, Wang, Kang, Huai, Zhang: White-box Membership Inference Attacks against "
        "Diffusion Models. PoPETs 2025, arXiv:2308.06405 (norms of gradients by layer, "
        "a classifier trained on shadow models), on the discriminator of a GAN."
    )
    default_with = frozenset({"shadows", "layers"})
    knows = frozenset({"augment", "mixup"})

    def _takes(self, name: str) -> bool:
        return SIGNALS[panel_of(name)].requires <= self.requires


def fuse(
    member_scores: Mapping[str, FloatArray],
    non_member_scores: Mapping[str, FloatArray],
    *,
    num_folds: int = 2,
    learner: str = "logistic",
    regularization: float = 1.0,
    seed: int = 0,
) -> tuple[FloatArray, FloatArray]:
    """Fuses the scores of several attacks, cross-fitted: no image is learned from.

    Members and non-members are split into folds. The images of a fold are scored by a
    model that learned from the other folds alone, on scores standardized there, and
    its output is standardized there too. The result tells what an attacker could reach
    who knows the membership of other images: report it along with the attacks, not
    in place of them.

    Args:
        member_scores: By attack: float array `(num_members,)`.
        non_member_scores: By attack, the same ones: float array `(num_non_members,)`.
        num_folds: Number of folds, at least 2.
        learner: `"logistic"` regression, or `"boosting"` of shallow trees, which also
            finds what lies in no direction, such as scores that are unusual either
            way; it takes some hundred images a side.
        regularization: Inverse strength of the L2 penalty.
        seed: Seed of the folds.

    Returns:
        Fused scores of the members and of the non-members, float64.

    Raises:
        ValueError: If attacks or numbers of scores differ, or there are fewer images
            than folds on a side.

    Example:
    ```python
    fused = fuse(
        {result.name: result.member_scores for result in report.done},
        {result.name: result.non_member_scores for result in report.done},
    )
    ```
    """
    check_integer(2, num_folds=num_folds)
    check_integer(0, seed=seed)
    check_choice(learner, ("logistic", "boosting"), "learner")
    check_positive(regularization=regularization)
    for scores in (member_scores, non_member_scores):
        if not isinstance(scores, Mapping):
            raise ValueError(
                "Scores are known by the names of their attacks. Expected a dict of "
                f"arrays. Received: a {type(scores).__name__}."
            )
    names = sorted(member_scores)
    members = _columns(member_scores, names, "member_scores", num_folds)
    others = _columns(non_member_scores, names, "non_member_scores", num_folds)
    inputs = np.concatenate([members, others])
    answers = np.arange(len(inputs)) < len(members)
    rng = generator(seed, Stream.FUSION)
    folds = np.concatenate(
        [
            rng.permutation(np.arange(len(side)) % num_folds)
            for side in (members, others)
        ]
    )
    fused = np.empty(len(inputs))
    for fold in range(num_folds):
        held = folds == fold
        model = _logistic(regularization)
        if learner == "boosting":
            model = _boosting(regularization, seed)
        fused[held] = _learned(model, inputs[~held], answers[~held], inputs[held])
    return fused[: len(members)], fused[len(members) :]


def _learned(
    model: Any, known: FloatArray, answers: BoolArray, held: FloatArray
) -> FloatArray:
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    model.fit((known - mean) / deviation, answers)
    level = model.decision_function((known - mean) / deviation)
    scores = model.decision_function((held - mean) / deviation)
    return (scores - level.mean()) / (level.std() or 1.0)


def _logistic(regularization: float) -> Any:
    from sklearn.linear_model import LogisticRegression  # which takes long to import

    return LogisticRegression(C=regularization, max_iter=1000)


def _boosting(regularization: float, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_depth=3,
        early_stopping=False,
        l2_regularization=1 / regularization,
        random_state=derived_seed(seed, Stream.FUSION_TREES),
    )


def _columns(
    scores: Mapping[str, FloatArray], names: list[str], what: str, num_folds: int
) -> FloatArray:
    if not names or sorted(scores) != names:
        raise ValueError(
            "Members and non-members must be scored by the same attacks, at least "
            f"one. Received: `{what}` of {sorted(scores)}."
        )
    columns = [np.asarray(scores[name], "float64") for name in names]
    if len({column.shape for column in columns}) > 1 or columns[0].ndim != 1:
        raise ValueError(
            f"`{what}` must hold one score per image for each attack. Received: "
            f"shapes {[column.shape for column in columns]}."
        )
    if len(columns[0]) < num_folds or not np.isfinite(columns).all():
        raise ValueError(
            f"`{what}` must be finite and at least {num_folds}, one for each fold. "
            f"Received: {len(columns[0])} scores."
        )
    return np.stack(columns, axis=1)


def _lessons(
    signals: list[FloatArray], inside: BoolArray
) -> tuple[FloatArray, BoolArray]:
    """Inputs and answers of every shadow, as the target of all the others."""
    others = inside.sum(axis=0) - inside
    usable = (others >= 1) & (others <= len(inside) - 2)
    inputs = []
    for values in signals:
        middles = [
            _middle(np.delete(values, k, 0), np.delete(inside, k, 0))
            for k in range(len(inside))
        ]
        offsets = values - np.stack(middles)
        inputs += [values[usable], offsets[usable]]
    answers = inside[usable]
    if len(answers) == 0 or answers.all() or not answers.any():
        raise ValueError(
            "Fusion learns from shadows that others can be compared with. Expected at "
            f"least 4 shadows. Received: {len(inside)}."
        )
    return np.stack(inputs, axis=1), answers


def _middle(values: FloatArray, inside: BoolArray) -> FloatArray:
    """Halfway between the means with and without each record."""
    return (centers(values, inside) + centers(values, ~inside)) / 2
