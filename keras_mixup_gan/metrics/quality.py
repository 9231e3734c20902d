"""Image quality as named figures: Frechet and kernel distance, precision, recall."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mixup_gan.metrics.features import FeatureExtractor, check_features
from keras_mixup_gan.metrics.fid import frechet_distance
from keras_mixup_gan.metrics.kid import kernel_distance
from keras_mixup_gan.metrics.precision_recall import neighbor_figures
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import (
    as_array,
    check_images,
    check_integer,
    check_same_range,
)


@dataclass(frozen=True)
class Metric:
    """A figure with what it depends on; it means nothing without that.

    Attributes:
        name: What is measured, such as `"FID"`.
        value: The figure.
        extractor: Features in which it is measured.
        num_generated: Number of generated images.
        num_real: Number of real images.
        standard_error: Of `value`, where it is known.
        interval: 95 % interval of `value`, where it is known.
        neighbors: Which neighbor sets the radii of figures that have radii.
    """

    name: str
    value: float
    extractor: str
    num_generated: int
    num_real: int
    standard_error: float | None = None
    interval: tuple[float, float] | None = None
    neighbors: int | None = None

    @property
    def label(self) -> str:
        """What it depends on: `digits-cnn-v1, 5000 vs 2500`."""
        neighbors = "" if self.neighbors is None else f", k={self.neighbors}"
        counts = f"{self.num_generated} vs {self.num_real}"
        return f"{self.extractor}{neighbors}, {counts}"

    def __str__(self) -> str:
        return f"{self.name}[{self.label}]: {self.value:.4g}"


# What `quality` measures, by name: functions of real and of generated features that
# return a value, or a value and its standard error.
MEASURES: dict[str, Callable[[Any, Any], float | tuple[float, float]]] = {
    "FID": frechet_distance,
    "KID": kernel_distance,
}


def quality(
    generated: Any,
    held_out: Any,
    extractor: FeatureExtractor,
    num_generated: int | None = None,
    value_range: tuple[float, float] | None = None,
) -> tuple[Metric, ...]:
    """Compares generated images with real ones that the model has not seen.

    Compare with held-out images: against the members, a model that copies them would
    look perfect. Where one set of held-out images serves many comparisons, extract its
    features once.

    Args:
        generated: Generated images, floats in `[-1, 1]` or uint8
            `(num_images, height, width, channels)`, or their features
            `(num_images, num_features)`.
        held_out: Real images or their features, likewise.
        extractor: What images are turned into before they are compared.
        num_generated: Use the first so many generated images; by default all.
        value_range: The range of images in floating point, such as `(0, 1)`; by default
            `[-1, 1]`.

    Returns:
        One figure for each of `MEASURES`: the Frechet distance, `"FID"`, and the kernel
        distance, `"KID"`, the latter with its standard error.

    Raises:
        ValueError: If there are fewer generated images than asked for, if images or
            features do not suit the extractor, or if only one of the two looks like
            images in `[0, 1]`.

    Example:
    ```python
    extractor = keras_mixup_gan.metrics.digit_features()
    real = extractor(reference)  # once
    fid, kid = quality(model.generate(5000), real, extractor)
    ```
    """
    if num_generated is not None:
        check_integer(1, num_generated=num_generated)
        if len(generated) < num_generated:
            raise ValueError(
                f"`generated` must hold at least {num_generated} images. Received: "
                f"{len(generated)} with num_generated={num_generated}. Generate more."
            )
        generated = generated[:num_generated]
    fake, real = _features(generated, held_out, extractor, value_range)
    figures = []
    for name, measure in MEASURES.items():
        found = measure(real, fake)
        value, error = found if isinstance(found, tuple) else (found, None)
        made_of = extractor.name, len(fake), len(real)
        figures.append(Metric(name, value, *made_of, standard_error=error))
    return tuple(figures)


def neighbor_quality(
    generated: Any,
    held_out: Any,
    extractor: FeatureExtractor,
    precision_k: int = 3,
    density_k: int = 5,
    value_range: tuple[float, float] | None = None,
) -> tuple[Metric, ...]:
    """Compares fidelity and diversity of generated images with held-out real ones.

    Images and extractor are those of `quality`. The figures are `"precision"` and
    `"recall"` of `precision_recall` by `precision_k` neighbors, and `"density"` and
    `"coverage"` of `density_coverage` by `density_k`. The time grows with the product
    of the sample counts.
    """
    fake, real = _features(generated, held_out, extractor, value_range)
    near, dense = neighbor_figures(real, fake, precision_k, density_k)
    made_of = (extractor.name, len(fake), len(real))
    return (
        Metric("precision", near.precision, *made_of, neighbors=precision_k),
        Metric("recall", near.recall, *made_of, neighbors=precision_k),
        Metric("density", dense.density, *made_of, neighbors=density_k),
        Metric("coverage", dense.coverage, *made_of, neighbors=density_k),
    )


def _features(
    generated: Any,
    held_out: Any,
    extractor: FeatureExtractor,
    value_range: tuple[float, float] | None,
) -> list[FloatArray]:
    """Features of both sides: as they are, or of images through the extractor."""
    given = {"generated": generated, "held_out": held_out}
    sides = {name: as_array(side, name) for name, side in given.items()}
    images = {
        name: check_images(side, name, extractor.image_shape, value_range)
        for name, side in sides.items()
        if side.ndim == 4
    }
    if value_range is None:
        eight_bits = [name for name in images if sides[name].dtype == np.uint8]
        check_same_range(eight_bits, **images)
    return [
        check_features(
            extractor(images[name]) if name in images else side,
            name,
            extractor.num_features,
        )
        for name, side in sides.items()
    ]
