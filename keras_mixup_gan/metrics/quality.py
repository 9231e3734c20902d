"""Named figures of image quality."""

from typing import Any

import numpy as np

from keras_mixup_gan.metrics.features import FeatureExtractor, check_features
from keras_mixup_gan.metrics.fid import frechet_distance
from keras_mixup_gan.metrics.kid import kernel_distance
from keras_mixup_gan.metrics.precision_recall import density_coverage, precision_recall
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer


def quality(
    generated: Any,
    held_out: Any,
    extractor: FeatureExtractor,
    num_generated: int | None = None,
) -> dict[str, float]:
    """Compares generated images with real ones that the model has not seen.

    Every figure is named after its extractor and sample counts, because neither
    distance means anything without them. Compare with held-out images: against the
    members, a model that copies them would look perfect. Where one set of held-out
    images serves many comparisons, extract its features once.

    Args:
        generated: Generated images, floats in `[-1, 1]` or uint8
            `(num_images, height, width, channels)`, or their features
            `(num_images, num_features)`.
        held_out: Real images or their features, likewise.
        extractor: What images are turned into before they are compared.
        num_generated: Use the first so many generated images; by default all.

    Returns:
        The Frechet distance, the kernel distance and the standard error of the latter,
        e.g. under `"FID[digits-cnn-v1, 5000 vs 2500]"`,
        `"KID[digits-cnn-v1, 5000 vs 2500]"` and
        `"KID standard error[digits-cnn-v1, 5000 vs 2500]"`.

    Raises:
        ValueError: If there are fewer generated images than asked for, or if images or
            features do not suit the extractor.

    Example:
        >>> extractor = keras_mixup_gan.metrics.digit_features()
        >>> real = extractor(split.non_members.images)  # once
        >>> for step in checkpoints:
        ...     figures = quality(model.generate(5000), real, extractor)
    """
    if num_generated is not None:
        check_integer(1, num_generated=num_generated)
        if len(generated) < num_generated:
            raise ValueError(
                f"`generated` must hold at least {num_generated} images. Received: "
                f"{len(generated)} with num_generated={num_generated}. Generate more."
            )
        generated = generated[:num_generated]
    fake = _features(generated, "generated", extractor)
    real = _features(held_out, "held_out", extractor)
    kernel = kernel_distance(real, fake)
    label = f"[{extractor.name}, {len(fake)} vs {len(real)}]"
    return {
        f"FID{label}": frechet_distance(real, fake),
        f"KID{label}": kernel.value,
        f"KID standard error{label}": kernel.standard_error,
    }


def neighbor_quality(
    generated: Any,
    held_out: Any,
    extractor: FeatureExtractor,
    precision_k: int = 3,
    density_k: int = 5,
) -> dict[str, float]:
    """Compares fidelity and diversity of generated images with held-out real ones.

    The time grows with the product of the sample counts, unlike that of `quality`.

    Args:
        generated: Generated images, floats in `[-1, 1]` or uint8
            `(num_images, height, width, channels)`, or their features
            `(num_images, num_features)`.
        held_out: Real images or their features, likewise.
        extractor: What images are turned into before they are compared.
        precision_k: Neighbor that sets the radii of precision and recall.
        density_k: Neighbor that sets the radii of density and coverage.

    Returns:
        Precision, recall, density and coverage, e.g. under
        `"precision[digits-cnn-v1, k=3, 5000 vs 2500]"`.

    Raises:
        ValueError: If a `k` is not a positive integer below both sample counts, or if
            images or features do not suit the extractor.

    Example:
        >>> extractor = keras_mixup_gan.metrics.digit_features()
        >>> real = extractor(split.non_members.images)
        >>> figures = neighbor_quality(model.generate(len(real)), real, extractor)
    """
    fake = _features(generated, "generated", extractor)
    real = _features(held_out, "held_out", extractor)
    near = precision_recall(real, fake, precision_k)
    dense = density_coverage(real, fake, density_k)
    counts = f"{len(fake)} vs {len(real)}"
    near_label = f"[{extractor.name}, k={precision_k}, {counts}]"
    dense_label = f"[{extractor.name}, k={density_k}, {counts}]"
    return {
        f"precision{near_label}": near.precision,
        f"recall{near_label}": near.recall,
        f"density{dense_label}": dense.density,
        f"coverage{dense_label}": dense.coverage,
    }


def _features(value: Any, name: str, extractor: FeatureExtractor) -> FloatArray:
    """Features as they are, images through the extractor."""
    value = np.asarray(value)
    features = extractor(value) if value.ndim == 4 else value
    return check_features(features, name, extractor.num_features)
