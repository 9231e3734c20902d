"""The null target: an audit of a model in which there is nothing to be found."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_mixup_gan.attacks.shadows.store import weights_digest
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.auditing.attack_result import AttackResult

NUM_ERRORS = 4
NOT_RUN = (
    "The audit itself was not tested here. On a model that was trained on other images "
    "every attack must stay near AUC .5: pass such a model to `audit` as `null_target`."
)


@dataclass(frozen=True, eq=False)
class NullTarget:
    """What the attacks find on a model that saw neither members nor non-members.

    There every attack must be at chance. One that is not tells the two sets apart by
    something other than a leak, and then also on the audited model.

    Attributes:
        model: What was attacked.
        attacks: The results, in the order in which attacks ran.
        num_members: Number of members queried.
        num_non_members: Number of non-members queried.
    """

    model: str
    attacks: tuple[AttackResult, ...]
    num_members: int
    num_non_members: int

    @property
    def areas(self) -> dict[str, float]:
        """The AUC of each attack that ran, by name."""
        return {
            result.name: result.auc for result in self.attacks if result.auc is not None
        }

    @property
    def error(self) -> float:
        """Standard error of an AUC at chance (Mann and Whitney 1947)."""
        both = self.num_members + self.num_non_members
        pairs = self.num_members * self.num_non_members
        return float(np.sqrt((both + 1) / (12 * pairs)))

    @property
    def deviating(self) -> tuple[AttackResult, ...]:
        """Attacks whose AUC is more than four standard errors away from .5."""
        limit = NUM_ERRORS * self.error
        return tuple(
            result
            for result in self.attacks
            if result.auc is not None and abs(result.auc - 0.5) > limit
        )

    @property
    def sentence(self) -> str:
        """What was found, in a sentence."""
        areas = self.areas.values()
        if not areas:
            return f"No attack could be run on the null target, {self.model}."
        return (
            f"On the null target, {self.model}, which saw neither members nor "
            f"non-members, the AUC of {len(areas)} attacks lies between "
            f"{min(areas):.3f} and {max(areas):.3f}; chance keeps it within "
            f".5 ± {NUM_ERRORS * self.error:.3f}."
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be looked into before the audit can be believed."""
        if not self.areas:
            return (self.sentence,)
        found = [f"{result.title} (AUC {result.auc:.3f})" for result in self.deviating]
        if not found:
            return ()
        return (
            "Members and non-members are told apart also on the null target, which saw "
            f"neither: {', '.join(found)}. Until it is known why, these attacks are no "
            "evidence of a leak. Look for a difference between the two sets, and for "
            "members among the images that the null target was trained on.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": self.model,
            "areas": self.areas,
            "standard_error": self.error,
            "deviating": [result.name for result in self.deviating],
            "not_run": {
                result.name: result.reason
                for result in self.attacks
                if result.status != "done"
            },
        }


def as_null_target(model: Any, target: AttackTarget, model_hash: Any) -> AttackTarget:
    """The null target, known to the attacker as the audited one is.

    Args:
        model: The model, in any form that an audit takes.
        target: The target; its reference, shadows and reference models are shared.
        model_hash: Hash of the audited model's weights, if it has any.

    Returns:
        The null target.

    Raises:
        ValueError: If it makes other images than the target, or is the target.
    """
    null = model
    if not isinstance(model, AttackTarget):
        null = AttackTarget.from_model(
            model, seed=target.seed, image_shape=target.image_shape
        )
    if null.image_shape != target.image_shape:
        raise ValueError(
            "`null_target` must make images of the target's shape "
            f"{target.image_shape}. Received: {null.image_shape}."
        )
    if model_hash is not None and weights_digest(model) == model_hash:
        raise ValueError(
            "`null_target` has the weights of the audited model. Expected one that was "
            "trained on other images. Received: null_target with sha256 "
            f"{model_hash[:12]}. Train it on images outside of this audit."
        )
    return replace(
        null,
        augment=target.augment,
        reference=target.reference,
        shadows=target.shadows,
        reference_models=target.reference_models,
    )
