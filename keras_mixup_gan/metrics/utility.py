"""Utility: generated images as training data, and how much variety they keep."""

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest
from sklearn.base import ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier

from keras_mixup_gan.data import MembershipSplit
from keras_mixup_gan.data.classes import names_of, renumbered
from keras_mixup_gan.metrics.features import (
    FeatureExtractor,
    check_both,
    check_features,
    pixel_features,
)
from keras_mixup_gan.metrics.quality import Metric, neighbor_quality
from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import check_integer, check_labels, check_positive

_BLOCK_VALUES = 2**21


class Accuracy(NamedTuple):
    """How many test images a classifier names correctly."""

    num_correct: int
    num_images: int

    @property
    def value(self) -> float:
        """Share of correct answers, in `[0, 1]`."""
        return self.num_correct / self.num_images

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval: covers the draw of the test images, nothing else."""
        test = binomtest(self.num_correct, self.num_images)
        interval = test.proportion_ci(confidence_level=0.95, method="wilson")
        return float(interval.low), float(interval.high)


class TrainingUtility(NamedTuple):
    """The same classifier trained on generated and on real images.

    Attributes:
        generated: Accuracy on real test images after training on generated ones.
        real: Accuracy on the same test images after training on as many real ones.
        num_training: Images that each was trained on.
    """

    generated: Accuracy
    real: Accuracy
    num_training: int
    classifier: str


class CovarianceShrinkage(NamedTuple):
    """Ratio of the total variance of generated to that of real samples.

    Attributes:
        value: The ratio, 0 or more; 1 if all variety is kept.
        interval: 95 % bootstrap interval over draws of both sets.
    """

    value: float
    interval: tuple[float, float]


def train_on_generated(
    generated: tuple[Any, Any],
    real: tuple[Any, Any],
    test: tuple[Any, Any],
    classifier: ClassifierMixin | None = None,
    seed: int = 0,
) -> TrainingUtility:
    """Trains a classifier on generated images and tests it on real ones.

    Beside it stands the same classifier trained on real images. Both are trained on
    equally many, as many as the smaller set holds, drawn by the seed from the larger.
    Test images must be in neither set, nor among the members of the model that
    generated the images.

    Args:
        generated: Features `(num_generated, num_features)` and labels
            `(num_generated,)`, the integer classes that a conditional model was asked
            for. `pixel_features` makes features of images that know no label;
            `digit_features` come from a network that was trained on labeled digits.
        real: Features and labels of real images, the members or images like them.
        test: Features and labels of other real images.
        classifier: Unfitted scikit-learn classifier, which is copied; its
            `random_state`, where it has one of its own, is set to the seed. By default
            a random forest of 100 trees.
        seed: Seed of the draw of the images and of the classifier.

    Raises:
        ValueError: If features or labels are not as described.

    References:
        Esteban et al., "Real-valued (Medical) Time Series Generation with Recurrent
        Conditional GANs", 2017, section 4 ("train on synthetic, test on real"); Ravuri
        and Vinyals, "Classification Accuracy Score for Conditional Generative Models",
        NeurIPS 2019. The interval is that of Wilson, JASA 1927.

    Example:
    ```python
    images, labels = keras_mixup_gan.data.load_images("digits")
    model = keras_mixup_gan.zoo.dcgan(num_classes=10)
    model.fit(images[:500], labels[:500], epochs=50)
    pixels = keras_mixup_gan.metrics.pixel_features((28, 28, 1))
    asked = np.arange(500) % 10
    utility = train_on_generated(
        (pixels(model.generate(500, asked)), asked),
        (pixels(images[:500]), labels[:500]),
        (pixels(images[500:1000]), labels[500:1000]),
    )
    utility.generated.value, utility.generated.interval
    ```
    """
    check_integer(0, seed=seed)
    test_set = _labeled(test, "test")
    sets = [
        _labeled(pair, name, test_set[0].shape[1])
        for pair, name in [(generated, "generated"), (real, "real")]
    ]
    num_training = min(len(labels) for _, labels in sets)
    if classifier is None:
        classifier = RandomForestClassifier(n_estimators=100)
    on_generated, on_real = (
        _accuracy(classifier, features, labels, num_training, test_set, seed)
        for features, labels in sets
    )
    return TrainingUtility(
        on_generated, on_real, num_training, type(classifier).__name__
    )


def covariance_shrinkage(
    real_features: Any, generated_features: Any, num_draws: int = 1000, seed: int = 0
) -> CovarianceShrinkage:
    r"""How much of the total variance generated samples keep.

    $$\mathrm{tr}\,\Sigma_g \,/\, \mathrm{tr}\,\Sigma_r$$

    with the unbiased covariances. The percentile interval resamples both sets, each by
    itself. Ratios below 1 mean less variety. A generator that imitates mixtures instead
    of images comes to `mixture_shrinkage(alpha, num_samples)` in pixels; other features
    are not linear in the image, so there the ratio only orders models.

    Args:
        real_features: Array `(num_real, num_features)` of at least ten rows.
        generated_features: Array `(num_generated, num_features)`, likewise.
        num_draws: Number of bootstrap draws, at least 100.
        seed: Seed of the draws.

    Raises:
        ValueError: If all real samples are equal, or an argument is not as described.

    References:
        Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), 13.3, for the
        interval.

    Example:
        >>> features = np.random.default_rng(0).normal(size=(1000, 8))
        >>> covariance_shrinkage(features, features / 2).value
        0.25
    """
    check_integer(100, num_draws=num_draws)
    check_integer(0, seed=seed)
    real, generated = check_both(real_features, generated_features, minimum=10)
    if (real == real[0]).all():
        raise ValueError(
            "`real_features` must vary. Received: "
            f"{len(real)} equal rows. Check the images or the extractor."
        )
    value = generated.var(axis=0, ddof=1).sum() / real.var(axis=0, ddof=1).sum()
    rng = np.random.default_rng(seed)
    real_draws = _resampled_variances(real, num_draws, rng)
    generated_draws = _resampled_variances(generated, num_draws, rng)
    # A draw can repeat one real sample only: its ratio is as large as can be.
    ratios = np.full(num_draws, np.inf)
    np.divide(generated_draws, real_draws, out=ratios, where=real_draws > 0)
    low, high = np.quantile(ratios, [0.025, 0.975], method="inverted_cdf")
    return CovarianceShrinkage(float(value), (float(low), float(high)))


def mixture_shrinkage(alpha: float, num_samples: int = 2) -> float:
    r"""Ratio of the covariance of mixtures to that of the images they are made of.

    $$\mathrm{E} \sum_j w_j^2 = \frac{\alpha + 1}{m \alpha + 1}$$

    for weights $w \sim \mathrm{Dirichlet}(\alpha, \ldots, \alpha)$ over $m$ independent
    images, $(\alpha + 1) / (2 \alpha + 1)$ for two: the mean stays, and every entry of
    the covariance is multiplied by this. It is the ratio for `MixUp(alpha,
    num_samples)` without noise; `max_weight` below 1 makes it smaller, noise adds its
    own variance, and `same_class` keeps the variance between classes. Only a generator
    that is to imitate mixtures (`mix_fakes=False`) is drawn toward it.

    It goes from `1 / num_samples` (even weights) to 1 (hardly mixed).

    Example:
        >>> mixture_shrinkage(1.0)
        0.6666666666666666
    """
    check_positive(alpha=alpha)
    check_integer(2, num_samples=num_samples)
    return float((alpha + 1.0) / (num_samples * alpha + 1.0))


def usefulness(
    model: Any, split: MembershipSplit, extractor: FeatureExtractor, seed: int
) -> tuple[Metric, ...]:
    """Fidelity, diversity, kept variance and, with classes, worth as training data.

    These are precision, recall, density and coverage of a trained model's images
    against the reference part, in the extractor's features; `"covariance_shrinkage"` in
    pixels, with its interval; for a conditional model `"accuracy_generated"` and
    `"accuracy_real"`, with Wilson intervals: of the same classifier trained on
    generated images and on as many members, whose number `num_generated` is in both.
    """
    held_out = split.reference
    if held_out is None:
        raise ValueError(
            "Usefulness is measured against held-out images. Expected a split with a "
            "reference part. Received: reference=None. Draw it with `num_reference=`."
        )
    pixels = pixel_features(split.image_shape)
    number = len(held_out.pixels)
    generated = model.generate(number, seed=seed)
    shrinkage = covariance_shrinkage(
        pixels(held_out.images), pixels(generated), 200, seed
    )
    made_of = pixels.name, number, number
    kept, interval = shrinkage
    figures = (
        *neighbor_quality(generated, extractor(held_out.images), extractor),
        Metric("covariance_shrinkage", kept, *made_of, interval=interval),
    )
    if model.num_classes is None or held_out.labels is None:
        return figures
    classes = np.arange(number) % model.num_classes
    members = renumbered(split.members, names_of(model), "members")
    held_out = renumbered(held_out, names_of(model), "reference")
    worth = train_on_generated(
        (pixels(model.generate(number, classes, seed=seed)), classes),
        (pixels(members.images), members.labels),
        (pixels(held_out.images), held_out.labels),
        seed=seed,
    )
    made_of = pixels.name, worth.num_training, number
    return figures + tuple(
        Metric(name, accuracy.value, *made_of, interval=accuracy.interval)
        for name, accuracy in (
            ("accuracy_generated", worth.generated),
            ("accuracy_real", worth.real),
        )
    )


def _accuracy(
    classifier: Any,
    features: FloatArray,
    labels: IntArray,
    num_training: int,
    test_set: tuple[FloatArray, IntArray],
    seed: int,
) -> Accuracy:
    """Accuracy of a copy of the classifier, trained on rows drawn by the seed."""
    drawn = np.random.default_rng(seed).permutation(len(labels))[:num_training]
    fresh = clone(classifier)
    if "random_state" in fresh.get_params(deep=False):
        fresh.set_params(random_state=seed)
    fresh.fit(features[drawn], labels[drawn])
    num_correct = int((fresh.predict(test_set[0]) == test_set[1]).sum())
    return Accuracy(num_correct, len(test_set[1]))


def _labeled(
    pair: tuple[Any, Any], name: str, num_features: int | None = None
) -> tuple[FloatArray, IntArray]:
    """Features and their labels after checking that they belong together."""
    features = check_features(pair[0], f"{name} features", num_features)
    labels = check_labels(pair[1], len(features), f"{name} labels")
    if labels is None:
        raise ValueError(
            f"`{name}` needs labels. Expected (features, labels). Received: features "
            "alone. Pass the classes of the images too."
        )
    return features, labels


def _resampled_variances(
    features: FloatArray, num_draws: int, rng: np.random.Generator
) -> FloatArray:
    """Total variances of samples drawn with replacement, as many as there are."""
    count = len(features)
    # Centering first keeps the difference of squares accurate.
    centered = features - features.mean(axis=0)
    squares = np.square(centered).sum(axis=1)
    variances = []
    step = max(1, _BLOCK_VALUES // count)
    for start in range(0, num_draws, step):
        size = min(step, num_draws - start)
        times = rng.multinomial(count, np.full(count, 1 / count), size).astype(
            "float64"
        )
        means = times @ centered / count
        variances.append(times @ squares / count - np.square(means).sum(axis=1))
    biased = np.maximum(0.0, np.concatenate(variances))
    return np.asarray(biased * count / (count - 1))
