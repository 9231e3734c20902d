"""What Keras takes for other models, and what has no meaning for a GAN."""

import itertools
from collections.abc import Collection, Iterable
from typing import Any

import keras
import tensorflow as tf

from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.privacy.dpsgd import DPSGD


def check_defenses(mixup: Any, dp: Any) -> None:
    """Raises a `ValueError` unless both are settings of their kind, or `None`."""
    for name, value, kind, example in (
        ("mixup", mixup, MixUp, "MixUp(alpha=1.0)"),
        ("dp", dp, DPSGD, "DPSGD(target_epsilon=10.0, delta=1e-5)"),
    ):
        if value is not None and not isinstance(value, kind):
            raise ValueError(
                f"`{name}` must be settings, or None. Expected a `{kind.__name__}`. "
                f"Received: {name}={value!r:.80}. Write e.g. `{name}={example}`."
            )


def check_compile(g_optimizer: Any, d_optimizer: Any, kwargs: dict[str, Any]) -> None:
    """Raises a `ValueError` unless `compile` was given what two networks can use."""
    if "optimizer" in kwargs or (g_optimizer is None) != (d_optimizer is None):
        raise ValueError(
            "A GAN has two optimizers. Expected `g_optimizer` and `d_optimizer`. "
            "Received: one optimizer. Pass one for each network."
        )
    for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
        if kwargs.get(name) is not None:
            raise ValueError(
                f"A GAN's losses are its family's, and images have no target. Expected "
                f"no `{name}`. Received: {name}={kwargs[name]!r:.80}. Leave it out; "
                "callbacks such as `QualityMonitor` measure images."
            )
    for optimizer in (g_optimizer, d_optimizer):
        if getattr(optimizer, "use_ema", False):
            raise ValueError(
                "The model keeps an average of its generator itself. Expected "
                "`ema_momentum` of the model. Received: an optimizer with use_ema=True."
                " Leave that out."
            )
    if g_optimizer is d_optimizer and not isinstance(g_optimizer, str | None):
        raise ValueError(
            "The two networks cannot share an optimizer, which keeps state for each "
            f"weight. Received: {g_optimizer} twice. Create two."
        )


def refuse_replicas(strategy: tf.distribute.Strategy, reason: str) -> None:
    """Raises a `ValueError` if a strategy makes replicas, of which there may be one."""
    replicas = strategy.num_replicas_in_sync
    if replicas > 1:
        raise ValueError(
            f"{reason}. Expected one replica. Received: {replicas}. Build and compile "
            "the model outside the strategy."
        )
    if isinstance(strategy, tf.distribute.MirroredStrategy):
        raise ValueError(
            f"{reason}. Expected no strategy that mirrors variables. Received: a "
            f"`{type(strategy).__name__}` of one device. Build and compile the model "
            "outside the strategy."
        )


def refuse_weights(**weights: Any) -> None:
    """Raises a `ValueError` if images are given weights, which no loss here has."""
    for name, value in weights.items():
        if value is not None:
            raise ValueError(
                f"`{name}` has no meaning for a GAN, whose losses compare generated "
                f"images with real ones. Expected no `{name}`. Received: a "
                f"{type(value).__name__}. Leave it out; to weight images, repeat them."
            )


def refuse_swapping(callbacks: Any) -> None:
    """Raises a `ValueError` if Keras is to swap in averages that it does not have."""
    for callback in tf.nest.flatten(callbacks or []):
        if isinstance(callback, keras.callbacks.SwapEMAWeights):
            raise ValueError(
                "The model keeps an average of its generator itself, by which it "
                "generates. Expected `ema_momentum` of the model. Received: "
                "`SwapEMAWeights`, which knows one optimizer's averages. Leave it out."
            )


def refuse_own_objective(kind: type, dp: Any) -> None:
    """Raises a `ValueError` if a class changes a loss that DP-SGD does not descend."""
    *above, _ = _down_to_rows(kind)
    losses = {"discriminator_objective", "discriminator_loss", "update_discriminator"}
    if any(losses & names for names in above):
        raise ValueError(
            "DP-SGD descends `row_losses`, row by row, and no other loss. Expected "
            f"`row_losses` of {kind.__name__}, or no `dp`. Received: dp={dp}. Leave "
            "it out, or write both."
        )
    if own := sorted(_defined_outside(kind) & {"counterparts", "update_generator"}):
        raise ValueError(
            "DP-SGD protects what the discriminator learns, and these would be shown "
            f"training images as they are. Expected `generator_objective` alone in "
            f"{kind.__name__}, or no `dp`. Received: {', '.join(own)} of its own, "
            f"dp={dp}. Leave one out."
        )


def vouches_for_scores(kind: type) -> bool:
    """Whether `scores_suffice` is said of the losses of rows that a class has."""
    return any("scores_suffice" in names for names in _down_to_rows(kind))


def _down_to_rows(kind: type) -> list[set[str]]:
    """What each class defines, down to the first that has losses of rows."""
    order = [set(vars(each)) for each in kind.__mro__]
    by_rows = next(at for at, names in enumerate(order) if "row_losses" in names)
    return order[: by_rows + 1]


def refuse_unheard(kind: type, hooks: Collection[str]) -> None:
    """Raises a `ValueError` if a class changes what its training step never calls."""
    changed = _defined_outside(kind)
    if "train_step" not in changed and (own := sorted(changed & set(hooks))):
        raise ValueError(
            "The training step of this family does not call everything that others "
            f"call. Expected none of {', '.join(sorted(hooks))} in {kind.__name__}. "
            f"Received: {', '.join(own)}. Change `discriminator_loss` and "
            "`generator_loss`, or `train_step`."
        )


def _defined_outside(kind: type) -> set[str]:
    """What the classes of others, which come before this library's, define."""
    others = itertools.takewhile(lambda each: not _is_ours(each), kind.__mro__)
    return {name for each in others for name in vars(each)}


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "keras_mixup_gan"


def refuse_own_losses(networks: Iterable[keras.Model]) -> None:
    """Raises a `ValueError` if layers add losses of their own, which no step reads."""
    layers = (layer for network in networks for layer in network._flatten_layers())
    for layer in layers:
        if isinstance(layer, keras.Model):  # whose layers come too
            continue
        weights = getattr(layer, "trainable_weights", [])
        if getattr(layer, "activity_regularizer", None) is not None or any(
            getattr(weight, "regularizer", None) is not None for weight in weights
        ):
            raise ValueError(
                "The losses of a GAN are its own, and regularizers of layers are not "
                "among them. Expected networks without. Received: a regularizer of "
                f"the layer {layer.name!r}. Give the optimizer `weight_decay=` "
                "instead."
            )
