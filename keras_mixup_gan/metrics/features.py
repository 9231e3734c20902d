"""What images are turned into before their distribution is compared."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.data.shapes import check_image_shape, unit_range
from keras_mixup_gan.typing import FloatArray, Tensor
from keras_mixup_gan.validation import check_images

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
        """Returns the features of images.

        Args:
            images: Array `(num_images, height, width, channels)`, floats in `[-1, 1]`
                or uint8.

        Returns:
            float64 array `(num_images, num_features)`.

        Raises:
            ValueError: If the images are not in range, not finite or of another shape.
        """
        images = np.asarray(images)
        if images.dtype == np.uint8:
            images = unit_range(images)
        images = check_images(images, "images", self.image_shape)
        features = np.empty((len(images), self.num_features))
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            missing = self.batch_size - len(batch)
            padded = np.pad(batch, [(0, missing), (0, 0), (0, 0), (0, 0)])
            features[start : start + len(batch)] = self.embed(padded)[: len(batch)]
        return features


def check_features(
    features: Any, name: str, num_features: int | None = None, *, minimum: int = 2
) -> FloatArray:
    """Returns features as float64 `(num_samples, num_features)` after checking them.

    Args:
        features: The features.
        name: How the message calls them.
        num_features: Expected width, if any.
        minimum: Fewest samples that are of use.

    Returns:
        The features as float64.

    Raises:
        ValueError: If they are not 2-D, too few, of another width or not finite.
    """
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
    Inception. `keras_mixup_gan.metrics.digit_network` tells how it was trained.

    Returns:
        The extractor `digits-cnn-v1`.

    Raises:
        ValueError: If the weight file is missing or altered.
    """
    # Imported late, so that the module can also be run as a script.
    from keras_mixup_gan.metrics import digit_network

    return FeatureExtractor(
        name="digits-cnn-v1",
        image_shape=(28, 28, 1),
        num_features=digit_network.NUM_FEATURES,
        embed=digit_network.embedding(digit_network.load_weights()),
    )


def pixel_features(image_shape: tuple[int, int, int]) -> FeatureExtractor:
    """Pixels as features: needs no network, sees no meaning.

    Args:
        image_shape: Shape `(height, width, channels)` of the images.

    Returns:
        An extractor named after the shape, e.g. `pixels-28x28x1`.
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
        ValueError: If the weights cannot be had.
    """
    import keras

    name = "inception-v3-keras"
    policy = keras.config.dtype_policy()
    # Under a mixed-precision policy the features would be half precision.
    keras.config.set_dtype_policy("float32")
    try:
        if str(weights) != "imagenet":
            digest = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
            name = f"inception-v3-{digest[:12]}"
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
