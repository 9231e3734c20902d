"""A target whose use is counted, and whose generated images are made only once."""

from collections import Counter
from dataclasses import replace
from typing import Any

from keras_mixup_gan.attacks.samples.streaming import cached
from keras_mixup_gan.attacks.target import AttackTarget
from keras_mixup_gan.typing import FloatArray


class Meter:
    """Counts what attacks ask of a target.

    Args:
        target: Any target.

    Attributes:
        target: The same target with its accesses counted. Generated images are
            remembered, and counted each time they are asked for. Gradients through a
            generator are not counted.
    """

    def __init__(self, target: AttackTarget) -> None:
        self._counts: Counter[str] = Counter()
        changes: dict[str, Any] = {}
        if target.sampler is not None:
            changes["sampler"] = self._counted_sampler(cached(target.sampler))
        for access in ("discriminator", "queries"):
            function = getattr(target, access)
            if function is not None:
                changes[access] = self._counted(access, function)
        self.target = replace(target, **changes)

    def take(self) -> dict[str, int]:
        """Numbers of images by access since the last call."""
        counts = dict(sorted(self._counts.items()))
        self._counts.clear()
        return counts

    def _counted_sampler(self, sampler: Any) -> Any:
        def counted(start: int, stop: int) -> FloatArray:
            self._counts["samples"] += stop - start
            return sampler(start, stop)

        return counted

    def _counted(self, access: str, function: Any) -> Any:
        def counted(inputs: FloatArray, labels: FloatArray | None) -> FloatArray:
            self._counts[access] += len(inputs)
            return function(inputs, labels)

        return counted
