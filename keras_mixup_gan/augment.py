r"""Differentiable augmentation of what the discriminator sees.

Reals and fakes go through the same random transforms $T$, in the discriminator's and in
the generator's update alike, so that the generator learns the law of the images and not
that of $T$:

$$L_D = E[f_D(-D(T(x)))] + E[f_D(D(T(G(z))))], \quad L_G = E[f_G(-D(T(G(z))))]$$

Source: Zhao, Liu, Lin, Zhu and Han, "Differentiable Augmentation for Data-Efficient GAN
Training", NeurIPS 2020, arXiv:2006.10738, whose ranges are used unless a policy names
others: `"color,translation=0.25,cutout"` shifts by up to a quarter of each side. Where
a transform leaves a pixel empty, it becomes 0, the middle of `[-1, 1]`.
"""

import re

import tensorflow as tf

from keras_mixup_gan.typing import Tensor

TRANSFORMS = ("color", "translation", "cutout")
# The largest shift, and the side of the cut square, as shares of the image's side.
MAX_SHIFT = 1 / 8
CUT_SIDE = 1 / 2
_SHARES = {"translation": MAX_SHIFT, "cutout": CUT_SIDE}


def check_policy(policy: str) -> tuple[str, ...]:
    """The parts of a policy: some of `TRANSFORMS`, each once, with commas between.

    Translation and cutout take a share of the image's side, above 0 and up to 1, after
    an equals sign.
    """
    shares = _shares_of(policy)
    return tuple(
        name if share is None else f"{name}={share:g}" for name, share in shares.items()
    )


def _shares_of(policy: str) -> dict[str, float | None]:
    """The share that each transform of a policy is given; None for the usual one."""
    is_text = isinstance(policy, str) and policy.strip()
    parts = [part.strip() for part in policy.split(",")] if is_text else []
    names = [part.partition("=")[0].rstrip() for part in parts]
    unknown = [name for name in names if name not in TRANSFORMS]
    repeated = sorted({name for name in names if names.count(name) > 1})
    reason = ""
    if not names:
        reason = "names no transform"
    elif unknown:
        reason = "names unknown transforms: " + ", ".join(map(repr, unknown))
    elif repeated:
        reason = "repeats " + ", ".join(repeated)
    if reason:
        raise ValueError(
            f"The augmentation policy {reason}. Expected some of "
            f"{', '.join(map(repr, TRANSFORMS))}, each once, with commas between them. "
            f"Received: augment={policy!r}. Use e.g. 'color,translation,cutout', or "
            "None for no augmentation."
        )
    shares = {}
    for name, part in zip(names, parts, strict=True):
        given = re.fullmatch(r"\s*=\s*(\d*\.?\d+(?:e-?\d+)?)", part[len(name) :])
        shares[name] = float(given[1]) if given else None
        fits = given is not None and name in _SHARES and 0 < float(given[1]) <= 1
        if part != name and not fits:
            raise ValueError(
                f"The augmentation policy gives {name!r} a strength that it has not. "
                "Expected a share of the image's side above 0 and up to 1, and only "
                f"for {' and '.join(map(repr, _SHARES))}. Received: "
                f"augment={policy!r}. Use e.g. 'color,translation=0.25,cutout'."
            )
    return shares


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
        policy: Some of `TRANSFORMS`, each once, with commas between them; translation
            and cutout may be given a share of the image's side, `"translation=0.25"`.
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

    for name, given_share in _shares_of(policy).items():
        own_key = tf.random.experimental.stateless_fold_in(key, TRANSFORMS.index(name))
        if name == "color":
            uniform = given(tf.random.stateless_uniform((num_draws, 3), own_key))
            images = recolor(images, *tf.unstack(uniform, axis=1))
            continue
        share, offsets = given_share or _SHARES[name], []
        if given_share and not pixels_of(max(height, breadth), share):
            raise ValueError(
                f"A share of {share:g} leaves images of {height} x {breadth} pixels as "
                "they are. Expected half a pixel or more. Received: "
                f"augment={policy!r}. Use e.g. '{name}={_SHARES[name]:g}'."
            )
        keys = tf.unstack(tf.random.split(own_key, 2))
        for key_of_side, side in zip(keys, (height, breadth), strict=True):
            if name == "translation":
                low, high = -pixels_of(side, share), pixels_of(side, share) + 1
            else:
                low, high = 0, side + 1 - pixels_of(side, share) % 2
            drawn = tf.random.stateless_uniform(
                (num_draws,), key_of_side, low, high, dtype=tf.int32
            )
            offsets.append(given(drawn))
        row, column = offsets
        if name == "translation":
            images = translate(images, row, column)
        else:
            images = cut_out(images, row, column, share)
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


def cut_out(
    images: Tensor, row: Tensor, column: Tensor, share: float = CUT_SIDE
) -> Tensor:
    """Sets a rectangle to zero, by default of half the sides, as far as it is inside.

    `row` and `column`, int32 `(batch,)`, are its middle, from 0 to the height or width.
    """
    height, breadth = images.shape[1:3]
    cut_rows = _is_near(tf.range(height), row, pixels_of(height, share))
    cut_columns = _is_near(tf.range(breadth), column, pixels_of(breadth, share))
    cut = cut_rows[:, :, None, None] & cut_columns[:, None, :, None]
    return tf.where(cut, tf.zeros((), images.dtype), images)


def pixels_of(side: int, share: float) -> int:
    """A share of the side of an image in whole pixels, halves rounded up."""
    return int(side * share + 0.5)


def _is_near(positions: Tensor, middle: Tensor, length: int) -> Tensor:
    """Which positions are in the stretch around each middle, `(batch, positions)`."""
    start = middle[:, None] - length // 2
    return (positions >= start) & (positions < start + length)


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]
