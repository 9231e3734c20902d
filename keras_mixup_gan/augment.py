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
    """The names in a policy: some of `TRANSFORMS`, each once, with commas between."""
    is_text = isinstance(policy, str) and policy.strip()
    names = [name.strip() for name in policy.split(",")] if is_text else []
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


def augment(
    images: Tensor,
    policy: str,
    key: Tensor,
    shared: bool = False,
    choices: tuple[Tensor, int | Tensor] | None = None,
) -> Tensor:
    """Applies a policy's transforms in its order, with parameters drawn from a key.

    Args:
        images: Float tensor `(batch, height, width, channels)` in `[-1, 1]`; all but
            the batch must be static.
        policy: Some of `TRANSFORMS`, each once, with commas between them.
        key: Seed of stateless operations, int64 tensor `(2,)`.
        shared: Whether one draw of the parameters serves all images.
        choices: Which draw each image takes, int tensor `(batch,)`, and how many there
            are; by default the image's place in the batch.

    Returns:
        Tensor like `images`. Colors may leave `[-1, 1]`.

    Raises:
        ValueError: If the policy is not one.

    Example:
    ```python
    seen = augment(images, "color,translation,cutout", tf.constant([0, 1]))
    ```
    """
    num_images = tf.shape(images)[0]
    chosen, num_draws = choices or (None, 1 if shared else num_images)
    _, height, breadth, _ = images.shape

    def given(drawn: Tensor) -> Tensor:
        if chosen is not None:
            return tf.gather(drawn, chosen)
        return tf.broadcast_to(drawn, (num_images, *drawn.shape[1:]))

    for name in check_policy(policy):
        own_key = tf.random.experimental.stateless_fold_in(key, TRANSFORMS.index(name))
        if name == "color":
            uniform = given(tf.random.stateless_uniform((num_draws, 3), own_key))
            images = recolor(images, *tf.unstack(uniform, axis=1))
            continue
        offsets = []
        keys = tf.unstack(tf.random.split(own_key, 2))
        for key_of_side, side in zip(keys, (height, breadth), strict=True):
            if name == "translation":
                low, high = -max_shift(side), max_shift(side) + 1
            else:
                low, high = 0, side + 1 - cut_side(side) % 2
            drawn = tf.random.stateless_uniform(
                (num_draws,), key_of_side, low, high, dtype=tf.int32
            )
            offsets.append(given(drawn))
        transform = translate if name == "translation" else cut_out
        images = transform(images, *offsets)
    return images


def recolor(
    images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor
) -> Tensor:
    """Changes brightness, saturation and contrast, by numbers `(batch,)` in `[0, 1]`.

    They stand for -0.5 to 0.5 added to the pixels, factors from 0 to 2 of a pixel's
    distance from the mean of its channels (gray images have no saturation to change),
    and factors from 0.5 to 1.5 of its distance from the mean of its image.
    """
    # Half precision could not hold the sums that the means are taken of.
    pixels = tf.cast(images, tf.float32) + _per_image(brightness - 0.5)
    gray = tf.reduce_mean(pixels, axis=3, keepdims=True)
    pixels = gray + _per_image(2 * saturation) * (pixels - gray)
    mean = tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True)
    pixels = mean + _per_image(contrast + 0.5) * (pixels - mean)
    return tf.cast(pixels, images.dtype)


def translate(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shifts images by whole pixels `(batch,)`, and fills with zeros."""
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

    `row` and `column`, int32 `(batch,)`, are its middle, from 0 to the height or width.
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
