"""`PrivacyMonitor`: AUC of attacks, epoch by epoch, and when to stop training."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.discriminator.logan import LOGAN, MixupLOGAN
from keras_mixup_gan.attacks.samples.gan_leaks import GANLeaks
from keras_mixup_gan.attacks.shadows.recipes import reseeded
from keras_mixup_gan.attacks.target import AttackTarget, as_reference
from keras_mixup_gan.auditing.controls import check_ranges
from keras_mixup_gan.auditing.results import plain_settings
from keras_mixup_gan.auditing.scoring import (
    ShuffledQueries,
    check_number,
    choose_attacks,
)
from keras_mixup_gan.callbacks.quality_monitor import Monitor
from keras_mixup_gan.data.classes import names_of, renumbered
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.statistics.exposure import spread_over_checkpoints
from keras_mixup_gan.statistics.roc import auc
from keras_mixup_gan.storage import digest_json, read_arrays, reading, write_arrays
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_choice, check_in_range, check_integer


@dataclass(frozen=True)
class SafeWeights:
    """Weights measured, after `epoch` epochs, to leak less than the limit.

    The figures are the last measured, of these or of later weights that ended training.
    """

    weights: list[Any]
    epoch: int
    figures: dict[str, float]
    stopped_epoch: int | None = None

    def save(self, path: Path, key: str) -> None:
        """Writes a file, whole or not at all; `key` recognizes the training."""
        state = {
            "key": key,
            "epoch": self.epoch,
            "figures": self.figures,
            "stopped_epoch": self.stopped_epoch,
        }
        weights = {f"weight_{n}": weight for n, weight in enumerate(self.weights)}
        write_arrays(path, {"state": np.array(json.dumps(state)), **weights})

    @classmethod
    def load(cls, path: Path, key: str) -> Self:
        """Reads a file that `save` wrote for the same training."""
        what = "weights of a training to go back to"
        remedy = "Delete it and the backup of the training, and train again."
        arrays = read_arrays(path, what, remedy)
        with reading(path, what, remedy):
            state = json.loads(str(arrays.pop("state")))
            weights = [arrays[f"weight_{n}"] for n in range(len(arrays))]
            found = state.pop("key")
            safe = cls(weights, **state)
        if found != key:
            raise ValueError(
                "The folder holds the safe weights of another training, which was "
                "interrupted. Expected those of this model, with the same images, "
                f"attacks, seed and limit. Received: path={str(path)!r}. Choose "
                "another folder, or delete the file."
            )
        return safe


class PrivacyMonitor(Monitor):
    """Attacks the model every few epochs, and on request stops before it leaks.

    The area under the ROC curve of each attack is logged as, for example,
    `privacy_auc_logan`, and the largest of them as `privacy_auc`: 0.5 is a guess, lower
    is better. `Monitor` tells when, and where in the list of callbacks to put it. The
    attacks draw the same numbers each time.

    With `stop_at_auc` training ends as soon as `privacy_auc` is measured at or above
    the limit, and all weights of the model, those of the average among them, go back to
    the last that were measured below it. The weights that training begins with are
    measured too, so that there always are such; the final ones are, whatever ended the
    training. The state of the optimizers does not go back: publish weights, not a
    `.keras` file of the compiled model. What callbacks later in the list do to the
    weights when training ends, as `EarlyStopping(restore_best_weights=True)`, is not
    measured.

    A figure that chose the epoch is optimistic: report the leak of the final model by
    `audit` on members and non-members that this callback has not seen. In turn the
    largest of several areas lies above 0.5 by chance; with 1,000 images a side the
    standard error of each is 0.013. Few cheap attacks stay below the limit, others may
    not.

    Under `dp` the figures read members without noise, which epsilon does not cover:
    they are refused unless asked for by `log_private_metrics`, and so is `stop_at_auc`
    in any case, as it would let members choose the weights.

    Args:
        members: Images `(num_images, height, width, channels)` in `[-1, 1]` that the
            model is trained on, some of them suffice; `(images, labels)` for a
            conditional model; or a part of a `MembershipSplit`.
        non_members: The same for images that it is not trained on, drawn alike.
        attacks: Names or `Attack` instances; by default `LOGAN()`,
            `GANLeaks(num_samples=2000)` and, where there is a reference,
            `MixupLOGAN(num_blends=4)`.
        reference: Further images that the attacker knows, like `non_members`.
        stop_at_auc: Limit in `[0.5, 1]`, or `None` to only watch.
        folder: Where the weights to go back to are kept while training runs, so that a
            training that `BackupAndRestore` resumes still knows them, and whether it
            had stopped; `None` if it need not be resumed. It holds one file, which goes
            when training ends.
        log_private_metrics: Whether to log figures of members that epsilon does not
            cover, for models with `dp`.

    Which members are most at risk can be told from how far their scores move between
    measurements, without shadow models: see `most_vulnerable`.

    Attributes:
        safe_epoch: Number of epochs after which the weights to go back to were
            measured, 0 for those that training began with; `None` without a limit.
        stopped_epoch: Number of epochs after which the limit was reached, or `None`.

    Raises:
        ValueError: If images are not as `audit` takes them or an argument is out of
            range; when training begins, if they do not fit the model, its weights are
            at the limit already, or `folder` holds those of another training; whenever
            an attack cannot be run.

    Example:
    ```python
    monitor = PrivacyMonitor(
        members, non_members, every=5, stop_at_auc=0.6, folder="safe"
    )
    backup = keras.callbacks.BackupAndRestore("backup")
    model.fit(members, epochs=200, callbacks=[monitor, backup])
    ```
    """

    def __init__(
        self,
        members: Any,
        non_members: Any,
        every: int = 1,
        attacks: Iterable[str | Attack] | None = None,
        reference: Any = None,
        stop_at_auc: float | None = None,
        folder: str | os.PathLike[str] | None = None,
        seed: int = 0,
        log_private_metrics: bool = False,
    ) -> None:
        super().__init__(every)
        check_integer(0, seed=seed)
        if stop_at_auc is not None:
            check_in_range(0.5, 1, stop_at_auc=stop_at_auc)
        elif folder is not None:
            raise ValueError(
                "`folder` is where the weights to go back to are kept. Expected "
                f"`stop_at_auc` with it. Received: folder={str(folder)!r}, "
                "stop_at_auc=None. Set the limit, or leave the folder out."
            )
        self.reference = as_reference(reference)
        self.attacks = _chosen(attacks, self.reference is not None)
        # Before a fit, which adds what an attack found out about its target.
        self._settings = {
            name: plain_settings(attack.settings)
            for name, attack in self.attacks.items()
        }
        self.stop_at_auc = stop_at_auc
        self.seed = seed
        self.log_private_metrics = log_private_metrics
        self.stopped_epoch: int | None = None
        self._split = _split_of(members, non_members, self.reference)
        self._queries = ShuffledQueries(self._split, seed)
        self._path = None if folder is None else Path(folder) / "safe_weights.npz"
        self._safe: SafeWeights | None = None
        self._measured_step: int | None = None
        self._scores: dict[str, dict[int, FloatArray]] = {}  # by attack, then by step
        self._num_epochs = 0

    @property
    def safe_epoch(self) -> int | None:
        """Number of epochs of the weights to go back to."""
        return None if self._safe is None else self._safe.epoch

    def measure(self) -> dict[str, float]:
        """`privacy_auc`, the largest, and the area of each attack."""
        target = AttackTarget.from_model(self.model, self.reference, seed=self.seed)
        areas, step = {}, self.model.num_steps
        for name, attack in self.attacks.items():
            pair = self._queries.scored_by(attack.fit(target))
            areas[f"privacy_auc_{name}"] = auc(*pair)
            self._scores.setdefault(name, {})[step] = np.concatenate(pair)
        self._measured_step = step
        return {"privacy_auc": max(areas.values()), **areas}

    def spread(self, attack: str | None = None) -> FloatArray:
        """How far each member's score moved between measurements of this `fit`.

        The interquartile range over the measurements, less what all images have in
        common at each. Of classifiers, members of the largest spread are mostly those
        that shadow models find. It says who is most at risk, not whether anybody is.

        Args:
            attack: Name of one of `attacks`, by default the first.

        Returns:
            Float64 array `(num_members,)`, higher = more vulnerable.

        Raises:
            ValueError: If there were fewer than 3 measurements.

        Source: Pollock, Shilov, Dodd and de Montjoye, "Free Record-Level Privacy Risk
        Evaluation Through Artifact-Based Methods", 2024, arXiv:2411.05743.
        """
        name = next(iter(self.attacks)) if attack is None else attack
        check_choice(name, self.attacks, "attack")
        scores = list(self._scores.get(name, {}).values())
        if len(scores) < 3:
            raise ValueError(
                "How far scores move is known after at least 3 measurements. Received: "
                f"{len(scores)} in this `fit`. Train on, or measure more often by "
                "`every`."
            )
        number = len(self._split.members.pixels)
        return spread_over_checkpoints(np.stack(scores))[:number]

    def most_vulnerable(self, number: int = 10, attack: str | None = None) -> IntArray:
        """The members of the largest `spread`, that first, by their place from 0.

        Args:
            number: How many.
            attack: See `spread`.

        Raises:
            ValueError: If there were fewer than 3 measurements.
        """
        check_integer(1, number=number)
        return np.argsort(-self.spread(attack), kind="stable")[:number]

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets an earlier `fit` and checks that the model may be watched."""
        super().on_train_begin(logs)
        self.stopped_epoch = self._safe = self._measured_step = None
        self._scores.clear()
        self._num_epochs = self.params.get("epochs", 0)
        self._check_shape(self._split.image_shape, "members")
        self._name_classes()
        if self.model.dp is None:
            return
        if self.stop_at_auc is not None or not self.log_private_metrics:
            raise ValueError(
                "PrivacyMonitor reads members without noise, which the epsilon of a "
                "model with `dp` does not cover. Expected log_private_metrics=True and "
                "no `stop_at_auc`. Received: "
                f"log_private_metrics={self.log_private_metrics}, "
                f"stop_at_auc={self.stop_at_auc}. Audit the finished model instead."
            )

    def _name_classes(self) -> None:
        """Numbers the classes of the images as the model's, where both have names."""
        names, parts = names_of(self.model), self._split.parts()
        known = {part.class_names for part in parts.values()}
        if names is None or known <= {None, names}:
            return
        parts = {role: renumbered(part, names, role) for role, part in parts.items()}
        self._split = MembershipSplit(**parts)
        self._queries = ShuffledQueries(self._split, self.seed)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Finds weights to go back to, before the first epoch."""
        # By now every other callback has restored what it keeps in a backup.
        self._num_epochs = epoch
        if self.stop_at_auc is not None and self._safe is None:
            self._begin()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measures, where it is time to, and stops at the limit."""
        if self.stopped_epoch is not None:  # before an interruption
            logs = {} if logs is None else logs
            logs.update(self._figures)
            self._restore()
            return
        self._num_epochs = epoch + 1
        is_due = self.is_due(epoch)
        super().on_epoch_end(epoch, logs)
        if self.stop_at_auc is not None and is_due:
            self._judge()

    def on_train_end(self, logs: Any = None) -> None:
        """Leaves the model with weights that were measured below the limit."""
        if self.stop_at_auc is None:
            return
        if self._safe is None:  # resumed after the last epoch
            self._begin()
        if self.stopped_epoch is not None:
            self._restore()
        elif self._measured_step != self.model.num_steps:
            self._figures = self.measure()
            self._judge()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _begin(self) -> None:
        """Takes up an interrupted training, or measures the weights as they are."""
        path = self._path
        # A model without any step is the beginning of a training, not its resumption.
        if path is not None and path.exists() and self.model.num_steps > 0:
            self._safe = SafeWeights.load(path, self._key())
            self._figures = dict(self._safe.figures)
            self.stopped_epoch = self._safe.stopped_epoch
            self.model.stop_training = self.stopped_epoch is not None
            return
        self._figures = self.measure()
        if not self._is_safe():
            raise ValueError(
                "There are no weights to go back to: those that training begins with "
                f"are at the limit. Expected privacy_auc below {self.stop_at_auc}. "
                f"Received: {self._figures['privacy_auc']:.3f}. Use more images, a "
                "higher `stop_at_auc`, or a new model."
            )
        self._judge()
        self._figures = {}  # those of no epoch

    def _is_safe(self) -> bool:
        return self._figures["privacy_auc"] < (self.stop_at_auc or 0.0)

    def _judge(self) -> None:
        """Keeps the weights just measured, or goes back to the last that were safe."""
        if self._is_safe():
            weights = self.model.get_weights()
            self._keep(SafeWeights(weights, self._num_epochs, self._figures))
        elif self._safe is not None:
            self.stopped_epoch = epoch = self._num_epochs
            self._keep(replace(self._safe, figures=self._figures, stopped_epoch=epoch))
            self._restore()

    def _keep(self, safe: SafeWeights) -> None:
        self._safe = safe
        if self._path is not None:
            safe.save(self._path, self._key())

    def _restore(self) -> None:
        if self._safe is not None:
            self.model.set_weights(self._safe.weights)
        self.model.stop_training = True

    def _key(self) -> str:
        """What a training is recognized by when it is resumed."""
        shapes = [list(weight.shape) for weight in self.model.weights]
        # One that is made anew to be resumed may draw another seed and another name.
        config = {**reseeded(self.model.get_config(), 0), "name": None}
        settings = [self._settings, self.seed, self.stop_at_auc]
        return digest_json([self._split.content_hash, settings, config, shapes])


def _chosen(
    attacks: Iterable[str | Attack] | None, has_reference: bool
) -> dict[str, Attack]:
    """Attacks by name."""
    if attacks is None:
        attacks = [LOGAN(), GANLeaks(num_samples=2000)]
        attacks += [MixupLOGAN(num_blends=4)] if has_reference else []
    chosen = choose_attacks(attacks)
    for name, attack in chosen:
        if name != attack.name:
            raise ValueError(
                "`attacks` must differ in name, as their figures are logged by it. "
                f"Received: {attack.name!r} twice. Leave one out."
            )
    return dict(chosen)


def _split_of(members: Any, non_members: Any, reference: Any) -> MembershipSplit:
    """Members and non-members with everything about them checked."""
    split = MembershipSplit.from_parts(members, non_members, reference)
    check_ranges(split)
    check_number("members", split.members.pixels)
    check_number("non_members", split.non_members.pixels)
    return split
