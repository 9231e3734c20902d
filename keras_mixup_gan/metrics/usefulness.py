"""What a trained model's images are good for, apart from how they look."""

from typing import Any

import numpy as np

from keras_mixup_gan.data import MembershipSplit
from keras_mixup_gan.metrics.features import FeatureExtractor, pixel_features
from keras_mixup_gan.metrics.quality import Metric, neighbor_quality
from keras_mixup_gan.metrics.utility import covariance_shrinkage, train_on_generated


def usefulness(
    model: Any, split: MembershipSplit, extractor: FeatureExtractor, seed: int
) -> tuple[Metric, ...]:
    """Fidelity, diversity, kept variance and, with classes, worth as training data.

    Args:
        model: A trained model of the zoo.
        split: Members, and a reference part of held-out images.
        extractor: Features for precision, recall, density and coverage.
        seed: Seed of the generated images and of the draws.

    Returns:
        Precision, recall, density and coverage against the reference part;
        `"covariance_shrinkage"` in pixels, with its interval; for a conditional model
        `"accuracy_generated"` and `"accuracy_real"`, with Wilson intervals: of the same
        classifier trained on generated images and on as many members, whose number
        `num_generated` is in both.
    """
    held_out = split.reference
    if held_out is None:
        raise ValueError(
            "Usefulness is measured against held-out images. Expected a split with a "
            "reference part. Received: reference=None. Draw it with `num_reference=`."
        )
    pixels = pixel_features(split.image_shape)
    number = len(held_out.images)
    generated = model.generate(number, seed=seed)
    shrinkage = covariance_shrinkage(
        pixels(held_out.images), pixels(generated), 200, seed
    )
    figures = (
        *neighbor_quality(generated, extractor(held_out.images), extractor),
        Metric(
            "covariance_shrinkage",
            shrinkage.value,
            *(pixels.name, number, number),
            interval=shrinkage.interval,
        ),
    )
    if model.num_classes is None or held_out.labels is None:
        return figures
    classes = np.arange(number) % model.num_classes
    worth = train_on_generated(
        (pixels(model.generate(number, classes, seed=seed)), classes),
        (pixels(split.members.images), split.members.labels),
        (pixels(held_out.images), held_out.labels),
        seed=seed,
    )
    accuracies = {
        "accuracy_generated": worth.generated,
        "accuracy_real": worth.real,
    }
    return figures + tuple(
        Metric(
            name,
            accuracy.value,
            *(pixels.name, worth.num_training, number),
            interval=accuracy.interval,
        )
        for name, accuracy in accuracies.items()
    )
