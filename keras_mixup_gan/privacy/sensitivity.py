"""How far one image can move a sum of clipped gradients of mixtures.

Clipping each mixture to a norm `C` bounds what a mixture adds, not what an image does,
which enters several mixtures and decides how others pair up when it is removed.
"""

import math

from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.validation import check_choice

ADJACENCIES = ("add-or-remove-one", "zero-out", "replace-one")

# In units of the clipping norm, in the order of ADJACENCIES.
_MULTIPLES: dict[str, tuple[float, float, float]] = {
    # Each row is made of one image (and of images that are generated or its own).
    "none": (1, 1, 2),
    "self": (1, 1, 2),
    "real_fake": (1, 1, 2),
    # Each image is in one mixture of two; without one its partner mixes otherwise.
    "disjoint_pairs": (2, 1, 2),
    # Each image is in two mixtures. Without it one is gone (C), the other has another
    # partner (2C).
    "permutation": (3, 2, 4),
    "roll": (3, 2, 4),
    # An image may be the partner of every other one, and decides who is drawn instead.
    "with_replacement": (math.inf, math.inf, math.inf),
    # Mixtures are written once and trained on in many steps.
    "passes": (math.inf, math.inf, math.inf),
}
SCHEMES = tuple(_MULTIPLES)


def sensitivity(scheme: str, adjacency: str = "add-or-remove-one") -> float:
    """By how many clipping norms one image moves the clipped sum of a step, at most.

    The noise multiplier that an accountant may assume is the true one divided by it.
    The figures are tight, and infinite where the batch alone bounds them.

    Args:
        scheme: How rows are made of images: `"none"`, one image each; `"self"`, an
            image with itself, transformed; `"real_fake"`, an image with a generated
            one, as of WGAN-GP's penalty; `"disjoint_pairs"`, each image in one pair,
            what is left over dropped; `"permutation"` or `"roll"`, image `i` with
            image `p(i)` of the batch, in a random order or with its neighbor;
            `"with_replacement"`, with partners drawn independently; `"passes"`, with
            mixtures made once for many steps.
        adjacency: `"add-or-remove-one"` image; `"zero-out"`, rows that it touches
            count as absent; `"replace-one"` by another.

    Reference:
        Zhang et al., "mixup", ICLR 2018, for the schemes; Abadi et al., "Deep learning
        with differential privacy", CCS 2016, for clipping.
    """
    check_choice(scheme, SCHEMES, "scheme")
    check_choice(adjacency, ADJACENCIES, "adjacency")
    return _MULTIPLES[scheme][ADJACENCIES.index(adjacency)]


def of_mixup(mixup: MixUp) -> float:
    """The multiple for mixtures as a `MixUp` makes them, add-or-remove-one.

    It is `2 * num_samples - 1` within a batch, where an image is in `num_samples`
    mixtures, and twice that where generated images are blended by the same weights and
    so change with it; infinite for passes, and for classes, which share out anew.
    """
    if mixup.pairing == "passes" or mixup.same_class:
        return sensitivity("passes")
    of_reals = sensitivity("permutation") + 2 * (mixup.num_samples - 2)
    return (1 + mixup.mix_fakes) * of_reals
