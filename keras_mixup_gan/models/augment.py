r"""Differentiable augmentation of what the discriminator sees.

Reals and fakes go through the same random transforms $T$, in the discriminator's and in
the generator's update alike, so that the generator learns the law of the images and not
that of $T$:

$$L_D = E[f_D(-D(T(x)))] + E[f_D(D(T(G(z))))], \quad L_G = E[f_G(-D(T(G(z))))]$$

Source: Zhao, Liu, Lin, Zhu and Han, "Differentiable Augmentation for Data-Efficient GAN
Training", NeurIPS 2020, arXiv:2006.10738, whose ranges are used. Where a transform
leaves a pixel empty, it becomes 0, the middle of `[-1, 1]`.
"""

import tensorflow as tf

from keras_mixup_gan.typing import Tensor

TRANSFORMS = ("color", "translation", "cutout")
# The largest shift, and the side of the cut square, as shares of the image's side.
MAX_SHIFT = 1 / 8
CUT_SIDE = 1 / 2


def check_policy(policy: str) -> tuple[str, ...]:
    """Returns the transforms that a policy names.

    Args:
        policy: Some of `"color"`, `"translation"` and `"cutout"`, each at most once,
            with commas between them.

    Returns:
        Their names, in the order given.

    Raises:
        ValueError: If the policy is not such a string.
    """
    names = [name.strip() for name in policy.split(",")] if _is_text(policy) else []
    unknown = [name for name in names if name not in TRANSFORMS]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if names and not unknown and not repeated:
        return tuple(names)
    reason = "names no transform" if not names else "repeats " + ", ".join(repeated)
    if unknown:
        reason = "names unknown transforms: " + ", ".join(map(repr, unknown))
    raise ValueError(
        f"The augmentation policy {reason}. Expected some of "
        f"{', '.join(map(repr, TRANSFORMS))}, each once, with commas between them. "
        f"Received: augment={policy!r}. Use e.g. 'color,translation,cutout', or None "
        "for no augmentation."
    )


def augment(images: Tensor, policy: str, key: Tensor, shared: bool = False) -> Tensor:
    """Transforms every image by random parameters of its own, or all by the same.

    The parameters are a pure function of the key. The result is differentiable in the
    images, and an image's does not depend on the others of the batch. It is the same
    with and without XLA as far as the two draw the same numbers from a key.

    Args:
        images: Float tensor `(batch, height, width, channels)` in `[-1, 1]`; all but
            the batch must be static.
        policy: As `check_policy` accepts it; transforms are applied in its order.
        key: Seed of stateless operations, int64 tensor `(2,)`.
        shared: Whether one draw of the parameters serves all images.

    Returns:
        Tensor like `images`. Colors may leave `[-1, 1]`.

    Raises:
        ValueError: If the policy is not one.

    Example:
    ```python
    seen = augment(images, "color,translation,cutout", tf.constant([0, step]))
    ```
    """
    num_images = tf.shape(images)[0]
    num_draws = 1 if shared else num_images
    _, height, breadth, _ = images.shape
    for name in check_policy(policy):
        own_key = tf.random.experimental.stateless_fold_in(key, TRANSFORMS.index(name))
        if name == "color":
            uniform = tf.random.stateless_uniform((num_draws, 3), own_key)
            uniform = tf.broadcast_to(uniform, (num_images, 3))
            images = recolor(images, *tf.unstack(uniform, axis=1))
            continue
        keys = tf.unstack(tf.random.split(own_key, 2))
        if name == "translation":
            low = -max_shift(height), -max_shift(breadth)
            high = max_shift(height) + 1, max_shift(breadth) + 1
        else:
            low = 0, 0
            high = (
                height + 1 - cut_side(height) % 2,
                breadth + 1 - cut_side(breadth) % 2,
            )
        rows, columns = (
            tf.broadcast_to(
                tf.random.stateless_uniform((num_draws,), *bounds, dtype=tf.int32),
                (num_images,),
            )
            for bounds in zip(keys, low, high, strict=True)
        )
        transform = translate if name == "translation" else cut_out
        images = transform(images, rows, columns)
    return images


def recolor(
    images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor
) -> Tensor:
    """Changes brightness, then saturation, then contrast.

    Gray images, of one channel, have no saturation to change.

    Args:
        images: Float tensor `(batch, height, width, channels)`.
        brightness: Numbers `(batch,)` in `[0, 1]`, standing for -0.5 to 0.5, which is
            added to the pixels.
        saturation: The same, standing for factors from 0 to 2 of a pixel's distance
            from the mean of its channels.
        contrast: The same, standing for factors from 0.5 to 1.5 of a pixel's distance
            from the mean of its image.

    Returns:
        Tensor like `images`.
    """
    # Half precision could not hold the sums that the means are taken of.
    pixels = tf.cast(images, tf.float32) + _per_image(brightness - 0.5)
    gray = tf.reduce_mean(pixels, axis=3, keepdims=True)
    pixels = gray + _per_image(2 * saturation) * (pixels - gray)
    mean = tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True)
    pixels = mean + _per_image(contrast + 0.5) * (pixels - mean)
    return tf.cast(pixels, images.dtype)


def translate(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shifts images by whole pixels and fills with zeros.

    Args:
        images: Float tensor `(batch, height, width, channels)`.
        down: Int32 tensor `(batch,)`; up, where below zero.
        right: Int32 tensor `(batch,)`; left, where below zero.

    Returns:
        Tensor like `images`.
    """
    height, breadth = images.shape[1:3]
    padded = tf.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    # Position 0 and the last one of a padded side are the zeros around the image.
    rows = tf.clip_by_value(tf.range(1, height + 1) - down[:, None], 0, height + 1)
    columns = tf.clip_by_value(
        tf.range(1, breadth + 1) - right[:, None], 0, breadth + 1
    )
    shifted = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(shifted, columns, axis=2, batch_dims=1)


def cut_out(images: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Sets a rectangle of half the sides to zero; what is outside the image is lost.

    Args:
        images: Float tensor `(batch, height, width, channels)`.
        row: Int32 tensor `(batch,)`, from 0 to the height: the middle of the rectangle.
        column: The same, along the width.

    Returns:
        Tensor like `images`.
    """
    height, breadth = images.shape[1:3]
    cut_rows = _is_near(tf.range(height), row, cut_side(height))
    cut_columns = _is_near(tf.range(breadth), column, cut_side(breadth))
    cut = cut_rows[:, :, None, None] & cut_columns[:, None, :, None]
    return tf.where(cut, tf.zeros((), images.dtype), images)


def max_shift(side: int) -> int:
    """The furthest that an image of this side is shifted, in pixels."""
    return int(side * MAX_SHIFT + 0.5)


def cut_side(side: int) -> int:
    """The side of the rectangle cut out of an image of this side, in pixels."""
    return int(side * CUT_SIDE + 0.5)


def _is_near(positions: Tensor, middle: Tensor, length: int) -> Tensor:
    """Which positions are in the stretch around each middle, `(batch, positions)`."""
    start = middle[:, None] - length // 2
    return (positions >= start) & (positions < start + length)


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _is_text(policy: object) -> bool:
    return isinstance(policy, str) and bool(policy.strip())
