"""Who is blended with whom, by which weights, and by pixels or by regions.

All functions are pure; their seeds are those of stateless operations.
"""

import tensorflow as tf

from keras_mixup_gan.typing import Tensor


def draw_shares(
    num_rows: Tensor | int,
    num_samples: int,
    alpha: float,
    max_weight: float,
    seed: Tensor,
) -> Tensor:
    """Dirichlet weights `(num_rows, num_samples)`, none above `max_weight`."""
    shape = (num_rows, num_samples)
    gamma_key, uniform_key = tf.unstack(tf.random.split(seed, 2))
    # Gamma(a) = Gamma(a + 1) * U^(1/a): logarithms keep a tiny alpha exact.
    gamma = tf.random.stateless_gamma(
        shape, gamma_key, alpha=alpha + 1.0, dtype=tf.float64
    )
    uniform = 1 - tf.random.stateless_uniform(shape, uniform_key, dtype=tf.float64)
    weights = tf.nn.softmax(tf.math.log(gamma) + tf.math.log(uniform) / alpha)
    even, shrink = 1 / num_samples, 1.0
    if max_weight < 1:
        largest = tf.reduce_max(weights, axis=1, keepdims=True)
        limited = (max_weight - even) / (largest - even)
        shrink = tf.where(largest > max_weight, limited, 1.0)
    return tf.cast(even + shrink * (weights - even), tf.float32)


def draw_partners(batch_size: Tensor, num_samples: int, seed: Tensor) -> Tensor:
    """Indices `(batch, num_samples)` of distinct rows to blend."""
    require(batch_size >= num_samples, "the batch", num_samples)
    order_key = tf.random.split(seed, 2)[0]
    order = tf.random.experimental.stateless_shuffle(tf.range(batch_size), order_key)
    rolled = [tf.roll(order, -n, axis=0) for n in range(num_samples)]
    return tf.stack(rolled, axis=1)


def draw_partners_of_class(classes: Tensor, num_samples: int, seed: Tensor) -> Tensor:
    """The same of one class, int `(batch,)`, where it has so many rows.

    A row of another class is replaced by one of a class that has.
    """
    batch_size = tf.shape(classes)[0]
    keys = tf.unstack(tf.random.split(seed, 2))
    order = tf.random.experimental.stateless_shuffle(tf.range(batch_size), keys[0])
    classes = tf.gather(classes, order)
    by_class = tf.argsort(classes, stable=True)
    order, classes = tf.gather(order, by_class), tf.gather(classes, by_class)
    start = tf.searchsorted(classes, classes, side="left")
    size = tf.searchsorted(classes, classes, side="right") - start
    offset = tf.range(batch_size) - start
    turns = offset[:, None] + tf.range(num_samples)[None]
    partners = tf.gather(order, start[:, None] + turns % size[:, None])
    enough = tf.where(size >= num_samples)[:, 0]
    require(tf.size(enough) > 0, "any class of the batch", num_samples)
    pick = tf.random.stateless_uniform(
        (batch_size,), keys[1], 0, tf.size(enough), dtype=tf.int32
    )
    own_row = tf.range(batch_size, dtype=tf.int64)
    row = tf.where(size >= num_samples, own_row, tf.gather(enough, pick))
    return tf.gather(partners, row)


def weight_matrix(shares: Tensor, partners: Tensor, num_rows: Tensor) -> Tensor:
    """The matrix `(num_mixtures, num_rows)` of the shares that partners have."""
    num_mixtures = tf.shape(partners)[0]
    mixtures = tf.broadcast_to(tf.range(num_mixtures)[:, None], tf.shape(partners))
    places = tf.stack([mixtures, partners], axis=-1)
    return tf.scatter_nd(places, shares, tf.stack([num_mixtures, num_rows]))


def weighted(rows: Tensor, weights: Tensor) -> Tensor:
    """Blends images, or labels, by weights `(num_mixtures, num_rows)`."""
    flat = tf.reshape(rows, (tf.shape(rows)[0], -1))
    return _shaped(tf.matmul(tf.cast(weights, rows.dtype), flat), rows)


def shared(rows: Tensor, shares: Tensor, partners: Tensor) -> Tensor:
    """Blends the same by few terms, at a cost that is linear in the batch.

    Both are `(num_mixtures, num_samples)`. Products are rounded and then summed from
    the first on, on every processor; a product of matrices is free to do otherwise.
    """
    flat = tf.reshape(rows, (tf.shape(rows)[0], -1))
    shares = tf.cast(shares, rows.dtype)
    terms = [
        shares[:, n, None] * tf.gather(flat, partners[:, n])
        for n in range(partners.shape[1])
    ]
    return _shaped(tf.add_n(terms), rows)


def _shaped(mixtures: Tensor, rows: Tensor) -> Tensor:
    """Flat mixtures in the shape of the rows that they are made of."""
    shape = tf.concat([tf.shape(mixtures)[:1], tf.shape(rows)[1:]], axis=0)
    return tf.ensure_shape(tf.reshape(mixtures, shape), (None, *rows.shape[1:]))


def draw_regions(
    shares: Tensor, height: int, width: int, seed: Tensor
) -> tuple[Tensor, Tensor]:
    """Boxes of the areas that shares `(batch, num_samples)` ask for, and their areas.

    The first source fills the image, and each further one a box laid over it that goes
    on at the opposite edge: it may be anywhere, so that every pixel is covered alike
    often. Its proportions are about the image's, in whole pixels.

    Returns:
        The number of each pixel's source, int32 `(batch, height, width)`, and the part
        of the pixels that each source has, float32 like `shares`.
    """
    batch_size, num_samples = tf.shape(shares)[0], shares.shape[1]
    numbers = tf.zeros((batch_size, height, width), tf.int32)
    for n in range(1, num_samples):
        # What the boxes that follow cover is taken from all before them in proportion.
        whole = tf.reduce_sum(shares[:, : n + 1], axis=1)
        share = tf.math.divide_no_nan(shares[:, n], whole)
        down = tf.maximum(tf.round(tf.sqrt(share) * height), 1)
        right = tf.minimum(tf.round(share * height * width / down), width)
        row_key, column_key = tf.unstack(tf.random.split(tf.random.fold_in(seed, n), 2))
        rows = _stretches(height, down, row_key)
        columns = _stretches(width, right, column_key)
        box = rows[:, :, None] & columns[:, None]
        numbers = tf.where(box, n, numbers)
    areas = tf.reduce_mean(tf.one_hot(numbers, num_samples), axis=(1, 2))
    return numbers, areas


def _stretches(side: int, lengths: Tensor, seed: Tensor) -> Tensor:
    """Which positions of a side are in a stretch that starts anywhere, for each row."""
    shape = (tf.size(lengths), 1)
    start = tf.random.stateless_uniform(shape, seed, 0, side, dtype=tf.int32)
    offsets = (tf.range(side)[None] - start) % side
    return offsets < tf.cast(lengths, tf.int32)[:, None]


def patched(images: Tensor, origins: Tensor) -> Tensor:
    """Images whose pixels are those of sources, int32 `(batch, height, width)`."""
    height, width, channels = images.shape[1:]
    places = tf.reshape(tf.range(height * width), (height, width))
    pixels = tf.reshape(images, (-1, channels))
    return tf.gather(pixels, origins * (height * width) + places)


def require(condition: Tensor, where: str, num_samples: int) -> None:
    """Stops where there are too few images to mix."""
    tf.debugging.Assert(
        condition,
        [
            f"Mixing {num_samples} images needs at least as many in {where}. Use a "
            "larger batch and batch(..., drop_remainder=True)."
        ],
    )
