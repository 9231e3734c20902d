"""Queries mixed as a known defense mixes training images."""

from typing import Any, TypeAlias

import numpy as np

from keras_mixup_gan.randomness import Stream, generator, sequence
from keras_mixup_gan.typing import FloatArray, IntArray

# Images, and the label rows of a conditional model.
Rows: TypeAlias = tuple[FloatArray, FloatArray | None]


def blend_weights(weights: Any, *, with_zero: bool = False) -> list[float]:
    """Weights of a query in its blends, after checking that they are any."""
    try:
        given = [float(weight) for weight in weights]
    except (TypeError, ValueError):
        given = []
    if not given or not all(0 <= one <= 1 and (one or with_zero) for one in given):
        span = "[0, 1]" if with_zero else "(0, 1]"
        raise ValueError(
            f"`weights` must be one or more weights in {span}. Received: "
            f"weights={weights!r:.80}. Use e.g. (.2, .5, .8)."
        )
    return given


class Standard:
    """Puts scores `(num_weights, number)` in units of some, and averages over weights.

    The units of each weight are the level and the spread of its scores of reference
    blends.
    """

    def __init__(self, scores: FloatArray) -> None:
        self._center = scores.mean(axis=1, keepdims=True)
        spread = scores.std(axis=1, keepdims=True)
        self._scale = np.where(spread > 0, spread, 1.0)

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Standardized scores, averaged over the weights."""
        return np.mean((scores - self._center) / self._scale, axis=0)


class KnownMixing:
    """What an attacker knows of a `MixUp`: transforms, blends and noise of queries.

    Everything is drawn from a seed, a stream and integers that tell draws apart, and is
    the same for all queries.
    """

    def __init__(self, mixup: Any, seed: int, stream: Stream) -> None:
        self._seed, self._stream = seed, stream
        self.num_samples = int(getattr(mixup, "num_samples", 2))
        self.noise_stddev = float(getattr(mixup, "noise_stddev", 0.0))
        self.policy = getattr(mixup, "augment", None)
        self.region = getattr(mixup, "region", None)
        self._is_noisy_first = getattr(mixup, "noise", None) == "once"

    @property
    def settings(self) -> dict[str, Any]:
        """What reports tell of it, as far as it is used."""
        used = {"augment": self.policy, "region": self.region}
        given = {name: value for name, value in used.items() if value is not None}
        if self._is_noisy_first:
            given["noise"] = "once"
        return {"noise_stddev": self.noise_stddev, **given}

    @property
    def is_random(self) -> bool:
        """Whether two draws with the same partners and weights differ."""
        return bool(self.noise_stddev > 0 or self.policy or self.region)

    def mixed(
        self,
        queries: Rows,
        others: Rows,
        weight: float,
        draw: tuple[int, int],
        which: IntArray | None = None,
    ) -> Rows:
        """Mixtures, and their label rows, of queries with others of such a weight.

        Others are `(number, num_others, height, width, channels)`: those of a query
        have its number, or the one that `which` says.
        """
        (images, rows), (partners, partner_rows) = queries, others
        if self._is_noisy_first:  # the size of the noise is known, not the draw
            noise = self._noise((1 + partners.shape[1], *images.shape[1:]), draw)
            images, partners = images + noise[0], partners + noise[1:]
        if self.policy is not None:
            images = self._transformed(images, (*draw, 0), shared=True)
            flat = partners.reshape(-1, *images.shape[1:])
            # The second images of pairs are queries too.
            flat = self._transformed(flat, (*draw, 1), shared=which is None)
            partners = flat.reshape(partners.shape)
        masks = areas = None
        if self.region is not None:
            masks, areas = self._regions(weight, partners.shape[1:4], draw)

        def blend(first: FloatArray, rest: FloatArray, parts: Any) -> FloatArray:
            if parts is None:
                blended, share = rest.mean(axis=1), np.float32(weight)
                blended *= np.float32(1 - weight)
            else:
                blended, share = (rest * parts[1:]).sum(axis=1), parts[0]
            if which is not None:
                blended = blended[which]
            return blended + share * first

        mixed = blend(images, partners, masks)
        if self.noise_stddev > 0 and not self._is_noisy_first:
            mixed += self._noise(images.shape[1:], draw)
        if rows is None or partner_rows is None:
            return mixed, None
        return mixed, blend(rows, partner_rows, areas)

    def _noise(self, shape: tuple[int, ...], draw: tuple[int, int]) -> FloatArray:
        rng = generator(self._seed, self._stream, *draw)
        noise = rng.standard_normal(shape, dtype="float32")
        return np.float32(self.noise_stddev) * noise

    def _transformed(
        self, images: FloatArray, draw: tuple[int, ...], shared: bool
    ) -> FloatArray:
        from keras_mixup_gan.augment import augment

        seen = augment(images, str(self.policy), self._key(*draw), shared)
        return np.asarray(seen, images.dtype)

    def _regions(
        self, weight: float, sides: tuple[int, ...], draw: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        """Masks `(1 + num_others, height, width, 1)` and areas, the query's first.

        In every other draw the query is the last box instead of the ground.
        """
        from keras_mixup_gan.blending import draw_regions

        number, height, width = sides
        step = -1 if draw[1] % 2 else 1
        shares = np.array([weight, *[(1 - weight) / number] * number], "float32")
        key = self._key(*draw, 2)
        numbers, areas = draw_regions(shares[None, ::step], height, width, key)
        masks = np.arange(1 + number)[:, None, None, None] == numbers.numpy()[..., None]
        return masks[::step].astype("float32"), areas.numpy()[0, ::step, None]

    def _key(self, *draw: int) -> IntArray:
        state = sequence(self._seed, Stream.BLEND_TRANSFORMS, *draw).generate_state(2)
        return np.asarray(state, dtype="int64")
