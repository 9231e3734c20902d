"""Feature extractors: what images become before their distributions are compared."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.data.images import check_image_shape
from keras_mixup_gan.storage import digest_file, read_arrays
from keras_mixup_gan.typing import FloatArray, Tensor
from keras_mixup_gan.validation import check_choice, check_images

Weights: TypeAlias = dict[str, FloatArray]

DIGIT_WEIGHTS = Path(__file__).with_name("digit_features.npz")
DIGIT_LAYERS = ("conv1", "conv2", "conv3", "features")
NUM_DIGIT_FEATURES = 64
_DIGIT_SHA256 = "ca3317834aea5d9276cce1331d3792a249a99f5e055c9d737e36e29681125cb5"
_DIGIT_SHAPE = (28, 28, 1)
_INCEPTION_SIZE = 299


@dataclass(frozen=True)
class FeatureExtractor:
    """Turns images into features; its name goes into every figure computed from them.

    Each image's features depend on that image alone: networks see batches of one fixed
    size, the last one filled up, and run in inference mode.

    Args:
        name: Short name, with a version, under which figures are comparable.
        image_shape: The `(height, width, channels)` that it accepts, or `None` for any.
        num_features: Features per image.
        embed: Maps a float32 batch `(batch_size, height, width, channels)` in `[-1, 1]`
            to an array `(batch_size, num_features)`.
        batch_size: Images per call of `embed`.

    Example:
        >>> extractor = keras_mixup_gan.metrics.digit_features()
        >>> images, _ = keras_mixup_gan.data.load_images("digits")
        >>> extractor(images).shape
        (5000, 64)
    """

    name: str
    image_shape: tuple[int, int, int] | None
    num_features: int
    embed: Callable[[FloatArray], Any] = field(repr=False)
    batch_size: int = 256

    def __call__(self, images: Any) -> FloatArray:
        """Returns float64 features `(num_images, num_features)`.

        Args:
            images: Array `(num_images, height, width, channels)`, floats in `[-1, 1]`
                or uint8.

        Raises:
            ValueError: If the images are not such an array of the extractor's shape.
        """
        images = check_images(images, "images", self.image_shape)
        features = np.empty((len(images), self.num_features))
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            missing = self.batch_size - len(batch)
            padded = np.pad(batch, [(0, missing), (0, 0), (0, 0), (0, 0)])
            found = np.asarray(self.embed(padded))
            if found.shape != (self.batch_size, self.num_features):
                raise ValueError(
                    f"`embed` of the extractor {self.name!r} must return a row of "
                    f"features for each image. Expected shape ({self.batch_size}, "
                    f"{self.num_features}). Received: {found.shape}. Set `num_features`"
                    " to what it returns."
                )
            features[start : start + len(batch)] = found[: len(batch)]
        return features


def check_both(
    real: Any, generated: Any, minimum: int
) -> tuple[FloatArray, FloatArray]:
    """Both sets of features as float64, after checking that they can be compared."""
    x = check_features(real, "real_features", minimum=minimum)
    y = check_features(generated, "generated_features", x.shape[1], minimum=minimum)
    return x, y


def check_features(
    features: Any, name: str, num_features: int | None = None, *, minimum: int = 2
) -> FloatArray:
    """Features as float64 `(num_samples, num_features)`, after checking them."""
    features = np.asarray(features)
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.number):
        raise ValueError(
            f"`{name}` must be features, one row of numbers per image. Expected shape "
            f"(num_images, num_features). Received: dtype={features.dtype}, "
            f"shape={features.shape}. Pass the output of a `FeatureExtractor`."
        )
    if len(features) < minimum or features.shape[1] == 0:
        raise ValueError(
            f"`{name}` must hold at least {minimum} samples. Received: "
            f"shape={features.shape}. Extract the features of more images."
        )
    if num_features is not None and features.shape[1] != num_features:
        raise ValueError(
            f"`{name}` must have {num_features} features per image, as the other set. "
            f"Received: {features.shape[1]}. Use one extractor for both."
        )
    features = features.astype("float64")
    if not np.isfinite(features).all():
        raise ValueError(
            f"`{name}` must be finite. Received: {int((~np.isfinite(features)).sum())} "
            "values that are NaN or infinite. Check the images or the extractor."
        )
    return features


def digit_features() -> FeatureExtractor:
    """Features of a small digit classifier that ships with the package.

    64 features of `(28, 28, 1)` images, each of mean 0 and variance 1 over the 5,000
    digits, so that 64 is the total variance of real digits. The weights are one
    published file whose SHA-256 is checked before it is read, and the network always
    runs on the CPU in float32: figures agree across machines up to rounding.

    To read the Frechet distance in these features: two random halves of the real
    digits, 2,500 each, are 0.2 apart (0.12 to 0.40 over ten draws), a half of equal
    blends is 15 from the other half, uniform noise 50 to 60. The scale is not that of
    Inception. `benchmarks/digit_network.py` of the repository trained the network, on
    all 5,000 digits: members, non-members and reference images of any split are treated
    alike. Trained on 4,000 of them it names 98.2 % of the other 1,000 correctly.

    Raises:
        ValueError: If the weight file is missing or altered.
    """
    return FeatureExtractor(
        name="digits-cnn-v1",
        image_shape=_DIGIT_SHAPE,
        num_features=NUM_DIGIT_FEATURES,
        embed=digit_embedding(digit_weights()),
    )


def digit_weights(path: Path = DIGIT_WEIGHTS) -> Weights:
    """The shipped kernels and biases, once they are found to be the published ones."""
    digest = digest_file(path)
    if digest != _DIGIT_SHA256:
        found = "no such file" if digest is None else digest[:12]
        raise ValueError(
            f"The weights of the digit features in {path} are missing or were altered, "
            "and figures from them could not be compared. Expected SHA-256 "
            f"{_DIGIT_SHA256[:12]}. Received: {found}. Reinstall the package."
        )
    return read_arrays(path, "the weights of the digit features", "Reinstall it.")


def digit_embedding(weights: Weights) -> Callable[[FloatArray], FloatArray]:
    """The function from images `(num_images, 28, 28, 1)` to features `(..., 64)`."""
    import tensorflow as tf

    signature = [tf.TensorSpec((None, 28, 28, 1), tf.float32)]

    # Plain operations on the CPU: neither a global precision policy nor the reduced
    # precision of accelerators changes the features.
    @tf.function(input_signature=signature, autograph=False)
    def embed(images: Tensor) -> Tensor:
        with tf.device("CPU:0"):
            hidden = images
            for name in DIGIT_LAYERS[:-1]:
                kernel, bias = weights[f"{name}_kernel"], weights[f"{name}_bias"]
                hidden = tf.nn.conv2d(hidden, kernel, strides=2, padding="SAME")
                hidden = tf.nn.gelu(hidden + bias)
            flat = tf.reshape(hidden, (-1, weights["features_kernel"].shape[0]))
            return flat @ weights["features_kernel"] + weights["features_bias"]

    return lambda images: embed(tf.constant(images, tf.float32)).numpy()


def pixel_features(image_shape: tuple[int, int, int]) -> FeatureExtractor:
    """Pixels as features: needs no network, sees no meaning.

    The extractor is named after the shape of the images, e.g. `pixels-28x28x1`.
    """
    shape = check_image_shape(image_shape)
    return FeatureExtractor(
        name="pixels-" + "x".join(map(str, shape)),
        image_shape=shape,
        num_features=int(np.prod(shape)),
        embed=lambda batch: batch.reshape(len(batch), -1),
    )


def inception_features(weights: str | Path = "imagenet") -> FeatureExtractor:
    """The 2,048 pooled features of Keras' InceptionV3, for images of any size.

    Images are resized to 299 x 299 (bilinear) and gray ones repeated to three channels.
    Inception expects values in `[-1, 1]`, which is what images are here: nothing else
    is done to them, in particular no `preprocess_input`, which would scale them a
    second time. The weights are those of Keras, not of the network that first defined
    FID: compare with published figures only where they come from the same weights.

    Args:
        weights: `"imagenet"` (downloaded once by Keras, about 90 MB) or the path of a
            weight file of `keras.applications.InceptionV3(include_top=False)`.

    Returns:
        The extractor, named `inception-v3-keras`, or after the SHA-256 of the file.

    Raises:
        ValueError: If the weights are not available.
    """
    import keras

    name = "inception-v3-keras"
    policy = keras.config.dtype_policy()
    # Under a mixed-precision policy the features would be half precision.
    keras.config.set_dtype_policy("float32")
    try:
        if str(weights) != "imagenet":
            name = f"inception-v3-{str(digest_file(Path(weights)))[:12]}"
        network = keras.applications.InceptionV3(
            include_top=False,
            weights=str(weights),
            input_shape=(_INCEPTION_SIZE, _INCEPTION_SIZE, 3),
            pooling="avg",
        )
    # Keras reports failed downloads and unfit files with many exception types.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"The weights of InceptionV3 could not be loaded ({reason}). Expected a "
            "network to download them from, or a weight file made without the top "
            f"layer. Received: weights={str(weights)!r}. Use `digit_features()` for "
            "digits."
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
    return _inception_extractor(network, name)


def _inception_extractor(
    network: Callable[..., Tensor], name: str, num_features: int = 2048
) -> FeatureExtractor:
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def embed(batch: Tensor) -> Tensor:
        if batch.shape[-1] == 1:
            batch = tf.image.grayscale_to_rgb(batch)
        size = (_INCEPTION_SIZE, _INCEPTION_SIZE)
        resized = tf.image.resize(batch, size, method="bilinear", antialias=True)
        return network(resized, training=False)

    def embed_batch(batch: FloatArray) -> FloatArray:
        if batch.shape[-1] not in (1, 3):
            raise ValueError(
                "InceptionV3 sees RGB images. Expected 1 or 3 channels. Received: "
                f"shape={batch.shape[1:]}. Select the channels to compare."
            )
        return np.asarray(embed(tf.constant(batch)))

    return FeatureExtractor(name, None, num_features, embed_batch, batch_size=32)


# Extractors by the names that data sets and suites use, made for a shape of images.
EXTRACTORS: dict[str, Callable[[tuple[int, int, int]], FeatureExtractor]] = {
    "digits": lambda image_shape: digit_features(),
    "pixels": pixel_features,
    "inception": lambda image_shape: inception_features(),
}


def extractor_for(
    image_shape: tuple[int, int, int], name: str | None = None
) -> FeatureExtractor:
    """The feature extractor that suits images.

    Args:
        image_shape: Their shape `(height, width, channels)`.
        name: A key of `EXTRACTORS`, such as a data set's `extractor`; by default
            `"digits"` for 28 x 28 gray pixels, and `"pixels"` for others.

    Raises:
        ValueError: If there is no such extractor, or it takes images of another shape.
    """
    if name is None:
        name = "digits" if tuple(image_shape) == _DIGIT_SHAPE else "pixels"
    check_choice(name, EXTRACTORS, "extractor")
    extractor = EXTRACTORS[name](image_shape)
    if extractor.image_shape not in (None, tuple(image_shape)):
        raise ValueError(
            f"The features {name!r} are of images of another shape. Expected "
            f"{extractor.image_shape}. Received: image_shape={tuple(image_shape)}. Use "
            "'pixels'."
        )
    return extractor
