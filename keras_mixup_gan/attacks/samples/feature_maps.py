"""What images are compared in: pixels, principal components, or any features.

Every map sends each image to its features by itself, to the last bit: a score that
depended on the batch it was computed in could be told apart by its rounding.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.storage import digest_arrays
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import check_integer

FeatureMap: TypeAlias = Callable[[FloatArray], FloatArray]
Features: TypeAlias = str | int | FeatureMap

SMALLEST_SPREAD = 1e-6  # of the largest, for a component to count
_MANY_ROWS, _LONG_ROWS = 256, 2048
_BLOCK = 256  # images of which float64 pixels are made at once


def check_features_choice(features: Any) -> None:
    """Raises a `ValueError` unless `features` says how to compare images."""
    if isinstance(features, (int, np.integer)) and not isinstance(features, bool):
        check_integer(1, features=int(features))
    elif not (callable(features) or features == "pixels"):
        raise ValueError(
            "`features` must be 'pixels', a number of principal components, or a "
            f"function of images. Received: features={features!r}. Use e.g. "
            "features=40."
        )


def fit_features(features: Features, reference: FloatArray | None) -> FeatureMap:
    """The map from images to float64 features `(num_images, num_features)`.

    Principal components are fitted on the reference images alone.
    """
    if callable(features):
        return _checked(features)
    if isinstance(features, str):
        return pixels
    if reference is None or len(reference) < 2:
        raise ValueError(
            "Principal components are fitted on reference images, at least 2. "
            "Received: none, or a single one. Pass some, or "
            "features='pixels'."
        )
    return PrincipalComponents(reference, features)


def describe_features(features: Features, fitted: FeatureMap | None = None) -> str:
    """Says in a few words what images are compared in."""
    if isinstance(fitted, PrincipalComponents):
        return f"{fitted.num_components} principal components of the reference"
    if callable(features):
        return str(getattr(features, "name", getattr(features, "__name__", "features")))
    if isinstance(features, str):
        return "pixels in [-1, 1]"
    return f"{features} principal components of the reference"


def pixels(images: FloatArray) -> FloatArray:
    """The flattened pixels, as float64."""
    return np.asarray(images).reshape(len(images), -1).astype("float64")


class PrincipalComponents:
    """Projects images on the principal components of others, as many as these span.

    Maps with equal `key` are equal.
    """

    def __init__(self, images: FloatArray, num_components: int) -> None:
        rows = pixels(images)
        self._mean = rows.mean(axis=0)
        rows -= self._mean
        spreads, axes = _spreads_and_axes(rows)
        spanned = int((spreads > SMALLEST_SPREAD * spreads[0]).sum())
        if spanned == 0:
            raise ValueError(
                "The reference images must not all be alike. Received: "
                f"{len(rows)} equal images. Pass other images."
            )
        self.num_components = min(num_components, spanned)
        self._axes = np.ascontiguousarray(axes[: self.num_components])
        self.key = digest_arrays([self._mean, self._axes])

    def __call__(self, images: FloatArray) -> FloatArray:
        """The components of each image."""
        parts = [
            row_products(pixels(images[start:][:_BLOCK]) - self._mean, self._axes)
            for start in range(0, len(images), _BLOCK)
        ]
        return np.concatenate(parts)


def _spreads_and_axes(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The singular values of centered rows, largest first, and the axes they go along.

    Of many long rows they are found from the products of the rows, or of the columns
    if there are fewer, several times sooner, and to about half of the digits.
    """
    if min(rows.shape) < _MANY_ROWS or rows.shape[1] < _LONG_ROWS:
        _, spreads, axes = np.linalg.svd(rows, full_matrices=False)
        return spreads, axes
    is_wide = rows.shape[0] <= rows.shape[1]
    squares, shares = np.linalg.eigh(rows @ rows.T if is_wide else rows.T @ rows)
    spreads, shares = np.sqrt(np.maximum(squares[::-1], 0)), shares[:, ::-1]
    kept = spreads > SMALLEST_SPREAD * spreads[0]
    axes = (shares[:, kept] / spreads[kept]).T @ rows if is_wide else shares[:, kept].T
    return spreads, axes


def row_products(rows: FloatArray, axes: FloatArray) -> FloatArray:
    """`rows @ axes.T`, where the last bit of a row does not depend on the others.

    That of a BLAS product may. The axes `(num_axes, num_values)` must be contiguous.
    """
    products: FloatArray = np.einsum("ij,kj->ik", rows, axes, optimize=False)
    return products


def _checked(features: FeatureMap) -> FeatureMap:
    """A user's function whose results are checked and become float64 rows."""

    def checked(images: FloatArray) -> FloatArray:
        values = np.asarray(features(images), dtype="float64")
        if values.shape[:1] != (len(images),) or values.size == 0:
            raise ValueError(
                "`features` must return one row for each image. Received: "
                f"shape={values.shape} for {len(images)} images."
            )
        if not np.isfinite(values).all():
            raise ValueError(
                "`features` must return finite values. Received: "
                f"{int((~np.isfinite(values)).sum())} NaN or infinite."
            )
        return values.reshape(len(images), -1)

    return checked
