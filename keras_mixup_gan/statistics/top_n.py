"""Accuracy of calling the highest scores members: published figures, told fairly."""

import numpy as np
from numpy.typing import ArrayLike

from keras_mixup_gan.statistics.roc import check_scores
from keras_mixup_gan.validation import check_integer


def top_n_accuracy(
    member_scores: ArrayLike, non_member_scores: ArrayLike, n: int | None = None
) -> float:
    """Share of members among the `n` highest scores, ties by expectation.

    Only for comparison with published results: it supposes an attacker who knows how
    many of the queries are members, and changes with their share. Where scores at the
    threshold are equal, those called are drawn from them by lot; the expectation over
    the lots (of a hypergeometric count) is returned. So constant scores are worth the
    share of members among the queries, whatever their order.

    Args:
        member_scores: Array `(num_members,)`, finite.
        non_member_scores: Array `(num_non_members,)`, finite.
        n: How many queries are called members; by default as many as there are.

    Returns:
        The expected share in `[0, 1]`.

    Raises:
        ValueError: If the scores are empty or not finite, or `n` is not in 1 ...
            number of queries.

    Source: Hayes, Melis, Danezis and De Cristofaro, "LOGAN: Membership Inference
    Attacks Against Generative Models", PoPETs 2019, where the attacker calls the
    highest `n` scores members.

    Example:
    >>> top_n_accuracy([3.0, 2.0, 2.0], [2.0, 1.0, 0.0])
    0.7777777777777777
    """
    members, non_members = check_scores(member_scores, non_member_scores)
    n = len(members) if n is None else n
    check_integer(1, n=n)
    scores = np.concatenate([members, non_members])
    if n > len(scores):
        raise ValueError(
            f"`n` must not exceed the {len(scores)} scores. Received: n={n}."
        )
    threshold = np.sort(scores)[-n]
    drawn = n - int((scores > threshold).sum())
    share = float((members == threshold).sum() / (scores == threshold).sum())
    return (int((members > threshold).sum()) + drawn * share) / n
